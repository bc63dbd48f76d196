"""One pass over the frames of a log, which knows at any moment what the next frame must build on."""

import os
from collections.abc import Callable, Iterator
from numbers import Integral
from pathlib import Path
from typing import Any, BinaryIO

import numpy

from mezo_lab.optim.log import header as headers
from mezo_lab.optim.log.frames import (
    CHECKSUM,
    HEAD,
    MAGIC,
    MOST_PAYLOAD,
    PREAMBLE,
    START,
    VERSION,
    Frame,
    Kind,
    LogError,
    chained,
    parse_head,
)
from mezo_lab.optim.log.header import Header, parse_json
from mezo_lab.optim.log.rates import REACH, Words
from mezo_lab.optim.log.records import (
    Event,
    Place,
    StepRecord,
    as_record,
    misfit,
    parse_event,
    payload_size,
    unpack_steps,
)


class Walk:
    """A pass over a log, to be iterated once: it gives out steps and events as it verifies them.

    Args: until: end before the step after this many. size: end at this byte, by default that of the file.
    After the pass: place: the end of the last frame of which all counts. cut: the rows that count of the frame after
    it, where `until` lies inside. read: bytes of the frames that gave something. torn: bytes of an unfinished frame.
    """

    def __init__(self, file: BinaryIO, path: Path, until: int | None = None, size: int | None = None):
        if until is not None and (not isinstance(until, Integral) or until < 0):
            raise ValueError(f"`until` must be a number of steps, got {until}: 0 reads the header alone.")
        self.file, self.path = file, path
        self.until = None if until is None else int(until)
        self.size = os.fstat(file.fileno()).st_size if size is None else size
        self.header: Header = {}
        self.frames, self.torn, self.done, self.cut = 0, 0, False, list[bytes]()
        check_preamble(file, path)
        self.place = Place(len(PREAMBLE), START, 0, numpy.zeros((REACH, 0), numpy.uint32))
        self.header = self.first_frame()
        self.read = self.place.end

    @property
    def steps(self) -> int:
        return self.place.steps + len(self.cut)

    def first_frame(self) -> Header:
        frame = self.frame()
        if frame is None:
            raise LogError(
                f"{self.path} ends inside its header, so it holds no step: put a copy back, or begin the run anew."
            )
        header = self.parsed(parse_json, frame.payload)
        if problem := headers.misfit(header):
            raise self.damaged(problem.rstrip("."))
        self.advance(frame, 0, numpy.zeros((REACH, header["groups"]), numpy.uint32))
        return header

    def __iter__(self) -> Iterator[StepRecord | Event]:
        while not self.done and (frame := self.next_frame()):
            yield from self.steps_of(frame) if frame.kind is Kind.STEPS else [self.event_of(frame)]
        if self.until is not None and self.steps < self.until:
            raise LogError(
                f"{self.path} holds {self.steps:,} steps, and `until` asks for {self.until:,}: ask for less."
            )

    def next_frame(self) -> Frame | None:
        try:
            frame = self.frame()
        except LogError:
            if self.steps == self.until:  # all that was asked for is intact
                return None
            raise
        if frame is None:
            self.torn = self.size - self.place.end
        return frame

    def steps_of(self, frame: Frame) -> Iterator[StepRecord]:
        number, probes = self.header["first_step"] + self.place.steps, self.header["probes"]
        rows, past = unpack_steps(frame.argument, frame.payload, probes, self.place.past)
        if self.until is None or self.place.steps + len(rows) <= self.until:
            self.advance(frame, len(rows), past)
        else:
            self.done, self.cut = True, rows[: self.until - self.place.steps]
            self.read += frame.size if self.cut else 0
            rows = self.cut
        return (as_record(row, number + i, probes) for i, row in enumerate(rows))

    def event_of(self, frame: Frame) -> Event:
        step = self.header["first_step"] + self.place.steps
        event = self.parsed(lambda payload: parse_event(payload, step), frame.payload)
        self.advance(frame, 0, self.place.past)
        return event

    def frame(self) -> Frame | None:
        """The next frame, or None where the file ends, be it inside one."""
        room = self.size - self.place.end - HEAD - CHECKSUM
        head = self.file.read(HEAD)
        if room < 0 or len(head) < HEAD:
            return None
        if (parsed := parse_head(head)) is None:
            raise self.damaged("its head does not match its check")
        kind, argument = parsed
        if (kind is Kind.HEADER) != (self.frames == 0):
            raise self.damaged("the header must come first, and once")
        if kind is Kind.STEPS and (problem := misfit(argument)):
            raise self.damaged(problem)
        length = payload_size(kind, argument, self.header)
        if length > MOST_PAYLOAD:
            raise self.damaged(f"it announces {length:,} bytes, more than any frame has")
        body = self.file.read(length + CHECKSUM) if length <= room else b""
        if len(body) < length + CHECKSUM:
            return None
        frame = chained(kind, argument, body[:length], self.place.checksum)
        if frame.checksum != int.from_bytes(body[length:], "little"):
            raise self.damaged("its bytes do not match its checksum")
        return frame

    def advance(self, frame: Frame, steps: int, past: Words) -> None:
        self.place = Place(self.place.end + frame.size, frame.checksum, self.place.steps + steps, past)
        self.read = self.place.end
        self.frames += 1

    def parsed(self, parse: Callable[[bytes], Any], payload: bytes) -> Any:
        try:
            return parse(payload)
        except LogError as error:
            raise self.damaged(str(error)) from None

    def damaged(self, what: str) -> LogError:
        steps = self.place.steps
        remedy = f"The {steps} steps before it are intact: read_log(path, until={steps}), or append with that `until`."
        if not self.frames:
            remedy = "Without its header nothing of it can be used."
        where = f"frame {self.frames}, at step {self.header.get('first_step', 0) + steps} (byte {self.place.end})"
        return LogError(f"{self.path} is damaged in {where}: {what}. {remedy}")


def check_preamble(file: BinaryIO, path: Path) -> None:
    """Raise unless the file starts as a log that this version reads."""
    start = file.read(len(PREAMBLE))
    if not start:
        raise LogError(f"{path} is empty, so it holds no step: put a copy back, or begin the run anew.")
    if start[: len(MAGIC)] != MAGIC[: len(start)]:
        raise LogError(f"{path} is not a mezo_lab log: it starts with {start!r}.")
    if len(start) < len(PREAMBLE):
        raise LogError(f"{path} ends inside its header, so it holds no step: put a copy back, or begin the run anew.")
    if start[-1] > VERSION:
        raise LogError(f"{path} was written by a newer mezo_lab (format {start[-1]}, here {VERSION}): upgrade.")
    if start[-1] != VERSION:
        raise LogError(f"{path} is damaged: there is no format {start[-1]}.")
