"""Scores on held-out examples, with a 95 % interval.

Wilson's interval and the macro F1 stay by hand: committed results hold the digits that Z95 gives, and a macro F1 is an
objective, whose last bit a run log repeats. The tests compare both with scipy and scikit-learn.
"""

import math
import re
import string
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

Z95 = 1.959964  # the 97.5 % point of N(0, 1)


class NotFinite(ArithmeticError):
    """Nothing that a run computed was finite, so that it has no result. The message says what and where."""


@dataclass(frozen=True)
class Score:
    """A mean over examples, between 0 and 1, with its 95 % interval."""

    metric: str
    value: float
    low: float
    high: float
    each: tuple[float, ...]
    """The score of every example, in order, so that two methods can be compared example by example."""
    unanswered: int = 0
    """How many examples had no finite score, and counted as 0."""

    def __str__(self) -> str:
        interval = f"{percent(self.low)} to {percent(self.high)}"
        return f"{percent(self.value)} ({interval}, {len(self.each)} examples{without_score(self.unanswered)})"


def without_score(count: int) -> str:
    """A clause about the rows that had no finite score, where there are some."""
    if not count:
        return ""
    return f"; {count:,} rows had no finite score and count as wrong"


def percent(share: float) -> str:
    """A share with one decimal, and with two digits where it is so small that they would show nothing.

    >>> percent(0.6701), percent(0.004), percent(0.0000227), percent(0.0)
    ('67.0%', '0.4%', '0.0023%', '0.0%')
    """
    if 0 < abs(share) < 0.001:
        return f"{100 * share:.2g}%"
    return f"{share:.1%}"


def mean_score(metric: str, each: Sequence[float], unanswered: int = 0) -> Score:
    """The mean of the scores of examples, with its interval.

    Source: for hits and misses Wilson's interval (1927), which holds near 0 and 1 too; else the normal one.

    Args:
        metric: a name.
        each: the score of every example, from 0 to 1.
        unanswered: how many of them are 0 because the model gave no finite score.

    >>> print(mean_score("accuracy", [1.0] * 67 + [0.0] * 33))
    67.0% (57.3% to 75.4%, 100 examples)
    """
    if not each:
        raise ValueError("`each` must hold at least one example, got none: evaluate on some.")
    n = len(each)
    mean = sum(each) / n
    if set(each) <= {0.0, 1.0}:
        low, high = wilson(mean, n)
    else:
        spread = _half_width(each, mean)
        low = max(0.0, mean - spread)
        high = min(1.0, mean + spread)
    return Score(metric, mean, low, high, tuple(each), unanswered)


def score_record(result: Score) -> dict[str, Any]:
    """A score for a file, with that of each example, so that runs can be compared on the same examples.

    >>> score_record(mean_score("accuracy", [1.0, 0.0]))["each"]
    '10'
    """
    each: Any = list(result.each)
    if set(each) <= {0.0, 1.0}:
        each = "".join(str(int(value)) for value in each)
    return {**asdict(result), "each": each}


def score_from_record(record: Mapping[str, Any]) -> Score:
    """The score that `score_record` wrote. Raises: what a mapping of another form does.

    >>> score_from_record(score_record(mean_score("f1", [0.5]))) == mean_score("f1", [0.5])
    True
    """
    return mean_score(record["metric"], [float(value) for value in record["each"]], int(record.get("unanswered", 0)))


def wilson(share: float, n: int, z: float = Z95) -> tuple[float, float]:
    """Wilson's interval for a share of n hits and misses; z: the quantile of N(0, 1)."""
    middle = share + z**2 / (2 * n)
    spread = z * math.sqrt(share * (1 - share) / n + z**2 / (4 * n * n))
    return (middle - spread) / (1 + z**2 / n), (middle + spread) / (1 + z**2 / n)


def difference(one: Score, other: Score) -> tuple[float, float, float]:
    """one − other on the same examples, paired: (mean, low, high), with the normal 95 % interval.

    Where all n examples differ alike there is no scatter, and no certainty either: another one has a probability of up
    to 1 − 0.025^(1/n), the upper end of Clopper and Pearson's interval, and could differ by anything from −1 to 1.

    >>> difference(mean_score("accuracy", [1.0, 1.0, 0.0, 1.0]), mean_score("accuracy", [0.0, 1.0, 0.0, 1.0]))[0]
    0.25
    """
    gaps = [a - b for a, b in zip(one.each, other.each, strict=True)]
    mean = sum(gaps) / len(gaps)
    if min(gaps) == max(gaps):
        others = 1 - 0.025 ** (1 / len(gaps))
        return mean, mean - others * (1 + mean), mean + others * (1 - mean)
    spread = _half_width(gaps, mean)
    return mean, mean - spread, mean + spread


def _half_width(values: Sequence[float], mean: float) -> float:
    """Half of the normal 95 % interval of a mean."""
    n = len(values)
    return Z95 * math.sqrt(sum((value - mean) ** 2 for value in values) / max(n - 1, 1) / n)


def normalised(text: str) -> list[str]:
    """The words of an answer as SQuAD compares them: no case, punctuation or articles.

    Source: the evaluation script of SQuAD 1.1 (Rajpurkar et al. 2016).

    >>> normalised("The  Eiffel Tower!")
    ['eiffel', 'tower']
    """
    bare = "".join(character for character in text.lower() if character not in string.punctuation)
    return re.sub(r"\b(a|an|the)\b", " ", bare).split()


def exact_match(answer: str, references: Sequence[str]) -> float:
    """1 where the words are those of a reference, else 0.

    >>> exact_match(" the Eiffel tower", ["Eiffel Tower"])
    1.0
    """
    return float(any(normalised(answer) == normalised(reference) for reference in references))


def f1(answer: str, references: Sequence[str]) -> float:
    """The best overlap of words with a reference: 2·shared/(words of the answer + words of the reference).

    >>> f1("the tower", ["Eiffel Tower"]) == 2 / 3
    True
    """
    return max(_overlap(normalised(answer), normalised(reference)) for reference in references)


def macro_f1(answers: Sequence[int | None], right: Sequence[int]) -> float:
    """F1 of a classification, a score of many examples together: the mean over labels of 2·hits/(answers + right).

    Args:
        answers: labels; None where the model gave no finite score, which is wrong and no label of its own.
        right: as many labels.

    >>> macro_f1([0, 0, 1, 1], [0, 0, 0, 1]) == (2 * 2 / (2 + 3) + 2 * 1 / (2 + 1)) / 2
    True
    """
    hits = Counter(a for a, b in zip(answers, right, strict=True) if a == b)
    answered = Counter(answer for answer in answers if answer is not None)
    expected = Counter(right)
    labels = answered | expected
    return sum(2 * hits[label] / (answered[label] + expected[label]) for label in labels) / len(labels)


def _overlap(words: list[str], reference: list[str]) -> float:
    if not words or not reference:
        return float(words == reference)
    return 2 * sum((Counter(words) & Counter(reference)).values()) / (len(words) + len(reference))
