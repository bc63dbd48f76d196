"""Write a run log: steps gather in memory, some at a time are sealed, and what is sealed is in the system's hands."""

import errno
import logging
import os
from collections.abc import Sequence
from io import FileIO
from pathlib import Path
from typing import Any

from mezo_lab.optim.log import file as log_file
from mezo_lab.optim.log.format import (
    FIRST_CHECKSUM,
    MOST_PAYLOAD,
    MOST_STEPS,
    PREAMBLE,
    Frame,
    Header,
    Kind,
    LogEnd,
    LogError,
    complete_header,
    encode_event,
    encode_json,
    encode_steps,
    float32_bytes,
    header_difference,
)
from mezo_lab.optim.log.reader import LogPass

_logger = logging.getLogger(__name__)


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
        self.path = Path(path)
        self.header = complete_header(header, probes, groups)
        self.probes = probes
        self.groups = groups
        self._seal_every = min(seal_every, MOST_PAYLOAD // (4 * (probes + groups)))
        self._pending: list[bytes] = []  # rows of steps that are not sealed
        self._torn = False  # whether an interrupt may have left bytes behind `_end` in the file
        if append and (until is not None or self.path.exists()):
            self._file, self._end = self._resume(until)
        else:
            self._file, self._end = self._create()
        try:
            self.seal()  # steps that `until` cut off their frame
        except BaseException:
            log_file.close_file(self._file)
            raise

    @property
    def steps(self) -> int:
        """Steps so far, pending ones included."""
        return self._end.steps + len(self._pending)

    def step(self, projected: Sequence[float], rates: Sequence[float]) -> None:
        """Add one step; every `seal_every` of them are sealed.

        Args: projected: a float32 value per probe, NaN where the loss was not finite. rates: a float32 value per group.
        """
        row = float32_bytes("projected", projected, self.probes, "probe")
        row += float32_bytes("rates", rates, self.groups, "group")
        self._check_open()
        self._pending.append(row)
        if len(self._pending) >= self._seal_every:
            self.seal()

    def event(self, kind: str, data: bytes | dict[str, Any] | None = None) -> None:
        """Seal the steps so far, then write a "flush", a "hash" (16 bytes) or "settings" (a dict)."""
        payload = encode_event(kind, data)
        self.seal()
        self._end = self._write(Kind.EVENT, len(payload), payload)
        self._torn = False

    def seal(self) -> None:
        """Write the pending steps."""
        self._check_open()
        while rows := self._pending[: self._seal_every]:
            argument, payload, past = encode_steps(rows, self.probes, self._end.past)
            end = self._write(Kind.STEPS, argument, payload)
            end = end._replace(steps=self._end.steps + len(rows), past=past)
            rest = self._pending[len(rows) :]
            # one statement without a call: an interrupt finds both changed, or none
            self._end, self._pending = end, rest
            self._torn = False

    def close(self) -> None:
        """Seal what is pending and wait until the disk has it. A second call does nothing."""
        if self._file.closed:
            return
        try:
            self.seal()
            with log_file.path_in_errors(self.path, "the last steps may not be on the disk"):
                os.fsync(self._file.fileno())
        finally:
            log_file.close_file(self._file)

    def __enter__(self) -> "LogWriter":
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def _create(self) -> tuple[FileIO, LogEnd]:
        payload = encode_json("header", self.header)
        frame = Frame.following(FIRST_CHECKSUM, Kind.HEADER, len(payload), payload)
        try:
            with log_file.path_in_errors(self.path, "no log was started"):
                file = open(self.path, "xb", buffering=0)
        except FileExistsError:
            remedy = "append=True continues the log that is there, another path starts a new one"
            raise FileExistsError(errno.EEXIST, remedy, str(self.path)) from None
        try:
            log_file.lock(file, self.path)
            with log_file.path_in_errors(self.path, "no log was started"):
                log_file.append(file, 0, PREAMBLE + frame.to_bytes(), self.path)
        except BaseException:
            log_file.close_file(file)
            self.path.unlink()
            raise
        return file, LogEnd.of_preamble(self.groups).after(frame)

    def _resume(self, until: int | None) -> tuple[FileIO, LogEnd]:
        with (
            log_file.open_for_reading(self.path) as reading,
            log_file.path_in_errors(self.path, "the log is as it was"),
        ):
            file = open(self.path, "r+b", buffering=0)
            try:
                log_file.lock(file, self.path)
                log = LogPass(reading, self.path, until)
                difference = header_difference(self.header, log.header)
                if difference:
                    raise LogError(
                        f"{self.path} is the log of another run: {difference}. Another path starts a new one."
                    )
                for _ in log:
                    pass
                file.truncate(log.end.size)
                file.seek(log.end.size)
            except BaseException:
                log_file.close_file(file)
                raise
        if log.torn:
            _logger.warning("%s ended inside a frame: %d bytes dropped after %d steps", self.path, log.torn, log.steps)
        self._pending = log.cut
        return file, log.end

    def _write(self, kind: Kind, argument: int, payload: bytes) -> LogEnd:
        frame = Frame.following(self._end.checksum, kind, argument, payload)
        with log_file.path_in_errors(self.path, f"the {self._end.steps:,} steps sealed before are safe"):
            if self._torn:
                self._file.truncate(self._end.size)
                self._file.seek(self._end.size)
            self._torn = True
            try:
                log_file.append(self._file, self._end.size, frame.to_bytes(), self.path)
            except Exception:  # which leaves the file as it was
                self._torn = False
                raise
        return self._end.after(frame)

    def _check_open(self) -> None:
        if self._file.closed:
            raise ValueError(f"the log {self.path} is closed: LogWriter(…, append=True) continues it.")
