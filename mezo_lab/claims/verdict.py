"""A verdict: what the draws say of a claim and of its decoys, and the words for it."""

import math
from dataclasses import dataclass

from mezo_lab.claims.claim import Claim, Parameters
from mezo_lab.claims.decision import Kind, Relation, Status, certain, draws_to_see, same_value
from mezo_lab.claims.wording import (
    distance_in_words,
    distance_text,
    draw_count,
    nines,
    number_text,
    percent_text,
    successes,
)
from mezo_lab.sampling import Estimate


@dataclass(frozen=True)
class DecoyVerdict:
    """The verdict on one decoy; anything but REFUTED is a failure of the run."""

    statement: str
    """The wrong formula, or the wrong experiment in words."""
    expected: float
    """The mean that it predicts."""
    z_score: float
    """The distance: standard errors from there to the mean of the draws. Records name it so, hence the name."""
    status: Status
    missing: int = 0
    """Draws still needed to stand 10 standard errors away; 0 where none are, or nobody can say."""
    kind: Kind = "mean"
    """How the draws are read, see `Experiment`."""
    estimate: Estimate | None = None
    """The draws that it is held against."""

    @property
    def measured(self) -> str:
        """The result of the draws: their distance, or a tally or a number where there is none."""
        if math.isfinite(self.z_score) or self.estimate is None:
            return distance_text(self.z_score)
        if self.kind == "share":
            return successes(self.estimate)
        return number_text(self.estimate.mean, digits=3)


@dataclass(frozen=True)
class Verdict:
    """One claim, one law, one parameter set: the expected value, the draws, and what they would have shown."""

    claim: Claim
    law: str
    parameters: Parameters
    formula: str | None
    """A formula of the user, where one was given in place of the theory's."""
    relation: Relation
    """"==", or "<=" for a bound."""
    expected: float
    """The value that was tested."""
    theory: float
    """The theory's value: `expected`, unless a formula was given."""
    estimate: Estimate
    """The mean of the draws with its error."""
    z_score: float
    """The distance: standard errors from `expected` to the mean. Records name it so, hence the name."""
    detectable: float
    """The smallest relative discrepancy that these draws would show: 10 standard errors over the theory's value; for
    what happened every time, the share of failures that so many draws exclude at 95 %; infinite where it is unknown."""
    resolution: float
    """The relative discrepancy that the run promised to show."""
    status: Status
    missing: int
    """Draws still needed, when UNDERPOWERED."""
    decoys: tuple[DecoyVerdict, ...]
    proof: str | None
    """"proved" where the derivation is part of `mezo_lab.proofs`."""
    seconds: float
    """Of computing, by all ranks together: of the processor where one thread draws, else those that passed."""
    theory_formula: str | None = None
    """The theory's formula, as `--expect` reads it."""
    kind: Kind = "mean"
    """How the draws were read, see `Experiment`."""
    unit: str = ""
    """Of the observable."""
    notes: tuple[str, ...] = ()
    """What makes the verdict weaker than it looks, in sentences."""
    scales: bool = False
    """Whether a finer resolution takes more draws: their number was planned, and not fixed by the claim or the user."""

    @property
    def passed(self) -> bool:
        """Consistent, and every decoy refuted."""
        return self.status is Status.CONSISTENT and all(decoy.status is Status.REFUTED for decoy in self.decoys)

    @property
    def always_or_never(self) -> bool:
        """Whether the claim is about something that happens every time, or never."""
        return self.kind == "share" and certain(self.expected)

    @property
    def does_not_vary(self) -> bool:
        """Whether the observable is the same in every draw, as the theory says it is."""
        return self.kind == "constant" and self.status is not Status.UNDERPOWERED

    @property
    def has_z_score(self) -> bool:
        """Whether a number of standard errors means anything."""
        return math.isfinite(self.z_score) and not self.always_or_never and not self.does_not_vary

    @property
    def excluded_share(self) -> float:
        """The draws exclude, at 95 %, every share of successes below this one."""
        return 1 - self.detectable * abs(self.theory)

    def seconds_at(self, resolution: float) -> float:
        """How long the verdict would take at another resolution: as long a draw, and as many as it would plan.

        Draws, and with them time, grow as 1/resolution², once the resolution and not a decoy decides their number.
        """
        if not self.scales:
            return self.seconds
        deviation = self.estimate.standard_error * math.sqrt(self.estimate.count)
        count = draws_to_see(resolution * abs(self.theory), deviation)
        return self.seconds * max(1.0, count / self.estimate.count)

    @property
    def measured(self) -> str:
        """The result of the draws, for a table."""
        if self.always_or_never:
            return f"{successes(self.estimate)}, ≥ {nines(self.excluded_share)}"
        if self.does_not_vary:
            return number_text(self.estimate.mean, digits=3) + self._unit
        return str(self.estimate)

    @property
    def strength(self) -> str:
        """The result of the draws, in the few letters that a figure has room for: their distance, where it has one."""
        if self.has_z_score:
            return distance_text(self.z_score)
        if self.always_or_never:
            return successes(self.estimate)
        return number_text(self.estimate.mean, digits=3)

    @property
    def power(self) -> str:
        """The discrepancy that the draws would have shown, and how many are missing; else empty."""
        if self.status is Status.REFUTED or self.does_not_vary:
            return ""
        missing = ""
        if self.missing:
            missing = f"{draw_count(self.missing)} more draws are needed"
        if self.always_or_never:
            return missing
        if not math.isfinite(self.detectable):
            return "the draws do not tell how far off they may be"
        power = f"a discrepancy of {percent_text(self.detectable)} would have shown"
        if missing and self.status is not Status.CONSISTENT:
            power += f", {percent_text(self.resolution)} was asked for: {missing}"
        return power

    def __str__(self) -> str:
        setting = "".join(f" {name}={value}" for name, value in self.parameters.items())
        line = f"{self.claim.name} {self.law}{setting}: {self._comparison}: {self.status.name}"
        if self.power:
            line += f" ({self.power})"
        return line + "".join(f"; {note}" for note in self.notes)

    @property
    def _unit(self) -> str:
        return f" {self.unit}" if self.unit else ""

    @property
    def _comparison(self) -> str:
        """The expected value beside the one that the draws gave."""
        if self.always_or_never:
            return self._tally
        mean = number_text(self.estimate.mean, digits=3)
        if self.does_not_vary and self.relation == "<=":
            return f"{mean} of at most {number_text(self.expected, digits=3)}{self._unit}"
        if self.does_not_vary:
            return f"expected {number_text(self.expected)}{self._unit}, found {mean} in every draw"
        bound = "at most " if self.relation == "<=" else ""
        comparison = f"expected {bound}{number_text(self.expected)}{self._unit}, found {self.estimate}"
        if self.has_z_score:
            comparison += f", {distance_in_words(self.z_score)}"
        return comparison

    @property
    def _tally(self) -> str:
        """How often it happened, and what that excludes."""
        tally = successes(self.estimate)
        if self.status is not Status.REFUTED:
            return f"{tally}, which excludes less than {nines(self.excluded_share)}"
        if same_value(self.expected, 1.0):
            return f"{tally}, where all were expected"
        return f"{tally}, where none was expected"
