"""Section A, coordinates on unequal terms, for the Gaussian: scaled probes, and what Adam's second moment sees."""

import sympy
from sympy import Expr, Integer, Rational, Symbol

from mezo_lab import theory
from mezo_lab.proofs.algebra import by_powers, factored, put
from mezo_lab.proofs.case import Case, Vector, dot, square, sympy_number
from mezo_lab.proofs.forms import GG, GU, contraction_step
from mezo_lab.proofs.laws import weights
from mezo_lab.proofs.notation import Scalar, d, equation, n
from mezo_lab.proofs.proof import Conclusion, Proof, theory_moments
from mezo_lab.proofs.step import Step
from mezo_lab.proofs.wick import chain, cycle, expectation, matrix, vector

SCALE_SQ = Scalar("tr(D²)")
SLOPE_SQ = Scalar("‖D⁻¹g‖²")
SUM_NORM = Scalar("‖g‖₁", positive=True)
MEANING = {cycle("S"): SCALE_SQ, chain("h", "h"): SLOPE_SQ, chain("h", "S", "h"): GG, chain("h", "w"): GU}


def variance_modified(law: str) -> Proof:
    """A11: probe along D⁻¹z, update along Dz; unbiased, and D = abs(g) gains nothing where D = √abs(g) does."""
    weight = weights(law)
    legs = [vector("h"), vector("h"), matrix("S")]
    mean = put(expectation([vector("w"), vector("h")], weight), MEANING)
    derived = put(expectation(legs, weight), MEANING)
    by_size = factored(put(derived, {SCALE_SQ: GG, SLOPE_SQ: d}))
    by_root = put(derived, {SCALE_SQ: SUM_NORM, SLOPE_SQ: SUM_NORM})
    steps = (
        Step(
            "Write h = D⁻¹g, w = Du and S = D². One probe gives ĝ = Dz·zᵀD⁻¹g, which along any vector u is",
            equation("uᵀĝ", Scalar("wᵀz·zᵀh")),
        ),
        *weight.second_steps,
        Step("Its mean is hᵀw = gᵀD⁻¹Du = gᵀu: unbiased.", equation("E[uᵀĝ]", mean)),
        *weight.fourth_steps,
        contraction_step("‖ĝ‖² = hᵀz·zᵀSz·zᵀh", Scalar("E[hᵀz·zᵀSz·zᵀh]"), legs, weight),
        Step("Here tr(S) = tr(D²) and hᵀSh = gᵀD⁻¹D²D⁻¹g = ‖g‖².", equation("E‖ĝ‖²", derived)),
        Step("Dᵢ = |gᵢ| has tr(D²) = ‖g‖² and ‖D⁻¹g‖² = d: the norm that D = I has.", equation("E‖ĝ‖²", by_size)),
        Step(
            "For any D, with bᵢ = |gᵢ|/Dᵢ and so Σᵢ Dᵢbᵢ = ‖g‖₁, multiply out ½ Σᵢ Σⱼ (Dᵢbⱼ − Dⱼbᵢ)² ≥ 0 (Lagrange).",
            equation("½·Σᵢ Σⱼ (Dᵢbⱼ − Dⱼbᵢ)²", _lagrange()),
        ),
        Step("Dᵢ = √|gᵢ| = bᵢ makes it 0, and so is the minimiser; its value:", equation("E‖ĝ‖²", by_root)),
    )
    least = theory.variance_modified_norm(SUM_NORM, SUM_NORM, GG)
    claimed = theory.variance_modified_norm(SCALE_SQ, SLOPE_SQ, GG)
    plain_norm = theory.norm_factor(d, 1, theory_moments(law)) * GG
    conclusions = (
        Conclusion("E‖ĝ‖²", derived, claimed, lambda case: _norm(case, case.scale)),
        Conclusion("E[uᵀĝ]", mean, GU, lambda case: case.mean(dot(case.u, modified(case, case.scale)))),
        Conclusion("E‖ĝ‖² at Dᵢ = |gᵢ|", by_size, plain_norm, lambda case: _norm(case, [abs(g) for g in case.g])),
        Conclusion("E‖ĝ‖² at Dᵢ = √|gᵢ|", by_root, least, lambda case: _norm(case, case.root)),
        Conclusion("E‖ĝ‖² − its least value", _lagrange(), claimed - least, _exact_lagrange),
    )
    return Proof("A11", "variance-modified", law, steps, conclusions)


