"""The table of verdicts on a terminal, with rich where it is installed and as plain text where it is not."""

from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from importlib.util import find_spec
from operator import itemgetter
from typing import TYPE_CHECKING, Literal

from mezo_lab.claims import Claim, DecoyVerdict, Status, Verdict
from mezo_lab.claims.claim import Parameters
from mezo_lab.claims.wording import distance_text, number_text
from mezo_lab.report.labels import DECOY_LETTERS, setting, typographic
from mezo_lab.report.prose import by_claim, sentences, status_label, summary

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.table import Table
    from rich.text import Text

    from mezo_lab.claims.selection import Job

__all__ = ["TableWriter", "plain_table", "print_verdicts", "rich_table"]

_COLUMNS: dict[str, Literal["left", "right"]] = {
    "law": "left",
    "parameters": "left",
    "expected": "right",
    "mean ± std. error": "right",
    "dist.": "right",
    "status": "left",
    "decoys: dist.": "left",
    "proof": "left",
}
# as wide as the columns of a run of all claims, where the verdicts are still to come
_USUAL = {
    "law": "",
    "parameters": "",
    "expected": "",
    "mean ± std. error": "−0.0079668 ± 0.0000066",
    "dist.": "+1.8",
    "status": "✓ CONSISTENT",
    "decoys: dist.": "a −18482  b +162  c +1078",
    "proof": "∎ proved",
}
_WHOLE = {"law", "expected", "dist."}  # no blank to wrap at; on a narrow terminal the others give way
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
    groups = _groups(verdicts)
    sheet = _Sheet(_widths(groups), console)
    for group in groups:
        sheet.add(group)
    _print_end(sheet, verdicts)


class TableWriter:
    """The table of a run that is under way: a claim is printed when its verdicts, and those before it, are ready.

    Args:
        jobs: of the run, in the order of the table.
        console: of rich; None: its usual one, or plain text where rich is not installed.
        pause: a context in which nothing else is shown.
    """

    def __init__(
        self,
        jobs: "Sequence[Job]",
        console: "Console | None" = None,
        pause: Callable[[], AbstractContextManager[None]] = nullcontext,
    ):
        indices: dict[str, list[int]] = {}
        for index, job in enumerate(jobs):
            indices.setdefault(job.claim.name, []).append(index)
        self._waiting = list(indices.values())
        self._console = console
        self._pause = pause
        # one claim is printed when all its widths are known; else what is to come has the usual ones
        self._widths = None if len(indices) == 1 else _planned_widths(jobs)
        self._sheet: _Sheet | None = None
        self._outcomes: dict[int, Verdict | None] = {}

    @property
    def verdicts(self) -> list[Verdict]:
        """Those that are ready, in the order of the table."""
        return [verdict for _, verdict in sorted(self._outcomes.items()) if verdict is not None]

    def add(self, index: int, verdict: Verdict | None) -> None:
        """Take in the verdict of a job, or None for one that has none, and print the claims that are complete."""
        self._outcomes[index] = verdict
        while self._waiting and self._outcomes.keys() >= set(self._waiting[0]):
            self._print(self._waiting.pop(0))

    def end(self) -> None:
        """Print what is ready of the claims that are not complete; then the failures and the summary."""
        for indices in self._waiting:
            self._print(indices)
        self._waiting = []
        if self._sheet is not None:
            _print_end(self._sheet, self.verdicts)

    def _print(self, indices: Sequence[int]) -> None:
        verdicts = [verdict for index in indices if (verdict := self._outcomes.get(index)) is not None]
        for group in _groups(verdicts):
            with self._pause():
                if self._sheet is None:
                    self._sheet = _Sheet(self._widths or _widths([group]), self._console)
                self._sheet.add(group)


class _Sheet:
    """The paper that a table is printed on, whose columns have the same widths under every claim."""

    def __init__(self, widths: Sequence[int], console: "Console | None"):
        self._widths = widths
        self._console = console
        if console is None and find_spec("rich") is not None:
            from rich.console import Console

            self._console = Console()
        if self._console is not None and not self._console.is_terminal:
            self._console.width = _WIDTH
        self._print(_plain_row(_heads(), widths), lambda: _aligned([_heads()], widths))

    def add(self, group: _Group) -> None:
        """Print the rows of a claim."""
        self._print("\n".join(_plain_group(group, self._widths)), lambda: _rich_group(group, self._widths))

    def say(self, *lines: str, style: str = "") -> None:
        """Print lines that are not of the table."""
        for line in lines:
            self._print(line, lambda line=line: _styled(line, style))

    def _print(self, plain: str, rich: "Callable[[], RenderableType]") -> None:
        if self._console is None:
            print(plain, flush=True)
            return
        with self._console.capture() as printed:
            self._console.print(rich())
        for line in printed.get().splitlines():
            self._console.out(line.rstrip(), highlight=False)
        self._console.file.flush()


