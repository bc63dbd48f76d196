"""Section E, whole runs on the test bed L = ½·ℓ·θᵀPθ: where momentum stops being stable, where noise stops the descent.

Both follow from moments that a step maps to themselves: three of them with momentum, the loss alone without.
"""

from dataclasses import dataclass
from functools import cache

import sympy
from sympy import Expr, Integer, Matrix

from mezo_lab import theory
from mezo_lab.proofs.algebra import factored, put
from mezo_lab.proofs.case import BETA, ELL, Case, Vector, add, dot, square, sympy_number
from mezo_lab.proofs.effective_rank import GAMMA, LOSS, S, derived_gamma
from mezo_lab.proofs.forms import GG
from mezo_lab.proofs.notation import Scalar, batch, beta, ell, equation, eta, n, noise, r, s
from mezo_lab.proofs.proof import Conclusion, Proof, theory_moments
from mezo_lab.proofs.step import Step

LENGTH_SQ, OVERLAP, AVERAGE_SQ = (Scalar(name) for name in ("‖Pθ‖²", "θᵀPm", "‖Pm‖²"))
STATE = (LENGTH_SQ, OVERLAP, AVERAGE_SQ)


@dataclass(frozen=True)
class _AfterStep:
    """The three moments after m⁺ = βm + (1−β)ĝ and θ⁺ = θ − ηm⁺, linear in those before."""

    along: Expr
    """E[θᵀPm⁺]."""
    average_sq: Expr
    """E‖Pm⁺‖²."""

    @property
    def overlap(self) -> Expr:
        return self.along - eta * self.average_sq

    @property
    def length_sq(self) -> Expr:
        return LENGTH_SQ - 2 * eta * self.along + eta**2 * self.average_sq

    @property
    def matrix(self) -> Matrix:
        moments = (self.length_sq, self.overlap, self.average_sq)
        return Matrix([[sympy.expand(moment).coeff(before) for before in STATE] for moment in moments])


def momentum(law: str) -> Proof:
    """E5: the largest η at which the second moments of θ and m do not grow, 2/(ℓ(γ − 2β/(1+β)))."""
    gamma, gamma_steps = derived_gamma(law)
    limit, moved, limit_steps = _momentum_limit()
    claimed = theory.effective_rank_factor(r, n, theory_moments(law))
    found = put(limit, {GAMMA: gamma})
    conclusions = (
        Conclusion("largest stable η", found, theory.momentum_lr(ell, claimed, beta), _exact_limit),
        Conclusion("that of m ← βm + ĝ", (1 - beta) * found, theory.heavy_ball_lr(ell, claimed, beta)),
        Conclusion("without momentum", put(found, {beta: 0}), theory.largest_stable_lr(ell, claimed)),
        Conclusion("what M moves at this η", moved, Integer(0)),
    )
    return Proof("E5", "momentum", law, (*gamma_steps, *limit_steps), conclusions)


