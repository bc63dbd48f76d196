"""Slides need nothing but their folder: no network, no solutions, formulas that a browser draws, nothing cut off."""

import json
import re
from pathlib import Path

import nbformat
import pytest

pytest.importorskip("sphinx_revealjs", reason="slides need the extra `slides`")
pytest.importorskip("nbclassic", reason="slides need the extra `slides`")

import build
import slides

pytestmark = pytest.mark.repo

LOADED = re.compile(
    r"""<(?:script|link|img|iframe)\b[^>]*?(?:src|href)=["']([^"']+)|@import\s+["']?(?:url\()?([^"')]+)"""
)


def made(name: str, folder: Path) -> Path:
    """The page of a lecture; a notebook that waits to be built is the business of another test."""
    try:
        text = slides.page(name)
    except slides.StaleError as error:
        if build.is_stale(name):
            pytest.skip(str(error))
        raise
    page = folder / f"{name}.html"
    page.write_text(text, encoding="utf-8")
    return page


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    made = tmp_path_factory.mktemp("slides")
    slides.place_assets(made / "assets")
    return made


@pytest.mark.parametrize("name", slides.names())
def test_a_page_loads_only_what_lies_beside_it_and_has_no_solution(folder, name):
    text = made(name, folder).read_text()
    loaded = [first or second for first, second in LOADED.findall(text)]
    assert (
        loaded and [place for place in loaded if not place.startswith("data:") and not (folder / place).exists()] == []
    )
    assert not re.search(r"BEGIN SOLUTION|<strong>Solution|Your turn|You left the prediction|<details>", text)


def test_a_page_that_loads_from_elsewhere_is_caught():
    assert LOADED.search('<script async src="https://example.org/x.js"></script>')
    assert LOADED.search("<style>@import url(https://example.org/x.css)</style>")


@pytest.mark.parametrize("name", slides.names())
def test_every_figure_has_its_words_and_is_alone_on_its_slide(folder, name):
    sections = made(name, folder).read_text().split("<section")[1:]
    figures = [re.findall(r'<img\b[^>]* alt="([^"]*)"', section) for section in sections]
    assert any(figures) and all(len(found) <= 1 for found in figures)
    assert all(len(words) > 40 for found in figures for words in found)


@pytest.mark.parametrize("name", slides.names())
def test_a_lecture_takes_its_minutes_and_the_notes_say_when_each_slide_ends(folder, name):
    made(name, folder)
    lecture = slides.lecture_of(name)
    minutes = slides.LECTURES[name[:2]]["minutes"]
    needed = sum(slide.duration - slides.words_in(slide.notes[:1]) * 60 / slides.WORDS_A_MINUTE for slide in lecture)
    assert abs(needed / 60 / minutes - 1) < 0.12, f"it takes {needed / 60:.1f} minutes of {minutes}"
    assert all(re.match(r"\*\*\d:\d\d\*\*, until \d+:\d\d of \d+:00\.", slide.notes[0]) for slide in lecture)
    assert f"until {minutes}:00 of {minutes}:00." in lecture[-1].notes[0]
    assert all(slide.duration < 210 for slide in lecture)


@pytest.mark.parametrize("name", slides.names())
def test_the_answers_are_beside_the_predictions_and_what_people_get_wrong_is_said_once(folder, name):
    made(name, folder)
    notes = {slide.title: "\n".join(slide.notes) for slide in slides.lecture_of(name)}
    (asked,) = [text for title, text in notes.items() if title.startswith(slides.PREDICTIONS)]
    assert slides.answers_of(name) in asked
    assert sum("**What people get wrong.**" in text for text in notes.values()) == 1


def test_seven_lectures_take_the_two_hours_without_the_break_and_an_eighth_a_seminar_and_teaching_says_the_same():
    minutes = {number: plan["minutes"] for number, plan in slides.LECTURES.items()}
    assert len(slides.names()) == len(minutes) == 8
    assert 12 <= minutes.pop("15") <= 15
    assert sum(minutes.values()) == 120 - 10 - 10  # a break, and questions
    teaching = (slides.HERE / "TEACHING.md").read_text()
    rows = re.findall(r"^\| (\d+) \| .+ \| notebooks? (\d+)(?: and (\d+))? \|$", teaching, flags=re.MULTILINE)
    for minutes, first, second in rows:
        parts = [slides.LECTURES[number.zfill(2)]["minutes"] for number in (first, second) if number]
        assert sum(parts) == int(minutes)
    assert len(rows) == 5 + 1


