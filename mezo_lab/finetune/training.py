"""The training of a run: the Trainer of transformers on a task, with MeZO or with backpropagation."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import torch
from transformers import PrinterCallback, Trainer, TrainerCallback, TrainingArguments

from mezo_lab.finetune.answers import at_once, pad_token
from mezo_lab.finetune.evaluate import evaluate
from mezo_lab.finetune.examples import Encoder
from mezo_lab.finetune.losses import Objective, collated, lessons, objective_named
from mezo_lab.finetune.models import without_bars
from mezo_lab.finetune.plan import LOG, Plan
from mezo_lab.finetune.run import Prepared, Stopped
from mezo_lab.finetune.trainer import MeZOTrainer
from mezo_lab.finetune.tuning import trainable
from mezo_lab.optim import MeZO

LINE_EVERY = 10.0  # seconds between two lines of progress
OFTEN = 0.3  # of the probes: a share that moves nothing and is worth a word


class OnTask(Trainer):
    """A Trainer whose loss is an objective of a task, and whose evaluation is its score on held-out rows."""

    def __init__(self, *arguments: Any, objective: Objective, encoder: Encoder, held_out, **settings: Any):
        super().__init__(*arguments, **settings)
        self.objective, self.encoder, self.held_out = objective, encoder, held_out
        self.tokens_read = 0

    def compute_loss(self, model: Any, inputs: Any, return_outputs=False, num_items_in_batch=None) -> Any:
        self.tokens_read += sum(int(group["attention_mask"].sum()) for group in inputs["groups"])
        return self.objective(model, inputs)

    def evaluate(self, eval_dataset=None, ignore_keys=None, metric_key_prefix: str = "eval") -> dict[str, float]:
        if isinstance(self, MeZOTrainer):
            self.mezo.flush()
        model: Any = self.model
        found = evaluate(model.eval(), self.encoder, self.held_out)
        metrics = {f"{metric_key_prefix}_{name}": getattr(found, name) for name in ("value", "low", "high")}
        self.log(dict(metrics))
        self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
        return metrics


class ForwardTrainer(OnTask, MeZOTrainer):
    """With MeZO."""


class BackwardTrainer(OnTask):
    """With backpropagation."""


class Telling(TrainerCallback):
    """A line every ten seconds and one for each evaluation; the first Ctrl-C ends the run with a checkpoint."""

    def __init__(self, say: Callable[[str], None]):
        self.say, self.stop, self.advised = say, False, False
        self.trainer: OnTask | None = None
        self.began = self.told = time.monotonic()
        self.first = 0

    def on_train_begin(self, args, state, control, **others) -> None:
        self.began = self.told = time.monotonic()
        self.first = state.global_step

    def on_step_end(self, args, state, control, **others) -> None:
        if self.stop:
            control.should_save = control.should_training_stop = True
        if time.monotonic() - self.told > LINE_EVERY:
            self.told = time.monotonic()
            control.should_log = True

    def on_log(self, args, state, control, logs=None, **others) -> None:
        logs = logs or {}
        if "loss" in logs:
            took = time.monotonic() - self.began
            left = took / max(1, state.global_step - self.first) * (state.max_steps - state.global_step)
            speed = self.trainer.tokens_read / took if self.trainer else 0.0
            slope = f"  |pg| {logs['projected_gradient']:.3g}" if "projected_gradient" in logs else ""
            zero = logs.get("zero_gradients", 0.0)
            level = f"  zero {zero:.0%}" if zero else ""
            self.say(
                f"step {state.global_step:,}/{state.max_steps:,}  loss {logs['loss']:.4f}{slope}{level}"
                f"  {speed:,.0f} tokens/s  {left / 60:,.1f} min left"
            )
            if zero > OFTEN and not self.advised:
                self.advised = True
                self.say("many probes see no difference and move nothing: a larger --epsilon or --batch shows more")
        if "eval_value" in logs:
            interval = f"{logs['eval_low']:.1%} to {logs['eval_high']:.1%}"
            self.say(f"step {state.global_step:,}  validation {logs['eval_value']:.1%} ({interval})")


def train(
    ready: Prepared, model: Any, out: Path, *, resume: bool, say: Callable[[str], None]
) -> tuple[Any, dict[str, Any]]:
    """Train, keep the best checkpoint by validation, and load it. Returns: (model, facts of the training)."""
    plan = ready.plan
    callback = Telling(say)
    trainer = built(ready, model, out, callback)
    callback.trainer = trainer
    trainer.remove_callback(PrinterCallback)
    with stopping(callback, say), without_bars():
        trainer.train(resume_from_checkpoint=resume or None)
    state = trainer.state
    if callback.stop:
        raise Stopped(
            f"stopped after step {state.global_step:,}, which is kept: the same command with --resume goes on."
        )
    facts = {
        "trained": trainable(model),
        "steps": state.global_step,
        "best_step": state.best_global_step,
        "validation": [
            {"step": entry["step"], **{name: entry[f"eval_{name}"] for name in ("value", "low", "high")}}
            for entry in state.log_history
            if "eval_value" in entry
        ],
        "losses": [[entry["step"], entry["loss"]] for entry in state.log_history if "loss" in entry],
        "forward_passes": state.global_step * (2 * plan.probes if plan.method == "mezo" else 1),
        "backward_passes": 0 if plan.method == "mezo" else state.global_step,
        "zero_gradients": trainer.mezo.diagnostics.zero_rate() if isinstance(trainer, MeZOTrainer) else None,
    }
    return model, facts


def built(ready: Prepared, model: Any, out: Path, callback: TrainerCallback) -> OnTask:
    plan, args = ready.plan, arguments(ready.plan, out)  # which set up the process group, where there are several
    kinds = {
        "train_dataset": lessons(ready.encoder, ready.splits.train),
        "eval_dataset": list(ready.splits.validation),
        "data_collator": partial(collated, pad=pad_token(model), together=at_once(model, plan.batch)),
        "objective": objective_named(plan.objective, ready.encoder),
        "encoder": ready.encoder,
        "held_out": ready.splits.validation,
        "processing_class": ready.encoder.tokenizer,  # is kept beside every checkpoint
        "callbacks": [callback],
    }
    if plan.method != "mezo":
        return BackwardTrainer(model, args, **kinds)
    opt = MeZO(
        [(name, parameter) for name, parameter in model.named_parameters() if parameter.requires_grad],
        lr=plan.lr,
        epsilon=plan.epsilon,
        weight_decay=plan.weight_decay,
        probes=plan.probes,
        law=plan.law,
        rule=plan.rule,
        seed=plan.seed,
        exact=plan.dtype != "float32",
        parallel="batch" if args.world_size > 1 else None,
    )
    return ForwardTrainer(model, args, optimizers=(opt, None), log=out / LOG, **kinds)


def processes() -> int:
    """How many torchrun has started."""
    return int(os.environ.get("WORLD_SIZE", 1))


def arguments(plan: Plan, out: Path) -> TrainingArguments:
    return TrainingArguments(
        str(out),
        max_steps=plan.steps,
        per_device_train_batch_size=plan.batch // plan.micro_batches // processes(),
        gradient_accumulation_steps=plan.micro_batches,
        learning_rate=plan.lr,
        lr_scheduler_type=plan.schedule,
        weight_decay=plan.weight_decay,
        optim="sgd" if plan.method == "sgd" else "adamw_torch",
        seed=plan.seed,
        eval_strategy="steps",
        eval_steps=plan.every,
        save_strategy="steps",
        save_steps=plan.every,
        save_total_limit=2,
        load_best_model_at_end=True,
        metric_for_best_model="eval_value",
        greater_is_better=True,
        logging_strategy="steps",
        logging_steps=plan.every,
        report_to=["tensorboard"] if plan.tensorboard else [],
        remove_unused_columns=False,
        disable_tqdm=True,
        use_cpu=plan.device == "cpu" or not torch.cuda.is_available(),
    )


@contextmanager
def stopping(callback: Telling, say: Callable[[str], None]) -> Iterator[None]:
    """While this lasts the first Ctrl-C asks for an end after the step; the second is an interrupt as usual."""

    def ask(*_: Any) -> None:
        if callback.stop:
            raise KeyboardInterrupt
        callback.stop = True
        say("stopping after this step; once more to stop at once")

    try:
        before = signal.signal(signal.SIGINT, ask)
    except ValueError:  # not the main thread
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
