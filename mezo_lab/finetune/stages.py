"""Where the time of a run goes: the seconds of each of its stages."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

__all__ = ["Stages", "stages_line"]

# stages, in the order in which they are listed
LOADING = "loading"
ENCODING = "encoding"
BEFORE = "evaluation before"
FORWARD = "forward passes"
BACKWARD = "forward and backward passes"
SWEEPS = "sweeps"
UPDATE = "update"
REST = "rest of the steps"
VALIDATION = "validation"
CHECKPOINTS = "checkpoints"
TEST = "test"
OTHER = "other"
STAGES = (
    LOADING,
    ENCODING,
    BEFORE,
    FORWARD,
    BACKWARD,
    SWEEPS,
    UPDATE,
    REST,
    VALIDATION,
    CHECKPOINTS,
    TEST,
    OTHER,
)

_SHOWN = 0.005  # a share below which a stage is not worth a word


class Stages:
    """A clock that one stage of a run holds at a time.

    A stage inside another stops the clock of the outer one. On a GPU the time of queued work belongs to the stage that
    waits for it: sweeps count in part as forward passes.

    >>> stages = Stages()
    >>> with stages.timed(REST), stages.timed(VALIDATION):
    ...     pass
    >>> sorted(stages.seconds)
    ['rest of the steps', 'validation']
    """

    def __init__(self):
        self.seconds: dict[str, float] = {}
        self._open: list[str] = []
        self._since = 0.0

    def begin(self, stage: str) -> None:
        """Give the clock to a stage, until its `end`."""
        self._read_clock()
        self._open.append(stage)

    def end(self) -> None:
        """Give the clock back to the stage around the present one."""
        self._read_clock()
        self._open.pop()

    @contextmanager
    def timed(self, stage: str) -> Iterator[None]:
        """A stage that lasts as long as the block."""
        self.begin(stage)
        try:
            yield
        finally:
            self.end()

    def whole(self, total: float) -> dict[str, float]:
        """The seconds of all stages in their order, with those of none. Args: total: of the run."""
        seconds = self.seconds | {OTHER: max(0.0, total - sum(self.seconds.values()))}
        return {stage: seconds[stage] for stage in STAGES if stage in seconds}

    def _read_clock(self) -> None:
        now = time.perf_counter()
        if self._open:
            stage = self._open[-1]
            self.seconds[stage] = self.seconds.get(stage, 0.0) + now - self._since
        self._since = now


def stages_line(seconds: Mapping[str, float]) -> str:
    """Where the time went, in one line.

    >>> stages_line({"loading": 6.0, "forward passes": 50.0, "sweeps": 3.9, "checkpoints": 0.1})
    '60 s: loading 10%, forward passes 83%, sweeps 6%'
    """
    total = sum(seconds.values())
    parts = [f"{stage} {own / total:.0%}" for stage, own in seconds.items() if own >= _SHOWN * total]
    return f"{total:,.0f} s: {', '.join(parts)}"
