"""The entries of the API reference: a function, class or value as a directive of Sphinx's Python domain.

Signatures are written as the source has them. Nothing that torch wrote is repeated, and a field of which nothing is
said is left to the signature.
"""

import ast
import copy
import inspect
from dataclasses import is_dataclass
from textwrap import indent
from typing import Any

from api_links import Reference, source_docstring
from api_names import Definition, Entry, Member, constructor, default_of, fields, members, said_of_value
from docstrings import link, parse, prose, rendered

LONGEST_VALUE = 120  # characters of a value that is shown


def _arguments(args: ast.arguments) -> list[ast.arg]:
    """The arguments of a function, in order."""
    several = [each for each in (args.vararg, args.kwarg) if each]
    return [*args.posonlyargs, *args.args, *args.kwonlyargs, *several]


class _Qualified(ast.NodeTransformer):
    """Types with the public names in full, which Sphinx links and shows by their last part; none in quotes."""

    def __init__(self, reference: Reference, module: str) -> None:
        self._reference = reference
        self._module = module

    def visit_Name(self, node: ast.Name) -> ast.expr:
        path = self._reference.written_in(self._module, node.id)
        if path is None:
            return node
        return ast.parse(path, mode="eval").body

    def visit_Constant(self, node: ast.Constant) -> ast.expr:
        if not isinstance(node.value, str):
            return node
        return self.visit(ast.parse(node.value, mode="eval").body)

    def visit_Subscript(self, node: ast.Subscript) -> ast.AST:
        if ast.unparse(node.value) == "Literal":  # its strings are values, not types
            return node
        return self.generic_visit(node)


def type_text(reference: Reference, module: str, annotation: ast.expr) -> str:
    """A type as the source of a module has it, its public names in full."""
    return ast.unparse(_Qualified(reference, module).visit(copy.deepcopy(annotation)))


def signature(reference: Reference, module: str, node: Definition, *, bound: bool = False) -> str:
    """As the source has it. Args: module: of the function. bound: without its first argument, which is the object."""
    args = copy.deepcopy(node.args)
    if bound:
        (args.posonlyargs or args.args).pop(0)
    for each in _arguments(args):
        if each.annotation:
            each.annotation = _Qualified(reference, module).visit(each.annotation)
    written = f"({ast.unparse(args)})"
    if node.returns:
        written += f" -> {type_text(reference, module, node.returns)}"
    return written


def types_of(node: Definition) -> dict[str, str]:
    """Each argument → its type and default."""
    args = node.args
    positional = [*args.posonlyargs, *args.args]
    defaults = dict(zip((each.arg for each in reversed(positional)), reversed(args.defaults), strict=False))
    defaults |= {each.arg: value for each, value in zip(args.kwonlyargs, args.kw_defaults, strict=True) if value}
    written = {name: ast.unparse(value) for name, value in defaults.items()}
    return {each.arg: _beside(each.annotation, written.get(each.arg)) for each in _arguments(args)}


def _object(kind: str, name: str, options: dict[str, str], body: str) -> str:
    """A directive of Sphinx's Python domain."""
    head = "".join(f"   :{option}: {value}".rstrip() + "\n" for option, value in options.items())
    return f".. py:{kind}:: {name}\n{head}\n{indent(body, '   ')}\n"


def function_text(reference: Reference, entry: Entry) -> str:
    """The entry of a function."""
    node = entry.node
    assert isinstance(node, Definition)
    names = [each.arg for each in _arguments(node.args)]
    docstring = parse(source_docstring(entry.thing), names)
    body = rendered(docstring, reference.scope(entry, names), types_of(node))
    return _object("function", entry.name + signature(reference, entry.origin, node), {}, body)


def class_text(reference: Reference, entry: Entry) -> str:
    """The entry of a class: what it is, its arguments, and its members with what is said of them."""
    kind: type = entry.thing
    node = constructor(kind)
    shown = [member for member in members(kind) if reference.shown_in(entry, member.name) is entry]
    written = {member.name for member in shown if not isinstance(member.node, Definition)}
    types: dict[str, str] = {}
    head = ""
    if node:
        head = signature(reference, entry.origin, node, bound=True).removesuffix(" -> None")
        types = types_of(node)
    elif is_dataclass(kind) or hasattr(kind, "_fields"):
        listed = list(fields(kind))
        head = "(" + ", ".join(_argument(reference, entry.origin, *each) for each in listed) + ")"
        types = {name: _beside(annotation, default) for name, annotation, default in listed}
    docstring = parse(source_docstring(kind), list(types))
    for block in docstring.blocks:  # what the fields show is not repeated; an argument of `__init__` is no field
        if block.kind == "Attributes" or node is None:
            block.items = {name: text for name, text in block.items.items() if name not in written}
    scope = reference.scope(entry, set(types) - written, kind)
    parts = [*_bases(reference, kind), rendered(docstring, scope, types)]
    parts += [member_text(reference, entry, member) for member in shown]
    directive = "exception" if issubclass(kind, BaseException) else "class"
    return _object(directive, entry.name + head, {}, "\n".join(parts))


