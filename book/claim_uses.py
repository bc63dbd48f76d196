"""Where the course and the documentation use a claim, found in their sources: by its id, by its name, by its formula.

A text names a claim by its id (A2), by its name in code or in a command (`mezo-lab verify norm-factor`), or computes
with its formula: the function of `mezo_lab.theory` that no earlier claim of the registry has.
"""

import ast
import inspect
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cache, cached_property, wraps
from pathlib import Path
from typing import TypeVar

import nbformat
import yaml
from folders import ROOT
from myst_parser.slugs import github_slugify

from mezo_lab import theory
from mezo_lab.claims import REGISTRY, Claim
from mezo_lab.claims.selection import order
from mezo_lab.course.exam import exam_problems
from mezo_lab.proofs import provable, prove

GENERATED = re.compile(r"<!-- (?P<name>[\w-]+) -->.*?<!-- end (?P=name) -->", re.DOTALL)
LEFT_OUT = ("docs/claims.md", "docs/results.md", "docs/pypi.md")  # made of all claims, or for another reader
TESTING = re.compile(r"\b(verify|prove|claim_named|check|jobs)\(")  # a cell or a function that tests claims


T = TypeVar("T")


def once(function: Callable[[Claim], T]) -> Callable[[Claim], T]:
    """The function, called once for each claim: by its name, as claims have no hash."""
    by_name = cache(lambda name: function(REGISTRY[name]))
    return wraps(function)(lambda claim: by_name(claim.name))


@dataclass(frozen=True)
class Place:
    """A section of a page, a problem of the exam, or a question, with what it says."""

    kind: str
    """"notebook", "exam", "question" or "page"."""
    page: str
    """Its path in the repository."""
    title: str
    """Of the page, or of the problem."""
    heading: str
    """Of the section; "" where the page is meant."""
    anchor: str
    """Of the heading on the page."""
    prose: str
    code: str

    @cached_property
    def _words(self) -> dict[str, set[str]]:
        """What may name a claim: ids, links to it, words of commands, and words in quotes or as code."""
        text = f"{self.prose}\n{self.code}"
        commands = re.findall(r"mezo-lab (?:verify|prove|list)\b[^`\n]*", text)
        return {
            "ids": set(re.findall(r"(?<![\w/.-])[A-E]\d{1,2}(?![\w-])", text)),
            "anchors": set(re.findall(r"#([a-e]\d{1,2}-[\w-]+)", text)),
            "commands": {word for command in commands for word in re.findall(r"[\w-]+", command)},
            "quoted": set(re.findall(r"[`\"']([\w-]+)[`\"']", text)),
            "in code": set(re.findall(r"[\"']([\w-]+)[\"']", self.code)) if TESTING.search(self.code) else set(),
            "calls": set(re.findall(r"(\w+)\(", text)),
        }

    def names(self, claim: Claim) -> bool:
        """Whether it names the claim."""
        words = self._words
        if claim.id in words["ids"] or f"{claim.id.lower()}-{claim.name}" in words["anchors"]:
            return True
        # a name that is a word of every day counts where claims are tested, as does another name of the claim
        known = words["commands"] | words["in code"]
        return not known.isdisjoint(aliases(claim)) or ("-" in claim.name and claim.name in words["quoted"])

    def computes(self, claim: Claim) -> bool:
        """Whether it calls a function of the claim's own formula."""
        return not self._words["calls"].isdisjoint(own_formulas(claim))


@once
def aliases(claim: Claim) -> tuple[str, ...]:
    """The name of the claim, and those under which `prove` derives it otherwise."""
    return tuple(dict.fromkeys([claim.name, *(name for name, law in provable() if prove(name, law).id == claim.id)]))


@once
def formulas(claim: Claim) -> tuple[str, ...]:
    """The functions of `mezo_lab.theory` that the claim's experiment uses."""
    return _theory_in(source_with_helpers(claim.build))


@once
def own_formulas(claim: Claim) -> tuple[str, ...]:
    """Those that are the claim's own: no earlier claim has them, where later ones only use them."""
    return tuple(name for name in formulas(claim) if _owner(name) == claim.name)


@cache
def _owner(formula: str) -> str:
    """The first claim whose builder uses the formula itself, or else through a helper."""
    claims = sorted(REGISTRY.values(), key=order)
    direct = [claim for claim in claims if formula in _theory_in(_closure(claim.build.__name__, _file(claim.build))[0])]
    return (direct or [claim for claim in claims if formula in formulas(claim)])[0].name


@cache
def _theory_in(source: str) -> tuple[str, ...]:
    """The functions of the theory that a source uses, each once."""
    nodes = list(ast.walk(ast.parse(source)))
    names = [node.attr for node in nodes if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "theory"]
    names += [node.id for node in nodes if isinstance(node, ast.Name)]
    known = [name for name in names if name in theory.__all__ and inspect.isfunction(getattr(theory, name))]
    return tuple(dict.fromkeys(known))


def source_with_helpers(function: Callable) -> str:
    """The source of a function and of the functions of its file that it uses, in their turn."""
    return "\n\n".join(_closure(function.__name__, _file(function)))


def _file(function: Callable) -> str:
    return inspect.getsourcefile(function) or ""


@cache
def _closure(name: str, file: str) -> tuple[str, ...]:
    """The sources of a function and its helpers; what is decorated, as the other claims of a file are, is no helper."""
    defined = _functions(file)
    helpers = {each for each, (_, decorated) in defined.items() if not decorated}
    found = [name]
    for each in found:  # grows on the way
        used = [node.id for node in ast.walk(ast.parse(defined[each][0])) if isinstance(node, ast.Name)]
        found += [other for other in dict.fromkeys(used) if other in helpers and other not in found]
    return tuple(defined[each][0] for each in found)


