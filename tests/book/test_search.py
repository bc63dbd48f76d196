"""The search of the book finds claims, names of the library, terms and formulas: what was typed leads to a page among
the first three, from a folder without a server.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
import search_names
from chromium import Chromium, Page
from docutils.core import publish_doctree

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
    "κ": "glossary.html#term-kurtosis",
    "kappa": "glossary.html#term-kurtosis",
    "kurtosis": "glossary.html#term-kurtosis",
    "effective rank": "notebooks/05_effective_rank.html",
    "dispute": "notebooks/03_the_dispute.html",
    "memory": "docs/costs.html#memory",
    "optimizer": "docs/optimizer.html",
    "ReferenceMeZO": "api/optim.html#mezo_lab.optim.ReferenceMeZO",
    "two_point": "api/sampling.html#mezo_lab.sampling.two_point",
    "state_dict": "api/optim.html#mezo_lab.optim.MeZO.state_dict",
    "随机搜索": "notebooks/zh/",
    "errata": "docs/errata.html",
    "playground": "playground.html",
    "learning rate": "docs/learning-rate.html",
}
ONE_LINE = {  # how a formula may be written: what it is for the search
    "E‖ĝ‖²": "e‖ĝ‖^2",
    "(d + n − 1)/n": "(d+n-1)/n",
    r"\|\hat g\|^2": "‖ĝ‖^2",
    "(kappa-3)": "(κ-3)",
    "z^T g": "zᵀg",
    "η²·ell": "η^2ℓ",
    "2·d**2": "2d^2",
    r"\frac{d+1}{n}": "(d+1)/n",
    r"\frac{\mathrm{tr}(H) + 2}{n}\,\|g\|^{2}": "(tr(h)+2)/n‖g‖^2",
    r"\sigma\sqrt{2/\pi}": "σ√(2/π)",
    "sigma*sqrt(2/pi)": "σ√(2/π)",
    r"\sqrt{d}": "√d",
    r"\frac12 z^\top H z": "1/2zᵀhz",
    "½zᵀHz": "1/2zᵀhz",
    r"\left\lVert\widehat{g}\right\rVert": "‖ĝ‖",
    r"\hat{\theta}\leq\tfrac{1}{\sqrt{n}}": "θ̂≤1/√n",
    r"\mu \ge 0": "μ≥0",
}
FULL_TITLES = {  # a word that is no class and no function as it is typed: what is called so, or holds it in its title
    "optimizer": {"docs/optimizer.html", "notebooks/09_mezo_the_optimizer.html"},
    "memory": {"claims/C6.html", "docs/costs.html#memory"},
    "seed": {"glossary.html#term-seed"},
    "variance": {"claims/A4.html", "glossary.html#term-variance"},
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
def test_a_class_a_page_and_a_notebook_of_one_name_come_first(site: Path, page: Page) -> None:
    """Before a property and a function that have the name in other letters."""
    first = {"api/optim.html#mezo_lab.optim.MeZO", "docs/optimizer.html", "notebooks/09_mezo_the_optimizer.html"}
    assert set(found(page, site, "MeZO")[:FIRST]) == first


@pytest.mark.browser
@pytest.mark.parametrize("word", FULL_TITLES)
def test_titles_and_terms_come_before_members_of_the_library(site: Path, page: Page, word: str) -> None:
    """Pages, claims and terms first; attributes and functions of the name are found as well."""
    addresses = found(page, site, word)
    members = [place for place, address in enumerate(addresses) if "#mezo_lab." in address]
    titles = [addresses.index(title) for title in FULL_TITLES[word]]
    assert max(titles) < min(members), addresses[:10]


@pytest.mark.browser
def test_a_formula_that_no_page_has_finds_nothing_by_its_letters(site: Path, page: Page) -> None:
    """What Sphinx would make of it, the pages with the letters d and n, is every page."""
    assert found(page, site, "(d+n+1)/n") != []
    assert found(page, site, "(d+n+17)/n") == []


@pytest.mark.browser
def test_the_page_that_is_opened_marks_words_and_no_single_letters(site: Path, page: Page) -> None:
    """Sphinx marks what was sought on the page that is opened next; a formula would mark each d of it."""
    found(page, site, "(d+n-1)/n dispute")
    assert page.evaluate("localStorage.getItem('sphinx_highlight_terms')") == "dispute"


@pytest.mark.browser
def test_both_languages_write_a_formula_alike(site: Path, page: Page) -> None:
    """search.js reads what a reader types, search_names.py what the pages have."""
    found(page, site, "A2")
    for typed in (*ONE_LINE, *ONE_LINE.values()):
        assert page.evaluate(f"plainFormula({json.dumps(typed)})") == search_names.plain(typed), typed


@pytest.mark.parametrize("written", ONE_LINE)
def test_tex_unicode_and_code_become_what_is_typed_in_a_line(written: str) -> None:
    """Braces, fonts and fractions of TeX are gone, and what is plain stays so."""
    assert search_names.plain(written) == ONE_LINE[written]
    assert search_names.plain(ONE_LINE[written]) == ONE_LINE[written]


def test_a_page_is_found_by_its_headings_and_by_the_name_of_which_it_speaks() -> None:
    """The code with which its first paragraph begins, as `MeZO` in the page of the optimizer."""
    text = "Title\n=====\n\n``MeZO`` is an optimizer.\n\nA step\n------\n\nIt ``steps``.\n\nMemory\n------\n\nNone.\n"
    document = publish_doctree(text, settings_overrides={"doctitle_xform": False})
    assert search_names.subject(document) == ["MeZO"]
    assert search_names.headings(document) == [("A step", "a-step"), ("Memory", "memory")]
    assert search_names.subject(publish_doctree("A page of ``MeZO``.")) == []
