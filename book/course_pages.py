"""The course in the book: notebooks as pages, from their saved outputs, and beside them what a reader can download.

    write_course_pages(staged)
    write_course_files(staged / "extra")

A page is its notebook, and a reader who looks for no answer sees none: a solution, and what a check printed when the
solution was in place, are folded. The order stays: exercise, hints, stub, check, solution.
"""

import copy
import html
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import nbformat
from links import ROOT, SETTINGS

sys.path.insert(0, str(ROOT / "notebooks"))
from marks import BEGIN, END, text_is_solution, unsolved

from mezo_lab.course.handout import write_course
from mezo_lab.course.quiz import write_quiz

NOTEBOOKS = ROOT / "notebooks"
EDITIONS = {"en": "notebooks", "zh-Hans": "notebooks/zh"}  # language → folder, in the repository as in the book
FILES = "files"  # beside the pages of an edition: what can be downloaded, as the repository has it
COURSE_FILE = "mezo_lab_course.zip"
ALL_IN_ONE = "Download the course: all notebooks without solutions, glossary, claims and questions, in one file"
WORDS = {
    "en": {
        "minutes": "{} minutes",
        "notebook": "Download the notebook",
        "student": "Download the copy without solutions",
        "source": "Source",
        "other": "中文",
        "colab": "Open in Colab",
        "binder": "Open on Binder",
        "install": "This cell installs <code>mezo_lab</code> where it is missing, as in Colab",
        "output": "What this cell shows when the solution is in place",
        "solution": "Solution",
        "boxes": "On this page, write your answers here. They are neither stored nor sent, and you see them again "
        "beside the results.",
        "answer": "Your answer to question {} ({})",
    },
    "zh-Hans": {
        "minutes": "{} 分钟",
        "notebook": "下载笔记本",
        "student": "下载不含解答的副本",
        "source": "源文件",
        "other": "English",
        "colab": "在 Colab 中打开",
        "binder": "在 Binder 中打开",
        "install": "如果没有安装 <code>mezo_lab</code>（例如在 Colab 中），此单元格会安装它",
        "output": "填入解答后此单元格的输出",
        "solution": "解答",
        "boxes": "在本页上，请把答案写在这里。它们不会被保存或发送，之后会与结果并排显示。",
        "answer": "问题 {}（{}）的回答",
    },
}
_DETAILS = re.compile(r"<details>.*?</details>", re.DOTALL)
_FORMULA = re.compile(r"\$([^$\n]+)\$")
_MINUTES = re.compile(r"(\d+)\s+(?:minutes|分钟)")
_OPEN_PREDICTION = "<p>You left the prediction open.<br>"
_SHOWING = re.compile(r"\b(?:show|show_proof|print|display)\(")
_DARK_OF_JUPYTERLAB = re.compile(r"<style>\[data-jp-theme-light.*?</style>", re.DOTALL)