def test_the_first_page_leads_to_every_lecture_with_its_minutes():
    found = re.findall(r'<a href="([^"]+)\.html">[^<]+</a>, (\d+) minutes', slides.contents(slides.names()))
    assert found == [(name, str(slides.LECTURES[name[:2]]["minutes"])) for name in slides.names()]


def test_a_misconception_that_is_gone_is_named():
    with pytest.raises(ValueError, match=r"`misconceptions` must begin .* got 'Gone'"):
        slides.misconceptions(["Gone"])


def test_answers_that_are_missing_are_named():
    with pytest.raises(ValueError, match=r"must answer the predictions of notebook 99_x: add a paragraph \*\*99\. …"):
        slides.answers_of("99_x")


def test_a_lecture_is_chosen_by_its_number_and_a_notebook_without_one_is_refused(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(slides, "place_assets", lambda folder: None)
    monkeypatch.setattr(slides, "page", lambda name, built: name)
    monkeypatch.setattr("sys.argv", ["slides.py", "05", "--out", str(tmp_path)])
    slides.main()
    assert {page.name for page in tmp_path.iterdir()} == {"05_effective_rank.html", "index.html"}
    monkeypatch.setattr("sys.argv", ["slides.py", "06", "--out", str(tmp_path)])
    with pytest.raises(SystemExit):
        slides.main()
    assert "or its number; got 06" in capsys.readouterr().err


@pytest.mark.parametrize("error", [slides.TooLongError, slides.StaleError, PermissionError, ValueError])
def test_an_error_ends_the_command_with_one_line(error, monkeypatch, tmp_path):
    def page(*arguments):
        raise error("Notebook 99_x: mend it.")

    monkeypatch.setattr(slides, "place_assets", lambda folder: None)
    monkeypatch.setattr(slides, "page", page)
    monkeypatch.setattr("sys.argv", ["slides.py", "--out", str(tmp_path)])
    with pytest.raises(SystemExit, match=r"^Notebook 99_x: mend it\.$"):
        slides.main()


def output(kind: str = "display_data", **data):
    return nbformat.v4.new_output(kind, data=data, metadata={"image/png": {"alt": "Seven <dots>."}})


def test_of_an_output_the_picture_of_the_slide_is_shown_and_of_a_comparison_the_result():
    picture = output(**{"image/png": "AAAA", slides.SLIDE: "BBBB"})
    assert slides.displayed(picture) == '<img src="data:image/png;base64,BBBB" alt="Seven &lt;dots&gt;.">'
    compared = "<p>You left the prediction open.<br><b>The experiment:</b> from −0.5 to 1</p>"
    html = output(**{"text/html": compared})
    assert slides.displayed(html) == '<p class="result"><b>The experiment:</b> from −0.5 to 1</p>'
    assert slides.displayed(output(**{"text/html": "<details>In words</details>"})) == ""


def test_an_output_that_is_missing_is_named_with_its_notebook_and_cell():
    cell = nbformat.v4.new_code_cell("plot()", id="99-07", metadata={"tags": ["slide-02"]})
    chosen = slides.slide_tags.Chosen(2, [slides.slide_tags.Part("slide", cell, "One")])
    old = {"plot()": [output(**{"image/png": "AAAA"})]}  # built before slides had pictures of their own
    for outputs in ({}, {"plot()": []}, old):
        with pytest.raises(slides.StaleError, match=r"99_x, cell 99-07 \('plot\(\)'\) has no output: run `make"):
            slides.slide_of(chosen, outputs, "99_x")


def test_code_and_output_that_a_slide_cannot_hold_are_refused():
    with pytest.raises(slides.TooLongError, match="A slide shows 14 lines of 68 letters, got 15"):
        slides.fenced("x\n" * 15)
    cell = nbformat.v4.new_code_cell("x" * 69, id="99-08")
    chosen = slides.slide_tags.Chosen(2, [slides.slide_tags.Part("code", cell, "One")])
    with pytest.raises(
        slides.TooLongError, match="99_x, cell 99-08: A slide shows 14 lines of 68 letters, got 1: 'xxx"
    ):
        slides.slide_of(chosen, {}, "99_x")


MEASURE = """
Reveal.on("ready", () => {
  const found = [];
  const measure = () => {
    const slide = Reveal.getCurrentSlide(), box = document.querySelector(".reveal .slides").getBoundingClientRect();
    let low = 0, right = 0, small = 99, wide = 1;
    for (const part of slide.querySelectorAll("h2, p, li, td, pre, img, svg")) {
      if (part.closest("aside")) continue;
      const at = part.getBoundingClientRect();
      low = Math.max(low, at.bottom - box.bottom);
      right = Math.max(right, at.right - box.right, part.scrollWidth - part.clientWidth - 1);
      if (part.matches("p, li, td, pre")) small = Math.min(small, parseFloat(getComputedStyle(part).fontSize));
      if (part.matches("img")) wide = Math.min(wide, at.width / box.width);
    }
    found.push([Reveal.getIndices().h + 1, Math.round(low), Math.round(right), small, wide]);
    if (Reveal.isLastSlide()) document.body.dataset.found = JSON.stringify(found);
    else { Reveal.next(); MathJax.Hub.Queue(["Typeset", MathJax.Hub, Reveal.getCurrentSlide()], measure); }
  };
  MathJax.Hub.Queue(["Typeset", MathJax.Hub, Reveal.getCurrentSlide()], measure);
});
"""
# reveal.js lays out its paper in a frame, which a browser without a screen may not draw
FRAMES = "<script>window.requestAnimationFrame = (run) => setTimeout(run, 0)</script>"
LETTERS = 27  # pixels: legible from the last row
SHARE = 0.78  # of the slide's width, for a picture


def faults(page: Path, opened) -> list[list[float]]:
    """[slide, pixels below, pixels beside, smallest letters, narrowest picture] of what does not suit 1280 × 720."""
    measured = page.with_name("measured.html")
    measured.write_text(page.read_text().replace("Reveal.initialize", MEASURE + "Reveal.initialize"))
    document, complaints = opened(measured, "--window-size=1280,720", "--virtual-time-budget=120000")
    assert complaints == []
    (found,) = re.findall(r'data-found="([^"]*)"', document)
    return [row for row in json.loads(found) if max(row[1:3]) > 0 or row[3] < LETTERS or row[4] < SHARE]


@pytest.mark.browser
@pytest.mark.parametrize("name", slides.names())
def test_every_slide_fits_on_a_screen_of_1280_by_720_and_is_legible(folder, opened, name):
    assert faults(made(name, folder), opened) == []


@pytest.mark.browser
@pytest.mark.parametrize(
    ("part", "column"),
    [
        ("<p>One more line.</p>" * 30, 1),
        ("<pre>" + "x" * 120 + "</pre>", 2),
        ("<p><span>a</span></p><p style='font-size: 20px !important'>Small.</p>", 3),
        ("<img style='width: 640px' src='data:image/gif;base64,R0lGODlhAQABAAAAACwAAAAAAQABAAA='>", 4),
    ],
)
def test_what_does_not_fit_or_is_too_small_is_seen(folder, opened, part, column):
    page = folder / "fault.html"
    plain = "<section class='text'><h2>One</h2><p>Words.</p></section>"
    template = (slides.HERE / "slides.html").read_text()
    head, _, rest = template.partition("{% for")
    tail = rest.partition("{% endfor %}")[2]
    page.write_text(re.sub(r"{{.*?}}", "", head) + plain.replace("</p>", f"</p>{part}") + tail)
    (row,) = faults(page, opened)
    assert row[column] != {1: 0, 2: 0, 3: LETTERS, 4: 1}[column]


@pytest.mark.browser
@pytest.mark.parametrize("name", slides.names())
def test_on_paper_every_formula_is_drawn_as_are_those_of_the_notes(folder, opened, name):
    text = made(name, folder).read_text()
    page = folder / "paper.html"
    paper = text.replace("Reveal.initialize({", 'Reveal.initialize({view: "print", ')
    page.write_text(paper.replace("<head>", f"<head>{FRAMES}", 1))
    document, complaints = opened(page, "--virtual-time-budget=120000")
    assert complaints == []
    assert document.count('class="pdf-page"') == text.count("<section")
    shown = re.sub(r"<(script|style)\b.*?</\1>", "", document, flags=re.DOTALL)
    assert "MathJax_SVG" in shown and "Math Processing Error" not in shown
    assert not re.search(r">[^<]*\$[^<$]+\$", shown)  # no raw formula is left
