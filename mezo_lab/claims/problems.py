"""The points, gradients and curvatures on which the claims are tested: fixed numbers, so that runs can be compared."""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Generator, Tensor

from mezo_lab.claims.claim import Decoy
from mezo_lab.claims.decision import same_value
from mezo_lab.curvature import random_spectrum
from mezo_lab.sampling import (
    Coordinate,
    Iid,
    Law,
    LeastSquares,
    LowRank,
    LowRankQuadratic,
    Neuron,
    Orthogonal,
    ProbeScalars,
    Sphere,
    reduced_frame,
    two_point,
)
from mezo_lab.theory import Expression, cross_moment, effective_rank_factor, fourth_moment

BRUTE_FORCE_DIM = 2048  # above it, a rotation-invariant law is sampled through its scalars
_MOST_COORDINATES = 1 << 24  # of one vector, 128 MiB
MOST_ROWS = 2048  # of a dense Hessian, 32 MiB
NEARLY_TRUE = 0.01  # relative error of a wrong formula, up to which no claim takes it for a decoy


def at_most_coordinates(dim: int, most: int) -> None:
    """Raise ValueError for a dimension whose vectors or matrices would not fit in memory."""
    if dim > most:
        raise ValueError(
            f"`dim` must be at most {most:,} here, got {dim:,}: lower --dim, or take a claim and a law that need no z "
            "(norm-factor, variance, capture, low-rank, best-step with gaussian, sphere or orthogonal)."
        )


def at_most_weights(rows: int, columns: int) -> None:
    """Raise ValueError for a matrix of weights that would not fit in memory."""
    if rows * columns > _MOST_COORDINATES:
        raise ValueError(
            f"`p` times `q` must be at most {_MOST_COORDINATES:,} here, got {rows * columns:,}: lower one of them (the "
            "Gaussian law and the sphere need no z for a norm, a cosine or a loss)."
        )


def unit_gradient(dim: int, rank: int | None = None) -> Tensor:
    """A unit gradient with unequal coordinates, g_i ∝ 1/√i for i ≤ rank, so that mixing them up shows. (d,)"""
    at_most_coordinates(dim, _MOST_COORDINATES)
    index = torch.arange(1, dim + 1, dtype=torch.float64)
    g = torch.where(index <= (rank or dim), index**-0.5, torch.zeros_like(index))
    return g / g.norm()


def unit_direction(dim: int, power: float) -> Tensor:
    """A unit vector to project on, neither along nor across the gradient: v_i ∝ i^power. (d,)"""
    at_most_coordinates(dim, _MOST_COORDINATES)
    v = torch.arange(1, dim + 1, dtype=torch.float64) ** power
    return v / v.norm()


def curved(dim: int, lowest: float = 0.1) -> Tensor:
    """A Hessian with ‖H‖ = 1 and eigenvalues falling evenly from 1 to `lowest`, in directions of its own. (d, d)"""
    at_most_coordinates(dim, MOST_ROWS)
    eigenvalues = torch.linspace(1, lowest, dim, dtype=torch.float64, device="cpu")
    return random_spectrum(eigenvalues, Generator().manual_seed(dim)).to(torch.get_default_device())


def regression(dim: int, examples: int = 8) -> tuple[LeastSquares, Tensor]:
    """A least-squares loss on fixed data and a point where ‖g‖ = 1; its minibatches are real ones."""
    at_most_coordinates(dim * examples, _MOST_COORDINATES)
    data = torch.randn(examples, dim + 1, generator=Generator().manual_seed(dim), device="cpu")
    data = data.double().to(torch.get_default_device())
    inputs = data[:, :dim]
    targets = data[:, dim]
    theta = torch.zeros(dim, dtype=torch.float64)
    scale = LeastSquares(inputs, targets).gradient(theta).norm().sqrt()
    return LeastSquares(inputs / scale, targets / scale), theta


def fitted_regression(dim: int, examples: int = 4) -> tuple[LeastSquares, Tensor]:
    """A least-squares loss that can be fitted exactly (L* = 0), with μ/ℓ = ½, and a point where progress is slowest."""
    root = torch.linspace(1, 2, examples, dtype=torch.float64).mul(examples).sqrt()  # H has eigenvalues 1 to 2
    inputs = torch.diag(root) @ torch.eye(examples, dim, dtype=torch.float64)
    return LeastSquares(inputs, torch.zeros(examples, dtype=torch.float64)), unit_gradient(dim, rank=1)


def one_neuron(dim: int, examples: int = 20) -> tuple[Neuron, Tensor]:
    """A neuron on fixed data, inputs of falling variance and answers of another neuron, and the point 0."""
    at_most_coordinates(dim * examples, _MOST_COORDINATES)
    data = torch.randn(examples + 1, dim, generator=Generator().manual_seed(dim), device="cpu")
    scales = torch.arange(1, dim + 1, dtype=torch.float64) ** -0.25
    inputs = data[:examples].double().to(scales.device) * scales
    teacher = data[examples].double().to(scales.device)
    return Neuron(inputs, (inputs @ teacher > 0).double()), torch.zeros(dim, dtype=torch.float64)


