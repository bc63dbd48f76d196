"""Learning rates in a few bits: the k-th differences of the float32 words of a schedule, in units of last place."""

import numpy
from numpy.typing import NDArray

Words = NDArray[numpy.uint32]

REACH = 3  # steps before a frame that its first difference of highest order looks back at


def encode(rates: Words, past: Words) -> tuple[int, int, bytes]:
    """The narrowest exact code of the rates of some steps.

    Formula: r = Δ^k x mod 2³², with x the float32 words and k = 1, 2 or 3; every r in as many bits as the widest needs.
    A constant rate has Δx = 0: no bits. A linear schedule has Δ²x = 0 up to rounding, 2 or 3 bits. Where a schedule
    jumps, or crosses a power of two, some steps take more, at most 32 bits each.

    Args: rates: (steps, columns). past: (REACH, columns), the steps before. Returns: k, bits per rate, the bytes.

    >>> rates = numpy.linspace(1e-3, 5e-4, 16, dtype=numpy.float32)[:, None].view(numpy.uint32)
    >>> k, width, code = encode(rates[3:], past=rates[:3])
    >>> k, width, len(code), bool((decode(code, 13, k, width, rates[:3]) == rates[3:]).all())
    (2, 2, 4, True)
    """
    words = numpy.concatenate([past, rates])
    choices = [numpy.diff(words[REACH - k :], n=k, axis=0).view(numpy.int32) for k in range(1, REACH + 1)]
    widths = [width_of(choice) for choice in choices]
    width = min(widths)
    k = 1 + widths.index(width)
    return k, width, pack(choices[k - 1].ravel(), width)


def decode(code: bytes, steps: int, k: int, width: int, past: Words) -> Words:
    """The rates that `encode` was given: k cumulative sums, each going on from the past. Returns: (steps, columns)"""
    rates = unpack(code, steps * past.shape[1], width).reshape(steps, -1)
    for order in reversed(range(k)):
        rates = numpy.diff(past, n=order, axis=0)[-1] + numpy.cumsum(rates, axis=0, dtype=numpy.uint32)
    return rates


def size(numbers: int, width: int) -> int:
    """Bytes that `numbers` residuals of `width` bits take."""
    return -(-numbers * width // 8)


def width_of(residuals: NDArray[numpy.int32]) -> int:
    """Bits that hold all of them in two's complement.

    >>> [width_of(numpy.array(r, dtype=numpy.int32)) for r in ([0], [0, -1], [1, -2], [127], [-(2**31)])]
    [0, 1, 2, 8, 32]
    """
    largest = int((residuals ^ (residuals >> 31)).max())
    return largest.bit_length() + 1 if residuals.any() else 0


def pack(residuals: NDArray[numpy.int32], width: int) -> bytes:
    bits = residuals[:, None] >> numpy.arange(width) & 1
    return numpy.packbits(bits.astype(numpy.uint8), bitorder="little").tobytes()


def unpack(code: bytes, numbers: int, width: int) -> Words:
    bits = numpy.unpackbits(numpy.frombuffer(code, numpy.uint8), bitorder="little", count=numbers * width)
    bits = bits.reshape(numbers, width).astype(numpy.int64)
    signed = bits << numpy.arange(width)
    signed[:, -1:] *= -1  # the highest bit of two's complement
    return signed.sum(axis=1).astype(numpy.uint32)
