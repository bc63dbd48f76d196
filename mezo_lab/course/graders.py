"""The notebooks of the course in the forms that nbgrader and otter-grader read; neither needs to be installed.

Both forms are source versions with the solutions in them, from which the grader makes the students' copies. A check
stands in a cell of its own, which imports the check itself, so that a student's cell cannot replace it.
"""

import ast
import builtins
import copy
import re
from collections.abc import Iterator
from typing import Any

__all__ = ["for_nbgrader", "for_otter"]

_BEGIN = "# BEGIN SOLUTION"
_END = "# END SOLUTION"
_STARS = re.compile("★+")
_CHECKS = "mezo_lab.course.exercises"

Notebook = dict[str, Any]
Cell = dict[str, Any]


def for_nbgrader(notebook: Notebook) -> Notebook:
    """A notebook with the metadata of nbgrader, schema version 3.

    Args: notebook: as JSON, with its solutions.
    Returns: a copy without outputs. Code with a solution is a solution cell, a check is locked and has the points of
    its exercise, and a text or code that no check judges is graded by hand.

    >>> cell = {"id": "1", "cell_type": "code", "metadata": {}, "source": "# BEGIN SOLUTION\\nx = 1\\n# END SOLUTION"}
    >>> (made,) = for_nbgrader({"cells": [cell], "metadata": {}})["cells"]
    >>> made["metadata"]["nbgrader"]["grade"], made["metadata"]["nbgrader"]["solution"]
    (True, True)
    """
    made = _bare(notebook)
    made["cells"] = []
    for exercise in _exercises(notebook):
        for cell in exercise.cells:
            if cell is exercise.check:
                cell["metadata"]["nbgrader"] = _nbgrader(cell, grade=True, solution=False, points=exercise.points)
            elif cell is exercise.solution:
                by_hand = exercise.check is None
                points = exercise.points if by_hand else None
                cell["metadata"]["nbgrader"] = _nbgrader(cell, grade=by_hand, solution=True, points=points)
            made["cells"].append(cell)
    return made


def for_otter(notebook: Notebook, name: str) -> Notebook:
    """A notebook in the form that `otter assign` reads: raw cells mark questions, solutions and tests.

    Args:
        notebook: as JSON, with its solutions.
        name: of the assignment.
    Returns: a copy without outputs, whose tests are functions that raise an exception.

    >>> made = for_otter({"cells": [], "metadata": {}}, "01_first")
    >>> made["cells"][0]["source"].splitlines()[0]
    '# ASSIGNMENT CONFIG'
    """
    made = _bare(notebook)
    config = "# ASSIGNMENT CONFIG\nexport_cell: false\nrun_tests: true\n"
    made["cells"] = [_raw(f"{config}name: {name}\ntests:\n  ok_format: false", "config")]
    for exercise in _exercises(notebook):
        if exercise.solution is None:
            made["cells"] += exercise.cells
            continue
        made["cells"] += _otter_question(exercise)
    return made


class _Exercise:
    """Cells that belong together: a solution with its check, or cells that ask for nothing."""

    def __init__(self, cells: list[Cell], points: int, solution: Cell | None = None, check: Cell | None = None):
        self.cells = cells
        self.points = points
        self.solution = solution
        self.check = check


def _exercises(notebook: Notebook) -> Iterator[_Exercise]:
    """The notebook in order, each solution with the check that judges it."""
    whole = [_clean(cell) for cell in notebook["cells"]]
    modules = _imported_checks(whole)
    cells = [part for cell in whole for part in _split(cell, modules)]
    points = 1
    while cells:
        cell = cells.pop(0)
        if cell["cell_type"] == "markdown" and "### Exercise" in cell["source"]:
            stars = _STARS.search(cell["source"])
            points = len(stars[0]) if stars else 1
        if not _is_solution(cell):
            yield _Exercise([cell], points)
            continue
        check = None
        if cell["cell_type"] == "code" and cells and _check_names(cells[0], modules):
            check = cells.pop(0)
            check["source"] = _with_imports(check, modules)
        yield _Exercise([cell] + ([check] if check else []), points, cell, check)


def _split(cell: Cell, modules: dict[str, str]) -> list[Cell]:
    """A cell with a solution, in up to three: the solution, its check, and what follows the check."""
    source = cell["source"]
    if cell["cell_type"] != "code" or _BEGIN not in source:
        return [cell]
    lines = source.split("\n")
    end = max(number for number, line in enumerate(lines, start=1) if line.strip() == _END)
    checks = [node for node in _statements(source) if node.lineno > end and _calls(node, modules)]
    if not checks:
        return [cell]
    first = checks[0].lineno - 1
    last = checks[-1].end_lineno or first + 1
    texts = {"": lines[:first], "-check": lines[first:last], "-after": lines[last:]}
    parts = {suffix: "\n".join(text).strip("\n") for suffix, text in texts.items()}
    return [
        cell | {"id": cell["id"] + suffix, "metadata": {}, "source": text} for suffix, text in parts.items() if text
    ]


