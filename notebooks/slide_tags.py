"""The tags of a source that make its lecture. A tag that is none of them is an error that names notebook and cell.

The number of a tag is that of its slide. Cells with one number share a slide, in the order of the source:

- `slide-04` at a cell of text: the text is shown; at a cell of code: what it displays is shown, and its code is not.
- `code-04` at a cell of code: its code is shown.
- `notes-04` at a cell of text: the speaker says it.

Slide 1 is the title, which needs no tag. A slide has the heading of the section in which its first cell stands.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from marks import BEGIN, TAG  # beside this file

KINDS = {"slide": ("markdown", "code"), "code": ("code",), "notes": ("markdown",)}  # → the cells that may have it
OTHERS = (TAG, "install")  # tags with another meaning
NUMBERED = re.compile(r"(slide|code|notes)-(\d\d)")
HEADING = re.compile(r"^(#{1,3}) (.+)$", re.MULTILINE)
MOST_SLIDES = 15  # of a lecture
FIRST = 2  # after the title


class TagError(ValueError):
    """A tag that makes no slide; the message names notebook and cell, and says what to write."""


@dataclass
class Part:
    """A cell of a slide, in one of its roles."""

    kind: str
    cell: Any
    heading: str
    """Of the section in which the cell stands."""


@dataclass
class Chosen:
    """The cells of one slide, in the order of the source."""

    number: int
    parts: list[Part] = field(default_factory=list)

    @property
    def heading(self) -> str:
        """That of the section of what is shown first."""
        return next(part.heading for part in self.parts if part.kind != "notes")


def chosen(notebook: Any, name: str) -> list[Chosen]:
    """The slides that the tags of a notebook choose, in their order, without the title.

    Args: notebook: of a source. name: for errors.
    Raises: TagError for an unknown tag, a tag on the wrong kind of cell, a solution, a number that is missing.
    """
    slides: dict[int, Chosen] = {}
    for cell, heading in _with_headings(notebook):
        for kind, number in _numbered(cell, name):
            _check_cell(cell, kind, name)
            slides.setdefault(number, Chosen(number)).parts.append(Part(kind, cell, heading))
    numbers = sorted(slides)
    if numbers != list(range(FIRST, FIRST + len(numbers))):
        raise TagError(f"Notebook {name}: slides must be numbered {FIRST}, {FIRST + 1}, …; its tags have {numbers}.")
    if numbers and numbers[-1] > MOST_SLIDES:
        raise TagError(f"Notebook {name}: a lecture has at most {MOST_SLIDES} slides; its tags have {numbers[-1]}.")
    for number in numbers:
        if all(part.kind == "notes" for part in slides[number].parts):
            raise TagError(
                f"Notebook {name}: slide {number} has notes and shows nothing; tag a cell slide-{number:02}."
            )
    return [slides[number] for number in numbers]


def _with_headings(notebook: Any) -> Iterator[tuple[Any, str]]:
    """(cell, heading of its section): its own where it begins with one."""
    heading = ""
    for cell in notebook.cells:
        found = [match[2] for match in HEADING.finditer(cell.source)] if cell.cell_type == "markdown" else []
        if cell.source.startswith("#") and found:
            heading = found[0]
        yield cell, heading
        if found:
            heading = found[-1]


def _numbered(cell: Any, name: str) -> Iterator[tuple[str, int]]:
    """(kind, number) of each of a cell's tags that choose it."""
    for tag in cell.metadata.get("tags", ()):
        if match := NUMBERED.fullmatch(tag):
            yield match[1], int(match[2])
        elif tag not in OTHERS:
            raise TagError(
                f"{_where(cell, name)}: the tag {tag!r} means nothing; write slide-04, code-04, notes-04 "
                f"(with the number of the slide) or {' or '.join(OTHERS)}."
            )


def _check_cell(cell: Any, kind: str, name: str) -> None:
    if cell.cell_type not in KINDS[kind]:
        raise TagError(f"{_where(cell, name)}: {kind}-NN belongs to a cell of {' or '.join(KINDS[kind])}.")
    if TAG in cell.metadata["tags"] or BEGIN in cell.source:
        raise TagError(f"{_where(cell, name)}: a solution is on no slide; remove its tag {kind}-NN.")
    if kind != "code" and cell.cell_type == "markdown":
        later = [match for match in HEADING.finditer(cell.source) if match.start()]
        if later:
            raise TagError(f"{_where(cell, name)}: {later[0][0]!r} stands inside it; let it begin a cell of its own.")


def _where(cell: Any, name: str) -> str:
    """
    >>> import nbformat
    >>> _where(nbformat.v4.new_markdown_cell("## Two\\n\\nWords.", id="01-07"), "01_spsa")
    "Notebook 01_spsa, cell 01-07 ('## Two')"
    """
    return f"Notebook {name}, cell {cell.get('id')} ({cell.source.partition(chr(10))[0]!r})"