@cache
def _functions(file: str) -> dict[str, tuple[str, bool]]:
    """Each function of a file: its source, and whether it is decorated."""
    text = Path(file).read_text(encoding="utf-8")
    nodes = [node for node in ast.parse(text).body if isinstance(node, ast.FunctionDef)]
    return {node.name: (ast.get_source_segment(text, node) or "", bool(node.decorator_list)) for node in nodes}


@cache
def places() -> tuple[Place, ...]:
    """Everything that is searched."""
    return (*_notebooks(), *_exam(), *_questions(), *_pages())


def _notebooks() -> Iterator[Place]:
    """The sections of the notebooks, each with the sources of the checks that it calls."""
    for file in sorted(ROOT.glob("notebooks/*.ipynb")):
        cells = nbformat.read(file, as_version=4).cells
        text = "\n\n".join(
            cell.source if cell.cell_type == "markdown" else f"```python\n{cell.source}\n```" for cell in cells
        )
        path = file.relative_to(ROOT).as_posix()
        for place in _sections("notebook", path, text):
            checks = [source for name, source in _checks().items() if re.search(rf"\b{name}\(", place.code)]
            yield replace(place, code="\n\n".join([place.code, *checks]))


@cache
def _checks() -> dict[str, str]:
    """The checks of the exercises with their helpers."""
    files = ROOT.glob("mezo_lab/course/exercises/*.py")
    return {
        name: "\n\n".join(_closure(name, str(file)))
        for file in files
        for name in _functions(str(file))
        if not name.startswith("_")
    }


def _sections(kind: str, path: str, text: str) -> Iterator[Place]:
    """A Markdown text, heading by heading; fenced code is code."""
    title = heading = anchor = ""
    taken: dict[str, int] = {}
    prose: list[str] = []
    code: list[str] = []
    fenced = False
    for line in [*text.splitlines(), "# "]:
        if line.startswith("```"):
            fenced = not fenced
        elif fenced:
            code.append(line)
        elif match := re.match(r"(#{1,4}) (.*)", line):
            if prose or code:
                yield Place(kind, path, title, heading, anchor, "\n".join(prose), "\n".join(code))
            # as the book names its anchors: formulas are left out, and a second heading of the name is numbered
            words = re.sub(r"`", "", re.sub(r"\$[^$]*\$", "", match[2]))
            anchor = github_slugify(words)
            taken[anchor] = taken.get(anchor, -1) + 1
            anchor += f"-{taken[anchor]}" * (taken[anchor] > 0)
            heading = match[2]
            if match[1] == "#" and not title:
                title = heading
                heading = ""
                anchor = ""
            prose = []
            code = []
        else:
            prose.append(line)


def _exam() -> Iterator[Place]:
    sources = [file.read_text(encoding="utf-8") for file in ROOT.glob("mezo_lab/course/exam/*.py")]
    for number, problem in enumerate(exam_problems(), 1):
        (source,) = [source for source in sources if f'"{problem.title}"' in source]
        yield Place("exam", "mezo_lab/course/exam", f"Problem {number}: {problem.title}", "", "", "", source)


def _questions() -> Iterator[Place]:
    for file in sorted(ROOT.glob("notebooks/assessment/questions/*.yaml")):
        for question in yaml.safe_load(file.read_text(encoding="utf-8")):
            path = file.relative_to(ROOT).as_posix()
            yield Place("question", path, str(question["id"]), "", "", "", yaml.safe_dump(question, width=10_000))


def _pages() -> Iterator[Place]:
    """Pages of the documentation, without what is made of the registry and the records."""
    for file in sorted([*ROOT.glob("docs/*.md"), *ROOT.glob("notebooks/*.md")]):
        path = file.relative_to(ROOT).as_posix()
        if path not in LEFT_OUT:
            yield from _sections("page", path, GENERATED.sub("", file.read_text(encoding="utf-8")))


def uses(claim: Claim) -> list[Place]:
    """The places that name the claim or compute with its formula, in the order of the course."""
    return [place for place in places() if place.names(claim) or place.computes(claim)]


def text_of(claim: Claim) -> str:
    """What the claim says of itself: statement, source, docstring, corrections, and the sentences of its proofs."""
    steps = [
        step.sentence for name, law in provable() if prove(name, law).id == claim.id for step in prove(name, law).steps
    ]
    published = [f"{each.says} {each.corrected} {each.conditions} {each.command}" for each in claim.published]
    return "\n".join([claim.statement, claim.source, source_with_helpers(claim.build), *published, *steps])


@once
def named_in(claim: Claim) -> tuple[Claim, ...]:
    """The other claims that its text names."""
    place = Place("claim", "", claim.name, "", "", text_of(claim), "")
    return tuple(other for other in sorted(REGISTRY.values(), key=order) if other is not claim and place.names(other))


def related(claim: Claim) -> dict[str, list[Claim]]:
    """Why → the other claims: named in its text, naming it, or with a formula in common."""
    others = [other for other in sorted(REGISTRY.values(), key=order) if other is not claim]
    reasons = {
        "are named in its text": [other for other in others if other in named_in(claim)],
        "name it in theirs": [other for other in others if claim in named_in(other)],
    }
    for name in formulas(claim):
        reasons[f"compute with `{name}` too"] = [other for other in others if name in formulas(other)]
    together = [place for place in places() if place.kind == "notebook" and place.heading and place.names(claim)]
    reasons["stand in the same section of a notebook"] = [
        other for other in others if any(place.names(other) for place in together)
    ]
    return {why: found for why, found in reasons.items() if found}
