"""The printed book: its contents are true, nothing is cut off or left raw, and paper has what paper needs."""

import doctest
import functools
import json
import os
import re

import chromium
import print_pages
import print_pdf
import print_sources
import pytest
from filelock import FileLock
from print_pdf import PrintError, copy_assets, make_pdf, prepare
from print_sources import Appendix, chapters, printed, read_cells, stage_print
from pypdf import PdfReader

from mezo_lab import __version__

pytestmark = pytest.mark.repo
COURSE = len(list(print_sources.NOTEBOOKS.glob("[0-9]*.ipynb")))  # chapters, and then the appendices
APPENDICES = ["hints", "solutions", "glossary", "claims", "errata"]


@pytest.fixture(scope="module")
def staged(tmp_path_factory):
    """The sources of the printed book."""
    folder = tmp_path_factory.mktemp("print")
    stage_print(folder)
    return folder


def test_the_book_has_every_notebook_in_the_order_of_the_course():
    names = [chapter.name for chapter in chapters()]
    assert [name[:2] for name in names[:COURSE]] == [f"{number:02d}" for number in range(COURSE)]
    assert names[COURSE:] == APPENDICES
    assert [chapter.part[:3] for chapter in chapters() if chapter.part] == ["I. ", "II.", "III", "App"]


def test_hints_and_solutions_of_all_exercises_stand_in_the_appendices(staged):
    exercises = []
    for name in (chapter.name for chapter in chapters()[:COURSE]):
        text = "\n".join(cell["source"] for cell in read_cells(print_sources.NOTEBOOKS / f"{name}.ipynb"))
        exercises += re.findall(r"(?m)^### Exercise (\d+\.\d+)", text)
    assert len(exercises) > 50
    hints = (staged / "hints.md").read_text(encoding="utf-8")
    assert re.findall(r"(?m)^### Exercise (\d+\.\d+)", hints) == exercises
    for section in re.split(r"(?m)^### ", hints)[1:]:
        assert "**Hint 1.** " in section, section
    numbers, answered = [], []
    for cell in read_cells(staged / "solutions.ipynb"):
        if heading := re.match(r"### Exercise (\d+\.\d+)", cell["source"]):
            numbers.append(heading[1])
        elif not cell["source"].startswith("## "):
            answered.append(numbers[-1] if numbers else "")
    assert numbers == exercises
    assert set(answered) >= set(exercises)


def lines(text):
    """The lines of a text that have something to tell."""
    return {without_blanks(line) for line in text.split("\n") if len(without_blanks(line)) > 11}


def lines_of_solutions(name):
    """The lines that a notebook has and the students' copy has not, in its solutions."""
    solved = read_cells(print_sources.NOTEBOOKS / f"{name}.ipynb")
    student = read_cells(print_sources.NOTEBOOKS / "student" / f"{name}.ipynb")
    shared = lines("\n".join(cell["source"] for cell in student))
    return lines("\n".join(cell["source"] for cell in solved)) - shared - {"#BEGINSOLUTION", "#ENDSOLUTION"}


def test_one_line_of_a_solution_among_others_is_a_leak():
    line = min(lines_of_solutions("03_the_dispute"))
    assert line in lines(f"Text.\n{line}\nMore text.")


@pytest.mark.parametrize("chapter", chapters()[:COURSE], ids=lambda chapter: chapter.name[:2])
def test_a_chapter_shows_no_solution_and_no_output_of_an_exercise(chapter):
    told = lines_of_solutions(chapter.name)
    assert told
    cells = printed(chapter.name, Appendix())
    shown = [cell["source"] for cell in cells]
    assert not told & lines("\n".join(shown))
    assert not any("<details" in source or "importlib.util.find_spec(" in source for source in shown)
    exercise = False
    for cell in cells:
        for heading in re.findall(r"(?m)^#{1,3} .*", cell["source"]) if cell["cell_type"] == "markdown" else ():
            exercise = heading.startswith("### Exercise")
        assert not (exercise and cell.get("outputs")), cell["source"]


def test_a_solution_outside_an_exercise_is_refused(monkeypatch):
    cell = {"id": "1", "cell_type": "markdown", "metadata": {"tags": ["solution"]}, "source": "It is 3."}
    monkeypatch.setattr(print_sources, "read_cells", lambda path: [] if path.parent.name == "student" else [cell])
    with pytest.raises(ValueError, match="a solution must follow the heading of an exercise"):
        printed("03_the_dispute", Appendix())


