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
WITH_HEADINGS = ("docs/", "notebooks/")  # pages whose sections are found by name
CODE = re.compile(r"[‖²=^]|\)/")  # a formula that is written as code
SHORTEST = 2  # signs of a formula that is kept
LONGEST = 160
GREEK = {
    name: letter
    for letter in "αβγδεζηθκλμνξπρστφχψω"
    for name in [unicodedata.name(letter).split()[-1].lower().replace("lamda", "lambda")]
} | {"varepsilon": "ε", "ell": "ℓ"}
END = "(?![a-zA-Z])"  # of a name in TeX
SUM = r"\{([^{}]*[-+−/][^{}]*)\}"  # a group that stands in brackets once it has no braces, and any other
GROUP = r"\{([^{}]*)\}"

# How a formula becomes one line without spaces: (what, by what) in this order. Each pattern means the same to Python
# and to JavaScript (flags "gu"): search.js reads it in search_names.js, so what is typed and what is found meet.
RULES = {
    "first": [
        (r"\\\||\\[lr]?Vert" + END + r"|\|\|", "‖"),
        (r"\\leq?" + END + "|<=", "≤"),
        (r"\\geq?" + END + "|>=", "≥"),
        (r"\^\{?(?:\\top|T)\}?", "ᵀ"),
        (r"\*\*", "^"),
        ("½", "1/2"),
        *((sign, f"^{digit}") for digit, sign in enumerate("⁰¹²³⁴⁵⁶⁷⁸⁹")),
        *((rf"(?<![a-zA-Z])\\?[{name[0].upper()}{name[0]}]{name[1:]}{END}", letter) for name, letter in GREEK.items()),
        *(
            (rf"\\{name}\s*\{{?\s*([^\s{{}}\\])\s*\}}?", f"$1{accent}")
            for name, accent in {"(?:wide)?hat": "\u0302", "(?:wide)?tilde": "\u0303", "bar": "\u0304"}.items()
        ),
        (
            r"\\(?:left|right|[bB]igg?[lr]?|math(?:bb|rm|bf|cal|it)|operatorname|text|(?:display|text)style)"
            + END
            + r"\s*",
            "",
        ),
        (r"\\([dt]?frac)\s*(\d)\s*(\d)", r"\$1{$2}{$3}"),
    ],
    "until nothing changes": [  # groups, the innermost first
        ("(?<![a-zA-Z}])" + GROUP, "$1"),  # of an exponent, an index or a font
        (r"\\sqrt\s*" + SUM, "√($1)"),
        (r"\\sqrt\s*" + GROUP, "√$1"),
        (r"\\[dt]?frac\s*" + SUM + r"\s*" + SUM, "($1)/($2)"),
        (r"\\[dt]?frac\s*" + SUM + r"\s*" + GROUP, "($1)/$2"),
        (r"\\[dt]?frac\s*" + GROUP + r"\s*" + SUM, "$1/($2)"),
        (r"\\[dt]?frac\s*" + GROUP + r"\s*" + GROUP, "$1/$2"),
    ],
    "last": [
        (rf"\\(?:cdot|times|q?quad){END}|\\[,;:! ]|[\s{{}}\[\]*·×&]", ""),
        (r"\\?sqrt" + END, "√"),
        ("−", "-"),
    ],
}


def plain(formula: str) -> str:
    r"""A formula as one types it in a line, without spaces: TeX, Unicode and the grammar of `--expect` come out alike.

    >>> plain(r"\mathbb{E}\,\|\hat g\|^2 = \frac{d+n+1}{n}\|g\|^2"), plain("E‖ĝ‖²"), plain("(d + n − 1)/n")
    ('e‖ĝ‖^2=(d+n+1)/n‖g‖^2', 'e‖ĝ‖^2', '(d+n-1)/n')
    """
    text = _replaced(unicodedata.normalize("NFC", formula), "first")
    while (opened := _replaced(text, "until nothing changes")) != text:
        text = opened
    return unicodedata.normalize("NFC", _replaced(text, "last")).lower()


def _replaced(text: str, rules: str) -> str:
    for pattern, new in RULES[rules]:
        text = re.sub(pattern, lambda found, new=new: re.sub(r"\$(\d)", lambda place: found[int(place[1])], new), text)
    return text


def formulas_of(document: nodes.document) -> list[str]:
    """The formulas of a page, each once, as `plain` writes them."""
    found = list(document.findall(lambda node: isinstance(node, nodes.math | nodes.math_block)))
    found += [node for node in document.findall(nodes.literal) if CODE.search(node.astext())]
    written = (plain(node.astext()) for node in found)
    return sorted({formula for formula in written if SHORTEST <= len(formula) <= LONGEST})


def headings(document: nodes.document) -> list[tuple[str, str]]:
    """The sections of a page, without its title: (heading, anchor)."""
    sections = list(document.findall(nodes.section))[1:]
    return [(section[0].astext(), section["ids"][0]) for section in sections if isinstance(section[0], nodes.title)]


def subject(document: nodes.document) -> list[str]:
    """The name of which a page speaks: the code with which its first paragraph begins, if it does."""
    first = next(iter(document.findall(nodes.paragraph)), None)
    return [first[0].astext()] if first and first.children and isinstance(first[0], nodes.literal) else []


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
        if page.startswith(WITH_HEADINGS):
            entry |= {"names": subject(env.get_doctree(page)), "headings": headings(env.get_doctree(page))}
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
        entry = {"kind": "API", "type": thing.objtype, "title": title, "page": thing.docname, "names": names}
        found.append(entry | {"anchor": thing.node_id})
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
        data = json.dumps({"rules": RULES, "entries": entries(app.env)}, ensure_ascii=False, separators=(",", ":"))
        (app.outdir / "_static" / "search_names.js").write_text(f"const MEZO_NAMES = {data};\n", encoding="utf-8")


def setup(app: Sphinx) -> dict[str, bool]:
    """Called by Sphinx."""
    app.connect("build-finished", write)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