@cache
def _momentum_limit() -> tuple[Expr, Expr, tuple[Step, ...]]:
    """The limit in terms of γ, what the map of the moments moves there, and the steps: the same for every law."""
    slope_sq = ell**2 * LENGTH_SQ  # ‖g‖², g = ℓPθ
    average_sq = beta**2 * AVERAGE_SQ + 2 * beta * (1 - beta) * ell * OVERLAP + (1 - beta) ** 2 * GAMMA * slope_sq
    after = _AfterStep(beta * OVERLAP + (1 - beta) * ell * LENGTH_SQ, average_sq)
    matrix = after.matrix
    determinant = factored((sympy.eye(3) - matrix).det())
    (limit,) = (factored(root) for root in sympy.solve(determinant, eta) if root != 0)
    fixed = Matrix([1, -eta * AVERAGE_SQ / 2, AVERAGE_SQ])
    (length,) = sympy.solve((matrix * fixed - fixed)[1], AVERAGE_SQ)
    room = factored(put(length - (eta * length / 2) ** 2, {eta: limit}))
    steps = (
        Step("m⁺ = βm + (1−β)ĝ, ĝ is unbiased for g = ℓPθ, and E‖Pĝ‖² = γ‖g‖².", equation("E‖Pm⁺‖²", average_sq)),
        Step("θ and m are those before the step, and ĝ has the mean ℓPθ.", equation("E[θᵀPm⁺]", after.along)),
        Step("θ⁺ = θ − ηm⁺.", equation("E[(θ⁺)ᵀPm⁺]", after.overlap)),
        Step("Its length follows in the same way.", equation("E‖Pθ⁺‖²", after.length_sq)),
        Step(
            "The three are a linear map M of ‖Pθ‖², θᵀPm and ‖Pm‖². It has the eigenvalue 1 where this is 0:",
            equation("det(I − M)", determinant),
        ),
        Step("which for η > 0 happens once:", equation("η", limit)),
        Step(
            "M takes second moments, matrices that are not negative, to second moments. So, by the theorem of Perron "
            "and Frobenius for cones, its spectral radius is an eigenvalue. At η = 0 its eigenvalues are 1, β and β²; "
            "for small η det(I − M) > 0 tells that the first has fallen below 1, and it is 1 again at the η just "
            "found. There M keeps in place ‖Pθ‖² = 1, θᵀPm = −½η·‖Pm‖² and",
            equation("‖Pm‖²", factored(put(length, {eta: limit}))),
        ),
        Step(
            "which are second moments indeed, as their determinant is not negative for γ ≥ 1:",
            equation("‖Pθ‖²·‖Pm‖² − (θᵀPm)²", room),
        ),
    )
    return limit, _moved(matrix, fixed, limit, length), steps


def _moved(matrix: Matrix, fixed: Matrix, limit: Expr, length: Expr) -> Expr:
    """Σ of the squares of Mv − v at the limit."""
    moved = (matrix * fixed - fixed).subs(AVERAGE_SQ, length).subs(eta, limit)
    return factored(sum((factored(entry) ** 2 for entry in moved), Integer(0)))


def _exact_limit(case: Case) -> Expr:
    """The η > 0 with det(I − M) = 0, M read off three exact steps."""
    zero = case.origin
    starts = ((case.theta, zero), (zero, case.u), (case.theta, case.u))
    before = Matrix([_moments_before(case, *start) for start in starts]).T
    after = Matrix([_moments_after(case, *start) for start in starts]).T
    determinant = sympy.expand((before - after).det())
    (limit,) = (root for root in sympy.solve(determinant, eta) if root != 0)
    return limit


def _moments_before(case: Case, theta: Vector, average: Vector) -> list[Expr]:
    here = theta[: case.rank]
    there = average[: case.rank]
    return [sympy_number(value) for value in (square(here), dot(here, there), square(there))]


def _moments_after(case: Case, theta: Vector, average: Vector) -> list[Expr]:
    estimate = case.two_point(lambda point: square(point[: case.rank]) * ELL / 2, theta)
    moved = add([BETA * entry for entry in average], 1 - BETA, estimate)[: case.rank]
    length_sq, _, _ = _moments_before(case, theta, average)
    along = case.mean(dot(theta[: case.rank], moved))
    average_sq = case.mean(square(moved))
    return [length_sq - 2 * eta * along + eta**2 * average_sq, along - eta * average_sq, average_sq]


