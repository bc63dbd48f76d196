"""The training of a run: the Trainer of transformers on a task, with MeZO or with backpropagation."""

import math
import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Any

import torch
import torch.distributed as distributed
from transformers import PrinterCallback, Trainer, TrainingArguments

from mezo_lab.finetune.config import RunConfig
from mezo_lab.finetune.encoding.encoder import Encoder
from mezo_lab.finetune.encoding.examples import collate
from mezo_lab.finetune.encoding.logits import bucket_size, pad_token
from mezo_lab.finetune.endings import Interrupts, Report, disk_errors_in_one_line, evaluation_lines
from mezo_lab.finetune.evaluation.evaluate import evaluate_questions
from mezo_lab.finetune.evaluation.questions import Questions
from mezo_lab.finetune.evaluation.scores import Score
from mezo_lab.finetune.models.foreign import silenced_logging
from mezo_lab.finetune.models.loading import resolve_device
from mezo_lab.finetune.models.tuning import count_trainable
from mezo_lab.finetune.prepare import RunContext
from mezo_lab.finetune.run_folder import LOG, NEW_RUN, ResumePoint, Stopped, seal
from mezo_lab.finetune.stages import BACKWARD, CHECKPOINTS, FORWARD, LOADING, SWEEPS, UPDATE, VALIDATION, Stages
from mezo_lab.finetune.training.callbacks import ProgressCallback, StartCallback, UpdateCallback
from mezo_lab.finetune.training.cost import cost_line, window_cost_line
from mezo_lab.finetune.training.evaluations import SCORE_FIELDS, EvaluationRecord
from mezo_lab.finetune.training.objectives import Objective, objective_named
from mezo_lab.finetune.training.rebuilding import rebuild_checkpoint, restore_best
from mezo_lab.finetune.training.trainer import MeZOTrainer
from mezo_lab.optim import MeZO
from mezo_lab.optim.arguments import rule_named

_OPTIMIZERS = {"adam": "adamw_torch", "sgd": "sgd"}  # method of backpropagation → the Trainer's name
_LARGE = 2**28  # bytes of weights, which take a disk a second or more
_BLOCKS = 100  # entries of the losses in a result


class TaskTrainer(Trainer):
    """A Trainer whose loss is an objective of a task, and whose evaluation is the score on held-out rows."""

    def __init__(
        self,
        *arguments: Any,
        objective: Objective,
        encoder: Encoder,
        held_out: Questions,
        stages: Stages,
        report: Report,
        earlier_seconds: float,
        **settings: Any,
    ):
        super().__init__(*arguments, **settings)
        self.objective = objective
        self.encoder = encoder
        self.held_out = held_out
        self.stages = stages
        self.report = report
        self.earlier_seconds = earlier_seconds
        self.began = time.monotonic()
        self.tokens_read = 0

    def compute_loss(self, model: Any, inputs: Any, return_outputs=False, num_items_in_batch=None) -> Any:
        self.tokens_read += inputs["tokens"]
        return self.objective(model, inputs)

    def skipped(self) -> int:
        """How many steps moved nothing, as a loss was not finite."""
        return 0

    def zero_rate(self) -> float | None:
        """The share of probes that saw no difference; None without probes."""
        return None

    def evaluate(self, eval_dataset=None, ignore_keys=None, metric_key_prefix: str = "eval") -> dict[str, float]:
        model: Any = self.model
        progress = evaluation_lines(self.report, "validation", len(self.held_out))
        with self.stages.timed(VALIDATION):
            result = evaluate_questions(model.eval(), self.encoder, self.held_out, progress=progress)
        metrics = {f"{metric_key_prefix}_{name}": getattr(result, name) for name in SCORE_FIELDS}
        self.log(dict(metrics))
        self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
        return metrics

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        logs["seconds"] = self.earlier_seconds + time.monotonic() - self.began
        super().log(logs, start_time)

    def _load_optimizer_and_scheduler(self, checkpoint: str | None) -> None:
        super()._load_optimizer_and_scheduler(checkpoint)
        if checkpoint is None:
            return
        # the rate of the step to come is that of the schedule, which a run that was prolonged has anew
        scheduler: Any = self.lr_scheduler
        groups = self.optimizer.param_groups  # type: ignore[union-attr]
        for group, base, factor in zip(groups, scheduler.base_lrs, scheduler.lr_lambdas, strict=True):
            group["lr"] = base * factor(scheduler.last_epoch)
        scheduler._last_lr = [group["lr"] for group in groups]

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        name = f"checkpoint-{self.state.global_step}"
        self._announce(f"writing {name}")
        with self.stages.timed(CHECKPOINTS):
            super()._save_checkpoint(model, trial)
            if self.args.world_size > 1:
                distributed.barrier()  # each process has written the state of its generators
            if self.args.should_save:
                seal(Path(str(self.args.output_dir), name))

    def _load_best_model(self) -> None:
        self._announce(f"loading the best, {Path(str(self.state.best_model_checkpoint)).name}")
        with self.stages.timed(CHECKPOINTS):
            super()._load_best_model()

    def _announce(self, text: str) -> None:
        """Report what is written or read where it is so large that it may take seconds."""
        trained = [weights for weights in self.model.parameters() if weights.requires_grad]  # type: ignore[union-attr]
        size = sum(weights.numel() * weights.element_size() for weights in trained)
        if size >= _LARGE:
            self.report(f"{text}, {size / 1e9:,.1f} GB")


