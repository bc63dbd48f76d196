"""The public names of the package are those of `api.txt`: a signature that changes is seen, and changed on purpose.

    python tests/test_api.py

writes `api.txt` anew.
"""

import ast
import importlib
import inspect
import pkgutil
import re
from collections.abc import Iterator
from difflib import unified_diff
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import mezo_lab
from mezo_lab.finetune.config import RunConfig

SNAPSHOT = Path(__file__).with_name("api.txt")
Definition = ast.FunctionDef | ast.AsyncFunctionDef


@cache
def module_tree(file: str) -> ast.Module:
    return ast.parse(Path(file).read_text())


def definition(thing: Any) -> ast.AST | None:
    """The statement that defines a function or class; None where there is none of that name."""
    body = module_tree(inspect.getsourcefile(thing) or "").body
    for name in thing.__qualname__.split("."):
        found = [node for node in body if getattr(node, "name", None) == name]
        if not found:
            return None
        body = getattr(found[-1], "body", [])
    return found[-1]


def signature(node: Definition) -> str:
    """As it is written: what `inspect` shows differs between versions of Python."""
    result = f" -> {ast.unparse(node.returns)}" if node.returns else ""
    return f"({ast.unparse(node.args)}){result}"


def is_public(name: str) -> bool:
    return not name.startswith("_")


def members(kind: type) -> Iterator[str]:
    """The constructor, the public methods and the public fields of a class, those of its bases in this package too."""
    lines: dict[str, str] = {}
    for base in reversed([each for each in kind.__mro__ if each.__module__.startswith("mezo_lab")]):
        for node in getattr(definition(base), "body", []):
            if isinstance(node, Definition) and (is_public(node.name) or node.name == "__init__"):
                decorators = [f"@{ast.unparse(each)} " for each in node.decorator_list]
                lines[node.name] = f"{''.join(decorators)}{node.name}{signature(node)}"
            elif isinstance(node, ast.AnnAssign) and is_public(ast.unparse(node.target)):
                lines[ast.unparse(node.target)] = ast.unparse(node)
            elif isinstance(node, ast.Assign) and is_public(ast.unparse(node.targets[0])):
                lines[ast.unparse(node.targets[0])] = ast.unparse(node)
    yield from (f"    {line}" for line in lines.values())


def described(name: str, thing: Any) -> Iterator[str]:
    """The lines of one public name."""
    if isinstance(thing, ModuleType):
        yield f"module {name}"
    elif inspect.isclass(thing) and thing.__module__.startswith("mezo_lab"):
        bases = [base.__name__ for base in thing.__bases__ if base is not object]
        yield f"class {name}({', '.join(bases)})" if bases else f"class {name}"
        yield from members(thing)
    elif inspect.isfunction(function := inspect.unwrap(thing) if callable(thing) else None):
        node = definition(function)
        yield f"def {name}{signature(node)}" if isinstance(node, Definition) else f"{name}: function"
    else:
        yield f"{name}: {type(thing).__name__}"


def public_modules() -> list[ModuleType]:
    """The modules that say what is public, from the outside in; the package itself first."""
    names = [each.name for each in pkgutil.walk_packages(mezo_lab.__path__, "mezo_lab.")]
    public = [name for name in names if all(map(is_public, name.split(".")))]
    modules = [mezo_lab, *map(importlib.import_module, sorted(public, key=lambda name: (name.count("."), name)))]
    return [module for module in modules if hasattr(module, "__all__")]


def snapshot() -> str:
    """Every name of every `__all__`: described where it is first met, and only named where it is met again."""
    first: dict[int, str] = {}
    lines: list[str] = []
    for module in public_modules():
        lines += ["", f"# {module.__name__}"]
        for name in sorted(module.__all__):
            thing = getattr(module, name)
            if id(thing) in first and (inspect.isclass(thing) or inspect.isfunction(thing)):
                lines.append(f"{name} = {first[id(thing)]}")
            else:
                first[id(thing)] = f"{module.__name__}.{name}"
                lines += described(name, thing)
    return "\n".join(lines[1:]) + "\n"


def test_the_public_names_and_signatures_are_those_of_the_snapshot():
    difference = unified_diff(SNAPSHOT.read_text().splitlines(), snapshot().splitlines(), "api.txt", "now", lineterm="")
    assert "\n".join(difference) == "", "if this is meant, run `python tests/test_api.py`"


CHANGES = {
    "default": ("epsilon: float = 1e-3", "epsilon: float = 1e-2"),
    "name of an argument": ("weight_decay: float", "decay: float"),
    "method": ("def step(", "def stride("),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_signature_is_seen(change, monkeypatch):
    before = "\n".join(described("MeZO", mezo_lab.MeZO))
    old, new = CHANGES[change]
    source = Path(inspect.getsourcefile(mezo_lab.MeZO) or "").read_text()
    assert old in source
    monkeypatch.setattr(f"{__name__}.module_tree", lambda file: ast.parse(source.replace(old, new)))
    after = "\n".join(described("MeZO", mezo_lab.MeZO))
    assert after != before


def undescribed(thing: Any, text: str) -> list[str]:
    """The arguments of a function or class that have no line of their own in its help."""
    names = inspect.signature(thing).parameters
    return [name for name in names if not re.search(rf"^\s*{name}\b[^:\n]*:", text, re.M)]


@pytest.mark.parametrize("thing", [mezo_lab.MeZO, RunConfig])
def test_help_gives_every_argument_a_line_of_its_own(thing):
    assert undescribed(thing, inspect.getdoc(thing) or "") == []


def test_an_argument_without_a_line_is_seen():
    text = inspect.getdoc(mezo_lab.MeZO) or ""
    assert undescribed(mezo_lab.MeZO, re.sub(r"\n\s*lr\b", " lr", text)) == ["lr"]


if __name__ == "__main__":
    SNAPSHOT.write_text(snapshot())
