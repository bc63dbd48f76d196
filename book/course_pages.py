"""The course in the book: notebooks as pages, from their saved outputs, and beside them what a reader can download.

    write_course_pages(staged)
    write_course_files(staged / "extra")

notebook_page.py makes a page of a notebook, page_links.py the line below its title, lecture_pages.py the lectures.
"""

import re
import shutil
from pathlib import Path
from typing import Any

import lecture_pages
import nbformat
from docutils.nodes import make_id
from links import ROOT, SETTINGS
from notebook_page import folded_text, notebook_page
from page_links import FILES, page_links

from mezo_lab import __version__
from mezo_lab.course.handout import write_course
from mezo_lab.course.quiz import write_quiz

NOTEBOOKS = ROOT / "notebooks"
EDITIONS = {"en": "notebooks", "zh-Hans": "notebooks/zh"}  # language → folder, in the repository as in the book
CHINESE_TITLE = "mezo_lab 中文版"
COURSE_FILE = "mezo_lab_course.zip"
ALL_IN_ONE = "Download the course in one file: notebooks without solutions, glossary, claims, questions"
WHEEL_FILE = f"mezo_lab-{__version__}-py3-none-any.whl"  # as wheel.py names it
WHEEL = (
    "Download the package, and put it beside the notebooks: their first cell installs it, and no repository is needed"
)


def write_course_pages(
    staged: Path, repository: str = SETTINGS["repository"], branch: str = SETTINGS["branch"]
) -> None:
    """Turn the staged notebooks into pages, and add the Chinese edition, the questions and the rubric.

    Args:
        staged: the folder of the book's sources, with the notebooks as the repository has them.
        repository: its address, for launch links and the source; empty: there are no such links.
        branch: of the repository.
    """
    shutil.copytree(NOTEBOOKS / "assessment", staged / "notebooks/assessment", ignore=_all_but("rubric.md"))
    write_quiz(staged / "notebooks/assessment", student=True, seed=0)
    (staged / "notebooks/zh").mkdir()
    shutil.copy(ROOT / "README.zh.md", staged)
    for language, folder in EDITIONS.items():
        for source in _sources(folder):
            notebook = nbformat.read(source, as_version=4)
            links = page_links(notebook, f"{folder}/{source.name}", language, repository, branch)
            if language != "en":
                _name_headings(notebook, nbformat.read(NOTEBOOKS / source.name, as_version=4))
            page = notebook_page(notebook, language, links)
            nbformat.write(page, staged / folder / source.name)
    _write_index(staged / "notebooks/README.md")
    _write_chinese_index(staged / "README.zh.md")
    _fold_answers(staged / "notebooks/TEACHING.md")
    _add_links(staged / "notebooks/TEACHING.md", _lecture_links())


def write_course_files(extra: Path) -> None:
    """Write what can be downloaded: notebooks, students' copies, the course as one file; and the lectures.

    Args: extra: the folder that Sphinx copies into the site as it is.
    """
    for folder in EDITIONS.values():
        files = extra / folder / FILES
        shutil.copytree(ROOT / folder / "student", files / "student", ignore=shutil.ignore_patterns(".*"))
        for source in _sources(folder):
            shutil.copy(source, files)
    write_course(extra / "notebooks" / FILES / COURSE_FILE, student=True, as_zip=True)
    lecture_pages.write_lectures(extra / lecture_pages.FOLDER)


def _all_but(*names: str) -> Any:
    """What copytree leaves out."""
    return lambda _, found: [name for name in found if name not in names]


def _sources(folder: str) -> list[Path]:
    """The built notebooks of an edition, in the order of the course."""
    return sorted((ROOT / folder).glob("[0-9]*.ipynb"))


def _name_headings(chinese: Any, english: Any) -> None:
    """Give each Chinese heading an address that lasts, made of the English one: Sphinx would count them."""
    number = english.cells[0].id.partition("-")[0]
    for cell, source in zip(chinese.cells, english.cells, strict=True):
        words = re.findall(r"^##+ (.+)$", source.source, re.MULTILINE)
        headings = re.findall(r"^##+ .+$", cell.source, re.MULTILINE)
        if cell.cell_type == "markdown" and len(words) == len(headings):
            for heading, each in zip(headings, words, strict=True):
                target = make_id(f"zh {number} {each}")
                cell.source = cell.source.replace(heading, f"({target})=\n{heading}", 1)


def _write_index(page: Path) -> None:
    """Give the first page of the course its children in the navigation, the lectures, and the course as one file."""
    children = [source.stem for source in _sources("notebooks")]
    course = f'<a href="{FILES}/{COURSE_FILE}" download>{ALL_IN_ONE}</a>'
    wheel = f'<a href="../{FILES}/{WHEEL_FILE}" download>{WHEEL}</a>'
    _add_links(page, f'<p class="mezo-page-links">{course}<br>{wheel}</p>\n{_lecture_links()}')
    pages = [*children, "assessment/quiz", "assessment/rubric", "../README.zh"]
    page.write_text(page.read_text(encoding="utf-8") + "\n" + _toctree(pages), encoding="utf-8")


def _lecture_links() -> str:
    """The line that leads to the lectures, by the numbers of their notebooks."""
    address = f"../{lecture_pages.FOLDER}/{{}}.html"
    numbers = [f'<a href="{address.format(name)}">{int(name[:2])}</a>' for name in lecture_pages.lectures()]
    return f'<p class="mezo-page-links">Lectures of notebooks {", ".join(numbers)}</p>'


def _add_links(page: Path, links: str) -> None:
    """Put a line of links below the title of a page."""
    title, _, rest = page.read_text(encoding="utf-8").partition("\n")
    page.write_text(f"{title}\n\n{links}\n{rest}", encoding="utf-8")


def _write_chinese_index(page: Path) -> None:
    """Give the Chinese page its notebooks as children."""
    pages = [f"notebooks/zh/{source.stem}" for source in _sources("notebooks/zh")]
    text = page.read_text(encoding="utf-8").replace("# mezo_lab\n", f"# {CHINESE_TITLE}\n", 1)
    page.write_text(f"{text}\n{_toctree(pages)}", encoding="utf-8")


def _toctree(pages: list[str]) -> str:
    """Children of a page, which its text need not list."""
    return "\n".join(["```{toctree}", ":hidden:", "", *pages, "```", ""])


def _fold_answers(page: Path) -> None:
    """Fold the answers to the predictions, notebook by notebook: students read this page too."""
    text = page.read_text(encoding="utf-8")
    before, heading, rest = text.partition("## Answers to the predict cells\n")
    answers, mark, after = rest.partition("\n## ")
    folded = re.sub(
        r"^\*\*(\d+\. [^*]+)\.\*\* (.+?)(?=\n\n|\Z)",
        lambda found: folded_text(found[1], [found[2]]),
        answers,
        flags=re.MULTILINE | re.DOTALL,
    )
    page.write_text(f"{before}{heading}{folded}\n{mark}{after}", encoding="utf-8")
