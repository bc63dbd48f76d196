"""Claim A14: residual feedback between two given points, and in the midst of a run; Gaussian, on a linear loss."""

import sympy
from sympy import Expr, Integer, Poly

from mezo_lab import theory
from mezo_lab.proofs.algebra import by_powers, factored, put
from mezo_lab.proofs.case import DELTA, EPSILON, Case, dot, square
from mezo_lab.proofs.forms import GG, GU, contraction_step
from mezo_lab.proofs.laws import weights
from mezo_lab.proofs.notation import Scalar, change, d, epsilon, equation, eta
from mezo_lab.proofs.proof import Conclusion, Proof
from mezo_lab.proofs.step import Step
from mezo_lab.proofs.wick import gaussian_mean, matrix, vector

NOW = Scalar("zᵀg")
BEFORE = Scalar("z′ᵀg")
REST = Scalar("R′")
REST_MEANS = (Integer(1), Scalar("E[R]"), Scalar("E[R²]"))  # of the powers of R, in this step as in the one before
OWN, OTHER = ([vector("g", probe), vector("g", probe), matrix("I")] for probe in ("z", "z′"))
OWN_NAME = Scalar("E[(zᵀg)²·zᵀz]")
OTHER_NAME = Scalar("E[(z′ᵀg)²·zᵀz]")


def residual_feedback(law: str) -> Proof:
    """A14: (2d+2)‖g‖² + d·Δ²/ε² for a Δ independent of z′; in a run 2d·η²‖g‖⁴/ε² less than that with E[Δ²]."""
    weight = weights(law)
    along = [vector("u"), vector("g")]
    share = change / epsilon
    independent = by_powers(
        gaussian_mean(*OWN) + gaussian_mean(*OTHER) + share**2 * gaussian_mean(matrix("I")), GG, change
    )
    second, run_steps = _in_a_run()
    length = factored(gaussian_mean(*OWN) + gaussian_mean(matrix("I")) * second)
    mean_square = eta**2 * _averaged((NOW * (NOW + REST)) ** 2, NOW)
    settled = put(mean_square, {REST_MEANS[2]: second})
    apart = factored(put(independent, {change: sympy.sqrt(settled)}) - length)
    steps = (
        Step(
            "On a linear loss, z being the probe of this step and z′ that of the step before,",
            equation("pg", NOW - BEFORE + share),
        ),
        *weight.second_steps,
        contraction_step(
            "Measure ĝ = pg·z along any vector u. z is independent of z′ and of Δ, so that only zᵀg counts",
            Scalar("E[uᵀĝ]"),
            along,
            weight,
        ),
        Step(
            "‖ĝ‖² = pg²·zᵀz. For a Δ that is independent of z′, all mixed products are odd in z or in z′: mean 0.",
            equation("E‖ĝ‖²", OWN_NAME + OTHER_NAME + share**2 * Scalar("E[zᵀz]")),
        ),
        contraction_step("The first", OWN_NAME, OWN, weight),
        contraction_step("The second", OTHER_NAME, OTHER, weight),
        Step("And E[zᵀz] = d. Together:", equation("E‖ĝ‖²", independent)),
        *run_steps,
        Step("As above, E‖ĝ‖² = E[(zᵀg)²·zᵀz] + d·E[R²].", equation("E‖ĝ‖²", length)),
        Step("There a step has, by the same means,", equation("E[Δ²]", mean_square)),
        Step("With that for Δ², the formula for a given Δ would be more than the truth, by", apart),
    )
    conclusions = (
        Conclusion("E‖ĝ‖²", independent, theory.residual_feedback_norm(d, GG, change, epsilon), _exact_given),
        Conclusion("E[uᵀĝ]", gaussian_mean(*along), GU, _exact_mean),
        Conclusion("E‖ĝ‖² in a run", length, theory.residual_feedback_run_norm(d, GG, eta, epsilon)),
        Conclusion("what E[Δ²] for Δ² would add", apart, 2 * d * eta**2 * GG**2 / epsilon**2),
    )
    return Proof("A14", "residual-feedback", law, steps, conclusions)


def _in_a_run() -> tuple[Expr, tuple[Step, ...]]:
    """E[R²] of a run that has gone on for a while, R being what pg has of earlier probes, and its steps."""
    rate = eta / epsilon
    rest = -BEFORE * (1 + rate * (BEFORE + REST))
    mean = _averaged(rest, BEFORE)
    square_mean = _averaged(rest**2, BEFORE)
    # in the stationary run E[R²] is the same before and after a step
    (second,) = sympy.solve(sympy.Eq(put(square_mean, {REST_MEANS[1]: mean}), REST_MEANS[2]), REST_MEANS[2])
    steps = (
        Step(
            "In a run Δ = −η·pg′·z′ᵀg is not independent of z′. Write pg = zᵀg + R, and pg′ = z′ᵀg + R′ in the step "
            "before; R′ is made of still earlier probes, so z′ is independent of it.",
            equation("R", rest),
        ),
        Step("Odd powers of z′ᵀg average to 0.", equation("E[R]", mean)),
        Step(
            "E[(z′ᵀg)²] = ‖g‖² and E[(z′ᵀg)⁴] = 3‖g‖⁴. Once the run has settled, R′ has the means of R.",
            equation("E[R²]", square_mean),
        ),
        Step("It settles if η‖g‖ < ε. Put E[R] in and solve for E[R²].", equation("E[R²]", factored(second))),
    )
    return factored(second), steps


def _averaged(polynomial: Expr, slope: Scalar) -> Expr:
    """The mean of a polynomial in one probe's slope and in R′, which is independent of it."""
    terms = Poly(polynomial, slope, REST).terms()
    means = (factor * gaussian_mean(*[vector("g")] * power) * REST_MEANS[rest] for (power, rest), factor in terms)
    return sum(means, Integer(0))


def _observed(case: Case):
    """(case of two probes, pg)."""
    two = Case(case.law, case.dim, 2)
    z, before = two.z
    return two, dot(z, case.g) - dot(before, case.g) + DELTA / EPSILON


def _exact_given(case: Case) -> Expr:
    two, pg = _observed(case)
    return two.mean(pg**2 * square(two.z[0]))


def _exact_mean(case: Case) -> Expr:
    two, pg = _observed(case)
    return two.mean(pg * dot(case.u, two.z[0]))
