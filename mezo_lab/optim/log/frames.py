"""Frames: how a log lies on disk, and how torn, flipped, removed and swapped bytes show.

    file  = b"MEZOLOG\\n", version (1 byte), frames
    frame = head (4 bytes), payload, checksum (4 bytes)
    head  = kind (2 bits), argument (22 bits), check (8 bits)

The checksum is a CRC-32 that goes on from the one of the frame before, so a frame says what it follows. The head has
a check of its own because it tells where the frame ends: a flipped bit there must not look like a torn tail. Numbers
are little-endian.

A flipped bit always shows. Wider damage to a frame is missed once in 2³². Wider damage to a head passes its check once
in 256; then the checksum refuses it, unless it announces more than the file holds: that is taken for a torn tail.
"""

import zlib
from enum import IntEnum
from typing import NamedTuple

MAGIC = b"MEZOLOG\n"
VERSION = 1
PREAMBLE = MAGIC + bytes([VERSION])
START = zlib.crc32(PREAMBLE)  # what the checksum of the first frame goes on from
HEAD, CHECKSUM = 4, 4  # bytes
MOST_PAYLOAD = 1 << 20  # bytes: what a reader is ready to hold


class LogError(ValueError):
    """A log cannot be used as asked; the message says why, and what can."""


class Kind(IntEnum):
    """What a frame holds. No kind is 0, and the check of three zero bytes is not 0: a run of zeros is no frame."""

    HEADER = 1  # argument: bytes of payload, which is JSON
    STEPS = 2  # argument: see `records.Coding`
    EVENT = 3  # argument: bytes of payload: which event, and its data


class Frame(NamedTuple):
    kind: Kind
    argument: int
    payload: bytes
    checksum: int

    @property
    def size(self) -> int:
        """Bytes on disk."""
        return HEAD + len(self.payload) + CHECKSUM


def check(head: bytes) -> int:
    # the low byte of CRC-32, which any single flipped bit of three bytes changes
    return zlib.crc32(head) & 0xFF


def chained(kind: Kind, argument: int, payload: bytes, before: int) -> Frame:
    """A frame that follows the one with checksum `before`.

    >>> head = (3 + 4 * 1).to_bytes(3, "little")
    >>> head = head + bytes([zlib.crc32(head) % 256])
    >>> checksum = zlib.crc32(head + b"?", 0).to_bytes(4, "little")
    >>> as_bytes(chained(Kind.EVENT, 1, b"?", before=0)) == head + b"?" + checksum
    True
    """
    head = as_head(kind, argument)
    return Frame(kind, argument, payload, zlib.crc32(payload, zlib.crc32(head, before)))


def as_head(kind: Kind, argument: int) -> bytes:
    head = (kind | argument << 2).to_bytes(3, "little")
    return head + bytes([check(head)])


def as_bytes(frame: Frame) -> bytes:
    return as_head(frame.kind, frame.argument) + frame.payload + frame.checksum.to_bytes(CHECKSUM, "little")


def parse_head(head: bytes) -> tuple[Kind, int] | None:
    """Kind and argument, or None where the bytes are not a head.

    >>> parse_head(as_head(Kind.STEPS, 16)), parse_head(bytes(4))
    ((<Kind.STEPS: 2>, 16), None)
    """
    word = int.from_bytes(head[:3], "little")
    if check(head[:3]) != head[3] or not word & 3:
        return None
    return Kind(word & 3), word >> 2
