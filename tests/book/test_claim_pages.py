"""Every claim has a page with every part, made of the registry, the proofs and the records, and nothing typed."""

import re
from functools import cache

import claim_parts as parts
import pytest
from claim_pages import page, write_claims

from mezo_lab.claims import REGISTRY, claim_named

pytestmark = pytest.mark.repo

CLAIMS = parts.ordered()
HEADINGS = (
    "Try it",
    "Laws and formulas",
    "Assumptions",
    "Derivation",
    "The last verification",
    "Where it is used",
    "Published sentences that it corrects",
    "Sources",
    "Related claims",
    "Permalink",
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    staged = tmp_path_factory.mktemp("book")
    write_claims(staged)
    return staged / "claims"


@cache
def page_of(name: str) -> str:
    return page(claim_named(name), None, None)


def section(text: str, heading: str) -> str:
    """What stands below a heading."""
    return re.split(r"^## ", text.split(f"\n## {heading}\n", 1)[1], maxsplit=1, flags=re.MULTILINE)[0].strip()


def test_every_claim_has_a_page_and_there_is_no_other(folder):
    names = {file.stem for file in folder.glob("*.md")}
    assert names == {claim.id for claim in REGISTRY.values()} | {"index", "matrix"}


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.id)
def test_every_page_has_every_part_or_says_that_it_is_missing(claim):
    text = page_of(claim.name)
    assert text.count(f"```{{math}}\n{claim.statement}\n```") == 1
    assert [each for each in re.findall(r"^## (.*)$", text, re.MULTILINE)] == list(HEADINGS)
    for heading in HEADINGS:
        assert len(section(text, heading)) > 20, heading
    assert "Verified" in text and "<svg" in text and "<table>" in text
