"""The format: how a header, steps and events become frames, and how torn, flipped, removed and swapped bytes show.

    file  = b"MEZOLOG\\n", version (1 byte), frames
    frame = head (4 bytes), payload, checksum (4 bytes)
    head  = kind (2 bits), argument (22 bits), check (8 bits)

The checksum is a CRC-32 that goes on from the one of the frame before, so a frame names what it follows. The head has
a check of its own because it says where the frame ends: a flipped bit there must not look like a torn tail. Numbers
are little-endian.

A flipped bit always shows. Wider damage to a frame is missed once in 2³². Wider damage to a head passes its check once
in 256; then the checksum refuses it, unless it announces more than the file holds: that is taken for a torn tail.
`docs/log-format.md` describes the same for readers without this library.
"""

import json
import math
import struct
import zlib
from collections.abc import Sequence
from enum import IntEnum
from typing import Any, NamedTuple

import numpy

from mezo_lab.optim.fingerprint import HASH_SIZE
from mezo_lab.optim.log import rates as rate_code

Header = dict[str, Any]

MAGIC = b"MEZOLOG\n"
VERSION = 1
PREAMBLE = MAGIC + bytes([VERSION])
FIRST_CHECKSUM = zlib.crc32(PREAMBLE)  # what the checksum of the first frame goes on from
HEAD_SIZE, CHECKSUM_SIZE = 4, 4  # bytes
MOST_PAYLOAD = 1 << 20  # bytes: the most that a reader holds at once
MOST_STEPS = 255  # in one frame
EVENTS = ("flush", "hash", "settings")  # a log stores the position in this tuple: a new event goes to the end

_MOST_COLUMNS = 1 << 16  # probes, or groups: a step with the most of both takes half of the largest frame
# what a reader relies on; the noise numbers its steps with 32 bits
_RANGES = {"probes": (1, _MOST_COLUMNS), "groups": (1, _MOST_COLUMNS), "first_step": (0, (1 << 32) - 1)}


class LogError(ValueError):
    """A log cannot be used as requested; the message says why, and what can be done."""


class StepRecord(NamedTuple):
    """One step of a run."""

    number: int
    projected: tuple[float, ...]
    """A projected gradient per probe; NaN where the loss was not finite."""
    rates: tuple[float, ...]
    """A learning rate per parameter group."""


class Event(NamedTuple):
    """What happened before step number `step`."""

    kind: str
    """"flush", "hash" or "settings"."""
    step: int
    data: bytes | dict[str, Any] | None = None
    """None of a flush, 16 bytes of a hash, a dict of settings."""


class Kind(IntEnum):
    """The kinds of frames. No kind is 0, and the check of three zero bytes is not 0: a run of zeros is no frame."""

    HEADER = 1  # argument: bytes of payload, which is JSON
    STEPS = 2  # argument: see `Coding`
    EVENT = 3  # argument: bytes of payload: which event, and its data


class Frame(NamedTuple):
    """One frame, with the checksum that ends it."""

    kind: Kind
    argument: int
    payload: bytes
    checksum: int

    @classmethod
    def following(cls, checksum: int, kind: Kind, argument: int, payload: bytes) -> "Frame":
        """The frame behind the one with this checksum.

        >>> head = (3 + 4 * 1).to_bytes(3, "little")
        >>> head = head + bytes([zlib.crc32(head) % 256])
        >>> checksum = zlib.crc32(head + b"?", 0).to_bytes(4, "little")
        >>> Frame.following(0, Kind.EVENT, 1, b"?").to_bytes() == head + b"?" + checksum
        True
        """
        head = encode_head(kind, argument)
        return cls(kind, argument, payload, zlib.crc32(payload, zlib.crc32(head, checksum)))

    @property
    def size(self) -> int:
        """Bytes on disk."""
        return HEAD_SIZE + len(self.payload) + CHECKSUM_SIZE

    def to_bytes(self) -> bytes:
        """The frame as it lies on disk."""
        return encode_head(self.kind, self.argument) + self.payload + self.checksum.to_bytes(CHECKSUM_SIZE, "little")


class LogEnd(NamedTuple):
    """Where a log ends between two frames: all that the next frame builds on."""

    size: int
    """Bytes so far."""
    checksum: int
    steps: int
    past: rate_code.Words
    """The float32 words of the last rates, uint32 (REACH, groups)."""

    @classmethod
    def of_preamble(cls, groups: int) -> "LogEnd":
        """The end of a file that holds no frame yet; the words before the first step count as 0."""
        return cls(len(PREAMBLE), FIRST_CHECKSUM, 0, numpy.zeros((rate_code.REACH, groups), numpy.uint32))

    def after(self, frame: Frame) -> "LogEnd":
        """The end behind one more frame; its steps are to be added."""
        return self._replace(size=self.size + frame.size, checksum=frame.checksum)


