"""A notebook tells a story: eight words to a line of code, and few printed lines."""

import re
from pathlib import Path

import build
import nbformat
import pytest

pytestmark = pytest.mark.repo
NOTEBOOKS = Path(__file__).resolve().parents[2] / "notebooks"
WORDS_A_LINE = 8
MOST_PRINTED = 343  # lines in all: a third of the 1,030 that the notebooks once printed


def words(notebook) -> int:
    """Of the text, in which a formula is one word; solutions are left out."""
    cells = [cell for cell in notebook.cells if cell.cell_type == "markdown" and "solution" not in tags(cell)]
    text = re.sub("```.*?```", "", "\n\n".join(cell.source for cell in cells), flags=re.DOTALL)
    text = re.sub(r"(\${1,2}).*?\1", "x", text, flags=re.DOTALL)
    return len(re.sub("</?[a-z][^<>]*>", "", text).split())


def code_lines(notebook) -> int:
    """Lines with something on them, without the installation, the solutions and the checks of exercises."""
    cells = [cell.source for cell in notebook.cells if cell.cell_type == "code" and "install" not in tags(cell)]
    code = re.sub(r"^ *# BEGIN SOLUTION.*?# END SOLUTION$", "", "\n".join(cells), flags=re.DOTALL | re.MULTILINE)
    lines = code.splitlines()
    return sum(bool(line.strip()) and not re.match(r"check_|from mezo_lab.course.exercises", line) for line in lines)


def printed_lines(notebook) -> int:
    outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    texts = [output.text for output in outputs if output.output_type == "stream"]
    return sum(bool(line.strip()) for text in texts for line in text.splitlines())


def tags(cell) -> list[str]:
    return cell.metadata.get("tags", [])


@pytest.mark.parametrize("name", build.names())
def test_a_line_of_code_has_eight_words_of_story(name):
    notebook = build.read(name)
    assert words(notebook) >= WORDS_A_LINE * code_lines(notebook)


def test_the_notebooks_print_a_third_of_what_they_printed():
    built = [nbformat.read(NOTEBOOKS / f"{name}.ipynb", as_version=4) for name in build.names()]
    assert sum(map(printed_lines, built)) <= MOST_PRINTED


def test_words_code_and_printed_lines_are_counted():
    solution = "def f(x):\n    # BEGIN SOLUTION\n    return x\n    # END SOLUTION"
    codes = [solution, "import a\n\nprint(1)", "from mezo_lab.course.exercises.x import check_f\n\ncheck_f(f)"]
    cells = [
        nbformat.v4.new_code_cell(code, outputs=[nbformat.v4.new_output("stream", text="1\n\n2\n")]) for code in codes
    ]
    cells += [
        nbformat.v4.new_markdown_cell("Let $a < b$ <b>hold</b>."),
        nbformat.v4.new_code_cell("x", metadata={"tags": ["install"]}),
    ]
    cells.append(nbformat.v4.new_markdown_cell("Hidden words.", metadata={"tags": ["solution"]}))
    notebook = nbformat.v4.new_notebook(cells=cells)
    assert (words(notebook), code_lines(notebook), printed_lines(notebook)) == (3, 3, 6)
