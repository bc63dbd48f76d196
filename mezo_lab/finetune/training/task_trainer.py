"""The training of a run: the Trainer of transformers on a task, with MeZO or with backpropagation."""

import math
import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import torch
import torch.distributed as distributed
from transformers import PrinterCallback, Trainer, TrainerCallback, TrainingArguments

from mezo_lab.finetune.config import LOG, RunConfig, processes
from mezo_lab.finetune.encoding.encoder import Encoder
from mezo_lab.finetune.encoding.logits import bucket_size, pad_token
from mezo_lab.finetune.endings import Interrupts, Say, counted, disk_in_one_line
from mezo_lab.finetune.evaluation.evaluate import evaluate
from mezo_lab.finetune.evaluation.scores import Score
from mezo_lab.finetune.models.foreign import silenced_logging
from mezo_lab.finetune.models.loading import resolve_device
from mezo_lab.finetune.models.tuning import count_trainable
from mezo_lab.finetune.prepare import RunContext
from mezo_lab.finetune.run_folder import Stopped, resumable, seal, step_of
from mezo_lab.finetune.training.callbacks import ProgressCallback
from mezo_lab.finetune.training.objectives import Objective, collate, encode_examples, objective_named
from mezo_lab.finetune.training.trainer import MeZOTrainer
from mezo_lab.optim import MeZO
from mezo_lab.optim.arguments import rule_named
from mezo_lab.optim.noise import COORDINATES, tensor_key
from mezo_lab.optim.sweeps import KeyedTensor, NoiseField, Term

OPTIMIZERS = {"adam": "adamw_torch", "sgd": "sgd"}  # method of backpropagation → the Trainer's name
BLOCKS = 100  # entries of the losses in a result
WORTH_TELLING = 0.5  # seconds of an evaluation, below which it says little of a speed
SAMPLE = 2**20  # numbers of z by which their cost is measured
EVALUATED = ("value", "low", "high", "unanswered")  # what an entry of an evaluation has of its score


class TaskTrainer(Trainer):
    """A Trainer whose loss is an objective of a task, and whose evaluation is its score on held-out rows."""

    def __init__(self, *arguments: Any, objective: Objective, encoder: Encoder, held_out, say: Say, **settings: Any):
        super().__init__(*arguments, **settings)
        self.objective, self.encoder, self.held_out, self.say = objective, encoder, held_out, say
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
        found = evaluate(model.eval(), self.encoder, self.held_out, progress=counted(self.say, "validation"))
        metrics = {f"{metric_key_prefix}_{name}": getattr(found, name) for name in EVALUATED}
        self.log(dict(metrics))
        self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
        return metrics

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        logs["seconds"] = self.earlier + time.monotonic() - self.began  # of a resumed run those before as well
        super().log(logs, start_time)

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        super()._save_checkpoint(model, trial)
        if self.args.world_size > 1:
            distributed.barrier()  # each process has written the state of its generators
        if self.args.should_save:
            seal(Path(str(self.args.output_dir), f"checkpoint-{self.state.global_step}"))


class MeZOTaskTrainer(TaskTrainer, MeZOTrainer):
    """With MeZO."""

    def skipped(self) -> int:
        return self.mezo.diagnostics.skipped


