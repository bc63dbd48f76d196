"""The few moves that a proof makes on a formula."""

from collections.abc import Mapping
from functools import cache
from typing import Any, cast

import sympy
from sympy import Basic, Expr


def put(expression: Expr, values: Mapping[Any, Any]) -> Expr:
    """The expression with symbols replaced, all at once.

    >>> from mezo_lab.proofs.notation import d, n
    >>> put(d / n, {d: n, n: d})
    n/d
    """
    return cast(Expr, expression.xreplace({symbol: sympy.sympify(value) for symbol, value in values.items()}))


@cache
def factored(expression: Expr) -> Expr:
    return cast(Expr, sympy.factor(expression))


def by_powers(expression: Expr, *symbols: Basic) -> Expr:
    """The expression as a polynomial in the symbols, with factored coefficients.

    >>> from mezo_lab.proofs.notation import d, eta, n
    >>> by_powers((d + n) * eta - eta / n, eta)
    η*(d*n + n**2 - 1)/n
    """
    return cast(Expr, sympy.collect(sympy.expand(expression), symbols, factored))


def normal_form(expression: Expr) -> Expr:
    """One form for equal rational expressions (and logarithms and powers of them), so that a difference of equals is 0.

    >>> from mezo_lab.proofs.notation import n, r
    >>> normal_form(sympy.log(1 + n / r) + sympy.log(r / (n + r)))
    0
    >>> normal_form((1 - 1 / n) ** r - ((n - 1) / n) ** r)
    0
    """
    expression = cast(Expr, sympy.sympify(expression).replace(_with_symbol, lambda x: factored(x.base) ** x.exp))
    expression = cast(Expr, expression.replace(sympy.log, lambda x: sympy.log(sympy.factor(x))))
    return factored(sympy.expand_log(expression, factor=True))


def _with_symbol(expression: Basic) -> bool:
    """Whether it is a power whose exponent is no number, such as a contraction after T steps."""
    return isinstance(expression, sympy.Pow) and not expression.exp.is_number
