"""Glossary, bibliography, how to cite, what changed; and the terms that explain themselves on the other pages."""

import re
import shutil
from pathlib import Path

import citations
import citing
import pytest
import terms
import yaml
from docutils import nodes
from reference_pages import bibliography_page, changes_page, citation_page, cite_errata, glossary_page

from mezo_lab.claims import REGISTRY

pytestmark = pytest.mark.repo

ROOT = Path(__file__).resolve().parents[2]
CITED = re.compile(r"\{cite(?::\w+)?\}`([^`]+)`")
IDENTIFIER = re.compile(r"(?<![\d.])(2[0-9][01][0-9]\.\d{4,5})(?:v\d+)?(?![\d])")


# ---- the bibliography ----


def test_every_entry_has_what_a_reader_needs():
    for key, entry in citations.entries().items():
        assert {"title", "year", "keywords"} <= set(entry.fields), key
        assert entry.authors and entry.fields["keywords"] in citations.PARTS, key
        assert {"eprint", "url", "journal", "booktitle", "publisher"} & set(entry.fields), key
        surname = re.sub(r"\W", "", entry.authors[0][0].split()[-1].lower())
        assert "url" in entry.fields or (key.startswith(surname) and entry.fields["year"] in key), key


def test_every_entry_is_cited_somewhere():
    assert [key for key, places in citations.places().items() if not places] == []


def test_an_entry_that_nothing_cites_is_found():
    assert citations.cited("Nobody (1900), *On nothing at all*, arXiv 0000.00000") == []


def test_every_preprint_that_the_project_names_has_an_entry():
    known = {entry.fields.get("eprint") for entry in citations.entries().values()}
    named = {}
    files = [*ROOT.glob("docs/*.md"), *ROOT.glob("notebooks/*.md"), *ROOT.glob("notebooks/src/*.py")]
    for file in [*files, *(ROOT / "mezo_lab").rglob("*.py"), ROOT / "README.md", ROOT / "CITATION.cff"]:
        for line in file.read_text(encoding="utf-8").splitlines():
            if "arxiv" in line.lower() or re.search(r"\(2\d{3}\.\d{5}\)", line):
                named |= dict.fromkeys(IDENTIFIER.findall(line), file.name)
    assert len(named) > 15 and {each: file for each, file in named.items() if each not in known} == {}


def test_every_author_with_a_year_has_an_entry():
    found = []
    files = [*ROOT.glob("docs/*.md"), *ROOT.glob("notebooks/src/*.py"), *(ROOT / "mezo_lab").rglob("*.py")]
    citation = re.compile(
        r"\b(?:Ben )?[A-Z][a-zé'-]+(?: et al\.?,?|(?:, [A-Z][a-z]+)* and [A-Z][a-z]+),? \(?(?:18|19|20)\d\d\b"
    )
    for file in files:
        for each in citation.findall(" ".join(file.read_text(encoding="utf-8").split())):
            found.append((file.name, each, citations.cited(each)))
    assert len(found) > 50
    assert [(file, each) for file, each, keys in found if not keys and not each.startswith("Zhang")] == []


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        ("Song et al. (2026), arXiv 2604.14669", ["song2026"]),
        ("Lin, Song and Xu (2025)", ["lin2025"]),
        ("Golub and Meurant (1994); Ghorbani, Krishnan and Xiao (2019)", ["golub1994", "ghorbani2019"]),
        ("https://github.com/VsonicV/es-at-scale/blob/574a9d1/es_at_scale/x.py#L1", ["esatscale2026"]),
        (
            "Multivariate stochastic approximation using a simultaneous\nperturbation gradient approximation, by whom",
            ["spall1992"],
        ),
        ("Song and others wrote this in 2025", []),
        ("they overlook the number 2604.146690", []),
    ],
)
def test_a_citation_is_recognised(text, keys):
    assert citations.cited(text) == keys


def test_the_source_of_a_claim_says_paper_for_the_paper():
    assert citations.cited_by_claim("paper, Lemma 1") == [citations.PAPER]
    assert citations.cited_by_claim("derived") == []
    sources = {place.name for place in citations.places()[citations.PAPER] if place.kind == "claims"}
    assert sources == {claim.id for claim in REGISTRY.values() if "paper" in claim.source}


def test_the_page_has_every_entry_once_and_where_it_is_cited():
    page = bibliography_page()
    for key in citations.entries():
        assert page.count(f'key == "{key}"') == 1 and f"({key})=\n" in page
    assert page.count("\nCited in ") == len(citations.entries())
    assert "[E13](claims/E13.md)" in page and "[walk-length](docs/errata.md#walk-length)" in page