def write_course_pages(
    staged: Path, repository: str = SETTINGS["repository"], branch: str = SETTINGS["branch"]
) -> None:
    """Turn the staged notebooks into pages, and add the Chinese edition, the questions, the rubric and the downloads.

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
            page = notebook_page(notebook, language, links)
            nbformat.write(page, staged / folder / source.name)
    _write_index(staged / "notebooks/README.md")
    _write_chinese_index(staged / "README.zh.md")
    _fold_answers(staged / "notebooks/TEACHING.md")


def write_course_files(extra: Path) -> None:
    """Write what can be downloaded: notebooks and students' copies as they are, and the course as one file.

    Args: extra: the folder that Sphinx copies into the site as it is.
    """
    for folder in EDITIONS.values():
        files = extra / folder / FILES
        shutil.copytree(ROOT / folder / "student", files / "student", ignore=shutil.ignore_patterns(".*"))
        for source in _sources(folder):
            shutil.copy(source, files)
    write_course(extra / "notebooks" / FILES / COURSE_FILE, student=True, as_zip=True)


def _all_but(*names: str) -> Any:
    """What copytree leaves out."""
    return lambda _, found: [name for name in found if name not in names]


def _sources(folder: str) -> list[Path]:
    """The built notebooks of an edition, in the order of the course."""
    return sorted((ROOT / folder).glob("[0-9]*.ipynb"))


def notebook_page(notebook: Any, language: str, links: str) -> Any:
    """A copy of a built notebook as the book shows it.

    Args: language: of its prose, as `WORDS` has it; links: the line of HTML below its title.
    """
    words = WORDS[language]
    page = copy.deepcopy(notebook)
    page.cells = list(_cells(page.cells, words))
    title, _, rest = page.cells[0].source.partition("\n")
    page.cells[0].source = f"{title}\n\n{links}\n{rest}"
    return page


def _cells(cells: list[Any], words: dict[str, str]) -> Iterator[Any]:
    """The cells of a page. A solution waits for the checks of its exercise, and ends before the next heading."""
    solved: list[str] = []  # code of the exercise that waits
    after_stub = False
    for cell in cells:
        if cell.cell_type == "markdown":
            if text_is_solution(cell):
                yield _text(_fold(words["solution"], [*solved, _without_label(cell.source)]))
                solved = []
                continue
            if re.search(r"^#{1,6} ", cell.source, re.MULTILINE):
                yield from [_text(_fold(words["solution"], solved))] if solved else []
                solved = []
                after_stub = False
            cell.source = _DETAILS.sub(lambda found: _typeset(found[0]), cell.source)
            yield cell
            continue
        if "install" in cell.metadata.get("tags", ()):
            yield from _folded(words["install"], cell)
            continue
        if BEGIN in cell.source:
            solved.append(f"```python\n{_without_marks(cell.source)}\n```")
            after_stub = True
            shows_answer = bool(_SHOWING.search(_solution_of(cell.source)))
            cell.source = unsolved(cell.source)
        else:
            shows_answer = after_stub
        yield from _code(cell, words["output"] if shows_answer else "")
        if re.search(r"^predictions = predict\(", cell.source, re.MULTILINE):
            yield _text(_boxes(cell.source, words))
    if solved:
        yield _text(_fold(words["solution"], solved))


def _code(cell: Any, summary: str) -> Iterator[Any]:
    """A cell of code, then its outputs, folded if there is a summary; each picture has a cell, which has its words."""
    outputs = cell.outputs
    _name_answers(outputs, cell.source)
    parts: list[list[Any]] = [[]]
    for output in outputs:
        if "image/png" in output.get("data", {}) and parts[-1]:
            parts.append([])
        parts[-1].append(output)
    cell.outputs = [] if summary else _shown(cell, parts.pop(0))
    yield cell
    if summary and any(parts):
        yield _text(f'<details class="mezo-fold">\n<summary>{summary}</summary>')
    for number, part in enumerate(parts):
        if part:
            more = nbformat.v4.new_code_cell("# output", id=f"{cell.id}-{number}", metadata={"tags": ["remove-input"]})
            more.outputs = _shown(more, part)
            yield more
    if summary and any(parts):
        yield _text("</details>")


def _shown(cell: Any, outputs: list[Any]) -> list[Any]:
    """The outputs as a page has them; the words of a picture go to where myst-nb looks for them, in the cell."""
    for output in outputs:
        data = output.get("data", {})
        if "image/png" in data:
            alt = output.metadata.get("image/png", {}).get("alt")
            if not alt:
                raise ValueError(
                    f"Cell {cell.id} shows a picture without words: give `show` its `alt`, and build again."
                )
            cell.metadata["mystnb"] = {"image": {"alt": alt, "classes": "mezo-figure"}}
        if "text/html" in data:
            data["text/html"] = _page_html(data["text/html"])
    return outputs


def _page_html(text: str) -> str:
    """The HTML of an output for a page that is narrow or dark: wide tables scroll, and no style is for JupyterLab.

    >>> _page_html("<div><table><tr><td>1</td></tr></table></div>")
    '<div class="mezo-card"><div class="mezo-scroll"><table class="table"><tr><td>1</td></tr></table></div></div>'
    """
    text = _DARK_OF_JUPYTERLAB.sub("", text)
    text = text.replace("<div><table>", '<div class="mezo-card"><div class="mezo-scroll"><table class="table">')
    return text.replace("</table>", "</table></div>") if "mezo-scroll" in text else text


def _name_answers(outputs: list[Any], source: str) -> None:
    """Mark where a page shows a reader's prediction, by the name of its question: predictions.js fills it in."""
    names = iter(re.findall(r"""\bpredictions\.compare\(\s*["'](\w+)["']""", source))
    for output in outputs:
        data = output.get("data", {})
        if data.get("text/html", "").startswith(_OPEN_PREDICTION):
            name = next(names, "")
            if not name:
                continue
            shown = f'<p><span data-predicted="{name}">You left the prediction open.</span><br>'
            data["text/html"] = data["text/html"].replace(_OPEN_PREDICTION, shown, 1)


def _boxes(source: str, words: dict[str, str]) -> str:
    """A box for each question of `predict(...)`: what is written there is forgotten with the page."""
    lines = [f'<div class="mezo-predictions">\n<p>{words["boxes"]}</p>']
    for number, name in enumerate(re.findall(r'\b(\w+)=""', source), start=1):
        label = words["answer"].format(number, name)
        box = f'<input type="text" autocomplete="off" data-prediction="{name}" aria-label="{label}">'
        lines.append(f"<label><span>{number}. {name}</span> {box}</label>")
    return "\n".join([*lines, "</div>"])


def _folded(summary: str, cell: Any) -> Iterator[Any]:
    """A cell of code inside a fold."""
    yield _text(f'<details class="mezo-fold">\n<summary>{summary}</summary>')
    yield cell
    yield _text("</details>")


def _fold(summary: str, parts: list[str]) -> str:
    """Markdown inside a fold: blank lines around it let it be read as Markdown."""
    inside = "\n\n".join(parts)
    return f'<details class="mezo-fold mezo-solution">\n<summary>{summary}</summary>\n\n{inside}\n\n</details>'