def examples_around(rank: int, dim: int) -> Tensor:
    """Five points whose mean is 0 and whose mean square distance from it is r, in the first r coordinates. (5, d)

    The loss ½·‖P_r(θ − x)‖², averaged over them, has its minimum at 0, and gradient noise with tr Σ = r everywhere.
    """
    at_most_coordinates(dim, _MOST_COORDINATES // 5)
    points = torch.zeros(5, dim, dtype=torch.float64)
    draws = torch.randn(5, rank, generator=Generator().manual_seed(rank), device="cpu")
    points[:, :rank] = draws.double().to(points.device)
    points -= points.mean(0)
    return points * (rank / points.square().sum(-1).mean()).sqrt()


CONSTANTS = {"pi": math.pi, "e": math.e}  # every formula may name them
PAPER = ["gaussian", "sphere", "rademacher"]  # the laws of Theorems 1 and 2, and signs


def sampled(
    law: Law,
    dim: int,
    probes: int,
    *,
    brute: Callable[[Tensor], Tensor],
    scalars: Callable[[ProbeScalars], Tensor],
    rank: int | None = None,
) -> dict[str, Any]:
    """The sampler of an experiment: from z itself, or from the scalars of its frame where z would be too long.

    Args: brute: z (count, n, d) → values (count,). scalars: the same observable, of a ProbeScalars.
    Returns: the arguments draw, numbers_per_draw and sampler of `Experiment`.
    """
    if isinstance(law, Orthogonal):
        law.fits(probes, dim)
    if law.rotation_invariant and dim > BRUTE_FORCE_DIM:
        return {
            "draw": lambda count, rng: scalars(reduced_frame(law, count, probes, dim, rng, rank)),
            "numbers_per_draw": 5 * probes * (probes + 3),  # a χ² or a small solve costs about five normals
            "sampler": "reduced",
        }
    at_most_coordinates(dim, _MOST_COORDINATES)
    return {"draw": lambda count, rng: brute(law.sample(count, probes, dim, rng)), "numbers_per_draw": dim * probes}


def one_step(law: Law, dim: int, probes: int, rank: int, step: float) -> dict:
    """L(θ − ηĝ)/L(θ) on the low-rank quadratic with ℓ = 1, so that the step s = ηℓ is η."""
    loss = LowRankQuadratic(smoothness=1.0, rank=rank)

    def brute(z):
        theta = unit_gradient(dim, rank)
        return loss(theta - step * two_point(loss, theta, z, epsilon=1.0)) / loss(theta)

    def scalars(frame):
        return 1 - 2 * step * frame.overlap() + step**2 * frame.length_sq()

    deterministic = fixed_estimate(law, dim, probes, rank) or _mirrors(law, dim, probes, rank, step)
    return sampled(law, dim, probes, brute=brute, scalars=scalars, rank=rank) | {"deterministic": deterministic}


def fixed_estimate(law: Law, dim: int, probes: int, rank: int | None = None) -> bool:
    """Whether ĝ = g in every draw, on the r coordinates that count.

    This holds for d orthogonal probes, and for z_i = ±1 where one coordinate counts.
    """
    if isinstance(law, Orthogonal) and probes == dim:
        return True
    if dim == 1:
        return same_value(float(law.fourth_moment(1)), 1.0)
    return rank == 1 and isinstance(law, Iid) and law.kurtosis == 1


def _mirrors(law: Law, dim: int, probes: int, rank: int, step: float) -> bool:
    """Whether each step at the edge s = 2/γ is a mirror image, which leaves the loss as it is in every draw.

    This holds where ‖Pĝ‖² = γ·gᵀĝ in every draw: for one probe of a fixed length on the r coordinates that count, and
    for orthogonal probes where all of them count.
    """
    one_length = isinstance(law, Coordinate) or (isinstance(law, Iid) and law.kurtosis == 1)
    whole = rank == dim and isinstance(law, Sphere)
    turned_back = isinstance(law, Orthogonal) and rank == dim
    if not (turned_back or (probes == 1 and (one_length or whole))):
        return False
    return same_value(step * float(effective_rank_factor(rank, probes, law.moments(dim))), 2.0)


def at_most_dim(rank: int, dim: int) -> None:
    """Raise ValueError for a rank above the dimension."""
    if rank > dim:
        raise ValueError(f"`rank` must be at most `dim`, got {rank} > {dim}: raise --dim to {rank} or more.")


def far_decoys(expected: float, symbols: dict[str, float], *formulas: str) -> tuple[Decoy, ...]:
    """The formulas that are not nearly true: at the size of a real matrix some come within a thousandth."""
    least = NEARLY_TRUE * abs(expected)
    return tuple(Decoy(formula) for formula in formulas if abs(Expression(formula)(symbols) - expected) > least)


def symbols_of(law: Law, dim: int, probes: int, **more: float) -> dict[str, float]:
    """The symbols that every claim about n probes offers to a formula of the user."""
    if isinstance(law, LowRank):  # whose moments depend on the shape of a matrix
        symbols = {"d": dim, "n": probes}
        if law.shape is not None:
            symbols |= {"c": law.fourth_moment(dim), "cross": 1}
        return {name: float(value) for name, value in (symbols | more).items()} | CONSTANTS
    moments = law.moments(dim)
    symbols = {"d": dim, "n": probes, "c": fourth_moment(dim, moments), "cross": cross_moment(dim, moments)}
    if isinstance(law, Iid):
        symbols["kappa"] = law.kurtosis
    return {name: float(value) for name, value in (symbols | more).items()} | CONSTANTS
