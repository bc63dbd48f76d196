"""Notebook 12: objectives without gradients."""

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from mezo_lab import theory
from mezo_lab.course.exercises.answers import Answer
from mezo_lab.course.exercises.grading import grade
from mezo_lab.finetune.evaluation.scores import f1, normalised

__all__ = ["check_f1_objective", "check_one_sided_zeros", "check_uniform_slope", "check_worth"]

_POINTS = [
    {"theta": 0.3, "epsilon": 0.5},
    {"theta": -1.0, "epsilon": 2.0},
    {"theta": 0.0, "epsilon": 0.1},
    {"theta": 1.0, "epsilon": 0.5},
]
_FLIPS = [
    {"flip": 0.1, "batch": 16, "towards": 0.7},
    {"flip": 0.5, "batch": 3, "towards": 0.2},
    {"flip": 0.02, "batch": 64, "towards": 0.9},
    {"flip": 0.9, "batch": 9, "towards": 0.6},
]
_TEXTS = [
    {"answers": ["in paris france", "paris"], "references": ["paris", "paris"]},
    {"answers": ["red red", "big blue sky", "green"], "references": ["red", "deep blue sky", "yellow"]},
    {"answers": ["one two three four"], "references": ["two five"]},
]


def _uniform_slope(theta: float, epsilon: float) -> float:
    """The mean of the two-point estimate for a step, with a uniform z."""
    return theory.step_slope(theta, epsilon, "uniform")


def _f1_objective(answers: Sequence[str], references: Sequence[str], metric=f1) -> float:
    """What a step makes smaller when the score is F1: one minus its mean over the examples."""
    values = [metric(answer, [reference]) for answer, reference in zip(answers, references, strict=True)]
    return 1 - sum(values) / len(values)


def _f1_of_sets(answer: str, references: Sequence[str]) -> float:
    """F1 that forgets how often a word occurs."""
    words = set(normalised(answer))
    right = set(normalised(references[0]))
    return 2 * len(words & right) / (len(words) + len(right))


def _precision(answer: str, references: Sequence[str]) -> float:
    """The share of the answer's words that are right; F1 also counts how many of the right words it has."""
    return _overlap(answer, references) / len(normalised(answer))


def _recall(answer: str, references: Sequence[str]) -> float:
    """The share of the right words that the answer has."""
    return _overlap(answer, references) / len(normalised(references[0]))


def _overlap(answer: str, references: Sequence[str]) -> float:
    """The number of words in common, recovered from F1 = 2·shared/(words of the answer + words of the reference)."""
    return f1(answer, references) * (len(normalised(answer)) + len(normalised(references[0]))) / 2


def _with_metric(metric) -> Answer:
    """The mistake that scores by another metric."""
    return lambda answers, references: _f1_objective(answers, references, metric)


def check_uniform_slope(slope: Answer) -> None:
    """Whether slope(theta, epsilon) is what uniform probes see of a step on average. Raises: WrongAnswer."""
    grade(
        slope,
        _uniform_slope,
        _POINTS,
        {
            "The step falls as θ grows: its slope is negative.": "-truth",
            "A slope is a difference of losses over 2ε: divide by it.": "2 * epsilon * truth",
            "That is the Gaussian's slope. The density of this z is constant, up to √3.": theory.step_slope,
            "That is the slope that signs see. Here |z| takes every value up to √3.": (
                lambda theta, epsilon: theory.step_slope(theta, epsilon, "rademacher")
            ),
            "Beyond √3 there is no z: where |θ| > √3·ε the two points never differ, and the slope is 0.": (
                "-(3 - (theta/epsilon)**2) / (4 * sqrt(3) * epsilon)"
            ),
            "z can be negative too: half of the mean lies there.": "truth / 2",
            "The density of a uniform z of variance 1 is 1/(2√3), and both signs of z count.": "sqrt(3) * truth",
            "The integrand is |z|, not 1: a longer z moves θ farther.": (
                lambda theta, epsilon: -max(1 - abs(theta) / epsilon / math.sqrt(3), 0) / (2 * epsilon)
            ),
            "That is the slope of the step itself. The two points are a finite distance apart.": "0",
        },
    )


