"""How draws decide about a number: arithmetic on estimates alone, which every verdict and every decoy goes through.

The promise: a verdict is never more certain than its draws. Values that differ by rounding are one value; a sample
without scatter is no certainty; an error bar that rests on one draw, or on a law without an eighth moment, refutes
nothing.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Literal

from mezo_lab.sampling.montecarlo import ROUNDING, Estimate

# standard errors: a true claim is refuted once in 1.7 million runs of many draws, and in about one of 10⁵ of 36 to 250
# draws (C3, C7, D1), which have Student's tails
ALARM = 5.0
DETECTABLE = 10.0  # standard errors: a discrepancy this large is missed once in 3.5 million runs
MARGIN = 1.4  # more draws than the pilot asks for: its own error on a heavy-tailed variance
TAIL = math.erfc(ALARM / math.sqrt(2)) / 2  # of a normal law beyond the alarm, one side
MANY = 1_000  # draws: of fewer, the farthest one always holds a large part of the variance
DOMINANT = 0.1  # share of the variance in one draw, from which on the verdict says so
SAME_UNITS = 2.0**-46  # of the larger of two values: 64 units in its last place are rounding
SAME_CANCELLED = 1e-12  # of the smaller of 1 and the values: what is left where numbers of about 1 cancel
MISSED = 15  # draws that a sample holds on average: all of them are missing once in 3.3 million runs, e^−15
_DOUBT = 0.05  # what n successes of n exclude, they exclude at 95 %

Kind = Literal["mean", "share", "constant"]
Relation = Literal["==", "<="]


class Status(Enum):
    """The verdict; its value is the advice to print."""

    CONSISTENT = "the draws agree with the formula, and would have shown a discrepancy of the resolution"
    REFUTED = "the draws contradict the formula"
    UNDERPOWERED = "too few draws to tell"


def same_value(one: float, other: float, rounding: float = 0.0) -> bool:
    """Whether two values of right formulas may differ by rounding alone.

    The formulas of the theory cancel from numbers of about 1, or from numbers as large as the value itself: 1e-12 of
    the smaller and 64 units in the last place of the larger are rounding. `rounding` is what more is known of it.

    >>> same_value(0.1 + 0.2, 0.3), same_value(13.25, 13.25 * (1 + 1e-9))
    (True, False)
    """
    scale = max(abs(one), abs(other))
    return abs(one - other) <= SAME_UNITS * scale + SAME_CANCELLED * min(scale, 1.0) + rounding


@dataclass(frozen=True)
class DecisionRule:
    """How the draws of an experiment are read."""

    kind: Kind = "mean"
    """"mean", the usual; "share" of draws that are 1 and not 0, with its exact binomial interval; "constant", an
    observable that the theory says does not vary."""
    relation: Relation = "=="
    """"==", or "<=" for a bound."""
    trusted: bool = True
    """Whether the law of z has the moments that the error bar needs."""

    def status(self, estimate: Estimate, expected: float, target: float) -> tuple[Status, int]:
        """The status of a formula, and how many draws are missing to see a discrepancy of `target`; 0 if unknown."""
        if self.refuted(estimate, expected):
            return Status.REFUTED, 0
        if self.suspects(estimate, expected):
            return Status.UNDERPOWERED, 0
        if self.reach(estimate, expected) <= target:
            return Status.CONSISTENT, 0
        return Status.UNDERPOWERED, self.missing(estimate, expected, target)

    def refuted(self, estimate: Estimate, expected: float) -> bool:
        """Whether the draws contradict the value."""
        if self.kind == "share":
            return self._share_refuted(estimate, expected)
        if self.kind == "mean" and not scattered(estimate):
            return False
        z = self.z_score(estimate, expected)
        alarm = ALARM
        if z * estimate.farthest < 0:  # rare large draws would bring the mean back
            if not self.trusted:
                return False
            if estimate.count >= MANY:
                # a draw that holds the share s of the variance moves the mean by √s standard errors, and several like
                # it may have been missed
                alarm += MISSED * math.sqrt(abs(estimate.farthest))
        return self._beyond(z, alarm)

    def suspects(self, estimate: Estimate, expected: float) -> bool:
        """Whether the mean lies far off the value, which does or does not refute it."""
        return self.kind != "share" and scattered(estimate) and self._beyond(self.z_score(estimate, expected), ALARM)

    def _beyond(self, z: float, alarm: float) -> bool:
        return z >= alarm or (self.relation == "==" and z <= -alarm)

    def reach(self, estimate: Estimate, expected: float) -> float:
        """The smallest discrepancy that these draws would show; infinite where they show none."""
        if self.kind == "share":
            return self._share_reach(estimate, expected)
        if self.kind == "constant" and not scattered(estimate):
            return ROUNDING * max(abs(expected), abs(estimate.mean))
        if not (self.trusted and scattered(estimate)):
            return math.inf
        return DETECTABLE * estimate.standard_error

    def missing(self, estimate: Estimate, expected: float, target: float) -> int:
        """Draws still needed to see a discrepancy of `target`; 0 where none are, or nobody can say how many."""
        reach = self.reach(estimate, expected)
        if reach <= target or not math.isfinite(reach) or target <= 0:
            return 0
        if self.kind == "share" and certain(expected):
            needed = draws_to_exclude(target)
        else:  # standard errors shrink as 1/√count; the margin makes up for the error of the standard error
            needed = estimate.count * MARGIN * (reach / target) * (reach / target)
        return math.ceil(min(needed, 1e300)) - estimate.count

    def z_score(self, estimate: Estimate, expected: float) -> float:
        """Standard errors from the value to the mean; of a share, those that the value itself would have."""
        if self.kind == "share" and 0 < expected < 1:
            return (estimate.mean - expected) / math.sqrt(expected * (1 - expected) / estimate.count)
        if self.kind == "mean" or (self.kind == "constant" and scattered(estimate)):
            return estimate.z_score(expected)
        if same_value(estimate.mean, expected):
            return 0.0
        return math.copysign(math.inf, estimate.mean - expected)

    def _share_refuted(self, estimate: Estimate, expected: float) -> bool:
        chance = min(max(expected, 0.0), 1.0)
        if not same_value(expected, chance):
            return expected < 0 or self.relation == "=="  # no share is that large
        count = estimate.count
        successes = round(estimate.mean * count)
        above = at_least(successes, count, chance) <= TAIL
        below = at_least(count - successes, count, 1 - chance) <= TAIL
        return above or (below and self.relation == "==")

    def _share_reach(self, estimate: Estimate, expected: float) -> float:
        count = estimate.count
        successes = round(estimate.mean * estimate.count)
        if certain(expected) and successes == round(expected) * count:
            return excluded_by(count)
        low, high = share_interval(successes, count, TAIL)
        return high - low


def scattered(estimate: Estimate) -> bool:
    """Whether the draws differ from one another by more than rounding."""
    return estimate.standard_error * math.sqrt(estimate.count) > ROUNDING * abs(estimate.mean)


def certain(expected: float) -> bool:
    """Whether a share is expected every time, or never."""
    return same_value(expected, 0.0) or same_value(expected, 1.0)


def excluded_by(count: int) -> float:
    """The share of failures that so many successes without one exclude, at 95 %.

    >>> round(excluded_by(8), 2), round(excluded_by(299), 4)
    (0.31, 0.01)
    """
    return 1 - _DOUBT ** (1 / count)


def draws_to_exclude(share: float) -> int:
    """Successes without a failure that exclude, at 95 %, that so large a share would fail.

    >>> draws_to_exclude(0.01), draws_to_exclude(0.5)
    (299, 5)
    """
    if share >= 1:
        return 1
    return math.ceil(min(math.log(_DOUBT) / math.log1p(-share), 1e300))


def draws_to_see(gap: float, deviation: float) -> float:
    """How many draws of this deviation put a discrepancy 10 standard errors away, with a margin for its own error.

    >>> draws_to_see(0.1, 1.0).__round__(), draws_to_see(0.0, 1.0)
    (14000, inf)
    """
    if gap == 0:
        return math.inf if deviation else 0.0
    ratio = DETECTABLE * deviation / gap
    return MARGIN * ratio * ratio  # a product overflows to infinity, a power would raise


def share_interval(successes: int, count: int, doubt: float = _DOUBT / 2) -> tuple[float, float]:
    """The interval of Clopper and Pearson for a probability: exact, each end missed with chance `doubt` at most.

    >>> tuple(round(end, 4) for end in share_interval(8, 8)), tuple(round(end, 4) for end in share_interval(3, 20))
    ((0.6306, 1.0), (0.0321, 0.3789))
    """
    low = 0.0
    if successes > 0:
        low = _root(lambda p: at_least(successes, count, p), doubt)
    high = 1.0
    if successes < count:
        high = 1 - _root(lambda q: at_least(count - successes, count, q), doubt)
    return low, high


def _root(rising: Callable[[float], float], value: float) -> float:
    """The p in [0, 1] at which a rising function takes the value, by halving."""
    low = 0.0
    high = 1.0
    for _ in range(80):
        middle = (low + high) / 2
        if rising(middle) < value:
            low = middle
        else:
            high = middle
    return high


def at_least(successes: int, count: int, chance: float) -> float:
    """Pr[X ≥ successes] for a binomial X: the regularised incomplete beta function I_chance(k, n − k + 1).

    It is written by hand because torch has no incomplete beta function, and the claims need no scipy. The tests compare
    it with scipy.

    >>> round(at_least(3, 4, 0.5), 12)
    0.3125
    """
    if successes <= 0 or chance >= 1:
        return 1.0
    if successes > count or chance <= 0:
        return 0.0
    a = successes
    b = count - successes + 1
    if chance > (a + 1) / (a + b + 2):  # where the fraction converges slowly
        return 1 - at_least(b, count, 1 - chance)
    front = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(chance) + b * math.log1p(-chance)
    return min(1.0, math.exp(front) * _beta_fraction(a, b, chance) / a)


def _beta_fraction(a: int, b: int, x: float) -> float:
    """The continued fraction of the incomplete beta function, by Lentz's method (DLMF 8.17.22)."""
    c = 1.0
    d = 1 / (1 - (a + b) * x / (a + 1))
    value = d
    for m in range(1, 1_000_000):
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        for term in (even, odd):
            d = 1 / (1 + term * d)
            c = 1 + term / c
            value *= c * d
        if abs(c * d - 1) < 1e-15:
            break
    return value