def encode_head(kind: Kind, argument: int) -> bytes:
    """The first four bytes of a frame."""
    word = (kind | argument << 2).to_bytes(3, "little")
    return word + bytes([_check_of(word)])


def decode_head(head: bytes) -> tuple[Kind, int] | None:
    """Kind and argument, or None where the bytes are not a head.

    >>> decode_head(encode_head(Kind.STEPS, 16)), decode_head(bytes(4))
    ((<Kind.STEPS: 2>, 16), None)
    """
    word = int.from_bytes(head[:3], "little")
    if _check_of(head[:3]) != head[3] or not word & 3:
        return None
    return Kind(word & 3), word >> 2


def _check_of(word: bytes) -> int:
    # the low byte of CRC-32, which any single flipped bit of three bytes changes
    return zlib.crc32(word) & 0xFF


def complete_header(header: Header, probes: int, groups: int) -> Header:
    """The header as it is stored: with probes, groups and the number of the first step.

    >>> complete_header({"seed": 7}, probes=1, groups=2)
    {'seed': 7, 'first_step': 0, 'probes': 1, 'groups': 2}
    """
    for key, value in {"probes": probes, "groups": groups}.items():
        if header.get(key, value) != value:
            raise ValueError(f"`header` must agree with `{key}`, {value}, got {header[key]!r}: leave it out.")
    full = {**header, "first_step": header.get("first_step", 0), "probes": probes, "groups": groups}
    problem = header_problem(full)
    if problem:
        raise ValueError(problem)
    return full


def header_problem(header: Header) -> str | None:
    """What is wrong with the numbers that a reader relies on."""
    for key, (least, most) in _RANGES.items():
        value = header.get(key)
        if type(value) is not int or not least <= value <= most:
            return f"`{key}` must be an integer from {least} to {most:,}, got {brief(value)}."
    return None


def header_difference(header: Header, logged: Header) -> str | None:
    """The first key in which a header and that of an existing log differ, as a sentence.

    >>> header_difference({"seed": 7, "law": "gaussian"}, {"seed": 8, "law": "gaussian"})
    "`header['seed']` is 7, but 8 in the log"
    """
    for key in (*logged, *header):
        ours, theirs = (brief(side[key]) if key in side else "missing" for side in (header, logged))
        if ours != theirs or header.get(key) != logged.get(key):
            return f"`header[{brief(key)}]` is {ours}, but {theirs} in the log"
    return None


def brief(value: Any) -> str:
    """At most one line of anything."""
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


