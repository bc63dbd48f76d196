"""The course in the book: nothing is told before a reader asks, all can be downloaded, each picture has words."""

import copy
import functools
import json
import re
import shutil
from pathlib import Path
from urllib.parse import unquote

import nbformat
import notebook_page as pages_of_notebooks
import page_links as lines_of_links
import pytest
from bs4 import BeautifulSoup
from course_pages import EDITIONS, write_course_pages
from lecture_pages import lectures
from links import ROOT
from marks import BEGIN, END
from notebook_page import notebook_page
from page_links import WORDS, launch_addresses, page_links

pytestmark = pytest.mark.repo

NAMES = [path.stem for path in sorted((ROOT / "notebooks").glob("[0-9]*.ipynb"))]
PAGES = [f"notebooks/{name}" for name in NAMES]
PAGES += [f"notebooks/zh/{path.stem}" for path in sorted((ROOT / "notebooks/zh").glob("[0-9]*.ipynb"))]
LOOKED_INTO = [
    "notebooks/03_the_dispute",
    "notebooks/07_slips",
    "notebooks/09_mezo_the_optimizer",
    "notebooks/zh/03_the_dispute",
]


@functools.cache
def built(page: str):
    """The built notebook of a page, which nobody changes."""
    return read(page)


def read(page: str):
    """The built notebook of a page."""
    return nbformat.read(ROOT / f"{page}.ipynb", as_version=4)


@functools.cache
def parsed(site: Path, page: str) -> BeautifulSoup:
    return BeautifulSoup((site / f"{page}.html").read_text(encoding="utf-8"), "html.parser")


def squeezed(text: str) -> str:
    """Words alone, since a page breaks lines and puts formulas and quotation marks in its own way."""
    return re.sub(r"\W+", "", text)


def visible(soup: BeautifulSoup) -> str:
    """What a reader sees who has opened nothing: of what is folded, the summaries alone."""
    seen = copy.deepcopy(soup.find("article"))
    for fold in seen.find_all("details"):
        if not fold.has_attr("open"):
            fold.replace_with(fold.find("summary") or "")
    return squeezed(seen.get_text())


