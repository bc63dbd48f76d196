"""The search of the book finds claims, names of the library, terms and formulas: what was typed leads to a page among
the first three, from a folder without a server.
"""

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
import search_names
from chromium import Chromium, Page

pytestmark = pytest.mark.repo

FIRST = 3
SOUGHT = {  # what is typed: the page that must be among the first
    "A2": "claims/A2.html",
    "a2 norm-factor": "claims/A2.html",
    "norm-factor": "claims/A2.html",
    "norm factor": "claims/A2.html",
    "E‖ĝ‖²": "claims/A2.html",
    "(d+n+1)/n": "notebooks/03_the_dispute.html",
    "(d + n − 1)/n": "notebooks/03_the_dispute.html",
    r"\frac{d+n-1}{n}": "claims/A2.html",
    "low-rank": "claims/B3.html",
    "E1": "claims/E1.html",
    "best-step": "claims/B6.html",
    "SPSA": "notebooks/01_from_random_search_to_spsa.html",
    "κ": "glossary.html",
    "kurtosis": "glossary.html",
    "effective rank": "notebooks/05_effective_rank.html",
    "dispute": "notebooks/03_the_dispute.html",
    "MeZO": "api/",
    "two_point": "api/",
    "state_dict": "api/",
    "随机搜索": "notebooks/zh/",
    "errata": "docs/errata.html",
    "playground": "playground.html",
    "learning rate": "docs/learning-rate.html",
}


@pytest.fixture(scope="module")
def page(browser: Chromium) -> Iterator[Page]:
    """A page for all queries."""
    opened = browser.open()
    yield opened
    opened.close()


def found(page: Page, site: Path, query: str) -> list[str]:
    """The addresses that a query finds, in their order."""
    page.navigate(f"{site.as_uri()}/search.html?q={quote(query)}")
    page.wait_for("document.querySelector('.search-summary').innerText !== ''")
    links = page.evaluate("[...document.querySelectorAll('ul.search a')].map(link => link.href)")
    return [link.removeprefix(site.as_uri() + "/") for link in links]


@pytest.mark.browser
@pytest.mark.parametrize("query", SOUGHT)
def test_a_query_finds_its_page_among_the_first(site: Path, page: Page, query: str) -> None:
    """By id, by name, by formula in any of its spellings, by word."""
    addresses = found(page, site, query)
    assert any(address.startswith(SOUGHT[query]) for address in addresses[:FIRST]), addresses[:10]


@pytest.mark.browser
def test_a_formula_that_no_page_has_finds_nothing_by_its_letters(site: Path, page: Page) -> None:
    """What Sphinx would make of it, the pages with the letters d and n, is every page."""
    assert found(page, site, "(d+n+1)/n") != []
    assert len(found(page, site, "(d+n+1)/n")) < len(list(site.rglob("*.html"))) / 2


@pytest.mark.browser
def test_the_page_that_is_opened_marks_words_and_no_single_letters(site: Path, page: Page) -> None:
    """Sphinx marks what was sought on the page that is opened next; a formula would mark each d of it."""
    found(page, site, "(d+n-1)/n dispute")
    assert page.evaluate("localStorage.getItem('sphinx_highlight_terms')") == "dispute"


@pytest.mark.browser
def test_both_languages_write_a_formula_alike(site: Path, page: Page) -> None:
    """search.js reads what a reader types, search_names.py what the pages have."""
    found(page, site, "A2")
    for typed in ("E‖ĝ‖²", "(d + n − 1)/n", r"\|\hat g\|^2", "(κ-3)", "z^T g", "η²ℓ", "2·d**2", r"\frac{d+1}{n}"):
        assert page.evaluate(f"plainFormula({typed!r})") == search_names.plain(typed)


@pytest.mark.parametrize(
    ("written", "plain"),
    [
        (r"\frac{\mathrm{tr}(H) + 2}{n}\,\|g\|^{2}", "(tr(h)+2)/n‖g‖^2"),
        (r"\sigma\sqrt{2/\pi}", "σ√(2/π)"),
        (r"\frac12 z^\top H z", "1/2zᵀhz"),
        (r"\left\lVert\widehat{g}\right\rVert", "‖ĝ‖"),
    ],
)
def test_tex_becomes_what_is_typed_in_a_line(written: str, plain: str) -> None:
    """Braces, fonts and fractions of TeX are gone."""
    assert search_names.plain(written) == plain
