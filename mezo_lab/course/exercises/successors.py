"""Notebook 15: after MeZO."""

from typing import Any

from mezo_lab import theory
from mezo_lab.course.exercises.answers import Answer
from mezo_lab.course.exercises.grading import grade

__all__ = ["check_heavy_ball", "check_layered_factor", "check_share_left", "check_signal_share"]

_MODELS = [
    {"layers": [(3, 4, 0.2), (2, 5, 0.5), (4, 4, 0.3)], "rank": 1},
    {"layers": [(30, 10, 0.75), (8, 12, 0.25)], "rank": 4},
    {"layers": [(64, 16, 1.0), (16, 16, 0.0)], "rank": 2},
]
_POPULATIONS = [
    {"pairs": 2, "singles": 3},
    {"pairs": 0, "singles": 8},
    {"pairs": 5, "singles": 0},
    {"pairs": 1, "singles": 14},
]
_BALLS = [
    {"smoothness": 1.0, "gamma": 7.0, "beta": 0.9, "dampening": 0.0},
    {"smoothness": 2.0, "gamma": 22.0, "beta": 0.5, "dampening": 0.25},
    {"smoothness": 0.5, "gamma": 1.0, "beta": 0.9, "dampening": 0.9},
]
_SCHEDULES = [
    {"rates": [1.0] * 6 + [0.5] * 2 + [0.25], "factor": 12.0},
    {"rates": [0.1, 0.2, 0.4, 0.2], "factor": 3.0},
    {"rates": [1e-6 * (100 - step) for step in range(100)], "factor": 1e4},
]


def _layered_factor(layers: list[tuple[int, int, float]], rank: int) -> float:
    """E‖ĝ‖²/‖g‖² of one probe that draws its own Gaussian U and V for each matrix (rows, columns, share of ‖g‖²)."""
    dim = sum(rows * columns for rows, columns, _ in layers)
    total = 0.0
    for rows, columns, share in layers:
        own = theory.low_rank_fourth_moment(rows, columns, rank)
        total += share * (own + dim - rows * columns)  # the other matrices lengthen z, independently of this one
    return total


def _share_left(pairs: int, singles: int) -> float:
    """What the mean of all losses as a baseline leaves of g, where 2·pairs of them belong to antithetic directions."""
    losses = 2 * pairs + singles
    return (2 * pairs + singles * theory.own_mean_share(losses)) / losses


def _heavy_ball(smoothness: float, gamma: float, beta: float, dampening: float) -> float:
    """The largest stable rate of m ← βm + (1 − dampening)ĝ, θ ← θ − ηm on H = ℓ·P_r."""
    return theory.heavy_ball_lr(smoothness, gamma, beta) / (1 - dampening)


def _signal_share(rates: list[float], factor: float) -> float:
    """The share of E‖θ_T − θ_0‖² that is signal on a linear loss, for a rate of each step."""
    straight = sum(rates) ** 2
    return straight / (straight + (factor - 1) * sum(rate**2 for rate in rates))


def check_layered_factor(factor: Answer) -> None:
    """Whether factor(layers, rank) is E‖ĝ‖²/‖g‖² of one probe with a Gaussian U and V for each matrix of weights.

    Source: claim E1. Formula: d + 2 + (2/k)·Σ share·(p + q + 1). Raises: WrongAnswer.
    """
    grade(
        factor,
        _layered_factor,
        _MODELS,
        {
            "That is d + 2, a Gaussian z of the whole model: within a matrix, z is not Gaussian.": (
                lambda layers, rank: sum(p * q for p, q, _ in layers) + 2
            ),
            "Each matrix has its own c, but ĝ is pg·z, and the one pg is multiplied by the z of every matrix.": (
                lambda layers, rank: sum(share * theory.low_rank_fourth_moment(p, q, rank) for p, q, share in layers)
            ),
            "A matrix that holds a small share of g adds that share of its own surplus, and no more.": (
                lambda layers, rank: (
                    sum(p * q for p, q, _ in layers) + 2 + 2 * sum(p + q + 1 for p, q, _ in layers) / rank
                )
            ),
            "The surplus is divided by the rank k: U and V of more columns are nearer to a Gaussian z.": (
                lambda layers, rank: _layered_factor(layers, 1)
            ),
            "That counts the numbers drawn, k(p + q) of a matrix; their number is not what makes ĝ long.": (
                lambda layers, rank: rank * sum(p + q for p, q, _ in layers) + 2
            ),
            "The matrices are drawn apart: it is not one large matrix with all rows and all columns.": _one_matrix,
        },
    )


