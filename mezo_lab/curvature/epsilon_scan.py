"""Which ε to take: the error of the projected gradient over a range of ε, a U between rounding and truncation."""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from mezo_lab import curvature
from mezo_lab.optim.noise import COORDINATES, tensor_key
from mezo_lab.optim.sweeps import Field, Parameter, Term
from mezo_lab.sampling.montecarlo import Progress


@dataclass(frozen=True)
class ScanRow:
    """One ε. All errors are in units of ‖g‖, the rms of zᵀg.

    error: rms of pg − zᵀg over the probes, measured. rounding, truncation: what theory says of its two parts.
    """

    epsilon: float
    dtype: str
    error: float
    rounding: float
    truncation: float

    def __str__(self) -> str:
        parts = f"rounding {self.rounding:.1e}, truncation {self.truncation:.1e}"
        return f"{self.dtype:8} ε = {self.epsilon:.1e}  error {self.error:.1e} ({parts})"


@dataclass(frozen=True)
class EpsilonScan:
    """The rows of a scan, by rising ε, and where theory puts the minimum."""

    rows: tuple[ScanRow, ...]

    @property
    def best(self) -> ScanRow:
        """The row with the least error."""
        return min(self.rows, key=lambda row: row.error)

    @property
    def predicted(self) -> float:
        """The ε at which (R/ε)² + (Tε²)² is least, (R/(√2·T))^⅓; infinite where nothing was truncated."""
        last = self.rows[-1]
        rounding, truncation = last.rounding * last.epsilon, last.truncation / last.epsilon**2
        return (rounding / (math.sqrt(2) * truncation)) ** (1 / 3) if truncation else math.inf

    def __str__(self) -> str:
        return "\n".join(map(str, self.rows))


def epsilon_scan(
    parameters: Iterable[Tensor],
    loss: Callable[[], Tensor],
    epsilons: Iterable[float],
    *,
    gradient: Sequence[Tensor] | None = None,
    probes: int = 8,
    law: str = "gaussian",
    seed: int = 0,
    progress: Progress | None = None,
) -> EpsilonScan:
    """The error of pg against zᵀg for each ε, in the precision that the parameters have; scan a copy for another.

    Source: claim C7; derived.
    Formula: pg = [L(θ + εz) − L(θ − εz)]/(2ε). Rounding: the two losses, independently, and the two displacements of a
    weight, oppositely, are off by up to half a unit in the last place u, so pg by √(u_L²/6 + Σ g_i²u_i²/3)/(2ε), rms
    (where the losses mirror each other about L(θ) to within u_L, that part is off by up to √2; a network whose forward
    pass rounds at each layer does worse). Truncation: the third derivative, ∝ ε²; its size is the least error/ε² of all
    rows.
    Cost: 2·probes·(number of ε) + 1 forward passes; memory for a copy of θ, a gradient and a z.
    While `loss` and `progress` run θ is displaced; afterwards it is bitwise the old θ, also after an exception.

    Args:
        parameters: a tied one once, as `model.parameters()` has it.
        loss: () → the loss at the parameters' present values, a tensor; the same value at the same point.
        epsilons: the ε to try; the largest should be too large.
        gradient: one tensor per parameter, such as that of a float64 copy; None: one backward pass of `loss`.
        probes: directions, the same for each ε. law: one whose coordinates are independent. seed: fixes them.
        progress: called with (probes done, probes).

    Returns: an EpsilonScan. Raises: ValueError.

    >>> theta = torch.tensor([0.5, 1.0], requires_grad=True)
    >>> scan = epsilon_scan([theta], lambda: theta.exp().sum(), [1e-5, 1e-3, 1e-1], probes=4)
    >>> scan.best.epsilon, 1e-3 < scan.predicted < 1e-2
    (0.001, True)
    """
    parameters, epsilons = list(parameters), sorted(epsilons)
    check(parameters, epsilons, probes, law)
    slopes = list(gradient) if gradient is not None else curvature.gradient(parameters, loss)
    norm = math.sqrt(sum(float(slope.double().square().sum()) for slope in slopes))
    if not norm > 0:
        raise ValueError(f"`gradient` must not vanish, got ‖g‖ = {norm}: errors are told in its units.")
    rounding = rounding_error(parameters, slopes, loss) / norm
    z = [torch.zeros(parameter.shape, device=parameter.device) for parameter in parameters]
    field = Field([Parameter(tensor, tensor_key(i)) for i, tensor in enumerate(z)], law, seed, compiled=False)
    errors = torch.zeros(len(epsilons), dtype=torch.float64)
    with torch.no_grad(), curvature.restored(parameters) as origin:
        for k in range(probes):
            for direction in z:
                direction.zero_()
            field.sweep([Term(0, k, (1.0,))])  # the z of MeZO
            along = sum(float((x.double() * slope.double()).sum()) for x, slope in zip(z, slopes, strict=True))
            for j, epsilon in enumerate(epsilons):
                plus, minus = (displaced_loss(parameters, origin, loss, z, side * epsilon) for side in (1, -1))
                errors[j] += ((plus - minus) / (2 * epsilon) - along) ** 2 / probes
            if progress is not None:
                progress(k + 1, probes)
    return rows(epsilons, parameters[0].dtype, (errors.sqrt() / norm).tolist(), rounding)


