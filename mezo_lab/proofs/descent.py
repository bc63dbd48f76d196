"""Section B for any Hessian: what one step θ⁺ = θ − ηĝ does to the loss on average."""

import sympy
from sympy import Expr

from mezo_lab import theory
from mezo_lab.proofs.algebra import by_powers, factored, put
from mezo_lab.proofs.case import ELL, ETA, Case, Loss, add, dot, form, square
from mezo_lab.proofs.estimator import probed
from mezo_lab.proofs.forms import GG, GHG, H_DIAGONAL, TRACE, quadratic_form
from mezo_lab.proofs.laws import weights
from mezo_lab.proofs.notation import Scalar, d, ell, equation, eta, n, r
from mezo_lab.proofs.proof import Conclusion, Proof, theory_moments
from mezo_lab.proofs.step import Step
from mezo_lab.proofs.wick import chain, cycle, diagonal, expectation, matrix, vector

ISOTROPIC = {GHG: ell * GG, TRACE: d * ell, H_DIAGONAL: ell * GG}  # H = ℓI
REMAINING = chain("g", "A", "g"), cycle("A"), diagonal(matrix("A"), vector("g"), vector("g"))
REMAINDER = {symbol: ISOTROPIC[symbol] - left for symbol, left in zip(ISOTROPIC, REMAINING, strict=True)}  # H = ℓI − A


def _expected_change(law: str) -> tuple[Expr, tuple[Step, ...]]:
    """E[L(θ⁺)] − L on a quadratic loss, with its steps."""
    curved = quadratic_form(law, "H")
    pieces = [vector("g"), vector("g")]
    slope = Scalar("gᵀĝ")
    bend = Scalar("ĝᵀHĝ")
    change = -eta * slope + eta**2 * bend / 2
    mean = put(change, {slope: expectation(pieces, weights(law)), bend: curved.total})
    steps = (
        Step("On a quadratic loss a step changes the loss by exactly", equation("L(θ−ηĝ) − L(θ)", change)),
        *weights(law).second_steps,
        Step("The slope: ĝ is unbiased.", equation("E[gᵀĝ]", expectation(pieces, weights(law)))),
        *curved.steps,
    )
    return mean, steps


def descent_lemma(law: str) -> Proof:
    """B1: E[L(θ⁺)] − L ≤ −η‖g‖² + ½η²ℓE‖ĝ‖², with equality when H = ℓI.

    What is derived and compared is the case of a quadratic loss; for any other ℓ-smooth loss the bound rests on
    Taylor's theorem, which the proof quotes.
    """
    change, change_steps = _expected_change(law)
    squared = quadratic_form(law)
    bound = -eta * GG + eta**2 * ell * squared.total / 2
    room = bound - change
    attained = put(change, ISOTROPIC)
    steps = (
        *change_steps,
        Step(
            "H ⪯ ℓI bounds the curvature term along every ĝ. (On an ℓ-smooth loss that is not quadratic, Taylor's "
            "theorem puts the Hessian at a point between θ and θ⁺ here, with the same bound; that case is quoted, and "
            "not among the conclusions below.)",
            sympy.Le(Scalar("ĝᵀHĝ"), ell * Scalar("‖ĝ‖²")),
        ),
        Step("So the change is, on average, at most", -eta * GG + eta**2 * ell * Scalar("E‖ĝ‖²") / 2),
        Step("where the same patterns, for I in place of H, give", equation("E‖ĝ‖²", squared.total)),
        Step(
            "What the bound gives away is ½η²·E[ĝᵀAĝ] with A = ℓI − H ⪰ 0, which is never negative:",
            equation("½η²·E[ĝᵀAĝ]", by_powers(put(room, REMAINDER), *REMAINING)),
        ),
        Step("At H = ℓI it is 0, and the bound is attained.", equation("E[L(θ−ηĝ) − L(θ)]", by_powers(attained, eta))),
    )
    gap = (ell * GG - GHG, (d * ell - TRACE) * GG, ell * GG - H_DIAGONAL)  # gᵀAg, tr(A)‖g‖², Σᵢ Aᵢᵢgᵢ²
    claimed_room = eta**2 / 2 * theory.second_moment(*gap, probes=n, moments=theory_moments(law))
    claimed = theory.descent_bound(eta, ell, GG, squared.total)
    conclusions = (
        Conclusion("E[L(θ⁺)] − L of a quadratic at H = ℓI", attained, claimed, _exact_isotropic),
        Conclusion("bound − (E[L(θ⁺)] − L) of a quadratic", room, claimed_room, _exact_room),
    )
    return Proof("B1", "descent-lemma", law, steps, conclusions)


def _exact_change(case: Case, loss: Loss) -> Expr:
    """E[L(θ − ηĝ)] − L(θ), where the loss is 0 at θ."""
    return case.mean(loss(add(case.origin, -ETA, case.two_point(loss, case.origin))))


def _exact_isotropic(case: Case) -> Expr:
    return _exact_change(case, lambda delta: dot(case.g, delta) + square(delta) * ELL / 2)


def _exact_room(case: Case) -> Expr:
    bound = square(probed(case)) * ETA**2 * ELL / 2 - square(case.g) * ETA
    return case.mean(bound) - _exact_change(case, case.quadratic_loss)


def any_spectrum(law: str) -> Proof:
    """B4: E[ĝᵀHĝ] for any H; where no coordinate is special, γ from r bounds it."""
    curved = quadratic_form(law, "H")
    weight = weights(law)
    moments = theory_moments(law)
    claimed = theory.second_moment(GHG, TRACE * GG, H_DIAGONAL, probes=n, moments=moments)
    end = Conclusion(curved.name, curved.total, claimed, lambda case: case.mean(form(case.hessian, probed(case))))
    if weight.coincidence != 0:
        return Proof("B4", "any-spectrum", law, curved.steps, (end,))
    flat = {GHG: ell * GG, TRACE: r * ell}  # all of g in the steepest directions
    room = factored(put(curved.total, flat) - put(curved.total, {TRACE: r * ell}))
    steps = (
        *curved.steps,
        Step(
            "H ⪯ ℓI with tr(H) = rℓ: the most it can be is ℓγ‖g‖².",
            equation("ℓγ‖g‖²", factored(put(curved.total, flat))),
        ),
        Step(
            "What this bound gives away is not negative, as gᵀHg ≤ ℓ‖g‖²; it is 0 for g in the steepest directions.",
            equation("ℓγ‖g‖² − E[ĝᵀHĝ]", room),
        ),
    )
    bounded = ell * theory.effective_rank_factor(r, n, moments) * GG - put(claimed, {TRACE: r * ell})
    return Proof("B4", "any-spectrum", law, steps, (end, Conclusion("ℓγ‖g‖² − E[ĝᵀHĝ]", room, bounded)))
