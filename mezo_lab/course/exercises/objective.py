"""Notebook 12: objectives without gradients."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from mezo_lab.course.exercises.ask import Answer
from mezo_lab.course.exercises.judge import judge
from mezo_lab.finetune.evaluation.scores import f1, normalised

POINTS = [{"theta": 0.3, "epsilon": 0.5}, {"theta": -1.0, "epsilon": 2.0}, {"theta": 0.0, "epsilon": 0.1}]
FLIPS = [{"flip": 0.1, "batch": 16}, {"flip": 0.5, "batch": 3}, {"flip": 0.02, "batch": 64}, {"flip": 0.9, "batch": 9}]
TEXTS = [
    {"answers": ["in paris france", "paris"], "references": ["paris", "paris"]},
    {"answers": ["red red", "big blue sky", "green"], "references": ["red", "deep blue sky", "yellow"]},
    {"answers": ["one two three four"], "references": ["two five"]},
]


def smoothed_slope(theta: float, epsilon: float) -> float:
    """The mean of the two-point estimate for a step: L = 1 where θ < 0, else 0.

    Source: claim A7. Formula: d/dθ Φ(−θ/ε) = −φ(θ/ε)/ε.

    >>> round(smoothed_slope(0.0, 0.5), 4)
    -0.7979
    """
    return -math.exp(-((theta / epsilon) ** 2) / 2) / math.sqrt(2 * math.pi) / epsilon


def zero_probability(flip: float | Tensor, batch: int) -> float | Tensor:
    """How often a probe sees no difference between the accuracies of its two sides.

    Assumes: each of `batch` answers differs with probability `flip`, is then right on a side by the toss of a fair
    coin, and all this independently. Then those that differ must be as many for as against.
    Formula: Σ_k C(B, 2k) q^{2k} (1−q)^{B−2k} · C(2k, k)/4^k.

    >>> zero_probability(0.5, 2)  # none differs: ¼; both differ, and cancel: ¼ · ½
    0.375
    """
    total: float | Tensor = 0.0
    for k in range(batch // 2 + 1):
        ways = math.comb(batch, 2 * k) * math.comb(2 * k, k) / 4**k
        total = total + ways * flip ** (2 * k) * (1 - flip) ** (batch - 2 * k)
    return total


def f1_objective(answers: Sequence[str], references: Sequence[str], judge_one=f1) -> float:
    """What a step makes smaller when the score is F1: one minus its mean over the examples.

    >>> round(f1_objective(["in paris"], ["paris"]), 4)
    0.3333
    """
    each = [judge_one(said, [right]) for said, right in zip(answers, references, strict=True)]
    return 1 - sum(each) / len(each)


def as_sets(said: str, references: Sequence[str]) -> float:
    """F1 that forgets how often a word occurs.

    >>> as_sets("red red", ["red"])
    1.0
    """
    own, right = set(normalised(said)), set(normalised(references[0]))
    return 2 * len(own & right) / (len(own) + len(right))


def precision(said: str, references: Sequence[str]) -> float:
    """The share of the words said that are right; F1 also asks how many of the right words were said.

    >>> precision("in paris", ["paris"])
    0.5
    """
    return overlap(said, references) / len(normalised(said))


def recall(said: str, references: Sequence[str]) -> float:
    """The share of the right words that were said.

    >>> recall("in paris", ["paris"])
    1.0
    """
    return overlap(said, references) / len(normalised(references[0]))


def overlap(said: str, references: Sequence[str]) -> float:
    """Words in common, got back from F1 = 2·shared/(words said + words of the reference).

    >>> overlap("in paris", ["paris"])
    1.0
    """
    return f1(said, references) * (len(normalised(said)) + len(normalised(references[0]))) / 2


def check_smoothed_slope(slope: Answer) -> None:
    """Whether slope(theta, epsilon) is the slope of the smoothed step. Raises: Wrong."""
    judge(
        slope,
        smoothed_slope,
        POINTS,
        {
            "The step falls as θ grows: its smoothed slope is negative.": lambda theta, epsilon: (
                -smoothed_slope(theta, epsilon)
            ),
            "Differentiate θ/ε too: the chain rule gives 1/ε.": lambda theta, epsilon: (
                epsilon * smoothed_slope(theta, epsilon)
            ),
            "The normal density has 1/√(2π) in front.": lambda theta, epsilon: (
                math.sqrt(2 * math.pi) * smoothed_slope(theta, epsilon)
            ),
            "In the exponent there is a half: −(θ/ε)²/2.": lambda theta, epsilon: smoothed_slope(
                math.sqrt(2) * theta, epsilon
            ),
            "That is the slope of the step itself. The two points are a finite distance apart.": (
                lambda theta, epsilon: 0.0
            ),
            "The two points are 2ε apart, but half of z lie on each side: work the mean out once more.": (
                lambda theta, epsilon: smoothed_slope(theta, epsilon) / 2
            ),
        },
    )


def check_zero_probability(chance: Answer) -> None:
    """Whether chance(flip, batch) is how often the two accuracies of a probe are equal. Raises: Wrong."""
    judge(
        chance,
        zero_probability,
        FLIPS,
        {
            "That is the chance that no answer differs. Two that differ may also cancel.": lambda flip, batch: (
                (1 - flip) ** batch
            ),
            "That is the chance of a difference; asked is that of none.": lambda flip, batch: (
                1 - zero_probability(flip, batch)
            ),
            "Of 2k that differ, k must be right on one side: C(2k, k)/4^k of all ways to toss 2k coins.": (
                lambda flip, batch: sum(
                    math.comb(batch, 2 * k) * flip ** (2 * k) * (1 - flip) ** (batch - 2 * k)
                    for k in range(batch // 2 + 1)
                )
            ),
        },
    )


def step_worth(pg: Tensor, along: Tensor) -> float:
    """What the best step gains, up to a factor: (E[pg·zᵀv])²/E[pg²]. pg, along: (draws,)

    >>> round(step_worth(torch.tensor([1.0, 3.0]), torch.tensor([2.0, 2.0])), 6)
    3.2
    """
    return float((pg * along).mean() ** 2 / pg.square().mean())


def check_worth(worth: Answer) -> None:
    """Whether worth(pg, along) is (E[pg·zᵀv])²/E[pg²], from samples of pg and of zᵀv. Raises: Wrong."""
    generator = torch.Generator().manual_seed(1)
    pairs = [torch.randn(2, draws, generator=generator, dtype=torch.float64) for draws in (4, 7)]
    judge(
        worth,
        step_worth,
        [{"pg": pg + 1, "along": along + 0.5} for pg, along in pairs],
        {
            "The square is of the mean of pg·along: first the mean, then the square.": lambda pg, along: (
                (pg * along).square().mean() / pg.square().mean()
            ),
            "The mean of a product is not the product of the means: multiply draw by draw.": lambda pg, along: (
                (pg.mean() * along.mean()) ** 2 / pg.square().mean()
            ),
            "Below stands E[pg²], the mean of the squares, not the square of the mean.": lambda pg, along: (
                (pg * along).mean() ** 2 / pg.mean() ** 2
            ),
            "The first factor is squared.": lambda pg, along: (pg * along).mean() / pg.square().mean(),
            "Divide by E[pg²]: a longer step also costs more.": lambda pg, along: (pg * along).mean() ** 2,
        },
    )


def check_f1_objective(objective: Answer) -> None:
    """Whether objective(answers, references) is one minus the mean F1 of the words. Raises: Wrong."""
    judge(
        objective,
        f1_objective,
        TEXTS,
        {
            "A step makes the objective smaller: take one minus the score.": lambda answers, references: (
                1 - f1_objective(answers, references)
            ),
            "A word said twice is shared once, if the reference has it once: count, do not make sets.": (
                lambda answers, references: f1_objective(answers, references, as_sets)
            ),
            "That is precision: divide 2·shared by the words of both.": lambda answers, references: f1_objective(
                answers, references, precision
            ),
            "That is recall: divide 2·shared by the words of both.": lambda answers, references: f1_objective(
                answers, references, recall
            ),
            "Divide by the number of examples: a mean does not grow with the batch.": lambda answers, references: (
                1 - len(answers) * (1 - f1_objective(answers, references))
            ),
        },
    )
