"""Wrong programs made from a right one: each differs from it in one place, as a slip of the pen does.

Operators: another sign or operator, a term or factor left out, another number, another parameter, a call left out or
exchanged, an argument left out, a statement left out, done twice or too early, the tail or the head of a loop skipped,
a seed shifted or fixed, a branch taken where the other is meant, another word.
"""

import ast
import copy
import difflib
from collections.abc import Iterator
from dataclasses import dataclass

OPERATORS: dict[type, tuple[type, ...]] = {
    ast.Add: (ast.Sub,),
    ast.Sub: (ast.Add,),
    ast.Mult: (ast.Div, ast.Add),
    ast.Div: (ast.Mult,),
    ast.Pow: (ast.Mult,),
    ast.BitAnd: (ast.BitOr,),
}
CALLS = {"floor": "ceil", "ceil": "floor", "max": "min", "min": "max", "randn": "rand", "mean": "sum", "sum": "max"}
CALLS |= {"sqrt": "exp", "std": "var", "square": "abs", "exp": "log", "log": "exp", "norm": "max", "hypot": "dist"}


@dataclass(frozen=True)
class Mutant:
    """A program with one slip, and the lines in which it differs."""

    source: str
    change: str


def mutants(function: ast.FunctionDef, words: tuple[str, ...] = ()) -> list[Mutant]:
    """Every program that one slip makes of a function. Args: words: that may stand in place of one another."""
    right = ast.unparse(function)
    found: dict[str, Mutant] = {}
    for slipped in slips(function, words):
        ast.fix_missing_locations(slipped)
        try:
            source = ast.unparse(slipped)
            compile(source, "<mutant>", "exec")
        except (SyntaxError, ValueError):
            continue
        if source != right:
            found.setdefault(source, Mutant(source, changed(right, source)))
    return list(found.values())


def changed(right: str, wrong: str) -> str:
    lines = difflib.ndiff(right.splitlines(), wrong.splitlines())
    return " ".join(" ".join(line.split()) for line in lines if line[0] in "+-")


def slips(function: ast.FunctionDef, words: tuple[str, ...]) -> Iterator[ast.FunctionDef]:
    # name → whether it is text: text in place of a factor makes gigabytes of it
    parameters = {each.arg: is_text(each) for each in function.args.args}
    places = [node for statement in function.body for node in ast.walk(statement)]
    texts = [statement.value for statement in function.body if isinstance(statement, ast.Expr)]  # a docstring too
    for number, node in enumerate(places):
        if isinstance(node, ast.Constant) and node in texts:
            continue
        for replacement in instead(node, parameters, words):
            yield replaced(function, number, replacement)
    yield from other_statements(function)


def is_text(parameter: ast.arg) -> bool:
    return isinstance(parameter.annotation, ast.Name) and parameter.annotation.id == "str"


def replaced(function: ast.FunctionDef, number: int, replacement: ast.AST) -> ast.FunctionDef:
    """The function with another node in the place that `ast.walk` reaches as this one."""
    slipped = copy.deepcopy(function)
    target = [node for statement in slipped.body for node in ast.walk(statement)][number]
    for parent in ast.walk(slipped):
        for name, value in ast.iter_fields(parent):
            if value is target:
                setattr(parent, name, replacement)
            elif isinstance(value, list):
                value[:] = [replacement if each is target else each for each in value]
    return slipped


def instead(node: ast.AST, parameters: dict[str, bool], words: tuple[str, ...]) -> Iterator[ast.AST]:
    """What somebody may write in place of a node."""
    match node:
        case ast.BinOp(left=left, op=op, right=right):
            yield left
            yield right
            for other in OPERATORS.get(type(op), ()):
                yield ast.BinOp(left, other(), right)
            if isinstance(op, ast.Sub | ast.Div | ast.Pow):
                yield ast.BinOp(right, op, left)
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            yield operand
        case ast.Constant(value=value) if isinstance(value, int | float) and not isinstance(value, bool):
            for other in {value + 1, value - 1, 2 * value, 0} - {value}:
                yield ast.Constant(other)
        case ast.Constant(value=str(text)):
            yield from other_texts(text, words)
        case ast.Name(id=name, ctx=ast.Load()) if name in parameters:
            alike = [other for other in parameters if parameters[other] == parameters[name]]
            yield from (ast.Name(other, ast.Load()) for other in alike if other != name)
        case ast.Call():
            yield from other_calls(node)
        case ast.Return(value=value) if value is not None:
            yield ast.Return(ast.UnaryOp(ast.USub(), value))
        case ast.For(iter=iterable):
            for part in ("[:-1]", "[1:]"):
                slipped = copy.deepcopy(node)
                slipped.iter = ast.parse(f"list({ast.unparse(iterable)}){part}", mode="eval").body
                yield slipped
        case ast.comprehension(iter=iterable):
            for part in ("[:-1]", "[1:]"):
                slipped = copy.deepcopy(node)
                slipped.iter = ast.parse(f"list({ast.unparse(iterable)}){part}", mode="eval").body
                yield slipped
        case ast.If(test=test):
            slipped = copy.deepcopy(node)
            slipped.test = ast.UnaryOp(ast.Not(), test)
            yield slipped
        case ast.Tuple(elts=[_, _, *_] as elements, ctx=ast.Load()):
            yield ast.Tuple(elements[::-1], ast.Load())


