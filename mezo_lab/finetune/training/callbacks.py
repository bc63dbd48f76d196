"""Callbacks of a training: its progress on the terminal, its early end, its clock, and the start as a competitor."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from transformers import TrainerCallback

from mezo_lab.finetune.endings import LINE_EVERY, Interrupts, Report
from mezo_lab.finetune.evaluation.scores import Score, percent, without_score
from mezo_lab.finetune.stages import Stages

if TYPE_CHECKING:
    from transformers import TrainerControl, TrainerState

_MANY_ZEROS = 0.3  # of the probes: a share that moves nothing and is worth a word


class ProgressCallback(TrainerCallback):
    """A line at the first step, every ten seconds, and at each evaluation; ends the run on an interrupt."""

    def __init__(self, trainer: Any, report: Report, interrupts: Interrupts):
        self.trainer = trainer
        self.report = report
        self.interrupts = interrupts
        self._advised = False
        self._warned = False
        self._began = self._last_line = time.monotonic()
        self._first_step = 0
        self._losses: list[float] = []  # finite ones since the last line

    def on_train_begin(self, args, state, control, **others) -> None:
        self._began = self._last_line = time.monotonic()
        self._first_step = state.global_step

    def on_step_end(self, args, state, control, **others) -> None:
        if self.trainer.skipped() and not self._warned:
            self._warned = True
            remedy = "give a smaller --lr"
            if state.global_step <= 1:  # no rate has moved anything yet
                remedy = "look at the model's weights and the objective"
            self.report(
                f"step {state.global_step:,} had a loss that is not finite and moved nothing; if more follow, "
                f"stop and {remedy}"
            )
        if state.global_step >= state.max_steps:
            control.should_evaluate = True  # the last step competes too, where `every` does not divide the steps
        self._end_if_requested(control)
        if self.interrupts.requested:
            control.should_save = True

    def on_save(self, args, state, control, **others) -> None:
        self._end_if_requested(control)  # during an evaluation, whose step is saved already

    def _end_if_requested(self, control: "TrainerControl") -> None:
        if self.interrupts.requested:
            control.should_training_stop = True

    def on_log(self, args, state, control, logs=None, **others) -> None:
        logs = logs or {}
        if "loss" in logs:
            if logs["loss"] is not None:
                self._losses.append(logs["loss"])
            at_evaluation = state.global_step % args.eval_steps == 0 or state.global_step == state.max_steps
            first = state.global_step == self._first_step + 1  # which says how long the others will take
            if first or at_evaluation or time.monotonic() - self._last_line > LINE_EVERY:
                self._report_step(state, logs)
        if "eval_value" in logs:
            interval = f"{percent(logs['eval_low'])} to {percent(logs['eval_high'])}"
            unanswered = without_score(logs["eval_unanswered"])
            self.report(
                f"step {state.global_step:,}  validation {percent(logs['eval_value'])} ({interval}{unanswered})"
            )

    def _report_step(self, state: "TrainerState", logs: dict[str, Any]) -> None:
        self._last_line = time.monotonic()
        seconds = self._last_line - self._began
        steps_left = state.max_steps - state.global_step
        left = seconds / max(1, state.global_step - self._first_step) * steps_left
        loss = "not finite"
        if self._losses:
            loss = f"{sum(self._losses) / len(self._losses):.4f}"
        zero = logs.get("zero_gradients", 0.0)
        objective = self.trainer.objective
        parts = [f"step {state.global_step:,}/{state.max_steps:,}", f"loss {loss}"]
        if logs.get("projected_gradient") is not None:
            parts.append(f"|pg| {logs['projected_gradient']:.3g}")
        if zero:
            parts.append(f"zero {zero:.0%}")
        if logs.get("skipped"):
            parts.append(f"skipped {logs['skipped']:,}")
        if getattr(objective, "unanswered", 0):  # of a score as objective
            parts.append(f"{objective.unanswered:,} of {objective.answers:,} answers without a finite score")
        parts.append(f"{self.trainer.tokens_read / seconds:,.0f} tokens/s")
        parts.append(f"{left / 60:,.1f} min left")
        self.report("  ".join(parts))
        self._losses = []
        if zero > _MANY_ZEROS and not self._advised:
            self._advised = True
            self.report("many probes see no difference and move nothing: a larger --epsilon or --batch shows more")


class UpdateCallback(TrainerCallback):
    """Gives the clock of the run to a stage while the optimizer makes its step."""

    def __init__(self, stages: Stages, stage: str):
        self._stages = stages
        self._stage = stage

    def on_pre_optimizer_step(self, args, state, control, **others) -> None:
        self._stages.begin(self._stage)

    def on_optimizer_step(self, args, state, control, **others) -> None:
        self._stages.end()


class StartCallback(TrainerCallback):
    """Lets the start compete for the best checkpoint. It needs no file, as the run began with it."""

    def __init__(self, score: Score, out: Path):
        self._score = score
        self._out = out

    def on_train_begin(self, args, state, control, **others) -> None:
        if state.best_metric is None:
            state.best_metric = self._score.value
            state.best_global_step = 0
        if state.best_global_step:  # where the folder lies now, which may have been moved
            state.best_model_checkpoint = str(self._out / f"checkpoint-{state.best_global_step}")
