"""What a sweep does with z, as plain torch operations on one piece after another."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor


class SweepKernel:
    """A sweep over the weights, piece by piece: start from the source, take in z term by term, finish into θ.

    One z is alive at a time, so hundreds of terms need no more memory than one. A kernel may be called again with the
    same piece after an exception, up to `finish`, which is called once for each piece.
    """

    def start(self, parameter: int, source: Tensor) -> Any:
        """The value before the first z. Args: parameter: its position in the field. source: the piece of it."""
        raise NotImplementedError

    def add(self, parameter: int, value: Any, term: int, z: Tensor) -> Any:
        """The value with z of one more term. Args: z: float32, of the piece's shape."""
        raise NotImplementedError

    def finish(self, parameter: int, target: Tensor, value: Any) -> None:
        """Write the value where it belongs, in one write to `target`."""
        raise NotImplementedError


LARGEST_ALPHA = torch.finfo(torch.float32).max  # of a scale that torch takes as `alpha`


class _Sum(NamedTuple):
    """A sum whose last term is not yet in, so that `finish` adds it while it writes."""

    total: Tensor
    z: Tensor | None = None
    scale: float = 1.0

    def written_to(self, target: Tensor) -> Tensor:
        if self.z is None:
            return target.copy_(self.total)
        return torch.add(self.total, self.z, alpha=self.scale, out=target)


@dataclass(frozen=True)
class WeightedSum(SweepKernel):
    """target ← decay·source + Σ_j scale_j·z_j, in at least float32, rounded once."""

    scales: Sequence[Sequence[float]]
    """For each parameter, one scale for each term."""
    decay: Sequence[float]
    """For each parameter, one factor."""
    signs: bool = False
    """Whether every coordinate of z is 1 or −1: then one operation multiplies and adds, and rounds as two would."""

    def start(self, parameter: int, source: Tensor) -> _Sum:
        value = source.to(torch.promote_types(source.dtype, torch.float32))
        if self.decay[parameter] != 1:
            value = value * self.decay[parameter]
        return _Sum(value)

    def add(self, parameter: int, value: _Sum, term: int, z: Tensor) -> _Sum:
        z = z.to(value.total.dtype)
        scale = self.scales[parameter][term]
        if not (self.signs and abs(scale) <= LARGEST_ALPHA):
            z = z * scale
            scale = 1.0
        value = _Sum(value.total, z, scale)
        if term == len(self.scales[parameter]) - 1:
            return value
        # the first total may be the source, which stays as it is; the others are this sum's own
        total = value.total
        if term == 0:
            total = torch.empty_like(z)
        return _Sum(value.written_to(total))

    def finish(self, parameter: int, target: Tensor, value: _Sum) -> None:
        value.written_to(target)


@dataclass(frozen=True)
class GramMatrix(SweepKernel):
    """total ← total + Σ over the piece of z_j·z_k; θ is left alone."""

    total: Tensor
    """float64 (terms, terms), on the CPU."""

    def start(self, parameter: int, source: Tensor) -> list[Tensor]:
        return []

    def add(self, parameter: int, value: list[Tensor], term: int, z: Tensor) -> list[Tensor]:
        return [*value, z.reshape(-1).double()]

    def finish(self, parameter: int, target: Tensor, value: list[Tensor]) -> None:
        rows = torch.stack(value)  # (terms, coordinates)
        self.total.add_((rows @ rows.T).cpu())
