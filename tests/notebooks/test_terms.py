"""A term stands in a notebook no earlier than the text that defines it."""

import re

import build
import pytest

# a glossary's term → how a text names it
TERMS = {
    "decoy": r"\bdecoys?\b",
    "verdict": r"\bverdicts?\b",
    "would see": r"\bwould see\b",
    "sweep": r"\bsweeps?\b",
    "flush": r"\bflush(es)?\b",
    "closure": r"\bclosures?\b",
    "Hessian–vector product": r"\bHessian.vector products?\b",
    "prompt": r"\bprompts?\b",
    "label words": r"\blabel words?\b",
    "rank": r"(?<!effective )(?<!effective-)\branks?\b",
}
OPEN = {"sweep", "closure", "prompt", "label words", "rank"}  # not defined in time yet
HEAD = r"\*\*(Claim|You will be able to|Before this|Time|In the paper|Next)\b.*?(?=\n\n|\Z)"
HEADING = re.compile(r"^#+ .*$", re.MULTILINE)  # it names what follows


def body(text: str) -> str:
    """Without headings and the parts at the head of a notebook that look ahead, and without the names of code."""
    text = HEADING.sub("", text)
    text = re.sub(HEAD, "", text, flags=re.DOTALL)
    return " ".join(re.sub("```.*?```|`[^`]*`", "", text, flags=re.DOTALL).split())


def is_defined(term: str, text: str) -> re.Match | None:
    """Where a text sets a term in bold or italics, or says that something is called by it."""
    emphasis = rf"\*{{1,2}}({term})\*{{1,2}}"
    return re.search(rf"{emphasis}|\bcalled (a |an |the )?\W*({term})", text, re.IGNORECASE)


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


@pytest.mark.repo
@pytest.mark.parametrize("term", [term for term in TERMS if term not in OPEN])
def test_a_term_is_defined_no_later_than_it_is_used(term):
    assert too_early(TERMS[term], course()) == ""


@pytest.mark.parametrize(
    ("text", "early"),
    [
        ("A sweep costs time. A **sweep** is a pass.", True),
        ("Two sweeps are enough.", True),
        ("A **sweep** is a pass. A sweep costs time.", False),
        ("One pass over all of them is called a sweep. Two sweeps cost time.", False),
        ("Nothing of the kind.", False),
    ],
)
def test_a_use_before_the_definition_is_seen(text, early):
    assert bool(too_early(TERMS["sweep"], text)) == early
