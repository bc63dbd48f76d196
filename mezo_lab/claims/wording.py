"""What a verdict found, in words and numbers: one wording for the line, the table and the report."""

import math
import re
from typing import TYPE_CHECKING

from mezo_lab.claims.arithmetic import Status, certain, same_value
from mezo_lab.sampling import Estimate

if TYPE_CHECKING:
    from mezo_lab.claims.verdict import DecoyVerdict, Verdict


def line(verdict: "Verdict") -> str:
    """A verdict in one line."""
    setting = "".join(f" {name}={value}" for name, value in verdict.parameters.items())
    told = outcome(verdict)
    status = f"{verdict.status.name} ({told})" if told else verdict.status.name
    notes = "".join(f"; {note}" for note in verdict.notes)
    return f"{verdict.claim.name} {verdict.law}{setting}: {finding(verdict)}: {status}{notes}"


def finding(verdict: "Verdict") -> str:
    """What was expected, and what was found."""
    expected, bound = number(verdict.expected), "at most " if verdict.relation == "<=" else ""
    unit = f" {verdict.unit}" if verdict.unit else ""
    if counts(verdict):
        return tally(verdict)
    if settled(verdict):
        found = number(verdict.estimate.mean, digits=3)
        if bound:
            return f"{found} of at most {number(verdict.expected, digits=3)}{unit}"
        return f"expected {expected}{unit}, found {found} in every draw"
    found = f"expected {bound}{expected}{unit}, found {minus(verdict.estimate)}"
    return found + (f", {distance(verdict.z_score)}" if has_score(verdict) else "")


def counts(verdict: "Verdict") -> bool:
    """Whether a verdict is about something that happens always, or never."""
    return verdict.kind == "share" and certain(verdict.expected)


def tally(verdict: "Verdict") -> str:
    """How often it happened, and what that excludes."""
    found = successes(verdict.estimate)
    if verdict.status is Status.REFUTED:
        return f"{found}, where {'all were' if same_value(verdict.expected, 1.0) else 'none was'} expected"
    return f"{found}, which excludes less than {nines(excluded(verdict))}"


def excluded(verdict: "Verdict") -> float:
    """What the draws exclude at 95 %: shares of successes below this one."""
    return 1 - verdict.detectable * abs(verdict.theory)


def nines(share: float) -> str:
    """A share near 1, rounded down, with as many digits as tell it from 1.

    >>> nines(0.6877), nines(0.99003), nines(0.999954), nines(0.9956)
    ('68 %', '99 %', '99.995 %', '99.5 %')
    """
    digits = max(0, -math.floor(math.log10(100 * (1 - share)))) if share < 1 else 0
    told = f"{math.floor(100 * share * 10**digits) / 10**digits:.{digits}f}"
    return (told.rstrip("0").rstrip(".") if "." in told else told) + " %"


def successes(estimate: Estimate) -> str:
    """
    >>> successes(Estimate(1.0, 0.0, 8))
    '8 of 8'
    """
    return f"{round(estimate.mean * estimate.count):,} of {estimate.count:,}"


def outcome(verdict: "Verdict") -> str:
    """What the run would have shown, and what it lacks."""
    if verdict.status is Status.REFUTED or settled(verdict):
        return ""
    missing = f"{draw_count(verdict.missing)} more draws are needed" if verdict.missing else ""
    if counts(verdict):
        return missing
    if not math.isfinite(verdict.detectable):
        return "the draws do not tell how far off they may be"
    seen = f"a discrepancy of {percent(verdict.detectable)} would have shown"
    if verdict.status is Status.CONSISTENT:
        return seen
    return f"{seen}, {percent(verdict.resolution)} was asked for: {missing}" if missing else seen


def decoy_found(decoy: "DecoyVerdict") -> str:
    """How a decoy fared: a z-score, or a tally where there is none."""
    if math.isfinite(decoy.z_score) or decoy.estimate is None:
        return score(decoy.z_score)
    return successes(decoy.estimate) if decoy.kind == "share" else number(decoy.estimate.mean, digits=3)


def has_score(verdict: "Verdict") -> bool:
    """Whether a number of standard errors says anything."""
    return math.isfinite(verdict.z_score) and not counts(verdict) and not settled(verdict)


def settled(verdict: "Verdict") -> bool:
    """Whether the observable does not vary, and was not meant to."""
    return verdict.kind == "constant" and verdict.status is not Status.UNDERPOWERED


def strength(verdict: "Verdict") -> str:
    """How a verdict stands, in the few letters that a figure has room for."""
    if has_score(verdict):
        return f"z = {score(verdict.z_score)}"
    return successes(verdict.estimate) if counts(verdict) else number(verdict.estimate.mean, digits=3)


def measured(verdict: "Verdict") -> str:
    """What was found, for a table."""
    if counts(verdict):
        return f"{successes(verdict.estimate)}, ≥ {nines(excluded(verdict))}"
    if settled(verdict):
        unit = f" {verdict.unit}" if verdict.unit else ""
        return number(verdict.estimate.mean, digits=3) + unit
    return minus(verdict.estimate)


def draw_count(draws: int) -> str:
    return f"{draws:,}" if draws < 1e15 else number(draws, digits=2)


def distance(z: float) -> str:
    """
    >>> distance(1.29), distance(-0.04), distance(-9.4e11)
    ('1.3 standard errors above', '0.0 standard errors below', 'more than 1e5 standard errors below')
    """
    far = f"{abs(z):,.1f}" if abs(z) < 9.95 else f"{abs(z):,.0f}" if abs(z) < 1e5 else "more than 1e5"
    return f"{far} standard errors {'below' if z < 0 else 'above'}"


def minus(value: object) -> str:
    """With a true minus sign."""
    return str(value).replace("-", "−")


def number(x: float, digits: int = 6) -> str:
    """Six digits at most, with a true minus sign; of fewer digits, whole numbers are still whole.

    >>> number(-0.0833333333), number(1.5e8), number(20.0), number(28.1876, digits=3), number(96_746, digits=3)
    ('−0.0833333', '1.5e8', '20', '28.2', '96,746')
    """
    if digits < 6 and 1000 <= abs(x) < 1e6:
        return minus(f"{x:,.0f}")
    return re.sub(r"e\+?(-?)0*", r"e\1", f"{x:.{digits}g}").replace("-", "−")


def score(z: float) -> str:
    """A z-score: a decimal where it matters, an order of magnitude where it does not.

    >>> score(-0.61), score(53.7), score(-1.04e11), score(-math.inf)
    ('−0.6', '+54', '−1e11', '−∞')
    """
    if math.isinf(z):
        return "+∞" if z > 0 else "−∞"
    digits = ".1f" if abs(z) < 9.95 else ".0f" if abs(z) < 1e5 else ".0e"
    return re.sub(r"e\+0*", "e", f"{round(z, 1) or 0.0:+{digits}}").replace("-", "−")


def percent(share: float) -> str:
    """Two digits, and no more than a reader can use.

    >>> percent(0.0042), percent(0.14), percent(2.5), percent(3e-18), percent(1e8), percent(0.99003)
    ('0.42 %', '14 %', '250 %', 'under 0.01 %', 'over 1,000 %', '99 %')
    """
    if not math.isfinite(share):
        return "any amount"
    if share < 1e-4:
        return "under 0.01 %"
    if share > 10:
        return "over 1,000 %"
    digits = max(0, 1 - math.floor(math.log10(100 * share) + 1e-9))
    return f"{100 * share:,.{digits}f} %"
