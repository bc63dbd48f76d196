"""A built notebook as a page of the book, from its saved outputs.

A reader who looks for no answer sees none: a solution, and what the cells of its exercise show when it is in place,
are in one fold. The order stays: exercise, hints, stub, check, solution.
"""

import copy
import html
import re
import sys
from collections.abc import Iterator
from typing import Any

import nbformat
from links import ROOT

sys.path.insert(0, str(ROOT / "notebooks"))
from marks import BEGIN, END, text_is_solution, unsolved

WORDS = {
    "en": {
        "install": "This cell installs <code>mezo_lab</code> where it is missing, as in Colab",
        "output": "With the solution in place, the cells above show:",
        "solution": "Solution",
        "boxes": "On this page, write your answers here. They are neither stored nor sent, and you see them again "
        "beside the results.",
        "answer": "Your answer to question {} ({})",
        "said": "You predicted: ",
    },
    "zh-Hans": {
        "install": "如果没有安装 <code>mezo_lab</code>（例如在 Colab 中），此单元格会安装它",
        "output": "填入解答后，上面各单元格的输出：",
        "solution": "解答",
        "boxes": "在本页上，请把答案写在这里。它们不会被保存或发送，之后会与结果并排显示。",
        "answer": "问题 {}（{}）的回答",
        "said": "你的预测：",
    },
}
_DETAILS = re.compile(r"<details>.*?</details>", re.DOTALL)
_FORMULA = re.compile(r"\$([^$\n]+)\$")
_OPEN_PREDICTION = "<p>You left the prediction open.<br>"
_SHOWING = re.compile(r"\b(?:show|show_proof|print|display)\(")
_DARK_OF_JUPYTERLAB = re.compile(r"<style>\[data-jp-theme-light.*?</style>", re.DOTALL)


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
    outputs: list[Any] = []  # what its cells show with the solution in place
    after_stub = False
    for cell in cells:
        if cell.cell_type == "markdown":
            if text_is_solution(cell):
                yield from _solution([*solved, _without_label(cell.source)], outputs, words)
                solved, outputs = [], []
                continue
            if re.search(r"^#{1,6} ", cell.source, re.MULTILINE):
                yield from _solution(solved, outputs, words)
                solved, outputs = [], []
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
        shown, *more = _code(cell, apart=shows_answer)
        yield shown
        if shows_answer:
            outputs += more
        else:
            yield from more
        if re.search(r"^predictions = predict\(", cell.source, re.MULTILINE):
            yield _text(_boxes(cell.source, words))
    yield from _solution(solved, outputs, words)


def _solution(parts: list[str], outputs: list[Any], words: dict[str, str]) -> Iterator[Any]:
    """One fold with the solution of an exercise, and then with what its cells show; none where there is neither."""
    if outputs:
        yield _text(_opened(words["solution"], [*parts, words["output"]]))
        yield from outputs
        yield _text("</details>")
    elif parts:
        yield _text(folded_text(words["solution"], parts))


def _code(cell: Any, apart: bool) -> Iterator[Any]:
    """A cell of code, then its outputs, all `apart` from it or the first in it; a cell for each picture, with words."""
    outputs = cell.outputs
    _name_answers(outputs, cell.source)
    parts: list[list[Any]] = [[]]
    for output in outputs:
        if "image/png" in output.get("data", {}) and parts[-1]:
            parts.append([])
        parts[-1].append(output)
    cell.outputs = [] if apart else _shown(cell, parts.pop(0))
    yield cell
    for number, part in enumerate(parts):
        if part:
            more = nbformat.v4.new_code_cell("# output", id=f"{cell.id}-{number}", metadata={"tags": ["remove-input"]})
            more.outputs = _shown(more, part)
            yield more


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
            data["text/html"] = _DARK_OF_JUPYTERLAB.sub("", data["text/html"])
    return outputs


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
    lines = [f'<div class="mezo-predictions" data-said="{words["said"]}">\n<p>{words["boxes"]}</p>']
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


def folded_text(summary: str, parts: list[str]) -> str:
    """Markdown inside a fold: blank lines around it let it be read as Markdown."""
    return f"{_opened(summary, parts)}\n\n</details>"


def _opened(summary: str, parts: list[str]) -> str:
    """A fold with Markdown that does not end yet."""
    inside = "\n\n".join(parts)
    return f'<details class="mezo-fold mezo-solution">\n<summary>{summary}</summary>\n\n{inside}'


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