def displaced_loss(parameters, origin, loss: Callable[[], Tensor], z: Sequence[Tensor], scale: float) -> float:
    """L(θ + scale·z), θ being left there."""
    for parameter, start, direction in zip(parameters, origin, z, strict=True):
        torch.add(start, direction, alpha=scale, out=parameter.detach())
    return float(loss())


def rows(epsilons: Sequence[float], dtype: torch.dtype, errors: Sequence[float], rounding: float) -> EpsilonScan:
    """The measured errors beside the theory's. Args: rounding: R, such that R/ε is the error by rounding."""
    third = min(error / epsilon**2 for epsilon, error in zip(epsilons, errors, strict=True))
    name = str(dtype).removeprefix("torch.")
    found = zip(epsilons, errors, strict=True)
    return EpsilonScan(tuple(ScanRow(e, name, error, rounding / e, third * e**2) for e, error in found))


def rounding_error(parameters: Sequence[Tensor], slopes: Sequence[Tensor], loss: Callable[[], Tensor]) -> float:
    """R = √(u_L²/6 + Σ g_i²u_i²/3)/2: the error of pg by rounding is R/ε."""
    with torch.no_grad():
        square = float(spacing(loss()).square()) / 6
        for parameter, slope in zip(parameters, slopes, strict=True):
            square += float((slope.double() * spacing(parameter)).square().sum()) / 3
    return math.sqrt(square) / 2


def spacing(numbers: Tensor) -> Tensor:
    """From each number to the next larger one of its dtype, as float64.

    >>> spacing(torch.tensor([1.0, 1.5, 2.0], dtype=torch.bfloat16))
    tensor([0.0078, 0.0078, 0.0156], dtype=torch.float64)
    """
    kind = torch.finfo(numbers.dtype)
    _, exponent = torch.frexp(numbers.detach().double().abs().clamp(min=kind.tiny))
    return torch.ldexp(torch.full_like(exponent, 1, dtype=torch.float64), exponent - 1) * kind.eps


def check(parameters: Sequence[Tensor], epsilons: Sequence[float], probes: int, law: str) -> None:
    if not parameters:
        raise ValueError("`parameters` must hold at least one tensor, got none: pass model.parameters().")
    if not epsilons or not epsilons[0] > 0:
        raise ValueError(f"`epsilons` must be positive, and at least one, got {epsilons}: try 1e-5, 1e-4, 1e-3, 1e-2.")
    if probes < 1:
        raise ValueError(f"`probes` must be at least 1, got {probes}: an error needs a direction.")
    if law not in COORDINATES:
        raise ValueError(f"`law` must be one of {', '.join(COORDINATES)}; got {law!r}.")
