"""What the search of the book finds before the words of its pages: claims, names of the library, terms of the glossary,
titles, and formulas. The index of Sphinx keeps none of them whole: "(d+n-1)/n" becomes "d" and "n".

An extension of Sphinx: it writes `_static/search_names.js`, which static/search.js reads on the page of the search.
"""

import json
import re
import unicodedata
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from terms import read_glossary

from mezo_lab.claims import REGISTRY

CLAIM_PAGE = re.compile(r"claims/([A-E]\d+)$")
NO_FORMULAS = "api/"  # their names are found
CODE = re.compile(r"[‖²=^]|\)/")  # a formula that is written as code
SHORTEST = 2  # signs of a formula that is kept
LONGEST = 160
GREEK = {
    name: letter
    for letter in "αβγδεζηθκλμνξπρστφχψω"
    for name in [unicodedata.name(letter).split()[-1].lower().replace("lamda", "lambda")]
} | {"varepsilon": "ε", "ell": "ℓ"}
SIGNS = {
    "‖": r"\\\||\\[lr]?Vert(?![a-zA-Z])|\|\|",
    "≤": r"\\leq?(?![a-zA-Z])",
    "≥": r"\\geq?(?![a-zA-Z])",
    "ᵀ": r"\^\{?(?:\\top|T)\}?",
    "^": r"\*\*",
}
ACCENTS = {"hat": "\u0302", "widehat": "\u0302", "tilde": "\u0303", "bar": "\u0304"}
FONTS = "left|right|[bB]igg?[lr]?|math(?:bb|rm|bf|cal|it)|operatorname|text|displaystyle"
GROUP = r"\{([^{}]*)\}"


def plain(formula: str) -> str:
    r"""A formula as one types it in a line, without spaces: TeX, Unicode and the grammar of `--expect` come out alike.

    >>> plain(r"\mathbb{E}\,\|\hat g\|^2 = \frac{d+n+1}{n}\|g\|^2"), plain("E‖ĝ‖²"), plain("(d + n − 1)/n")
    ('e‖ĝ‖^2=(d+n+1)/n‖g‖^2', 'e‖ĝ‖^2', '(d+n-1)/n')
    """
    text = unicodedata.normalize("NFC", formula)
    for sign, pattern in SIGNS.items():
        text = re.sub(pattern, sign, text)
    for name, accent in ACCENTS.items():
        text = re.sub(rf"\\{name}\s*\{{?\s*(\w)\s*\}}?", rf"\1{accent}", text)
    text = re.sub(rf"\\(?:{FONTS})\s*", "", text)
    text = re.sub(r"\\([a-zA-Z]+)", lambda found: GREEK.get(found[1].lower(), found[0]), text)
    text = re.sub(r"\\([dt]?frac)(\d)(\d)", r"\\\1{\2}{\3}", text)
    while (opened := _opened(text)) != text:
        text = opened
    text = re.sub(r"\\(?:cdot|times|q?quad|[,;:! ])|[\s{}\[\]*·×&]", "", text)
    text = "".join("^" + unicodedata.normalize("NFKC", sign) if sign in "⁰¹²³⁴⁵⁶⁷⁸⁹" else sign for sign in text)
    return unicodedata.normalize("NFC", text.replace("−", "-")).lower()


def _opened(text: str) -> str:
    """The innermost groups of a formula in TeX without their braces."""
    text = re.sub(r"(?<![a-zA-Z}])" + GROUP, r"\1", text)  # of an exponent, an index or a font
    text = re.sub(r"\\sqrt\s*" + GROUP, lambda found: "√" + _whole(found[1]), text)
    return re.sub(rf"\\[dt]?frac\s*{GROUP}\s*{GROUP}", lambda found: f"{_whole(found[1])}/{_whole(found[2])}", text)


def _whole(part: str) -> str:
    """In brackets where it is a sum or a quotient."""
    return f"({part})" if re.search(r"[-+−/]", part) else part


def formulas_of(document: nodes.document) -> list[str]:
    """The formulas of a page, each once, as `plain` writes them."""
    found = list(document.findall(lambda node: isinstance(node, nodes.math | nodes.math_block)))
    found += [node for node in document.findall(nodes.literal) if CODE.search(node.astext())]
    written = (plain(node.astext()) for node in found)
    return sorted({formula for formula in written if SHORTEST <= len(formula) <= LONGEST})


def entries(env: BuildEnvironment) -> list[dict[str, Any]]:
    """What can be found by name: kind, title, page, anchor, names, and for pages their formulas."""
    claims = {claim.id: claim for claim in REGISTRY.values()}
    found: list[dict[str, Any]] = []
    for page in sorted(env.found_docs):
        title = env.titles[page].astext()
        entry = {
            "kind": "page",
            "title": title,
            "page": page,
            "names": [],
            "formulas": [] if page.startswith(NO_FORMULAS) else formulas_of(env.get_doctree(page)),
        }
        match = CLAIM_PAGE.match(page)
        if match and match[1] in claims:
            claim = claims[match[1]]
            entry |= {"kind": "claim", "names": [claim.id, claim.name], "statement": plain(claim.statement)}
        found.append(entry)
    for name, thing in env.domains["py"].data["objects"].items():
        if thing.aliased:  # another path to the same thing
            continue
        title = f"{name} ({thing.objtype})"
        names = [name, name.rsplit(".", 1)[-1]]
        found.append({"kind": "API", "title": title, "page": thing.docname, "anchor": thing.node_id, "names": names})
    of_glossary = {name: term for section in read_glossary().values() for term in section for name in term.names}
    for name, written, kind, page, anchor, _ in env.domains["std"].get_objects():
        if kind == "term":
            term = of_glossary.get(name)
            names = [name, term.chinese, *re.split(r"[,;] *| = ", term.symbol)] if term else [name]
            names = [each for each in names if each]
            found.append({"kind": "term", "title": written, "page": page, "anchor": anchor, "names": names})
    return found


def write(app: Sphinx, error: Exception | None) -> None:
    """Write the names beside the static files of the site."""
    if error is None and app.builder.format == "html":
        data = json.dumps({"greek": GREEK, "entries": entries(app.env)}, ensure_ascii=False, separators=(",", ":"))
        (app.outdir / "_static" / "search_names.js").write_text(f"const MEZO_NAMES = {data};\n", encoding="utf-8")


def setup(app: Sphinx) -> dict[str, bool]:
    """Called by Sphinx."""
    app.connect("build-finished", write)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