def _statements(source: str) -> list[ast.stmt]:
    """The statements at the top of a cell; none in a cell that is not Python."""
    try:
        return ast.parse(source).body
    except SyntaxError:
        return []


def _calls(node: ast.stmt, modules: dict[str, str]) -> list[str]:
    """The imported names by which a statement calls checks: check_x of check_x(…), zoo of zoo.check_x(…)."""
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        return []
    calls = [each.func for each in ast.walk(node) if isinstance(each, ast.Call)]
    names = [name.id for name in calls if isinstance(name, ast.Name) and name.id.startswith("check_")]
    for name in calls:
        if isinstance(name, ast.Attribute) and name.attr.startswith("check_") and isinstance(name.value, ast.Name):
            names.append(name.value.id)
    return [name for name in names if name in modules]


def _check_names(cell: Cell, modules: dict[str, str]) -> list[str]:
    """What `_calls` says of a cell of code."""
    if cell["cell_type"] != "code" or _BEGIN in cell["source"]:
        return []
    return [name for node in _statements(cell["source"]) for name in _calls(node, modules)]


def _imported_checks(cells: list[Cell]) -> dict[str, str]:
    """Where each check comes from: its name, or that of its module → the module of its import."""
    sources = [cell["source"] for cell in cells if cell["cell_type"] == "code"]
    imports = [node for source in sources for node in _statements(source) if isinstance(node, ast.ImportFrom)]
    checks = [node for node in imports if (node.module or "").startswith(_CHECKS)]
    return {alias.name: str(node.module) for node in checks for alias in node.names}


def _with_imports(check: Cell, modules: dict[str, str]) -> str:
    """The source of a check below its own import."""
    names = sorted(set(_check_names(check, modules)))
    imports = [f"from {modules[name]} import {name}" for name in names]
    own = set(check["source"].split("\n"))
    return "\n".join([line for line in imports if line not in own] + [check["source"]])


def _is_solution(cell: Cell) -> bool:
    if cell["cell_type"] == "code":
        return _BEGIN in cell["source"]
    return "solution" in cell["metadata"].get("tags", ())


def _otter_question(exercise: _Exercise) -> list[Cell]:
    """The cells of a question; its name is the id of its solution, as an identifier."""
    solution = exercise.solution
    assert solution is not None
    name = "q" + solution["id"].replace("-", "_")
    manual = exercise.check is None
    points = f"points: {exercise.points}"
    head = f"# BEGIN QUESTION\nname: {name}\n" + (f"manual: true\n{points}" if manual else points)
    cells = [_raw(head, f"{name}-question")]
    cells += [_raw("# BEGIN SOLUTION", f"{name}-begin"), solution, _raw("# END SOLUTION", f"{name}-end")]
    if exercise.check:
        test = exercise.check | {"source": _otter_test(exercise.check["source"], name)}
        cells += [_raw("# BEGIN TESTS", f"{name}-tests"), test, _raw("# END TESTS", f"{name}-tests-end")]
    return [*cells, _raw("# END QUESTION", f"{name}-question-end")]


def _otter_test(source: str, name: str) -> str:
    """The check as a function of the student's names, which is the form of a test that raises."""
    body = "\n".join(f"    {line}" if line else "" for line in source.split("\n"))
    return f"def test_{name}({', '.join(_free_names(source))}):\n{body}"


def _free_names(source: str) -> list[str]:
    """The names that a check takes from the notebook, in order, and those which Python has not by itself."""
    nodes = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Name | ast.alias | ast.arg)]
    own = {node.asname or node.name for node in nodes if isinstance(node, ast.alias)}
    own |= {node.arg for node in nodes if isinstance(node, ast.arg)}
    own |= {node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    used = [node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)]
    return [name for name in dict.fromkeys(used) if name not in own and not hasattr(builtins, name)]


def _nbgrader(cell: Cell, *, grade: bool, solution: bool, points: int | None) -> dict[str, Any]:
    made = {
        "schema_version": 3,
        "grade_id": cell["id"],
        "grade": grade,
        "solution": solution,
        "locked": not solution,
        "task": False,
        "cell_type": cell["cell_type"],
    }
    return made if points is None else made | {"points": points}


def _bare(notebook: Notebook) -> Notebook:
    """The notebook without its cells."""
    return {"nbformat": 4, "nbformat_minor": 5} | {
        key: copy.deepcopy(each) for key, each in notebook.items() if key != "cells"
    }


def _clean(cell: Cell) -> Cell:
    """A copy of a cell without outputs, its source in one piece."""
    made = copy.deepcopy(cell)
    made["source"] = "".join(made["source"])
    if made["cell_type"] == "code":
        made |= {"outputs": [], "execution_count": None}
    return made


def _raw(source: str, name: str) -> Cell:
    return {"id": f"{name}-raw", "cell_type": "raw", "metadata": {}, "source": source}
