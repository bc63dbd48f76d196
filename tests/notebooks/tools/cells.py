"""The exercises as they stand in the sources: the cell, the student's functions in it, and the calls of the checks."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache

import build

# what a cell uses of the cells before it that only a whole notebook can make
NEEDED = {
    "09": "model = torch.nn.Linear(3, 1)\nB = 1\ndef on(rows): return model.weight.square().sum() + model.weight.sum()",
}
MARK = "# BEGIN SOLUTION"
Function = ast.FunctionDef


@dataclass(frozen=True)
class Exercise:
    """A code cell with solutions, cut to its imports and its functions, and its checks: there or in the next cells."""

    notebook: str
    cell: str
    before: str  # source: all imports of the cells before it, the right answers of earlier exercises
    source: str

    @property
    def tree(self) -> ast.Module:
        return ast.parse(self.source)

    @property
    def solved(self) -> list[str]:
        """The names of the functions that a student writes."""
        found = [node for node in self.tree.body if isinstance(node, Function)]
        return [node.name for node in found if MARK in ast.get_source_segment(self.source, node)]

    def function(self, name: str) -> Function:
        (found,) = (node for node in self.tree.body if isinstance(node, Function) and node.name == name)
        return found

    @property
    def checks(self) -> list[str]:
        return [ast.unparse(node) for node in self.tree.body if is_check(node)]

    def with_function(self, name: str, text: str) -> str:
        """The cell with another text for one function."""
        node = self.function(name)
        lines = self.source.splitlines()
        return "\n".join([*lines[: node.lineno - 1], text, *lines[node.end_lineno :]])


def is_check(node: ast.stmt) -> bool:
    """Whether a statement calls a check of `mezo_lab.course.exercises`."""
    if not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Call)):
        return False
    called = node.value.func
    name = called.attr if isinstance(called, ast.Attribute) else called.id if isinstance(called, ast.Name) else ""
    return name.startswith("check_")


def is_import(node: ast.stmt) -> bool:
    """Whether a statement imports what is installed; notebook 13 writes a module `training` of its own."""
    return isinstance(node, ast.Import) or (isinstance(node, ast.ImportFrom) and node.module != "training")


def segments(source: str, wanted) -> Iterator[str]:
    lines = source.splitlines()
    for node in ast.parse(source).body:
        if wanted(node):
            yield "\n".join(lines[node.lineno - 1 : node.end_lineno])


def with_checks(exercise: Exercise, source: str) -> Exercise:
    """The exercise with the checks, and what they import, of a later cell."""
    if not any(map(is_check, ast.parse(source).body)):
        return exercise
    checks = segments(source, lambda node: is_import(node) or is_check(node))
    return replace(exercise, source="\n\n".join([exercise.source, *checks]))


@cache
def exercises() -> list[Exercise]:
    """Every cell of the course in which a student writes code."""
    found = []
    for name in build.names():
        before = []
        for cell in build.read(name).cells:
            if cell.cell_type != "code":
                continue
            if MARK not in cell.source:
                before += segments(cell.source, is_import)
                if found and found[-1].notebook == name:
                    found[-1] = with_checks(found[-1], cell.source)
                continue
            kept = segments(cell.source, lambda node: is_import(node) or isinstance(node, Function) or is_check(node))
            source = "\n\n".join(kept)
            found.append(Exercise(name, cell.id, "\n".join([*before, NEEDED.get(name[:2], "")]), source))
            before += segments(source, lambda node: not is_check(node))
    return found