def test_every_figure_is_followed_by_its_words(staged):
    figures = 0
    for file in staged.glob("*.ipynb"):
        for cell in read_cells(file):
            outputs = [output.get("data", {}) for output in cell.get("outputs", ())]
            for place, data in enumerate(outputs):
                if "image/png" in data:
                    figures += 1
                    assert re.match('<p class="words">.{40}', "".join(outputs[place + 1]["text/html"]))
    assert figures > 50


def test_the_text_has_no_chinese_letters_which_a_machine_may_lack(staged):
    for file in staged.iterdir():
        assert not re.search("[\u4e00-\u9fff]", file.read_text(encoding="utf-8")), file.name


@pytest.mark.parametrize("module", [print_sources, print_pages], ids=["sources", "pages"])
def test_examples_run(module):
    results = doctest.testmod(module)
    assert results.attempted
    assert not results.failed


@pytest.fixture(scope="module")
def book(tmp_path_factory, vendored_files):
    """The printed book, made by the first process that asks for it."""
    if chromium.CHROMIUM is None:
        pytest.skip("no Chromium on this machine: install the package chromium")
    shared = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent
    file = shared / "mezo_lab.pdf"
    with FileLock(shared / "pdf.lock"):
        if not file.exists():
            make_pdf(shared / "unfinished.pdf", shared / "print")
            (shared / "unfinished.pdf").rename(file)
    return file


@pytest.fixture(scope="module")
def reader(book):
    return PdfReader(book)


@pytest.fixture(scope="module")
def outline(reader):
    """(depth, title, number of the page) of every entry."""
    entries = []

    def collect(items, depth):
        for item in items:
            if isinstance(item, list):
                collect(item, depth + 1)
            else:
                entries.append((depth, item.title, reader.get_destination_page_number(item) + 1))

    collect(reader.outline, 0)
    return entries


@pytest.fixture(scope="module")
def text(reader):
    """Number of a page → its text without blanks, which a print does not keep; read when it is first asked for."""

    @functools.cache
    def read(number):
        return without_blanks(reader.pages[number - 1].extract_text())

    return read


def without_blanks(text):
    return "".join(text.split())


@pytest.fixture(scope="module")
def contents(text, outline):
    """The text of all pages of the contents, which end where the first chapter begins."""
    first = min(page for _, title, page in outline if re.match(r"0\. ", title))
    begin = next(number for number in range(1, first) if "Contents" in text(number)[:20])
    return "".join(text(number) for number in range(begin, first))


@pytest.mark.browser
def test_every_chapter_begins_on_the_page_that_outline_and_contents_name(outline, contents, text):
    found = [(title, page) for depth, title, page in outline if re.match(r"\d+\. ", title) and depth < 2]
    found += [(title, page) for _, title, page in outline if title.lower() in APPENDICES]
    assert len(found) == len(chapters())
    for title, page in found:
        assert f"{without_blanks(title)}{page}" in contents, title
        assert f"{page}{without_blanks(title)}" in text(page), title  # the number of a page comes before its text


@pytest.mark.browser
def test_the_contents_name_the_pages_of_sections(staged, outline, contents, text):
    sources = [cell["source"] for file in staged.glob("*.ipynb") for cell in read_cells(file)]
    drawn = len(re.findall(r"(?m)^## .*\$", "\n".join(sources)))  # formulas, which have no letters in a print
    sections = [(without_blanks(title), page) for _, title, page in outline]
    parts = [without_blanks(chapter.part) for chapter in chapters()]
    sections = [(title, page) for title, page in sections if title not in parts]
    assert len(sections) > 150
    assert sum(f"{title}{page}" not in contents for title, page in sections) == drawn
    for title, page in sections[::8]:  # reading a page takes a tenth of a second
        assert title in text(page), (title, page)


@pytest.mark.browser
def test_no_heading_is_parted_from_its_text(reader):
    lowest = {}
    for name, page, top in print_pdf.destinations(reader):
        lowest[top] = (name, page)
    assert len(lowest) > 100
    assert min(lowest) > 72 / 25.4 * (24 + 20), lowest[min(lowest)]  # points: the margin, the heading and two lines


@pytest.mark.browser
def test_exercises_name_the_pages_of_their_hints_and_solutions(outline, text):
    page = [page for _, title, page in outline if title == "Exercises"][3]  # of chapter 3
    shown = text(page) + text(page + 1)
    hints, solution = re.findall(r"Exercise3\.1:.*?Hints:page(\d+)·Solution:page(\d+)", shown)[0]
    assert "Exercise3.1:" in text(int(hints))
    assert "Hint1." in text(int(hints))
    assert "Exercise3.1:" in text(int(solution))
    assert f"page{page}" in text(int(solution))


