"""How far a sweep has come, so that one which an exception broke off can be finished, each weight moved once.

In Python an exception may come between a write and its count: a signal's, or one that another thread raises here. So
a witness of each write is taken before the write, and consulted when the sweep is taken up again.
"""

from ctypes import c_int32
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor


@dataclass(frozen=True)
class Witness:
    """Knows whether a write to `target` has been made: by torch's count of writes, a sample of numbers, or a flag."""

    target: Any  # Tensor; None with a flag
    version: int
    sample: Tensor | None = None
    """A copy of `target`, for compiled kernels, which write first and count afterwards."""
    flag: c_int32 | None = None
    """Set by the code that writes, with its last write."""

    @classmethod
    def counting(cls, target: Tensor) -> "Witness":
        """A witness by torch's count of writes, where torch counts them."""
        if target.is_inference():  # made under torch.inference_mode(), where torch counts no writes
            return cls.sampling(target)
        return cls(target, target._version)

    @classmethod
    def sampling(cls, target: Tensor) -> "Witness":
        """A witness by the numbers. Args: target: a view of evenly spread numbers that the write will change."""
        return cls(target, 0, target.clone())

    @classmethod
    def flagged(cls, flag: c_int32) -> "Witness":
        """A witness that the writer itself gives: C code, which no exception can break off."""
        return cls(None, 0, flag=flag)

    def written(self) -> bool:
        """Whether the write has been made."""
        if self.flag is not None:
            return bool(self.flag.value)
        if self.sample is None:
            return self.target._version != self.version
        return not torch.equal(self.sample, self.target)


class SweepProgress:
    """The writes of one sweep that have been made, over all attempts at it."""

    def __init__(self) -> None:
        self.done = 0  # writes that have been made
        self.number = 0  # of the next write of this attempt
        self.pending: tuple[int, Witness] | None = None  # the last write that was due
        self.cost: Any = None  # what all sweeps have cost after this one, counted once

    def begin(self) -> "SweepProgress":
        """Begin an attempt, the first or another; writes that have been made will not be due again."""
        if self.pending is not None:
            number, witness = self.pending
            if number == self.done and witness.written():
                self.done = number + 1
        self.number = 0
        return self

    def skip(self, writes: int) -> bool:
        """Whether the next writes were all made in an earlier attempt; if so they are passed over."""
        if self.number + writes > self.done:
            return False
        self.number += writes
        return True

    def is_due(self, witness: Witness) -> bool:
        """Whether the next write is still to be made."""
        if self.number < self.done:
            return False
        self.pending = (self.number, witness)
        return True

    def complete(self) -> None:
        """Count the write that was due, now made, or one that was not due."""
        self.done = max(self.done, self.number + 1)
        self.number += 1
