"""Section B on the exact test bed L = ½·ℓ·θᵀPθ, P a projector of rank r: r takes the place of d.

At r = d the Hessian is ℓI, and γ is the norm factor: the dimension tax.
"""

import sympy
from sympy import QQ, Expr, Integer

from mezo_lab import theory
from mezo_lab.proofs.algebra import factored, put
from mezo_lab.proofs.case import ELL, ETA, Case, add, square, sympy_number
from mezo_lab.proofs.forms import GG, quadratic_form
from mezo_lab.proofs.laws import PAIRS, weights
from mezo_lab.proofs.notation import Scalar, d, ell, equation, eta, n, r, s
from mezo_lab.proofs.proof import Conclusion, Proof, theory_moments
from mezo_lab.proofs.step import Step
from mezo_lab.proofs.wick import chain, cycle, diagonal, expectation, matrix, vector

LOSS = Scalar("L", positive=True)
GAMMA = Scalar("γ", positive=True)
PROJECTED_DIAGONAL = diagonal(matrix("P"), vector("g"), vector("g"))
PROJECTED = {chain("g", "P", "g"): GG, cycle("P"): r, PROJECTED_DIAGONAL: GG}
PRINTED = {
    "gaussian": ("in Theorem 2", (r + n + 1) / n),
    "sphere": ("in the proof of Theorem 1", (d * r + d - 2) / (n * (d + 2)) + 1),
    "rademacher": ("for signs", (r + n - 1) / n),
}


def derived_gamma(law: str) -> tuple[Expr, tuple[Step, ...]]:
    """γ = E[ĝᵀPĝ]/‖g‖², and its steps."""
    projected = quadratic_form(law, "P")
    gamma = factored(put(projected.total, PROJECTED) / GG)
    aligned = ""
    if weights(law).coincidence != 0:
        aligned = "; P along the coordinates has Pᵢᵢ = 1 wherever gᵢ ≠ 0"
    reason = f"g = ℓPθ lies in the range of P, so gᵀPg = ‖g‖², and tr(P) = r{aligned}. Divide by ‖g‖²."
    return gamma, (*projected.steps, Step(reason, equation("γ", gamma)))


def derived_contraction(law: str) -> tuple[Expr, tuple[Step, ...]]:
    """E[L⁺]/L in terms of s = ηℓ and γ, and its steps."""
    slope = expectation([vector("g"), vector("g")], weights(law))
    loss = LOSS - eta * slope + eta**2 * ell * GAMMA * GG / 2
    # ‖g‖² = 2ℓL and η = s/ℓ leave a ratio in s and γ alone
    ratio = sympy.expand(put(loss, {GG: 2 * ell * LOSS, eta: s / ell}) / LOSS)
    return ratio, (
        Step(
            "One step on this quadratic loss: L⁺ = L − η·gᵀĝ + ½η²ℓ·ĝᵀPĝ, and ĝ is unbiased.", equation("E[L⁺]", loss)
        ),
        Step("‖g‖² = ℓ²·θᵀPθ = 2ℓL. Divide by L and write s = ηℓ.", equation("E[L⁺]/L", ratio)),
    )


def largest_stable(ratio: Expr) -> Expr:
    """The η > 0 at which a contraction in s = ηℓ is 1 again."""
    (lr,) = (root for root in sympy.solve(sympy.Eq(put(ratio, {s: eta * ell}), 1), eta) if root != 0)
    return factored(lr)


def low_rank(law: str) -> Proof:
    """B3: E[L⁺]/L = 1 − 2s + s²γ, with equality."""
    gamma, gamma_steps = derived_gamma(law)
    ratio, ratio_steps = derived_contraction(law)
    steps = (*gamma_steps, *ratio_steps)
    claimed = theory.effective_rank_factor(r, n, theory_moments(law))
    conclusions = (
        Conclusion("γ", gamma, claimed, exact_gamma),
        Conclusion("E[L⁺]/L", put(ratio, {GAMMA: gamma}), theory.contraction(s, claimed), _exact_low_rank),
    )
    if law in PRINTED:
        where, printed = PRINTED[law]
        steps += (Step(f"In the form printed {where}:", equation("γ", printed)),)
        conclusions += (Conclusion(f"γ as printed {where}", gamma, printed, exact_gamma),)
    return Proof("B3", "low-rank", law, steps, conclusions)


def dimension_tax(law: str) -> Proof:
    """B2: with H = ℓI the norm factor divides the learning rate."""
    squared = quadratic_form(law)
    factor = factored(squared.total / GG)
    ratio, ratio_steps = derived_contraction(law)
    stable = largest_stable(ratio)
    sgd = put(stable, {GAMMA: 1})
    steps = (
        *squared.steps,
        Step("Divide by ‖g‖². With H = ℓI, that is P = I, this is the γ of a step.", equation("γ", factor)),
        *ratio_steps,
        Step("The loss stops falling where E[L⁺] = L; solve for η > 0.", equation("η", stable)),
        Step("SGD steps along g itself and has γ = 1.", equation("η_SGD", sgd)),
        Step("The tax is the ratio of the two.", equation("η/η_SGD", put(stable / sgd, {GAMMA: factor}))),
    )
    claimed = theory.norm_factor(d, n, theory_moments(law))
    claimed_lr = theory.largest_stable_lr(ell, claimed)
    claimed_sgd = theory.largest_stable_lr(ell, 1)
    conclusions = (
        Conclusion("E[L⁺]/L", put(ratio, {GAMMA: factor}), theory.contraction(s, claimed), _exact_isotropic),
        Conclusion("largest stable η", put(stable, {GAMMA: factor}), claimed_lr, _exact_stable_lr),
        Conclusion("η/η_SGD", put(stable / sgd, {GAMMA: factor}), claimed_lr / claimed_sgd, _exact_tax),
    )
    return Proof("B2", "dimension-tax", law, steps, conclusions)


