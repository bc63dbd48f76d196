"""Terms that explain themselves: where a section of prose first uses a term of the glossary, a page of the book shows
its sentence to whoever points at it, moves to it by keyboard, or touches it (static/terms.js).

A Sphinx extension. It marks text of paragraphs alone: no code, heading, formula, link, table or emphasised word, and
nothing that a cell has printed. A mark is a link to the glossary, so that it serves without JavaScript as well.
"""

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx

GLOSSARY = Path(__file__).resolve().parents[1] / "notebooks" / "GLOSSARY.md"
FOLDERS = ("index", "docs/", "claims/", "notebooks/")  # and the start page
LEFT_OUT = (
    "docs/develop",
    "docs/commands",
    "docs/results",
    "notebooks/README",
    "notebooks/zh/",
    "claims/index",
    "claims/matrix",
)
# words of the everyday too, whose definition would often be beside the point: the glossary has them, no page marks them
EVERYDAY = frozenset(
    (
        "coordinate",
        "distance",
        "divergence",
        "flip",
        "loss",
        "margin",
        "orthogonal",
        "parameters",
        "process",
        "rank",
        "rounding",
        "rule",
        "three-point",
        "uniform",
        "variance",
    )
)
UNTOUCHED = (
    nodes.title,
    nodes.subtitle,
    nodes.rubric,
    nodes.literal,
    nodes.literal_block,
    nodes.doctest_block,
    nodes.math,
    nodes.math_block,
    nodes.reference,
    nodes.raw,
    nodes.table,
    nodes.figure,
    nodes.caption,
    nodes.emphasis,
    nodes.strong,
    nodes.term,
    nodes.footnote_reference,
    nodes.citation,
    nodes.citation_reference,
    nodes.comment,
    nodes.problematic,
    nodes.field_list,
)


@dataclass(frozen=True)
class Term:
    """A row of the glossary; `names` has more than one where the row gives synonyms."""

    names: tuple[str, ...]
    symbol: str
    sentence: str
    chinese: str


class term_mark(nodes.Inline, nodes.TextElement):  # docutils names its nodes so
    """The first use of a term in a section; it holds the word as it stands there."""


@cache
def read_glossary(file: Path = GLOSSARY) -> dict[str, list[Term]]:
    """The rows of the glossary by section. Raises: ValueError for a row that has not four cells."""
    sections: dict[str, list[Term]] = {}
    for line in file.read_text(encoding="utf-8").splitlines():
        if line.startswith("## "):
            sections[line.removeprefix("## ")] = []
        elif line.startswith("| ") and sections and not line.startswith("| term |"):
            cells = [cell.strip().replace(r"\|", "|") for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
            if len(cells) != 4:
                raise ValueError(f"a row of the glossary must have 4 cells, got {len(cells)} in {line!r}: count its |.")
            name, symbol, sentence, chinese = cells
            names = (name,) if ", by " in name else tuple(name.split(", "))
            sections[next(reversed(sections))].append(Term(names, symbol, sentence, chinese))
    return sections


@cache
def marked_names() -> dict[str, Term]:
    """The names that are looked for, in lower case."""
    terms = [term for terms in read_glossary().values() for term in terms]
    names = {name.split(", by ")[0].lower(): term for term in terms for name in term.names}
    return {name: term for name, term in names.items() if name not in EVERYDAY}


@cache
def _pattern() -> re.Pattern[str]:
    """Any of the names, the longest first, in singular or plural, and no part of a longer word."""
    names = sorted(marked_names(), key=len, reverse=True)
    words = "|".join(map(re.escape, names)).replace(r"in\ place", r"in\ place(?! of)")  # "in place of" is "instead"
    return re.compile(rf"(?<![\w\-–])({words})(s|es)?(?![\w\-–])", re.IGNORECASE)


def mark(node: nodes.Element, seen: set[Term], depth: int = 0, *, prose: bool = False) -> None:
    """Mark the first use of each term in every section; those below the second level share their parent's.

    Args: seen: the terms that the section has used; depth: how many sections hold the node; prose: whether a paragraph
        does.
    """
    for child in list(node.children):
        if isinstance(child, nodes.section):
            mark(child, set() if depth < 2 else seen, depth + 1)
        elif isinstance(child, nodes.Text):
            if prose:
                _mark_text(child, seen)
        elif isinstance(child, nodes.Element) and not isinstance(child, UNTOUCHED) and not stands_apart(child):
            mark(child, seen, depth, prose=prose or isinstance(child, nodes.paragraph))


def stands_apart(node: nodes.Element) -> bool:
    """Whether a node is a code cell, what it printed, or a card, which is a link as a whole."""
    return bool({"cell", "cell_output", "cell_input", "sd-card"} & set(node.get("classes", ())))


def _mark_text(text: nodes.Text, seen: set[Term]) -> None:
    """Replace a text by its pieces, some of them marked."""
    pieces: list[nodes.Node] = []
    end = 0
    words = text.astext()
    for match in _pattern().finditer(words):
        term = marked_names()[match[1].lower()]
        if term in seen:
            continue
        seen.add(term)
        if match.start() > end:
            pieces.append(nodes.Text(words[end : match.start()]))
        pieces.append(term_mark("", match[0], term=term))
        end = match.end()
    if not pieces:
        return
    if end < len(words):
        pieces.append(nodes.Text(words[end:]))
    text.parent.replace(text, pieces)


def mark_terms(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    """Mark the terms of a page, and give each the address of its definition."""
    if app.builder.format != "html" or not docname.startswith(FOLDERS) or docname.startswith(LEFT_OUT):
        return
    mark(doctree, set())
    defined = {
        name.lower(): place for (kind, name), place in app.env.domains.standard_domain.objects.items() if kind == "term"
    }
    for node in doctree.findall(term_mark):
        page, anchor = defined[node["term"].names[0].lower()]
        node["address"] = f"{app.builder.get_relative_uri(docname, page)}#{anchor}"


def visit_term_mark(self: Any, node: term_mark) -> None:
    """Open the link; its definition is an attribute, which neither the search nor a copy of the text picks up."""
    term = node["term"]
    definition = term.sentence
    if term.symbol:
        definition += f" ({term.symbol})"
    self.body.append(
        self.starttag(node, "a", "", CLASS="term", href=node["address"], **{"data-definition": definition})
    )


def depart_term_mark(self: Any, node: term_mark) -> None:
    """Close the link."""
    self.body.append("</a>")


def _ignore(self: Any, node: term_mark) -> None:
    """In any other form than HTML a marked word is a word."""


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the extension with Sphinx."""
    others = dict.fromkeys(("latex", "text", "man", "texinfo"), (_ignore, _ignore))
    app.add_node(term_mark, html=(visit_term_mark, depart_term_mark), **others)
    app.connect("doctree-resolved", mark_terms)
    app.add_css_file("terms.css")
    app.add_js_file("terms.js")
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
