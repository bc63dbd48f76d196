"""How far a sweep has come, so that one which an exception broke off can be finished, each weight moved once."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor


@dataclass(frozen=True)
class Witness:
    """Tells whether a write to `target` has been made: by torch's count of writes, or by a sample of the numbers.

    sample: for compiled kernels, which write first and count afterwards; None where torch counts as it writes.
    """

    target: Tensor
    version: int
    sample: Tensor | None = None

    @classmethod
    def counting(cls, target: Tensor) -> "Witness":
        if target.is_inference():  # made under torch.inference_mode(), where torch counts no writes
            return cls.sampling(target)
        return cls(target, target._version)

    @classmethod
    def sampling(cls, target: Tensor) -> "Witness":
        """Args: target: a view of evenly spread numbers of those that the kernel will move."""
        return cls(target, 0, target.clone())

    def written(self) -> bool:
        if self.sample is None:
            return self.target._version != self.version
        return not torch.equal(self.sample, self.target)


class Progress:
    """The writes of one sweep that have been made.

    In Python an exception may come between a write and its count: a signal's, or one that another thread raises here.
    So the witness of a write is kept before it is made, and asked when the sweep is taken up again.
    """

    def __init__(self) -> None:
        self.done = 0  # writes that were made
        self.number = 0  # of the next write of this attempt
        self.under_way: tuple[int, Witness] | None = None
        self.cost: Any = None  # what all sweeps have cost after this one, counted once

    def begin(self) -> "Progress":
        """Start, or start again: what was written is left out."""
        if self.under_way is not None:
            number, witness = self.under_way
            if number == self.done and witness.written():
                self.done = number + 1
        self.number = 0
        return self

    def passed(self, writes: int) -> bool:
        """Whether the next writes were all made in an earlier attempt; if so they are left behind."""
        if self.number + writes > self.done:
            return False
        self.number += writes
        return True

    def due(self, witness: Witness) -> bool:
        """Whether the next write is still to be made."""
        if self.number < self.done:
            return False
        self.under_way = (self.number, witness)
        return True

    def over(self) -> None:
        """The write that was due has been made, or left out."""
        self.done = max(self.done, self.number + 1)
        self.number += 1
