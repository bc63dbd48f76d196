"""What a student sees of a wrong cell in a real kernel: one line, the sentence, and nothing of the checker."""

import ast
import re

import nbformat
import pytest
from cells import Exercise, exercises
from nbclient import NotebookClient

HANGS = 600  # seconds after which a kernel is given up; nothing here takes longer than a few

BODIES = {
    "stub": 'raise NotImplementedError("Your turn: replace this line.")',
    "own bug": "values = []\n    return values[3]",
    "library's bug": "import torch\n    return torch.zeros(2) @ torch.zeros(3)",
    "nothing": "return None",
    "interrupted": "raise KeyboardInterrupt",
    "own assertion": "assert False",
    "never ends": "return {name}({arguments})",
    "many lines": "raise ValueError('one\\n' * 500)",
    "object": "return object()",
    "text": 'return "abc\\nd^2"',
    "no arithmetic": 'return "d^2"',
    "zero division": 'return "d/(n - n)"',
    "shape": "return [[1.0, 2.0], [3.0, 4.0]]",
    "ragged": "return [[1.0], [2.0, 3.0]]",
    "complex": "return 1j",
    "not a number": 'return float("nan")',
    "dictionary": 'return {"A": 1}',
    "wrong": "return 12345.678",
    "tensor": "import torch\n    return torch.ones(3, 3)",
}


def wrong_cells(exercise: Exercise) -> dict[str, str]:
    """What somebody may write instead of the right answer → the cell."""
    found = {}
    for name in exercise.solved:
        node = exercise.function(name)
        head = f"def {name}({ast.unparse(node.args)}):"
        arguments = ", ".join(each.arg for each in node.args.args)
        for kind, body in BODIES.items():
            text = body.replace("{name}", name).replace("{arguments}", arguments)
            found[f"{name}: {kind}"] = exercise.with_function(name, f"{head}\n    {text}")
        others = ", ".join(f"{each.arg}_" for each in node.args.args)
        more = f"{others}, more" if others else "more"
        found[f"{name}: renamed"] = exercise.with_function(name, f"def {name}({others}):\n    return None")
        found[f"{name}: one more"] = exercise.with_function(name, f"def {name}({more}):\n    return None")
        found[f"{name}: no function"] = exercise.with_function(name, f"{name} = 3")
    return found


WRONG = {(each.cell, kind): source for each in exercises() for kind, source in wrong_cells(each).items()}


def ran(cells: list) -> list:
    notebook = nbformat.v4.new_notebook(cells=cells)
    limits = dict.fromkeys(("timeout", "startup_timeout", "iopub_timeout"), HANGS)
    NotebookClient(notebook, kernel_name="python3", allow_errors=True, **limits).execute()
    return notebook.cells


def error_of(cell):
    return next((output for output in cell.outputs if output.output_type == "error"), None)


def errors_shown() -> list[tuple[str, str, dict | None]]:
    """(cell, kind, the error that a kernel shows) of every wrong cell; one kernel for all."""
    cells, keys = [], []
    for each in exercises():
        cells.append(nbformat.v4.new_code_cell(each.before))
        keys.append(None)
        for kind in wrong_cells(each):
            cells.append(nbformat.v4.new_code_cell(WRONG[each.cell, kind]))
            keys.append((each.cell, kind))
    done = ran(cells)
    assert [error_of(cell) for key, cell in zip(keys, done, strict=True) if key is None and error_of(cell)] == []
    return [(*key, error_of(cell)) for key, cell in zip(keys, done, strict=True) if key]


@pytest.fixture(scope="session")
def shown(once) -> dict:
    """(cell, kind) → the error that a kernel shows."""
    return {(cell, kind): error for cell, kind, error in once("errors_shown", errors_shown)}


def test_every_exercise_is_among_them():
    assert len({each.notebook for each in exercises()}) == 16
    assert len(WRONG) > 15 * len(exercises()) > 500
    assert all(each.checks for each in exercises())


@pytest.mark.parametrize(("cell", "kind"), WRONG, ids=lambda each: each.replace(" ", "_"))
def test_a_wrong_cell_shows_one_line(shown, cell, kind):
    error = shown[cell, kind]
    assert error is not None, f"accepted:\n{WRONG[cell, kind]}"
    assert error["ename"] == "WrongAnswer" and len(error["traceback"]) == 1
    (line,) = error["traceback"]
    assert line.startswith("✗ ") and "\n" not in line
    assert not re.search(r"mezo_lab/|exercises|\.py\b|\x1b", line)
    assert not [answer for answer in answers(cell) if answer in line]


def answers(cell: str) -> list[str]:
    """The lines of the solutions of a cell, without what every function has."""
    (exercise,) = (each for each in exercises() if each.cell == cell)
    statements = [part for name in exercise.solved for part in exercise.function(name).body]
    lines = [line.strip().removeprefix("return ") for part in statements for line in ast.unparse(part).splitlines()]
    return [line for line in lines if len(line) > 3]


@pytest.mark.parametrize("cell", [each.cell for each in exercises()])
def test_a_students_own_bug_is_located_in_the_cell(shown, cell):
    (exercise,) = (each for each in exercises() if each.cell == cell)
    for name in exercise.solved:
        number = exercise.function(name).lineno + 2
        line = shown[cell, f"{name}: own bug"]["traceback"][0]
        assert (
            f"`{name}` raised IndexError: list index out of range, at line {number} of its cell: return values[3]"
            in line
        )
        assert f"Your turn: `{name}` is not written yet." in shown[cell, f"{name}: stub"]["traceback"][0]


def test_renamed_parameters_are_told_as_that(shown):
    told = [error["traceback"][0] for (_, kind), error in shown.items() if kind.endswith(": one more")]
    assert all("Keep the exercise's parameters, " in line for line in told)


def test_the_line_is_no_accident_of_the_sentence():
    """The negative control: the same error without its own rendering shows the checker's frames."""
    plain = "from mezo_lab.course.exercises import answers\ndel answers.WrongAnswer._render_traceback_\n"
    cell = "from mezo_lab.course.exercises.dispute import check_mixed_factor\ncheck_mixed_factor(lambda **case: 1.0)"
    (_, shown) = ran([nbformat.v4.new_code_cell(plain), nbformat.v4.new_code_cell(cell)])
    assert len("\n".join(error_of(shown)["traceback"]).splitlines()) > 20
