"""A decimal or a percentage in the text of a notebook is one that its cells use or print: none is typed from memory."""

import re
from pathlib import Path

import build
import nbformat
import pytest

pytestmark = pytest.mark.repo
NOTEBOOKS = Path(__file__).resolve().parents[2] / "notebooks"
NUMBER = re.compile(
    r"(?<![\w.,])\d[\d,]*\.\d+(?![\w.])|(?<![\w.,])\d[\d,.]*(?= ?%)|(?<![\w.,])\d{1,3}(?:,\d{3})+(?!\d)"
)
ELSEWHERE = [
    r"```.*?```",
    r"(\${1,2}).*?\1",  # formulas
    r"`[^`]*`",
    r"\]\([^)]*\)",
    r"^>.*?$",  # what the paper says, in our words
    r"(Exercise|exercises?|Sections?|Appendix|arXiv|notebooks?) [A-Z]?\d+(\.\d+)?((,| and) [A-Z]?\d+(\.\d+)?)*",
    r"\*\*Further reading\.\*\*.*?(?=\n\n|\Z)",
    r"## Predict first.*?(?=\n## |\Z)",  # questions, which name what is asked
]


def prose(notebook) -> str:
    """The text that states results: without exercises, solutions, formulas, code, citations and questions."""
    cells = [cell.source for cell in notebook.cells if cell.cell_type == "markdown" and "solution" not in tags(cell)]
    text = "\n\n".join(re.split(r"^### Exercise ", cell, maxsplit=1, flags=re.MULTILINE)[0] for cell in cells)
    text = text.replace(build.LICENCE, "")
    for part in ELSEWHERE:
        text = re.sub(part, " ", text, flags=re.DOTALL | re.MULTILINE)
    return text


def tags(cell) -> list[str]:
    return cell.metadata.get("tags", [])


def shown(notebook) -> str:
    """What the cells say and show: code, printed lines, tables and the words of figures."""
    parts = [cell.source for cell in notebook.cells if cell.cell_type == "code"]
    for output in (output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs):
        parts += [
            output.get("text", ""),
            *(output.get("data", {}).get(kind, "") for kind in ("text/plain", "text/html")),
        ]
    return "\n".join(parts).replace("_", "").replace(",", "")


def typed(notebook, cells: str) -> list[str]:
    """The numbers of the text that stand nowhere in the cells, neither as they are nor, for per cent, as a share."""
    numbers = [number.rstrip(".").replace(",", "") for number in NUMBER.findall(prose(notebook))]
    return [
        number
        for number in numbers
        if not {number, f"{float(number) / 100:g}"} & set(re.findall(r"\d[\d.]*\d|\d", cells))
    ]


@pytest.mark.parametrize("name", build.names())
def test_no_number_of_the_text_is_typed_by_hand(name):
    made = nbformat.read(NOTEBOOKS / f"{name}.ipynb", as_version=4)
    source = build.read(name)
    code = "\n".join(cell.source for cell in source.cells if cell.cell_type == "code").replace("_", "")
    assert typed(source, shown(made) + code) == []


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("It is 7.4 times faster, by 12 % or 2,476 seconds.", ["7.4", "12", "2476"]),
        ("It takes 0.5 s and 25 %, see Section 2.1 and exercise 5.4.", []),
        ("Here $x = 7.4$ and `7.4`, and\n\n> the paper has 93.3 %.", []),
        ("### Exercise 1.1: one\n\nLet 12 % be 7.4.", []),
        ("## Predict first\n\nTo 12 %?\n\n## Then\n\nIt was 13 %.", ["13"]),
    ],
)
def test_a_number_that_no_cell_shows_is_seen(text, found):
    cells = [nbformat.v4.new_markdown_cell(text), nbformat.v4.new_code_cell("print(0.5)\nshare = 0.25")]
    notebook = nbformat.v4.new_notebook(cells=cells)
    assert typed(notebook, shown(notebook)) == found
