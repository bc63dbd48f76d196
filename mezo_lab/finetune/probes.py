"""Claim D1's measurement: one z seen twice, through two forward passes (pg) and through one backward pass (zᵀg)."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from mezo_lab.directions import Draw, gaussian
from mezo_lab.montecarlo import Progress, generator_for

Loss = Callable[[], Tensor]

CHUNK = 1 << 20  # coordinates drawn and spent at a time, 4 MiB: within the cache, and few enough calls
EPSILON = 5e-5  # see `paired_probes`
STREAM = 2  # generator_for's second word: apart from the Monte Carlo draws of the same seed


@dataclass(frozen=True)
class PairedProbes:
    """Per probe, what two forward passes say of it and what the gradient says; kept whole, to be plotted."""

    projected: Tensor  # pg = [L(θ + εz) − L(θ − εz)]/(2ε), (count,), float64
    along: Tensor  # zᵀg, (count,), float64
    grad_sq: float  # ‖g‖²


@dataclass(frozen=True)
class Piece:
    """At most `CHUNK` neighbouring coordinates: flat views of θ and g, and a copy of θ to come back to."""

    theta: Tensor
    origin: Tensor
    slope: Tensor


def gradient(parameters: Iterable[Tensor], loss: Loss) -> list[Tensor]:
    """∇L by one backward pass; `.grad` is left alone, and a parameter that the loss does not use gets zeros.

    Cost: one forward and one backward pass; memory for the activations and for one number per parameter.

    >>> theta = torch.tensor([3.0, 4.0], requires_grad=True)
    >>> gradient([theta], lambda: theta @ theta / 2)
    [tensor([3., 4.])]
    """
    with torch.enable_grad():
        slopes = torch.autograd.grad(loss(), list(parameters), allow_unused=True, materialize_grads=True)
    return [slope.contiguous() for slope in slopes]


def paired_probes(
    parameters: Iterable[Tensor],
    loss: Loss,
    gradient: Iterable[Tensor],
    *,
    count: int,
    epsilon: float = EPSILON,
    law: str = "gaussian",
    seed: int,
    progress: Progress | None = None,
) -> PairedProbes:
    """pg and zᵀg for `count` directions, each one vector over all parameters.

    Source: paper, Definition 1 and Algorithm 1, with the gradient beside it (CLAIMS D1).
    Formula: pg = [L(θ + εz) − L(θ − εz)]/(2ε); as ε→0 it is zᵀg.
    Cost: two forward passes and two sweeps per probe; memory for a copy of θ.
    Precision: with ε large, pg − zᵀg is the third derivative, ∝ ε², which biases the slope; with ε small it is the
    rounding of the loss, ∝ 1/ε, which averages out over the probes. In float32 the two meet near ε = 1e-4 on
    SmolLM2-135M, and the default lies a little below.
    While `loss` and `progress` run θ is displaced; afterwards it is bitwise the old θ, also after an exception.

    Args:
        parameters: contiguous; a tied one once, as `model.parameters()` has it.
        loss: () → the loss at the parameters' present values; the same value at the same point.
        gradient: ∇L, one tensor per parameter, from `gradient`.
        count: probes. epsilon: ε.
        law: "gaussian", or "rademacher", which is several times cheaper to draw. seed: fixes every z.
        progress: called with (probes done, count).

    Raises: ValueError.

    >>> theta = torch.tensor([3.0, 4.0], requires_grad=True)
    >>> loss = lambda: theta @ theta / 2
    >>> probes = paired_probes([theta], loss, gradient([theta], loss), count=3, epsilon=0.5, law="rademacher", seed=0)
    >>> torch.equal(probes.projected, probes.along), probes.grad_sq
    (True, 25.0)
    """
    check(count, epsilon, law)
    pieces = cut(list(parameters), list(gradient))
    projected, along = torch.empty(2, count, dtype=torch.float64)
    try:
        with torch.no_grad():
            for k in range(count):
                generator = generator_for(seed, STREAM, k, str(pieces[0].theta.device))
                along[k] = perturb(pieces, DRAWS[law], epsilon, generator)
                loss_plus = float(loss())
                reflect(pieces)
                loss_minus = float(loss())
                projected[k] = (loss_plus - loss_minus) / (2 * epsilon)
                if progress is not None:
                    progress(k + 1, count)
    finally:
        restore(pieces)
    return PairedProbes(projected, along, norm_squared(pieces))


def cut(parameters: Sequence[Tensor], gradient: Sequence[Tensor]) -> list[Piece]:
    """Parameters and gradient side by side, as pieces."""
    if not parameters:
        raise ValueError("`parameters` must hold at least one tensor, got none: pass model.parameters().")
    if [parameter.shape for parameter in parameters] != [slope.shape for slope in gradient]:
        raise ValueError("`gradient` must hold one tensor per parameter, of its shape: take it from `gradient(...)`.")
    if not all(parameter.is_contiguous() for parameter in parameters):
        raise ValueError("`parameters` must be contiguous, to be moved in place: call .contiguous() on them.")
    pieces = []
    for parameter, slope in zip(parameters, gradient, strict=True):
        theta = parameter.detach().view(-1)  # shares the parameter's memory: writing here moves the model
        flats = (theta, theta.clone(), slope.detach().reshape(-1))
        pieces += [Piece(*views) for views in zip(*(flat.split(CHUNK) for flat in flats), strict=True)]
    return pieces


def perturb(pieces: Sequence[Piece], draw: Draw, epsilon: float, generator: Generator) -> float:
    """θ ← θ₀ + εz; returns zᵀg, summed in float64 from the pieces' dot products."""
    along = 0.0
    for piece in pieces:
        z = draw((len(piece.theta),), generator).to(piece.theta.dtype)
        along += float(z @ piece.slope)
        torch.add(piece.origin, z, alpha=epsilon, out=piece.theta)
    return along


