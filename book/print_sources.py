"""The course as a printed book lays it out: the notebooks in their order, and what paper asks for.

A reader on paper cannot fold anything. So an exercise is shown as in the students' copy, its hints stand in one
appendix and its solution with all output in another, and the exercise names both pages. Under each question of
"Predict first" is room to write. Glossary, claims and errata end the book.
"""

import json
import re
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from staging import BOOK, ROOT

NOTEBOOKS = ROOT / "notebooks"
HEADING = re.compile(r"(?m)^(?=#{1,6} )")
EXERCISE = re.compile(r"### Exercise (\d+\.\d+)")
FOLDED = re.compile(r"<details>\s*<summary>(.*?)</summary>(.*?)</details>\n?", re.S)
OPEN = "You left the prediction open.<br>"  # on paper the prediction stands on its line
DISPLAYED = re.compile(r"\$\$([^$]+)\$\$")
LICENCE = re.compile(r"(?m)^\*\*Licence\.\*\* .*$")  # a notebook carries it; the book has it in its first pages
IN_WORDS = re.compile(r"<style>.*?</style><details><summary>In words</summary>(.*?)</details>", re.S)
SIGNS_ON_A_LINE = 75  # of a formula


@dataclass(frozen=True)
class Chapter:
    """A part of the book that begins on a page of its own: `name` is its source, without a suffix."""

    name: str
    part: str = ""  # the part that begins with it, such as "I. The mathematics"


@dataclass
class Appendix:
    """What the chapters leave for the end of the book, exercise by exercise."""

    hints: list[str] = field(default_factory=list)  # Markdown
    solutions: list[dict[str, Any]] = field(default_factory=list)  # cells


def chapters() -> list[Chapter]:
    """The chapters in the order of the course, with its parts, as the table of notebooks/README.md has them."""
    found = []
    part = ""
    for row in (NOTEBOOKS / "README.md").read_text(encoding="utf-8").splitlines():
        if heading := re.match(r"\| +\| \*\*(.+?)\*\*", row):
            part = heading[1]
        if link := re.match(r"\| \d+ \| \[.+?\]\((\w+)\.ipynb\)", row):
            found.append(Chapter(link[1], part))
            part = ""
    appendices = ("hints", "solutions", "glossary", "claims", "errata")
    found.append(Chapter(appendices[0], "Appendices"))
    return found + [Chapter(name) for name in appendices[1:]]


def stage_print(staged: Path) -> None:
    """Lay out the sources of the printed book for Sphinx. Args: staged: an empty folder or none."""
    shutil.rmtree(staged, ignore_errors=True)
    staged.mkdir(parents=True)
    shutil.copy(BOOK / "print_conf.py", staged / "conf.py")
    appendix = Appendix()
    names = [chapter.name for chapter in chapters()]
    for name in names:
        if (NOTEBOOKS / f"{name}.ipynb").exists():
            write_notebook(staged / f"{name}.ipynb", printed(name, appendix))
    (staged / "hints.md").write_text("\n\n".join(["# Hints", *appendix.hints]) + "\n", encoding="utf-8")
    write_notebook(staged / "solutions.ipynb", [text_cell("# Solutions"), *appendix.solutions])
    glossary = (NOTEBOOKS / "GLOSSARY.md").read_text(encoding="utf-8")
    (staged / "glossary.md").write_text(plain_links(without_last_column(glossary)), encoding="utf-8")
    for name in ("claims", "errata"):
        text = (ROOT / "docs" / f"{name}.md").read_text(encoding="utf-8")
        text = re.sub(r"(?<=```math\n).*?(?=\n```)", lambda found: divided(found[0]), plain_links(text))
        (staged / f"{name}.md").write_text(text, encoding="utf-8")
    index = "\n".join(["# mezo_lab", "", "```{toctree}", *names, "```", ""])
    (staged / "index.md").write_text(index, encoding="utf-8")


def printed(name: str, appendix: Appendix) -> list[dict[str, Any]]:
    """The cells of a notebook as its chapter shows them. Args: appendix: takes what belongs at the end of the book."""
    cells = read_cells(NOTEBOOKS / f"{name}.ipynb")
    for_students = {cell["id"]: cell for cell in read_cells(NOTEBOOKS / "student" / f"{name}.ipynb")}
    shown = []
    exercise = ""  # the heading of the exercise that the cell belongs to
    for cell in cells:
        tags = cell["metadata"].get("tags", ())
        if "install" in tags:
            continue
        if cell["cell_type"] == "markdown" and cell["id"] in for_students:
            cell["source"], exercise = _text(cell["source"], exercise, appendix)
            title = re.match(r"# (.+)", cell["source"])
            if title:
                appendix.hints.append(f"## {title[1]}")
                appendix.solutions.append(text_cell(f"## {title[1]}"))
            shown.append(cell)
            continue
        if exercise:
            appendix.solutions += _solution(cell, for_students)
            if cell["id"] not in for_students:
                continue
            cell = cell | {"source": for_students[cell["id"]]["source"], "outputs": []}
        elif cell["id"] not in for_students:
            raise ValueError(f"{name}, cell {cell['id']}: a solution must follow the heading of an exercise.")
        shown.append(cell)
    return shown


