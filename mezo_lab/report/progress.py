"""The progress of a run: a bar on a terminal, lines with the expected time and the time left elsewhere."""

import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING

from mezo_lab.report.labels import counted, duration

if TYPE_CHECKING:
    from rich.progress import Progress as Bars

__all__ = ["Progress"]

_PATIENCE = 2.0  # seconds without a bar: shorter runs stay quiet
_SOON = 1.5  # seconds after which a run without a bar says how long it will take
_INTERVAL = 30.0  # seconds between two lines with the time left, where there is no bar


class Progress:
    """The progress of a run that lasts longer than two seconds, removed when it ends.

    It is a bar where stderr is a terminal and rich is installed, and else a line on stderr now and then. A run that is
    expected to last says so at its beginning, and shows its bar at once.

    Args:
        total: parts of the whole run.
        noun: what a part is.
        seconds: that each part is expected to take in a process of its own; None: nobody knows, and all parts are taken
            to last about as long.
        processes: how many work at a time.
        at_most: whether the run may take less than `seconds`.

    >>> with Progress(total=1) as progress:
    ...     progress.begin("norm-factor gaussian")
    ...     progress.update(50, 100)
    """

    def __init__(
        self,
        total: int,
        noun: str = "verdict",
        seconds: Sequence[float] | None = None,
        processes: int = 1,
        at_most: bool = False,
    ):
        self._total = total
        self._noun = noun
        self._processes = processes
        self._about = "at most about" if at_most else "about"
        self._known = None if seconds is None else sum(seconds) / processes
        self._shares = [1 / total] * total
        if seconds is not None and sum(seconds) > 0:
            self._shares = [part / sum(seconds) for part in seconds]
        self._finished = 0
        self._finished_share = 0.0
        self._part: int | None = None  # at work in this process
        self._share = 0.0  # of the draws of the part at work
        self._first: tuple[float, float] | None = None  # when the first draws were done, and what share of the run
        self._started = time.monotonic()
        self._ended = threading.Event()
        self._shown = False
        self._bars = _rich_bars()
        if self._bars is not None:
            self._whole = self._bars.add_task(f"{noun}s", total=1.0)
            self._draws = self._bars.add_task("draws", total=None, visible=processes == 1)

    def __enter__(self) -> "Progress":
        if self._known is not None and self._known >= _SOON:
            text = f"{counted(self._total, self._noun)}, {self._about} {duration(self._known)}"
            if self._processes > 1:
                text += f" in {self._processes:,} processes"
            _print(text)
            self._show(time.monotonic())
        if self._bars is None:  # a thread of its own, as a draw may last for minutes
            threading.Thread(target=self._announce, daemon=True).start()
        return self

    def __exit__(self, *exception) -> None:
        self._ended.set()
        if self._bars is not None and self._shown:
            self._bars.stop()

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Without a bar for a while, so that a result can be printed."""
        if self._bars is None or not self._shown:
            yield
            return
        self._bars.stop()
        try:
            yield
        finally:
            self._bars.start()

    def begin(self, name: str, part: int | None = None) -> None:
        """Begin a part, the next one if None; the one that was begun before is done."""
        after = 0
        if self._part is not None:
            after = self._part + 1
            self._finish(self._part)
        self._part = after if part is None else part
        self._share = 0.0
        if self._bars is not None:
            self._bars.reset(self._draws, description=name, total=None)
        self._show_when_long(time.monotonic())

    def complete(self, part: int) -> None:
        """One of the parts is done, in another process."""
        self._finish(part)
        self._show_when_long(time.monotonic())

    def update(self, done: int, planned: int) -> None:
        """Report how many of the draws of this part are done."""
        self._share = done / planned
        now = time.monotonic()
        if self._first is None or self._done() < self._first[1]:  # behind it: those draws were a pilot, now over
            self._first = (now, self._done())
        if self._bars is not None:
            self._bars.update(self._draws, completed=done, total=planned)
        self._show_when_long(now)

    def _finish(self, part: int) -> None:
        self._finished += 1
        self._finished_share += self._shares[part]

    def _show_when_long(self, now: float) -> None:
        if self._shown or now - self._started > _PATIENCE:
            self._show(now)

    def _show(self, now: float) -> None:
        if self._bars is None:
            return
        self._bars.update(self._whole, completed=self._done(), description=self._text(now))
        if not self._shown:
            self._bars.start()
            self._shown = True

    def _done(self) -> float:
        """The share of the run that is done."""
        share = self._finished_share
        if self._part is not None and self._part < self._total:
            share += self._share * self._shares[self._part]
        return min(1.0, share)

    def _announce(self) -> None:
        """A line with the time that the run will take, as far as its beginning shows; then lines with what is left."""
        if self._known is None:
            if self._ended.wait(_SOON):
                return
            count = counted(self._total, self._noun)
            if self._seconds_left(time.monotonic()) is None:
                _print(f"{count}; how long they take will show")
            while (left := self._seconds_left(now := time.monotonic())) is None:
                if self._ended.wait(_SOON):
                    return
            _print(f"{count}, about {duration(now - self._started + left)} in all, judging by the beginning")
        while not self._ended.wait(_INTERVAL):
            _print(self._text(time.monotonic()))

    def _text(self, now: float) -> str:
        """How many parts are done, and the time that is left where it can be told."""
        text = f"{self._finished:,} of {counted(self._total, self._noun)}"
        left = self._seconds_left(now)
        return text if left is None else f"{text}, about {duration(left)} left"

    def _seconds_left(self, now: float) -> float | None:
        """None as long as the speed of the run is not known."""
        done = self._done()
        elapsed = now - self._started
        if self._known is not None:
            # what was expected at first, and more and more what the run itself shows
            return (1 - done) * ((1 - done) * self._known + elapsed)
        if self._first is not None:  # draws, which come in small numbers
            elapsed = now - self._first[0]
            done -= self._first[1]
        if done <= 0:
            return None
        return elapsed / done * (1 - self._done())


def _rich_bars() -> "Bars | None":
    """rich's bars on stderr; None where that is no terminal, or rich is not installed."""
    if not sys.stderr.isatty() or find_spec("rich") is None:
        return None
    from rich.console import Console
    from rich.progress import BarColumn, TextColumn
    from rich.progress import Progress as Bars

    # results go to stdout, which may be a file: rich must not catch them
    columns = (TextColumn("{task.description}"), BarColumn())
    console = Console(file=sys.stderr)
    return Bars(*columns, console=console, transient=True, redirect_stdout=False, redirect_stderr=False)


def _print(text: str) -> None:
    print(f"mezo-lab: {text}", file=sys.stderr, flush=True)
