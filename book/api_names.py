"""The public names of the package: where each is defined, under which name the reference documents it, and its members.

What is public is what an `__all__` names, as for `tests/api.txt`. A name that several rooms offer is documented once.
"""

import ast
import importlib
import inspect
import io
import pkgutil
import re
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import mezo_lab

Definition = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Entry:
    """One public name, and all paths by which it can be imported."""

    path: str  # under which it is documented
    thing: Any
    origin: str  # the module that defines it
    node: ast.AST | None  # the statement that does
    paths: tuple[str, ...]

    @property
    def name(self) -> str:
        return self.path.rpartition(".")[2]


@dataclass(frozen=True)
class Member:
    """A public member of a class: a method, a property, or a field."""

    name: str
    node: Definition | ast.AnnAssign | ast.Assign
    owner: type  # the class whose body has it


def is_public(name: str) -> bool:
    return not name.startswith("_")


@cache
def _source(module: str) -> str:
    return Path(inspect.getsourcefile(importlib.import_module(module)) or "").read_text(encoding="utf-8")


@cache
def _tree(module: str) -> ast.Module:
    return ast.parse(_source(module))


@cache
def _comments(module: str) -> dict[int, str]:
    """The comments of a module, by line."""
    tokens = tokenize.generate_tokens(io.StringIO(_source(module)).readline)
    return {each.start[0]: each.string.lstrip("# ") for each in tokens if each.type == tokenize.COMMENT}


def said_of(module: str, body: list[ast.stmt], node: ast.stmt) -> str:
    """What the source says of a name that gets its value there: the string after it, or the comment at its end."""
    follower = next(iter(body[body.index(node) + 1 :]), None)
    if isinstance(follower, ast.Expr) and isinstance(follower.value, ast.Constant):
        return inspect.cleandoc(str(follower.value.value))
    comment = _comments(module).get(node.end_lineno or 0, "")
    return re.split(r"\s*#?\s*(?:noqa|type: ignore|pyright:)", comment)[0]  # without what it tells the linters


def said_of_value(entry: Entry) -> str:
    """What the source says of a constant or the name of a type."""
    if not isinstance(entry.node, ast.stmt):
        return ""
    return said_of(entry.origin, _tree(entry.origin).body, entry.node)


def said_of_field(member: Member) -> str:
    """What the source says of a field, in the body of its class."""
    return said_of(member.owner.__module__, definition(member.owner).body, member.node)


@cache
def public_modules() -> list[ModuleType]:
    """The modules that say what is public; the package itself first."""
    names = [each.name for each in pkgutil.walk_packages(mezo_lab.__path__, "mezo_lab.")]
    public = [name for name in names if all(map(is_public, name.split(".")))]
    modules = [mezo_lab, *map(importlib.import_module, public)]
    return [module for module in modules if hasattr(module, "__all__")]


def _assigned(module: str, name: str) -> ast.stmt | None:
    """The statement of a module that gives the name its value."""
    for node in _tree(module).body:
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        if any(isinstance(target, ast.Name) and target.id == name for target in targets):
            return node
    return None


@cache
def _imports(module: str) -> dict[str, tuple[str, str]]:
    """What a module imports of the package: its name for a thing → the other module, and the name there."""
    names: dict[str, tuple[str, str]] = {}
    for node in ast.walk(_tree(module)):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("mezo_lab"):
            names |= {each.asname or each.name: (node.module, each.name) for each in node.names}
    return names


def origin_of(module: str, name: str) -> tuple[str, str]:
    """The module that defines a name, and its name there: imports are followed."""
    while name in _imports(module) and _assigned(module, name) is None:
        module, name = _imports(module)[name]
    return module, name


def definition(kind: type) -> ast.ClassDef:
    """The statement that defines a class of the package."""
    body: list[ast.stmt] = _tree(kind.__module__).body
    for name in kind.__qualname__.split("."):
        classes = [node for node in body if isinstance(node, ast.ClassDef) and node.name == name]
        body = classes[-1].body
    return classes[-1]


