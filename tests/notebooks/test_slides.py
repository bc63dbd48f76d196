"""Slides need nothing but their folder: no network, no solutions, and formulas that a browser draws."""

import re
from pathlib import Path

import pytest

pytest.importorskip("sphinx_revealjs", reason="slides need the extra `slides`")
pytest.importorskip("nbclassic", reason="slides need the extra `slides`")

import build
import slides

LOADED = re.compile(
    r"""<(?:script|link|img|iframe)\b[^>]*?(?:src|href)=["']([^"']+)|@import\s+["']?(?:url\()?([^"')]+)"""
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    made = tmp_path_factory.mktemp("slides")
    slides.place_assets(made / "assets")
    for name in slides.names():
        (made / f"{name}.html").write_text(slides.page(name), encoding="utf-8")
    return made


@pytest.mark.parametrize("name", slides.names())
def test_a_page_loads_only_what_lies_beside_it(folder, name):
    loaded = [first or second for first, second in LOADED.findall((folder / f"{name}.html").read_text())]
    assert (
        loaded and [place for place in loaded if not place.startswith("data:") and not (folder / place).exists()] == []
    )


def test_a_page_that_loads_from_elsewhere_is_caught():
    assert LOADED.search('<script async src="https://example.org/x.js"></script>')
    assert LOADED.search("<style>@import url(https://example.org/x.css)</style>")


@pytest.mark.parametrize("name", slides.names())
def test_a_page_has_no_solution(folder, name):
    shown = (folder / f"{name}.html").read_text()
    asked = sum(cell.source.count("# BEGIN SOLUTION") for cell in build.read(name).cells)
    assert shown.count("Your turn: replace this line.") == asked > 0
    assert "BEGIN SOLUTION" not in shown and "<strong>Solution.</strong>" not in shown


@pytest.mark.parametrize("name", slides.names())
def test_every_figure_has_its_words(folder, name):
    figures = re.findall(r"<img\b[^>]*>", (folder / f"{name}.html").read_text())
    words = [re.search(r'alt="([^"]*)"', figure) for figure in figures]
    assert words and all(found and len(found[1]) > 40 for found in words)
    assert not any("No description" in found[1] for found in words if found)


def test_a_heading_begins_a_slide_and_what_follows_lies_below(folder):
    import nbformat

    cells = [nbformat.v4.new_markdown_cell("The end of a part.\n\n## Check"), nbformat.v4.new_code_cell("1 + 1")]
    made = slides.as_slides(nbformat.v4.new_notebook(cells=cells))
    kinds = [(cell.source, cell.metadata["slideshow"]["slide_type"]) for cell in made.cells]
    assert kinds == [("The end of a part.", "subslide"), ("## Check", "slide"), ("1 + 1", "subslide")]


@pytest.mark.browser
def test_a_browser_without_a_network_shows_the_slides_and_draws_their_formulas(folder, opened):
    document, complaints = opened(folder / f"{slides.names()[0]}.html", "--virtual-time-budget=20000")
    assert complaints == []
    assert 'class="reveal' in document and "has-vertical-slides" in document  # written by reveal.js
    first = document.split("</section>")[0]
    assert "MathJax_SVG" in first and "Math Processing Error" not in first
