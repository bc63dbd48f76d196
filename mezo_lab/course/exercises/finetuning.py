"""Notebook 11: fine-tuning a language model, and what a test of it says."""

import math
from collections.abc import Callable, Sequence

import torch
from torch.nn.functional import cross_entropy

from mezo_lab.course.exercises.ask import Answer, Wrong, ask, brief
from mezo_lab.course.exercises.judge import judge
from mezo_lab.finetune.evaluation import scores
from mezo_lab.finetune.evaluation.scores import Z95, difference, score
from mezo_lab.finetune.tasks import Task, task_named
from mezo_lab.finetune.tasks.task import template_fields

Z90, ROUNDED = 1.644854, 1.96  # quantiles of N(0, 1) that an answer may have used instead
LOSSES = [{"right": 3.0, "other": 2.0}, {"right": 0.5, "other": 4.0}, {"right": 6.0, "other": 6.5}]
COUNTS = [{"hits": 45, "n": 50}, {"hits": 0, "n": 20}, {"hits": 530, "n": 1000}]
PAIRS = [
    {"before": [1.0, 1.0, 0.0, 0.0, 1.0, 0.0, 0.0, 1.0], "after": [1.0, 1.0, 1.0, 0.0, 1.0, 1.0, 0.0, 0.0]},
    {"before": [0.0, 0.0, 1.0, 0.0, 0.0], "after": [1.0, 1.0, 1.0, 0.0, 1.0]},
]
ORIGINAL = task_named("rotten-tomatoes")
REVIEW = {"text": "A fine film."}
BAD, GOOD = {"bad", "negative", "poor", "terrible"}, {"good", "great", "positive"}  # words whose order is known


def label_loss(right: float, other: float) -> float:
    """The cross-entropy over two label words, of which each has the loss −log p over the whole vocabulary.

    Formula: log(1 + exp(right − other)).

    >>> label_loss(2.0, 2.0) == math.log(2)
    True
    """
    logits = -torch.tensor([[right, other]], dtype=torch.float64)  # up to a constant, which cancels
    return float(cross_entropy(logits, torch.tensor([0])))


def wilson(hits: int, n: int, z: float = Z95) -> tuple[float, float]:
    """Wilson's interval at any quantile.

    >>> wilson(45, 50) == scores.wilson(45 / 50, 50)
    True
    """
    share, scale = hits / n, 1 + z**2 / n
    spread = z * math.sqrt(share * (1 - share) / n + z**2 / (4 * n * n))
    return (share + z**2 / (2 * n) - spread) / scale, (share + z**2 / (2 * n) + spread) / scale


def around(middle: float, error: float) -> tuple[float, float, float]:
    """A 95 % interval: (mean, low, high).

    >>> around(1.0, 0.0)
    (1.0, 1.0, 1.0)
    """
    return middle, middle - Z95 * error, middle + Z95 * error


def spread(values: Sequence[float]) -> float:
    """The standard deviation, with n − 1.

    >>> spread([1.0, 3.0]) == math.sqrt(2)
    True
    """
    return float(torch.tensor(values, dtype=torch.float64).std())


def paired(before: Sequence[float], after: Sequence[float]) -> tuple[float, float, float]:
    """after − before on the same examples: (mean, low, high).

    >>> paired([0.0, 1.0], [1.0, 1.0])[0]
    0.5
    """
    return difference(score("accuracy", after), score("accuracy", before))


def gaps(before: Sequence[float], after: Sequence[float]) -> list[float]:
    """What each example gained.

    >>> gaps([0.0, 1.0], [1.0, 1.0])
    [1.0, 0.0]
    """
    return [b - a for a, b in zip(before, after, strict=True)]


def check_label_loss(loss: Answer) -> None:
    """Whether loss(right, other) is the cross-entropy over the label words, from −log p of each. Raises: Wrong."""
    judge(
        loss,
        label_loss,
        LOSSES,
        {
            "That is over the whole vocabulary: p(right) has to be divided by p(right) + p(other).": (
                lambda right, other: right
            ),
            "That is the log of the odds; −log p(right)/(p(right) + p(other)) is log(1 + its exponential).": (
                lambda right, other: right - other
            ),
            "The exponent has the other sign: the loss must rise with that of the right word.": (
                lambda right, other: label_loss(other, right)
            ),
            "That is the probability of the right word; the loss is −log of it.": (
                lambda right, other: math.exp(-label_loss(right, other))
            ),
            "Losses are not probabilities: take p = exp(−loss) of each first.": (
                lambda right, other: -math.log(right / (right + other))
            ),
        },
    )