def _located(module: str, name: str) -> tuple[str, ast.AST | None]:
    """The module that defines a public name, and the statement."""
    thing = getattr(importlib.import_module(module), name)
    function = inspect.unwrap(thing) if callable(thing) else thing
    if inspect.isfunction(function) or inspect.isclass(function):
        if function.__module__.startswith("mezo_lab") and function.__name__ == name:
            body = _tree(function.__module__).body
            statements = [node for node in body if getattr(node, "name", None) == name]
            return function.__module__, statements[-1]
    home, name = origin_of(module, name)
    return home, _assigned(home, name)


def public_entries() -> list[Entry]:
    """Every public name that is no module, in the order of the paths under which they are documented."""
    paths: dict[tuple[str, str], list[str]] = {}
    definitions: dict[tuple[str, str], tuple[Any, ast.AST | None]] = {}
    packages = {module.__name__ for module in public_modules() if hasattr(module, "__path__")}
    for module in public_modules():
        for name in module.__all__:
            thing = getattr(module, name)
            if isinstance(thing, ModuleType):
                continue
            origin, node = _located(module.__name__, name)
            paths.setdefault((origin, name), []).append(f"{module.__name__}.{name}")
            definitions[origin, name] = (thing, node)
    entries = []
    for (origin, name), offered in paths.items():
        thing, node = definitions[origin, name]
        entries.append(Entry(_documented(offered, origin, packages), thing, origin, node, tuple(offered)))
    return sorted(entries, key=lambda entry: entry.path)


def _documented(offered: list[str], origin: str, packages: set[str]) -> str:
    """The path to document: in the innermost package around the definition that offers the name, else the shortest."""

    def order(path: str) -> tuple[bool, bool, bool, int]:
        module = path.rpartition(".")[0]
        around = f"{origin}.".startswith(f"{module}.")
        inner = module in packages and module != "mezo_lab"
        return (not around, not inner, module == "mezo_lab", -module.count(".") if inner else module.count("."))

    return min(offered, key=order)


def families(kind: type) -> list[type]:
    """The class and its bases in this package, the base first."""
    return [each for each in reversed(kind.__mro__) if each.__module__.startswith("mezo_lab")]


def members(kind: type) -> list[Member]:
    """The public methods, properties and fields of a class, those of its bases in this package too."""
    public: dict[str, Member] = {}
    for owner in families(kind):
        for node in definition(owner).body:
            name = _member_name(node)
            if name and is_public(name):
                public[name] = Member(name, node, owner)
    return list(public.values())


def _member_name(node: ast.stmt) -> str | None:
    if isinstance(node, Definition):
        return node.name
    if isinstance(node, ast.AnnAssign):
        return ast.unparse(node.target)
    if isinstance(node, ast.Assign):
        return ast.unparse(node.targets[0])
    return None


def constructor(kind: type) -> Definition | None:
    """The `__init__` of a class, its own or that of a base in this package."""
    for owner in reversed(families(kind)):
        for node in definition(owner).body:
            if isinstance(node, Definition) and node.name == "__init__":
                return node
    return None


def fields(kind: type) -> Iterator[tuple[str, ast.expr | None, str | None]]:
    """Name, type and default of each argument of a dataclass or named tuple, as they are written in the source.

    Before those that must be named stands `*`.
    """
    written = {
        ast.unparse(node.target): node
        for owner in families(kind)
        for node in definition(owner).body
        if isinstance(node, ast.AnnAssign)
    }
    starred = False
    for name, parameter in inspect.signature(kind).parameters.items():
        if parameter.kind is parameter.KEYWORD_ONLY and not starred:
            starred = True
            yield "*", None, None
        yield name, written[name].annotation, default_of(written[name].value, parameter.default)


def default_of(value: ast.expr | None, actual: Any = None) -> str | None:
    """The default of a field as text: what `field` is told, not that it is called. None where there is none.

    Args: value: as it is written. actual: as it is, shown where a private function makes it.
    """
    if isinstance(value, ast.Call) and ast.unparse(value.func) in ("field", "dataclasses.field"):
        arguments = {each.arg: each.value for each in value.keywords}
        if "default_factory" not in arguments:
            return default_of(arguments.get("default"))
        factory = arguments["default_factory"]
        if isinstance(factory, ast.Lambda):
            return ast.unparse(factory.body)
        return f"{ast.unparse(factory)}()"
    if isinstance(value, ast.Call) and ast.unparse(value.func).startswith("_"):
        return repr(actual)
    return ast.unparse(value) if value else None
