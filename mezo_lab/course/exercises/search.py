"""Notebook 1: from random search to SPSA."""

import math
from typing import Any

import torch

from mezo_lab import theory
from mezo_lab.course.exercises.answers import Answer
from mezo_lab.course.exercises.grading import grade
from mezo_lab.sampling import Cubic, two_point

__all__ = ["check_best_sigma", "check_search_change", "check_two_point"]

_CHANGES = [
    {"sigma": 0.1, "grad_norm": 2.0, "trace": 3.0},
    {"sigma": 0.5, "grad_norm": 1.0, "trace": 0.0},
    {"sigma": 0.2, "grad_norm": 0.5, "trace": -4.0},
]
_SLOPES = [{"grad_norm": 1.0, "trace": 10.0}, {"grad_norm": 3.0, "trace": 2.0}]


def check_search_change(change: Answer) -> None:
    """Whether change(sigma, grad_norm, trace) is the mean change of the loss in a step of random search.

    Source: the notes, first method; claim A0. Raises: WrongAnswer.
    """
    grade(
        change,
        theory.random_search_change,
        _CHANGES,
        {
            "A step along δ gains |δᵀg|, and the mean of |N(0, 1)| is √(2/π), not 1.": (
                "sigma**2 * trace / 2 - sigma * grad_norm"
            ),
            "δᵀHδ is there too: ½σ²·tr H, whichever sign is taken.": "-sigma * sqrt(2/pi) * grad_norm",
            "Taylor's second term has a half: ½δᵀHδ.": "sigma**2 * trace - sigma * sqrt(2/pi) * grad_norm",
        },
    )


def check_best_sigma(best: Answer) -> None:
    """Whether best(grad_norm, trace) is the σ of the largest mean descent. Raises: WrongAnswer."""
    grade(
        best,
        lambda grad_norm, trace: math.sqrt(2 / math.pi) * grad_norm / trace,
        _SLOPES,
        {"There the change is 0 again: the largest descent is halfway.": "2 * truth"},
    )


def check_two_point(estimate: Answer) -> None:
    """Whether estimate(loss, theta, z, epsilon) is n-SPSA, the mean over the probes of pg·z.

    Source: paper, Definition 1. Raises: WrongAnswer.
    """
    generator = torch.Generator().manual_seed(1)
    cases: list[dict[str, Any]] = []
    for probes in (1, 3):
        third, linear, theta = torch.randn(3, 5, generator=generator, dtype=torch.float64)
        z = torch.randn(probes, 5, generator=generator, dtype=torch.float64)
        cases.append({"loss": Cubic(third, linear), "theta": theta, "z": z, "epsilon": 0.1})
    grade(
        estimate,
        two_point,
        cases,
        {
            "The two points are 2ε apart, not ε.": lambda **case: 2 * two_point(**case),
            "L(θ + εz) comes first: with this sign you would climb.": lambda **case: -two_point(**case),
            "Several probes are averaged, not added: divide by n.": lambda z, **case: len(z) * two_point(z=z, **case),
        },
    )
