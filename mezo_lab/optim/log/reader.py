"""Read a run log: all of it is verified before any of it is used, and no pass holds more than a frame."""

import logging
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from numbers import Integral
from pathlib import Path
from typing import Any, BinaryIO

from mezo_lab.optim.log.file import open_for_reading
from mezo_lab.optim.log.format import (
    CHECKSUM_SIZE,
    HEAD_SIZE,
    MAGIC,
    MOST_PAYLOAD,
    PREAMBLE,
    VERSION,
    Event,
    Frame,
    Header,
    Kind,
    LogEnd,
    LogError,
    StepRecord,
    coding_problem,
    decode_event,
    decode_head,
    decode_json,
    decode_row,
    decode_steps,
    header_problem,
    payload_size,
)

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, repr=False)
class VerifiedLog:
    """A verified run log: its header at hand, its steps and events read from the file each time it is iterated."""

    path: Path
    header: Header
    steps: int
    """How many."""
    torn: int
    """Bytes of an unfinished frame at the end, left out."""
    size: int
    """Bytes of the frames that are read."""

    def __iter__(self) -> Iterator[StepRecord | Event]:
        """All steps and events in order. Raises: LogError if the file has changed since it was verified."""
        with open_for_reading(self.path) as file:
            log = LogPass(file, self.path, self.steps, self.size)
            yield from log
        if log.size != self.size:
            raise LogError(f"{self.path} has changed since it was verified: read_log it again.")

    def __repr__(self) -> str:
        columns = f"{self.header['probes']} probes, {self.header['groups']} groups"
        contents = f"{self.steps:,} steps, {columns}, {self.size:,} bytes"
        if self.torn:
            contents += f", {self.torn:,} torn bytes left out"
        return f"VerifiedLog({self.path}: {contents})"


