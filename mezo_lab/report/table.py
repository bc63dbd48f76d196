"""The table of verdicts on a terminal, with rich where it is installed and as plain text where it is not."""

from collections.abc import Iterable, Sequence
from importlib.util import find_spec
from operator import itemgetter
from typing import TYPE_CHECKING, Literal

from mezo_lab.claims import Claim, DecoyVerdict, Status, Verdict
from mezo_lab.claims.wording import number_text, z_text
from mezo_lab.report.labels import DECOY_LETTERS, setting, typographic
from mezo_lab.report.prose import by_claim, sentences, status_label, summary

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

__all__ = ["plain_table", "print_verdicts", "rich_table"]

_COLUMNS: dict[str, Literal["left", "right"]] = {
    "law": "left",
    "parameters": "left",
    "expected": "right",
    "mean ± std. error": "right",
    "z": "right",
    "status": "left",
    "decoys: z": "left",
    "proof": "left",
}
_WHOLE = {"law", "expected", "z"}  # no blank to wrap at; on a narrow terminal the others give way
_COLOURS = {Status.CONSISTENT: "green", Status.REFUTED: "bold red", Status.UNDERPOWERED: "bold yellow"}
_PROOFS = {"proved": "∎ proved", None: ""}
_LOUD = "bold reverse red"
_WIDTH = 150  # columns, where the output is no terminal

_Cell = list[tuple[str, str]]
"""Pieces of text, each with rich's name of its style ("" for none)."""
_Group = tuple[Claim, dict[str, str], list[list[_Cell]]]
"""A claim, a letter for each of its decoys, and a row for each of its verdicts."""


def print_verdicts(verdicts: Sequence[Verdict], console: "Console | None" = None) -> None:
    """Print the table, each failure in sentences, and the summary.

    Args:
        verdicts: of one run.
        console: of rich; None: its usual one, or plain text where rich is not installed.
    """
    failed = [f"\n{v.claim.id} {v.claim.name}: {sentences(v)}" for v in verdicts if not v.passed]
    totals = f"\n{summary(verdicts)}"
    if console is None and find_spec("rich") is None:
        print(plain_table(verdicts), *failed, totals, sep="\n")
        return
    from rich.console import Console
    from rich.text import Text

    console = console or Console()
    if not console.is_terminal:
        console.width = _WIDTH
    with console.capture() as printed:
        console.print(rich_table(verdicts), *(Text(text, style="bold red") for text in failed), totals, sep="\n")
    for line in printed.get().splitlines():
        console.out(line.rstrip(), highlight=False)


def plain_table(verdicts: Sequence[Verdict]) -> str:
    """A line per claim with its decoys' formulas, and under it a row per verdict, as plain text."""
    heads, groups = _cells(verdicts)
    widths = _widths(heads, groups)
    lines = [_plain_row(heads, widths)]
    for claim, letters, rows in groups:
        title = f"{claim.id} {claim.name}  {_decoy_key(letters)}"
        lines += ["", title.rstrip(), *(_plain_row(row, widths) for row in rows)]
    return "\n".join(lines)


def rich_table(verdicts: Sequence[Verdict]) -> "Table":
    """The same table with colours; on a terminal of fewer than 120 columns its cells wrap.

    A status is a sign and a word, legible without colour. Each decoy has its letter and its z, and one that is not
    refuted stands out.
    """
    from rich.table import Table
    from rich.text import Text

    heads, groups = _cells(verdicts)
    widths = _widths(heads, groups)
    outer = Table.grid()
    outer.add_row(_aligned([heads], widths))
    for claim, letters, rows in groups:
        title = Table.grid(padding=(0, 2, 0, 0))
        title.add_row(Text(f"{claim.id} {claim.name}", style="bold", no_wrap=True), Text(_decoy_key(letters), "dim"))
        outer.add_row("")
        outer.add_row(title)
        outer.add_row(_aligned(rows, widths))
    return outer


