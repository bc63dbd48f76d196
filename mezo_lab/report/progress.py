"""How far a run is: a bar on a terminal, one line with the expected time where there is none."""

import sys
import threading
import time

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bars

PATIENCE = 2.0  # seconds without a bar: shorter runs stay quiet
SOON = 1.5  # seconds after which a run that no terminal shows says how long it will take


class Progress:
    """Shown once a run has lasted two seconds, gone when it ends; a line on stderr where that is no terminal.

    >>> with Progress(total=1) as progress:
    ...     progress.begin("norm-factor gaussian")
    ...     progress.update(50, 100)
    """

    def __init__(self, total: int):
        console = Console(file=sys.stderr)
        columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
        self.bars = Bars(*columns, console=console, transient=True, disable=not console.is_terminal)
        self.verdicts = self.bars.add_task("verdicts", total=total)
        self.draws = self.bars.add_task("draws", total=None)
        self.started = time.monotonic()
        self.begun = self.shown = False
        self.total, self.at = total, 0
        self.share = 0.0  # of the draws of the verdict at work
        self.first: tuple[float, float] | None = None  # when the first draws were done, and what part of the run
        self.ended = threading.Event()
        self.quiet = not console.is_terminal

    def __enter__(self) -> "Progress":
        if self.quiet:  # a thread of its own, as a draw may last for minutes
            threading.Thread(target=self.tell, daemon=True).start()
        return self

    def __exit__(self, *exception) -> None:
        self.ended.set()
        if self.shown:
            self.bars.stop()

    def begin(self, name: str) -> None:
        """The next verdict is at work."""
        if self.begun:
            self.bars.advance(self.verdicts)
            self.at += 1
        self.begun = True
        self.share = 0.0
        self.bars.reset(self.draws, description=name, total=None)
        self.tick()

    def update(self, done: int, planned: int) -> None:
        """So many of its draws are done."""
        self.share = done / planned
        if self.quiet and (self.first is None or self.done < self.first[1]):  # behind it: the pilot is over
            self.first = time.monotonic(), self.done
        self.bars.update(self.draws, completed=done, total=planned)
        self.tick()

    def tick(self) -> None:
        if not self.shown and time.monotonic() - self.started > PATIENCE:
            self.bars.start()
            self.shown = True

    @property
    def done(self) -> float:
        """The part of the run that is done, as if every verdict took as long."""
        return min(1.0, (self.at + self.share) / self.total)

    def tell(self) -> None:
        """One line with the time that the run will take, as far as its beginning shows."""
        if self.ended.wait(SOON):
            return
        count = f"{self.total:,} verdict{'' if self.total == 1 else 's'}"
        if not self.seconds():
            self.say(f"{count}; the first draws are not done yet")
        while not self.seconds():
            if self.ended.wait(SOON):
                return
        self.say(f"{count}, about {lasting(self.seconds())} in all, judging by the beginning")

    def seconds(self) -> float:
        """What the whole run will take; 0 where nobody can say."""
        began, before = self.first or (0.0, 1.0)
        return (time.monotonic() - began) / (self.done - before) if self.done > before else 0.0

    def say(self, told: str) -> None:
        print(f"mezo-lab: {told}", file=sys.stderr, flush=True)


def lasting(seconds: float) -> str:
    """
    >>> lasting(41), lasting(172), lasting(7 * 3600), lasting(9e6), lasting(1e12)
    ('41 s', '3 min', '7 h', '104 days', '31,710 years')
    """
    for unit, length, most in (("s", 1, 90), ("min", 60, 90), ("h", 3600, 48), ("days", 86_400, 1_000)):
        if seconds < most * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds / 31_536_000:,.0f} years"
