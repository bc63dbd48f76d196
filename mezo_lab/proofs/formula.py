"""A formula of a claim as sympy has it: for one law of z, whose moments take the place of c, cross, κ and the like."""

import ast
import math
from collections.abc import Mapping

import sympy
from sympy import Expr

from mezo_lab.proofs.notation import Scalar, d
from mezo_lab.theory import KURTOSIS, MOMENTS, Expression, cross_moment, fourth_moment, printed

__all__ = ["law_formula", "symbolic"]

_OPERATIONS = {
    ast.Add: lambda a, b: a + b,
    ast.Sub: lambda a, b: a - b,
    ast.Mult: lambda a, b: a * b,
    ast.Div: lambda a, b: a / b,
    ast.Pow: lambda a, b: a**b,
}
_FUNCTIONS = {"sqrt": sympy.sqrt, "log": sympy.log, "exp": sympy.exp}
_CONSTANTS: dict[str, Expr] = {"pi": sympy.pi, "e": sympy.E}


def symbolic(formula: Expression, values: dict[str, Expr] | None = None) -> Expr:
    """A formula in exact arithmetic: every name a symbol in the signs of print, every number rational.

    Args: formula: checked arithmetic. values: of some of its names.

    >>> symbolic(Expression("(d+n-1)/n")), symbolic(Expression("eta*g2/0.5"), {"eta": sympy.Rational(1, 3)})
    ((d + n - 1)/n, 2*‖g‖²/3)
    """
    return _translated(formula.tree, _CONSTANTS | (values or {}))


def _translated(node: ast.AST, values: dict[str, Expr]) -> Expr:
    match node:
        case ast.Constant(value=number):
            return sympy.Rational(str(number))
        case ast.Name(id=name):
            return values.get(name, Scalar(printed(name), positive=True))
        case ast.UnaryOp(op=op, operand=operand):
            value = _translated(operand, values)
            return -value if isinstance(op, ast.USub) else value
        case ast.Call(func=ast.Name(id=name), args=[argument]):
            return _FUNCTIONS[name](_translated(argument, values))
        case ast.BinOp(left=left, op=op, right=right):
            return _OPERATIONS[type(op)](_translated(left, values), _translated(right, values))
    raise ValueError(f"`formula` must be arithmetic, got {ast.unparse(node)}: write + - * / ** on numbers and names.")


def law_formula(formula: Expression, law: str, symbols: Mapping[str, float]) -> Expr:
    """The formula for one law of z: its moments are put in, as functions of d.

    Args:
        formula: of a claim.
        law: its name; one whose moments d does not give keeps the names.
        symbols: the numbers of the claim's experiment; a moment that has another value there keeps its name, as the c
            of a direction that is made of two factors does.

    >>> law_formula(Expression("(c + (n-1)*cross)/n"), "gaussian", {"d": 20, "n": 4, "c": 22, "cross": 1})
    (d + n + 1)/n
    """
    values: dict[str, Expr] = {}
    if law in MOMENTS:
        moments = MOMENTS[law](d)
        values["c"] = sympy.cancel(fourth_moment(d, moments))
        values["cross"] = sympy.cancel(cross_moment(d, moments))
        values["pair"] = sympy.sympify(moments.pair)
        values["coincidence"] = sympy.sympify(moments.coincidence)
    if law in KURTOSIS:
        values["kappa"] = sympy.Rational(KURTOSIS[law])
    own = {
        name: value
        for name, value in values.items()
        if name in symbols and math.isclose(value.subs(d, symbols["d"]), symbols[name], abs_tol=1e-12)
    }
    return symbolic(formula, own)
