"""A formula as it would stand on a blackboard: as plain text for a terminal, as LaTeX within mathtext for a report."""

from collections.abc import Sequence

from sympy import Add, Basic, Expr, Mul, Pow, Rational
from sympy.printing.latex import LatexPrinter
from sympy.printing.precedence import PRECEDENCE
from sympy.printing.printer import Printer
from sympy.printing.str import StrPrinter

from mezo_lab.proofs.notation import SUPERSCRIPT, epsilon, eta, s

NO_BREAK = "\N{NO-BREAK SPACE}"  # holds a formula within a sentence together
RELATIONS = {"==": "=", "<=": "≤", ">=": "≥", "<": "<", ">": ">"}


def _smallness(term: Expr) -> int:
    """The power of ε, η and s in a term: an expansion reads from the lowest."""
    powers = term.as_powers_dict()
    return sum(int(powers[small]) for small in (epsilon, eta, s))


def rank(factor: Expr) -> tuple[int, str]:
    """Where a factor stands in a product: letters, then sums, then named quantities, as in n·(d + 1)·‖g‖²."""
    base = factor.as_base_exp()[0]
    if base.is_Symbol and len(str(base)) == 1:
        return 0, str(base)
    if isinstance(base, Add):
        return 1, str(base)
    return 2, str(base)


class _Blackboard(Printer):
    """The order of terms and factors, for both printers; `joined` and `ratio` are theirs."""

    def _as_ordered_terms(self, expr, order=None):
        terms = sorted(super()._as_ordered_terms(expr, order), key=_smallness)
        first = terms[0]
        same = [term for term in terms if _smallness(term) == _smallness(first)]
        positive = [term for term in same if not term.could_extract_minus_sign()]
        if first.could_extract_minus_sign() and positive:  # q − k, and not −k + q
            terms.remove(positive[0])
            terms.insert(0, positive[0])
        return terms

    def _print_Mul(self, expr):
        coefficient, rest = expr.as_coeff_Mul(rational=True)
        factors = sorted(Mul.make_args(rest), key=rank)
        below = [1 / factor for factor in factors if factor.as_base_exp()[1].could_extract_minus_sign()]
        above = [factor for factor in factors if 1 / factor not in below]
        top = self.joined([abs(coefficient.p)] * (abs(coefficient.p) != 1 or not above) + above)
        bottom = [coefficient.q] * (coefficient.q != 1) + below
        product = top
        if bottom:
            product = self.ratio(top, self.joined(bottom), len(bottom))
        return f"-{product}" if coefficient < 0 else product

    def joined(self, factors: Sequence) -> str:
        raise NotImplementedError

    def ratio(self, top: str, bottom: str, factors: int) -> str:
        raise NotImplementedError


class _PlainPrinter(_Blackboard, StrPrinter):
    def joined(self, factors):
        return "·".join(self.parenthesize(factor, PRECEDENCE["Mul"]) for factor in factors)

    def ratio(self, top, bottom, factors):
        return f"{top}/{bottom}" if factors == 1 else f"{top}/({bottom})"

    def _print_Pow(self, expr, rational=False):
        base, exponent = expr.args
        if exponent.could_extract_minus_sign():
            return f"1/{self.parenthesize(Pow(base, -exponent), PRECEDENCE['Mul'])}"
        if exponent == Rational(1, 2):
            return f"√{self.parenthesize(base, PRECEDENCE['Atom'], strict=True)}"
        if not exponent.is_Integer:
            return f"{self.parenthesize(base, PRECEDENCE['Pow'])}^{self.parenthesize(exponent, PRECEDENCE['Pow'])}"
        inner = self.parenthesize(base, PRECEDENCE["Pow"])
        bare = not base.is_Symbol or not set(base.name) & set("²⁴ᵀ⁻ ")
        return (inner if bare else f"({inner})") + str(exponent).translate(SUPERSCRIPT)

    def _print_Pi(self, expr):
        return "π"

    def _print_gamma(self, expr):
        return f"Γ({self._print(expr.args[0])})"

    def _print_Relational(self, expr):
        return f"{self._print(expr.lhs)} {RELATIONS[expr.rel_op]} {self._print(expr.rhs)}"


class _MathtextPrinter(_Blackboard, LatexPrinter):
    def joined(self, factors):
        if len(factors) == 1:
            return self._print(factors[0])
        return " ".join(self.parenthesize(factor, PRECEDENCE["Mul"]) for factor in factors)

    def ratio(self, top, bottom, factors):
        return rf"\dfrac{{{top}}}{{{bottom}}}"

    def _print_Pow(self, expr):
        base, exponent = expr.args
        if exponent.is_Integer and exponent < 0:
            return self.ratio("1", self._print(Pow(base, -exponent)), 1)
        return super()._print_Pow(expr)


def plain(formula: Basic) -> str:
    """A formula as text.

    >>> from mezo_lab.proofs.notation import Scalar, d, n
    >>> plain((d + n + 1) / n * Scalar("‖g‖²"))
    '(d + n + 1)·‖g‖²/n'
    """
    return _PlainPrinter().doprint(formula).replace("-", "−")


def mathtext(formula: Basic) -> str:
    """A formula as LaTeX that matplotlib's mathtext can set.

    >>> from mezo_lab.proofs.notation import Scalar, d, n
    >>> mathtext(2 * d / n * Scalar("tr(H)"))
    '\\\\dfrac{2 d \\\\mathrm{tr}(H)}{n}'
    """
    return _MathtextPrinter().doprint(formula)
