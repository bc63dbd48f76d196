"""What frames carry: steps, and the events between steps."""

import math
import struct
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy

from mezo_lab.optim.log import rates
from mezo_lab.optim.log.frames import Kind, LogError
from mezo_lab.optim.log.header import Header, as_json, parse_json

MOST_STEPS = 255  # in one frame
EVENTS = ("flush", "hash", "settings")  # a log stores the position in this tuple: a new event goes to the end
HASH = 16  # bytes


class StepRecord(NamedTuple):
    """One step. projected: a projected gradient per probe, NaN where the loss was not finite. rates: one per group."""

    number: int
    projected: tuple[float, ...]
    rates: tuple[float, ...]


class Event(NamedTuple):
    """What happened before step number `step`. data: None of a flush, the bytes of a hash, a dict of settings."""

    kind: str
    step: int
    data: bytes | dict[str, Any] | None = None


class Place(NamedTuple):
    """A log between two frames: all that the next frame builds on."""

    end: int  # bytes so far
    checksum: int
    steps: int
    past: rates.Words  # the last rates, (REACH, groups)


class Coding(NamedTuple):
    """The argument of a frame of steps, 17 bits."""

    steps: int
    order: int  # the k of `rates.encode`
    width: int
    shared: bool  # one column of rates stands for all groups

    @classmethod
    def parse(cls, argument: int) -> "Coding":
        return cls(argument & 0xFF, argument >> 8 & 3, argument >> 10 & 0x3F, bool(argument >> 16 & 1))

    @property
    def argument(self) -> int:
        return self.steps | self.order << 8 | self.width << 10 | self.shared << 16


def misfit(argument: int) -> str | None:
    """What is wrong with the argument of a frame of steps."""
    coding = Coding.parse(argument)
    if argument >> 17:
        return "it sets bits that no frame of steps uses"
    if not coding.steps:
        return "it holds no step"
    if not 1 <= coding.order <= rates.REACH:
        return f"its rates are differences of order {coding.order}, which is none of 1 to {rates.REACH}"
    if coding.width > 32:
        return f"its rates take {coding.width} bits each, more than the 32 of a float32"
    return None


def payload_size(kind: Kind, argument: int, header: Header) -> int:
    """Bytes of the payload that a head announces."""
    if kind is not Kind.STEPS:
        return argument
    coding = Coding.parse(argument)
    columns = 1 if coding.shared else header["groups"]
    return 4 * coding.steps * header["probes"] + rates.size(coding.steps * columns, coding.width)


def as_floats(argument: str, values: Sequence[float], count: int, each: str) -> bytes:
    """Values as float32, refused where that would round them.

    >>> as_floats("rates", [0.5, math.nan], 2, "group").hex()
    '0000003f0000c07f'
    """
    if len(values) != count:
        raise ValueError(f"`{argument}` must hold a value for each {each}, {count} in all, got {len(values)}.")
    for value in values:
        nearest = nearest_float32(value)
        if nearest != value and not math.isnan(value):
            raise ValueError(f"`{argument}` must hold float32 values, got {value!r}: {nearest!r} is the nearest.")
    return struct.pack(f"<{count}f", *values)


def nearest_float32(value: float) -> float:
    """
    >>> nearest_float32(0.1), nearest_float32(1e300)
    (0.10000000149011612, inf)
    """
    try:
        return struct.unpack("<f", struct.pack("<f", value))[0]
    except OverflowError:
        return math.copysign(math.inf, value)


def pack_steps(rows: Sequence[bytes], probes: int, past: rates.Words) -> tuple[int, bytes, rates.Words]:
    """Rows, each the float32 words of a step's projected gradients and rates, as the payload of one frame.

    Returns: the frame's argument, its payload, and the past that the next frame looks back at.
    """
    words = numpy.frombuffer(b"".join(rows), "<u4").reshape(len(rows), -1)
    projected, now = words[:, :probes], words[:, probes:].astype(numpy.uint32)
    shared = bool((now == now[:, :1]).all())
    columns = slice(1) if shared else slice(None)
    order, width, code = rates.encode(now[:, columns], past[:, columns])
    after = numpy.concatenate([past, now])[-rates.REACH :]
    return Coding(len(rows), order, width, shared).argument, projected.tobytes() + code, after


def unpack_steps(argument: int, payload: bytes, probes: int, past: rates.Words) -> tuple[list[bytes], rates.Words]:
    """The inverse of `pack_steps`. Returns: the rows, and the past after them."""
    coding = Coding.parse(argument)
    projected = numpy.frombuffer(payload, "<u4", count=coding.steps * probes).reshape(coding.steps, probes)
    columns = slice(1) if coding.shared else slice(None)
    now = rates.decode(payload[projected.nbytes :], coding.steps, coding.order, coding.width, past[:, columns])
    now = numpy.broadcast_to(now, (coding.steps, past.shape[1]))
    rows = [one.tobytes() + rate.astype("<u4").tobytes() for one, rate in zip(projected, now, strict=True)]
    return rows, numpy.concatenate([past, now])[-rates.REACH :]


def as_record(row: bytes, number: int, probes: int) -> StepRecord:
    values = struct.unpack(f"<{len(row) // 4}f", row)
    return StepRecord(number, values[:probes], values[probes:])


def as_event(kind: str, data: bytes | dict[str, Any] | None) -> bytes:
    """
    >>> as_event("settings", {"epsilon": 0.001})
    b'\\x02{"epsilon":0.001}'
    """
    if kind == "settings" and isinstance(data, dict):
        body = as_json("data", data)
    elif (kind == "flush" and data is None) or (kind == "hash" and isinstance(data, bytes) and len(data) == HASH):
        body = data or b""
    elif kind in EVENTS:
        rule = {"flush": "None", "hash": f"{HASH} bytes, as weights_hash returns,", "settings": "a dict"}[kind]
        raise ValueError(f"`data` must be {rule} for the event {kind!r}, got {data!r}.")
    else:
        raise ValueError(f"`kind` must be one of {', '.join(EVENTS)}, got {kind!r}.")
    return bytes([EVENTS.index(kind)]) + body


def parse_event(payload: bytes, step: int) -> Event:
    if not payload or payload[0] >= len(EVENTS):
        raise LogError("it holds an event unknown here, perhaps of a newer mezo_lab")
    kind, body = EVENTS[payload[0]], payload[1:]
    if kind == "settings":
        return Event(kind, step, parse_json(body))
    if len(body) != (HASH if kind == "hash" else 0):
        raise LogError(f"its event {kind!r} has {len(body)} bytes of data")
    return Event(kind, step, body or None)
