"""What somebody at the terminal sees of a training, and how they end it."""

import errno
import signal
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from transformers import TrainerCallback

from mezo_lab.finetune.folder import Stopped, kept
from mezo_lab.finetune.tables import line

LINE_EVERY = 10.0  # seconds between two lines of progress
DISK = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS, errno.EACCES}  # but not a closed pipe
OFTEN = 0.3  # of the probes: a share that moves nothing and is worth a word


class Telling(TrainerCallback):
    """A line every ten seconds and one for each evaluation; the first Ctrl-C ends the run with a checkpoint."""

    def __init__(self, say: Callable[[str], None]):
        self.say, self.stop, self.advised, self.warned = say, False, False, False
        self.trainer: Any = None
        self.began = self.told = time.monotonic()
        self.first = 0

    def on_train_begin(self, args, state, control, **others) -> None:
        self.began = self.told = time.monotonic()
        self.first = state.global_step
        if self.trainer:
            self.trainer.earlier = max((entry.get("seconds", 0.0) for entry in state.log_history), default=0.0)

    def on_step_end(self, args, state, control, **others) -> None:
        if self.trainer and self.trainer.skipped() and not self.warned:
            self.warned = True
            self.say(
                f"step {state.global_step:,} had a loss that is not finite and moved nothing; where that goes on, stop "
                "and take a smaller --lr"
            )
        if self.stop:
            control.should_log = control.should_save = control.should_training_stop = True
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


@contextmanager
def in_one_line(out: Path) -> Iterator[None]:
    """What ends a training before its time, in one line that says what is kept."""
    try:
        with warnings.catch_warnings():  # of a loss that is not finite: `Telling` tells it
            warnings.filterwarnings("ignore", "step .* has a loss that is not finite", RuntimeWarning)
            yield
    except KeyboardInterrupt:
        raise Stopped(f"stopped at once; {kept(out)}.") from None
    except Exception as error:
        if not of_the_disk(error):
            raise
        raise OSError(f"{out} cannot be written ({line(error)}); {kept(out)}, once there is room.") from error


def of_the_disk(error: Exception) -> bool:
    """Whether a file could not be written, for which torch, safetensors and tokenizers have errors of their own."""
    ours = isinstance(error, OSError) and error.errno in DISK
    return ours or any(mark in str(error) for mark in ("inline_container", "PytorchStreamWriter", "os error"))


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
