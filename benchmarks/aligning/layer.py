"""Directions in the span of the inputs on one linear layer, where all of it can be computed.

The weights are told as Δ = W − W*, (m, n), and the inputs by their second moments λ along the axes: the loss is
½·Σ_i λ_i‖Δ_i‖² over the columns. Gaussian directions know no axes, so nothing is lost by that, and on a quadratic the
two-point difference is the slope itself, whatever ε.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from mezo_lab.theory import GAUSSIAN, own_and_shared

Step = Callable[[Tensor, torch.Generator], tuple[Tensor, Tensor]]  # Δ (runs, m, n) → zᵀg (runs,), z (runs, m, n)


@dataclass(frozen=True)
class Layer:
    """A layer of m outputs and n inputs.

    moments: λ, (n,), falling. start: Δ_0, (m, n).
    """

    moments: Tensor
    start: Tensor

    def loss(self, gap: Tensor) -> Tensor:
        """½·Σ_i λ_i‖Δ_i‖². Shapes (…, m, n) → (…)."""
        return (gap.square() * self.moments).sum((-2, -1)) / 2


def full_batch(layer: Layer, basis: Tensor | None) -> Step:
    """A step on the one batch that there is, along Gaussian z = UVᵀ.

    Args: basis: V, (n, k), orthonormal; None for Gaussian z in all directions.
    """

    def step(gap, generator):
        z = _directions(gap, basis, generator)
        return (gap * layer.moments * z).sum((-2, -1)), z

    return step


def minibatches(layer: Layer, tokens: int, aligned: bool) -> Step:
    """A step on Gaussian inputs drawn anew, along z in all directions or in the span of these inputs alone."""

    def step(gap, generator):
        x = torch.randn(len(gap), gap.shape[-1], tokens, generator=generator, dtype=gap.dtype)
        x = x * layer.moments.sqrt()[:, None]
        slope = gap @ x @ x.mT / tokens  # the gradient on this batch
        z = _directions(gap, torch.linalg.qr(x).Q if aligned else None, generator)
        return (slope * z).sum((-2, -1)), z

    return step


def _directions(gap: Tensor, basis: Tensor | None, generator: torch.Generator) -> Tensor:
    """z of the shape of Δ, (runs, m, n)."""
    if basis is None:
        return torch.randn(gap.shape, generator=generator, dtype=gap.dtype)
    u = torch.randn(*gap.shape[:2], basis.shape[-1], generator=generator, dtype=gap.dtype)
    return u @ basis.mT


def first_passages(layer: Layer, step: Step, lr: float, goal: float, *, runs: int, most: int, seed: int) -> Tensor:
    """The step after which each run first has this share of its first loss, (runs,); inf where it never has."""
    generator = torch.Generator().manual_seed(seed)
    gap = layer.start.expand(runs, -1, -1).clone()
    level = goal * layer.loss(layer.start)
    reached = torch.full((runs,), math.inf, dtype=gap.dtype)
    for t in range(1, most + 1):
        slope, z = step(gap, generator)
        gap -= lr * slope[:, None, None] * z
        reached[(layer.loss(gap) <= level) & reached.isinf()] = t
        if not reached.isinf().any():
            break
    return reached


def best_rate(steps_at: Callable[[float], float], guess: float, factors: Sequence[float]) -> tuple[float, float]:
    """(lr, steps): the rate among guess·factors that takes the fewest steps, and these.

    >>> best_rate(lambda lr: (lr - 2) ** 2, 1.0, [0.5, 1.5, 4.0])
    (1.5, 0.25)
    """
    steps = {guess * factor: steps_at(guess * factor) for factor in factors}
    return min(steps.items(), key=lambda item: item[1])


def mean_loss_steps(layer: Layer, basis: Tensor, lr: float, goal: float, most: int = 20_000) -> float:
    """The steps to where the *mean* loss has this share of the first, by its exact second moments; inf for never.

    Formula: in the eigenbasis of VᵀΛV, E[ĝ_i²] = A·g_i² + B·‖VᵀG‖² for every coordinate (claim A3), as in
    `theory.stability`; steps between two whole ones by a logarithm.
    """
    own, shared = (float(part) for part in own_and_shared(1, GAUSSIAN))
    curvature, axes = torch.linalg.eigh(basis.T @ (layer.moments[:, None] * basis))
    curvature = curvature.clamp_min(1e-12)
    slope = layer.start * layer.moments @ basis @ axes  # (m, k)
    squares = (slope / curvature).square().sum(0)  # of the distances from the best point in reach, (k,)
    rows, seen = len(slope), float(curvature @ squares) / 2
    first = float(layer.loss(layer.start))
    floor, last = first - seen, first
    for t in range(1, most + 1):
        power = float(curvature.square() @ squares)  # E‖VᵀG‖²
        squares = squares * (1 - 2 * lr * curvature + own * (lr * curvature) ** 2) + rows * shared * lr**2 * power
        now = floor + float(curvature @ squares) / 2
        if now <= goal * first:
            return t - 1 + math.log(last / (goal * first)) / math.log(last / now)
        if now >= last:
            return math.inf
        last = now
    return math.inf


@dataclass(frozen=True)
class OneStep:
    """What directions see at one point of a quadratic: squares are means over E[zzᵀ] = P, a projector.

    captured: ‖Pg‖². trace: tr PH. rayleigh: ρ = gᵀPHPg/‖Pg‖².
    """

    captured: float
    trace: float
    rayleigh: float

    @property
    def lr(self) -> float:
        """The rate of the largest mean decrease, 1/(tr PH + 2ρ), as E[ĝᵀHĝ] = tr PH·‖Pg‖² + 2gᵀPHPg (claim B4).

        >>> OneStep(captured=2.0, trace=3.0, rayleigh=0.5).lr
        0.25
        """
        return 1 / (self.trace + 2 * self.rayleigh)


def seen_by(layer: Layer, basis: Tensor) -> OneStep:
    """What Gaussian z = UVᵀ sees at the start. Args: basis: V, (n, k)."""
    slope = layer.start * layer.moments @ basis  # VᵀG
    curvature = basis.T @ (layer.moments[:, None] * basis)
    captured = float(slope.square().sum())
    trace = len(slope) * float(curvature.trace())
    return OneStep(captured, trace, float((slope @ curvature * slope).sum()) / captured)


def seen_in_minibatches(layer: Layer, tokens: int, aligned: bool, *, count: int, seed: int) -> OneStep:
    """What a step on fresh Gaussian inputs does to the loss of all inputs, averaged over `count` batches at the start.

    Here the mean decrease is η·gᵀE[g_B] and the mean increase ½η²·E[‖g_B‖²·tr PH + 2g_BᵀHg_B], so that the three
    numbers are those of a quadratic with the same best rate and decrease.
    """
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(count, len(layer.moments), tokens, generator=generator, dtype=torch.float64)
    x = x * layer.moments.sqrt()[:, None]
    slope = layer.start @ x @ x.mT / tokens  # (count, m, n)
    rows = len(layer.start)
    power = slope.square().sum((1, 2))
    trace = rows * layer.moments.sum()
    if aligned:
        basis = torch.linalg.qr(x).Q
        trace = rows * (basis.square() * layer.moments[:, None]).sum((1, 2))
    bent = (slope.square() * layer.moments).sum((1, 2))
    exact = float((layer.start * layer.moments).square().sum())  # gᵀE[g_B]
    return OneStep(exact, float((power * trace).mean()) / exact, float(bent.mean()) / exact)
