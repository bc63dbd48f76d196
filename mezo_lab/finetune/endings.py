"""How a run ends early, by a signal or a full disk; and the lines that report its progress."""

import errno
import os
import re
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from mezo_lab.finetune.data.rows import one_line
from mezo_lab.finetune.run_folder import Stopped, way_to_resume
from mezo_lab.sampling import Progress

LINE_EVERY = 10.0  # seconds between two lines of progress
SILENCE = 2.0  # seconds at most until the first
_DISK = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS, errno.EACCES}  # but not a closed pipe

SIGHUP = getattr(signal, "SIGHUP", None)  # a closed terminal or connection; Windows has none
SIGNALS = [number for number in (signal.SIGINT, signal.SIGTERM, SIGHUP) if number is not None]

Report = Callable[[str], None]  # takes a line of text


def no_report(line: str) -> None:
    """Report nothing."""


def progress_lines(report: Report, text: Callable[[int, int, float], str], *, first: float = LINE_EVERY) -> Progress:
    """A progress callback that reports a line now and then, every ten seconds at most, and none at the end.

    Args: text: (done, total, seconds left at this speed) → the line. first: seconds of silence before the first line.
    """
    began = time.monotonic()
    next_line = began + first

    def progress(done: int, total: int) -> None:
        nonlocal next_line
        now = time.monotonic()
        if now < next_line or not 0 < done < total:
            return
        next_line = now + LINE_EVERY
        report(text(done, total, (now - began) / done * (total - done)))

    return progress


def evaluation_lines(report: Report, name: str, count: int) -> Progress:
    """The progress of a long evaluation. Args: name: what is evaluated. count: of its examples."""

    def text(done: int, total: int, left: float) -> str:
        return f"{name}: {done / total:.0%} of {count:,} examples, {time_left(left)}"

    return progress_lines(report, text, first=SILENCE)


def encoding_lines(report: Report, name: str) -> Progress:
    """The progress of a long tokenization. Args: name: what is tokenized."""

    def text(done: int, total: int, left: float) -> str:
        return f"reading the {name} rows: {done:,} of {total:,}, {time_left(left)}"

    return progress_lines(report, text, first=SILENCE)


def time_left(seconds: float) -> str:
    """
    >>> time_left(12.3), time_left(4000)
    ('12 s left', '67 min left')
    """
    if seconds < 100:
        return f"{seconds:.0f} s left"
    return f"{seconds / 60:,.0f} min left"


@contextmanager
def disk_errors_in_one_line(out: Path) -> Iterator[None]:
    """Turn the error of a full disk into one line, which names the checkpoint that is kept."""
    try:
        yield
    except Exception as error:
        if not is_disk_error(error):
            raise
        raise OSError(
            f"{out} cannot be written ({one_line(error)}); {way_to_resume(out)}, once there is room."
        ) from error


def is_disk_error(error: Exception) -> bool:
    """Whether a file could not be written, for which torch, safetensors and tokenizers have errors of their own."""
    if isinstance(error, (ValueError, OSError)):
        return isinstance(error, OSError) and error.errno in _DISK
    text = str(error)
    number = re.search(r"os error (\d+)", text)
    if number is not None:  # of safetensors and tokenizers; an error of memory may come where a file is read
        return int(number[1]) in _DISK
    writing = "inline_container" in text or "PytorchStreamWriter" in text
    return writing and "PytorchStreamReader" not in text


class Interrupts:
    """Ctrl-C, SIGTERM and SIGHUP: alike, but for the exit status.

    While `deferred`, the first signal requests an end after the step; any other raises KeyboardInterrupt at once.
    """

    def __init__(self, report: Report):
        self.report = report
        self.deferred = False
        self.requested = False
        self.code = 128 + signal.SIGINT
        self._terminals: list[int] = []

    def __call__(self, number: int, *_: Any) -> None:
        self.code = 128 + number
        self._leave_closed_terminals()
        if not self.deferred or self.requested:
            raise KeyboardInterrupt
        self.requested = True
        self.report("stopping after this step; once more to stop at once")

    @contextmanager
    def listening(self, out: Path) -> Iterator[None]:
        """While this lasts the signals come here, and an interrupt is `Stopped`, which says what is kept."""
        self._terminals = [number for number in (1, 2) if os.isatty(number)]
        before: dict[int, Any] = {}
        with suppress(ValueError):  # not the main thread
            for number in SIGNALS:
                # a run under nohup ignores SIGHUP, and is to outlive its terminal
                if number != SIGHUP or signal.getsignal(number) is not signal.SIG_IGN:
                    before[number] = signal.signal(number, self)
        try:
            yield
        except KeyboardInterrupt:
            raise Stopped(f"stopped at once; {way_to_resume(out)}.", self.code) from None
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    @contextmanager
    def after_the_step(self) -> Iterator[None]:
        """While this lasts the first interrupt waits for the end of a step."""
        self.deferred = True
        try:
            yield
        finally:
            self.deferred = False

    def _leave_closed_terminals(self) -> None:
        """Send the output nowhere where its terminal is gone, as each line would otherwise raise an error."""
        for number in self._terminals:
            if not os.isatty(number):
                os.dup2(os.open(os.devnull, os.O_WRONLY), number)