class GradientTaskTrainer(TaskTrainer):
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
    ready: RunContext,
    model: Any,
    out: Path,
    *,
    resume: bool,
    say: Say,
    interrupts: Interrupts | None = None,
    start: tuple[Score, float] | None = None,
) -> tuple[Any, dict[str, Any]]:
    """Train, and keep the best by validation, for which the start competes with every checkpoint.

    Args: start: the validation of the model as it was, and the seconds that it took; None evaluates `model`.
    Returns: (the model with the best checkpoint loaded, or as the last step left it where the start was best, whose
    "best_step" is 0; facts of the training). Raises: Stopped; OSError for a full disk.
    """
    plan = ready.plan
    interrupts = Interrupts(say) if interrupts is None else interrupts
    trainer = build_trainer(ready, model, out, say)
    trainer.add_callback(ProgressCallback(trainer, say, interrupts))
    trainer.remove_callback(PrinterCallback)
    checkpoint, problems = resumable(out) if resume else (None, [])
    if checkpoint is not None and problems:
        say(f"{'; '.join(problems)}: the run goes on from {checkpoint.name}")
    began = time.monotonic()
    before, seconds = start or (evaluate(model, ready.encoder, ready.splits.validation), time.monotonic() - began)
    say(cost(ready, seconds, done=step_of(checkpoint) if checkpoint else 0))
    if plan.rule == "adam" and plan.method == "mezo" and plan.law != "coordinate":  # whose z is one number
        say(cost_of_adam(count_trainable(model), plan))
    trainer.add_callback(Start(before, out))
    with interrupts.after_the_step(), silenced_logging(), disk_in_one_line(out), unwarned():
        trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    state = trainer.state
    if interrupts.asked:
        raise Stopped(
            f"stopped after step {state.global_step:,}, which is kept: the same command with --resume goes on.",
            interrupts.code,
        )
    entries = [entry for entry in state.log_history if "loss" in entry]
    facts = {
        "trained": count_trainable(model),
        "steps": state.global_step,
        "best_step": state.best_global_step,
        "validation": [
            {"step": 0, **{name: getattr(before, name) for name in EVALUATED}},
            *(
                {"step": entry["step"], **{name: entry[f"eval_{name}"] for name in EVALUATED}}
                for entry in state.log_history
                if "eval_value" in entry
            ),
        ],
        "losses": in_blocks([(entry["step"], entry["loss"]) for entry in entries], plan.steps),
        "forward_passes": state.global_step * (2 * plan.probes if plan.method == "mezo" else 1),
        "backward_passes": 0 if plan.method == "mezo" else state.global_step,
        "earlier_seconds": trainer.earlier,
        "zero_gradients": trainer.mezo.diagnostics.zero_rate() if isinstance(trainer, MeZOTrainer) else None,
        "skipped": trainer.skipped(),
    }
    return model, facts


class Start(TrainerCallback):
    """The start competes for the best checkpoint; it needs no file, as the run began with it."""

    def __init__(self, score: Score, out: Path):
        self.score, self.out = score, out

    def on_train_begin(self, args, state, control, **others) -> None:
        if state.best_metric is None:
            state.best_metric, state.best_global_step = self.score.value, 0
        if state.best_global_step:  # where the folder lies now
            state.best_model_checkpoint = str(self.out / f"checkpoint-{state.best_global_step}")


@contextmanager
def unwarned() -> Iterator[None]:
    """Without the warning of a loss that is not finite: `ProgressCallback` tells it."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*loss that is not finite", RuntimeWarning)
        yield


def in_blocks(losses: Sequence[tuple[Any, float | None]], steps: int) -> list[list[Any]]:
    """The mean loss of each hundredth of a run, at its last step; None where none was finite.

    >>> in_blocks([(1, 2.0), (2, None), (3, 4.0)], 3), in_blocks([(n, 1.0) for n in range(1, 301)], 300)[:2]
    ([[1, 2.0], [2, None], [3, 4.0]], [[3, 1.0], [6, 1.0]])
    """
    size = math.ceil(steps / BLOCKS)
    found = []
    for start in range(0, len(losses), size):
        block = losses[start : start + size]
        finite = [loss for _, loss in block if loss is not None]
        found.append([block[-1][0], sum(finite) / len(finite) if finite else None])
    return found


def cost(ready: RunContext, seconds: float, done: int = 0) -> str:
    """What a training will take, in one line. seconds: of the evaluation just made. done: steps made before."""
    plan = ready.plan
    steps = plan.steps - done
    passes = 2 * plan.probes if plan.method == "mezo" else 1
    rounds = math.ceil(plan.steps / plan.every) - done // plan.every
    validation, test = len(ready.splits.validation), len(ready.splits.test)
    back = "" if plan.method == "mezo" else " and back"
    work = f"{steps:,} steps of {passes:,} × {plan.batch:,} examples{back}"
    told = f"to come: {work}, {rounds:,} evaluation{'s' * (rounds != 1)} of {validation:,}, a test of {test:,}"
    if ready.task.kind != "classification" or seconds < WORTH_TELLING:
        return told
    # backpropagation costs about two forward passes more
    examples = steps * plan.batch * (passes if plan.method == "mezo" else 3) + rounds * validation + test
    minutes = math.ceil(examples * seconds / validation / 60)
    return f"{told}; about {minutes:,} min at the speed of the first evaluation"


def cost_of_adam(numbers: int, plan: RunConfig) -> str:
    """What the window of Adam's rule costs, in one line: no moment is stored, so that each is drawn again."""
    window = rule_named("adam").window
    most = min(window, plan.steps) * plan.probes
    seconds = most * numbers * seconds_of_z(plan.law)
    return (
        f"--rule adam stores no moments: step t draws z again for each of the last min(t, {window:,}) steps, "
        f"{most:,} of {numbers:,} numbers in the end, some {seconds:,.1f} s a step; "
        "momentum has a shorter window, sgd none"
    )


