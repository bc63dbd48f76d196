"""Notebook 1: from random search to SPSA."""

import math
from typing import Any

import torch

from mezo_lab import theory
from mezo_lab.course.exercises.ask import Answer
from mezo_lab.course.exercises.judge import judge
from mezo_lab.sampling import Cubic, two_point

CHANGES = [
    {"sigma": 0.1, "grad_norm": 2.0, "trace": 3.0},
    {"sigma": 0.5, "grad_norm": 1.0, "trace": 0.0},
    {"sigma": 0.2, "grad_norm": 0.5, "trace": -4.0},
]
BESTS = [{"grad_norm": 1.0, "trace": 10.0}, {"grad_norm": 3.0, "trace": 2.0}]


def check_search_change(change: Answer) -> None:
    """Whether change(sigma, grad_norm, trace) is the mean change of the loss in a step of random search.

    Source: the notes, first method; claim A0. Raises: Wrong.
    """
    judge(
        change,
        theory.random_search_change,
        CHANGES,
        {
            "A step along δ gains |δᵀg|, and the mean of |N(0, 1)| is √(2/π), not 1.": lambda sigma, grad_norm, trace: (
                sigma**2 * trace / 2 - sigma * grad_norm
            ),
            "δᵀHδ is there too: ½σ²·tr H, whichever sign is taken.": lambda sigma, grad_norm, trace: (
                -sigma * math.sqrt(2 / math.pi) * grad_norm
            ),
            "Taylor's second term has a half: ½δᵀHδ.": lambda sigma, grad_norm, trace: (
                sigma**2 * trace - sigma * math.sqrt(2 / math.pi) * grad_norm
            ),
        },
    )


def check_best_sigma(best: Answer) -> None:
    """Whether best(grad_norm, trace) is the σ of the largest mean descent. Raises: Wrong."""
    judge(
        best,
        lambda grad_norm, trace: math.sqrt(2 / math.pi) * grad_norm / trace,
        BESTS,
        {
            "There the change is 0 again: the largest descent is half way.": lambda grad_norm, trace: (
                2 * math.sqrt(2 / math.pi) * grad_norm / trace
            ),
        },
    )


def check_two_point(estimate: Answer) -> None:
    """Whether estimate(loss, theta, z, epsilon) is n-SPSA, the mean over the probes of pg·z.

    Source: paper, Definition 1. Raises: Wrong.
    """
    generator = torch.Generator().manual_seed(1)
    cases: list[dict[str, Any]] = []
    for probes in (1, 3):
        numbers = {"dtype": torch.float64, "generator": generator}
        loss = Cubic(torch.randn(5, **numbers), torch.randn(5, **numbers))
        cases.append({"loss": loss, "theta": torch.randn(5, **numbers), "z": torch.randn(probes, 5, **numbers)})
    judge(
        estimate,
        two_point,
        [{**case, "epsilon": 0.1} for case in cases],
        {
            "The two points are 2ε apart, not ε.": lambda **case: 2 * two_point(**case),
            "L(θ + εz) comes first: as it stands you would climb.": lambda **case: -two_point(**case),
            "Several probes are averaged, not added: divide by n.": lambda z, **case: len(z) * two_point(z=z, **case),
        },
    )