def test_the_errata_cite_the_bibliography(tmp_path):
    page = tmp_path / "errata.md"
    shutil.copy(ROOT / "docs" / "errata.md", page)
    cite_errata(page)
    text = page.read_text(encoding="utf-8")
    assert text.startswith("# Errata of the literature\n")
    places = re.findall(r"^- where: .*$", text, re.MULTILINE)
    assert len(places) > 30 and [place for place in places if not CITED.search(place)] == []
    assert set(CITED.findall(text)) <= set(citations.entries())


def test_every_key_on_a_page_of_the_book_exists():
    keys = {
        key
        for page in (ROOT / "book" / "pages").rglob("*.md")
        for key in CITED.findall(page.read_text(encoding="utf-8"))
    }
    assert keys and keys <= set(citations.entries())


def cited_on(*children: nodes.Node) -> list[tuple[str, str]]:
    page = nodes.section("", *children)
    before = page.astext()
    citing.cite(page, set())
    assert page.astext() == before
    return [(node["key"], node.astext()) for node in page.findall(nodes.reference) if "key" in node]


def test_a_name_with_its_year_and_a_title_lead_to_the_bibliography():
    names = paragraph("See (Malladi et al. 2023): Lin, Song and Xu (2025), but no Xu of 2025; Malladi et al. (2023).")
    assert cited_on(names) == [("malladi2023mezo", "Malladi et al. 2023"), ("lin2025", "Lin, Song and Xu (2025)")]
    title = nodes.emphasis("", "Random gradient-free minimization of\nconvex functions")
    assert [key for key, _ in cited_on(paragraph("Y. Nesterov and V. Spokoiny, ", title, ", 2017"))] == ["nesterov2017"]


def test_a_citation_in_code_or_in_a_link_is_left():
    said = "Malladi et al. (2023)"
    kinds = (nodes.literal("", said), nodes.reference("", said, refuri="x"), nodes.emphasis("", said))
    assert cited_on(nodes.title("", said), nodes.literal_block("", said), *map(paragraph, kinds)) == []
    assert cited_on(paragraph("Zhang et al. (2022) are two works; Nobody et al. (2022) none.")) == []


# ---- how to cite, what changed ----


def test_the_citation_is_that_of_the_file():
    cff = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    page = citation_page()
    assert page.count(cff["title"]) == 3 and str(cff["version"]) in page
    for author in cff["references"][0]["authors"]:
        assert page.count(author["family-names"]) == 3
    assert page.count("{tab-item}") == 6


def test_the_changes_are_those_of_both_files():
    page = changes_page()
    for file in ("CHANGELOG.md", "notebooks/CHANGES.md"):
        for heading in re.findall(r"^## (.*)$", (ROOT / file).read_text(encoding="utf-8"), re.MULTILINE):
            assert f"\n### {heading}\n" in page
    for target in re.findall(r"\]\(([^)#\s]+)", page):
        assert re.match("[a-z]+:", target) or (ROOT / target).exists(), target


# ---- the glossary and its terms ----


def test_every_term_has_an_entry():
    page = glossary_page()
    rows = re.findall(
        r"^\| (?!term \||---)", (ROOT / "notebooks" / "GLOSSARY.md").read_text(encoding="utf-8"), re.MULTILINE
    )
    all_terms = [term for section in terms.read_glossary().values() for term in section]
    assert len(all_terms) == len(rows) > 100
    for term in all_terms:
        assert term.sentence and term.chinese
        for name in term.names:
            assert f"\n{name}\n" in page
    names = [name.lower() for term in all_terms for name in term.names]
    assert len(set(names)) == len(names)
    assert set(names) >= terms.EVERYDAY


def test_a_row_that_lacks_a_cell_is_named(tmp_path):
    file = tmp_path / "GLOSSARY.md"
    file.write_text("## A\n\n| term | symbol | in one sentence | 中文 |\n|---|---|---|---|\n| probe | z | a vector |\n")
    with pytest.raises(ValueError, match=r"must have 4 cells, got 3 in '\| probe"):
        terms.read_glossary(file)


def section(title: str, *children: nodes.Node) -> nodes.section:
    return nodes.section("", nodes.title("", title), *children)


def paragraph(*children: str | nodes.Node) -> nodes.paragraph:
    return nodes.paragraph("", "", *(nodes.Text(child) if isinstance(child, str) else child for child in children))


def marked(*children: nodes.Node) -> list[str]:
    page = nodes.section("", *children)
    before = page.astext()
    terms.mark(page, set(), 1)
    assert page.astext() == before
    return [node.astext() for node in page.findall(terms.term_mark)]


def test_the_first_use_in_a_section_is_marked():
    first = paragraph("Each probe meets a decoy; Probes are many, and a decoy is refuted.")
    assert marked(first, section("Another", paragraph("A probe again."))) == ["probe", "decoy", "probe"]