def noise_floor(law: str) -> Proof:
    """E11: with minibatch noise the loss ends at s·γ·tr Σ/(2ℓB(2 − sγ)), and the batch does not change the speed."""
    gamma, gamma_steps = derived_gamma(law)
    batch_sq = GG + noise / batch
    loss = LOSS - eta * GG + eta**2 * ell * GAMMA * batch_sq / 2
    mapped = sympy.expand(put(loss, {GG: 2 * ell * LOSS, eta: s / ell}))
    speed = factored(mapped.coeff(LOSS, 1))
    (floor,) = sympy.solve(sympy.Eq(mapped, LOSS), LOSS)
    room = 2 - s * GAMMA
    floor = factored(floor * room) / room
    unit = noise / (2 * ell * batch)
    signal = Scalar("q", positive=True)  # the floor in units of tr(Σ)/(2ℓ)
    wanted = Scalar("F", positive=True)
    (step,) = sympy.solve(sympy.Eq(floor, signal * noise / (2 * ell)), s)
    progress = factored(put(1 - speed, {s: step}))
    steps = (
        *gamma_steps,
        Step(
            "A minibatch gradient is g plus a noise in the range of P, of mean 0 and covariance Σ/B, independent of z.",
            equation("E‖∇L(θ;B)‖²", batch_sq),
        ),
        Step("One step, all its probes on one minibatch, with the noise in ĝᵀPĝ:", equation("E[L⁺]", loss)),
        Step("‖g‖² = 2ℓL and η = s/ℓ.", equation("E[L⁺]", mapped)),
        Step("The factor of L, and with it the speed, knows nothing of the batch:", equation("ρ", speed)),
        Step("The mean stays where E[L⁺] = L.", equation("E[L]", floor)),
        Step("At the best step s = 1/γ this is", equation("E[L]", factored(put(floor, {s: 1 / GAMMA})))),
        Step("Turn it around: the step that ends at a floor F, with q = 2ℓF/tr(Σ).", equation("s", factored(step))),
        Step(
            "There a step takes off this share of the excess. Divided by B it falls with B: larger batches buy the "
            "floor, and small ones are cheaper.",
            equation("1 − ρ", progress),
        ),
    )
    claimed_gamma = theory.effective_rank_factor(r, n, theory_moments(law))
    claimed = theory.noise_floor(s, claimed_gamma, ell, noise, batch)
    claimed_progress = theory.progress_at_floor(wanted, claimed_gamma, ell, noise, batch)
    at_floor = put(progress, {signal: 2 * ell * wanted / noise, GAMMA: gamma})
    conclusions = (
        Conclusion("E[L]·2ℓB/tr(Σ)", put(factored(floor / unit), {GAMMA: gamma}), claimed / unit, _exact_floor),
        Conclusion("E[L]", put(floor, {GAMMA: gamma}), claimed),
        Conclusion("1 − ρ", 1 - put(speed, {GAMMA: gamma}), 1 - theory.contraction(s, claimed_gamma), _exact_speed),
        Conclusion("1 − ρ at the floor F", at_floor, claimed_progress),
    )
    return Proof("E11", "noise-floor", law, steps, conclusions)


def _exact_floor(case: Case) -> Expr:
    """The fixed point of E[L⁺] in units of tr(Σ)/(2ℓB); E[L⁺] is linear in L, and read off two points."""
    noise_sq = sympy_number(square(case.xi[: case.rank]))
    return _loss_after(case, case.origin) / _exact_speed(case) / (noise_sq / (2 * sympy_number(ELL)))


def _exact_speed(case: Case) -> Expr:
    start = sympy_number(square(case.theta[: case.rank]) * ELL / 2)
    return 1 - (_loss_after(case, case.theta) - _loss_after(case, case.origin)) / start


def _loss_after(case: Case, theta: Vector) -> Expr:
    """E[L⁺] of one step, over z and over two equally likely minibatches, whose gradients are g + ξ and g − ξ."""

    def loss(point: Vector):
        return square(point[: case.rank]) * ELL / 2

    total = Integer(0)
    for sign in (1, -1):

        def on_batch(point: Vector, sign=sign):
            return loss(point) + sign * dot(case.xi[: case.rank], point[: case.rank])

        total += case.mean(loss(add(theta, -S / ELL, case.two_point(on_batch, theta))))
    return total / 2
