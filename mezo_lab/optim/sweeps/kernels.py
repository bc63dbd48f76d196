"""What a sweep does with z, as plain torch operations on one piece after another."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

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


@dataclass(frozen=True)
class WeightedSum(SweepKernel):
    """target ← decay·source + Σ_j scale_j·z_j, in at least float32, rounded once."""

    scales: Sequence[Sequence[float]]
    """For each parameter, one scale for each term."""
    decay: Sequence[float]
    """For each parameter, one factor."""

    def start(self, parameter: int, source: Tensor) -> Tensor:
        return source.to(torch.promote_types(source.dtype, torch.float32)) * self.decay[parameter]

    def add(self, parameter: int, value: Tensor, term: int, z: Tensor) -> Tensor:
        return value + self.scales[parameter][term] * z.to(value.dtype)

    def finish(self, parameter: int, target: Tensor, value: Tensor) -> None:
        target.copy_(value)


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
