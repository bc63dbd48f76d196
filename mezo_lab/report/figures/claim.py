"""`claim_figure` and `alt_text`: which picture a claim gets, and what it says in words."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from mezo_lab.claims import Claim, Verdict
from mezo_lab.claims.decision import ALARM, DecisionRule
from mezo_lab.claims.wording import percent_text
from mezo_lab.report.figures.deviation import deviation_figure, relative
from mezo_lab.report.figures.style import has_own_value, reference_name
from mezo_lab.report.figures.sweep import has_sweep, sweep_figure
from mezo_lab.report.labels import PARAMETER_LETTERS, joined, setting, value

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["alt_text", "claim_figure"]


def claim_figure(verdicts: Iterable[Verdict], claim: Claim) -> "Figure":
    """The verdicts of one claim as a picture.

    Where `claim.sweep` ran over several values: the mean against that parameter, a panel per law. Otherwise: how far
    each mean lies from its theory, a row per law and parameter set.

    Cost: about 0.1 s when drawn.

    Args:
        verdicts: of any claims; those of others are left out.
        claim: the one to draw.

    Returns: a matplotlib `Figure` that needs no display; a notebook shows it, `savefig` writes it.
    Raises: ValueError when there is no verdict of this claim.
    """
    own = _of_claim(verdicts, claim)
    if has_sweep(own, claim):
        return sweep_figure(own, claim)
    return deviation_figure(own)


def alt_text(verdicts: Iterable[Verdict], claim: Claim) -> str:
    """What the figure shows, for those who do not see it: the kind of chart, the data, and what they say.

    Args: as for `claim_figure`. Raises: ValueError when there is no verdict of this claim.
    """
    own = _of_claim(verdicts, claim)
    return " ".join(filter(None, [_subject(own, claim), _fit(own), _decoy_distances(own)]))


def _of_claim(verdicts: Iterable[Verdict], claim: Claim) -> list[Verdict]:
    own = [verdict for verdict in verdicts if verdict.claim.name == claim.name]
    if not own:
        raise ValueError(f"`verdicts` must hold one of {claim.name}, got none: run check() on that claim first.")
    return own


def _subject(verdicts: Sequence[Verdict], claim: Claim) -> str:
    laws = list(dict.fromkeys(verdict.law for verdict in verdicts))
    under = f"under the {joined(laws)} {'law' if len(laws) == 1 else 'laws'}"
    if claim.sweep and has_sweep(verdicts, claim):
        values = [verdict.parameters[claim.sweep] for verdict in verdicts]
        letter = PARAMETER_LETTERS.get(claim.sweep, claim.sweep)
        span = f"{letter} from {value(min(values))} to {value(max(values))}"
        return f"Line chart of {claim.name}: the sampled mean against {span}, {under}, a panel each."
    where = "one setting" if len(verdicts) == 1 else f"{len(verdicts)} settings"
    reference = reference_name(verdicts[0])
    return f"Dot chart of {claim.name}: how far the sampled mean lies from the {reference}, in {where} {under}."


def _fit(verdicts: Sequence[Verdict]) -> str:
    """What the estimates say; only equalities have a distance that should be small."""
    reference = reference_name(verdicts[0])
    missed = [v for v in verdicts if DecisionRule(v.kind, v.relation).refuted(v.estimate, v.expected)]
    if missed:
        return f"The {reference} is missed by {joined([f'{v.law} at {setting(v.parameters)}' for v in missed])}."
    distances = [abs(relative(v.estimate.mean, v.expected)) for v in verdicts if v.relation == "=="]
    sentences = []
    if distances:
        farthest = percent_text(max(distances))
        sentences.append(f"Every mean is within {ALARM:g} standard errors of the {reference}, {farthest} away at most.")
    if len(distances) < len(verdicts):
        sentences.append("No mean lies above its bound.")
    return " ".join(sentences)


def _decoy_distances(verdicts: Sequence[Verdict]) -> str:
    distances = [
        abs(relative(decoy.expected, verdict.expected))
        for verdict in verdicts
        for decoy in verdict.decoys
        if has_own_value(decoy, verdict)
    ]
    if not distances:
        return ""
    ends = dict.fromkeys([percent_text(min(distances)), percent_text(max(distances))])
    return f"The decoys, dotted, lie {' to '.join(ends)} from it."