def check_wilson(interval: Answer) -> None:
    """Whether interval(hits, n) is Wilson's 95 % interval, (low, high). Raises: Wrong."""
    judge(
        interval,
        lambda hits, n: scores.wilson(hits / n, n),
        COUNTS,
        {
            "That is p̂ ± z·√(p̂(1−p̂)/n), which says that 0 of 20 is 0 for certain: solve for p instead.": wald,
            "Under the root z²/(4n²) is missing: at p̂ = 0 the interval would have no length.": (
                lambda hits, n: tuple(
                    (hits / n + Z95**2 / (2 * n) + side) / (1 + Z95**2 / n) for side in sides(hits, n)
                )
            ),
            "Divide by 1 + z²/n: the quadratic in p has that in front of p².": (
                lambda hits, n: tuple(end * (1 + Z95**2 / n) for end in wilson(hits, n))
            ),
            "That covers 90 %: 2.5 % lie on each side, so z is 1.959964.": lambda hits, n: wilson(hits, n, Z90),
            "Right, with z rounded: take Z95 of mezo_lab.finetune.evaluation.scores, 1.959964.": (
                lambda hits, n: wilson(hits, n, ROUNDED)
            ),
        },
    )


def sides(hits: int, n: int) -> tuple[float, float]:
    """± z·√(p̂(1−p̂)/n).

    >>> sides(0, 20) == (0.0, 0.0)
    True
    """
    side = Z95 * math.sqrt(hits / n * (1 - hits / n) / n)
    return -side, side


def wald(hits: int, n: int) -> tuple[float, ...]:
    """p̂ ± z·√(p̂(1−p̂)/n), which fails near 0 and 1.

    >>> wald(20, 20)
    (1.0, 1.0)
    """
    return tuple(hits / n + side for side in sides(hits, n))


def check_paired_difference(difference: Answer) -> None:
    """Whether difference(before, after) is the mean gain and its paired 95 % interval, (mean, low, high).

    Raises: Wrong.
    """
    judge(
        difference,
        paired,
        PAIRS,
        {
            "A gain is after − before.": lambda before, after: paired(after, before),
            "That is for two sets of examples. Here they are the same: take the spread of the gaps.": (
                lambda before, after: around(
                    sum(gaps(before, after)) / len(after),
                    math.sqrt((spread(before) ** 2 + spread(after) ** 2) / len(after)),
                )
            ),
            "That is the spread of one gap; that of a mean of n is √n times smaller.": lambda before, after: around(
                sum(gaps(before, after)) / len(after), spread(gaps(before, after))
            ),
            "Divide the squares by n − 1: their mean was estimated from them.": lambda before, after: around(
                sum(gaps(before, after)) / len(after),
                spread(gaps(before, after)) * math.sqrt((len(after) - 1) / len(after) ** 2),
            ),
        },
    )


def bare(task: Task) -> list[str]:
    """Its label words, as a reader sees them.

    >>> bare(ORIGINAL)
    ['terrible', 'great']
    """
    return [word.strip().casefold() for word in task.answers]


OWN_SLIPS: dict[str, Callable[[Task], bool]] = {
    "The prompt tells the answer: take {label} out of it.": lambda own: own.label in template_fields(own.prompt),
    "A review is in the column text: put {text} where it goes, or every review is asked the same.": (
        lambda own: "text" not in template_fields(own.prompt)
    ),
    "A review has no other columns than text and label: put {text} alone in braces.": (
        lambda own: set(template_fields(own.prompt)) != {"text"}
    ),
    "The right answers stand in the column label: leave `label` as it is.": lambda own: own.label != "label",
    "The reviews have two labels: give two words, one for negative and one for positive.": (
        lambda own: len(own.answers) != 2
    ),
    "The two label words are the same: there is nothing to choose between.": lambda own: len(set(bare(own))) < 2,
    "The words go in the order of the labels, negative first: here each right answer would count as wrong.": (
        lambda own: bare(own)[0] in GOOD or bare(own)[1] in BAD
    ),
    "That is the original's prompt with its words, so each gap is 0: change one of them.": (
        lambda own: own.text(REVIEW).strip() == ORIGINAL.text(REVIEW) and bare(own) == bare(ORIGINAL)
    ),
}


def check_own_task(task: Answer) -> None:
    """Whether task() asks about a review with a prompt, or label words, of its own.

    No answer is stored here: whether the prompt is a good one, the reviews decide. Raises: Wrong.

    >>> check_own_task(lambda: ORIGINAL)  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    mezo_lab.course.exercises.ask.Wrong: That is the original's prompt with its words, so each gap is 0: change ...
    """
    own = ask(task)
    if own is None or own is ...:
        raise Wrong(f"Your function returned {own}: let it return its answer.")
    if not isinstance(own, Task) or own.kind != "classification":
        raise Wrong(f"Your function returned {brief(own)}: let it return custom_task(prompt, words).")
    for sentence, slipped in OWN_SLIPS.items():
        if slipped(own):
            raise Wrong(sentence)
    print(f"✓ the model reads {own.text(REVIEW)!r}, and goes on with {' or '.join(map(repr, own.answers))}")
