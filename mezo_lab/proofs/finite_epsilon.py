"""At finite ε: what smoothing does to the mean, and what a one-sided difference costs. A7, E12 and A8."""

import sympy
from sympy import Expr, Integer, Poly

from mezo_lab import theory
from mezo_lab.proofs.algebra import by_powers, factored, put
from mezo_lab.proofs.case import EPSILON, Case, dot, square
from mezo_lab.proofs.forms import GG, GU, TRACE, contraction_step, taylor, taylor_difference
from mezo_lab.proofs.laws import weights
from mezo_lab.proofs.notation import Scalar, d, epsilon, equation
from mezo_lab.proofs.proof import Conclusion, Proof, theory_moments
from mezo_lab.proofs.step import Step
from mezo_lab.proofs.wick import (
    Piece,
    chain,
    cycle,
    diagonal,
    expectation,
    gaussian_mean,
    isserlis,
    matrix,
    table,
    third_derivative,
    vector,
)

VALUE, SLOPE, BEND, TWIST = (Scalar(name) for name in ("L", "zᵀg", "zᵀHz", "∇³L[z,z,z]"))
BEND_GRADIENT = chain("u", "∇ΔL")
TWIST_DIAGONAL = diagonal(vector("u"), third_derivative())


def smoothing(law: str) -> Proof:
    """A7: at finite ε, ĝ is the unbiased gradient of the smoothed loss; for a cubic loss its bias is (ε²/2)·∇(ΔL)."""
    weight = weights(law)
    twisted = [vector("u"), third_derivative()]
    slope = gaussian_mean(vector("u"), vector("g"))
    twist = gaussian_mean(*twisted)
    derived = sympy.expand(put(taylor_difference(), {SLOPE: slope, TWIST: twist}))
    means = {
        SLOPE: gaussian_mean(vector("g")),
        BEND: gaussian_mean(matrix("H")),
        TWIST: gaussian_mean(third_derivative()),
    }
    smoothed = put(taylor(epsilon), means)
    smoothed_slope = put(smoothed, {VALUE: GU, TRACE: BEND_GRADIENT})
    steps = (
        Step("On a cubic loss, the difference along a probe is exactly", equation("pg", taylor_difference())),
        *weight.second_steps,
        contraction_step(
            "The first term, times z and measured along any vector u",
            Scalar("E[uᵀz·zᵀg]"),
            [vector("u"), vector("g")],
            weight,
        ),
        Step(
            "The second: u meets one leg of ∇³L and the other two meet each other, Σᵢ ∂ᵢ∂ᵢ∇L = ∇ΔL. "
            f"{table(twisted, isserlis)}.",
            equation("E[uᵀz·∇³L[z,z,z]]", twist),
        ),
        Step("So one probe, and the mean of n, has", equation("E[uᵀĝ]", derived)),
        *_stein(),
        Step("On the cubic loss: smooth it first (odd powers of z average to 0),", equation("E[L(θ+εz)]", smoothed)),
        Step("then take the gradient along u. It is the same.", equation("uᵀ∇E[L(θ+εz)]", smoothed_slope)),
    )
    claimed = GU + theory.smoothing_bias(epsilon, BEND_GRADIENT)
    conclusions = (
        Conclusion("E[uᵀĝ]", derived, claimed, _exact_smoothing),
        Conclusion("uᵀ∇E[L(θ+εz)]", smoothed_slope, claimed, _exact_smoothing),
    )
    return Proof("A7", "smoothing", law, steps, conclusions)


def smoothing_any_law(law: str) -> Proof:
    """E12: A7 for every law; only with the Gaussian's moments is ĝ the gradient of the loss smoothed by z itself."""
    weight = weights(law)
    twisted = [vector("u"), third_derivative()]
    slope = expectation([vector("u"), vector("g")], weight)
    twist = expectation(twisted, weight)
    estimate = by_powers(put(taylor_difference(), {SLOPE: slope, TWIST: twist}), epsilon)
    bend = expectation([matrix("H")], weight)
    smoothed = put(taylor(epsilon), {SLOPE: Integer(0), BEND: bend, TWIST: Integer(0)})
    smoothed_slope = by_powers(put(smoothed, {VALUE: GU, TRACE: BEND_GRADIENT}), epsilon)
    apart = factored(estimate - smoothed_slope)
    steps = (
        Step("On a cubic loss, the difference along a probe is exactly", equation("pg", taylor_difference())),
        *weight.second_steps,
        contraction_step(
            "The first term, times z and measured along any vector u",
            Scalar("E[uᵀz·zᵀg]"),
            [vector("u"), vector("g")],
            weight,
        ),
        *weight.fourth_steps,
        contraction_step(
            "The second: u meets one leg of ∇³L and the other two meet each other, Σᵢ ∂ᵢ∂ᵢ∇L = ∇ΔL, or all four "
            "indices are equal",
            Scalar("E[uᵀz·∇³L[z,z,z]]"),
            twisted,
            weight,
        ),
        Step("So one probe, and the mean of n, has", equation("E[uᵀĝ]", estimate)),
        Step(
            "The loss smoothed by z itself knows second moments only (odd powers average to 0, z being symmetric),",
            equation("E[L(θ+εz)]", smoothed),
        ),
        Step("and has the same gradient for every law.", equation("uᵀ∇E[L(θ+εz)]", smoothed_slope)),
        Step(
            "The two are one where E[zᵢzⱼzₖzₗ] is the Gaussian's, as Stein's identity says; else they differ by",
            equation("E[uᵀĝ] − uᵀ∇E[L(θ+εz)]", apart),
        ),
    )
    moments = theory_moments(law)
    claimed = theory.smoothing_bias(epsilon, BEND_GRADIENT, TWIST_DIAGONAL, moments)
    gaussian = theory.smoothing_bias(epsilon, BEND_GRADIENT)
    conclusions = (
        Conclusion("E[uᵀĝ]", estimate, GU + claimed, _exact_smoothing),
        Conclusion("uᵀ∇E[L(θ+εz)]", smoothed_slope, GU + gaussian, _exact_smoothed),
        Conclusion("E[uᵀĝ] − uᵀ∇E[L(θ+εz)]", apart, claimed - gaussian),
    )
    return Proof("E12", "smoothing-any-law", law, steps, conclusions)