def _aligned(rows: Iterable[Sequence[_Cell]], widths: Sequence[int]) -> "Table":
    """Rows in columns of these widths, the same under every claim."""
    from rich.table import Table
    from rich.text import Text

    inner = Table.grid(padding=(0, 1, 0, 0))
    for (name, side), width in zip(_COLUMNS.items(), widths, strict=True):
        if name in _WHOLE:
            inner.add_column(width=width, no_wrap=True, justify=side)
        else:
            inner.add_column(justify=side, overflow="fold")
    for row in rows:
        # blanks rather than a fixed width: only a column without one gives way on a narrow terminal
        blanks = (" " * (width - len(_text(cell))) for cell, width in zip(row, widths, strict=True))
        inner.add_row(*(Text.assemble(*cell, blank) for cell, blank in zip(row, blanks, strict=True)))
    return inner


def _plain_row(row: Sequence[_Cell], widths: Sequence[int]) -> str:
    justify = {"left": str.ljust, "right": str.rjust}
    cells = zip(_COLUMNS.values(), row, widths, strict=True)
    return " ".join(justify[side](_text(cell), width) for side, cell, width in cells).rstrip()


def _cells(verdicts: Sequence[Verdict]) -> tuple[list[_Cell], list[_Group]]:
    """The heads of the columns, and the rows of each claim."""
    groups = []
    for group in by_claim(verdicts):
        statements = dict.fromkeys(decoy.statement for verdict in group for decoy in verdict.decoys)
        letters = dict(zip(statements, DECOY_LETTERS, strict=False))
        groups.append((group[0].claim, letters, [_row(verdict, letters) for verdict in group]))
    return [[(name, "bold")] for name in _COLUMNS], groups


def _widths(heads: list[_Cell], groups: list[_Group]) -> list[int]:
    rows = [heads, *(row for _, _, rows in groups for row in rows)]
    return [max(len(_text(cell)) for cell in column) for column in zip(*rows, strict=True)]


def _row(verdict: Verdict, letters: dict[str, str]) -> list[_Cell]:
    expected = number_text(verdict.expected)
    if verdict.relation == "<=":
        expected = f"≤ {expected}"
    z = z_text(verdict.z_score) if verdict.has_z_score else ""
    texts = [f"  {verdict.law}", _short_setting(verdict), expected, verdict.measured, z]
    return [
        *([(text, "")] for text in texts),
        [(status_label(verdict.status), _COLOURS[verdict.status])],
        _decoy_cell(verdict.decoys, letters),
        [(_PROOFS[verdict.proof], "")],
    ]


def _decoy_cell(decoys: Iterable[DecoyVerdict], letters: dict[str, str]) -> _Cell:
    cell: _Cell = []
    for letter, decoy in sorted(((letters[decoy.statement], decoy) for decoy in decoys), key=itemgetter(0)):
        if cell:
            cell.append(("  ", ""))
        if decoy.status is Status.REFUTED:
            cell.append((f"{letter} {decoy.measured}", ""))
        else:
            cell.append((f"✗ {letter} NOT REFUTED {decoy.measured}", _LOUD))
    return cell


def _decoy_key(letters: dict[str, str]) -> str:
    """What the decoys of a claim say, beside its name."""
    if not letters:
        return ""
    return "decoys " + "   ".join(f"{letter}: {typographic(statement)}" for statement, letter in letters.items())


def _short_setting(verdict: Verdict) -> str:
    """The parameters without spaces; a word needs no name, a large number no zeros."""
    words = []
    for name, value in verdict.parameters.items():
        if name == "sampler":
            continue
        if isinstance(value, str):
            words.append(value)
            continue
        if isinstance(value, int) and value >= 1_000_000:
            value = number_text(value)
        words.append(setting({name: value}).replace(" = ", "="))
    return " ".join(words)


def _text(cell: _Cell) -> str:
    return "".join(text for text, _ in cell)
