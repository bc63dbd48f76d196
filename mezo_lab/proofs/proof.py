"""What a proof is: sentences with formulas, ending in derived − theory = 0, and an exact check on small numbers."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache, cached_property
from textwrap import fill

import sympy
from sympy import Expr, Integer

from mezo_lab.proofs.algebra import normal_form, put
from mezo_lab.proofs.case import Case
from mezo_lab.proofs.notation import d, kappa, n
from mezo_lab.proofs.printing import NO_BREAK, plain
from mezo_lab.proofs.step import Step
from mezo_lab.theory import MOMENTS, Moments, independent_moments

SMALL_DIMS = (1, 2, 3, 4)
SMALL_PROBES = (1, 2)


@dataclass(frozen=True)
class Conclusion:
    """One equality: what the steps derived, and what `mezo_lab.theory` says.

    `exact` finds the same number on a `Case`, a small instance in rational numbers, without the derivation; None where
    the equality is mere algebra.
    """

    name: str
    derived: Expr
    theory: Expr
    exact: Callable[[Case], Expr] | None = None

    @cached_property
    def difference(self) -> Expr:
        """derived − theory, simplified; 0 when the theory is right."""
        return normal_form(self.derived - self.theory)

    def brute(self, case: Case) -> Expr:
        """What was derived, at the numbers of `case`, minus the exact moment; 0 when the derivation is right."""
        if self.exact is None:
            return Integer(0)
        # n first: with it a factor n − 1 may cancel a division by 0 at d = 1
        derived = put(self.derived, {n: case.probes})
        if case.dim == 1:
            derived = sympy.cancel(derived)  # orthogonal probes have (n−1)/(d−1)
        at = put(derived, case.values)
        return normal_form(at - self.exact(case))


@dataclass(frozen=True)
class Proof:
    """A claim derived for one law of z, at every dimension d and number of probes n."""

    id: str
    claim: str
    law: str
    steps: tuple[Step, ...]
    conclusions: tuple[Conclusion, ...]

    @property
    def derived(self) -> Expr:
        """The derived side of the first conclusion."""
        return self.conclusions[0].derived

    @property
    def theory(self) -> Expr:
        """The theory side of the first conclusion."""
        return self.conclusions[0].theory

    @property
    def difference(self) -> Expr:
        """derived − theory of the first conclusion that fails, 0 when none does."""
        return _first_nonzero(conclusion.difference for conclusion in self.conclusions)

    @property
    def proved(self) -> bool:
        return self.difference == 0

    def brute(self, dim: int, probes: int) -> Expr:
        """Derived formula minus exact moment at a small dimension, of the first conclusion that fails; 0 if none does.

        Args: dim: d, at most about 4. probes: n, at most 2. Raises: ValueError when the law has no such set of probes.
        """
        case = small_case(self.law, dim, probes)
        return _first_nonzero(conclusion.brute(case) for conclusion in self.conclusions)

    @cached_property
    def agreeing_dims(self) -> tuple[int, ...]:
        """The small dimensions at which brute force agrees for every number of probes tried."""
        tried = [(dim, [k for k in SMALL_PROBES if self.law != "orthogonal" or k <= dim]) for dim in SMALL_DIMS]
        return tuple(dim for dim, probes in tried if all(self.brute(dim, k) == 0 for k in probes))

    def __str__(self) -> str:
        lines = [f"{self.id} {self.claim}, {self.law} law", ""]
        for number, step in enumerate(self.steps, start=1):
            lines += [
                fill(f"{number:2d}. {step.sentence}", width=100, subsequent_indent=" " * 4).replace(NO_BREAK, " "),
                f"        {step.text}",
            ]
        if len(self.conclusions) > 1:
            lines += ["", *(f"{c.name}: derived − theory = {plain(c.difference)}" for c in self.conclusions)]
        return "\n".join([*lines, "", self.verdict])

    @property
    def verdict(self) -> str:
        """The last line: both checks in one sentence."""
        mark = "∎" if self.proved else "not proved"
        dims = ", ".join(map(str, self.agreeing_dims)) or "none of those tried"
        return f"derived − theory = {plain(self.difference)}   {mark}   brute force agrees for d = {dims}"


small_case = cache(Case)  # many proofs meet the same instances


def _first_nonzero(differences: Iterable[Expr]) -> Expr:
    return next((difference for difference in differences if difference != 0), Integer(0))


def theory_moments(law: str) -> Moments:
    """The moments that the library uses for a law, at the symbol d: for the theory side of a proof only."""
    if law in MOMENTS:
        return MOMENTS[law](d)
    return independent_moments(kappa)
