"""Slides need nothing but their folder: no network, no solutions, and formulas that a browser draws."""

import json
import re
from pathlib import Path

import pytest

pytest.importorskip("sphinx_revealjs", reason="slides need the extra `slides`")
pytest.importorskip("nbclassic", reason="slides need the extra `slides`")

import build
import slides

pytestmark = pytest.mark.repo

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
    assert any("BEGIN SOLUTION" in cell.source for cell in build.read(name).cells)
    assert "BEGIN SOLUTION" not in shown and "<strong>Solution.</strong>" not in shown and "Your turn" not in shown


@pytest.mark.parametrize("name", slides.names())
def test_every_figure_has_its_words(folder, name):
    figures = re.findall(r"<img\b[^>]*>", (folder / f"{name}.html").read_text())
    words = [re.search(r'alt="([^"]*)"', figure) for figure in figures]
    assert words and all(found and len(found[1]) > 40 for found in words)
    assert not any("No description" in found[1] for found in words if found)


def notebook(*cells):
    import nbformat

    return nbformat.v4.new_notebook(cells=list(cells))


def words(text: str, **metadata):
    import nbformat

    return nbformat.v4.new_markdown_cell(text, metadata=metadata)


def figure(alt: str):
    import nbformat

    data = {"data": {"image/png": "AAAA"}, "metadata": {"image/png": {"alt": alt}}}
    return nbformat.v4.new_code_cell("plot()", outputs=[nbformat.v4.new_output("display_data", **data)])


def lecture(*cells) -> list[tuple[str, str]]:
    """(slide, notes) of a notebook of these cells."""
    made = slides.as_slides(notebook(*cells)).cells
    return [(shown.source, notes.source) for shown, notes in zip(made[::2], made[1::2], strict=True)]


def test_a_section_is_a_slide_and_its_later_paragraphs_are_notes():
    (shown, notes), (last, _) = lecture(words("# One\n\nFirst.\n\n" + "long " * 90), words("## Two\n\nShort."))
    assert shown == "# One\n\nFirst." and notes.startswith("long long") and last == "## Two\n\nShort."


def test_code_is_hidden_unless_its_tag_says_slide_and_imports_are_nowhere():
    import nbformat

    code, chosen = nbformat.v4.new_code_cell("x = 1"), nbformat.v4.new_code_cell("y = 2", metadata={"tags": ["slide"]})
    imports = nbformat.v4.new_code_cell("import math\n\nfrom os import (\n    path,\n)")
    ((shown, notes),) = lecture(words("# One\n\nWords."), imports, code, chosen)
    assert "x = 1" not in shown and "x = 1" in notes and "y = 2" in shown
    assert "import" not in shown + notes


def test_a_figure_and_the_words_that_read_it_are_on_one_slide_with_its_alternative_text():
    opening, (shown, _) = lecture(words("# One\n\nBefore."), figure("Seven <dots>."), words("It falls.\n\nMore."))
    assert opening[0] == "# One\n\nBefore."
    assert 'alt="Seven &lt;dots&gt;."' in shown and shown.endswith("It falls.\n\nMore.")


def test_exercises_and_solutions_are_left_out():
    cells = [words("# One\n\nA."), words("Key.", tags=["solution"]), words("## Exercises\n\nDo."), words("## Summary")]
    assert [shown for shown, _ in lecture(*cells)] == ["# One\n\nA.", "## Summary"]


@pytest.mark.parametrize("name", slides.names())
def test_a_lecture_has_fifteen_slides_at_most_and_the_answers_beside_the_predictions(name):
    answers = slides.predictions()[name[:2]]
    made = slides.lecture_of(name).cells
    assert len(made) // 2 <= slides.MOST_SLIDES
    (place,) = [number for number, cell in enumerate(made) if cell.source.startswith(slides.PREDICTIONS)]
    assert answers in made[place + 1].source and made[place + 1].metadata.slideshow.slide_type == "notes"


@pytest.mark.parametrize("name", slides.names())
def test_the_notes_say_the_minutes_and_what_people_get_wrong(name):
    notes = [cell.source for cell in slides.lecture_of(name).cells[1::2]]
    assert notes[0].startswith(f"**Minutes.** {slides.LECTURES[name[:2]]['minutes']} for {len(notes)} slides.")
    assert sum("**What people get wrong.**" in text for text in notes) == 1


def test_seven_lectures_take_the_two_hours_without_the_break():
    assert len(slides.names()) == 7
    assert sum(plan["minutes"] for plan in slides.LECTURES.values()) == 110


