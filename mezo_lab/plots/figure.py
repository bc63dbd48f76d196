"""`claim_figure` and `alt_text`: which picture a claim gets, and what it says in words."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from mezo_lab.claims import Claim, Verdict
from mezo_lab.claims.verdict import refuted
from mezo_lab.plots import deviation, sweep
from mezo_lab.plots.labels import LETTERS, joined, percent, setting
from mezo_lab.plots.style import is_drawn, stated_by

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def claim_figure(verdicts: Iterable[Verdict], claim: Claim) -> "Figure":
    """The verdicts of one claim as a picture.

    Where `claim.sweep` ran over several values: the mean against that parameter, a panel per law. Otherwise: how far
    each mean lies from its theory, a row per law and parameter set.

    Args: verdicts: of any claims; those of others are left out. Returns: a `Figure`, on no canvas and in no registry.
    Raises: ValueError when there is no verdict of this claim.
    """
    own = of_claim(verdicts, claim)
    return sweep.figure(own, claim) if sweep.suits(own, claim) else deviation.figure(own)


def alt_text(verdicts: Iterable[Verdict], claim: Claim) -> str:
    """What the figure shows, for those who do not see it: the kind of chart, the data, and what they say."""
    own = of_claim(verdicts, claim)
    return f"{subject(own, claim)} {fit(own)} {decoys(own)}".strip()


def of_claim(verdicts: Iterable[Verdict], claim: Claim) -> list[Verdict]:
    own = [verdict for verdict in verdicts if verdict.claim.name == claim.name]
    if not own:
        raise ValueError(f"`verdicts` must hold one of {claim.name}, got none: run check() on that claim first.")
    return own


def subject(verdicts: Sequence[Verdict], claim: Claim) -> str:
    laws = list(dict.fromkeys(verdict.law for verdict in verdicts))
    of_laws = f"under the {joined(laws)} {'law' if len(laws) == 1 else 'laws'}"
    if sweep.suits(verdicts, claim) and claim.sweep:
        values = [verdict.parameters[claim.sweep] for verdict in verdicts]
        span = f"{LETTERS.get(claim.sweep, claim.sweep)} from {min(values):,} to {max(values):,}"
        return f"Line chart of {claim.name}: the sampled mean against {span}, {of_laws}, a panel each."
    rows = "1 setting" if len(verdicts) == 1 else f"{len(verdicts)} settings"
    return f"Dot chart of {claim.name}: how far the sampled mean lies from the {stated_by(verdicts[0])}, in {rows} {of_laws}."


def fit(verdicts: Sequence[Verdict]) -> str:
    """What the estimates say; only equalities have a distance that should be small."""
    missed = [f"{verdict.law} at {setting(verdict.parameters)}" for verdict in verdicts if misses(verdict)]
    if missed:
        return f"The {stated_by(verdicts[0])} is missed by {joined(missed)}."
    equal = [verdict for verdict in verdicts if verdict.relation == "=="]
    farthest = max((abs(deviation.relative(v.estimate.mean, v.expected)) for v in equal), default=0.0)
    told = f"Every mean is within 5 standard errors of the {stated_by(verdicts[0])}, {percent(farthest)} away at most." if equal else ""
    bounds = "" if len(equal) == len(verdicts) else "No mean lies above a bound."
    return f"{told} {bounds}".strip()


def misses(verdict: Verdict) -> bool:
    return refuted(verdict.estimate, verdict.expected, verdict.relation)


def decoys(verdicts: Sequence[Verdict]) -> str:
    drawn = [
        abs(deviation.relative(decoy.expected, verdict.expected))
        for verdict in verdicts
        for decoy in verdict.decoys
        if is_drawn(decoy, verdict)
    ]
    if not drawn:
        return ""
    near, far = percent(min(drawn)), percent(max(drawn))
    return f"The decoys, dotted, lie {near if near == far else f'{near} to {far}'} from it."
