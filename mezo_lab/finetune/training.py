"""The training of a run: the Trainer of transformers on a task, with MeZO or with backpropagation."""

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch
from transformers import PrinterCallback, Trainer, TrainerCallback, TrainingArguments

from mezo_lab.finetune.answers import at_once, pad_token
from mezo_lab.finetune.evaluate import evaluate
from mezo_lab.finetune.examples import Encoder
from mezo_lab.finetune.folder import Stopped, newest_checkpoint
from mezo_lab.finetune.losses import Objective, collated, lessons, objective_named
from mezo_lab.finetune.models import without_bars
from mezo_lab.finetune.plan import LOG, Plan, processes
from mezo_lab.finetune.prepare import Prepared
from mezo_lab.finetune.progress import Telling, in_one_line, stopping
from mezo_lab.finetune.trainer import MeZOTrainer
from mezo_lab.finetune.tuning import trainable
from mezo_lab.optim import MeZO


class OnTask(Trainer):
    """A Trainer whose loss is an objective of a task, and whose evaluation is its score on held-out rows."""

    def __init__(self, *arguments: Any, objective: Objective, encoder: Encoder, held_out, **settings: Any):
        super().__init__(*arguments, **settings)
        self.objective, self.encoder, self.held_out = objective, encoder, held_out
        self.tokens_read = 0
        self.began, self.earlier = time.monotonic(), 0.0  # seconds of the parts before, of a resumed run

    def compute_loss(self, model: Any, inputs: Any, return_outputs=False, num_items_in_batch=None) -> Any:
        self.tokens_read += sum(int(group["attention_mask"].sum()) for group in inputs["groups"])
        return self.objective(model, inputs)

    def skipped(self) -> int:
        """Steps that moved nothing, as a loss was not finite."""
        return 0

    def evaluate(self, eval_dataset=None, ignore_keys=None, metric_key_prefix: str = "eval") -> dict[str, float]:
        if isinstance(self, MeZOTrainer):
            self.mezo.flush()
        model: Any = self.model
        found = evaluate(model.eval(), self.encoder, self.held_out)
        metrics = {f"{metric_key_prefix}_{name}": getattr(found, name) for name in ("value", "low", "high")}
        self.log(dict(metrics))
        self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
        return metrics

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        logs["seconds"] = self.earlier + time.monotonic() - self.began  # of a resumed run those before as well
        super().log(logs, start_time)


class ForwardTrainer(OnTask, MeZOTrainer):
    """With MeZO."""

    def skipped(self) -> int:
        return self.mezo.diagnostics.skipped


class BackwardTrainer(OnTask):
    """With backpropagation, which a loss that is not finite ends: it would destroy the weights."""

    def training_step(self, *arguments: Any, **settings: Any) -> torch.Tensor:
        loss = super().training_step(*arguments, **settings)
        if not torch.isfinite(loss):
            raise ValueError(
                f"`lr` must keep the loss finite, got {self.args.learning_rate:g} and a loss of {float(loss)} at step "
                f"{self.state.global_step + 1}: take a smaller one, and another --out."
            )
        return loss


def train(
    ready: Prepared, model: Any, out: Path, *, resume: bool, say: Callable[[str], None]
) -> tuple[Any, dict[str, Any]]:
    """Train, keep the best checkpoint by validation, and load it. Returns: (model, facts of the training)."""
    plan = ready.plan
    callback = Telling(say)
    trainer = built(ready, model, out, callback)
    callback.trainer = trainer
    trainer.remove_callback(PrinterCallback)
    begin = str(newest_checkpoint(out)) if resume else None
    with stopping(callback, say), without_bars(), in_one_line(out):
        trainer.train(resume_from_checkpoint=begin)
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
        "earlier_seconds": trainer.earlier,
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


def arguments(plan: Plan, out: Path) -> TrainingArguments:
    return TrainingArguments(
        str(out),
        max_steps=plan.steps,
        per_device_train_batch_size=plan.batch // plan.micro_batches // processes(),
        gradient_accumulation_steps=plan.micro_batches,
        learning_rate=plan.lr,
        lr_scheduler_type=plan.schedule,
        weight_decay=plan.weight_decay,
        **({} if plan.method == "mezo" else {"optim": "sgd" if plan.method == "sgd" else "adamw_torch"}),
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
        logging_nan_inf_filter=False,  # it would show 0 in their place
        report_to=["tensorboard"] if plan.tensorboard else [],
        remove_unused_columns=False,
        disable_tqdm=True,
        use_cpu=plan.device == "cpu" or not torch.cuda.is_available(),
    )
