"""The pages of Sphinx as one HTML page, which Chromium prints: title, contents, parts, chapters, appendices.

Sphinx's JSON builder writes the body of each chapter and no theme. Here each gets ids of its own, links within the
book, and the things of paper: lines to write on, the pages of hints and solutions, running heads.
"""

import json
import re
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import Any

from bs4 import BeautifulSoup, Tag
from print_sources import Chapter

from mezo_lab import __version__

FIT_ON_A_PAGE = 24  # lines of code that are not divided between pages
UNKNOWN = "000"  # stands where the number of a page will stand
STYLES = {"k": "keyword", "kn": "keyword", "kc": "keyword", "ow": "keyword", "c1": "comment", "sd": "comment"}
ROWS_ON_A_PAGE = 16  # of a table that is not divided
LETTERS = {r"\kappa": "κ", r"\varepsilon": "ε", r"\epsilon": "ε", r"\eta": "η", r"\theta": "θ", r"\ell": "ℓ"}


@dataclass
class Heading:
    """An entry of the contents: `anchor` is its id in the book, `words` its text without formulas, `page` HTML."""

    anchor: str
    words: str
    page: str
    sections: list["Heading"] = field(default_factory=list)
    part: str = ""


def written(folder: Path, chapters: list[Chapter], record: dict[str, Any]) -> tuple[str, list[Heading]]:
    """The book as HTML, and its contents.

    Args: folder: Sphinx's output; record: of the last full verification.
    """
    names = {chapter.name: f"c{number:02d}" for number, chapter in enumerate(chapters)}
    soups = {name: _soup(folder / f"{name}.fjson", key, names) for name, key in names.items()}
    _refer(soups)
    contents = []
    bodies = []
    part = ""
    rules = []
    for chapter in chapters:
        key = names[chapter.name]
        soup = soups[chapter.name]
        part = chapter.part or part
        heading = _heading(soup, chapter.part)
        contents.append(heading)
        if chapter.part:
            bodies.append(f'<section class="part" id="part-{key}"><p>{escape(chapter.part)}</p></section>')
        rules.append(_running_head(key, heading.words, part))
        bodies.append(f'<article class="chapter {chapter.name}" style="page: {key}">{soup}</article>')
    exercises = len(soups["solutions"].find_all("h3"))
    front = [_title(record), _imprint(record, exercises), _contents(contents)]
    head = (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>mezo_lab: the course</title>'
        '<link rel="stylesheet" href="print.css">'
        f'<style>{"".join(rules)}</style><script src="print.js"></script>'
        '<script defer src="_static/mathjax/tex-svg.js"></script></head><body class="book">\n'
    )
    return head + "\n".join([*front, *bodies]) + "\n</body></html>\n", contents


def _running_head(key: str, title: str, part: str) -> str:
    """The CSS of a chapter's pages: its title at the head, on the right its part."""
    return f"@page {key} {{ @top-left {{ content: {_css(title)}; }} @top-right {{ content: {_css(part)}; }} }}\n"


def _css(text: str) -> str:
    return '"' + text.replace("\\", r"\\").replace('"', r"\"") + '"'


def _soup(file: Path, key: str, names: dict[str, str]) -> BeautifulSoup:
    """The body of a chapter, with ids that are unique in the book. Args: key: of the chapter, before its ids."""
    soup = BeautifulSoup(json.loads(file.read_text(encoding="utf-8"))["body"], "html.parser")
    for tag in soup.select("a.headerlink"):
        tag.decompose()
    for tag in soup.find_all(id=True):
        tag["id"] = f"{key}-{tag['id']}"
    for link in soup.find_all("a", href=True):
        link["href"] = _address(str(link["href"]), key, names)
    for image in soup.find_all("img"):
        image["src"] = "_images/" + str(image["src"]).rpartition("/")[2]
    for words in soup.select("p.words"):
        figure = words.find_previous("img")
        assert isinstance(figure, Tag)
        figure["alt"] = " ".join(words.get_text().split())
        words.decompose()
    for block in soup.select("div.highlight > pre"):
        _set_code(block)
    for table in soup.find_all("table"):
        whole = len(table.find_all("tr")) <= ROWS_ON_A_PAGE
        table.wrap(soup.new_tag("div", attrs={"class": "whole table" if whole else "table"}))
    for section in soup.find_all("section", id=True):
        heading = section.find(re.compile("^h[1-6]$"), recursive=False)
        anchor = section.attrs.pop("id")
        if isinstance(heading, Tag):  # a heading never stands on another page than its text, a section's start may
            heading["id"] = anchor
            if heading.get_text() == "Predict first":
                _leave_room(soup, section)
    title = soup.find("h1")
    assert isinstance(title, Tag)
    title["id"] = key
    return soup


def _set_code(block: Tag) -> None:
    """Code in black ink: keywords bold and comments in italics, and no element for any other word."""
    if block.get_text().count("\n") > FIT_ON_A_PAGE:
        block["class"] = "long"
    for word in block.find_all("span"):
        style = STYLES.get(" ".join(word.get("class") or ()))
        if style:
            word["class"] = style
        else:
            word.unwrap()
    block.smooth()


def _address(target: str, key: str, names: dict[str, str]) -> str:
    """The target of a link in the book: an id of another chapter, of this one, or an address of the web."""
    if "://" in target:
        return target
    path, _, anchor = target.partition("#")
    name = path.strip("./")
    chapter = names[name] if name else key
    return f"#{chapter}-{anchor}" if anchor else f"#{chapter}"


def _leave_room(soup: BeautifulSoup, section: Tag) -> None:
    """Put lines to write on below each question of a prediction."""
    for question in section.select("ol > li"):
        for _ in range(2):
            question.append(soup.new_tag("span", attrs={"class": "line"}))