def test_sections_are_chosen_and_ordered_by_their_headings():
    cells = [words("# One\n\nA."), words("## Two\n\nB."), words("## Three\n\nC.")]
    made = slides.as_slides(notebook(*cells), chosen=("## Three", "# One")).cells
    assert [cell.source for cell in made[::2]] == ["## Three\n\nC.", "# One\n\nA."]


def test_a_heading_or_a_misconception_that_is_gone_is_named():
    with pytest.raises(ValueError, match=r"`sections` must be headings .* got '## Gone'"):
        slides.as_slides(notebook(words("# One\n\nA.")), chosen=("## Gone",))
    with pytest.raises(ValueError, match=r"`misconceptions` must begin .* got 'Gone'"):
        slides.misconceptions(["Gone"])


def test_what_does_not_fit_in_fifteen_slides_is_in_the_notes_and_not_lost():
    cells = [words("# One\n\nA."), *(cell for k in range(10) for cell in (words(f"## Part {k}\n\nW{k}."), figure("F")))]
    made = lecture(*cells)
    assert len(made) == slides.MOST_SLIDES
    assert all(any(f"W{k}." in shown + notes for shown, notes in made) for k in range(10))


MEASURE = """
Reveal.on("ready", () => {
  const found = [];
  const measure = () => {
    const slide = Reveal.getCurrentSlide(), box = document.querySelector(".reveal .slides").getBoundingClientRect();
    let low = 0, right = 0;
    for (const part of slide.querySelectorAll("h1, h2, p, li, pre, img, svg")) {
      if (part.closest("aside")) continue;
      const at = part.getBoundingClientRect();
      low = Math.max(low, at.bottom - box.bottom);
      right = Math.max(right, at.right - box.right, part.scrollWidth - part.clientWidth - 1);
    }
    found.push([Reveal.getIndices().h, Math.round(low), Math.round(right)]);
    if (Reveal.isLastSlide()) document.body.dataset.found = JSON.stringify(found);
    else { Reveal.next(); MathJax.Hub.Queue(["Typeset", MathJax.Hub, Reveal.getCurrentSlide()], measure); }
  };
  MathJax.Hub.Queue(["Typeset", MathJax.Hub, Reveal.getCurrentSlide()], measure);
});
"""


def too_large(page: Path, opened) -> list[list[int]]:
    """[slide, pixels below the screen, pixels beside it] of each slide that does not fit into 1280 × 720."""
    measured = page.with_name("measured.html")
    measured.write_text(page.read_text().replace("Reveal.initialize", MEASURE + "Reveal.initialize"))
    document, complaints = opened(measured, "--window-size=1280,720", "--virtual-time-budget=120000")
    assert complaints == []
    (found,) = re.findall(r'data-found="([^"]*)"', document)
    return [row for row in json.loads(found) if row[1] > 2 or row[2] > 2]


@pytest.mark.browser
@pytest.mark.parametrize("name", slides.names())
def test_every_slide_fits_on_a_screen_of_1280_by_720(folder, opened, name):
    assert too_large(folder / f"{name}.html", opened) == []


@pytest.mark.browser
def test_a_slide_that_is_too_long_is_seen(folder, opened):
    page = folder / "long.html"
    text = (folder / f"{slides.names()[0]}.html").read_text()
    page.write_text(text.replace("</h2>", "</h2>" + "<p>One more line.</p>" * 30, 1))
    assert too_large(page, opened)


@pytest.mark.browser
def test_a_browser_without_a_network_shows_the_slides_and_draws_their_formulas(folder, opened):
    document, complaints = opened(folder / f"{slides.names()[0]}.html", "--virtual-time-budget=20000")
    assert complaints == []
    assert 'class="reveal' in document and 'class="slides"' in document and "slide-number" in document  # by reveal.js
    first = document.split("</section>")[0]
    assert "MathJax_SVG" in first and "Math Processing Error" not in first


@pytest.mark.browser
def test_on_paper_every_formula_is_drawn(folder, opened):
    page = folder / "paper.html"
    text = (folder / f"{slides.names()[1]}.html").read_text()
    page.write_text(text.replace("Reveal.initialize({", 'Reveal.initialize({view: "print", '))
    document, complaints = opened(page, "--virtual-time-budget=60000")
    assert complaints == []
    shown = re.sub(r"<(script|aside)\b.*?</\1>", "", document, flags=re.DOTALL)
    assert "pdf-page" in shown and shown.count("MathJax_SVG_Display") >= text.count("$$") // 4
    assert not re.search(r">[^<]*\$\\\w+", shown)  # no raw formula is left