class MeZOTaskTrainer(TaskTrainer, MeZOTrainer):
    """With MeZO."""

    def skipped(self) -> int:
        return self.mezo.diagnostics.skipped

    def zero_rate(self) -> float | None:
        return self.mezo.diagnostics.zero_rate()

    def evaluate(self, *arguments: Any, **settings: Any) -> dict[str, float]:
        self.mezo.flush()
        return super().evaluate(*arguments, **settings)

    def _load_best_model(self) -> None:
        self._settle()  # the log ends where the run did
        with self.stages.timed(CHECKPOINTS):
            restore_best(self, self.report)
        super()._load_best_model()

    def _probe(self, model: Any) -> float:
        with self.stages.timed(SWEEPS):  # and, inside, the forward passes
            return super()._probe(model)

    def _weighted_loss(self, *arguments: Any) -> float:
        with self.stages.timed(FORWARD):
            return super()._weighted_loss(*arguments)


class GradientTaskTrainer(TaskTrainer):
    """With backpropagation. A loss that is not finite ends it, as its gradient would destroy the weights."""

    def training_step(self, *arguments: Any, **settings: Any) -> torch.Tensor:
        with self.stages.timed(BACKWARD):
            loss = super().training_step(*arguments, **settings)
        if not torch.isfinite(loss):
            raise ValueError(
                f"`lr` must keep the loss finite, got {self.args.learning_rate:g} and a loss of {float(loss)} at step "
                f"{self.state.global_step + 1}: give a smaller one, and another --out."
            )
        return loss


def train_model(
    context: RunContext,
    model: Any,
    out: Path,
    *,
    report: Report,
    interrupts: Interrupts,
    resume_from: ResumePoint = NEW_RUN,
    start: tuple[Score, float] | None = None,
) -> dict[str, Any]:
    """Train, and keep the best by validation, for which the start competes with every checkpoint.

    The model ends with the weights of the best checkpoint; where the start was best, whose "best_step" is 0, with those
    of the last step.

    Args:
        model: from `build_model`; trained in place.
        out: the folder of the run.
        report: takes lines of progress.
        interrupts: of the whole run.
        resume_from: where the run begins.
        start: the validation of the model as it was, and the seconds that it took; None evaluates `model`.

    Returns: facts of the training, for the result. Raises: Stopped; OSError for a full disk.
    """
    config = context.config
    with context.stages.timed(LOADING):
        trainer = build_trainer(context, model, out, report, resume_from.seconds)
    trainer.remove_callback(PrinterCallback)
    trainer.add_callback(ProgressCallback(trainer, report, interrupts))
    trainer.add_callback(UpdateCallback(context.stages, SWEEPS if config.method == "mezo" else UPDATE))
    if resume_from.problems:
        place = resume_from.checkpoint.name if resume_from.checkpoint else "its log"
        report(f"{'; '.join(resume_from.problems)}: the run goes on from {place}")
    if start is None:
        began = time.monotonic()
        score = evaluate_questions(model, context.encoder, context.validation)
        start = score, time.monotonic() - began
    before, seconds = start
    report(cost_line(context, seconds, done=resume_from.step))
    if config.method == "mezo" and rule_named(config.rule).window > 1 and config.law != "coordinate":  # one number a z
        report(window_cost_line(count_trainable(model), config))
    trainer.add_callback(StartCallback(before, out))
    trainer.add_callback(EvaluationRecord(out))
    checkpoint = resume_from.checkpoint
    with silenced_logging(), disk_errors_in_one_line(out):
        if resume_from.rebuilds:
            assert isinstance(trainer, MeZOTaskTrainer)
            with context.stages.timed(CHECKPOINTS):
                checkpoint = rebuild_checkpoint(trainer, out, resume_from.step, before, report)
        with interrupts.after_the_step(), _without_loss_warning():
            trainer.train(resume_from_checkpoint=str(checkpoint or "") or None)
    if interrupts.requested:
        raise Stopped(
            f"stopped after step {trainer.state.global_step:,}, which is kept: the same command with --resume goes on.",
            interrupts.code,
        )
    return _facts(trainer, config, before)


def _facts(trainer: TaskTrainer, config: RunConfig, before: Score) -> dict[str, Any]:
    """What a result says of a training. Args: before: the validation of the start."""
    state = trainer.state
    validation = [{"step": 0, **{name: getattr(before, name) for name in SCORE_FIELDS}}]
    losses = []
    for entry in state.log_history:
        if "eval_value" in entry:
            validation.append({"step": entry["step"], **{name: entry[f"eval_{name}"] for name in SCORE_FIELDS}})
        if "loss" in entry:
            losses.append((entry["step"], entry["loss"]))
    return {
        "trained": count_trainable(trainer.model),  # type: ignore[arg-type]
        "steps": state.global_step,
        "best_step": state.best_global_step,
        "validation": validation,
        "losses": _in_blocks(losses, config.steps),
        "forward_passes": state.global_step * config.forward_passes,
        "backward_passes": state.global_step * (config.method != "mezo"),
        "zero_gradients": trainer.zero_rate(),
        "skipped": trainer.skipped(),
    }


