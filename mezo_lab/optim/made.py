"""A step that is decided: from here on an exception can delay it, but not undo it."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mezo_lab.optim.engine import Engine, Update
from mezo_lab.optim.rules import Record

if TYPE_CHECKING:
    from mezo_lab.optim.mezo import MeZO


@dataclass
class Made:
    """What moves in a step, and what the optimizer is after it. update: None where nothing moves."""

    engine: Engine
    update: Update | None
    history: list[Record]
    steps: int
    before: float | None
    projected: Sequence[float]
    rates: Sequence[float]
    told: bool = False  # to the diagnostics

    def complete(self, opt: "MeZO") -> None:
        """Make the step, or the rest of it: an exception may break this off at any line, and it is tried again."""
        if self.update is not None:
            self.engine.update(self.update, wait=opt.fused)
        elif not opt.fused:
            self.engine.go({})
        opt.history = deque(self.history, maxlen=opt.rule.window)
        opt.steps, opt.before, opt.projected = self.steps, self.before, None
        if not self.told:
            self.told = True
            loss, curvature = opt.seen
            opt.diagnostics.see(loss, self.projected, curvature, moved=self.update is not None)
        if opt.journal is not None:
            opt.journal.step(self.projected, self.rates)  # which writes each step once
        opt.made = None
