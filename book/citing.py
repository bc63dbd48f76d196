"""Where a page names a work, by its author and year or by its title, the name leads to the bibliography: once a page.

A Sphinx extension, which reads what the pages say; no page has marks for it.
"""

import re
from functools import cache
from typing import Any

import pybtex.plugin
from citations import entries, plain
from docutils import nodes
from sphinx.application import Sphinx
from terms import FOLDERS, stands_apart

UNTOUCHED = (nodes.title, nodes.rubric, nodes.literal, nodes.FixedTextElement, nodes.math, nodes.reference, nodes.raw)


@cache
def _titles() -> dict[str, str]:
    """The key of each work by its title, whole and up to a colon, in lower case."""
    titles = {key: plain(work.fields["title"]).lower() for key, work in entries().items()}
    short = {title.partition(": ")[0]: key for key, title in titles.items()}
    return short | {title: key for key, title in titles.items()}


@cache
def _names() -> tuple[re.Pattern[str], dict[tuple[str, str], str]]:
    """A pattern of "surname … year", and the key of each pair that one work alone has."""
    pairs = [(work.authors[0][0], work.fields["year"]) for work in entries().values()]
    keys = {pair: key for key, pair in zip(entries(), pairs, strict=True) if pairs.count(pair) == 1}
    surnames = "|".join(sorted({re.escape(name) for name, _ in keys}, key=len, reverse=True))
    others = r"(?:,? et al\.,?|(?:, [A-Z][\w’'-]+)* and [A-Z][\w’'-]+)?"
    return re.compile(rf"\b({surnames}){others},? (?:\(?((?:18|19|20)\d\d)\b\)?)"), keys


def cite(node: nodes.Element, cited: set[str]) -> None:
    """Make references of the works that a document names. Args: cited: the keys that it has named before."""
    for child in list(node.children):
        if isinstance(child, nodes.Text):
            _cite_names(child, cited)
        elif isinstance(child, nodes.emphasis):
            key = _titles().get(" ".join(child.astext().lower().split()))
            if key and key not in cited:
                cited.add(key)
                node.replace(child, _reference(key, child))
        elif isinstance(child, nodes.Element) and not isinstance(child, UNTOUCHED) and not stands_apart(child):
            cite(child, cited)


def _cite_names(text: nodes.Text, cited: set[str]) -> None:
    """Replace a text by its pieces, some of them references."""
    pattern, keys = _names()
    words = text.astext()
    pieces: list[nodes.Node] = []
    end = 0
    for match in pattern.finditer(words):
        key = keys.get((match[1], match[2]))
        if key is None or key in cited:
            continue
        cited.add(key)
        stop = match.end() - (match[0].endswith(")") and "(" not in match[0])  # "(Malladi et al. 2023)"
        pieces += [nodes.Text(words[end : match.start()]), _reference(key, nodes.Text(words[match.start() : stop]))]
        end = stop
    if pieces:
        text.parent.replace(text, [*pieces, nodes.Text(words[end:])])


def _reference(key: str, child: nodes.Node) -> nodes.reference:
    reference = nodes.reference("", "", internal=True, classes=["citing"], key=key)
    reference += child
    return reference


def cite_works(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    """Make the references of a page, with their addresses."""
    if app.builder.format != "html" or not docname.startswith(FOLDERS):
        return
    cite(doctree, set())
    for node in doctree.findall(nodes.reference):
        if "key" in node:
            node["refuri"] = f"{app.builder.get_relative_uri(docname, 'bibliography')}#{node['key']}"


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the extension with Sphinx; the terms come after it, and leave what is a link."""
    # pybtex reads the metadata of all packages for each plugin of each entry, some five seconds in all: once will do
    pybtex.plugin._load_entry_point = cache(pybtex.plugin._load_entry_point)
    app.connect("doctree-resolved", cite_works, priority=400)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
