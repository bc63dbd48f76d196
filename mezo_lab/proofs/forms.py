"""The two derivations that most proofs begin with: pg = zᵀg, and the quadratic form E[ĝᵀWĝ] of any law."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import sympy
from sympy import Expr

from mezo_lab.proofs.algebra import by_powers, put
from mezo_lab.proofs.laws import Weights, weights
from mezo_lab.proofs.notation import Scalar, d, epsilon, equation, kappa, n
from mezo_lab.proofs.step import Step
from mezo_lab.proofs.wick import Piece, chain, cycle, diagonal, expectation, matrix, table, vector

GG = chain("g", "g")
GU = chain("g", "u")
GHG = chain("g", "H", "g")
TRACE = cycle("H")
H_DIAGONAL = diagonal(matrix("H"), vector("g"), vector("g"))


@dataclass(frozen=True)
class QuadraticForm:
    """E[ĝᵀWĝ] in two parts: a probe with itself, n of the n² terms, and two probes, n(n−1) of them."""

    name: str
    same: Expr
    cross: Expr
    counting: tuple[Step, ...]

    @property
    def total(self) -> Expr:
        whole = (n * self.same + n * (n - 1) * self.cross) / n**2
        return by_powers(whole, *sorted(whole.free_symbols - {d, n, kappa}, key=str))

    @property
    def steps(self) -> tuple[Step, ...]:
        return (*self.counting, Step("Put the two together.", equation(self.name, self.total)))


@cache
def quadratic_form(law: str, weight_matrix: str = "I", gradient: str = "g", other: str = "g") -> QuadraticForm:
    """Derives E[ĝᵀWĝ] for the matrix of that name; `other` is the gradient that the second of two probes looks at."""
    weight = weights(law)
    same = [vector(gradient), vector(gradient), matrix(weight_matrix)]
    cross = [vector(gradient), matrix(weight_matrix, "z", "z′"), vector(other, "z′")]
    middle = weight_matrix
    name = f"E[ĝᵀ{weight_matrix}ĝ]"
    if weight_matrix == "I":
        middle = ""
        name = "E‖ĝ‖²"
    named_same = Scalar(f"E[{gradient}ᵀz·zᵀ{middle}z·zᵀ{gradient}]")
    named_cross = Scalar(f"E[{gradient}ᵀz·zᵀ{middle}z′·z′ᵀ{other}]")
    counting = (
        Step(
            "As ε → 0, ĝ = (1/n) Σₖ zₖzₖᵀg, a mean over n probes: of the n² terms of the product, n meet one probe "
            "twice and n(n−1) meet two probes, z and z′.",
            equation(name, (n * named_same + n * (n - 1) * named_cross) / n**2),
        ),
        *weight.fourth_steps,
        contraction_step("One probe", named_same, same, weight),
        *weight.cross_steps,
        contraction_step("Two probes", named_cross, cross, weight),
    )
    return QuadraticForm(name, expectation(same, weight), expectation(cross, weight), counting)


def contraction_step(what: str, name: Scalar, pieces: Sequence[Piece], weight: Weights) -> Step:
    """The step that contracts every pattern and adds them up."""
    return Step(f"{what}. {table(pieces, weight)}.", equation(name, expectation(pieces, weight)))


def taylor(step: Expr | int) -> Expr:
    """L(θ + step·z), up to the third order."""
    value, slope, bend, twist = (Scalar(name) for name in ("L", "zᵀg", "zᵀHz", "∇³L[z,z,z]"))
    return value + step * slope + step**2 * bend / 2 + step**3 * twist / 6


def taylor_difference() -> Expr:
    return sympy.expand((taylor(epsilon) - taylor(-epsilon)) / (2 * epsilon))


def linearised() -> tuple[Step, ...]:
    """The steps from the definition of the projected gradient to pg = zᵀg."""
    pg = taylor_difference()
    return (
        Step(
            "Expand both losses along the probe, pg = [L(θ+εz) − L(θ−εz)]/(2ε): even powers of ε cancel.",
            equation("pg", pg),
        ),
        Step("Let ε → 0; on a quadratic loss any ε will do.", equation("pg", put(pg, {epsilon: 0}))),
    )
