"""Verdicts in sentences, and a run in one line."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from mezo_lab.claims import DecoyVerdict, Status, Verdict
from mezo_lab.claims.wording import (
    counts,
    decoy_found,
    draw_count,
    excluded,
    has_score,
    minus,
    nines,
    number,
    outcome,
    score,
    settled,
    successes,
)
from mezo_lab.report.labels import is_formula, setting, typographic

MARKS = {Status.CONSISTENT: "✓", Status.REFUTED: "✗", Status.UNDERPOWERED: "?"}


def marked(status: Status) -> str:
    """
    >>> marked(Status.REFUTED)
    '✗ REFUTED'
    """
    return f"{MARKS[status]} {status.name}"


def sentences(verdict: Verdict) -> str:
    """What was expected, what was found, what follows; then the same for each decoy."""
    return " ".join([finding(verdict), *(decoy_finding(decoy, verdict) for decoy in verdict.decoys)])


def finding(verdict: Verdict) -> str:
    at = setting(verdict.parameters)
    where = f"With the {verdict.law} law" + (f" at {at}" if at else "")
    how = ", sampled through the scalars that decide it," if verdict.parameters.get("sampler") == "reduced" else ""
    whose = f"the formula {typographic(verdict.formula)}" if verdict.formula else "the theory"
    bound = " at most" if verdict.relation == "<=" else ""
    theory = f" and the theory {number(verdict.theory)}" if verdict.formula else ""
    distant = f" (z = {score(verdict.z_score)})" if has_score(verdict) else ""
    return (
        f"{where}{how} {mean_of(verdict)} where {whose} says{bound} {number(verdict.expected)}{unit(verdict)}{distant}"
        f"{theory}: {verdict_in_words(verdict)}{''.join(f' Note: {note}.' for note in verdict.notes)}"
    )


def mean_of(verdict: Verdict) -> str:
    """What the draws gave."""
    draws = f"{verdict.estimate.count:,} draws"
    if counts(verdict):
        return f"{successes(verdict.estimate)} draws hold"
    if settled(verdict):
        return f"each of {draws} is {number(verdict.estimate.mean)}{unit(verdict)}"
    return f"the mean of {draws} is {minus(verdict.estimate)}"


def unit(verdict: Verdict) -> str:
    return f" {verdict.unit}" if verdict.unit else ""


def verdict_in_words(verdict: Verdict) -> str:
    if verdict.status is Status.REFUTED:
        return "refuted."
    told = outcome(verdict)
    if verdict.status is Status.UNDERPOWERED:
        return f"too few draws to tell; {told}." if told else "too few draws to tell."
    if counts(verdict):
        return f"consistent; less than {nines(excluded(verdict))} is excluded."
    return f"consistent; {told}." if told else "consistent."


def decoy_finding(decoy: DecoyVerdict, verdict: Verdict) -> str:
    named = f"The decoy {typographic(decoy.statement)}"
    says = f" says {number(decoy.expected)} and" if is_formula(decoy.statement) else ""
    found = f"z = {score(decoy.z_score)}" if math.isfinite(decoy.z_score) else decoy_found(decoy)
    if decoy.status is Status.REFUTED:
        at = f" at {found}" if math.isfinite(decoy.z_score) else f": {found}"
        return f"{named}{says} is refuted{at}."
    missing = f": {draw_count(decoy.missing)} more draws are needed" if decoy.missing else ""
    return f"{named}{says} is NOT refuted ({found}){missing}."


@dataclass(frozen=True)
class Tally:
    """A run in numbers."""

    claims: int
    verdicts: int
    passed: int
    draws: int
    decoys: int
    decoys_refuted: int
    proofs: int
    seconds: float

    @property
    def all_passed(self) -> bool:
        return self.passed == self.verdicts

    def __str__(self) -> str:
        asked = f"{counted(self.claims, 'claim')}, {counted(self.verdicts, 'verdict')}"
        found = f"{self.passed:,} passed, {self.verdicts - self.passed:,} failed"
        decoys = f"{self.decoys_refuted:,} of {counted(self.decoys, 'decoy')} refuted"
        cost = f"{counted(self.proofs, 'proof')}, {counted(self.draws, 'draw')}, {self.seconds:,.1f} s"
        return f"{asked}: {found}. {decoys}, {cost}."


def tally(verdicts: Sequence[Verdict]) -> Tally:
    decoys = [decoy for verdict in verdicts for decoy in verdict.decoys]
    return Tally(
        claims=len({verdict.claim.name for verdict in verdicts}),
        verdicts=len(verdicts),
        passed=sum(verdict.passed for verdict in verdicts),
        draws=sum(verdict.estimate.count for verdict in verdicts),
        decoys=len(decoys),
        decoys_refuted=sum(decoy.status is Status.REFUTED for decoy in decoys),
        proofs=len({(verdict.claim.name, verdict.law) for verdict in verdicts if verdict.proof == "proved"}),
        seconds=sum(verdict.seconds for verdict in verdicts),
    )


def counted(count: int, noun: str) -> str:
    """
    >>> counted(1, "claim"), counted(2_000, "draw")
    ('1 claim', '2,000 draws')
    """
    return f"{count:,} {noun}" + ("" if count == 1 else "s")


def by_claim(verdicts: Sequence[Verdict]) -> list[list[Verdict]]:
    """The verdicts of each claim together, in the order the claims were met."""
    groups: dict[str, list[Verdict]] = {}
    for verdict in verdicts:
        groups.setdefault(verdict.claim.name, []).append(verdict)
    return list(groups.values())
