"""Sweeps that wait, so that all of them are made on one tile of the weights before the next tile is taken."""

from collections.abc import Sequence

from torch import Tensor

from mezo_lab.optim.sweeps.terms import Term

MOST_TERMS = 1 << 18  # terms that wait, of some hundred bytes each
LEAST_PARTS = 200  # of the weights, between which progress is reported
PART_TERMS = 1 << 30  # coordinates times terms of a part, for which an interrupt waits


class PostponedSweeps:
    """The sweeps of a field that are still to be made. Args: most: the terms at which it is full."""

    def __init__(self, most: int):
        self._most = most
        self.clear()

    def clear(self) -> None:
        """Let none wait."""
        self.program: list[tuple[Sequence[Term], Sequence[float]]] = []
        self.sources: Sequence[Tensor] | None = None  # of the first sweep
        self._terms = 0

    def add(self, terms: Sequence[Term], decay: Sequence[float], sources: Sequence[Tensor] | None) -> None:
        """Let a sweep wait behind the others. One with sources writes over all that the others would leave."""
        if sources is not None:
            self.clear()
            self.sources = sources
        self.program.append((list(terms), decay))
        self._terms += len(terms)

    def parts(self, numel: int) -> int:
        """In how many parts to take so many weights."""
        return max(LEAST_PARTS, self._terms * numel // PART_TERMS)

    @property
    def is_full(self) -> bool:
        """Whether more terms would take more memory than they are worth."""
        return self._terms >= self._most
