"""Training along Gaussian directions of a model's linear layers: MeZO's step, two forward passes.

All directions are made from the same numbers: U of (seed, step) and layer, of which V_k takes the first k columns; and
in all dimensions z = UVᵀ + R(I − VVᵀ) with a further Gaussian R, which is Gaussian in every coordinate. So the runs of
a seed can be compared in pairs.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy
import torch
from torch import Tensor
from torch.nn import Linear

from aligning.spans import Bases, Loss

EPSILON = 1e-3
BLOWN_UP = 10.0  # times the first loss


@dataclass(frozen=True)
class Directions:
    """Gaussian z of every layer in the first k columns of its V; or in all dimensions, V included.

    bases: V. k: columns. whole: whether to add what V leaves out.
    """

    bases: Bases
    k: int
    whole: bool = False

    def draw(self, layers: Mapping[str, Linear], seed: int, step: int) -> list[Tensor]:
        """z of each layer, (m, n)."""
        return [self._draw(name, layer, (seed, step, number)) for number, (name, layer) in enumerate(layers.items())]

    def _draw(self, name: str, layer: Linear, key: tuple[int, int, int]) -> Tensor:
        basis = self.bases[name][:, : self.k]
        generator = _generator(*key)
        u = torch.randn(basis.shape[1], layer.out_features, generator=generator).T
        if not self.whole:
            return u @ basis.T
        rest = torch.randn(layer.weight.shape, generator=_generator(*key, 1))
        return torch.addmm(rest, u - rest @ basis, basis.T)


def _generator(*key: int) -> torch.Generator:
    """A generator of its own for each key, the same on every machine."""
    (state,) = numpy.random.SeedSequence(key).generate_state(1, numpy.uint64)
    return torch.Generator().manual_seed(int(state))


@torch.no_grad()
def move(layers: Mapping[str, Linear], z: Sequence[Tensor], scale: float) -> None:
    """W += scale·z."""
    for layer, part in zip(layers.values(), z, strict=True):
        layer.weight.add_(part, alpha=scale)


@torch.no_grad()
def train(
    layers: Mapping[str, Linear],
    loss: Loss,
    directions: Directions,
    lr: float,
    *,
    steps: int,
    seed: int,
    at_end: Callable[[], None] | None = None,
) -> list[float]:
    """The losses of a run, the mean of both sides at each step; the weights return to where they were.

    Cost: 2 forward passes a step. Args: at_end: called before the weights return.
    """
    origin = [layer.weight.detach().clone() for layer in layers.values()]
    losses = []
    for step in range(steps):
        z = directions.draw(layers, seed, step)
        move(layers, z, EPSILON)
        above = float(loss())
        move(layers, z, -2 * EPSILON)
        below = float(loss())
        losses.append((above + below) / 2)
        if not losses[-1] < BLOWN_UP * losses[0]:
            break
        move(layers, z, EPSILON - lr * (above - below) / (2 * EPSILON))
    if at_end is not None:
        at_end()
    for layer, weight in zip(layers.values(), origin, strict=True):
        layer.weight.copy_(weight)
    return losses
