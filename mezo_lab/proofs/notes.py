"""The derivation in the notes that this project began with, line by line, and why the paper's constant differs.

The notes ask for E‖ĝ‖² with a minibatch of examples x₁, x₂ = 1 … B and probes i, j = 1 … n. They find (d+n+1)/n, where
the paper prints (d+n−1)/n, and ask for the slip. There is none, on either side.
"""

from itertools import product

import sympy
from sympy import Expr

from mezo_lab import theory
from mezo_lab.proofs.algebra import factored, put
from mezo_lab.proofs.case import Case, add, dot, sympy_number
from mezo_lab.proofs.laws import weights
from mezo_lab.proofs.notation import Scalar, batch, batch_gradient_sq, d, equation, n
from mezo_lab.proofs.printing import plain
from mezo_lab.proofs.proof import Conclusion, Proof, theory_moments
from mezo_lab.proofs.step import Step
from mezo_lab.proofs.wick import chain, expectation, matrix, vector

FIRST = "∇L(x₁)"
SECOND = "∇L(x₂)"
PAIR = chain(FIRST, SECOND)
MEAN_PAIR = Scalar(f"E[{FIRST}ᵀ{SECOND}]")  # over the examples that a batch may hold
OUTER = f"E[{FIRST}{SECOND}ᵀ]"
BASIS = {chain("e", "e"): 1, chain("f", "f"): 1, chain("e", "f"): 0}  # e = eᵢ, f = eⱼ, two unit vectors
SETTING = {
    "gaussian": "z ~ N(0, I), as in the notes",
    "sphere": "z on the sphere of radius √d, as in the paper's section 4",
}
NO_SLIP = (
    "The notes find (d+n+1)/n and the paper prints (d+n−1)/n; both are right. z ~ N(0, I) in the notes (and in the "
    "paper's Definition 1 and code), the sphere of radius √d in the paper's section 4, said once in a preamble. There "
    "is no slip on either side."
)


def notes(law: str) -> Proof:
    """Claim A2 in the notes' own order: the sums outside, a trace, then i ≠ j and i = j."""
    trace = "E tr(zᵢzᵢᵀ∇L(x₁)∇L(x₂)ᵀzⱼzⱼᵀ)"
    c = _derived_c(law)
    for_pair = put(_derived_factor(law) * PAIR, {PAIR: MEAN_PAIR})
    different = put(_different_probes(law), {PAIR: MEAN_PAIR})
    same = c * MEAN_PAIR
    derived = put(for_pair, {MEAN_PAIR: batch_gradient_sq})
    steps = (
        Step(
            f"Take {SETTING[law]}. ĝ is a mean over B examples and n probes, so E‖ĝ‖² = E tr(ĝĝᵀ) is a sum over "
            "pairs x = (x₁, x₂) of examples and pairs (i, j) of probes.",
            equation("E‖ĝ‖²", Scalar(f"Σₓ Σᵢⱼ {trace}") / (n**2 * batch**2)),
        ),
        Step(
            "The trace is cyclic: bring the probes together. They are independent of the examples, so the mean of the "
            "product is the product of the means.",
            equation(trace, Scalar(f"tr(E[zⱼzⱼᵀzᵢzᵢᵀ]·{OUTER})")),
        ),
        Step(
            "i ≠ j, n(n−1) terms: the probes are independent, and each has E[zzᵀ] = I.",
            equation(f"tr(E[zⱼzⱼᵀ]E[zᵢzᵢᵀ]·{OUTER})", different),
        ),
        Step(
            "i = j, n terms: the number zᵀz in the middle moves to the front.",
            equation("E[zzᵀzzᵀ]", Scalar("E[‖z‖²zzᵀ]")),
        ),
        *_one_probe(law),
        Step("So the matrix is c times the identity:", equation("E[zzᵀzzᵀ]", Scalar(f"{_bracketed(c)}·I"))),
        Step("and a term with i = j is", equation(f"tr(E[zᵢzᵢᵀzᵢzᵢᵀ]·{OUTER})", same)),
        Step(
            "All n² terms, for one pair of examples:",
            equation(f"Σᵢⱼ {trace}", n * (n - 1) * different + n * same),
        ),
        Step(
            "The examples assemble the gradient of the minibatch, whose squared length is averaged over minibatches.",
            equation(Scalar(f"Σₓ {MEAN_PAIR}") / batch**2, batch_gradient_sq),
        ),
        Step("Put all together.", equation("E‖ĝ‖²", derived)),
        Step(NO_SLIP, equation(_derived_factor("gaussian"), _derived_factor("sphere") + 2 / n)),
    )
    claimed = theory.norm_factor(d, n, theory_moments(law)) * batch_gradient_sq
    return Proof("A2", "notes", law, steps, (Conclusion("E‖ĝ‖²", derived, claimed, _exact_double_sum),))


def _one_probe(law: str) -> tuple[Step, ...]:
    """E[‖z‖²zzᵀ] = c·I, entry by entry."""
    e = vector("e")
    f = vector("f")
    off_diagonal = put(expectation([e, matrix("I"), f], weights(law)), BASIS)
    return (
        *weights(law).fourth_steps,
        Step("Entry by entry. Off the diagonal z₁ → −z₁ turns the sign, so", equation("E[‖z‖²z₁z₂]", off_diagonal)),
        Step(
            "On the diagonal ‖z‖² has z₁² once and d − 1 others.",
            equation("E[‖z‖²z₁²]", Scalar("E[z₁⁴]") + (d - 1) * Scalar("E[z₁²z₂²]")),
        ),
        Step("It is the same for every coordinate:", equation("c", _derived_c(law))),
    )


def _derived_c(law: str) -> Expr:
    e = vector("e")
    f = vector("f")
    fourth = put(expectation([e, e, e, e], weights(law)), BASIS)
    mixed = put(expectation([e, e, f, f], weights(law)), BASIS)
    return sympy.cancel(fourth + (d - 1) * mixed)


def _different_probes(law: str) -> Expr:
    return expectation([vector(FIRST), matrix("I", "z", "z′"), vector(SECOND, "z′")], weights(law))


def _bracketed(formula: Expr) -> str:
    return f"({plain(formula)})" if formula.is_Add else plain(formula)


def _derived_factor(law: str) -> Expr:
    return factored((n * (n - 1) * _different_probes(law) / PAIR + n * _derived_c(law)) / n**2)


def _exact_double_sum(case: Case) -> Expr:
    """The four sums of the first line as they stand, for the B = 2 examples with gradients g + ξ and g − ξ."""
    examples = [add(case.g, sign, case.xi) for sign in (1, -1)]
    terms = (
        dot(first, z) * dot(z, other) * dot(other, second)
        for first, second in product(examples, repeat=2)
        for z, other in product(case.z, repeat=2)
    )
    return case.mean(sum(terms, start=case.z[0][0] * 0)) / sympy_number(case.probes**2 * len(examples) ** 2)