@contextmanager
def _without_loss_warning() -> Iterator[None]:
    """Without the warning of a loss that is not finite, which `ProgressCallback` reports."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*loss that is not finite", RuntimeWarning)
        yield


def _in_blocks(losses: Sequence[tuple[Any, float | None]], steps: int) -> list[list[Any]]:
    """The mean loss of each hundredth of a run, at its last step; None where none was finite.

    A run that was rebuilt from its log has one loss for all steps between two evaluations before.

    >>> _in_blocks([(1, 2.0), (2, None), (3, 4.0)], 3), _in_blocks([(n, 1.0) for n in range(1, 301)], 300)[:2]
    ([[1, 2.0], [2, None], [3, 4.0]], [[3, 1.0], [6, 1.0]])
    """
    size = math.ceil(steps / _BLOCKS)
    means = []
    for _, block in groupby(losses, key=lambda entry: (entry[0] - 1) // size):
        entries = list(block)
        finite = [loss for _, loss in entries if loss is not None]
        means.append([entries[-1][0], sum(finite) / len(finite) if finite else None])
    return means


def build_trainer(
    context: RunContext, model: Any, out: Path, report: Report, earlier_seconds: float = 0.0
) -> TaskTrainer:
    """The trainer of a run, which has not begun. Args: earlier_seconds: that the run took before a resume."""
    config = context.config
    args = _training_arguments(config, out)  # which set up the process group, where there are several processes
    settings = {
        "train_dataset": list(context.examples),
        "eval_dataset": list(context.validation.rows),
        "data_collator": partial(collate, pad=pad_token(model), together=bucket_size(model, config.batch)),
        "objective": objective_named(config.objective, context.encoder),
        "encoder": context.encoder,
        "held_out": context.validation,
        "stages": context.stages,
        "report": report,
        "earlier_seconds": earlier_seconds,
        "processing_class": context.encoder.tokenizer,  # saved beside every checkpoint
    }
    if args.device.type == "cuda" and args.world_size == 1 and (count := torch.cuda.device_count()) > 1:
        report(
            f"{count} GPUs are visible and this run takes {args.device}: torchrun --nproc-per-node={count} takes all"
        )
    if config.method != "mezo":
        return GradientTaskTrainer(model, args, **settings)
    opt = MeZO(
        [(name, parameter) for name, parameter in model.named_parameters() if parameter.requires_grad],
        lr=config.lr,
        epsilon=config.epsilon,
        weight_decay=config.weight_decay,
        probes=config.probes,
        law=config.law,
        rule=config.rule,
        **config.estimate,
        seed=config.seed,
        exact=config.dtype != "float32",
        parallel="batch" if args.world_size > 1 else None,
        check_closure=False,  # an objective in eval mode repeats itself, and every pass of a run is counted
    )
    return MeZOTaskTrainer(model, args, optimizers=(opt, None), log=out / LOG, **settings)


def _training_arguments(config: RunConfig, out: Path) -> TrainingArguments:
    """Raises: ValueError for a device on which the Trainer would not train."""
    optimizer: dict[str, Any] = {}
    if config.method != "mezo":  # which has a rule, and would warn of an `optim`
        optimizer["optim"] = _OPTIMIZERS[config.method]
    args = TrainingArguments(
        str(out),
        max_steps=config.steps,
        gradient_accumulation_steps=config.micro_batches,
        learning_rate=config.lr,
        lr_scheduler_type=config.schedule,
        weight_decay=config.weight_decay,
        **optimizer,
        seed=config.seed,
        eval_strategy="steps",
        eval_steps=config.every,
        save_strategy="steps",
        save_steps=config.every,
        save_total_limit=2,
        load_best_model_at_end=True,
        metric_for_best_model="eval_value",
        greater_is_better=True,
        logging_strategy="steps",
        logging_steps=1,  # so that a run that is stopped and resumed has the entries of one that is not
        logging_nan_inf_filter=False,  # it would show 0 in their place
        report_to=["tensorboard"] if config.tensorboard else [],
        remove_unused_columns=False,
        disable_tqdm=True,
        use_cpu=resolve_device(config.device).type == "cpu",
    )
    requested = resolve_device(config.device)
    chosen = args.device
    if requested.type != chosen.type or requested.index not in (None, chosen.index or 0):
        raise ValueError(
            f"`device` must be the one on which the Trainer of transformers trains, {chosen} in this process; got "
            f"{config.device!r}: give --device {chosen.type}."
        )
    if args.n_gpu > 1:
        args._n_gpu = 1  # else the model is wrapped in DataParallel, and batches are larger; `build_trainer` reports it
    args.per_device_train_batch_size = config.batch // config.micro_batches // args.world_size
    return args