def _exact_smoothed(case: Case) -> Expr:
    return case.mean(dot(case.u, case.cubic_slope([EPSILON * z for z in case.z[0]])))


def _stein() -> tuple[Step, ...]:
    x = Scalar("x")
    density = sympy.exp(-(x**2) / 2) / sympy.sqrt(2 * sympy.pi)
    slope = sympy.cancel(sympy.diff(density, x) / density)
    return (
        Step(
            "Why this is a gradient, for any loss: the density φ of one Gaussian coordinate has",
            equation("φ′(x)", slope * Scalar("φ(x)")),
        ),
        Step(
            "so that integrating by parts gives Stein's identity E[z·f(z)] = E[∇f(z)]. With f(z) = L(θ+εz), and with "
            "L(θ−εz) by the symmetry of z, ĝ is unbiased for the smoothed loss at any ε.",
            equation("E[ĝ]", Scalar("∇E[L(θ+εz)]")),
        ),
    )


def _exact_smoothing(case: Case) -> Expr:
    return case.mean(dot(case.u, case.two_point(case.cubic_loss, case.origin)))


def one_sided(law: str) -> Proof:
    """A8: without the backward evaluation the curvature does not cancel; its cost needs sixth moments."""
    pg = put(sympy.expand((taylor(epsilon) - taylor(0)) / epsilon), {TWIST: 0})
    terms = Poly(pg**2, SLOPE, BEND).terms()  # ((power of zᵀg, power of zᵀHz), coefficient)
    derived = sum((coefficient * gaussian_mean(*_network(*powers)) for powers, coefficient in terms), Integer(0))
    derived = by_powers(derived, epsilon)
    means: dict[tuple[int, ...], str] = {(2, 0): "E[(zᵀg)²·zᵀz]", (1, 1): "E[zᵀg·zᵀHz·zᵀz]", (0, 2): "E[(zᵀHz)²·zᵀz]"}
    named = sum((coefficient * Scalar(means[powers]) for powers, coefficient in terms), Integer(0))
    steps = (
        Step("On a quadratic loss, pg = [L(θ+εz) − L(θ)]/ε is exactly", equation("pg", pg)),
        Step("so that ‖ĝ‖² = pg²·zᵀz has three terms.", equation("E‖ĝ‖²", named)),
        _paired(means[2, 0], "Isserlis: four legs have 3 pairings", _network(2, 0)),
        Step("Five legs cannot be paired.", equation(means[1, 1], gaussian_mean(*_network(1, 1)))),
        _paired(means[0, 2], "Six legs have 15", _network(0, 2)),
        Step("Put the three together; the two-sided estimator has the first term alone.", equation("E‖ĝ‖²", derived)),
    )
    claimed = theory.one_sided_norm(d, GG, TRACE, cycle("H", "H"), epsilon)
    return Proof("A8", "one-sided", law, steps, (Conclusion("E‖ĝ‖²", derived, claimed, _exact_one_sided),))


def _network(slopes: int, bends: int) -> list[Piece]:
    """(zᵀg)^slopes·(zᵀHz)^bends·zᵀz."""
    return [vector("g")] * slopes + [matrix("H")] * bends + [matrix("I")]


def _paired(name: str, what: str, pieces: list[Piece]) -> Step:
    return Step(f"{what}. {table(pieces, isserlis)}.", equation(name, factored(gaussian_mean(*pieces))))


def _exact_one_sided(case: Case) -> Expr:
    z = case.z[0]
    pg = case.quadratic_loss([EPSILON * x for x in z]) / EPSILON
    return case.mean(pg**2 * square(z))