@pytest.mark.browser
def test_the_first_pages_name_version_record_and_licence(text):
    record = json.loads(print_pdf.RECORD.read_text(encoding="utf-8"))
    assert f"version{__version__}·recordof{record['environment']['date'][:10]}" in text(1)
    assert "CCBY4.0" in text(2)
    assert "MITlicence" in text(2)


@pytest.mark.browser
def test_the_file_is_small_tagged_and_has_its_figures(book, reader):
    assert book.stat().st_size < 40e6
    assert reader.metadata.title == "mezo_lab: the course"
    assert reader.root_object["/MarkInfo"]["/Marked"]
    assert reader.root_object["/Lang"] == "en"
    pictures = set()
    for page in reader.pages:
        for each in (page["/Resources"].get("/XObject") or {}).values():
            if each.get_object()["/Subtype"] == "/Image":
                pictures.add(each.get_object().hash_bin())
    assert len(pictures) > 50


@pytest.mark.browser
def test_figures_and_formulas_have_words_for_a_reader_that_speaks(book):
    written = re.sub(rb"\\([0-3][0-7]{2})", lambda octal: bytes([int(octal[1], 8)]), book.read_bytes())
    assert written.count(b"/Alt") > 1000
    assert rb"\frac{d+n+1}{n}" in written
    assert b"Dot chart of " in written


@pytest.mark.browser
def test_the_file_names_no_folder_of_the_machine_that_made_it(book):
    written = book.read_bytes()
    assert b"file:" not in written
    assert str(book.parent).encode() not in written


@pytest.fixture
def small_page(tmp_path, browser, vendored_files):
    """Opens a page of the book with this body."""
    copy_assets(tmp_path)
    opened_pages = []

    def opened(body):
        head = '<script src="print.js"></script><script defer src="_static/mathjax/tex-svg.js"></script>'
        page = f'<!doctype html><link rel="stylesheet" href="print.css">{head}<body class="book"><article>{body}'
        (tmp_path / "book.html").write_text(page, encoding="utf-8")
        opened_pages.append(browser.open((tmp_path / "book.html").as_uri()))
        return opened_pages[-1]

    yield opened
    for page in opened_pages:
        page.close()


@pytest.mark.browser
@pytest.mark.parametrize(
    ("body", "fault"),
    [
        ('<p style="white-space: nowrap">' + 60 * "a long line ", "too wide: a long"),
        ("<p>the formula $d+2$ that nobody set", "TeX: the formula"),
        (r"<p>a \frac12", "TeX: a"),
        ('<img src="cover.svg" alt="cover.svg">', "no words: "),
        ("<script>throw new Error('of the page')</script>", "of the page"),
    ],
)
def test_a_page_that_would_print_badly_is_refused(small_page, body, fault):
    with pytest.raises(PrintError, match=re.escape(fault)):
        prepare(small_page(body))


@pytest.mark.browser
@pytest.mark.parametrize(
    "body",
    [
        f"<pre>{60 * 'a_long_line'}</pre><p>and <code>$HOME</code>",
        f"<div class='table'><table><tr>{12 * '<td style=white-space:nowrap>a cell of a table</td>'}</table></div>",
        f'<div class="math">\\[{"+".join(60 * ["x_1"])}\\]</div><p><span class="math">\\(y^2\\)</span>',
    ],
    ids=["code", "table", "formula"],
)
def test_what_is_wide_is_made_to_fit(small_page, body):
    prepare(small_page(body))


@pytest.mark.browser
def test_numbers_that_move_their_pages_are_found_by_another_print(small_page, tmp_path):
    fillers = "".join(f'<p style="break-before: page">{number}</p>' for number in range(9))
    page = small_page(f'<a class="page" href="#end">000</a>{fillers}<h2 style="break-before: page" id="end">End</h2>')
    prepare(page)
    assert print_pdf.print_with_numbers(page, tmp_path / "a.pdf") == {"end": 11}
    assert page.evaluate("document.querySelector('a.page').textContent") == "11"
    assert print_pdf.print_with_numbers(page, tmp_path / "b.pdf") == {"end": 11}
    pages = [PdfReader(tmp_path / name).pages[0].extract_text() for name in ("a.pdf", "b.pdf")]
    assert pages[0] == pages[1]
