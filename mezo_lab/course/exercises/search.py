"""Notebook 1: from random search to SPSA."""

import math
from typing import Any

import torch

from mezo_lab.course.exercises.answers import Answer
from mezo_lab.course.exercises.grading import grade
from mezo_lab.sampling import Cubic, Linear, Quadratic, one_sided, sign_search, two_point

__all__ = ["check_axis_change", "check_best_sigma", "check_two_point"]

# small steps: the slope along each axis decides the sign
_CHANGES = [
    {"sigma": 0.01, "gradient": [3.0, -1.0, 2.0, -4.0], "curvatures": [1.0, 5.0, 0.0, 2.0]},
    {"sigma": 0.02, "gradient": [2.0, 0.0], "curvatures": [3.0, 4.0]},
    {"sigma": 0.05, "gradient": [-1.0, 1.5, 2.5], "curvatures": [-2.0, 1.0, 7.0]},
]
_SLOPES = [{"grad_norm": 1.0, "trace": 10.0}, {"grad_norm": 3.0, "trace": 2.0}]


def check_axis_change(change: Answer) -> None:
    """Whether change(sigma, gradient, curvatures) is the mean change of the loss where the search steps along axes.

    The truth is the mean over all 2d steps that the search can draw. Raises: WrongAnswer.
    """
    grade(
        change,
        _axis_change,
        _CHANGES,
        {
            "√(2/π) is the mean of |N(0, 1)|: here |zᵀg| takes the values √d·|gᵢ|.": (
                lambda sigma, gradient, curvatures: (
                    sigma**2 * sum(curvatures) / 2 - sigma * math.sqrt(2 / math.pi) * math.hypot(*gradient)
                )
            ),
            "The mean is that of |gᵢ|, over all i: ‖g‖ has the squares.": (
                lambda sigma, gradient, curvatures: sigma**2 * sum(curvatures) / 2 - sigma * math.hypot(*gradient)
            ),
            "A step is σ√d long, and not σ: each axis is drawn once in d.": (
                lambda sigma, gradient, curvatures: (
                    (sigma**2 * sum(curvatures) / 2 - sigma * sum(map(abs, gradient))) / len(gradient)
                )
            ),
            "A step is σ√d long, and not σ: the slope along it is √d·gᵢ.": (
                lambda sigma, gradient, curvatures: (
                    sigma**2 * sum(curvatures) / 2 - sigma * sum(map(abs, gradient)) / len(gradient)
                )
            ),
            "Each axis is drawn once in d: take the mean of |zᵀg| over the axes.": (
                lambda sigma, gradient, curvatures: sigma**2 * sum(curvatures) / 2 - sigma * sum(map(abs, gradient))
            ),
            "The search takes the side that goes down, so the term of the slope is negative.": (
                lambda sigma, gradient, curvatures: (
                    sigma**2 * sum(curvatures) / 2 + sigma * sum(map(abs, gradient)) / math.sqrt(len(gradient))
                )
            ),
            "E[zzᵀ] = I holds here too: the term of the curvature is ½σ²·tr H, and not its d-th part.": (
                lambda sigma, gradient, curvatures: (
                    sigma**2 * sum(curvatures) / 2 / len(gradient)
                    - sigma * sum(map(abs, gradient)) / math.sqrt(len(gradient))
                )
            ),
            "The search goes down on either side: take the mean of |gᵢ|, not of gᵢ.": (
                lambda sigma, gradient, curvatures: (
                    sigma**2 * sum(curvatures) / 2 - sigma * sum(gradient) / math.sqrt(len(gradient))
                )
            ),
            "δᵀHδ is there too: ½σ²·tr H, whichever sign is taken.": (
                lambda sigma, gradient, curvatures: -sigma * sum(map(abs, gradient)) / math.sqrt(len(gradient))
            ),
            "Taylor's second term has a half: ½δᵀHδ.": (
                lambda sigma, gradient, curvatures: (
                    sigma**2 * sum(curvatures) - sigma * sum(map(abs, gradient)) / math.sqrt(len(gradient))
                )
            ),
        },
    )


def _axis_change(sigma: float, gradient: list[float], curvatures: list[float]) -> float:
    """The mean change of the loss over the steps ±σ√d·eᵢ, each of which the search draws as often as the others."""
    dim = len(gradient)
    linear = Linear(torch.tensor(gradient, dtype=torch.float64))
    quadratic = Quadratic(torch.diag(torch.tensor(curvatures, dtype=torch.float64)))
    axes = sigma * math.sqrt(dim) * torch.eye(dim, dtype=torch.float64)
    steps = torch.cat([axes, -axes])  # (2d, d)
    ends = sign_search(lambda points: linear(points) + quadratic(points), torch.zeros(dim, dtype=torch.float64), steps)
    return float((linear(ends) + quadratic(ends)).mean())


def check_best_sigma(best: Answer) -> None:
    """Whether best(grad_norm, trace) is the σ of the largest mean descent. Raises: WrongAnswer."""
    grade(
        best,
        lambda grad_norm, trace: math.sqrt(2 / math.pi) * grad_norm / trace,
        _SLOPES,
        {
            "There the change is 0 again: the largest descent is halfway.": "2 * truth",
            "Taylor's second term has a half, and the derivative of ½σ² is σ.": "truth / 2",
            "The gain is σ‖g‖ times the mean of |N(0, 1)|, which is not 1.": "grad_norm / trace",
            "The mean of |N(0, 1)| is the root of 2/π.": "2 * grad_norm / (pi * trace)",
            "The other way round: the best step is long on a steep slope and short where the loss curves.": (
                lambda grad_norm, trace: math.sqrt(2 / math.pi) * trace / grad_norm
            ),
            "σ is the size of a step and positive: the change of the loss is negative.": "-truth",
        },
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
            "That is a one-sided difference: the second point is θ − εz, and not θ.": one_sided,
            "Spall divides by zᵢ; the definition here multiplies by it.": lambda z, **case: torch.stack(
                [two_point(z=probe[None], **case) / probe**2 for probe in z]
            ).mean(0),
            "Multiply each probe by its own slope, and take the mean after that.": lambda z, **case: (
                torch.stack([two_point(z=probe[None], **case) @ probe / probe.square().sum() for probe in z]).mean()
                * z.mean(0)
            ),
        },
    )