def _text(source: str, exercise: str, appendix: Appendix) -> tuple[str, str]:
    """Text with its hints taken out, and the exercise at its end."""
    sections = []
    for section in HEADING.split(source):
        if section.startswith("#"):
            exercise = ""
        if number := EXERCISE.match(section):
            exercise = number[1]
            heading = section.split("\n")[0]
            appendix.solutions.append(text_cell(heading))
            hints = [f"**{head}.** {body.strip()}" for head, body in FOLDED.findall(section) if "Hint" in head]
            appendix.hints += [heading, *hints]
            section = FOLDED.sub(lambda fold: "" if "Hint" in fold[1] else _unfolded(*fold.groups()), section).rstrip()
            section += f'\n\n<p class="elsewhere" data-exercise="{exercise}"></p>\n'
        section = DISPLAYED.sub(lambda formula: f"$${divided(formula[1])}$$", plain_links(LICENCE.sub("", section)))
        sections.append(section)
    return "".join(sections), exercise


def _unfolded(head: str, body: str) -> str:
    return f"\n{{.expected}}\n**{head}.** {body.strip()}\n"


def _solution(cell: dict[str, Any], for_students: dict[str, Any]) -> list[dict[str, Any]]:
    """What the appendix shows of a cell of an exercise: a solution whole, of any other code the output alone."""
    if cell["cell_type"] == "markdown":
        return [cell | {"source": plain_links(cell["source"].removeprefix("**Solution.** "))}]
    if cell["source"] != for_students[cell["id"]]["source"]:
        lines = [line for line in cell["source"].split("\n") if not re.match(r"\s*# (BEGIN|END) SOLUTION$", line)]
        return [cell | {"source": "\n".join(lines)}]
    if not cell["outputs"]:
        return []
    return [cell | {"metadata": {"tags": ["remove-input"]}}]


def read_cells(path: Path) -> list[dict[str, Any]]:
    """The cells of a notebook, each source and output one string; a figure has its words as its alternative text."""
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    for cell in cells:
        cell["source"] = "".join(cell["source"])
        if cell["cell_type"] == "code":
            cell["outputs"] = _on_paper(cell["outputs"])
    return cells


def _on_paper(outputs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Outputs without what a page does, such as folding the words of a figure."""
    kept: list[dict[str, Any]] = []
    for output in outputs:
        page = "".join(output.get("data", {}).get("text/html", ""))
        output.get("metadata", {}).pop("image/png", None)  # its size on a screen
        if OPEN in page:
            output["data"]["text/html"] = page.replace(OPEN, "")
        if words := IN_WORDS.search(page):
            output["data"]["text/html"] = f'<p class="words">{words[1]}</p>'  # print_pages.py gives it to the figure
        if "sliders; the picture above" not in page:
            kept.append(output)
    return kept


def divided(formula: str) -> str:
    r"""A long formula on several lines, divided where it has its widest spaces.

    >>> divided(r"f = 1, \quad g = 2")
    'f = 1, \\quad g = 2'
    >>> divided(r"\mathrm{" + 40 * "a" + r"}, \quad \mathrm{" + 40 * "b" + "}") == (
    ...     r"\begin{gathered} \mathrm{" + 40 * "a" + r"}, \\ \mathrm{" + 40 * "b" + r"} \end{gathered}"
    ... )
    True
    """
    signs = re.sub(r"[{}\\^_ ]", "", re.sub(r"\\[a-zA-Z]{2,}", "x", formula))
    if len(signs) <= SIGNS_ON_A_LINE or r"\begin{" in formula:
        return formula
    space = r"\\qquad" if r"\qquad" in formula else r"\\quad"
    lines = re.split(rf"\s*{space}\s*", formula.strip())
    return r"\begin{gathered} " + r" \\ ".join(lines) + r" \end{gathered}"


def text_cell(text: str) -> dict[str, Any]:
    """A cell of Markdown."""
    return {"cell_type": "markdown", "metadata": {}, "source": text}


def write_notebook(path: Path, cells: list[dict[str, Any]]) -> None:
    """Write a notebook of these cells, numbered anew."""
    cells = [cell | {"id": f"c{number}"} for number, cell in enumerate(cells)]
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    metadata = {"kernelspec": kernel, "language_info": {"name": "python"}}
    notebook = {"nbformat": 4, "nbformat_minor": 5, "metadata": metadata, "cells": cells}
    path.write_text(json.dumps(notebook), encoding="utf-8")


def plain_links(text: str) -> str:
    """Text whose links lead to chapters of the book or to the web; of others the words are left.

    >>> plain_links("[terms](GLOSSARY.md), [a claim](../docs/claims.md#b2-x), [results](results.md), [web](https://a.b)")
    '[terms](glossary.md), [a claim](claims.md#b2-x), results, [web](https://a.b)'
    """

    def link(found: re.Match[str]) -> str:
        words, path, anchor = found.groups()
        stem = Path(path).stem
        name = "glossary" if stem == "GLOSSARY" else stem
        chapter = next((each for each in chapters() if each.name == name), None)
        if chapter is None:
            return words
        suffix = ".ipynb" if name[0].isdigit() else ".md"
        return f"[{words}]({name}{suffix}{anchor or ''})"

    return re.sub(r"\[([^]\n]+)\]\(((?!\w+:)[\w./-]+\.\w+)(#[^)]*)?\)", link, text)


def without_last_column(text: str) -> str:
    """Tables of Markdown without their last column: Chinese names, for which a machine may have no letters.

    >>> without_last_column("| term | symbol | 中文 |")
    '| term | symbol |'
    """
    text = text.replace(", and its name in Chinese.", ".").replace(", one sentence", " and one sentence")
    return re.sub(r"(?m)^(\|.*\|)[^|\n]*\|$", r"\1", text)
