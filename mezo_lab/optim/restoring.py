"""An optimizer that displaces its weights and always finds back: to θ before a step, or to θ after it.

An exception may come at any line: from the closure, as a signal, or from another thread. What keeps θ right is the
order of things. A step is evaluated first, decided in one assignment, and from then on only completed; every move
records its progress (`displacement`); and whatever is raised passes `_restoring`, which completes or takes back.
"""

import inspect
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from torch.optim import Optimizer

from mezo_lab.optim import interrupts
from mezo_lab.optim.checkpoint import CheckedSettings
from mezo_lab.optim.closure import ClosureGuard
from mezo_lab.optim.diagnostics import Diagnostics
from mezo_lab.optim.engine import CHANGED, Engine, Update
from mezo_lab.optim.notices import Notices
from mezo_lab.optim.rules import Record, Rule
from mezo_lab.optim.stencils import Point
from mezo_lab.optim.sweeps import Cost
from mezo_lab.sampling import Law


@dataclass
class DecidedStep:
    """A step whose update is decided: from here on an exception can delay it, but not undo it."""

    engine: Engine
    update: Update | None
    """None where nothing moves."""
    history: list[Record]
    steps: int
    """The number of steps after it."""
    previous_loss: float | None
    projected: Sequence[float]
    rates: Sequence[float]
    measured: bool = False
    """Whether the diagnostics hold it."""


class RestoringOptimizer(Optimizer):
    """The weights of a `MeZO`, the moves of a step, and the way back from each of them. No class for users."""

    # settings and state that `MeZO` sets, and documents
    epsilon: float
    probes: int
    law: Law
    seed: int
    rule: Rule
    modified: str | None
    fused: bool
    exact: bool
    compiled: bool | None
    steps: int
    projected_gradients: list[float] | None
    history: deque[Record]
    diagnostics: Diagnostics
    cost: Cost
    _previous_loss: float | None
    _probe_loss: float
    _probe_curvature: float | None
    _notices: Notices
    _copied: tuple[str, ...]

    # torch hides these methods from its compiler, which it imports to do so: a second, and no step needs it
    add_param_group = inspect.unwrap(Optimizer.add_param_group)
    zero_grad = inspect.unwrap(Optimizer.zero_grad)
    state_dict = inspect.unwrap(Optimizer.state_dict)
    load_state_dict = inspect.unwrap(Optimizer.load_state_dict)

    def _detach(self) -> None:
        """The state that no copy shares: weights, run log, and whatever is under way."""
        self.run_log: Any = None
        self._engine: Engine | None = None
        self._decided: DecidedStep | None = None
        self._checked: CheckedSettings | None = None
        self._places: dict[Point, int] = {}  # of the points of a step, in their order
        self._guard = ClosureGuard(self._notices)

    def _displace(self, point: Point) -> None:
        """Take the weights to θ + side·ε·z_probe, from wherever they are: z is drawn again, and never stored."""
        probe, side = point
        engine = self._engine or self._current_engine()
        displacement = engine.perturbation(self.steps, probe, self.probes, side * self.epsilon) if side else {}
        interrupts.hold()
        try:
            if self.run_log is not None:
                self.run_log._before_move(self._places[point])
            engine.displace(displacement)
        finally:
            interrupts.release()

    def _complete(self, decided: DecidedStep) -> None:
        """Make a decided step, or the rest of it. An exception may come at any line; it is then called again."""
        if decided.update is not None:
            decided.engine.update(decided.update, wait=self.fused)
        elif not self.fused:
            decided.engine.displace({})
        self.history = deque(decided.history, maxlen=self.rule.window)
        self.steps = decided.steps
        self._previous_loss = decided.previous_loss
        self.projected_gradients = None
        if not decided.measured:
            decided.measured = True
            moved = decided.update is not None
            self.diagnostics.update(self._probe_loss, decided.projected, self._probe_curvature, moved=moved)
        if self.run_log is not None:
            self.run_log._after_step(decided.projected, decided.rates)  # which writes each step once
        self._decided = None

    def _current_engine(self) -> Engine:
        """The engine of the parameters as they are now; a new one where they were unfrozen, moved or added."""
        engine = self._engine
        replaced = engine is not None and engine.tensors_replaced
        if engine is not None and engine.displaced:
            if replaced or engine.written:
                self.flush()
                raise RuntimeError(CHANGED)
            return engine
        if engine is not None and not replaced:
            engine.resync()
            return engine
        kinds = {"modified": self.modified, "exact": self.exact, "compiled": self.compiled}
        current = Engine(self.param_groups, self.law, self.seed, self.cost, **kinds)
        if engine is not None:
            current.migrate_state(engine)
        self._engine = current
        return current

    @contextmanager
    def _restoring(self, call: str, *, drop: bool) -> Iterator[None]:
        """Any exception inside leaves θ as it was, or as after the step where its update has begun.

        Args: drop: whether a probe is then forgotten. Raises: RuntimeError inside a closure.
        """
        self._guard.refuse(call)
        try:
            yield
        except BaseException as error:  # an interrupt too
            interrupts.hold()
            try:
                self._guard.running = False
                if drop:
                    self.projected_gradients = None
                self._settle()
            except Exception as second:
                error.add_note(f"The weights could not be put back; call `flush()`: {second}")
            finally:
                interrupts.release()
            raise

    def _settle(self) -> None:
        """Complete a decided step, and put the weights at θ."""
        if self._decided is not None:
            self._complete(self._decided)
        if self._engine is not None and self._engine.displaced:
            if self.run_log is not None:
                self.run_log._before_flush()
            self._engine.flush()

    def flush(self) -> None:
        """Put the weights at θ: no probe displaces them, and no update is pending.

        Raises: RuntimeError inside a closure.
        """
        with self._restoring("flush", drop=False):
            interrupts.hold()
            try:
                self._settle()
            finally:
                interrupts.release()

    def eval(self) -> None:
        """`flush`; the Trainer calls it before it evaluates or saves."""
        self.flush()

    def train(self) -> None:
        """Nothing: the next step displaces the weights by itself."""

    def __getstate__(self) -> dict[str, Any]:
        """For `copy.deepcopy` and `pickle`: a copy continues bitwise, on copies of the weights, and without a run log.

        The weights may be displaced, and a copy knows by how much. To copy a model too, copy both in one call:
        (model, opt).
        """
        own = {name: getattr(self, name) for name in self._copied} | {"_copied": self._copied}
        if self._engine is not None:
            own["weights"] = self._engine.weights.snapshot()
        return super().__getstate__() | own

    def __setstate__(self, state: dict[str, Any]) -> None:
        weights = state.pop("weights", None)
        super().__setstate__(state)
        if "_copied" not in state:  # torch loads a state_dict through this method
            return
        self._detach()
        if weights is not None:
            self._current_engine().weights.restore(weights)

    @property
    def _step_supports_amp_scaling(self) -> bool:
        # torch's GradScaler reads this before a step
        raise RuntimeError(
            "a GradScaler has nothing to scale, as MeZO takes no gradient: call opt.step(closure) itself."
        )