def _argument(reference: Reference, module: str, name: str, annotation: ast.expr | None, default: str | None) -> str:
    written = name
    if annotation:
        written += f": {type_text(reference, module, annotation)}"
    if default:
        written += f" = {default}"
    return written


def _beside(annotation: ast.expr | None, default: str | None) -> str:
    """What stands beside an argument: its type and default."""
    beside = ""
    if annotation:
        beside = ast.unparse(annotation).replace("'", "")
    if default:
        beside += f" = {default}"
    return beside


def _bases(reference: Reference, kind: type) -> list[str]:
    """The line that names the public bases of a class; none where there are none."""
    bases = [reference.of_class(base) for base in kind.__bases__]
    named = [link(base.name, base.path) for base in bases if base]
    if not named:
        return []
    return [f"Extends {', '.join(named)}.\n"]


def member_text(reference: Reference, entry: Entry, member: Member) -> str:
    """A method, property or field, under its class."""
    node = member.node
    if not isinstance(node, Definition):
        return _field_text(reference, entry, member)
    module = member.owner.__module__
    decorators = [ast.unparse(each) for each in node.decorator_list]
    names = [each.arg for each in _arguments(node.args)]
    text = inspect.cleandoc(ast.get_docstring(node) or "")
    body = _as_in_base(reference, member)
    if text:
        body = rendered(parse(text, names), reference.scope(entry, names, entry.thing), types_of(node))
    if any(each.split(".")[-1] in ("property", "cached_property") for each in decorators):
        options = {}
        if node.returns:
            options["type"] = type_text(reference, module, node.returns)
        return _object("property", member.name, options, body)
    options = {each: "" for each in ("staticmethod", "classmethod", "abstractmethod") if each in decorators}
    bound = "staticmethod" not in decorators
    return _object("method", member.name + signature(reference, module, node, bound=bound), options, body)


def _as_in_base(reference: Reference, member: Member) -> str:
    """For a method without a docstring: the method of a base that explains it."""
    for base in member.owner.__mro__[1:]:
        entry = reference.of_class(base)
        if entry and member.name in vars(base) and inspect.getdoc(vars(base)[member.name]):
            return f"See {link(f'{entry.name}.{member.name}', f'{entry.path}.{member.name}')}."
    return ""


def _field_text(reference: Reference, entry: Entry, member: Member) -> str:
    """A field, with the text that the docstring of the class or a comment has of it."""
    node = member.node
    assert not isinstance(node, Definition)
    options: dict[str, str] = {}
    if isinstance(node, ast.AnnAssign):
        options["type"] = type_text(reference, member.owner.__module__, node.annotation)
    value = default_of(node.value, getattr(entry.thing, member.name, None))
    if value and len(value) <= LONGEST_VALUE:
        options["value"] = value
    docstring = parse(reference.said_of(member, entry.thing))
    return _object("attribute", member.name, options, rendered(docstring, reference.scope(entry, (), entry.thing)))


def value_text(reference: Reference, entry: Entry) -> str:
    """A constant or the name of a type, with what the source says of it."""
    node = entry.node
    assert isinstance(node, ast.Assign | ast.AnnAssign)
    assert node.value is not None
    body = rendered(parse(said_of_value(entry)), reference.scope(entry))
    if _is_type(entry.thing):
        return _object("type", entry.name, {"canonical": type_text(reference, entry.origin, node.value)}, body)
    options: dict[str, str] = {}
    if isinstance(node, ast.AnnAssign):
        options["type"] = type_text(reference, entry.origin, node.annotation)
    value = ast.unparse(node.value)
    if len(value) <= LONGEST_VALUE:
        options["value"] = value
    return _object("data", entry.name, options, body)


def _is_type(thing: Any) -> bool:
    return type(thing).__module__ in ("typing", "types", "collections.abc") or inspect.isclass(thing)


def entry_text(reference: Reference, entry: Entry) -> str:
    """The entry of a public name."""
    if inspect.isclass(entry.thing) and isinstance(entry.node, ast.ClassDef):
        return class_text(reference, entry)
    if isinstance(entry.node, Definition):
        return function_text(reference, entry)
    return value_text(reference, entry)


def summary(reference: Reference, entry: Entry) -> str:
    """One sentence on a public name."""
    text = said_of_value(entry)
    if isinstance(entry.node, ast.ClassDef | Definition):
        text = source_docstring(entry.thing)
    kind = entry.thing if isinstance(entry.node, ast.ClassDef) else None
    return prose(parse(text).summary(), reference.scope(entry, (), kind))