def _lagrange() -> Expr:
    """½ Σᵢ Σⱼ (aᵢbⱼ − aⱼbᵢ)² for a = D and b = |D⁻¹g|: each monomial of the summand is a product of two sums."""
    ai, aj, bi, bj = (Symbol(name) for name in ("aᵢ", "aⱼ", "bᵢ", "bⱼ"))
    sums = {ai**2 * bj**2: SCALE_SQ * SLOPE_SQ, aj**2 * bi**2: SCALE_SQ * SLOPE_SQ, ai * aj * bi * bj: SUM_NORM**2}
    return sympy.expand(Rational(1, 2) * (ai * bj - aj * bi) ** 2).subs(sums)


def _exact_lagrange(case: Case) -> Expr:
    a = case.scale
    b = [abs(g) / x for g, x in zip(case.g, a, strict=True)]
    pairs = ((i, j) for i in range(case.dim) for j in range(i))
    return sympy_number(sum(((a[i] * b[j] - a[j] * b[i]) ** 2 for i, j in pairs), start=a[0] * 0))


def modified(case: Case, scale: Vector) -> Vector:
    """Dz·zᵀD⁻¹g of one probe, D = diag(scale)."""
    z = case.z[0]
    pg = dot(z, [g / x for g, x in zip(case.g, scale, strict=True)])
    return [x * component * pg for x, component in zip(scale, z, strict=True)]


def _norm(case: Case, scale: Vector) -> Expr:
    return case.mean(square(modified(case, scale)))


def adam_blind(law: str) -> Proof:
    """A13: E[ĝᵢ²] = ‖g‖² + 2gᵢ² at n = 1, nearly the same for every coordinate."""
    weight = weights(law)
    entry = Scalar("gᵢ")
    basis = {chain("e", "e"): 1, chain("e", "g"): entry}  # e = eᵢ, the i-th unit vector
    same = [vector("g"), vector("g"), vector("e"), vector("e")]
    cross = [vector("g"), vector("e"), vector("e", "z′"), vector("g", "z′")]
    square_same, square_cross = (put(expectation(pieces, weight), basis) for pieces in (same, cross))
    derived = by_powers((n * square_same + n * (n - 1) * square_cross) / n**2, entry, GG)
    single = put(derived, {n: 1})
    total = put(single, {entry**2: GG, GG: d * GG})  # Σᵢ of each term
    steps = (
        Step("Write e for the i-th unit vector.", equation("ĝᵢ", Scalar("(1/n)·Σₖ eᵀzₖ·zₖᵀg"))),
        *weight.fourth_steps,
        contraction_step("One probe", Scalar("E[gᵀz·zᵀe·eᵀz·zᵀg]"), same, weight),
        *weight.cross_steps,
        contraction_step("Two probes", Scalar("E[gᵀz·zᵀe·eᵀz′·z′ᵀg]"), cross, weight),
        Step("‖e‖² = 1 and eᵀg = gᵢ; n and n(n−1) terms.", equation("E[ĝᵢ²]", derived)),
        Step("One probe:", equation("E[ĝᵢ²]", single)),
        Step(
            "What tells coordinates apart is a small share of the sum over i:",
            equation("Σᵢ 2gᵢ²/Σᵢ E[ĝᵢ²]", sympy.cancel(2 * GG / total)),
        ),
    )
    moments = theory_moments(law)
    claimed = [theory.second_moment(entry**2, GG, entry**2, probes=k, moments=moments) for k in (n, Integer(1))]
    sum_claimed = theory.norm_factor(d, 1, moments) * GG
    conclusions = (
        Conclusion("E[ĝᵢ²], one probe", single, claimed[1], lambda case: case.mean(modified(case, case.ones)[0] ** 2)),
        Conclusion("E[ĝᵢ²], n probes", derived, claimed[0], lambda case: case.mean(case.estimate(case.g)[0] ** 2)),
        Conclusion("Σᵢ E[ĝᵢ²], one probe", total, sum_claimed, lambda case: _norm(case, case.ones)),
    )
    return Proof("A13", "adam-blind", law, steps, conclusions)