def encode_json(argument: str, data: dict[str, Any]) -> bytes:
    """A dict as JSON. Raises: ValueError where it would not come back the same."""
    remedy = "use strings, finite numbers, booleans, None, and lists and dicts of them"
    try:
        text = json.dumps(data, separators=(",", ":"), allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise ValueError(f"`{argument}` must be JSON, got {data!r} ({error}): {remedy}.") from None
    back = json.loads(text)
    for key in data:
        if key not in back or back[key] != data[key]:
            raise ValueError(f"`{argument}` must be the same after JSON, got {key!r}: {data[key]!r}: {remedy}.")
    if len(text) >= MOST_PAYLOAD:
        raise ValueError(f"`{argument}` must be below {MOST_PAYLOAD:,} bytes of JSON, got {len(text):,}: say less.")
    return text.encode()


def decode_json(payload: bytes) -> dict[str, Any]:
    """A dict from JSON. Raises: LogError for anything else, for numbers beyond floats, and for a key that repeats."""
    try:
        data = json.loads(payload, parse_constant=_finite, parse_float=_finite, object_pairs_hook=_distinct)
    except (ValueError, RecursionError) as error:
        raise LogError(f"its JSON cannot be read ({error})") from None
    if not isinstance(data, dict):
        raise LogError("its JSON is not a dict")
    return data


def _finite(digits: str) -> float:
    value = float(digits)
    if not math.isfinite(value):
        raise ValueError(f"{digits[:20]} is not finite")
    return value


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    # of two values for one key json.loads would take the last, in silence
    result = dict(pairs)
    if len(result) != len(pairs):
        raise ValueError("a key stands in it twice")
    return result


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


def coding_problem(argument: int) -> str | None:
    """What is wrong with the argument of a frame of steps."""
    coding = Coding.parse(argument)
    if argument >> 17:
        return "it sets bits that no frame of steps uses"
    if not coding.steps:
        return "it holds no step"
    if not 1 <= coding.order <= rate_code.REACH:
        return f"its rates are differences of order {coding.order}, which is none of 1 to {rate_code.REACH}"
    if coding.width > 32:
        return f"its rates take {coding.width} bits each, more than the 32 of a float32"
    return None


def payload_size(kind: Kind, argument: int, header: Header) -> int:
    """Bytes of the payload that a head announces."""
    if kind is not Kind.STEPS:
        return argument
    coding = Coding.parse(argument)
    columns = _columns(coding.shared, header["groups"])
    return 4 * coding.steps * header["probes"] + rate_code.size(coding.steps * columns, coding.width)


def _columns(shared: bool, groups: int) -> int:
    # of rates that a frame stores
    return 1 if shared else groups


def float32_bytes(argument: str, values: Sequence[float], count: int, owner: str) -> bytes:
    """Values as float32. Raises: ValueError where there are not `count` of them, or float32 would round one.

    >>> float32_bytes("rates", [0.5, math.nan], 2, "group").hex()
    '0000003f0000c07f'
    """
    if len(values) != count:
        raise ValueError(f"`{argument}` must hold a value for each {owner}, {count} in all, got {len(values)}.")
    with numpy.errstate(over="ignore"):
        rounded = numpy.array(values, numpy.float64).astype("<f4")
    for value, nearest in zip(values, rounded.tolist(), strict=True):
        if nearest != value and not math.isnan(value):
            raise ValueError(f"`{argument}` must hold float32 values, got {value!r}: {nearest!r} is the nearest.")
    return rounded.tobytes()


def encode_steps(rows: Sequence[bytes], probes: int, past: rate_code.Words) -> tuple[int, bytes, rate_code.Words]:
    """Rows, each the float32 words of a step's projected gradients and rates, as the payload of one frame.

    Returns: the frame's argument, its payload, and the past that the next frame looks back at.
    """
    words = numpy.frombuffer(b"".join(rows), "<u4").reshape(len(rows), -1)  # (steps, probes + groups)
    projected = words[:, :probes]
    rates = words[:, probes:].astype(numpy.uint32)
    shared = bool((rates == rates[:, :1]).all())
    columns = _columns(shared, rates.shape[1])
    order, width, code = rate_code.encode(rates[:, :columns], past[:, :columns])
    argument = Coding(len(rows), order, width, shared).argument
    return argument, projected.tobytes() + code, numpy.concatenate([past, rates])[-rate_code.REACH :]


def decode_steps(
    argument: int, payload: bytes, probes: int, past: rate_code.Words
) -> tuple[list[bytes], rate_code.Words]:
    """The inverse of `encode_steps`. Returns: the rows, and the past after them."""
    coding = Coding.parse(argument)
    projected = numpy.frombuffer(payload, "<u4", count=coding.steps * probes).reshape(coding.steps, probes)
    columns = _columns(coding.shared, past.shape[1])
    code = payload[projected.nbytes :]
    rates = rate_code.decode(code, coding.steps, coding.order, coding.width, past[:, :columns])
    rates = numpy.broadcast_to(rates, (coding.steps, past.shape[1]))
    rows = numpy.concatenate([projected, rates.astype("<u4")], axis=1)
    return [row.tobytes() for row in rows], numpy.concatenate([past, rates])[-rate_code.REACH :]


def decode_row(row: bytes, number: int, probes: int) -> StepRecord:
    """One row of `decode_steps` as the step of that number."""
    values = struct.unpack(f"<{len(row) // 4}f", row)
    return StepRecord(number, values[:probes], values[probes:])


def encode_event(kind: str, data: bytes | dict[str, Any] | None) -> bytes:
    """
    >>> encode_event("settings", {"epsilon": 0.001})
    b'\\x02{"epsilon":0.001}'
    """
    if kind not in EVENTS:
        raise ValueError(f"`kind` must be one of {', '.join(EVENTS)}, got {kind!r}.")
    if kind == "settings" and isinstance(data, dict):
        body = encode_json("data", data)
    elif kind == "hash" and isinstance(data, bytes) and len(data) == HASH_SIZE:
        body = data
    elif kind == "flush" and data is None:
        body = b""
    else:
        rule = {"flush": "None", "hash": f"{HASH_SIZE} bytes, as weights_hash returns,", "settings": "a dict"}[kind]
        raise ValueError(f"`data` must be {rule} for the event {kind!r}, got {data!r}.")
    return bytes([EVENTS.index(kind)]) + body


def decode_event(payload: bytes, step: int) -> Event:
    """The inverse of `encode_event`. Raises: LogError."""
    if not payload or payload[0] >= len(EVENTS):
        raise LogError("it holds an event unknown here, perhaps of a newer mezo_lab")
    kind = EVENTS[payload[0]]
    body = payload[1:]
    if kind == "settings":
        return Event(kind, step, decode_json(body))
    if len(body) != {"flush": 0, "hash": HASH_SIZE}[kind]:
        raise LogError(f"its event {kind!r} has {len(body)} bytes of data")
    return Event(kind, step, body or None)
