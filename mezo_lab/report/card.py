"""HTML tables for a notebook, of verdicts with a sentence or of any rows: no scripts, no colours but the page's own."""

import re
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from mezo_lab.claims import DecoyVerdict, Status, Verdict
from mezo_lab.claims.wording import distance_text, draw_count, minus, number_text, percent_text, signs_of_print
from mezo_lab.report.labels import counted, is_formula, setting, typographic
from mezo_lab.report.prose import by_claim, status_label, verdict_sentence

__all__ = ["rows_card", "verdict_card"]

_COLUMNS = ("law", "parameters", "expected", "found ± standard error", "distance", "verdict")
_ONE_LINE = {"law", "distance", "verdict"}  # columns whose cells are never broken
_SHORT = 16  # characters of any other cell that is kept on one line: a narrow page breaks between two parameters


def verdict_card(verdicts: Sequence[Verdict]) -> str:
    """A table for each claim, a row for each verdict with its decoys below it, and at the end what they say in words.

    "Distance" is the number of standard errors from the expected value to the mean of the draws.

    Args: verdicts: of one claim or several.
    Returns: HTML for light and dark pages.

    >>> from mezo_lab import LAWS, check, claim_named
    >>> verdict = check(claim_named("norm-factor"), LAWS["gaussian"], {"dim": 6, "probes": 2}, resolution=0.1)
    >>> [cell in verdict_card([verdict]) for cell in (">gaussian</td>", ">d = 6, n = 2</td>", ">4.5</td>")]
    [True, True, True]
    """
    return "".join(map(_table, by_claim(verdicts)))


def _table(verdicts: Sequence[Verdict]) -> str:
    claim = verdicts[0].claim
    caption = f'<caption style="text-align:left"><b>{claim.id} {escape(claim.name)}</b></caption>'
    head = "".join(f'<th style="text-align:left">{name}</th>' for name in _COLUMNS)
    rows = "".join(f"<tr>{_row(verdict)}</tr>{_decoys(verdict)}" for verdict in verdicts)
    table = f"<table>{caption}<thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
    return f"<div>{table}<p>{escape(_in_words(verdicts))}</p></div>"


def _row(verdict: Verdict) -> str:
    expected = number_text(verdict.expected)
    if verdict.formula:
        expected = f"{typographic(verdict.formula)} = {expected}"
    if verdict.relation == "<=":
        expected = f"≤ {expected}"
    distance = distance_text(verdict.z_score) if verdict.has_z_score else "–"
    cells = [
        escape(verdict.law),
        escape(setting(verdict.parameters)),
        escape(f"{expected} {verdict.unit}".rstrip()),
        escape(verdict.measured).replace("± ", "±\N{NO-BREAK SPACE}"),
        distance,
        f"<b>{status_label(verdict.status)}</b>",
    ]
    whole = [
        name in _ONE_LINE or (len(cell) <= _SHORT and "±" not in cell)
        for name, cell in zip(_COLUMNS, cells, strict=True)
    ]
    # a page's own style has cells at the right
    looks = ["text-align:left" + ";white-space:nowrap" * kept for kept in whole]
    return "".join(f'<td style="{look}">{cell}</td>' for look, cell in zip(looks, cells, strict=True))


def _decoys(verdict: Verdict) -> str:
    """A row below that of the verdict: a column of its own would not fit on a small page."""
    if not verdict.decoys:
        return ""
    words = "; ".join(escape(_decoy(decoy)) for decoy in verdict.decoys)
    return f'<tr><td colspan="{len(_COLUMNS)}" style="text-align:left"><i>decoys:</i> {words}</td></tr>'


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


def rows_card(rows: Sequence[Mapping[str, Any]]) -> str:
    """A table of any rows: numbers on the right, with three digits and a true minus sign; words on the left.

    Args: rows: each a mapping from the heads, the same in every row, to numbers, estimates, words or yes and no.
    Returns: HTML for light and dark pages. Raises: ValueError where there is no row, or the heads differ.

    >>> card = rows_card([{"law": "sphere", "steps": 2_000, "left": -1 / 3, "agrees": True}])
    >>> [cell in card for cell in (">sphere</td>", ">2,000</td>", ">−0.333</td>", ">yes</td>")]
    [True, True, True, True]
    """
    if not rows:
        raise ValueError("`rows` must hold at least one row, got none: measure one first.")
    heads = list(rows[0])
    for row in rows:
        if list(row) != heads:
            raise ValueError(f"`rows` must all have the heads {heads}, got {list(row)}: fill in what is missing.")
    sides = {head: "left" if _is_words(cell) else "right" for head, cell in rows[0].items()}
    head = "".join(f'<th style="text-align:{sides[name]}">{escape(str(name))}</th>' for name in heads)
    body = "".join(f"<tr>{_cells(row, sides)}</tr>" for row in rows)
    return f"<div><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"


def _cells(row: Mapping[str, Any], sides: Mapping[str, str]) -> str:
    return "".join(f'<td style="text-align:{sides[head]}">{escape(_cell(cell))}</td>' for head, cell in row.items())


def _is_words(cell: Any) -> bool:
    """Whether a cell is no number, nor one in letters with its unit.

    >>> _is_words("sphere"), _is_words("−0.3"), _is_words("12 %"), _is_words("5.2 MiB"), _is_words(12)
    (True, False, False, False, False)
    >>> _is_words("8 cards, then one")
    True
    """
    if not isinstance(cell, str):
        return False
    return not re.match(r"[+−]?[\d.]", cell) or bool(re.search(r", [a-z]|[a-zA-Z]{5}", cell))


def _cell(cell: Any) -> str:
    """
    >>> _cell(False), _cell(-1e-9), _cell("as it is")
    ('no', '−1e−9', 'as it is')
    """
    if isinstance(cell, bool):
        return "yes" if cell else "no"
    if isinstance(cell, int):
        return minus(f"{cell:,}")
    if isinstance(cell, float):
        return number_text(cell, digits=3)
    return signs_of_print(str(cell))