def reflect(pieces: Sequence[Piece]) -> None:
    """θ ← θ₀ + (θ₀ − θ): from θ₀ + εz to θ₀ − εz, without drawing z again."""
    for piece in pieces:
        piece.theta.lerp_(piece.origin, 2)


def restore(pieces: Sequence[Piece]) -> None:
    for piece in pieces:
        piece.theta.copy_(piece.origin)


def norm_squared(pieces: Sequence[Piece]) -> float:
    return sum(float(torch.linalg.vector_norm(piece.slope, dtype=torch.float64)) ** 2 for piece in pieces)


def packed_signs(shape: tuple[int, ...], generator: Generator) -> Tensor:
    """Rademacher coordinates, 64 from one random word: each of its bits becomes the sign bit of a float32.

    Cost: one random word per 64 coordinates. Args: shape: (count,). Returns: float32.

    >>> packed_signs((5,), torch.Generator().manual_seed(0)).abs()
    tensor([1., 1., 1., 1., 1.])
    """
    (count,) = shape
    words = torch.empty(-(-count // 64), dtype=torch.int64, device=generator.device)
    words.random_(-(2**63), None, generator=generator)
    places = torch.arange(32, dtype=torch.int32, device=generator.device)
    bits = words.view(torch.int32) << places[:, None]  # (32, 2·words)
    return torch.copysign(torch.ones((), device=generator.device), bits.view(torch.float32)).view(-1)[:count]


DRAWS: dict[str, Draw] = {"gaussian": gaussian, "rademacher": packed_signs}


def check(count: int, epsilon: float, law: str) -> None:
    if count < 1:
        raise ValueError(f"`count` must be at least 1, got {count}: ask for one probe or more.")
    if not epsilon > 0:
        raise ValueError(f"`epsilon` must be positive, got {epsilon}: {EPSILON} suits a float32 model.")
    if law not in DRAWS:
        raise ValueError(f"`law` must be one of {', '.join(DRAWS)}; got {law!r}.")