def test_a_longer_term_wins_and_a_part_of_a_word_is_none():
    words = "The effective rank, low-rank directions, a probed seedling, probe-parallel and the probe-wise."
    assert marked(paragraph(words)) == ["effective rank", "low-rank directions", "probe-parallel"]


def test_a_word_that_means_something_else_is_not_marked():
    assert marked(paragraph("In place of a loss; the weights move in place.")) == ["in place"]


@pytest.mark.parametrize(
    "child",
    [
        nodes.title("", "The probe"),
        nodes.rubric("", "The probe"),
        nodes.literal_block("", "probe"),
        nodes.math_block("", "probe"),
        paragraph(nodes.literal("", "probe")),
        paragraph(nodes.math("", "probe")),
        paragraph(nodes.reference("", "the probe", refuri="x")),
        paragraph(nodes.emphasis("", "the probe")),
        paragraph(nodes.strong("", "the probe")),
        nodes.container("", paragraph("the probe"), classes=["cell_output"]),
        nodes.container("", paragraph("the probe"), classes=["sd-card"]),
        nodes.table("", nodes.entry("", paragraph("the probe"))),
        paragraph("a coordinate, a rule, a loss"),
    ],
    ids=lambda child: child.tagname,
)
def test_what_is_not_prose_is_not_touched(child):
    assert marked(child) == []
    assert marked(paragraph("the probe")) == ["probe"]  # the same word would have been marked


# ---- in the browser ----


WORD = "document.querySelector('article a.term')"
SHOWN = "document.querySelector('.term-definition:not([hidden])')?.textContent"
MIDDLE = f"(({{x, y, width, height}}) => [x + width / 2, y + height / 2])({WORD}.getClientRects()[0])"


@pytest.mark.browser
def test_a_term_explains_itself_to_the_keyboard_and_to_a_pointer(site, browser):
    page = browser.open()
    page.call("Emulation.setFocusEmulationEnabled", enabled=True)
    page.emulate(1280, 800)
    page.navigate((site / "docs" / "optimizer.html").as_uri())
    wrong = "pre a.term, code a.term, h1 a.term, h2 a.term, h3 a.term, a a.term, summary a.term"
    assert page.evaluate(f"document.querySelectorAll('{wrong}').length") == 0
    assert page.evaluate("document.querySelector('.term-definition').hidden") is True
    page.evaluate(f"{WORD}.focus()")
    sentence = page.wait_for(SHOWN)
    assert sentence == page.evaluate(f"{WORD}.dataset.definition")
    assert page.evaluate(f"{WORD}.getAttribute('aria-describedby')") == "term-definition"
    page.press("Escape")
    assert page.evaluate(SHOWN) is None
    page.evaluate(f"{WORD}.blur()")
    x, y = page.evaluate(MIDDLE)
    page.call("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)
    assert page.wait_for(SHOWN) == sentence
    page.call("Input.dispatchMouseEvent", type="mouseMoved", x=5, y=700)
    page.wait_for("document.querySelector('.term-definition').hidden")
    assert [line for line in page.console if "theme mode" not in line] == []  # the theme says that of a first visit


@pytest.mark.browser
def test_a_term_explains_itself_to_a_finger_and_leads_on_at_the_second_touch(site, browser):
    page = browser.open()
    page.emulate(420, 800)
    page.call("Emulation.setTouchEmulationEnabled", enabled=True)
    page.navigate((site / "docs" / "optimizer.html").as_uri())

    def touch() -> None:
        x, y = page.evaluate(MIDDLE)
        page.call("Input.dispatchTouchEvent", type="touchStart", touchPoints=[{"x": x, "y": y}])
        page.call("Input.dispatchTouchEvent", type="touchEnd", touchPoints=[])

    page.evaluate(f"{WORD}.scrollIntoView({{block: 'center'}})")
    touch()
    assert page.wait_for(SHOWN) == page.evaluate(f"{WORD}.dataset.definition")
    assert page.evaluate("location.pathname").endswith("optimizer.html")
    box = "document.querySelector('.term-definition').getBoundingClientRect()"
    left, right = page.evaluate(f"(r => [r.left, r.right])({box})")
    assert 0 <= left < right <= 420
    page.press("Tab")  # a machine with both: the keyboard is no finger
    page.evaluate(f"{WORD}.blur(), {WORD}.focus()")
    assert page.wait_for(SHOWN) == page.evaluate(f"{WORD}.dataset.definition")
    touch()
    page.wait_for("location.pathname.endsWith('glossary.html')")


@pytest.mark.browser
def test_a_term_without_a_script_is_a_link_to_its_definition(site, browser):
    page = browser.open((site / "docs" / "optimizer.html").as_uri())
    page.navigate(page.evaluate("document.querySelector('article a.term').href"))
    assert page.evaluate("document.getElementById(decodeURIComponent(location.hash.slice(1))).tagName") == "DT"