def same_object(law: str) -> Proof:
    """B5: γ at r = d is the norm factor."""
    gamma, gamma_steps = derived_gamma(law)
    squared = quadratic_form(law)
    full = factored(put(gamma, {r: d}))
    factor = factored(squared.total / GG)
    steps = (
        *gamma_steps,
        Step("A projector of rank r = d is the identity.", equation("γ", full)),
        Step("W = I in place of P, the same patterns: the norm factor.", equation("E‖ĝ‖²/‖g‖²", factor)),
    )
    moments = theory_moments(law)
    conclusions = (
        Conclusion("γ at r = d", full, theory.norm_factor(d, n, moments), _exact_factor),
        Conclusion("norm factor", factor, theory.effective_rank_factor(d, n, moments), _exact_factor),
    )
    return Proof("B5", "same-object", law, steps, conclusions)


def general_directions(law: str) -> Proof:
    """B10: the γ of a projector in random directions, the mean over all rotations of the loss."""
    projected = quadratic_form(law, "P")
    mean = GG * (r + 2) / (d + 2)
    gamma = factored(put(projected.total, {**PROJECTED, PROJECTED_DIAGONAL: mean}) / GG)
    steps = (
        *projected.steps,
        Step(
            "Turn the loss, and P and g with it, by all rotations. Only Σᵢ Pᵢᵢgᵢ² changes: δᵢⱼₖₗ contracted with P, "
            "g and g. The mean of δᵢⱼₖₗ is symmetric and no rotation changes it, so it is a multiple of the three "
            "pairings. Contracted with δᵢⱼδₖₗ it gives d, and they give d² + 2d.",
            equation("E[δᵢⱼₖₗ]", sum(PAIRS, Integer(0)) / (d + 2)),
        ),
        Step("Contract it: tr(P)·‖g‖² = r‖g‖² once, gᵀPg = ‖g‖² twice.", equation("E[Σᵢ Pᵢᵢgᵢ²]", mean)),
        Step("Put it in, with gᵀPg = ‖g‖² and tr(P) = r, and divide by ‖g‖².", equation("γ", gamma)),
    )
    claimed = theory.effective_rank_factor(r, n, theory.rotation_average(d, theory_moments(law)))
    return Proof("B10", "general-directions", law, steps, (Conclusion("γ", gamma, claimed, _exact_turned_gamma),))


S = ETA * ELL


def _exact_factor(case: Case) -> Expr:
    return case.mean(square(case.estimate(case.g))) / sympy_number(square(case.g))


def exact_gamma(case: Case) -> Expr:
    """E[ĝᵀPĝ]/‖g‖² for a gradient g in the range of P."""
    g = [x * (i < case.rank) for i, x in enumerate(case.g)]
    return case.mean(square(case.estimate(g)[: case.rank])) / sympy_number(square(g))


def _exact_turned_gamma(case: Case) -> Expr:
    """A probe turned at random is ‖z‖·u, u uniform on the unit sphere, of which E[uᵀPu·(uᵀg)²] = (r+2)‖g‖²/(d(d+2))."""
    length_4 = case.mean(square(case.z[0]) ** 2)
    one_probe = length_4 * (case.rank + 2) / (case.dim * (case.dim + 2))
    return (one_probe + case.probes - 1) / case.probes


def _exact_low_rank(case: Case) -> Expr:
    return _exact_ratio(case, S, case.rank)


def _exact_isotropic(case: Case) -> Expr:
    return _exact_ratio(case, S, case.dim)


def _exact_stable_lr(case: Case) -> Expr:
    return exact_end(case, case.dim) / sympy_number(ELL)


def _exact_tax(case: Case) -> Expr:
    return exact_end(case, case.dim) / 2  # SGD is stable up to s = 2


def _exact_ratio(case: Case, step, rank: int) -> Expr:
    """E[L⁺]/L for one step of length s = `step`, from losses alone."""

    def loss(theta):
        return square(theta[:rank]) * ELL / 2

    estimate = case.two_point(loss, case.theta)
    return case.mean(loss(add(case.theta, -step / ELL, estimate))) / sympy_number(loss(case.theta))


def parabola(case: Case, rank: int) -> tuple[Expr, Expr]:
    """The b and a of E[L⁺]/L = 1 + bs + as², read off two exact steps, s = 1 and s = −1."""
    forth, back = (_exact_ratio(case, step, rank) for step in (QQ(1), QQ(-1)))
    return (forth - back) / 2, (forth + back) / 2 - 1


def exact_end(case: Case, rank: int) -> Expr:
    """The largest stable s = ηℓ: where the parabola is back at 1."""
    slope, bend = parabola(case, rank)
    return -slope / bend
