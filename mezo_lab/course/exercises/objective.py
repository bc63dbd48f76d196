"""Notebook 12: objectives without gradients."""

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from mezo_lab.course.exercises.answers import Answer
from mezo_lab.course.exercises.grading import grade
from mezo_lab.finetune.evaluation.scores import f1, normalised

__all__ = ["check_f1_objective", "check_smoothed_slope", "check_worth", "check_zero_probability", "zero_probability"]

_POINTS = [{"theta": 0.3, "epsilon": 0.5}, {"theta": -1.0, "epsilon": 2.0}, {"theta": 0.0, "epsilon": 0.1}]
_FLIPS = [{"flip": 0.1, "batch": 16}, {"flip": 0.5, "batch": 3}, {"flip": 0.02, "batch": 64}, {"flip": 0.9, "batch": 9}]
_TEXTS = [
    {"answers": ["in paris france", "paris"], "references": ["paris", "paris"]},
    {"answers": ["red red", "big blue sky", "green"], "references": ["red", "deep blue sky", "yellow"]},
    {"answers": ["one two three four"], "references": ["two five"]},
]


def _smoothed_slope(theta: float, epsilon: float) -> float:
    """The mean of the two-point estimate for a step: L = 1 where θ < 0, else 0.

    Source: claim A7. Formula: d/dθ Φ(−θ/ε) = −φ(θ/ε)/ε.
    """
    return -math.exp(-((theta / epsilon) ** 2) / 2) / math.sqrt(2 * math.pi) / epsilon


def zero_probability(flip: float | Tensor, batch: int) -> float | Tensor:
    """The probability that a probe sees no difference between the accuracies of its two sides.

    Assumes: each of `batch` answers differs with probability `flip`, is then right on a side by the toss of a fair
    coin, and all this independently. Then as many of those that differ must be right on one side as on the other.
    Formula: Σ_k C(B, 2k) q^{2k} (1−q)^{B−2k} · C(2k, k)/4^k.

    Args:
        flip: a probability, or a tensor of any shape of them.
        batch: the number of answers.
    Returns: a number, or a tensor of the shape of `flip`.

    >>> zero_probability(0.5, 2)  # neither differs: ¼; both differ, and cancel: ¼ · ½
    0.375
    """
    total: float | Tensor = 0.0
    for k in range(batch // 2 + 1):
        count = math.comb(batch, 2 * k) * math.comb(2 * k, k) / 4**k
        total = total + count * flip ** (2 * k) * (1 - flip) ** (batch - 2 * k)
    return total


def _even_probability(flip: float, batch: int) -> float:
    """The probability that an even number of answers differs."""
    return (1 + (1 - 2 * flip) ** batch) / 2


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


def check_smoothed_slope(slope: Answer) -> None:
    """Whether slope(theta, epsilon) is the slope of the smoothed step. Raises: WrongAnswer."""
    grade(
        slope,
        _smoothed_slope,
        _POINTS,
        {
            "The step falls as θ grows: its smoothed slope is negative.": "-truth",
            "Differentiate θ/ε too: the chain rule gives 1/ε.": "epsilon * truth",
            "The normal density has 1/√(2π) in front.": "sqrt(2 * pi) * truth",
            "In the exponent there is a half: −(θ/ε)²/2.": "-exp(-(theta/epsilon)**2) / sqrt(2 * pi) / epsilon",
            "That is the slope of the step itself. The two points are a finite distance apart.": "0",
            "The two points are 2ε apart, but half of z lie on each side: work the mean out once more.": "truth / 2",
        },
    )


def check_zero_probability(chance: Answer) -> None:
    """Whether chance(flip, batch) is how often the two accuracies of a probe are equal. Raises: WrongAnswer."""
    grade(
        chance,
        zero_probability,
        _FLIPS,
        {
            "That is the chance that no answer differs. Two that differ may also cancel.": ("(1 - flip)**batch"),
            "That is the chance of a difference; the question is that of none.": "1 - truth",
            "Of 2k that differ, k must be right on one side: C(2k, k)/4^k of all ways to toss 2k coins.": (
                _even_probability
            ),
        },
    )


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
