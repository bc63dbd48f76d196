"""The table of verdicts, and a run summed up in one line."""

from collections.abc import Iterable, Sequence
from operator import itemgetter

from rich.console import Console
from rich.table import Table
from rich.text import Text

from mezo_lab.claims import Claim, DecoyVerdict, Status, Verdict
from mezo_lab.claims.wording import decoy_found, has_score, measured, number, score
from mezo_lab.report.labels import setting, typographic
from mezo_lab.report.wording import by_claim, marked, sentences, tally

COLUMNS = ("law", "parameters", "expected", "mean ± std. error", "z", "status", "decoys: z", "proof")
RIGHT = {"expected", "mean ± std. error", "z"}
WHOLE = {"law", "expected", "z"}  # no blank to wrap at; on a narrow terminal the others give way
COLOURS = {Status.CONSISTENT: "green", Status.REFUTED: "bold red", Status.UNDERPOWERED: "bold yellow"}
LOUD = "bold reverse red"
WIDTH = 150  # columns, where the output is no terminal
LETTERS = "abcdef"  # one for each of a claim's decoys


def show(verdicts: Sequence[Verdict], console: Console | None = None) -> None:
    """Print the table, what failed in sentences, and the summary."""
    console = console or Console()
    if not console.is_terminal:
        console.width = WIDTH
    failed = [f"\n{v.claim.id} {v.claim.name}: {sentences(v)}" for v in verdicts if not v.passed]
    with console.capture() as printed:
        console.print(
            table(verdicts), *(Text(text, style="bold red") for text in failed), f"\n{summary(verdicts)}", sep="\n"
        )
    for line in printed.get().splitlines():
        console.out(line.rstrip(), highlight=False)


def table(verdicts: Sequence[Verdict]) -> Table:
    """A line per claim with its decoys' formulas, and under it a row per verdict, for 120 columns and more.

    A status is a sign and a word, so that it survives the loss of colour; each decoy has its letter and its z, and one
    that is not refuted says so loudly.
    """
    groups = [(group, [cells(verdict, letters(group)) for verdict in group]) for group in by_claim(verdicts)]
    heads = [Text(name, style="bold") for name in COLUMNS]
    widths = [
        max(cell.cell_len for cell in column)
        for column in zip(heads, *(row for _, rows in groups for row in rows), strict=True)
    ]
    outer = Table.grid()
    outer.add_row(aligned([heads], widths))
    for group, rows in groups:
        outer.add_row("")
        outer.add_row(head(group[0].claim, letters(group)))
        outer.add_row(aligned(rows, widths))
    return outer


def aligned(rows: Iterable[Sequence[Text]], widths: Sequence[int]) -> Table:
    """Rows in columns of given widths, the same under every claim."""
    inner = Table.grid(padding=(0, 1, 0, 0))
    for name, wide in zip(COLUMNS, widths, strict=True):
        whole = name in WHOLE
        side = "right" if name in RIGHT else "left"
        inner.add_column(width=wide if whole else None, no_wrap=whole, justify=side, overflow="fold")
    for row in rows:
        inner.add_row(*map(padded, row, widths))
    return inner


def padded(cell: Text, wide: int) -> Text:
    # blanks rather than a fixed width: only a column without one gives way on a narrow terminal
    cell = cell.copy()
    cell.pad_right(wide - cell.cell_len)
    return cell


def letters(verdicts: Iterable[Verdict]) -> dict[str, str]:
    """A letter for each decoy of a claim."""
    statements = dict.fromkeys(decoy.statement for verdict in verdicts for decoy in verdict.decoys)
    return dict(zip(statements, LETTERS, strict=False))


def head(claim: Claim, lettered: dict[str, str]) -> Table:
    """The claim's name, and beside it what its decoys say."""
    line = Table.grid(padding=(0, 2, 0, 0))
    decoys = "   ".join(f"{letter}: {typographic(statement)}" for statement, letter in lettered.items())
    line.add_row(
        Text(f"{claim.id} {claim.name}", style="bold", no_wrap=True), Text(f"decoys {decoys}" if decoys else "", "dim")
    )
    return line


def cells(verdict: Verdict, lettered: dict[str, str]) -> list[Text]:
    decoys = [(lettered[decoy.statement], decoy) for decoy in verdict.decoys]
    return [
        Text(f"  {verdict.law}"),
        Text(short_setting(verdict)),
        Text(("≤ " if verdict.relation == "<=" else "") + number(verdict.expected)),
        Text(measured(verdict)),
        Text(score(verdict.z_score) if has_score(verdict) else ""),
        Text(marked(verdict.status), style=COLOURS[verdict.status]),
        Text("  ").join(decoy_cell(decoy, letter) for letter, decoy in sorted(decoys, key=itemgetter(0))),
        Text("∎ proved" if verdict.proof == "proved" else ""),
    ]


def short_setting(verdict: Verdict) -> str:
    """The parameters without spaces; a word needs no name, a large number no zeros."""
    given = {name: value for name, value in verdict.parameters.items() if name != "sampler"}
    large = {name: number(value) for name, value in given.items() if isinstance(value, int) and value >= 1_000_000}
    words = {name: value for name, value in given.items() if isinstance(value, str)}
    told = (words.get(name) or setting({name: value}) for name, value in (given | large).items())
    return " ".join(word.replace(" = ", "=") for word in told)


def decoy_cell(decoy: DecoyVerdict, letter: str) -> Text:
    if decoy.status is Status.REFUTED:
        return Text(f"{letter} {decoy_found(decoy)}")
    return Text(f"✗ {letter} NOT REFUTED {decoy_found(decoy)}", style=LOUD)


def summary(verdicts: Sequence[Verdict]) -> str:
    """One line: claims, verdicts, decoys refuted, proofs, draws, seconds."""
    return str(tally(verdicts))