def _one_matrix(layers: list[tuple[int, int, float]], rank: int) -> float:
    """The mistake that takes a model for one matrix."""
    sides = sum(p + q for p, q, _ in layers)
    return sum(p * q for p, q, _ in layers) + 2 + 2 * (sides + 1) / rank


def check_share_left(share: Answer) -> None:
    """Whether share(pairs, singles) is the mean of ĝ, of g, for a population in which some directions come with −z.

    The baseline is the mean of all losses. Source: claim E7. Formula: 1 − singles/(2·pairs + singles)².
    Raises: WrongAnswer.
    """
    grade(
        share,
        _share_left,
        _POPULATIONS,
        {
            "In a pair the baseline is taken off both losses, once with z and once with −z: there it costs nothing.": (
                lambda pairs, singles: theory.own_mean_share(2 * pairs + singles)
            ),
            "A direction without its −z still has its own loss in the baseline, and loses that share.": "1",
            "An antithetic pair has two losses, and the mean is over all of them.": (
                lambda pairs, singles: 1 - singles / (pairs + singles) ** 2
            ),
            "The pairs add to the mean as well: they have no loss of their own in what is left over.": (
                lambda pairs, singles: singles * (2 * pairs + singles - 1) / (2 * pairs + singles) ** 2
            ),
            "The baseline is the mean of all losses, of the pairs too, and not of the single ones.": (
                lambda pairs, singles: (2 * pairs + max(singles - 1, 0)) / (2 * pairs + singles)
            ),
            "That is the share that is lost; the question is what is left.": "1 - truth",
        },
    )


def check_heavy_ball(rate: Answer) -> None:
    """Whether rate(smoothness, gamma, beta, dampening) is the largest stable η of m ← βm + (1 − dampening)ĝ.

    Source: claim E5. Formula: 2(1−β)/((1 − dampening)·ℓ(γ − 2β/(1+β))). Raises: WrongAnswer.
    """
    grade(
        rate,
        _heavy_ball,
        _BALLS,
        {
            "That is the rate of the averaged m; this m is (1 − dampening)/(1 − β) times as long.": (
                lambda smoothness, gamma, beta, dampening: theory.momentum_lr(smoothness, gamma, beta)
            ),
            "That is without dampening: a shorter m allows a larger rate.": "truth * (1 - dampening)",
            "Dampening shortens m, and a shorter m allows a larger rate: divide by 1 − dampening.": (
                "truth * (1 - dampening)**2"
            ),
            "That is the edge of the true gradient, divided by γ: momentum takes 2β/(1+β) off γ instead.": (
                "2 * (1 + beta) / ((1 - dampening) * gamma * smoothness)"
            ),
            "Momentum takes 2β/(1+β) off γ: small beside a large γ, and everything at γ = 1.": (
                "2 * (1 - beta) / ((1 - dampening) * gamma * smoothness)"
            ),
            "A steady ĝ makes this m 1/(1−β) times as long: the rate is smaller by 1 − β, not larger.": (
                lambda smoothness, gamma, beta, dampening: (
                    theory.momentum_lr(smoothness, gamma, beta) / ((1 - beta) * (1 - dampening))
                )
            ),
            "Where it stops being stable, not where it is best: twice as far.": "truth / 2",
        },
    )


def check_signal_share(share: Answer) -> None:
    """Whether share(rates, factor) is the share of E‖θ_T − θ_0‖² that is signal, with a learning rate for each step.

    Source: claim E10. Formula: (Ση)²/((Ση)² + (factor − 1)·Ση²). Raises: WrongAnswer.
    """
    cases: list[dict[str, Any]] = _SCHEDULES
    grade(
        share,
        _signal_share,
        cases,
        {
            "That is the share at one rate throughout: a step with a small η adds little to either part.": (
                lambda rates, factor: _signal_share([1.0] * len(rates), factor)
            ),
            "Signals add up before they are squared, and noise is squared before it adds up.": (
                lambda rates, factor: 1 / factor
            ),
            "‖ĝ‖² holds the signal as well: the noise of a step is factor − 1.": (
                lambda rates, factor: _signal_share(rates, factor + 1)
            ),
            "That is the share of the noise.": "1 - truth",
            "That is signal over noise; the share has both in the denominator.": "truth / (1 - truth)",
            "That is a ratio of lengths; the share is one of squared lengths.": "sqrt(truth)",
        },
    )
