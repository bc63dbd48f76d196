"""Read a run log: all of it is verified before any of it is used, and no pass holds more than a frame."""

import logging
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from mezo_lab.optim.log.disk import open_log
from mezo_lab.optim.log.frames import LogError
from mezo_lab.optim.log.header import Header
from mezo_lab.optim.log.records import Event, StepRecord
from mezo_lab.optim.log.walk import Walk

logger = logging.getLogger(__name__)


@dataclass(frozen=True, repr=False)
class Log:
    """A verified run log: its header at hand, its steps and events read from the file each time it is iterated.

    steps: how many. torn: bytes of an unfinished frame at the end, left out. size: bytes of the frames that are read.
    """

    path: Path
    header: Header
    steps: int
    torn: int
    size: int

    def __iter__(self) -> Iterator[StepRecord | Event]:
        """All steps and events in order. Raises: LogError if the file has changed since it was verified."""
        with open_log(self.path) as file:
            walk = Walk(file, self.path, self.steps, self.size)
            yield from walk
        if walk.read != self.size:
            raise LogError(f"{self.path} has changed since it was verified: read_log it again.")

    def __repr__(self) -> str:
        columns = f"{self.header['probes']} probes, {self.header['groups']} groups"
        torn = f", {self.torn:,} torn bytes left out" if self.torn else ""
        return f"Log({self.path}: {self.steps:,} steps, {columns}, {self.size:,} bytes{torn})"


def read_log(path: str | os.PathLike[str], until: int | None = None) -> Log:
    """Verify a run log and open it for reading.

    Claim: what comes out is what was written. A torn tail, which a crash leaves, is left out with a warning. Any other
    damage is refused before a step is given out: a flipped bit anywhere, a frame that was removed or swapped.
    Assumptions: a frame of full length with wrong bytes counts as damage, though a crash of the machine, unlike one of
    the program, can leave one at the end. A file cut exactly between two frames is a shorter log: only its number of
    steps, a missing hash event or the weights can tell.
    Cost: one pass over the file, another for each iteration; memory: a frame, at most 1 MiB, and what it unpacks to.

    Args:
        path: the log.
        until: stop after this many steps and the events right behind them; what comes later is not looked at.

    Raises: LogError for what is no log or no whole one, with the remedy. OSError where the file cannot be read.

    >>> import tempfile
    >>> from mezo_lab.optim.log import LogWriter
    >>> path = Path(tempfile.mkdtemp()) / "run.log"
    >>> with LogWriter(path, {"seed": 7}, probes=1, groups=1) as writer:
    ...     writer.step([0.5], rates=[0.25])
    ...     writer.step([-2.0], rates=[0.25])
    >>> log = read_log(path)
    >>> log.header["seed"], log.steps, log.torn
    (7, 2, 0)
    >>> list(read_log(path, until=1))
    [StepRecord(number=0, projected=(0.5,), rates=(0.25,))]
    """
    with open_log(path) as file:
        walk = Walk(file, Path(path), until)
        for _ in walk:
            pass
    if walk.torn:
        logger.warning("%s ends inside a frame: %d bytes left out, %d steps kept", path, walk.torn, walk.steps)
    return Log(walk.path, walk.header, walk.steps, walk.torn, walk.read)
