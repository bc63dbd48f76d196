"""What somebody at the terminal sees of a training."""

import time
from typing import Any

from transformers import TrainerCallback

from mezo_lab.finetune.endings import LINE_EVERY, Interrupts, Say
from mezo_lab.finetune.evaluation.scores import percent, without_score

OFTEN = 0.3  # of the probes: a share that moves nothing and is worth a word


class ProgressCallback(TrainerCallback):
    """A line every ten seconds, at the steps of an evaluation and at its result; ends the run where that is asked."""

    def __init__(self, trainer: Any, say: Say, interrupts: Interrupts):
        self.trainer = trainer
        self.say = say
        self.interrupts = interrupts
        self.advised = False
        self.warned = False
        self.began = self.told = time.monotonic()
        self.first = 0
        self.losses: list[float] = []  # finite ones since the last line

    def on_train_begin(self, args, state, control, **others) -> None:
        self.began = self.told = time.monotonic()
        self.first = state.global_step
        self.trainer.earlier = max((entry.get("seconds", 0.0) for entry in state.log_history), default=0.0)

    def on_step_end(self, args, state, control, **others) -> None:
        if self.trainer.skipped() and not self.warned:
            self.warned = True
            # at the start no rate has moved anything yet
            remedy = "take a smaller --lr" if state.global_step > 1 else "look at the model's weights and the objective"
            self.say(
                f"step {state.global_step:,} had a loss that is not finite and moved nothing; if more follow, "
                f"stop and {remedy}"
            )
        if state.global_step >= state.max_steps:
            control.should_evaluate = True  # the last step competes too, where `every` does not divide the steps
        self.end_if_asked(control)
        if self.interrupts.asked:
            control.should_save = True

    def on_save(self, args, state, control, **others) -> None:
        self.end_if_asked(control)  # asked for in an evaluation, whose step is saved already

    def end_if_asked(self, control) -> None:
        if self.interrupts.asked:
            control.should_training_stop = True

    def on_log(self, args, state, control, logs=None, **others) -> None:
        logs = logs or {}
        if "loss" in logs:
            if logs["loss"] is not None:
                self.losses.append(logs["loss"])
            at_evaluation = state.global_step % args.eval_steps == 0 or state.global_step == state.max_steps
            if at_evaluation or time.monotonic() - self.told > LINE_EVERY:
                self.tell_step(state, logs)
        if "eval_value" in logs:
            self.say(f"step {state.global_step:,}  validation {validated(logs)}")

    def tell_step(self, state, logs: dict[str, Any]) -> None:
        self.told = time.monotonic()
        took = self.told - self.began
        left = took / max(1, state.global_step - self.first) * (state.max_steps - state.global_step)
        speed = self.trainer.tokens_read / took
        loss = f"{sum(self.losses) / len(self.losses):.4f}" if self.losses else "not finite"
        slope = logs.get("projected_gradient")
        zero = logs.get("zero_gradients", 0.0)
        objective = self.trainer.objective
        unanswered = getattr(objective, "unanswered", 0)  # of a score as objective
        parts = [
            f"step {state.global_step:,}/{state.max_steps:,}",
            f"loss {loss}",
            "" if slope is None else f"|pg| {slope:.3g}",
            f"zero {zero:.0%}" if zero else "",
            f"skipped {logs['skipped']:,}" if logs.get("skipped") else "",
            f"{unanswered:,} of {objective.asked:,} answers without a finite score" if unanswered else "",
            f"{speed:,.0f} tokens/s",
            f"{left / 60:,.1f} min left",
        ]
        self.say("  ".join(filter(None, parts)))
        self.losses = []
        if zero > OFTEN and not self.advised:
            self.advised = True
            self.say("many probes see no difference and move nothing: a larger --epsilon or --batch shows more")


def validated(logs: dict[str, Any]) -> str:
    """The result of an evaluation, in words."""
    interval = f"{percent(logs['eval_low'])} to {percent(logs['eval_high'])}"
    return f"{percent(logs['eval_value'])} ({interval}{without_score(logs['eval_unanswered'])})"
