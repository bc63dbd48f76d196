"""Where MeZO really diverges: the learning rate at which the gradient of one long run neither grows nor shrinks."""

import math
from dataclasses import dataclass, field
from typing import NamedTuple

import torch
from torch import Tensor

from mezo_lab.curvature.passes import NO_PASSES, PassCount
from mezo_lab.curvature.spectra import bowl
from mezo_lab.curvature.vectors import Loss
from mezo_lab.optim import MeZO
from mezo_lab.sampling import Estimate, Progress, RunningMoments
from mezo_lab.validation import positive

STRIDE = 10  # steps at most between two readings of the gradient, after which θ is scaled back to ‖∇L‖ = 1
STRETCHES = 25  # of a run, whose means give the growth and its standard error
FORGOTTEN = 3  # stretches before those, which do not count
FLAT = 1e-6  # of λ_max: below, a direction is no part of ∇L, and its profile would drown the loss in rounding


class Trial(NamedTuple):
    """One run: its learning rate and its growth."""

    lr: float
    growth: Estimate


@dataclass(frozen=True)
class Divergence:
    """The learning rate where growth turns positive."""

    lr: float
    error: float
    """The standard error that the growth's implies."""
    steps: int
    """Steps of each trial."""
    trials: tuple[Trial, ...] = field(repr=False)
    """The runs that it follows from, all with the same z."""
    passes: PassCount = NO_PASSES
    """The forward passes of all runs."""

    def __str__(self) -> str:
        return f"{self.lr:.3g} ± {self.error:.1g}"


def growth_rate(
    eigenvalues: Tensor,
    lr: float,
    *,
    probes: int = 1,
    law: str = "gaussian",
    seed: int = 0,
    steps: int = 1_000,
    progress: Progress | None = None,
) -> Estimate:
    """The mean of log ‖∇L(θ⁺)‖²/‖∇L(θ)‖² over a run of the optimizer itself on a quadratic: its Lyapunov exponent.

    The gradient, as it is what the steps are made of; the loss also counts nearly flat directions, which any stable run
    goes on filling for 1/(ηλ_i) steps. ∇L is homogeneous, so θ may be scaled back from time to time and the run never
    overflows. It starts near the stationary profile, θ_i² ∝ 1/(λ_i(2 − ηλ_i)).
    Cost: `growth_passes(steps, probes)`: 56·⌈steps/25⌉·probes + 1 forward passes, as 3 stretches precede the 25.

    Args:
        eigenvalues: (d,), none negative. lr: η. probes: n. law, seed: of MeZO.
        steps: those that count; rounded up to a multiple of 25.
        progress: called with (steps done, steps).

    Returns: growth per step; its standard error is that of the means of 25 stretches.

    >>> flat = torch.ones(20, dtype=torch.float64)
    >>> growth_rate(flat, 0.5 * 2 / 22, steps=25).mean < 0 < growth_rate(flat, 2.0 * 2 / 22, steps=25).mean
    True
    """
    lr = positive("lr", lr, "a step has a length")
    theta, loss = bowl(eigenvalues, seed)
    with torch.no_grad():
        theta.mul_(_profile(eigenvalues, lr))
    _scale_back(theta, eigenvalues)
    optimizer = MeZO([theta], lr, probes=probes, law=law, seed=seed, fused=True)
    length = math.ceil(steps / STRETCHES)  # steps of a stretch
    strides = [min(STRIDE, length - done) for done in range(0, length, STRIDE)]
    running = RunningMoments()
    for stretch in range(-FORGOTTEN, STRETCHES):
        growth = 0.0
        for stride in strides:
            growth += _log_growth(optimizer, theta, loss, eigenvalues, stride)
        if stretch >= 0:
            running.add(torch.tensor([growth / length], dtype=torch.float64))
            if progress is not None:
                progress(running.count, STRETCHES)
    return running.estimate()


def growth_passes(steps: int = 1_000, probes: int = 1) -> PassCount:
    """What one run of `growth_rate` costs: the passes of its steps, and one that checks that the loss repeats itself.

    >>> growth_passes(steps=1_000).forward
    2241
    """
    made = (FORGOTTEN + STRETCHES) * math.ceil(steps / STRETCHES)
    return PassCount(2 * probes * made + 1)


