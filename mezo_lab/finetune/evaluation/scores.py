"""What a model gets right on held-out examples, with a 95 % interval."""

import math
import re
import string
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

Z95 = 1.959964  # of N(0, 1)


class NotFinite(ArithmeticError):
    """Nothing that a run computed was finite, so that it has no result; the message says what and where."""


@dataclass(frozen=True)
class Score:
    """A mean over examples, between 0 and 1, with its 95 % interval.

    each: what every example counted for, in order, so that two methods can be compared example by example.
    unanswered: how many of them had no finite score, and counted for nothing.
    """

    metric: str
    value: float
    low: float
    high: float
    each: tuple[float, ...]
    unanswered: int = 0

    def __str__(self) -> str:
        interval = f"{percent(self.low)} to {percent(self.high)}"
        return f"{percent(self.value)} ({interval}, {len(self.each)} examples{without_score(self.unanswered)})"


def without_score(count: int) -> str:
    """A clause about the rows that had no finite score, where there are some."""
    return f"; {count:,} rows had no finite score and count as wrong" if count else ""


def percent(share: float) -> str:
    """A share with one decimal, and with two digits where it is so small that they would show nothing.

    >>> percent(0.6701), percent(0.004), percent(0.0000227), percent(0.0)
    ('67.0%', '0.4%', '0.0023%', '0.0%')
    """
    return f"{100 * share:.2g}%" if 0 < abs(share) < 0.001 else f"{share:.1%}"


def score(metric: str, each: Sequence[float], unanswered: int = 0) -> Score:
    """The mean of what every example counts for.

    Source: for hits and misses Wilson's interval (1927), which holds near 0 and 1 too; else the normal one.
    Args: each: from 0 to 1. unanswered: how many of them are 0 because the model gave no finite score.

    >>> print(score("accuracy", [1.0] * 67 + [0.0] * 33))
    67.0% (57.3% to 75.4%, 100 examples)
    """
    if not each:
        raise ValueError("`each` must hold at least one example, got none: evaluate on some.")
    n, mean = len(each), sum(each) / len(each)
    if set(each) <= {0.0, 1.0}:
        low, high = wilson(mean, n)
    else:
        spread = Z95 * math.sqrt(sum((x - mean) ** 2 for x in each) / max(n - 1, 1) / n)
        low, high = max(0.0, mean - spread), min(1.0, mean + spread)
    return Score(metric, mean, low, high, tuple(each), unanswered)


def record(found: Score) -> dict[str, Any]:
    """A score for a file; what each example counted for as well, so that runs can be compared on the same examples.

    >>> record(score("accuracy", [1.0, 0.0]))["each"], from_record(record(score("f1", [0.5]))) == score("f1", [0.5])
    ('10', True)
    """
    each = "".join("01"[int(x)] for x in found.each) if set(found.each) <= {0.0, 1.0} else list(found.each)
    return {**asdict(found), "each": each}


def from_record(kept: Mapping[str, Any]) -> Score:
    """The score that `record` wrote. Raises: what a mapping of another form does."""
    return score(kept["metric"], [float(each) for each in kept["each"]], int(kept.get("unanswered", 0)))


def wilson(share: float, n: int, z: float = Z95) -> tuple[float, float]:
    """Wilson's interval for a share of n hits and misses; z: the quantile of N(0, 1)."""
    middle = share + z**2 / (2 * n)
    spread = z * math.sqrt(share * (1 - share) / n + z**2 / (4 * n * n))
    return (middle - spread) / (1 + z**2 / n), (middle + spread) / (1 + z**2 / n)


def difference(one: Score, other: Score) -> tuple[float, float, float]:
    """one − other on the same examples, paired: (mean, low, high), with the normal 95 % interval.

    Where all n examples differ alike there is no scatter, and no certainty either: another one has a probability of up
    to 1 − 0.025^(1/n), the upper end of Clopper and Pearson's interval, and could differ by anything from −1 to 1.

    >>> difference(score("accuracy", [1.0, 1.0, 0.0, 1.0]), score("accuracy", [0.0, 1.0, 0.0, 1.0]))[0]
    0.25
    """
    gaps = [a - b for a, b in zip(one.each, other.each, strict=True)]
    n, mean = len(gaps), sum(gaps) / len(gaps)
    if min(gaps) == max(gaps):
        others = 1 - 0.025 ** (1 / n)
        return mean, mean - others * (1 + mean), mean + others * (1 - mean)
    spread = Z95 * math.sqrt(sum((gap - mean) ** 2 for gap in gaps) / max(n - 1, 1) / n)
    return mean, mean - spread, mean + spread


def normalised(text: str) -> list[str]:
    """The words of an answer as SQuAD compares them: no case, punctuation or articles.

    Source: the evaluation script of SQuAD 1.1 (Rajpurkar et al. 2016).

    >>> normalised("The  Eiffel Tower!")
    ['eiffel', 'tower']
    """
    bare = "".join(character for character in text.lower() if character not in string.punctuation)
    return re.sub(r"\b(a|an|the)\b", " ", bare).split()


def exact_match(said: str, references: Sequence[str]) -> float:
    """1 where the words are those of a reference.

    >>> exact_match(" the Eiffel tower", ["Eiffel Tower"])
    1.0
    """
    return float(any(normalised(said) == normalised(reference) for reference in references))


def f1(said: str, references: Sequence[str]) -> float:
    """The best overlap of words with a reference: 2·shared/(words said + words of the reference).

    >>> f1("the tower", ["Eiffel Tower"]) == 2 / 3
    True
    """
    return max(overlap(normalised(said), normalised(reference)) for reference in references)


def macro_f1(said: Sequence[int | None], right: Sequence[int]) -> float:
    """F1 of a classification, a score of many examples together: the mean over labels of 2·hits/(said + right).

    Args: said: None where the model gave no finite score: wrong, and no label of its own. right: as many.

    >>> macro_f1([0, 0, 1, 1], [0, 0, 0, 1]) == (2 * 2 / (2 + 3) + 2 * 1 / (2 + 1)) / 2
    True
    """
    hits = Counter(a for a, b in zip(said, right, strict=True) if a == b)
    spoken = Counter(answer for answer in said if answer is not None)
    due = Counter(right)
    labels = spoken | due
    return sum(2 * hits[label] / (spoken[label] + due[label]) for label in labels) / len(labels)


def overlap(said: list[str], reference: list[str]) -> float:
    if not said or not reference:
        return float(said == reference)
    return 2 * sum((Counter(said) & Counter(reference)).values()) / (len(said) + len(reference))
