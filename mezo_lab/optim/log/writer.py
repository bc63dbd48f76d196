"""Write a run log: steps gather in memory, some at a time are sealed, and what is sealed is in the system's hands."""

import errno
import logging
import os
from collections.abc import Sequence
from io import FileIO
from pathlib import Path
from typing import Any

import numpy

from mezo_lab.optim.log import disk
from mezo_lab.optim.log.frames import MOST_PAYLOAD, PREAMBLE, START, Kind, LogError, as_bytes, chained
from mezo_lab.optim.log.header import Header, as_json, complete, difference
from mezo_lab.optim.log.rates import REACH
from mezo_lab.optim.log.records import MOST_STEPS, Place, as_event, as_floats, pack_steps
from mezo_lab.optim.log.walk import Walk

logger = logging.getLogger(__name__)


class LogWriter:
    """Writes the log of a run.

    Claim: floats come back bit for bit. A crash of the program loses the steps that are not sealed yet, at most
    seal_every − 1, and none before; a crash of the machine may lose what came after the last `close`.
    Cost: 4 bytes per probe and step, 8 bytes per frame, and the learning rates: nothing where they are constant, 2 or
    3 bits per step on a smooth schedule, once for all groups that share it. 20,000 steps of one probe take, beyond
    the header, 4.50 bytes each at a constant rate, 4.77 with linear decay, 4.81 with a cosine, 4.82 with a cosine after
    1,000 steps of warmup (measured, seal_every=16). Memory: the pending steps.

    Args:
        path: the file, in a folder that exists.
        header: what the run is made of (noise, law, seed, fingerprint, …), as JSON; `probes`, `groups` and
            `first_step`, the number of the first step (default 0), are added.
        probes, groups: projected gradients and learning rates per step.
        seal_every: steps per frame, 1 to 255.
        append: continue the log at `path` if there is one. Its header must be the same; a torn tail is dropped, with a
            warning. Without it an existing file is an error.
        until: with `append`, drop all that comes after this many steps and the events right behind them: for a
            checkpoint that is older than its log, or a log that is damaged further on.

    Raises: LogError where the existing log is damaged, another run's, or being written. FileExistsError. OSError with
    the path and what is safe: the steps that could not be written stay pending, and the next `seal` tries them again.

    >>> import tempfile
    >>> from mezo_lab.optim.log import read_log
    >>> path = Path(tempfile.mkdtemp()) / "run.log"
    >>> with LogWriter(path, {"law": "gaussian", "seed": 7}, probes=2, groups=1) as log:
    ...     log.step([0.5, -0.25], rates=[0.125])
    ...     log.event("settings", {"epsilon": 0.001})
    >>> for item in read_log(path):
    ...     print(item)
    StepRecord(number=0, projected=(0.5, -0.25), rates=(0.125,))
    Event(kind='settings', step=1, data={'epsilon': 0.001})
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        header: Header,
        *,
        probes: int,
        groups: int,
        seal_every: int = 16,
        append: bool = False,
        until: int | None = None,
    ):
        if not 1 <= seal_every <= MOST_STEPS:
            raise ValueError(f"`seal_every` must be from 1 to {MOST_STEPS}, got {seal_every}: 16 packs well.")
        if until is not None and not append:
            raise ValueError(f"`until` needs append=True, got {until}: a new log has nothing to drop.")
        self.path, self.header = Path(path), complete(header, probes, groups)
        self.probes, self.groups = probes, groups
        self.seal_every = min(seal_every, MOST_PAYLOAD // (4 * (probes + groups)))
        self.pending: list[bytes] = []
        self.broken = False  # whether an interrupt may have left bytes behind `place` in the file
        resumes = append and (until is not None or self.path.exists())
        self.file, self.place = self.resume(until) if resumes else self.create()
        try:
            self.seal()  # steps that `until` cut off their frame
        except BaseException:
            disk.release(self.file)
            raise

    @property
    def steps(self) -> int:
        """Steps so far, pending ones included."""
        return self.place.steps + len(self.pending)

    def create(self) -> tuple[FileIO, Place]:
        payload = as_json("header", self.header)
        frame = chained(Kind.HEADER, len(payload), payload, START)
        try:
            with disk.naming(self.path, "no log was started"):
                file = open(self.path, "xb", buffering=0)
        except FileExistsError:
            remedy = "append=True continues the log that is there, another path starts a new one"
            raise FileExistsError(errno.EEXIST, remedy, str(self.path)) from None
        try:
            disk.lock(file, self.path)
            with disk.naming(self.path, "no log was started"):
                disk.append(file, 0, PREAMBLE + as_bytes(frame), self.path)
        except BaseException:
            disk.release(file)
            self.path.unlink()
            raise
        end, past = len(PREAMBLE) + frame.size, numpy.zeros((REACH, self.groups), numpy.uint32)
        return file, Place(end, frame.checksum, 0, past)

    def resume(self, until: int | None) -> tuple[FileIO, Place]:
        with disk.open_log(self.path) as reading, disk.naming(self.path, "the log is as it was"):
            file = open(self.path, "r+b", buffering=0)
            try:
                disk.lock(file, self.path)
                walk = Walk(reading, self.path, until)
                if found := difference(self.header, walk.header):
                    raise LogError(f"{self.path} is the log of another run: {found}. Another path starts a new one.")
                for _ in walk:
                    pass
                file.truncate(walk.place.end)
                file.seek(walk.place.end)
            except BaseException:
                disk.release(file)
                raise
        if walk.torn:
            logger.warning("%s ended inside a frame: %d bytes dropped after %d steps", self.path, walk.torn, walk.steps)
        self.pending = walk.cut
        return file, walk.place

    def step(self, projected: Sequence[float], rates: Sequence[float]) -> None:
        """Add one step; every `seal_every` of them are sealed.

        Args: projected: a float32 value per probe, NaN where the loss was not finite. rates: a float32 value per group.
        """
        row = as_floats("projected", projected, self.probes, "probe") + as_floats("rates", rates, self.groups, "group")
        self.check_open()
        self.pending.append(row)
        if len(self.pending) >= self.seal_every:
            self.seal()

    def event(self, kind: str, data: bytes | dict[str, Any] | None = None) -> None:
        """Seal the steps so far, then write a "flush", a "hash" (16 bytes) or "settings" (a dict)."""
        payload = as_event(kind, data)
        self.seal()
        self.place = self.write(Kind.EVENT, len(payload), payload)
        self.broken = False

    def seal(self) -> None:
        """Write the pending steps."""
        self.check_open()
        while rows := self.pending[: self.seal_every]:
            argument, payload, past = pack_steps(rows, self.probes, self.place.past)
            place = self.write(Kind.STEPS, argument, payload)
            place = place._replace(steps=self.place.steps + len(rows), past=past)
            rest = self.pending[len(rows) :]
            # one statement without a call: an interrupt finds both changed, or none
            self.place, self.pending = place, rest
            self.broken = False

    def write(self, kind: Kind, argument: int, payload: bytes) -> Place:
        frame = chained(kind, argument, payload, self.place.checksum)
        with disk.naming(self.path, f"the {self.place.steps:,} steps sealed before are safe"):
            if self.broken:
                self.file.truncate(self.place.end)
                self.file.seek(self.place.end)
            self.broken = True
            try:
                disk.append(self.file, self.place.end, as_bytes(frame), self.path)
            except Exception:  # which leaves the file as it was
                self.broken = False
                raise
        return self.place._replace(end=self.place.end + frame.size, checksum=frame.checksum)

    def check_open(self) -> None:
        if self.file.closed:
            raise ValueError(f"the log {self.path} is closed: LogWriter(…, append=True) continues it.")

    def close(self) -> None:
        """Seal what is pending and wait until the disk has it. A second call does nothing."""
        if self.file.closed:
            return
        try:
            self.seal()
            with disk.naming(self.path, "the last steps may not be on the disk"):
                os.fsync(self.file.fileno())
        finally:
            disk.release(self.file)

    def __enter__(self) -> "LogWriter":
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()