@functools.cache
def solutions(page: str) -> list[str]:
    """Lines of code and sentences that only the solutions of a notebook have."""
    folder, _, name = page.rpartition("/")
    student = nbformat.read(ROOT / folder / "student" / f"{name}.ipynb", as_version=4)
    shared = squeezed("\n".join(cell.source for cell in student.cells))
    found = []
    for cell in built(page).cells:
        if cell.cell_type == "markdown" and "solution" in cell.metadata.get("tags", ()):
            found += re.split(r"\$[^$]*\$|[.。;:]\s", re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", cell.source))[1:]
        elif cell.cell_type == "code":
            found += [line for part in cell.source.split(BEGIN)[1:] for line in part.partition(END)[0].splitlines()]
    return [line for line in map(squeezed, found) if len(line) > 11 and line not in shared]


@pytest.mark.parametrize("page", LOOKED_INTO)
def test_no_solution_is_seen_before_it_is_opened(site, page):
    soup = parsed(site, page)
    told = solutions(page)
    assert len(told) > 3
    seen, all_of_it = visible(soup), squeezed(soup.get_text())
    assert [line for line in told if line in seen] == []
    assert [line for line in told if line not in all_of_it] == []  # and who opens the folds finds all of them


def test_a_solution_that_stands_open_is_noticed(site):
    soup = copy.deepcopy(parsed(site, LOOKED_INTO[0]))
    for fold in soup.find_all("details"):
        fold["open"] = ""
    assert any(line in visible(soup) for line in solutions(LOOKED_INTO[0]))


@pytest.mark.parametrize("page", PAGES)
def test_what_a_check_prints_of_the_solution_is_folded(page):
    made = notebook_page(read(page), "zh-Hans" if "/zh/" in page else "en", "")
    opened = 0
    after_stub = False
    summary = ""  # of the fold that is open
    for cell in made.cells:
        if cell.cell_type == "markdown":
            summary = (re.findall("<summary>(.*?)</summary>", cell.source) or [summary])[-1]
            opened += cell.source.count("<details") - cell.source.count("</details>")
            after_stub = after_stub and not re.search("^#", cell.source, re.MULTILINE)
            continue
        assert BEGIN not in cell.source
        if "NotImplementedError" in cell.source:
            after_stub = True
        elif after_stub and opened == 0:
            assert cell.outputs == []
        elif after_stub:
            assert summary in ("Solution", "解答")  # nobody opens a fold that tells the answer without saying so
    assert opened == 0


def test_an_exercise_keeps_its_order(site):
    heading = parsed(site, "notebooks/03_the_dispute").find(id=re.compile("^exercise-3-2"))
    text = heading.get_text(" ")
    places = [text.index(words) for words in ("Hint 1", "Hint 2", "Expected output", "NotImplementedError")]
    places += [text.rindex(words) for words in ("check_mixed_factor", "Solution")]
    assert places == sorted(places)


@pytest.mark.parametrize("page", PAGES)
def test_every_picture_has_its_words(site, page):
    pictures = [
        output.metadata["image/png"]["alt"]
        for cell in built(page).cells
        for output in cell.get("outputs", [])
        if "image/png" in output.get("data", {})
    ]
    shown = parsed(site, page).find("article").find_all("img")
    assert [" ".join(image["alt"].split()) for image in shown] == [" ".join(alt.split()) for alt in pictures]


def test_a_picture_without_words_is_refused():
    notebook = read("notebooks/03_the_dispute")
    pictures = [out for cell in notebook.cells for out in cell.get("outputs", []) if "image/png" in out.get("data", {})]
    pictures[-1].metadata["image/png"]["alt"] = ""
    with pytest.raises(ValueError, match=r"Cell 03-\d+.* shows a picture without words"):
        notebook_page(notebook, "en", "")


@pytest.mark.parametrize("page", PAGES)
def test_downloads_are_the_files_of_the_repository(site, page):
    folder = (site / page).parent
    links = [link["href"] for link in parsed(site, page).find_all("a", download=True)]
    assert links == [f"files/{Path(page).name}.ipynb", f"files/student/{Path(page).name}.ipynb"]
    originals = [ROOT / f"{page}.ipynb", (ROOT / page).parent / "student" / f"{Path(page).name}.ipynb"]
    for link, original in zip(links, originals, strict=True):
        assert (folder / link).read_bytes() == original.read_bytes()
    student = squeezed((folder / links[1]).read_text(encoding="utf-8"))
    told = solutions(page)
    assert [line for line in told if line in student] == []
    assert BEGIN in (folder / links[0]).read_text(encoding="utf-8")  # as the other one has


def test_the_course_can_be_downloaded_as_one_file(site):
    links = parsed(site, "notebooks/README").find_all("a", download=True)
    course, wheel = (site / "notebooks" / link["href"] for link in links)  # neither needs a repository
    assert course.suffix == ".zip" and course.stat().st_size > 100_000
    assert wheel.suffix == ".whl" and wheel.stat().st_size > 100_000


def test_students_copies_questions_and_the_exam_tell_nothing(site):
    assert list(site.rglob("student/*.html")) == []
    assert not (site / "notebooks/assessment/exam.html").exists()
    assert list(site.rglob("exam_solutions*")) == []
    quiz = squeezed((site / "notebooks/assessment/quiz.html").read_text(encoding="utf-8"))
    reasons = re.findall(r"reason: (.+)", (ROOT / "notebooks/assessment/questions/03.yaml").read_text(encoding="utf-8"))
    assert len(reasons) > 10
    assert [reason for reason in reasons if squeezed(re.sub(r"\$[^$]*\$", "", reason)) in quiz] == []


def test_launch_links_are_made_of_one_setting():
    notebook = read("notebooks/03_the_dispute")
    path = "notebooks/03_the_dispute.ipynb"
    without = page_links(notebook, path, "en", "", "main")
    assert "http" not in without
    assert without.startswith('<p class="mezo-page-links">70 minutes · ')
    line = page_links(notebook, path, "en", "https://github.com/owner/repo", "main")
    links = {link.get_text(): link["href"] for link in BeautifulSoup(line, "html.parser").find_all("a")}
    student = "notebooks/student/03_the_dispute.ipynb"
    assert links[WORDS["en"]["colab"]] == f"https://colab.research.google.com/github/owner/repo/blob/main/{student}"
    binder = "https://mybinder.org/v2/gh/owner/repo/main?labpath=notebooks%2Fstudent%2F03_the_dispute.ipynb"
    assert links[WORDS["en"]["binder"]] == binder
    assert links[WORDS["en"]["source"]] == f"https://github.com/owner/repo/blob/main/{path}"
    assert "colab" not in launch_addresses(path, "https://gitlab.com/owner/repo", "main")


@pytest.mark.parametrize("repository", ["", "https://github.com/owner/repo"])
def test_all_pages_follow_the_setting(tmp_path, repository):
    (tmp_path / "notebooks").mkdir()
    for name in ("README.md", "TEACHING.md"):
        shutil.copy(ROOT / "notebooks" / name, tmp_path / "notebooks")
    write_course_pages(tmp_path, repository, "main")
    for page in PAGES:
        (line,) = re.findall(
            r"<p class=.mezo-page-links.>.*", nbformat.read(tmp_path / f"{page}.ipynb", 4).cells[0].source
        )
        addresses = re.findall(r"https://[^\"]+", line)
        hosts = {address.split("/")[2] for address in addresses}
        assert hosts == ({"github.com", "colab.research.google.com", "mybinder.org"} if repository else set())
        files = [
            unquote(address).partition("/main/")[2] or unquote(address).partition("labpath=")[2]
            for address in addresses
        ]
        assert [file for file in files if not (ROOT / file).is_file()] == []


def test_every_page_has_the_same_words_in_both_languages():
    for words in (pages_of_notebooks.WORDS, lines_of_links.WORDS):
        assert words.keys() == EDITIONS.keys()
        assert words["en"].keys() == words["zh-Hans"].keys()


def test_a_chinese_page_names_its_language(site):
    chinese = 'article [lang="zh-Hans"] h1'
    assert parsed(site, "notebooks/zh/03_the_dispute").select_one(chinese)
    assert not parsed(site, "notebooks/03_the_dispute").select_one(chinese)


def test_a_chinese_heading_has_the_address_of_the_english_one(site):
    for name in (page.rpartition("/")[2] for page in PAGES if "/zh/" in page):
        english = [section["id"] for section in parsed(site, f"notebooks/{name}").select("article section section")]
        chinese = {place["id"] for place in parsed(site, f"notebooks/zh/{name}").select("article [id]")}
        assert len(english) > 10
        assert {f"zh-{name[:2]}-{each}" for each in english} <= chinese


def test_a_notebook_with_a_lecture_leads_to_it(site):
    for name in lectures():
        (link,) = [link["href"] for link in parsed(site, f"notebooks/{name}").select("article a[href*='slides/']")]
        assert link == f"../slides/{name}.html"
        assert (site / "slides" / f"{name}.html").is_file()
    without = next(name for name in NAMES if name not in lectures())
    assert parsed(site, f"notebooks/{without}").select("article .mezo-page-links a[href*='slides/']") == []


@pytest.mark.browser
def test_a_lecture_finds_all_that_it_loads(site, browser):
    page = browser.open((site / "slides" / f"{lectures()[0]}.html").as_uri())
    page.wait_for("document.querySelectorAll('.MathJax_SVG').length > 1")
    assert page.console == []
    assert [request for request in page.requests if not request.startswith(("file:", "data:"))] == []
    page.close()


def test_answers_to_the_predictions_are_folded_for_students_who_read_the_page_of_lecturers(site):
    soup = parsed(site, "notebooks/TEACHING")
    answer = squeezed("no training run could tell, and yet each of them is wrong")
    assert answer in squeezed(soup.get_text())
    assert answer not in visible(soup)
    assert len(soup.select("details.mezo-fold")) == len(NAMES)
    headings = re.findall("^## (.+)$", (ROOT / "notebooks/TEACHING.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert [heading.get_text().rstrip("#") for heading in soup.find("article").find_all("h2")] == headings


def test_titles_with_numbers_are_the_titles_of_pages_and_of_the_navigation(site):
    soup = parsed(site, "notebooks/03_the_dispute")
    assert soup.title.get_text().startswith("3. The (d+n±1)/n dispute")
    assert "3. The (d+n±1)/n dispute" in soup.find("nav", class_="bd-links").get_text()


@pytest.mark.browser
def test_a_prediction_stands_again_beside_its_result_and_is_stored_nowhere(site, browser):
    page = browser.open((site / "notebooks/03_the_dispute.html").as_uri())
    page.evaluate("document.querySelector('[data-prediction=minibatch]').focus()")
    for letter in "shorter <b>":
        page.press(letter)
    shown = page.wait_for(
        "document.querySelector('[data-predicted=minibatch]').textContent.includes('<b>') && "
        "document.querySelector('[data-predicted=minibatch]').textContent"
    )
    assert shown == "You predicted: shorter <b>"
    assert page.evaluate("document.querySelector('[data-predicted=orthogonal]').textContent").endswith("open.")
    assert "shorter" not in page.evaluate("JSON.stringify([{...localStorage}, document.cookie])")
    page.close()


@pytest.mark.browser
def test_a_prediction_of_a_chinese_page_is_named_in_chinese(site, browser):
    page = browser.open((site / "notebooks/zh/03_the_dispute.html").as_uri())
    page.evaluate("document.querySelector('[data-prediction=law]').focus()")
    page.press("9")
    assert page.wait_for("document.querySelector('[data-predicted=law] b')?.textContent") == "你的预测："
    page.close()


@pytest.mark.browser
def test_the_search_quotes_no_solution(site, browser):
    """From a server it quotes the pages that it finds."""
    page = browser.open((site / "search.html").as_uri())
    notebook = (site / "notebooks/03_the_dispute.html").read_text(encoding="utf-8")
    text = squeezed(page.evaluate(f"Search.htmlToText({json.dumps(notebook)})"))
    assert squeezed("The ±1 in one picture") in text
    assert [line for line in solutions("notebooks/03_the_dispute") if line in text] == []
    page.close()


def test_every_prediction_that_is_compared_has_its_box(site):
    for page in PAGES:
        soup = parsed(site, page)
        boxes = {box["data-prediction"] for box in soup.select("[data-prediction]")}
        compared = {place["data-predicted"] for place in soup.select("[data-predicted]")}
        assert boxes
        assert compared <= boxes
        assert soup.get_text().count("You left the prediction open.") == len(soup.select("[data-predicted]"))
