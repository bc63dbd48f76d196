"""A progress bar on the terminal: the verdicts of a run, and the draws of the one at work."""

import sys
import time

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bars

PATIENCE = 2.0  # seconds without a bar: shorter runs stay quiet


class Progress:
    """Shown once a run has lasted two seconds, gone when it ends; nothing where the output is no terminal.

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

    def __enter__(self) -> "Progress":
        return self

    def __exit__(self, *exception) -> None:
        if self.shown:
            self.bars.stop()

    def begin(self, name: str) -> None:
        """The next verdict is at work."""
        if self.begun:
            self.bars.advance(self.verdicts)
        self.begun = True
        self.bars.reset(self.draws, description=name, total=None)
        self.tick()

    def update(self, done: int, planned: int) -> None:
        """So many of its draws are done."""
        self.bars.update(self.draws, completed=done, total=planned)
        self.tick()

    def tick(self) -> None:
        if not self.shown and time.monotonic() - self.started > PATIENCE:
            self.bars.start()
            self.shown = True
