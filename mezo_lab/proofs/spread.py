"""Claim E8: a step that is divided by the spread of its losses; Gaussian, by the moments of a χ² law."""

from typing import cast

import sympy
from sympy import Expr, Integer, Rational

from mezo_lab import theory
from mezo_lab.proofs.algebra import factored, put
from mezo_lab.proofs.case import Case
from mezo_lab.proofs.notation import Scalar, d, equation, freedom, n
from mezo_lab.proofs.proof import Conclusion, Proof
from mezo_lab.proofs.step import Step
from mezo_lab.proofs.wick import chain, gaussian_mean, vector

t = sympy.Symbol("t", positive=True)
HALF = Rational(1, 2)
PROBES = freedom + 1
SPREAD, CENTRE = Scalar("S", positive=True), Scalar("a")


def self_normalised(law: str) -> Proof:
    """E8: E[ε‖g‖/s] by the χ² law of the sample variance; the mean step, and its square length, from the same law."""
    # E[Sᵏ] of the spread, and E[aᵏ] of the mean of n normal numbers, which is independent of it
    spread = {SPREAD**power: _spread_mean(power) for power in (-2, -1, 1, 2)}
    centre = {CENTRE**power: _normal_mean(power) / n ** (power // 2) for power in (2, 4)}
    squares = freedom * SPREAD**2 + n * CENTRE**2  # Σ x_k²
    along = squares / (n * SPREAD)
    across = (d - 1) * squares / (n * SPREAD) ** 2
    step = _averaged(along, spread, centre)
    length = factored(put(_averaged(along**2 + across, spread, centre), {n: PROBES}))
    scale = spread[SPREAD**-1]
    lifted = put(
        put(step, {n: PROBES}), {sympy.gamma((freedom + 1) / 2): (freedom - 1) / 2 * sympy.gamma((freedom - 1) / 2)}
    )
    steps = (
        Step(
            "On a linear loss L(θ+εzₖ) = L(θ) + ε‖g‖xₖ, where xₖ = zₖᵀg/‖g‖ are n independent normal numbers. With S "
            "for their sample standard deviation,",
            equation("s", Scalar("ε‖g‖·S")),
        ),
        Step(
            "Let a be their mean, and m = n − 1. Turn (x₁, …, xₙ) so that one axis is (1, …, 1)/√n: along it lies "
            "√n·a, and across it are m normal numbers, independent of a, whose squares have the sum mS². It is a χ² of "
            "m degrees of freedom, and its density is",
            equation("p(t)", _density()),
        ),
        Step("s is ε‖g‖·S, and 1/S is √(m/t): integrate over t, for m ≥ 2.", equation("E[ε‖g‖/s]", scale)),
        Step("In the same way, the spread itself is a little short,", equation("E[S]", spread[SPREAD])),
        Step("and the inverse of its square is long, for m ≥ 3.", equation("E[1/S²]", spread[SPREAD**-2])),
        Step(
            "Along u = g/‖g‖ the step is (1/n) Σₖ xₖ²/S, and Σₖ xₖ² is mS² + na².",
            equation("E[ε·uᵀĝ/s]", Scalar("E[(mS² + na²)/(nS)]")),
        ),
        Step("a is independent of S, with E[a²] = 1/n.", equation("E[ε·uᵀĝ/s]", step)),
        Step("As Γ(x+1) = x·Γ(x), this is the scale above times (n−1)/n.", equation("E[ε·uᵀĝ/s]", factored(lifted))),
        Step(
            "Across g the step is (1/n) Σₖ xₖwₖ/S, wₖ being what zₖ has in the other d − 1 dimensions, independent of "
            "all xₖ: (d−1)·Σₖ xₖ²/(nS)² on average. Add the square along g; E[a⁴] = 3/n².",
            equation("E‖εĝ/s‖²", length),
        ),
    )
    conclusions = (
        Conclusion("E[ε‖g‖/s]", scale, theory.inverse_spread(PROBES, half_step=_half_step), _exact_scale),
        Conclusion("E[ε·uᵀĝ/s]", lifted, theory.spread_scaled_mean(PROBES, half_step=_half_step)),
        Conclusion("E‖εĝ/s‖²", length, theory.spread_scaled_norm(d, PROBES)),
    )
    return Proof("E8", "self-normalised", law, steps, conclusions)


def _half_step(x: Expr) -> Expr:
    return sympy.gamma(x) / sympy.gamma(x + HALF)


def _density() -> Expr:
    """Of χ² with m degrees of freedom."""
    return t ** (freedom / 2 - 1) * sympy.exp(-t / 2) / (2 ** (freedom / 2) * sympy.gamma(freedom / 2))


def _chi_square_mean(power: Expr) -> Expr:
    """E[tᵖ] of χ², by ∫ tᵃ⁻¹e^(−t/2) dt = 2ᵃΓ(a)."""
    a = freedom / 2 + power
    return 2**power * sympy.gamma(a) / sympy.gamma(freedom / 2)


def _spread_mean(power: int) -> Expr:
    """E[Sᵏ], mS² being χ² with m degrees of freedom."""
    mean = _chi_square_mean(Integer(power) / 2) / freedom ** (Integer(power) / 2)
    if power % 2:
        return mean
    return cast(Expr, sympy.gammasimp(mean))  # Γ(x+1) = x·Γ(x)


def _normal_mean(power: int) -> Expr:
    return put(gaussian_mean(*[vector("e")] * power), {chain("e", "e"): 1})


def _averaged(polynomial: Expr, spread: dict[Expr, Expr], centre: dict[Expr, Expr]) -> Expr:
    """The mean of a sum of powers of S and of a, which are independent."""
    total = Integer(0)
    for term in sympy.Add.make_args(sympy.expand(polynomial)):
        factor, power_of_centre = term.as_independent(CENTRE)
        factor, power_of_spread = factor.as_independent(SPREAD)
        total += factor * spread.get(power_of_spread, power_of_spread) * centre.get(power_of_centre, power_of_centre)
    return total


def _exact_scale(case: Case) -> Expr:
    """E[1/S] without the χ² law: 1/S = (2/√π) ∫ e^(−t²S²) dt, whose mean under the integral is a determinant."""
    m = int(case.values[freedom])
    x = sympy.Symbol("x")
    across = sympy.eye(m + 1) - sympy.ones(m + 1, m + 1) / (m + 1)  # mS² = xᵀ(across)x
    values = sympy.Poly(across.charpoly(x).as_expr(), x).all_roots()  # 0, and m times 1
    decay = sympy.prod([1 + 2 * x * value / m for value in values])  # E[e^(−xS²)] is its power −½
    if sympy.expand(decay - (1 + 2 * x / m) ** m) != 0:
        raise ArithmeticError(f"mS² must be a sum of {m} squares, got the eigenvalues {values}")
    # with x = t² and t = √(m/2)·tan φ the integral is that of cosᵐ⁻² over a quarter of a turn
    return 2 / sympy.sqrt(sympy.pi) * sympy.sqrt(Rational(m, 2)) * _quarter(m - 2)


def _quarter(power: int) -> Expr:
    """∫ cosᵏφ dφ from 0 to π/2, by parts."""
    if power < 2:
        return (sympy.pi / 2, Integer(1))[power]
    return Rational(power - 1, power) * _quarter(power - 2)