def read_log(path: str | os.PathLike[str], until: int | None = None) -> VerifiedLog:
    """Verify a run log and open it for reading.

    Claim: what comes out is what was written. A torn tail, which a crash leaves, is left out with a warning. Any other
    damage is refused before a step is given out: a flipped bit anywhere, a frame that was removed or swapped.
    Assumptions: a frame of full length with wrong bytes counts as damage, though a crash of the machine, unlike one of
    the program, can leave one at the end. A file cut exactly between two frames is a shorter log: only its number of
    steps, a missing hash event or the weights can show it.
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
    with open_for_reading(path) as file:
        log = LogPass(file, Path(path), until)
        for _ in log:
            pass
    if log.torn:
        _logger.warning("%s ends inside a frame: %d bytes left out, %d steps kept", path, log.torn, log.steps)
    return VerifiedLog(log.path, log.header, log.steps, log.torn, log.size)


class LogPass:
    """One pass over the frames of a log, to be iterated once: it yields steps and events as it verifies them.

    Args: until: end before the step after this many. file_size: end at this byte, by default that of the file.
    After the pass: end: that of the last frame of which all counts. cut: the rows that count of the frame after it,
    where `until` lies inside. size: bytes of the frames that gave something. torn: bytes of an unfinished frame.
    """

    def __init__(self, file: BinaryIO, path: Path, until: int | None = None, file_size: int | None = None):
        if until is not None:
            if not isinstance(until, Integral) or until < 0:
                raise ValueError(f"`until` must be a number of steps, got {until}: 0 reads the header alone.")
            until = int(until)
        self.path = path
        self.torn = 0
        self.cut: list[bytes] = []
        self._done = False  # whether `until` was met inside a frame
        self._file = file
        self._file_size = os.fstat(file.fileno()).st_size if file_size is None else file_size
        self._until = until
        self._frames = 0
        _check_preamble(file, path)
        self.header: Header = {}
        self.end = LogEnd.of_preamble(0)
        self.header = self._read_header()

    @property
    def steps(self) -> int:
        """Steps so far."""
        return self.end.steps + len(self.cut)

    def __iter__(self) -> Iterator[StepRecord | Event]:
        while not self._done and (frame := self._next_frame()):
            if frame.kind is Kind.STEPS:
                yield from self._steps_of(frame)
            else:
                yield self._event_of(frame)
        if self._until is not None and self.steps < self._until:
            raise LogError(
                f"{self.path} holds {self.steps:,} steps, and `until` asks for {self._until:,}: ask for less."
            )

    def _read_header(self) -> Header:
        frame = self._read_frame()
        if frame is None:
            raise _without_steps(self.path)
        header = self._decoded(decode_json, frame.payload)
        problem = header_problem(header)
        if problem:
            raise self._damage(problem.rstrip("."))
        self._advance(LogEnd.of_preamble(header["groups"]).after(frame))
        return header

    def _next_frame(self) -> Frame | None:
        try:
            frame = self._read_frame()
        except LogError:
            if self.steps == self._until:  # all that was asked for is intact
                return None
            raise
        if frame is None:
            self.torn = self._file_size - self.end.size
        return frame

    def _read_frame(self) -> Frame | None:
        """The next frame, or None where the file ends, be it inside one."""
        room = self._file_size - self.end.size - HEAD_SIZE - CHECKSUM_SIZE
        head = self._file.read(HEAD_SIZE)
        if room < 0 or len(head) < HEAD_SIZE:
            return None
        decoded = decode_head(head)
        if decoded is None:
            raise self._damage("its head does not match its check")
        kind, argument = decoded
        if (kind is Kind.HEADER) != (self._frames == 0):
            raise self._damage("the header must come first, and once")
        if kind is Kind.STEPS and (problem := coding_problem(argument)):
            raise self._damage(problem)
        length = payload_size(kind, argument, self.header)
        if length > MOST_PAYLOAD:
            raise self._damage(f"it announces {length:,} bytes, more than any frame has")
        if length > room:  # nothing is read that the file does not hold
            return None
        body = self._file.read(length + CHECKSUM_SIZE)
        if len(body) < length + CHECKSUM_SIZE:
            return None
        frame = Frame.following(self.end.checksum, kind, argument, body[:length])
        if frame.checksum != int.from_bytes(body[length:], "little"):
            raise self._damage("its bytes do not match its checksum")
        return frame

    def _steps_of(self, frame: Frame) -> Iterator[StepRecord]:
        number = self.header["first_step"] + self.end.steps
        probes = self.header["probes"]
        rows, past = decode_steps(frame.argument, frame.payload, probes, self.end.past)
        if self._until is None or self.end.steps + len(rows) <= self._until:
            self._advance(self.end.after(frame)._replace(steps=self.end.steps + len(rows), past=past))
        else:
            rows = rows[: self._until - self.end.steps]
            self.cut = rows
            if rows:
                self.size += frame.size
            self._done = True
        return (decode_row(row, number + i, probes) for i, row in enumerate(rows))

    def _event_of(self, frame: Frame) -> Event:
        step = self.header["first_step"] + self.end.steps
        event = self._decoded(lambda payload: decode_event(payload, step), frame.payload)
        self._advance(self.end.after(frame))
        return event

    def _advance(self, end: LogEnd) -> None:
        self.end = end
        self.size = end.size
        self._frames += 1

    def _decoded(self, decode: Callable[[bytes], Any], payload: bytes) -> Any:
        try:
            return decode(payload)
        except LogError as error:
            raise self._damage(str(error)) from None

    def _damage(self, what: str) -> LogError:
        steps = self.end.steps
        remedy = f"The {steps} steps before it are intact: read_log(path, until={steps}), or append with that `until`."
        if not self._frames:
            remedy = "Without its header nothing of it can be used."
        where = f"frame {self._frames}, at step {self.header.get('first_step', 0) + steps} (byte {self.end.size})"
        return LogError(f"{self.path} is damaged in {where}: {what}. {remedy}")


def _check_preamble(file: BinaryIO, path: Path) -> None:
    """Raise unless the file starts as a log that this version reads."""
    start = file.read(len(PREAMBLE))
    if not start:
        raise LogError(f"{path} is empty, so it holds no step: put a copy back, or begin the run anew.")
    if start[: len(MAGIC)] != MAGIC[: len(start)]:
        raise LogError(f"{path} is not a mezo_lab log: it starts with {start!r}.")
    if len(start) < len(PREAMBLE):
        raise _without_steps(path)
    if start[-1] > VERSION:
        raise LogError(f"{path} was written by a newer mezo_lab (format {start[-1]}, here {VERSION}): upgrade.")
    if start[-1] != VERSION:
        raise LogError(f"{path} is damaged: there is no format {start[-1]}.")


def _without_steps(path: Path) -> LogError:
    return LogError(f"{path} ends inside its header, so it holds no step: put a copy back, or begin the run anew.")
