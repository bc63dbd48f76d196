"""Notebook 11: fine-tuning a language model, and what a test of it says."""

import math
from collections.abc import Callable, Sequence
from statistics import mean, stdev

import torch
from torch.nn.functional import cross_entropy

from mezo_lab.course.exercises.answers import Answer, WrongAnswer, call_answer, quoted
from mezo_lab.course.exercises.grading import grade
from mezo_lab.finetune.evaluation.scores import Z95, difference, mean_score, wilson
from mezo_lab.finetune.tasks import Task, task_named
from mezo_lab.finetune.tasks.task import template_fields

__all__ = ["check_class_loss", "check_own_task", "check_paired_difference", "check_wilson"]

# quantiles of N(0, 1) that an answer may have used instead of Z95
_Z90 = 1.644854
_ROUNDED = 1.96
_LOSSES = [
    {"right": [3.0, 2.5], "other": [2.0, 4.0, 1.0]},
    {"right": [0.5], "other": [4.0, 6.0]},
    {"right": [6.0, 7.0, 9.0], "other": [6.5]},
]
_COUNTS = [{"hits": 45, "n": 50}, {"hits": 0, "n": 20}, {"hits": 530, "n": 1000}]
_PAIRS = [
    {"before": [1.0, 1.0, 0.0, 0.0, 1.0, 0.0, 0.0, 1.0], "after": [1.0, 1.0, 1.0, 0.0, 1.0, 1.0, 0.0, 0.0]},
    {"before": [0.0, 0.0, 1.0, 0.0, 0.0], "after": [1.0, 1.0, 1.0, 0.0, 1.0]},
]
_ORIGINAL = task_named("rotten-tomatoes")
_REVIEW = {"text": "A fine film."}
# label words whose order is known
_NEGATIVE = {"bad", "negative", "poor", "terrible"}
_POSITIVE = {"good", "great", "positive"}


def _class_loss(right: Sequence[float], other: Sequence[float]) -> float:
    """The cross-entropy over two classes that have several label words each, from the words' −log p.

    A class is as likely as its words together.
    """
    classes = [torch.logsumexp(-torch.tensor(words, dtype=torch.float64), 0) for words in (right, other)]
    return float(cross_entropy(torch.stack(classes)[None], torch.tensor([0])))


def _probability(words: Sequence[float]) -> float:
    """How likely the words are together."""
    return sum(math.exp(-loss) for loss in words)


def _interval(middle: float, error: float) -> tuple[float, float, float]:
    """A 95 % interval: (mean, low, high)."""
    return middle, middle - Z95 * error, middle + Z95 * error


def _wald(hits: int, n: int) -> list[float]:
    """p̂ ± z·√(p̂(1−p̂)/n), which fails near 0 and 1."""
    share = hits / n
    side = Z95 * math.sqrt(share * (1 - share) / n)
    return [share - side, share + side]


def _gaps(before: Sequence[float], after: Sequence[float]) -> list[float]:
    """What each example gained."""
    return [b - a for a, b in zip(before, after, strict=True)]


def _paired(before: Sequence[float], after: Sequence[float]) -> tuple[float, float, float]:
    """after − before on the same examples: (mean, low, high)."""
    return difference(mean_score("accuracy", after), mean_score("accuracy", before))


def _unpaired(before: Sequence[float], after: Sequence[float]) -> tuple[float, float, float]:
    """The mistake that takes the two scores for those of different examples."""
    return _interval(mean(_gaps(before, after)), math.hypot(stdev(before), stdev(after)) / math.sqrt(len(after)))


def check_class_loss(loss: Answer) -> None:
    """Whether loss(right, other) is the cross-entropy over two classes of label words, from −log p of each word.

    Raises: WrongAnswer.
    """
    grade(
        loss,
        _class_loss,
        _LOSSES,
        {
            "That is over the whole vocabulary: divide by the probability of all words of both classes.": (
                lambda right, other: -math.log(_probability(right))
            ),
            "A class is as likely as its words together: add probabilities, not losses.": (
                lambda right, other: math.log(1 + math.exp(sum(right) - sum(other)))
            ),
            "A mean of losses is no loss of a class: turn losses into probabilities, and add those.": (
                lambda right, other: math.log(1 + math.exp(mean(right) - mean(other)))
            ),
            "Every word of a class counts, not only its likeliest.": (
                lambda right, other: math.log(1 + math.exp(min(right) - min(other)))
            ),
            "That is the loss of the other class: the loss must rise with the losses of the right words.": (
                lambda right, other: _class_loss(other, right)
            ),
            "That is the probability of the right class; the loss is −log of it.": (
                lambda right, other: math.exp(-_class_loss(right, other))
            ),
        },
    )


