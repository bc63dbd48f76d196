"""Verdicts in sentences, and a run in one line."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from mezo_lab.claims import DecoyVerdict, Status, Verdict
from mezo_lab.claims.wording import distance_text, draw_count, nines, number_text, successes
from mezo_lab.report.labels import MARKS, counted, is_formula, setting, typographic

__all__ = ["RunSummary", "by_claim", "sentences", "status_label", "summary", "verdict_sentence", "worst_status"]

_SAYS = {"==": "says", "<=": "says at most"}  # by the relation of a claim
_CONCLUSIONS = {
    Status.CONSISTENT: "consistent",
    Status.REFUTED: "refuted",
    Status.UNDERPOWERED: "too few draws to tell",
}


def status_label(status: Status) -> str:
    """A status as a sign and a word, legible without colour.

    >>> status_label(Status.REFUTED)
    '✗ REFUTED'
    """
    return f"{MARKS[status]} {status.name}"


def worst_status(verdicts: Sequence[Verdict]) -> Status:
    """The status of several verdicts together: that of the worst, in which a decoy that stands is a refutation."""
    failed = {verdict.status for verdict in verdicts if not verdict.passed}
    if failed - {Status.UNDERPOWERED}:
        return Status.REFUTED
    return Status.UNDERPOWERED if failed else Status.CONSISTENT


def sentences(verdict: Verdict) -> str:
    """A verdict in words: the mean of the draws, the expected value and the conclusion; then each decoy."""
    return " ".join([verdict_sentence(verdict), *(_decoy_sentence(decoy, verdict) for decoy in verdict.decoys)])


def by_claim(verdicts: Sequence[Verdict]) -> list[list[Verdict]]:
    """The verdicts of each claim together, in the order of their first."""
    groups: dict[str, list[Verdict]] = {}
    for verdict in verdicts:
        groups.setdefault(verdict.claim.name, []).append(verdict)
    return list(groups.values())


@dataclass(frozen=True)
class RunSummary:
    """A run in numbers; `str` gives the line that ends a run."""

    claims: int
    verdicts: int
    passed: int
    draws: int
    decoys: int
    decoys_refuted: int
    proofs: int
    seconds: float
    """Of computing, added up over the verdicts, however many were tested at a time."""
    seconds_at_half: float
    """The same where every discrepancy to be seen is half as large."""

    @property
    def finer(self) -> str:
        """What twice the resolution would cost, in a sentence; "" where no number of draws was planned."""
        if self.seconds_at_half <= self.seconds:
            return ""
        return (
            f"Twice the resolution would take about {_two_digits(self.seconds_at_half)} s of computing in place of "
            f"{_two_digits(self.seconds)} s: planned draws grow as 1/resolution²."
        )

    @property
    def all_passed(self) -> bool:
        return self.passed == self.verdicts

    def __str__(self) -> str:
        size = f"{counted(self.claims, 'claim')}, {counted(self.verdicts, 'verdict')}"
        result = f"{self.passed:,} passed, {self.verdicts - self.passed:,} failed"
        decoys = f"{self.decoys_refuted:,} of {counted(self.decoys, 'decoy')} refuted"
        cost = f"{counted(self.proofs, 'proof')}, {counted(self.draws, 'draw')}, {self.seconds:,.1f} s"
        return f"{size}: {result}. {decoys}, {cost}."


def _two_digits(seconds: float) -> str:
    """
    >>> _two_digits(0.456), _two_digits(662.3)
    ('0.46', '660')
    """
    return f"{float(f'{seconds:.2g}'):,g}"


def summary(verdicts: Sequence[Verdict]) -> RunSummary:
    """Claims, verdicts, decoys refuted, proofs, draws and seconds of a run."""
    decoys = [decoy for verdict in verdicts for decoy in verdict.decoys]
    return RunSummary(
        claims=len({verdict.claim.name for verdict in verdicts}),
        verdicts=len(verdicts),
        passed=sum(verdict.passed for verdict in verdicts),
        draws=sum(verdict.estimate.count for verdict in verdicts),
        decoys=len(decoys),
        decoys_refuted=sum(decoy.status is Status.REFUTED for decoy in decoys),
        proofs=len({(verdict.claim.name, verdict.law) for verdict in verdicts if verdict.proof == "proved"}),
        seconds=sum(verdict.seconds for verdict in verdicts),
        seconds_at_half=sum(verdict.seconds_at(verdict.resolution / 2) for verdict in verdicts),
    )


def verdict_sentence(verdict: Verdict, distance: bool = True) -> str:
    """A verdict in one sentence, without its decoys.

    Args:
        verdict: of any kind.
        distance: whether to add how many standard errors lie between the expected value and the mean.
    """
    where = f"With the {verdict.law} law"
    if parameters := setting(verdict.parameters):
        where += f" at {parameters}"
    if verdict.parameters.get("sampler") == "reduced":
        where += ", sampled through the scalars that decide it,"
    subject = "the theory"
    if verdict.formula:
        subject = f"the formula {typographic(verdict.formula)}"
    claim = f"{subject} {_SAYS[verdict.relation]} {number_text(verdict.expected)}{_unit(verdict)}"
    if distance and verdict.has_z_score:
        claim += f" (distance {distance_text(verdict.z_score)})"
    if verdict.formula:
        claim += f" and the theory {number_text(verdict.theory)}"
    notes = "".join(f" Note: {note}." for note in verdict.notes)
    return f"{where} {_mean(verdict)} where {claim}: {_conclusion(verdict)}{notes}"


def _mean(verdict: Verdict) -> str:
    """What the draws gave."""
    draws = f"{verdict.estimate.count:,} draws"
    if verdict.always_or_never:
        return f"it holds in {successes(verdict.estimate)} draws"
    if verdict.does_not_vary:
        return f"each of {draws} is {number_text(verdict.estimate.mean)}{_unit(verdict)}"
    return f"the mean of {draws} is {verdict.estimate}"


def _unit(verdict: Verdict) -> str:
    """The unit with a space before it, or nothing."""
    return f" {verdict.unit}".rstrip()


def _conclusion(verdict: Verdict) -> str:
    if verdict.status is Status.CONSISTENT and verdict.always_or_never:
        return f"consistent; less than {nines(verdict.excluded_share)} is excluded."
    power = verdict.power  # "" of a refuted verdict
    return "; ".join(filter(None, [_CONCLUSIONS[verdict.status], power])) + "."


def _decoy_sentence(decoy: DecoyVerdict, verdict: Verdict) -> str:
    subject = f"The decoy {typographic(decoy.statement)}"
    if is_formula(decoy.statement):
        subject += f" says {number_text(decoy.expected)} and"
    result = decoy.measured
    separator = ":"
    if math.isfinite(decoy.z_score):
        result = f"distance {distance_text(decoy.z_score)}"
        separator = " at"
    if decoy.status is Status.REFUTED:
        return f"{subject} is refuted{separator} {result}."
    sentence = f"{subject} is NOT refuted ({result})"
    if decoy.missing:
        sentence += f": {draw_count(decoy.missing)} more draws are needed"
    return f"{sentence}."