def _refer(soups: dict[str, BeautifulSoup]) -> None:
    """Tell each exercise the pages of its hints and its solution, and these the page of the exercise."""
    for chapter, kind in (("hints", "hints"), ("solutions", "solution")):
        for heading in soups[chapter].find_all("h3"):
            number = re.findall(r"\d+\.\d+", heading.get_text())[0]
            heading["id"] = f"{kind}-{number}"
            heading.append(
                BeautifulSoup(f'<span class="from">page {_page(f"exercise-{number}")}</span>', "html.parser")
            )
    for soup in soups.values():
        for line in soup.select("p.elsewhere"):
            number = str(line["data-exercise"])
            heading = line.find_previous("h3")
            assert isinstance(heading, Tag)
            heading["id"] = f"exercise-{number}"
            text = f"Hints: page {_page(f'hints-{number}')} · Solution: page {_page(f'solution-{number}')}"
            line.append(BeautifulSoup(text, "html.parser"))


def _page(anchor: str) -> str:
    """A link that shows the number of the page of an anchor."""
    return f'<a class="page" href="#{anchor}">{UNKNOWN}</a>'


def _heading(soup: BeautifulSoup, part: str) -> Heading:
    """What the contents show of a chapter."""
    title = soup.find("h1")
    assert isinstance(title, Tag)
    sections = [_entry(each) for each in soup.find_all("h2")]
    heading = _entry(title)
    return Heading(heading.anchor, heading.words, heading.page, sections, part)


def _entry(tag: Tag) -> Heading:
    return Heading(str(tag["id"]), plain(tag.get_text()), tag.decode_contents())


def plain(text: str) -> str:
    r"""The words of a heading, with its formulas as far as letters can say them.

    >>> plain(r"How \(\kappa\) explains the \(n\) probes")
    'How κ explains the n probes'
    """
    for command, letter in LETTERS.items():
        text = re.sub(re.escape(command) + r"(?![a-z])", letter, text)
    return " ".join(re.sub(r"\\[()]", "", text).split())


def _contents(headings: list[Heading]) -> str:
    lines = ['<nav class="contents"><h1 id="contents">Contents</h1><div class="entries">']
    for heading in headings:
        if heading.part:
            lines.append(f'<p class="part">{escape(heading.part)}</p>')
        entries = [f'<p class="section">{_line(each)}</p>' for each in heading.sections]
        lines.append(f'<p class="chapter">{_line(heading)}</p>')
        lines.append(f'<div class="sections">{"".join(entries)}</div>')
    return "\n".join([*lines, "</div></nav>"])


def _line(heading: Heading) -> str:
    return f'<a href="#{heading.anchor}">{heading.page}</a><i></i>{_page(heading.anchor)}'


def record_date(record: dict[str, Any]) -> str:
    """The day of a record, such as 2026-11-30."""
    return record["environment"]["date"].split()[0]


def _title(record: dict[str, Any]) -> str:
    return f"""<section class="title">
<h1>mezo_lab</h1>
<p class="subtitle">The mathematics of zeroth-order fine-tuning, as claims that are proved, sampled and run</p>
<img src="cover.svg" alt="The norm factor of the estimate under two laws of z, beside the formulas of both">
<p class="edition">The course · version {__version__} · record of {record_date(record)}</p>
<p class="edition">mezo_lab contributors</p>
</section>"""


def _count(judged: list[dict[str, Any]], status: str) -> str:
    """How many of these have a status, of all where not all have it."""
    count = sum(each["status"] == status for each in judged)
    return f"all {count}" if count == len(judged) else f"{count} of {len(judged)}"


def _imprint(record: dict[str, Any], exercises: int) -> str:
    verdicts = record["verdicts"]
    decoys = [decoy for verdict in verdicts for decoy in verdict["decoys"]]
    return f"""<section class="imprint">
<h2>This book</h2>
<p>MeZO fine-tunes a language model with forward passes alone: it compares the loss at two points along a random
direction and steps along that direction. This book is the course of the Python library <code>mezo_lab</code>, in which
each mathematical statement about the method is proved with sympy, tested by Monte Carlo beside wrong formulas that the
same draws must refute, and run on a real model.</p>
<h2>On paper and at the machine</h2>
<p>Each chapter is a notebook with the output of its last full run. Before the experiments you are asked to predict;
there are lines to write on. The {exercises} exercises have their hints in one appendix and their solutions in another,
and each exercise names both pages. To run a chapter, open the notebook of its number: <code>make lab</code>, or
<code>mezo-lab course FOLDER --student</code> for copies without the solutions.</p>
<h2>Where the numbers come from</h2>
<p>Every number in an output was computed by the code above it. In the full verification of {record_date(record)},
with version {record["environment"]["mezo_lab"]} of the library, {_count(verdicts, "CONSISTENT")} verdicts were
CONSISTENT and {_count(decoys, "REFUTED")} wrong formulas were REFUTED; <code>make verify</code> repeats it.</p>
<h2>Licence</h2>
<p>© mezo_lab contributors. Text and figures: Creative Commons Attribution 4.0 International (CC BY 4.0,
<a href="https://creativecommons.org/licenses/by/4.0/">creativecommons.org/licenses/by/4.0</a>). Code: MIT licence.
You may copy and change both, for any purpose, if you name their origin.</p>
<p>The method is that of S. Malladi, T. Gao, E. Nichani, A. Damian, J. D. Lee, D. Chen and S. Arora, <i>Fine-Tuning
Language Models with Just Forward Passes</i>, NeurIPS 2023.</p>
</section>"""
