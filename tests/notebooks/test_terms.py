"""A term of the glossary stands in a notebook no earlier than the text that defines it."""

import re
from pathlib import Path

import build
import pytest

NOTEBOOKS = Path(__file__).resolve().parents[2] / "notebooks"
# where a text names a term otherwise than the glossary does, or uses its word for other things as well
PATTERNS = {
    "confidence interval": r"\bconfidence intervals?\b",
    "coordinate": r"\bcoordinate\b(?= law| \|)",
    "exact mode": r"\bexact (mode|parameters)\b",
    "flip": r"\b(answers? flips?|flips? of answers?|flips?(?= in number))\b",
    "Hutchinson's estimator": r"\bHutchinson\b",
    "in place": r"\bin place\b(?! of)",
    "Lanczos iteration": r"\bLanczos('s?)?( iteration)?",
    "one-sided difference": r"\bone.sided( differences?)?\b",
    "orthogonal": r"\borthogonal\b(?= law| probes| \|)",
    "paired difference": r"\bpaired (gain|difference)s?\b",
    "process, rank": r"(?<!effective )(?<!effective-)\branks?\b",
    "random search, by sign": r"\brandom search\b",
    "rule": r"\bupdate rules?\b",
    "sphere": r"\bsphere\b(?= law| \|)",
    "uniform": r"\buniform\b(?= law| \|)",
    "validation examples": r"\bvalidation (examples|reviews)\b",
    "Wilson interval": r"\bWilson's interval\b",
    "zeroth-order method": r"\bzeroth.order\b",
}
AHEAD = r"\*\*(Claim|You will be able to|Before this|Time|In the paper|Further reading|Next|Licence)\b.*?(?=\n\n|\Z)"
HEADING = re.compile(r"^#+ .*$", re.MULTILINE)  # it names what follows


def pattern(term: str) -> str:
    """How a text names a term of the glossary."""
    words = re.split(r"[ -]", term.partition(",")[0])
    return PATTERNS.get(term, r"\b" + r"[\s–-]".join(map(re.escape, words)) + r"(e?s)?\b")


def glossary() -> dict[str, str]:
    """The terms of the glossary and their patterns."""
    rows = re.findall(r"^\| (.+?) \| .*\|$", (NOTEBOOKS / "GLOSSARY.md").read_text(), re.MULTILINE)
    return {term: pattern(term) for term in rows if term != "term"}


def known() -> str:
    """What the course takes for granted: the prerequisites of the syllabus."""
    text = (NOTEBOOKS / "SYLLABUS.md").read_text()
    return text[text.index("**Prerequisites.**") : text.index("**Form.**")]


def body(text: str) -> str:
    """Without headings and the parts of a notebook that look ahead, and without the names of code and of files."""
    text = HEADING.sub("", text)
    text = re.sub(AHEAD, "", text, flags=re.DOTALL)
    text = re.sub(r"\]\([^)]*\)", "]", text)
    return " ".join(re.sub("```.*?```|`[^`]*`", "", text, flags=re.DOTALL).split())


def is_defined(term: str, text: str) -> re.Match | None:
    """Where a text sets a term in bold or italics, explains it in a row of a table, or says what is called by it."""
    emphasis = rf"\*{{1,2}}(an? |the )?({term})[.:]?\*{{1,2}}"
    return re.search(rf"{emphasis}|\| *({term}) *\||\bcalled (an? |the )?\W*({term})", text, re.IGNORECASE)


def too_early(term: str, course: str) -> str:
    """The words around a use before the definition; "" where there is none."""
    used = re.search(term, course, re.IGNORECASE)
    defined = is_defined(term, course)
    if used is None or (defined is not None and defined.start() <= used.start()):
        return ""
    return course[max(0, used.start() - 60) : used.end() + 30]


def course() -> str:
    """The text of all notebooks, in their order."""
    cells = [cell for name in build.names() for cell in build.read(name).cells if cell.cell_type == "markdown"]
    return "\n\n".join(body(cell.source) for cell in cells)


COURSE = course()
TERMS = glossary()
KNOWN = {term for term in TERMS if re.search(TERMS[term], known(), re.IGNORECASE)}


@pytest.mark.repo
@pytest.mark.parametrize("term", [term for term in TERMS if term not in KNOWN])
def test_a_term_is_defined_no_later_than_it_is_used(term):
    assert too_early(TERMS[term], COURSE) == ""


@pytest.mark.repo
def test_most_terms_of_the_glossary_are_defined_in_the_text():
    used = {term for term in TERMS if re.search(TERMS[term], COURSE, re.IGNORECASE)}
    assert len(TERMS) > 100 and len(used) > 80 and len(KNOWN) < 25


@pytest.mark.parametrize(
    ("text", "early"),
    [
        ("A sweep costs time. A **sweep** is a pass.", True),
        ("Two sweeps are enough.", True),
        ("A **sweep** is a pass. A sweep costs time.", False),
        ("**Sweep.** One pass. Two sweeps cost time.", False),
        ("| sweep | one pass | Two sweeps cost time.", False),
        ("One pass over all of them is called a sweep. Two sweeps cost time.", False),
        ("Nothing of the kind.", False),
    ],
)
def test_a_use_before_the_definition_is_seen(text, early):
    assert bool(too_early(pattern("sweep"), text)) == early
