"""The choice of ε: the error of the projected gradient over a range of ε, a U between rounding and truncation."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from mezo_lab.curvature.passes import NO_PASSES, CountedLoss, PassCount
from mezo_lab.curvature.vectors import Loss, Vector, central_difference, restored, tensors_of
from mezo_lab.curvature.vectors import gradient as backward_gradient
from mezo_lab.optim.noise import COORDINATES, tensor_key
from mezo_lab.optim.sweeps import KeyedTensor, NoiseField, Term
from mezo_lab.sampling import Progress
from mezo_lab.validation import one_of, whole


@dataclass(frozen=True)
class ScanRow:
    """One ε. All errors are in units of ‖g‖, the rms of zᵀg."""

    epsilon: float
    dtype: str
    error: float
    """Rms of pg − zᵀg over the probes, measured."""
    rounding: float
    """The part of it that is rounding, by the theory."""
    truncation: float
    """The part of it that is the third derivative, by the theory."""

    def __str__(self) -> str:
        parts = f"rounding {self.rounding:.1e}, truncation {self.truncation:.1e}"
        return f"{self.dtype:8} ε = {self.epsilon:.1e}  error {self.error:.1e} ({parts})"


@dataclass(frozen=True)
class EpsilonScan:
    """The rows of a scan, by rising ε, and where theory puts the minimum."""

    rows: tuple[ScanRow, ...]
    passes: PassCount = NO_PASSES
    """The passes that were made."""

    @property
    def best(self) -> ScanRow:
        """The row with the least error."""
        return min(self.rows, key=lambda row: row.error)

    @property
    def predicted(self) -> float:
        """The ε at which (R/ε)² + (Tε²)² is least, (R/(√2·T))^⅓; infinite where nothing was truncated."""
        last = self.rows[-1]
        if not last.truncation:
            return math.inf
        rounding = last.rounding * last.epsilon  # R
        truncation = last.truncation / last.epsilon**2  # T
        return (rounding / (math.sqrt(2) * truncation)) ** (1 / 3)

    def __str__(self) -> str:
        return "\n".join(map(str, self.rows))


def epsilon_scan(
    parameters: Iterable[Tensor],
    loss: Loss,
    epsilons: Iterable[float],
    *,
    gradient: Vector | None = None,
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
    Cost: 2·probes·(number of ε) + 1 forward passes, and without `gradient` one more and its backward pass; memory for
    a copy of θ, a gradient and a z.
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
    parameters = tensors_of(parameters)
    epsilons = sorted(epsilons)
    if not epsilons or not epsilons[0] > 0:
        raise ValueError(f"`epsilons` must be positive, and at least one, got {epsilons}: try 1e-5, 1e-4, 1e-3, 1e-2.")
    probes = whole("probes", probes, "an error needs a direction")
    law = one_of("law", law, COORDINATES)
    loss = CountedLoss(loss)
    slopes = backward_gradient(parameters, loss) if gradient is None else list(gradient)
    norm = math.sqrt(sum(float(slope.double().square().sum()) for slope in slopes))
    if not norm > 0:
        raise ValueError(f"`gradient` must not vanish, got ‖g‖ = {norm}: it is the unit of all errors.")
    rounding = _rounding_error(parameters, slopes, loss) / norm
    z = [torch.zeros(parameter.shape, device=parameter.device) for parameter in parameters]
    field = NoiseField([KeyedTensor(tensor, tensor_key(i)) for i, tensor in enumerate(z)], law, seed, compiled=False)
    squares = torch.zeros(len(epsilons), dtype=torch.float64)  # mean squared error for each ε
    with torch.no_grad(), restored(parameters) as origin:
        for k in range(probes):
            for direction in z:
                direction.zero_()
            field.sweep([Term(0, k, (1.0,))])  # 0 + 1·z: the z of MeZO
            along = sum(float((x.double() * slope.double()).sum()) for x, slope in zip(z, slopes, strict=True))
            displace = partial(_displace, parameters, origin, z)
            for j, epsilon in enumerate(epsilons):
                projected_gradient = central_difference(displace, loss, epsilon)
                squares[j] += (projected_gradient - along) ** 2 / probes
            if progress is not None:
                progress(k + 1, probes)
    rows = _beside_theory(epsilons, parameters[0].dtype, (squares.sqrt() / norm).tolist(), rounding)
    return EpsilonScan(rows, PassCount(loss.passes, backward=int(gradient is None)))


def _displace(parameters: Vector, origin: Vector, z: Vector, scale: float) -> None:
    """θ ← θ₀ + scale·z."""
    for parameter, start, direction in zip(parameters, origin, z, strict=True):
        torch.add(start, direction, alpha=scale, out=parameter.detach())


def _beside_theory(
    epsilons: Sequence[float], dtype: torch.dtype, errors: Sequence[float], rounding: float
) -> tuple[ScanRow, ...]:
    """The measured errors beside the theory's. Args: rounding: R, such that R/ε is the error by rounding."""
    name = str(dtype).removeprefix("torch.")
    # rounding adds to every measured error, so the least of them bounds T from above most closely
    truncation = min(error / epsilon**2 for epsilon, error in zip(epsilons, errors, strict=True))
    return tuple(
        ScanRow(epsilon, name, error, rounding / epsilon, truncation * epsilon**2)
        for epsilon, error in zip(epsilons, errors, strict=True)
    )


def _rounding_error(parameters: Vector, slopes: Vector, loss: Loss) -> float:
    """R = √(u_L²/6 + Σ g_i²u_i²/3)/2: the error of pg by rounding is R/ε."""
    with torch.no_grad():
        square = float(unit_in_last_place(loss()).square()) / 6
        for parameter, slope in zip(parameters, slopes, strict=True):
            square += float((slope.double() * unit_in_last_place(parameter)).square().sum()) / 3
    return math.sqrt(square) / 2


def unit_in_last_place(numbers: Tensor) -> Tensor:
    """The distance from each number to the next larger one of its dtype, as float64.

    >>> unit_in_last_place(torch.tensor([1.0, 1.5, 2.0], dtype=torch.bfloat16))
    tensor([0.0078, 0.0078, 0.0156], dtype=torch.float64)
    """
    kind = torch.finfo(numbers.dtype)
    _, exponent = torch.frexp(numbers.detach().double().abs().clamp(min=kind.tiny))
    return torch.ldexp(torch.full_like(exponent, 1, dtype=torch.float64), exponent - 1) * kind.eps
