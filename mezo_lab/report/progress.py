"""The progress of a run: a bar on a terminal, one line with the expected time elsewhere."""

import sys
import threading
import time
from importlib.util import find_spec
from typing import TYPE_CHECKING

from mezo_lab.report.labels import counted, duration

if TYPE_CHECKING:
    from rich.progress import Progress as Bars

__all__ = ["Progress"]

_PATIENCE = 2.0  # seconds without a bar: shorter runs stay quiet
_SOON = 1.5  # seconds after which a run without a bar says how long it will take


class Progress:
    """The progress of a run that lasts longer than two seconds, removed when it ends.

    It is a bar where stderr is a terminal and rich is installed, and else one line on stderr.

    Args:
        total: parts of the whole run, all taken to last about as long.
        noun: what a part is.

    >>> with Progress(total=1) as progress:
    ...     progress.begin("norm-factor gaussian")
    ...     progress.update(50, 100)
    """

    def __init__(self, total: int, noun: str = "verdict"):
        self._total = total
        self._noun = noun
        self._finished = 0
        self._begun = False
        self._share = 0.0  # of the draws of the part at work
        self._first: tuple[float, float] | None = None  # when the first draws were done, and what share of the run
        self._started = time.monotonic()
        self._ended = threading.Event()
        self._shown = False
        self._bars = _rich_bars()
        if self._bars is not None:
            self._parts = self._bars.add_task(f"{noun}s", total=total)
            self._draws = self._bars.add_task("draws", total=None)

    def __enter__(self) -> "Progress":
        if self._bars is None:  # a thread of its own, as a draw may last for minutes
            threading.Thread(target=self._announce, daemon=True).start()
        return self

    def __exit__(self, *exception) -> None:
        self._ended.set()
        if self._bars is not None and self._shown:
            self._bars.stop()

    def begin(self, name: str) -> None:
        """Begin the next part; the one before it is done."""
        self._share = 0.0
        self._finished += self._begun
        if self._bars is not None:
            if self._begun:
                self._bars.advance(self._parts)
            self._bars.reset(self._draws, description=name, total=None)
            self._show_when_long()
        self._begun = True

    def update(self, done: int, planned: int) -> None:
        """Report how many of the draws of this part are done."""
        self._share = done / planned
        if self._bars is not None:
            self._bars.update(self._draws, completed=done, total=planned)
            self._show_when_long()
        elif self._first is None or self._done() < self._first[1]:  # behind it: those draws were a pilot, now over
            self._first = (time.monotonic(), self._done())

    def _show_when_long(self) -> None:
        assert self._bars is not None
        if not self._shown and time.monotonic() - self._started > _PATIENCE:
            self._bars.start()
            self._shown = True

    def _done(self) -> float:
        """The share of the run that is done, as if every part took as long."""
        return min(1.0, (self._finished + self._share) / self._total)

    def _announce(self) -> None:
        """One line with the time that the run will take, as far as its beginning shows."""
        if self._ended.wait(_SOON):
            return
        count = counted(self._total, self._noun)
        if self._expected_seconds() is None:
            _print(f"{count}; the first draws are not done yet")
        while (seconds := self._expected_seconds()) is None:
            if self._ended.wait(_SOON):
                return
        _print(f"{count}, about {duration(seconds)} in all, judging by the beginning")

    def _expected_seconds(self) -> float | None:
        """How long the whole run will take; None as long as its speed is not known."""
        if self._first is None:
            return None
        moment, share = self._first
        done = self._done()
        if done <= share:
            return None
        return (time.monotonic() - moment) / (done - share)


def _rich_bars() -> "Bars | None":
    """rich's bars on stderr; None where that is no terminal, or rich is not installed."""
    if not sys.stderr.isatty() or find_spec("rich") is None:
        return None
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return Bars(*columns, console=Console(file=sys.stderr), transient=True)


def _print(text: str) -> None:
    print(f"mezo-lab: {text}", file=sys.stderr, flush=True)