def other_texts(text: str, words: tuple[str, ...]) -> Iterator[ast.Constant]:
    """Another of the words; a formula with a slip in it."""
    yield from (ast.Constant(other) for other in words if other != text)
    try:
        formula = ast.parse(f"def formula():\n    return {text}").body[0]
    except SyntaxError:
        return
    if any(isinstance(node, ast.BinOp) for node in ast.walk(formula)):
        for mutant in mutants(formula):
            yield ast.Constant(mutant.source.partition("return ")[2])


def other_calls(node: ast.Call) -> Iterator[ast.AST]:
    if isinstance(node.func, ast.Attribute):
        yield node.func.value
    if node.args:
        yield node.args[0]
    name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
    for position in range(len(node.args)):
        slipped = copy.deepcopy(node)
        del slipped.args[position]
        yield slipped
    for position in range(len(node.keywords)):
        slipped = copy.deepcopy(node)
        del slipped.keywords[position]
        yield slipped
    if name in CALLS:
        slipped = copy.deepcopy(node)
        if isinstance(slipped.func, ast.Attribute):
            slipped.func.attr = CALLS[name]
        else:
            slipped.func = ast.Name(CALLS[name], ast.Load())
        yield slipped
    if name == "manual_seed":
        for seed in (ast.Constant(0), ast.BinOp(node.args[0], ast.FloorDiv(), ast.Constant(2))):
            slipped = copy.deepcopy(node)
            slipped.args[0] = seed
            yield slipped
    if len(node.args) > 1:
        slipped = copy.deepcopy(node)
        slipped.args[:2] = slipped.args[1::-1]
        yield slipped


def acts(statement: ast.stmt) -> bool:
    """Whether a statement does another thing when it is done again: it moves something, or evaluates a loss."""
    if isinstance(statement, ast.Assign):
        calls = [node for node in ast.walk(statement.value) if isinstance(node, ast.Call)]
        return any(isinstance(call.func, ast.Name) and not call.args for call in calls)
    if isinstance(statement, ast.Expr):
        return isinstance(statement.value, ast.Call)
    return isinstance(statement, ast.AugAssign | ast.For)


def other_statements(function: ast.FunctionDef) -> Iterator[ast.FunctionDef]:
    """A statement left out, done twice, or before the one above it; the rest of a loop after the loop."""
    blocks = [node for node in ast.walk(function) if isinstance(getattr(node, "body", None), list)]
    for number, block in enumerate(blocks):
        for position, statement in enumerate(block.body):
            if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant):
                continue  # a docstring
            for kind in ("out", "twice", "early", "after the loop"):
                slipped = copy.deepcopy(function)
                target = [node for node in ast.walk(slipped) if isinstance(getattr(node, "body", None), list)][number]
                if kind == "out" and len(target.body) > 1:
                    del target.body[position]
                elif kind == "twice" and acts(statement):
                    target.body.insert(position, copy.deepcopy(target.body[position]))
                elif kind == "early" and position and not ast.get_docstring(function):
                    target.body[position - 1 : position + 1] = target.body[position - 1 : position + 1][::-1]
                elif kind == "after the loop" and isinstance(block, ast.For) and len(target.body) > 1:
                    moved = target.body.pop(position)
                    place = slipped.body.index(target) if target in slipped.body else None
                    if place is None:
                        continue
                    slipped.body.insert(place + 1, moved)
                else:
                    continue
                yield slipped