def seconds_of_z(law: str) -> float:
    """The seconds that one number of z takes here, by a trial; the other laws are made of Gaussian numbers."""
    drawn = law if law in COORDINATES else "gaussian"
    field = NoiseField([KeyedTensor(torch.zeros(SAMPLE), tensor_key(0))], drawn, seed=0)
    field.sweep([Term(0, 0, (1.0,))])  # compiles
    began = time.perf_counter()
    field.sweep([Term(0, 1, (1.0,))])
    return (time.perf_counter() - began) / SAMPLE


def build_trainer(ready: RunContext, model: Any, out: Path, say: Say) -> TaskTrainer:
    """The trainer of a run, which has not begun."""
    plan, args = ready.plan, arguments(ready.plan, out)  # which set up the process group, where there are several
    kinds = {
        "train_dataset": encode_examples(ready.encoder, ready.splits.train),
        "eval_dataset": list(ready.splits.validation),
        "data_collator": partial(collate, pad=pad_token(model), together=bucket_size(model, plan.batch)),
        "objective": objective_named(plan.objective, ready.encoder),
        "encoder": ready.encoder,
        "held_out": ready.splits.validation,
        "say": say,
        "processing_class": ready.encoder.tokenizer,  # is kept beside every checkpoint
    }
    if args.device.type == "cuda" and args.world_size == 1 and (count := torch.cuda.device_count()) > 1:
        say(f"{count} GPUs are visible and this run takes {args.device}: torchrun --nproc-per-node={count} takes all")
    if plan.method != "mezo":
        return GradientTaskTrainer(model, args, **kinds)
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
        check_closure=False,  # an objective in eval mode repeats itself, and every pass of a run is counted
    )
    return MeZOTaskTrainer(model, args, optimizers=(opt, None), log=out / LOG, **kinds)


def arguments(plan: RunConfig, out: Path) -> TrainingArguments:
    """Raises: ValueError for a device on which the Trainer would not train."""
    # MeZO has a rule, and would warn of an `optim`
    own: dict[str, Any] = {} if plan.method == "mezo" else {"optim": OPTIMIZERS[plan.method]}
    found = TrainingArguments(
        str(out),
        max_steps=plan.steps,
        per_device_train_batch_size=plan.batch // plan.micro_batches // processes(),
        gradient_accumulation_steps=plan.micro_batches,
        learning_rate=plan.lr,
        lr_scheduler_type=plan.schedule,
        weight_decay=plan.weight_decay,
        **own,
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
        logging_steps=1,  # so that a run that is stopped and resumed has the entries of one that is not
        logging_nan_inf_filter=False,  # it would show 0 in their place
        report_to=["tensorboard"] if plan.tensorboard else [],
        remove_unused_columns=False,
        disable_tqdm=True,
        use_cpu=resolve_device(plan.device).type == "cpu",
    )
    asked, chosen = resolve_device(plan.device), found.device
    if asked.type != chosen.type or asked.index not in (None, chosen.index or 0):
        raise ValueError(
            f"`device` must be the one on which the Trainer of transformers trains, {chosen} in this process; got "
            f"{plan.device!r}: take --device {chosen.type}."
        )
    if found.n_gpu > 1:
        found._n_gpu = 1  # else the model is wrapped in DataParallel, and batches are larger; `built` tells of it
    return found
