"""What the project cites, and where: the entries of references.bib, found again in claims, errata, notebooks and pages.

Nothing is listed by hand. A work is cited where its arXiv number, its address or its title stands, where its first
author's surname comes shortly before its year, or where a phrase of its field `annotation` does.
"""

import ast
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import nbformat
from api_pages import page_of
from folders import BOOK, ROOT
from pybtex.database import parse_file

from mezo_lab.claims import REGISTRY
from mezo_lab.claims.selection import order
from mezo_lab.claims.sentences import paper, projects

PAPER = "malladi2023mezo"
PARTS = {
    "paper": "The paper",
    "after": "After MeZO",
    "code": "Code",
    "descent": "Zeroth-order estimates and stochastic descent",
    "curvature": "Curvature",
    "statistics": "Moments, statistics, random numbers and rounding",
    "models": "Language models, data, memory and machines",
}
LEFT_OUT = ("docs/claims.md", "docs/errata.md", "docs/README.md", "docs/pypi.md", "notebooks/README.md")


@dataclass(frozen=True)
class Place:
    """Where a work is cited: `name` as it is printed, and `target`, a path from the top of the book."""

    kind: str
    name: str
    target: str


@dataclass(frozen=True)
class Work:
    """An entry of references.bib. `authors` holds (surname, given names); the name of a group is a surname."""

    fields: dict[str, str]
    authors: tuple[tuple[str, tuple[str, ...]], ...]


@cache
def entries() -> dict[str, Work]:
    """The works by their keys, in the order of references.bib."""
    read: Any = parse_file(str(BOOK / "pages" / "references.bib"), bib_format="bibtex").entries
    works = {}
    for key, entry in read.items():
        people = entry.persons["author"]
        surnames = [plain(" ".join([*person.prelast_names, *person.last_names])) for person in people]
        given = [(*person.first_names, *person.middle_names) for person in people]
        works[key] = Work(
            {name.lower(): text for name, text in entry.fields.items()}, tuple(zip(surnames, given, strict=True))
        )
    return works


def plain(text: str) -> str:
    """A field without the marks of BibTeX, and an accented letter as one."""
    accented = re.sub(r"\\'\{(\w)\}", lambda match: match[1] + "\N{COMBINING ACUTE ACCENT}", text)
    return re.sub(r"[{}\\]", "", accented)


def label(work: Work) -> str:
    """Authors and year, as the project writes them: Malladi et al. (2023)."""
    names = [name for name, _ in work.authors]
    if len(names) > 3 or names[-1] == "others":
        return f"{names[0]} et al. ({work.fields['year']})"
    return f"{' and '.join(filter(None, (', '.join(names[:-1]), names[-1])))} ({work.fields['year']})"


@cache
def _marks() -> dict[str, tuple[list[str], list[str], re.Pattern[str]]]:
    """By what each work is recognised: texts in any case, phrases in their own, its number, and "surname … year"."""
    years = [(work.authors[0][0], work.fields["year"]) for work in entries().values()]
    marks = {}
    for key, work in entries().items():
        fields = work.fields
        texts = []
        if "url" in fields:
            texts.append(fields["url"].lower())
        title = plain(fields["title"])
        if len(title) > 20:  # a short one is a phrase of the everyday
            texts.append(title.lower())
        phrases = [phrase.strip() for phrase in fields.get("annotation", "").split(";") if phrase.strip()]
        name = work.authors[0][0]
        year = fields["year"]
        patterns = []
        if "eprint" in fields:
            patterns.append(rf"(?<![\d.]){re.escape(fields['eprint'])}(?!\d)")
        if years.count((name, year)) == 1:
            patterns.append(rf"\b{re.escape(name)}\b[^();:.\d]{{0,40}}(?:et al\.)?,? ?\(?{year}\b")
        marks[key] = (texts, phrases, re.compile("|".join(patterns) or r"(?!)"))
    return marks


def cited(text: str) -> list[str]:
    """The keys of the works that a text cites, in the order of references.bib."""
    single = " ".join(text.split())
    lower = single.lower()
    keys = []
    for key, (texts, phrases, pattern) in _marks().items():
        work = entries()[key]
        likely = work.fields.get("eprint", "?") in single or work.authors[0][0] in single  # a search costs more
        by_text = any(each in lower for each in texts) or any(each in single for each in phrases)
        if by_text or (likely and pattern.search(single)):
            keys.append(key)
    return keys


def cited_by_claim(source: str) -> list[str]:
    """The same of a claim's `source`, in which "paper" is the paper."""
    keys = cited(source)
    if re.search(r"\bpaper\b", source) and PAPER not in keys:
        keys.insert(0, PAPER)
    return keys


@cache
def places() -> dict[str, list[Place]]:
    """Where each work is cited: claims, errata, notebooks, pages, and the library's docstrings."""
    cited_in: dict[str, list[Place]] = {key: [] for key in entries()}

    def add(keys: list[str], place: Place) -> None:
        for key in keys:
            if place not in cited_in[key]:
                cited_in[key].append(place)

    claims = sorted(REGISTRY.values(), key=order)
    for claim in claims:
        add(cited_by_claim(claim.source), Place("claims", claim.id, f"claims/{claim.id}.md"))
    sentences = [sentence for claim in claims for sentence in claim.published]
    for sentence in [*sentences, *paper.UNTESTED, *projects.UNTESTED]:
        text = " ".join((sentence.source, sentence.address, sentence.corrected, sentence.conditions))
        add(cited(text), Place("errata", sentence.name, f"docs/errata.md#{sentence.name}"))
    for file in sorted(ROOT.glob("notebooks/*.ipynb")):
        cells = nbformat.read(file, as_version=4).cells
        text = "\n\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
        add(cited(text), Place("notebooks", str(int(file.name[:2])), f"notebooks/{file.name}"))
    for file in sorted([*ROOT.glob("docs/*.md"), *ROOT.glob("notebooks/*.md")]):
        path = file.relative_to(ROOT).as_posix()
        text = file.read_text(encoding="utf-8")
        if path not in LEFT_OUT:
            add(cited(text), Place("pages", text.splitlines()[0].removeprefix("# "), path))
    for file in sorted((ROOT / "mezo_lab").rglob("*.py")):
        module = ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        if "." in module and not module.startswith("mezo_lab.claims"):
            add(cited(_docstrings(file)), Place("library", f"`{module}`", f"api/{page_of(module)}.rst"))
    return cited_in


def _docstrings(file: Path) -> str:
    """All docstrings of a module, and its comments that name a source."""
    text = file.read_text(encoding="utf-8")
    kinds = (ast.Module, ast.ClassDef, ast.FunctionDef)
    strings = [ast.get_docstring(node) or "" for node in ast.walk(ast.parse(text)) if isinstance(node, kinds)]
    return "\n\n".join([*strings, *re.findall(r"#.*(?:et al\.|Source|\d{4}).*", text)])