def _text(source: str) -> Any:
    return nbformat.v4.new_markdown_cell(source)


def _without_label(source: str) -> str:
    """
    >>> _without_label("**Solution.** Step 2 breaks.")
    'Step 2 breaks.'
    """
    return re.sub(r"\A\*\*[^*]+\*\*\s*", "", source)


def _without_marks(source: str) -> str:
    """Code with its solution in place."""
    return "\n".join(line for line in source.split("\n") if line.strip() not in (BEGIN, END))


def _solution_of(source: str) -> str:
    """The lines between the marks."""
    return "\n".join(part.partition(END)[0] for part in source.split(BEGIN)[1:])


def _typeset(text: str) -> str:
    """HTML whose formulas MathJax finds: it looks inside what Sphinx calls math, and nowhere else.

    >>> print(_typeset("<details>With $i<j$.</details>"))
    <details class="mezo-fold">With <span class="math notranslate nohighlight">\\(i&lt;j\\)</span>.</details>
    """

    def formula(found: re.Match[str]) -> str:
        tex = html.escape(html.unescape(found[1]), quote=False)
        return rf'<span class="math notranslate nohighlight">\({tex}\)</span>'

    return _FORMULA.sub(formula, text).replace("<details>", '<details class="mezo-fold">', 1)


def page_links(notebook: Any, path: str, language: str, repository: str, branch: str) -> str:
    """The quiet line below a title: minutes, downloads, the other language, and launch links where there is an address.

    Args: path: of the notebook in the repository; repository, branch: as `write_course_pages` takes them.
    """
    words = WORDS[language]
    name = path.rpartition("/")[2]
    minutes = _MINUTES.search(notebook.cells[0].source)
    parts = [words["minutes"].format(minutes[1])] if minutes else []
    for key, file in (("notebook", f"{FILES}/{name}"), ("student", f"{FILES}/student/{name}")):
        parts.append(f'<a href="{file}" download>{words[key]}</a>')
    other = {"en": "zh/", "zh-Hans": "../"}[language]
    if (ROOT / path).parent.joinpath(other, name).exists():
        tongue = "en" if language != "en" else "zh-Hans"
        address = f"{other}{name.removesuffix('.ipynb')}.html"
        parts.append(f'<a href="{address}" lang="{tongue}" hreflang="{tongue}">{words["other"]}</a>')
    for key, address in launch_addresses(path, repository, branch).items():
        parts.append(f'<a href="{address}">{words[key]}</a>')
    return f'<p class="mezo-page-links">{" · ".join(parts)}</p>'


def launch_addresses(path: str, repository: str, branch: str) -> dict[str, str]:
    """Where the students' copy of a notebook opens and runs, and where its source is read; none without an address.

    Colab opens what lies on GitHub alone.

    >>> sorted(launch_addresses("notebooks/03_the_dispute.ipynb", "https://github.com/o/r", "main"))
    ['binder', 'colab', 'source']
    >>> launch_addresses("notebooks/03_the_dispute.ipynb", "", "main")
    {}
    """
    if not repository:
        return {}
    folder, _, name = path.rpartition("/")
    student = quote(f"{folder}/student/{name}")
    addresses = {"source": f"{repository}/blob/{branch}/{quote(path)}"}
    if repository.startswith("https://github.com/"):
        project = repository.removeprefix("https://github.com/").strip("/")
        addresses["colab"] = f"https://colab.research.google.com/github/{project}/blob/{branch}/{student}"
        place = f"gh/{project}"
    else:
        place = f"git/{quote(repository, safe='')}"
    addresses["binder"] = f"https://mybinder.org/v2/{place}/{branch}?labpath={quote(student, safe='')}"
    return addresses


def _write_index(page: Path) -> None:
    """Give the first page of the course its children in the navigation, and a link to the whole course as one file."""
    text = page.read_text(encoding="utf-8")
    title, _, rest = text.partition("\n")
    links = f'<p class="mezo-page-links"><a href="{FILES}/{COURSE_FILE}" download>{ALL_IN_ONE}</a></p>'
    children = [f"{source.stem}" for source in _sources("notebooks")]
    pages = [*children, "assessment/quiz", "assessment/rubric", "../README.zh"]
    page.write_text(f"{title}\n\n{links}\n{rest}\n{_toctree(pages)}", encoding="utf-8")


def _write_chinese_index(page: Path) -> None:
    """Give the Chinese page its notebooks as children."""
    pages = [f"notebooks/zh/{source.stem}" for source in _sources("notebooks/zh")]
    page.write_text(page.read_text(encoding="utf-8") + "\n" + _toctree(pages), encoding="utf-8")


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
        lambda found: _fold(found[1], [found[2]]),
        answers,
        flags=re.MULTILINE | re.DOTALL,
    )
    page.write_text(before + heading + folded + mark + after, encoding="utf-8")
