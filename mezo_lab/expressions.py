"""Anyone's formula: arithmetic on named numbers, parsed by a whitelist and evaluated in floating point.

Only numbers, the names a claim offers, + - * / ** and brackets are understood. There is no `eval`, so a formula can do
nothing but arithmetic.
"""

import ast
import math
from collections.abc import Mapping
from dataclasses import dataclass

MAX_LENGTH = 200  # characters: the longest formula of the registry has 60
MAX_POWER = 64  # beyond it floats overflow for any dimension worth naming

OPERATORS = {
    ast.Add: lambda a, b: a + b,
    ast.Sub: lambda a, b: a - b,
    ast.Mult: lambda a, b: a * b,
    ast.Div: lambda a, b: a / b,
    ast.Pow: lambda a, b: power(a, b),
}


class ExpressionError(ValueError):
    """The formula is not arithmetic on the names offered; the message says where and what to write instead."""


@dataclass(frozen=True)
class Expression:
    """A formula such as (d+n-1)/n, checked once and evaluated on any values of its names.

    Raises: ExpressionError for anything that is not arithmetic.

    >>> Expression("(d+n-1)/n")({"d": 50, "n": 4})
    13.25
    """

    text: str

    def __post_init__(self):
        parse(self.text)

    @property
    def names(self) -> set[str]:
        return {node.id for node in ast.walk(parse(self.text)) if isinstance(node, ast.Name)}

    def __call__(self, values: Mapping[str, float]) -> float:
        try:
            value = evaluate(parse(self.text), values)
        except ZeroDivisionError:
            raise ExpressionError(
                f"{self.text!r} divides by zero at {shown(values)}: change it or the values."
            ) from None
        except OverflowError:
            raise ExpressionError(f"{self.text!r} overflows at {shown(values)}: use smaller powers.") from None
        if isinstance(value, complex) or not math.isfinite(value):
            raise ExpressionError(f"{self.text!r} is not a finite real number at {shown(values)}: check its roots.")
        return value


def parse(text: str) -> ast.expr:
    """The syntax tree of a formula, after every node of it was found on the whitelist."""
    if len(text) > MAX_LENGTH:
        raise ExpressionError(f"A formula has at most {MAX_LENGTH} characters, got {len(text):,}: shorten it.")
    if "^" in text:
        raise ExpressionError(f"A power is written **, got ^ in {text!r}: write for example d**2.")
    try:
        tree = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        raise ExpressionError(
            f"{text!r} is not arithmetic: write numbers, names, + - * / ** and brackets, like (d+n-1)/n; 2*d, not 2d."
        ) from None
    for node in ast.walk(tree):
        check(node, text)
    return tree


def check(node: ast.AST, text: str) -> None:
    number = isinstance(node, ast.Constant) and type(node.value) in (int, float)
    allowed = ast.BinOp, ast.UnaryOp, ast.Name, ast.Load, ast.UAdd, ast.USub, *OPERATORS
    if not (number or isinstance(node, allowed)):
        what = {ast.Call: "a call", ast.Attribute: "an attribute", ast.Subscript: "an index", ast.Constant: "a literal"}
        found = what.get(type(node), type(node).__name__)
        short = text if len(text) < 60 else text[:57] + "..."
        raise ExpressionError(f"Only + - * / ** on numbers and names are allowed, got {found} in {short!r}: remove it.")


def evaluate(node: ast.expr, values: Mapping[str, float]) -> float:
    match node:
        case ast.Constant(value=value):
            return float(value)  # type: ignore[arg-type]  # `check` left only int and float
        case ast.Name(id=name) if name in values:
            return float(values[name])
        case ast.Name(id=name):
            raise ExpressionError(f"Unknown name {name!r}: this claim knows {', '.join(sorted(values))}.")
        case ast.UnaryOp(op=op, operand=operand):
            return -evaluate(operand, values) if isinstance(op, ast.USub) else evaluate(operand, values)
        case ast.BinOp(left=left, op=op, right=right):
            return OPERATORS[type(op)](evaluate(left, values), evaluate(right, values))
    raise ExpressionError(f"{ast.dump(node)} is not arithmetic.")


def power(base: float, exponent: float) -> float:
    if abs(exponent) > MAX_POWER:
        raise ExpressionError(f"A power is at most {MAX_POWER}, got {exponent:g}: no formula here needs more.")
    return base**exponent


def shown(values: Mapping[str, float]) -> str:
    return ", ".join(f"{name} = {value:g}" for name, value in values.items())
