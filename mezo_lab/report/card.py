"""Verdicts as a small HTML table with a sentence below, for a notebook: no scripts, no colours but the page's own."""

from collections.abc import Sequence
from html import escape

from mezo_lab.claims import DecoyVerdict, Status, Verdict
from mezo_lab.claims.wording import draw_count, number_text, percent_text, z_text
from mezo_lab.report.labels import counted, is_formula, setting, typographic
from mezo_lab.report.prose import by_claim, status_label, verdict_sentence

__all__ = ["verdict_card"]

_COLUMNS = ("law", "parameters", "expected", "found ± standard error", "distance", "verdict", "decoys: their distance")


def verdict_card(verdicts: Sequence[Verdict]) -> str:
    """A table for each claim, a row for each verdict, and below it what they say in words.

    "Distance" is the number of standard errors from the expected value to the mean of the draws.

    Args: verdicts: of one claim or several.
    Returns: HTML for light and dark pages.

    >>> from mezo_lab import LAWS, check, claim_named
    >>> verdict = check(claim_named("norm-factor"), LAWS["gaussian"], {"dim": 6, "probes": 2}, resolution=0.1)
    >>> "<td>gaussian</td><td>d = 6, n = 2</td><td>4.5</td>" in verdict_card([verdict])
    True
    """
    return "".join(map(_table, by_claim(verdicts)))


def _table(verdicts: Sequence[Verdict]) -> str:
    claim = verdicts[0].claim
    caption = f'<caption style="text-align:left"><b>{claim.id} {escape(claim.name)}</b></caption>'
    head = "".join(f'<th style="text-align:left">{name}</th>' for name in _COLUMNS)
    rows = "".join(f'<tr style="text-align:left">{_row(verdict)}</tr>' for verdict in verdicts)
    table = f"<table>{caption}<thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
    return f"<div>{table}<p>{escape(_in_words(verdicts))}</p></div>"


def _row(verdict: Verdict) -> str:
    expected = number_text(verdict.expected)
    if verdict.formula:
        expected = f"{typographic(verdict.formula)} = {expected}"
    if verdict.relation == "<=":
        expected = f"≤ {expected}"
    distance = z_text(verdict.z_score) if verdict.has_z_score else "–"
    cells = [
        escape(verdict.law),
        escape(setting(verdict.parameters)),
        escape(f"{expected} {verdict.unit}".rstrip()),
        escape(verdict.measured),
        distance,
        f"<b>{status_label(verdict.status)}</b>",
        "<br>".join(escape(_decoy(decoy)) for decoy in verdict.decoys) or "–",
    ]
    return "".join(f"<td>{cell}</td>" for cell in cells)


def _decoy(decoy: DecoyVerdict) -> str:
    """Such as "(d+n−1)/n = 3.5: +54, refuted"."""
    value = f" = {number_text(decoy.expected)}" if is_formula(decoy.statement) else ""
    words = decoy.status.name.lower()
    if decoy.missing:
        words += f", {draw_count(decoy.missing)} more draws are needed"
    return f"{typographic(decoy.statement)}{value}: {decoy.measured}, {words}"


def _in_words(verdicts: Sequence[Verdict]) -> str:
    """The sentence of one verdict; of several, how many agree, and the sentences of those that do not."""
    if len(verdicts) == 1:
        return verdict_sentence(verdicts[0], distance=False)
    agreeing = [verdict for verdict in verdicts if verdict.status is Status.CONSISTENT]
    decoys = [decoy for verdict in verdicts for decoy in verdict.decoys]
    refuted = sum(decoy.status is Status.REFUTED for decoy in decoys)
    words = f"The theory agrees with the draws in {len(agreeing)} of {len(verdicts)} verdicts"
    if decoys:
        words += f", and the draws refute {refuted} of {counted(len(decoys), 'decoy')}"
    seen = [verdict.detectable for verdict in agreeing if verdict.scales]
    if seen:
        words += f"; a discrepancy of {percent_text(max(seen))} would have shown in each that agrees"
    others = [verdict_sentence(verdict, distance=False) for verdict in verdicts if verdict not in agreeing]
    return " ".join([f"{words}.", *others])