def _profile(eigenvalues: Tensor, lr: float) -> Tensor:
    """√E[θ_i²] up to a factor, where the mean neither grows nor shrinks; bounded where the loss is nearly flat."""
    room = (2 - lr * eigenvalues).clamp(min=0.1)  # a trial may lie beyond the limit
    return (eigenvalues.clamp(min=FLAT * float(eigenvalues.max())) * room).rsqrt()


def _log_growth(optimizer: MeZO, theta: Tensor, loss: Loss, eigenvalues: Tensor, steps: int) -> float:
    """log ‖∇L‖² after some steps from ‖∇L‖ = 1."""
    for _ in range(steps):
        optimizer.step(loss)
    optimizer.flush()
    return 2 * math.log(_scale_back(theta, eigenvalues))


def _scale_back(theta: Tensor, eigenvalues: Tensor) -> float:
    """θ ← θ/‖∇L‖, and 0 where the loss is flat, as it would blow up a walk there. Returns: ‖∇L‖ before."""
    with torch.no_grad():
        norm = torch.linalg.vector_norm(eigenvalues * theta)
        theta.mul_((eigenvalues > 0) / norm)
    return float(norm)


def divergence(
    eigenvalues: Tensor,
    guess: float,
    *,
    probes: int = 1,
    law: str = "gaussian",
    seed: int = 0,
    steps: int = 1_000,
    progress: Progress | None = None,
) -> Divergence:
    """The learning rate from which a run of MeZO on a quadratic diverges: the zero of `growth_rate`.

    All trials see the same z, so their growth is a smooth function of η. The first lie 10 % on either side of the
    guess, others further out until their signs differ; two more come by false position.
    Cost: `growth_passes(steps, probes)` forward passes for each of four runs, or more when the guess is bad.

    Args: guess: where to look first. The others as in `growth_rate`.

    >>> edge = divergence(torch.ones(20, dtype=torch.float64), 0.09, law="rademacher", steps=25)
    >>> abs(edge.lr - 2 / 20) < 1e-3  # ‖z‖² = d: with signs no run outlives the mean
    True
    """
    trials: list[Trial] = []

    def run(lr: float) -> Trial:
        growth = growth_rate(eigenvalues, lr, probes=probes, law=law, seed=seed, steps=steps, progress=progress)
        trials.append(Trial(lr, growth))
        return trials[-1]

    low = run(0.9 * guess)
    high = run(1.1 * guess)
    while low.growth.mean > 0:
        high = low
        low = run(0.8 * low.lr)
    while high.growth.mean < 0:
        low = high
        high = run(1.25 * high.lr)
    slope = (high.growth.mean - low.growth.mean) / (high.lr - low.lr)
    for _ in range(2):
        middle = run(_crossing(low, high))
        if middle.growth.mean < 0:
            low = middle
        else:
            high = middle
    passes = PassCount(len(trials) * growth_passes(steps, probes).forward)
    return Divergence(_crossing(low, high), trials[-1].growth.standard_error / slope, steps, tuple(trials), passes)


def _crossing(low: Trial, high: Trial) -> float:
    """Where the line through two trials is zero.

    >>> _crossing(Trial(1.0, Estimate(-0.1, 0, 1)), Trial(2.0, Estimate(0.3, 0, 1)))
    1.25
    """
    share = low.growth.mean / (low.growth.mean - high.growth.mean)
    return low.lr + share * (high.lr - low.lr)


def steps_for(error: float, trace: float, trace_sq: float) -> int:
    """How many steps find the divergence to within a relative standard error, as a rule of thumb.

    Source: derived for H = ℓ·P_r and one Gaussian probe near the limit: log L moves by √(24/r³)·2 a step, and grows by
    4δ/r at a learning rate 1 + δ times the limit; other spectra count with r̃ = (tr H)²/tr H².
    Formula: 6/(error²·r̃), between 100 and 3,000.

    >>> steps_for(0.02, trace=50.0, trace_sq=50.0)
    300
    """
    return round(min(max(6 * trace_sq / (error * trace) ** 2, 100), 3_000))
