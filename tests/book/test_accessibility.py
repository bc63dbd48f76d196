"""Pages of the book can be read with the keyboard, with a screen reader, in the dark and on a phone: axe-core finds no
serious fault on a page of every kind, and nothing is wider than a phone.
"""

import json
from pathlib import Path

import pytest
from chromium import Chromium, Page
from vendor import vendored

pytestmark = [pytest.mark.repo, pytest.mark.browser]

KINDS = {  # of pages, an address of each
    "start": "index.html",
    "notebook": "notebooks/03_the_dispute.html",
    "course": "notebooks/README.html",
    "guide": "docs/optimizer.html",
    "errata": "docs/errata.html",
    "claim": "claims/A2.html",
    "claims": "claims/index.html",
    "matrix": "claims/matrix.html",
    "API": "api/index.html",
    "glossary": "glossary.html",
    "bibliography": "bibliography.html",
    "cite": "cite.html",
    "playground": "playground.html",
    "prover": "prove.html",
    "search": "search.html?q=norm+factor",
    "index": "genindex.html",
}
SERIOUS = ("serious", "critical")
PHONE = 420
WIDE = 1280


def shown(page: Page, address: str, width: int, dark: bool) -> None:
    """Open a page and wait until its formulas and its search results are drawn."""
    page.emulate(width, dark=dark)
    page.navigate(address)
    page.wait_for("document.readyState === 'complete'")
    page.evaluate("window.MathJax?.startup?.promise")
    if "search.html" in address:
        page.wait_for("document.querySelectorAll('#search-results li').length > 0")


def faults(page: Page) -> list[str]:
    """What axe-core finds on a page, serious or worse: the rule and the first elements that break it."""
    page.evaluate(vendored("axe-core", "axe.min.js").read_text(encoding="utf-8") + ";0")
    found = json.loads(page.evaluate("axe.run({resultTypes: ['violations']}).then(found => JSON.stringify(found))"))
    return [
        f"{fault['id']}: {fault['help']}: {[node['html'][:160] for node in fault['nodes'][:4]]}"
        for fault in found["violations"]
        if fault["impact"] in SERIOUS
    ]


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("kind", KINDS)
def test_axe_finds_no_serious_fault_on_a_page_of_every_kind(
    site: Path, browser: Chromium, kind: str, dark: bool
) -> None:
    """Controls have names, text has contrast, what scrolls can be reached, headings and landmarks are in order."""
    page = browser.open()
    shown(page, f"{site.as_uri()}/{KINDS[kind]}", WIDE, dark)
    found = faults(page)
    page.close()
    assert not found