def _styled(line: str, style: str) -> "Text":
    from rich.text import Text

    return Text(line, style=style)


def _print_end(sheet: _Sheet, verdicts: Sequence[Verdict]) -> None:
    failed = [f"\n{v.claim.id} {v.claim.name}: {sentences(v)}" for v in verdicts if not v.passed]
    totals = summary(verdicts)
    sheet.say(*failed, style="bold red")
    sheet.say(f"\n{totals}", *filter(None, [totals.finer]))


def plain_table(verdicts: Sequence[Verdict]) -> str:
    """A line per claim with its decoys' formulas, and under it a row per verdict, as plain text."""
    groups = _groups(verdicts)
    widths = _widths(groups)
    return "\n".join(
        [_plain_row(_heads(), widths), *(line for group in groups for line in _plain_group(group, widths))]
    )


def rich_table(verdicts: Sequence[Verdict]) -> "Table":
    """The same table with colours; on a terminal of fewer than 120 columns its cells wrap.

    A status is a sign and a word, legible without colour. Each decoy has its letter and its distance, and one that is
    not refuted stands out.
    """
    from rich.table import Table

    groups = _groups(verdicts)
    widths = _widths(groups)
    outer = Table.grid()
    outer.add_row(_aligned([_heads()], widths))
    for group in groups:
        outer.add_row(_rich_group(group, widths))
    return outer


def _plain_group(group: _Group, widths: Sequence[int]) -> list[str]:
    claim, letters, rows = group
    title = f"{claim.id} {claim.name}  {_decoy_key(letters)}"
    return ["", title.rstrip(), *(_plain_row(row, widths) for row in rows)]


def _rich_group(group: _Group, widths: Sequence[int]) -> "Table":
    from rich.table import Table
    from rich.text import Text

    claim, letters, rows = group
    title = Table.grid(padding=(0, 2, 0, 0))
    title.add_row(Text(f"{claim.id} {claim.name}", style="bold", no_wrap=True), Text(_decoy_key(letters), "dim"))
    outer = Table.grid()
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


def _groups(verdicts: Sequence[Verdict]) -> list[_Group]:
    """The rows of each claim."""
    groups = []
    for group in by_claim(verdicts):
        statements = dict.fromkeys(decoy.statement for verdict in group for decoy in verdict.decoys)
        letters = dict(zip(statements, DECOY_LETTERS, strict=False))
        groups.append((group[0].claim, letters, [_row(verdict, letters) for verdict in group]))
    return groups


def _heads() -> list[_Cell]:
    return [[(name, "bold")] for name in _COLUMNS]


def _widths(groups: Iterable[_Group]) -> list[int]:
    rows = [_heads(), *(row for _, _, rows in groups for row in rows)]
    return [max(len(_text(cell)) for cell in column) for column in zip(*rows, strict=True)]


def _planned_widths(jobs: "Iterable[Job]") -> list[int]:
    """The widths of a run of several claims, before its first draw: known for some columns, usual for the others."""
    rows = [list(_COLUMNS), list(_USUAL.values())]
    for job in jobs:
        expected = ""
        if not job.claim.real:  # whose experiment is not built yet
            expected = _expected_cell(job.experiment.relation, job.experiment.expected)
        rows.append([_law_cell(job.law.name), _short_setting(job.parameters), expected, *("" for _ in range(5))])
    return [max(map(len, column)) for column in zip(*rows, strict=True)]


def _row(verdict: Verdict, letters: dict[str, str]) -> list[_Cell]:
    distance = distance_text(verdict.z_score) if verdict.has_z_score else ""
    texts = [
        _law_cell(verdict.law),
        _short_setting(verdict.parameters),
        _expected_cell(verdict.relation, verdict.expected),
        verdict.measured,
        distance,
    ]
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


def _law_cell(law: str) -> str:
    return f"  {law}"


def _expected_cell(relation: str, expected: float) -> str:
    bound = "≤ " if relation == "<=" else ""
    return bound + number_text(expected)


def _short_setting(parameters: Parameters) -> str:
    """The parameters without spaces; a word needs no name, a large number no zeros."""
    words = []
    for name, value in parameters.items():
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