def check_wilson(interval: Answer) -> None:
    """Whether interval(hits, n) is Wilson's 95 % interval, (low, high). Raises: WrongAnswer."""
    grade(
        interval,
        lambda hits, n: wilson(hits / n, n),
        _COUNTS,
        {
            "That is p̂ ± z·√(p̂(1−p̂)/n), which says that 0 of 20 is 0 for certain: solve for p instead.": _wald,
            "Under the root z²/(4n²) is missing: at p̂ = 0 the interval would have no length.": (
                lambda hits, n: [(end + Z95**2 / (2 * n)) / (1 + Z95**2 / n) for end in _wald(hits, n)]
            ),
            "Divide by 1 + z²/n: the quadratic in p has that in front of p².": (
                lambda hits, n: [end * (1 + Z95**2 / n) for end in wilson(hits / n, n)]
            ),
            "That covers 90 %: 2.5 % lie on each side, so z is 1.959964.": (lambda hits, n: wilson(hits / n, n, _Z90)),
            "Right, with z rounded: take Z95 of mezo_lab.finetune.evaluation.scores, 1.959964.": (
                lambda hits, n: wilson(hits / n, n, _ROUNDED)
            ),
        },
    )


def check_paired_difference(difference: Answer) -> None:
    """Whether difference(before, after) is the mean gain and its paired 95 % interval, (mean, low, high).

    Raises: WrongAnswer.
    """

    def with_error(error: Callable[[list[float]], float]) -> Answer:
        """The mistake that computes the standard error from the gaps in this way."""
        return lambda before, after: _interval(mean(_gaps(before, after)), error(_gaps(before, after)))

    grade(
        difference,
        _paired,
        _PAIRS,
        {
            "A gain is after − before.": lambda before, after: _paired(after, before),
            "That is for two sets of examples. Here they are the same: take the spread of the gaps.": _unpaired,
            "That is the spread of one gap; that of a mean of n is √n times smaller.": with_error(stdev),
            "Divide the squares by n − 1: their mean was estimated from them.": (
                with_error(lambda gaps: stdev(gaps) * math.sqrt(len(gaps) - 1) / len(gaps))
            ),
        },
    )


def _label_words(task: Task) -> list[str]:
    """The label words of a task, as a reader sees them."""
    return [word.strip().casefold() for word in task.answers]


def _order_is_reversed(task: Task) -> bool:
    first, second = _label_words(task)
    return first in _POSITIVE or second in _NEGATIVE


def _is_original(task: Task) -> bool:
    same_prompt = task.text(_REVIEW).strip() == _ORIGINAL.text(_REVIEW)
    return same_prompt and _label_words(task) == _label_words(_ORIGINAL)


# the first that applies is shown, so that each may rely on those before it
_TASK_MISTAKES: dict[str, Callable[[Task], bool]] = {
    "The prompt tells the answer: take {label} out of it.": lambda task: task.label in template_fields(task.prompt),
    "A review is in the column text: put {text} where it goes, or every review gets the same prompt.": (
        lambda task: "text" not in template_fields(task.prompt)
    ),
    "A review has no other columns than text and label: put {text} alone in braces.": (
        lambda task: set(template_fields(task.prompt)) != {"text"}
    ),
    "The right answers stand in the column label: leave `label` as it is.": lambda task: task.label != "label",
    "The reviews have two labels: give two words, one for negative and one for positive.": (
        lambda task: len(task.answers) != 2
    ),
    "The two label words are the same: there is nothing to choose between.": (
        lambda task: len(set(_label_words(task))) < 2
    ),
    "The words go in the order of the labels, negative first: here each right answer would count as wrong.": (
        _order_is_reversed
    ),
    "That is the original's prompt with its words, so each gap is 0: change one of them.": _is_original,
}


def check_own_task(task: Answer) -> None:
    """Whether task() returns a task with a prompt, or label words, of its own about a review.

    No answer is stored here: the reviews decide whether the prompt is a good one. Raises: WrongAnswer.

    >>> check_own_task(lambda: _ORIGINAL)  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    mezo_lab.course.exercises.answers.WrongAnswer: That is the original's prompt with its words, so each gap is 0: ...
    """
    own = call_answer(task)
    if own is None or own is ...:
        raise WrongAnswer(f"Your function returned {own}: let it return its answer.")
    if not isinstance(own, Task) or own.kind != "classification":
        raise WrongAnswer(f"Your function returned {quoted(own)}: let it return custom_task(prompt, words).")
    for sentence, applies in _TASK_MISTAKES.items():
        if applies(own):
            raise WrongAnswer(sentence)
    print(f"✓ the model reads {own.text(_REVIEW)!r}, and goes on with {' or '.join(map(repr, own.answers))}")