def check_one_sided_zeros(chance: Answer) -> None:
    """Whether chance(flip, batch, towards) is how often flips that prefer a side cancel. Raises: WrongAnswer."""
    grade(
        chance,
        theory.zero_probability,
        _FLIPS,
        {
            "That is the chance that no answer differs. Two that differ may also cancel.": (
                lambda flip, batch, towards: (1 - flip) ** batch
            ),
            "That is the chance of a difference; the question is that of none.": "1 - truth",
            "That is the chance with fair coins. Here a flip is right on the first side with probability `towards`.": (
                lambda flip, batch, towards: theory.zero_probability(flip, batch)
            ),
            "Of 2k that differ, k must be right on one side, and k on the other: multiply both chances.": _one_sided,
            "An even number of flips is not enough: of 2k, k must be right on each side.": (
                lambda flip, batch, towards: (1 + (1 - 2 * flip) ** batch) / 2
            ),
        },
    )


def _one_sided(flip: float, batch: int, towards: float) -> float:
    """The mistake that takes p^{2k} for p^k (1−p)^k."""
    total = 0.0
    for k in range(batch // 2 + 1):
        ways = math.comb(batch, 2 * k) * math.comb(2 * k, k)
        total += ways * (towards * flip) ** (2 * k) * (1 - flip) ** (batch - 2 * k)
    return total


def _step_worth(pg: Tensor, along: Tensor) -> float:
    """What the best step gains, up to a factor: (E[pg·zᵀv])²/E[pg²]. pg, along: (draws,)"""
    return float((pg * along).mean() ** 2 / pg.square().mean())


def check_worth(worth: Answer) -> None:
    """Whether worth(pg, along) is (E[pg·zᵀv])²/E[pg²], from samples of pg and of zᵀv. Raises: WrongAnswer."""
    generator = torch.Generator().manual_seed(1)
    cases: list[dict[str, Any]] = []
    for draws in (4, 7):
        pg, along = torch.randn(2, draws, generator=generator, dtype=torch.float64)
        cases.append({"pg": pg + 1, "along": along + 0.5})
    grade(
        worth,
        _step_worth,
        cases,
        {
            "The square is of the mean of pg·along: first the mean, then the square.": (
                lambda pg, along: (pg * along).square().mean() / pg.square().mean()
            ),
            "The mean of a product is not the product of the means: multiply draw by draw.": (
                lambda pg, along: (pg.mean() * along.mean()) ** 2 / pg.square().mean()
            ),
            "The denominator is E[pg²], the mean of the squares, not the square of the mean.": (
                lambda pg, along: (pg * along).mean() ** 2 / pg.mean() ** 2
            ),
            "The first factor is squared.": lambda pg, along: (pg * along).mean() / pg.square().mean(),
            "Divide by E[pg²]: a longer step also costs more.": lambda pg, along: (pg * along).mean() ** 2,
        },
    )


def check_f1_objective(objective: Answer) -> None:
    """Whether objective(answers, references) is one minus the mean F1 of the words. Raises: WrongAnswer."""
    grade(
        objective,
        _f1_objective,
        _TEXTS,
        {
            "A step makes the objective smaller: take one minus the score.": "1 - truth",
            "A word that the answer has twice is shared once, if the reference has it once: count, do not make sets.": (
                _with_metric(_f1_of_sets)
            ),
            "That is precision: divide 2·shared by the words of both.": _with_metric(_precision),
            "That is recall: divide 2·shared by the words of both.": _with_metric(_recall),
            "Divide by the number of examples: a mean does not grow with the batch.": (
                lambda answers, references: 1 - len(answers) * (1 - _f1_objective(answers, references))
            ),
        },
    )
