"""Section C, second part: how long the steps of `MeZO` are and what they gain, measured on the optimizer itself. C3."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from torch import Generator, Tensor
from torch.nn import Parameter

from mezo_lab import theory
from mezo_lab.claims.c_noise import seed_from
from mezo_lab.claims.claim import Decoy, Experiment, Parameters, claim
from mezo_lab.claims.problems import at_most_dim, symbols_of, unit_gradient
from mezo_lab.optim import MeZO
from mezo_lab.sampling import KEYED_LAWS, Law, Linear, LowRank, LowRankQuadratic
from mezo_lab.sampling.montecarlo import Draws

_SIDE = 4  # of the low-rank law's matrix
_SLOPE = 3.0  # ‖g‖ where it should not count
_VALUE = 2.0  # the loss at which a population starts, and which its baseline takes away

# steps, each a draw, by (measure, d, r, n): 1.4 times what puts the nearest decoy 10 standard errors away
_STEPS = {
    ("length", 2, 2, 1): {"rademacher": 130, "sphere": 80, "coordinate": 50},
    ("length", 4, 4, 1): {"rademacher": 760, "sphere": 560, "coordinate": 180},
    ("length", 4, 4, 3): {"orthogonal": 70},
    ("length", 3, 3, 1): {"gaussian": 5_600, "uniform": 8_900, "three-point": 3_600},
    ("length", 16, 16, 4): {"low-rank": 7_000},
    ("cosine", 16, 16, 1): {"low-rank": 300},
    ("leave-one-out", 4, 4, 2): {"gaussian": 4_600, "rademacher": 1_600},
    ("z-score", 4, 4, 3): {"gaussian": 360},
    ("contraction", 8, 1, 1): {"gaussian": 840, "uniform": 300, "three-point": 630},
    ("contraction", 8, 2, 1): {"gaussian": 1_100, "rademacher": 130, "uniform": 630, "three-point": 680, "sphere": 880},
}


def _steps(law: Law, measure: str, d: int, r: int, n: int) -> int | None:
    return _STEPS.get((measure, d, r, n), {}).get(law.name)


def _settings(*keys: tuple[str, int, int, int]) -> list[Parameters]:
    return [dict(zip(("measure", "d", "r", "n"), key, strict=True)) for key in keys]


# of all modes; those of the low-rank law, whose tail would ask a population for 100,000 steps
_FIRST = [("length", 4, 4, 3), ("leave-one-out", 4, 4, 2), ("z-score", 4, 4, 3)]
_ON_A_MATRIX = [("cosine", 16, 16, 1), ("length", 16, 16, 4)]


@claim(
    "C3",
    "engine-factor",
    r"\mathbb{E}\|\Delta\theta\|^2 = \eta^2 f\,\|g\|^2 \ \mathrm{(linear)}, \quad"
    r" \mathbb{E}[L(\theta + \Delta\theta)]/L(\theta) = 1 - 2\eta\ell + \eta^2\ell^2\gamma \ (H = \ell P_r),"
    r" \quad f, \gamma \ \mathrm{as\ in\ A2, B3, E1};"
    r" \quad \mathrm{a\ population\ with\ leave{-}one{-}out}\ f = 1 + \frac{d+1}{n-1} + \frac{c-d-2}{n},"
    r" \ \mathrm{with\ z{-}scores\ and\ Gaussian\ } z\mathrm{:}\ \varepsilon^2 f\|g\|^2 = \frac{d+n-2}{n}",
    source="as A2, B3 and E1; of populations derived",
    laws=KEYED_LAWS,
    default=_settings(*_FIRST, ("length", 4, 4, 1), ("contraction", 8, 2, 1), *_ON_A_MATRIX),
    fast=_settings(_FIRST[0], _FIRST[2], ("length", 2, 2, 1), ("contraction", 8, 1, 1), _ON_A_MATRIX[0]),
    full=_settings(*_FIRST, ("length", 4, 4, 1), ("length", 3, 3, 1), ("contraction", 8, 2, 1), *_ON_A_MATRIX),
    suits=lambda law, p: _steps(law, **p) is not None,
)
def engine_factor(law, measure, d, r, n):
    at_most_dim(r, d)
    if measure in ("leave-one-out", "z-score") and n < 2:
        raise ValueError(f"`n` must be at least 2 for a population, got {n}: a loss alone has none to compare.")
    draws = _steps(law, measure, d, r, n) or 1_000
    if isinstance(law, LowRank):
        law = _on_a_matrix(law, d, r)
    experiment = _MEASURES[measure](law, d, r, n, numbers_per_draw=512, draws=draws)
    gap = min(abs(decoy.expected(experiment) - experiment.expected) for decoy in experiment.decoys)
    return replace(experiment, resolution=1.25 * gap / experiment.expected)  # it promises to see its nearest decoy


def _on_a_matrix(law: LowRank, dim: int, rank: int) -> LowRank:
    if dim != _SIDE**2 or rank != dim:
        raise ValueError(
            f"`d` and `r` must be {_SIDE**2} with the low-rank law, got {dim} and {rank}: the factor depends on the "
            f"shape of the matrix, which is {_SIDE}×{_SIDE} here, and on all of its weights."
        )
    return replace(law, shape=(_SIDE, _SIDE))


def _offered(law: Law, dim: int, probes: int, **more: float) -> dict[str, float]:
    """The symbols of a step; with a low-rank law the sizes of its matrix too."""
    if isinstance(law, LowRank):
        more |= {"p": _SIDE, "q": _SIDE, "k": law.rank}
    return symbols_of(law, dim, probes, **more)


def _length(law: Law, dim: int, rank: int, probes: int, **more) -> Experiment:
    """‖Δθ‖²/η² of a step on a linear loss with ‖g‖ = 1, where every direction counts."""
    loss = Linear(_slope(law, dim, rank))
    start = torch.zeros_like(loss.slope)
    believed: tuple[Decoy, ...] = ()
    if isinstance(law, LowRank):
        factor = (float(law.fourth_moment(dim)) + probes - 1) / probes
        believed = (Decoy("(k*(p+q) + n+1)/n"),)  # "the variance falls to that of the numbers drawn"
    else:
        factor = float(theory.norm_factor(dim, probes, law.moments(dim)))
    return Experiment(
        expected=factor,
        draw=_after_a_step(law, probes, loss, start, 1.0, lambda theta: theta.square().sum()),
        symbols=_offered(law, dim, probes, r=rank),
        formula="(c + (n-1)*cross)/n",
        decoys=(Decoy("(d+n-1)/n"), Decoy("(d+n+1)/n"), *believed),
        **more,
    )


def _slope(law: Law, dim: int, rank: int) -> Tensor:
    """A unit gradient; on a matrix one of full rank, which a draw of low rank can meet by chance the least. (d,)"""
    if isinstance(law, LowRank):
        return torch.eye(_SIDE, dtype=torch.float64).flatten() / _SIDE**0.5
    return unit_gradient(dim, rank)


def _cosine(law: Law, dim: int, rank: int, probes: int, **more) -> Experiment:
    """cos² of the angle between a step of one low-rank probe and the gradient."""
    if probes > 1 or not isinstance(law, LowRank):
        raise ValueError(
            f"`n` must be 1 and the law low-rank for the cosine, got {probes} and {law.name}: claim A5 has the others."
        )
    loss = Linear(_slope(law, dim, rank))
    start = torch.zeros_like(loss.slope)
    return Experiment(
        expected=1 / dim,
        draw=_after_a_step(law, probes, loss, start, 1.0, lambda theta: loss(theta) ** 2 / theta.square().sum()),
        symbols=_offered(law, dim, probes, r=rank),
        formula="1/d",
        decoys=(Decoy("1/(k*(p+q))"),),  # as if only so many directions were left
        **more,
    )


def _contraction(law: Law, dim: int, rank: int, probes: int, **more) -> Experiment:
    """L after a step of the best length, over L before, where the Hessian is a projector of rank r."""
    if isinstance(law, LowRank):
        raise ValueError(
            "`law` must have one γ for every Hessian in the contraction, got low-rank, whose γ depends on how H lies "
            "on the matrix: take --set measure=length."
        )
    loss = LowRankQuadratic(smoothness=1.0, rank=rank)
    start = unit_gradient(dim, rank)
    gamma = float(theory.effective_rank_factor(rank, probes, law.moments(dim)))
    other = "r+n-1"  # the γ of another law
    if law.moments(dim).coincidence:
        other = "r+n+1"
    return Experiment(
        expected=theory.contraction(1 / gamma, gamma),
        draw=_after_a_step(law, probes, loss, start, 1 / gamma, lambda theta: loss(theta) / loss(start)),
        symbols=_offered(law, dim, probes, r=rank, s=1 / gamma, gamma=gamma),
        formula="1 - 2*s + s**2*gamma",
        decoys=(Decoy("1 - 2*s + s**2*(n-1+c)/n"), Decoy(f"1 - 2*s + s**2*({other})/n")),
        **more,
    )


def _leave_one_out(law: Law, dim: int, rank: int, probes: int, **more) -> Experiment:
    """‖Δθ‖²/η² of a population on a linear loss with ‖g‖ = 1, whose value its baseline takes away."""
    loss = Linear(unit_gradient(dim, rank))
    start = _VALUE * loss.slope
    formula = "1 + (d+1)/(n-1) + (c-d-2)/n"
    return Experiment(
        expected=float(theory.leave_one_out_norm(dim, probes, law.fourth_moment(dim))),
        draw=_population(law, probes, loss, start, baseline="leave-one-out"),
        symbols=_offered(law, dim, probes, r=rank),
        formula=formula,
        decoys=(
            Decoy("(c+n-1)/n"),  # as of n probes with two sides
            Decoy(f"((n-1)/n)**2*({formula})"),  # the mean of all losses as the baseline
            Decoy(f"(c+n-1 + {_VALUE**2:g}*d)/n"),  # no baseline
        ),
        **more,
    )


def _scored(law: Law, dim: int, rank: int, probes: int, **more) -> Experiment:
    """‖Δθ‖²/η² of a population with z-scores, ε = 1, on a linear loss whose slope does not count."""
    if law.name != "gaussian":
        raise ValueError(
            f"`law` must be gaussian with z-scores, got {law.name}: the losses are divided by their own spread, and "
            "the mean is then known for normal losses alone; --set measure=leave-one-out takes any law."
        )
    loss = Linear(_SLOPE * unit_gradient(dim, rank))
    start = loss.slope / _SLOPE
    return Experiment(
        expected=float(theory.score_norm(dim, probes)),
        draw=_population(law, probes, loss, start, shaping="z-score"),
        symbols=_offered(law, dim, probes, r=rank, g2=_SLOPE**2),
        formula="(d+n-2)/n",
        decoys=(Decoy("1"), Decoy("(d+n+1)/n"), Decoy("g2*(d+n-2)/n")),  # a step of unit length; without scores
        **more,
    )


_MEASURES: dict[str, Callable[..., Experiment]] = {
    "length": _length,
    "cosine": _cosine,
    "contraction": _contraction,
    "leave-one-out": _leave_one_out,
    "z-score": _scored,
}
_Observable = Callable[[Tensor], Tensor]  # θ (d,) → one number


def _population(law: Law, probes: int, loss: _Observable, start: Tensor, **shaping: str) -> Draws:
    return _after_a_step(
        law,
        probes,
        loss,
        start,
        1.0,
        lambda theta: (theta - start).square().sum(),
        estimator="population",
        **shaping,
    )


def _after_a_step(
    law: Law, probes: int, loss: _Observable, start: Tensor, lr: float, observable: _Observable, **kinds: Any
) -> Draws:
    """The observable after a step from `start`, with θ in two tensors: its first coordinate, and the others.

    With a low-rank law it is one matrix.
    """

    def draw(count: int, generator: Generator) -> Tensor:
        theta = start.clone()
        parts = theta.tensor_split([1])
        settings: dict[str, Any] = {"probes": probes, "law": law.name, "seed": seed_from(generator)}
        if isinstance(law, LowRank):
            parts = [theta.view(_SIDE, _SIDE)]
            settings["rank"] = law.rank
        opt = MeZO([Parameter(part) for part in parts], lr=lr, epsilon=1.0, **settings, **kinds)
        values = []
        for _ in range(count):
            theta.copy_(start)
            opt.step(lambda: loss(theta))
            values.append(observable(theta))
        return torch.stack(values)

    return draw
