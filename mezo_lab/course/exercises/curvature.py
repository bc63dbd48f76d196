"""Notebook 10: the curvature of a real language model."""

import math
from typing import Any

import torch

from mezo_lab.course.exercises.answers import Answer
from mezo_lab.course.exercises.grading import grade
from mezo_lab.sampling import LAWS, Cubic
from mezo_lab.theory import Expression, largest_stable_step

__all__ = ["check_rank_and_error", "check_second_difference", "check_stable_rates"]

_RATES = [
    {"trace": 50.0, "trace_sq": 40.0, "norm": 1.0, "probes": 1},
    {"trace": 3000.0, "trace_sq": 2.5e6, "norm": 1100.0, "probes": 1},
    {"trace": 20.0, "trace_sq": 60.0, "norm": 4.0, "probes": 8},
]
_RANKS = [
    {"trace": 300.0, "trace_error": 30.0, "norm": 100.0, "norm_error": 5.0},
    {"trace": 40.0, "trace_error": 12.0, "norm": 25.0, "norm_error": 0.1},
    {"trace": 7.0, "trace_error": 0.5, "norm": 2.0, "norm_error": 0.4},
]


def _stable_rates(trace: float, trace_sq: float, norm: float, probes: int) -> tuple[float, float]:
    """Two learning rates between which MeZO's largest stable one lies, z Gaussian: Theorem 2's, and Jensen's."""
    moments = LAWS["gaussian"].moments(1)  # the same at every d
    low = largest_stable_step(trace, norm, probes, moments)
    high = largest_stable_step(trace, trace_sq / trace, probes, moments)
    return float(low), float(high)


def _rank_and_error(trace: float, trace_error: float, norm: float, norm_error: float) -> tuple[float, float]:
    """r = tr H/λ_max, and its error to first order, from two independent errors."""
    return trace / norm, math.hypot(trace_error / norm, trace * norm_error / norm**2)


def _difference(formula: str) -> Answer:
    """An estimate by a formula in plus = L(θ + εz), middle = L(θ), minus = L(θ − εz), and epsilon."""

    def estimate(loss, theta, z, epsilon):
        losses = {"plus": loss(theta + epsilon * z), "middle": loss(theta), "minus": loss(theta - epsilon * z)}
        return Expression(formula)({name: float(value) for name, value in losses.items()} | {"epsilon": epsilon})

    return estimate


def check_second_difference(estimate: Answer) -> None:
    """Whether estimate(loss, theta, z, epsilon) is zᵀHz, from three evaluations of a loss without a fourth derivative.

    Source: Hutchinson (1989); claim A10. Raises: WrongAnswer.
    """
    generator = torch.Generator().manual_seed(1)
    cases: list[dict[str, Any]] = []
    for epsilon in (0.1, 0.3):
        third, slope, theta, z = torch.randn(4, 5, dtype=torch.float64, generator=generator)
        cases.append({"loss": Cubic(third, slope), "theta": theta, "z": z, "epsilon": epsilon})
    grade(
        estimate,
        lambda loss, theta, z, epsilon: z @ loss.hessian(theta) @ z,
        cases,
        {
            "A second derivative is divided by ε².": _difference("plus + minus - 2 * middle"),
            "Two factors of ε: one for each z of zᵀHz.": _difference("(plus + minus - 2 * middle) / epsilon"),
            "The step is ε, not 2ε: divide by ε².": _difference("(plus + minus - 2 * middle) / (4 * epsilon**2)"),
            "Each side holds half of zᵀHz, and together they hold it all: no further 2.": _difference(
                "(plus + minus - 2 * middle) / (2 * epsilon**2)"
            ),
            "L(θ) is taken away twice, once for each side.": _difference("(plus + minus - middle) / epsilon**2"),
            "One side alone still has the slope in it; the sum of both sides does not.": _difference(
                "2 * (plus - middle) / epsilon**2"
            ),
            "That is the slope, zᵀg: curvature is in the sum of both sides.": _difference(
                "(plus - minus) / (2 * epsilon)"
            ),
        },
    )


def check_stable_rates(rates: Answer) -> None:
    """Whether rates(trace, trace_sq, norm, probes) is (2/(λ_max·γ), the same at c = tr H²/tr H), z Gaussian.

    Source: paper, Theorem 2; `theory.stability`. Raises: WrongAnswer.
    """
    grade(
        rates,
        _stable_rates,
        _RATES,
        {
            "First the safe rate, at λ_max, then the one at tr H²/tr H, which is larger.": (
                lambda **case: _stable_rates(**case)[::-1]
            ),
            "That is SGD's rate: divide it by γ.": (
                lambda trace, trace_sq, norm, probes: (2 / norm, 2 * trace / trace_sq)
            ),
            "γ = (r+n+1)/n: the n + 1 is small beside d, not beside r.": (
                lambda trace, trace_sq, norm, probes: (2 * probes / trace, 2 * probes / trace)
            ),
            "Signs along the coordinates have r + n − 1; Gaussian probes r + n + 1.": (
                lambda trace, trace_sq, norm, probes: (
                    2 * probes / (trace + (probes - 1) * norm),
                    2 * probes / (trace + (probes - 1) * trace_sq / trace),
                )
            ),
            "That is for one probe: with n of them γ = (r+n+1)/n.": (
                lambda probes, **case: _stable_rates(probes=1, **case)
            ),
            "That is the best rate; the largest stable one is twice as far.": (
                lambda **case: [rate / 2 for rate in _stable_rates(**case)]
            ),
        },
    )


def check_rank_and_error(rank: Answer) -> None:
    """Whether rank(trace, trace_error, norm, norm_error) is (tr H/λ_max, its error), from two independent errors.

    Raises: WrongAnswer.
    """
    grade(
        rank,
        _rank_and_error,
        _RANKS,
        {
            "λ_max has an error too.": lambda norm_error, **case: _rank_and_error(norm_error=0.0, **case),
            "Independent errors add as squares.": (
                lambda trace, trace_error, norm, norm_error: (
                    trace / norm,
                    trace_error / norm + trace * norm_error / norm**2,
                )
            ),
            "That is the relative error: times r.": (
                lambda trace, trace_error, norm, norm_error: (
                    trace / norm,
                    math.hypot(trace_error / trace, norm_error / norm),
                )
            ),
            "The absolute errors have units: divide each by its own mean before you add the squares.": (
                lambda trace, trace_error, norm, norm_error: (trace / norm, math.hypot(trace_error, norm_error))
            ),
            "That is λ_max/tr H, upside down.": (
                lambda trace, trace_error, norm, norm_error: _rank_and_error(norm, norm_error, trace, trace_error)
            ),
        },
    )
