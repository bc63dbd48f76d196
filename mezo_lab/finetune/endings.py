"""How a run ends early, by an interrupt or a full disk; and the lines of progress of a long evaluation."""

import errno
import re
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from mezo_lab.finetune.data.rows import one_line
from mezo_lab.finetune.run_folder import Stopped, kept

LINE_EVERY = 10.0  # seconds between two lines of progress
DISK = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS, errno.EACCES}  # but not a closed pipe

Say = Callable[[str], None]


def counted(say: Say, what: str) -> Callable[[int, int], None]:
    """A progress callback that says every ten seconds how far an evaluation is."""
    told = time.monotonic()

    def progress(done: int, total: int) -> None:
        nonlocal told
        if time.monotonic() - told > LINE_EVERY and done < total:
            told = time.monotonic()
            say(f"{what}: {done:,} of {total:,} examples")

    return progress


@contextmanager
def disk_in_one_line(out: Path) -> Iterator[None]:
    """Turn the error of a full disk into one line, which names the checkpoint that is kept."""
    try:
        yield
    except Exception as error:
        if not of_the_disk(error):
            raise
        raise OSError(f"{out} cannot be written ({one_line(error)}); {kept(out)}, once there is room.") from error


def of_the_disk(error: Exception) -> bool:
    """Whether a file could not be written, for which torch, safetensors and tokenizers have errors of their own."""
    if isinstance(error, (ValueError, OSError)):
        return isinstance(error, OSError) and error.errno in DISK
    said = str(error)
    number = re.search(r"os error (\d+)", said)
    if number is not None:  # of safetensors and tokenizers; one of memory may come where a file is read
        return int(number[1]) in DISK
    return "PytorchStreamReader" not in said and any(
        mark in said for mark in ("inline_container", "PytorchStreamWriter")
    )


class Interrupts:
    """Ctrl-C, and SIGTERM, which batch systems send: alike, but for the exit status.

    While `deferred`, the first signal asks for an end after the step; any other raises KeyboardInterrupt at once.
    """

    def __init__(self, say: Say):
        self.say = say
        self.deferred = False
        self.asked = False
        self.code = 128 + signal.SIGINT

    def __call__(self, number: int, *_: Any) -> None:
        self.code = 128 + number
        if not self.deferred or self.asked:
            raise KeyboardInterrupt
        self.asked = True
        self.say("stopping after this step; once more to stop at once")

    @contextmanager
    def heard(self, out: Path) -> Iterator[None]:
        """While this lasts the signals come here, and an interrupt is `Stopped`, which says what is kept."""
        before = {}
        with suppress(ValueError):  # not the main thread
            before = {number: signal.signal(number, self) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        except KeyboardInterrupt:
            raise Stopped(f"stopped at once; {kept(out)}.", self.code) from None
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
