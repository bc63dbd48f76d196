"""Verdicts in sentences, and a run in one line."""

from collections.abc import Sequence
from dataclasses import dataclass

from mezo_lab.claims import DecoyVerdict, Status, Verdict
from mezo_lab.plots.labels import is_formula, number, percent, score, setting, typographic

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
    found = f"the mean of {verdict.estimate.count:,} draws is {minus(verdict.estimate)}"
    return (
        f"{where}{how} {found} where {whose} says{bound}"
        f" {number(verdict.expected)} (z = {score(verdict.z_score)}){theory}: {outcome(verdict)}"
    )


def outcome(verdict: Verdict) -> str:
    seen = percent(verdict.detectable)
    if verdict.status is Status.REFUTED:
        return "refuted."
    if verdict.status is Status.UNDERPOWERED:
        wanted = f"{percent(verdict.resolution)} was asked for; {verdict.missing:,} more draws are needed."
        return f"too few draws to tell. A discrepancy of {seen} would have shown, {wanted}"
    return f"consistent; a discrepancy of {seen} would have shown."


def decoy_finding(decoy: DecoyVerdict, verdict: Verdict) -> str:
    named = f"The decoy {typographic(decoy.statement)}"
    says = f" says {number(decoy.expected)} and" if is_formula(decoy.statement) else ""
    if decoy.status is Status.REFUTED:
        return f"{named}{says} is refuted at z = {score(decoy.z_score)}."
    missing = f": {decoy.missing:,} more draws are needed" if decoy.missing else ""
    return f"{named}{says} is NOT refuted (z = {score(decoy.z_score)}){missing}."


def minus(value: object) -> str:
    """With a true minus sign."""
    return str(value).replace("-", "−")


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
