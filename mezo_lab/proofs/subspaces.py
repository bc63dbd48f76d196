"""Claims E2 and E3: z = vec(UVᵀ) with an orthonormal V that stays, random or made for the gradient."""

from collections.abc import Callable

import sympy
from sympy import QQ, Expr, Integer

from mezo_lab import theory
from mezo_lab.proofs.algebra import factored, put
from mezo_lab.proofs.case import Case
from mezo_lab.proofs.effective_rank import GAMMA, derived_contraction
from mezo_lab.proofs.forms import GG, GHG, TRACE, quadratic_form
from mezo_lab.proofs.laws import weights
from mezo_lab.proofs.matrix_case import (
    ALONG_INSIDE,
    COLUMNS,
    INSIDE,
    OUTSIDE,
    SHARE,
    WHOLE,
    Matrix,
    MatrixCase,
    combined,
    product_of,
    times,
    transposed,
)
from mezo_lab.proofs.notation import Scalar, columns, d, equation, inner, kept_steps, n, outside, r, rows, s
from mezo_lab.proofs.proof import Conclusion, Proof, theory_moments
from mezo_lab.proofs.step import Step
from mezo_lab.proofs.wick import chain, cycle, expectation, matrix, vector

ALL = rows * columns
PART = rows * inner
_DIRECTIONS = (
    "Let V have k orthonormal columns, VᵀV = I, and z = vec(UVᵀ) with U of the law, pk numbers. With G for the "
    "gradient as a matrix, these are the probes of a loss of the pk weights U whose gradient is GV: what is said below "
    "of z, d and g holds for U, pk and GV."
)


def fixed_subspace(law: str) -> Proof:
    """E2: a V that is kept makes ĝ biased; averaged over V, it saves no forward pass."""
    weight = weights(law)
    scale = columns / inner
    along = put(expectation([vector("u"), vector("g")], weight), {chain("g", "u"): ALONG_INSIDE})
    mean = scale * along
    share, share_steps = _random_share()
    inside, whole = (_norm_factor(law, size) for size in (PART, ALL))
    squared = scale**2 * inside * INSIDE
    averaged = factored(put(squared, {INSIDE: share * WHOLE}))
    ratio, ratio_steps = derived_contraction(law)
    (best,) = sympy.solve(sympy.diff(ratio, s), s)
    least = sympy.expand(put(ratio, {s: best}))
    gone = SHARE * (1 - least**kept_steps)
    gone_averaged = put(gone, {SHARE: share})
    apart = factored(scale * inside - whole)
    squared_steps = quadratic_form(law).steps
    steps = (
        Step(_DIRECTIONS, equation("zᵀg", Scalar("tr(UᵀGV)"))),
        *weight.second_steps,
        Step(
            "Measure ĝ along any matrix W; it is blind to what is not in the span of V.",
            equation("E[tr(UᵀGV)·tr(UᵀWV)]", along),
        ),
        Step(
            "With the scale √(q/k), which makes z isotropic on average over V, ĝ has the mean (q/k)·GVVᵀ.",
            equation("E[tr(ĝᵀW)]", mean),
        ),
        *squared_steps,
        Step("Put pk for d and GV for g; the scale enters twice, squared.", equation("E‖ĝ‖²", squared)),
        *share_steps,
        Step("Averaged over V,", equation("E‖ĝ‖²", averaged)),
        *ratio_steps,
        Step(
            "On L = ½ℓ‖Θ‖² this is the part of the loss inside the subspace, ½ℓ‖ΘV‖², with γ that of dimension pk. Its "
            "best step is s = 1/γ,",
            equation("E[L⁺]/L", least),
        ),
        Step("and its T steps are independent, while the part outside stays as it is.", equation("1 − E[L]/L", gone)),
        Step("Averaged over V,", equation("1 − E[L]/L", gone_averaged)),
        Step(
            "To keep V for longer is never better: x^T is convex, so that the mean over the share k/q of (1 − 1/γ)^T "
            "and the rest of 1 is at least the value at the mean, (1 − k/(qγ))^T. T steps remove at most",
            1 - (1 - share / GAMMA) ** kept_steps,
        ),
        Step(
            "and each of these is no better than a step with all pq dimensions, which removes 1/γ(pq), as (q/k)·γ is "
            "at least γ(pq): no forward pass is saved.",
            equation("(q/k)·γ − γ(pq)", apart),
        ),
    )
    claimed_inside, claimed_whole = (_claimed_factor(law, size) for size in (PART, ALL))
    conclusions = (
        Conclusion("E[tr(ĝᵀW)]", mean, theory.subspace_mean(ALONG_INSIDE, columns, inner), _exact_mean),
        Conclusion("E‖ĝ‖²", squared, scale**2 * claimed_inside * INSIDE, _exact_norm),
        Conclusion("E‖GV‖²", share * WHOLE, WHOLE * inner / columns, _exact_share),
        Conclusion(
            "E[L]/L with a given V",
            1 - put(gone, {GAMMA: inside}),
            theory.subspace_loss(SHARE, kept_steps, claimed_inside),
            _exact_left(inside),
        ),
        Conclusion(
            "E[L]/L averaged over V",
            1 - put(gone_averaged, {GAMMA: inside}),
            theory.subspace_loss(inner / columns, kept_steps, claimed_inside),
        ),
        Conclusion("(q/k)·γ − γ(pq)", apart, columns / inner * claimed_inside - claimed_whole),
    )
    return Proof("E2", "fixed-subspace", law, steps, conclusions)


def _norm_factor(law: str, size: Expr) -> Expr:
    return factored(put(quadratic_form(law).total, {d: size}) / GG)


def _claimed_factor(law: str, size: Expr) -> Expr:
    return put(theory.norm_factor(d, n, theory_moments(law)), {d: size})


def _random_share() -> tuple[Expr, tuple[Step, ...]]:
    """E‖GV‖²/‖G‖² for a random V, and its steps."""
    sphere = weights("sphere")
    per_column = put(expectation([matrix("GᵀG")], sphere), {cycle("GᵀG"): WHOLE}) / columns
    total = inner * per_column
    return total / WHOLE, (
        Step(
            "A column of a random V is x/√q, with x uniform on the sphere of radius √q: by symmetry",
            equation("E[xᵢxⱼ]", sphere.second * Scalar("δᵢⱼ")),
        ),
        Step("so that E‖Gx‖² = tr(GᵀG) = ‖G‖². V has k of them.", equation("E‖GV‖²", total)),
    )


def aligned_subspace(law: str) -> Proof:
    """E3: V that spans the inputs of a linear layer; what it gains in the angle, and what in steps."""
    cosine, cosine_steps = _cosine()
    share, share_steps = _random_share()
    random = put(cosine, {SHARE: share})
    form = quadratic_form(law, "H")
    trace = PART + outside * rows * (columns - inner)
    inside = _norm_factor(law, PART)
    whole = factored(put(form.total, {TRACE: trace, GHG: GG, d: ALL}) / GG)
    ratio, ratio_steps = derived_contraction(law)
    (best,) = sympy.solve(sympy.diff(ratio, s), s)
    progress = sympy.log(1 / put(ratio, {s: best})) / n
    gain = whole / inside
    steps = (
        Step(
            "A linear layer that meets inputs x and passes back δ has the gradient Σ δxᵀ. Where the inputs lie in the "
            "span of V, VVᵀx = x, and all of G is captured.",
            equation("GVVᵀ", Scalar("G")),
        ),
        Step(_DIRECTIONS, equation("zᵀg", Scalar("tr(UᵀGV)"))),
        *cosine_steps,
        Step("In the aligned subspace the share is 1:", equation("E[cos²(ĝ,g)]", put(cosine, {SHARE: Integer(1)}))),
        *share_steps,
        Step("So a random V of the same k gains nothing:", equation("E[cos²(ĝ,g)]", random)),
        *form.steps,
        Step(
            "Let H be 1 on the subspace and h outside it; g lies in it, so that gᵀHg = ‖g‖². With directions in all pq "
            "dimensions, put tr(H) = pk + h·p(q−k) and divide by ‖g‖²;",
            equation("γ(pq)", whole),
        ),
        Step("with directions in the subspace, where H = I, pk for d and for tr(H).", equation("γ", inside)),
        *ratio_steps,
        Step(
            "θ lies in the subspace, where L = ½‖θ‖²; the best step is s = 1/γ. Log-progress per pair of passes:",
            equation("p(n)", progress),
        ),
        Step(
            "The best step with directions in all dimensions removes 1/γ(pq) of L. The subspace needs so many times "
            "fewer steps:",
            equation("γ(pq)/γ", factored(gain)),
        ),
        Step("Where there is no curvature outside it,", equation("γ(pq)/γ", factored(put(gain, {outside: 0})))),
        Step("and where there is as much as inside,", equation("γ(pq)/γ", factored(put(gain, {outside: 1})))),
    )
    claimed_inside = _claimed_factor(law, PART)
    claimed_whole = put(theory.effective_rank_factor(r, n, theory_moments(law)), {d: ALL, r: trace})
    progress_claimed = sympy.log(claimed_inside / (claimed_inside - 1)) / n
    conclusions = (
        Conclusion("E[cos²(ĝ, g)]", cosine, theory.subspace_cosine(SHARE, rows, inner), _exact_cosine),
        Conclusion("E[cos²(ĝ, g)] of a random V", random, theory.capture(ALL, 1)),
        Conclusion("γ", inside, claimed_inside, _exact_inside),
        Conclusion("γ(pq)", whole, claimed_whole, _exact_whole),
        Conclusion("log-progress per pair", put(progress, {GAMMA: inside}), progress_claimed),
        Conclusion("steps saved", gain, theory.subspace_gain(1, claimed_whole, claimed_inside)),
    )
    return Proof("E3", "aligned-subspace", law, steps, conclusions)


def _cosine() -> tuple[Expr, tuple[Step, ...]]:
    """E[cos²] in terms of the captured share, and its steps."""
    entry = Scalar("x")
    (value,) = sympy.solve(PART * entry - 1, entry)
    return value * SHARE, (
        Step(
            "The direction of U is uniform: E[uuᵀ/‖u‖²], u = vec(U), is a multiple of I whose trace is 1.",
            equation(PART * Scalar("E[uᵢ²/‖u‖²]"), Integer(1)),
        ),
        Step(
            "cos²(ĝ,g) = tr(UᵀGV)²/(‖U‖²·‖G‖²), as VᵀV = I leaves ‖UVᵀ‖ = ‖U‖.",
            equation("E[cos²(ĝ,g)]", value * SHARE),
        ),
    )


def _instance(case: Case) -> tuple[MatrixCase, list[Matrix], int]:
    """U of each probe, and how many unknowns it has."""
    instance = MatrixCase(case.law, case.dim, case.probes)
    return instance, instance.unknown(*[(instance.rows, instance.rank)] * case.probes), instance.rows * instance.rank


def _step(instance: MatrixCase, theta: Matrix, lr, factors: list[Matrix]) -> Matrix:
    """Θ − η·(1/n)·Σ zzᵀΘ, z = UVᵀ: one step on ½‖Θ‖²."""
    total = theta
    for u in factors:
        direction = times(u, transposed(instance.basis))
        total = combined(total, -lr * product_of(direction, theta) * QQ(1, len(factors)), direction)
    return total


def _estimate(instance: MatrixCase, gradient: Matrix, factors: list[Matrix]) -> Matrix:
    """(1/n)·Σ zzᵀg."""
    return combined(_step(instance, gradient, QQ(-1), factors), QQ(-1), gradient)


def _exact_mean(case: Case) -> Expr:
    instance, factors, size = _instance(case)
    scale = QQ(COLUMNS, instance.rank)
    estimate = _estimate(instance, instance.gradient, factors)
    return instance.mean(scale * product_of(estimate, instance.other), size)


def _exact_norm(case: Case) -> Expr:
    instance, factors, size = _instance(case)
    scale = QQ(COLUMNS, instance.rank)
    estimate = _estimate(instance, instance.gradient, factors)
    return instance.mean(scale**2 * product_of(estimate, estimate), size)


def _exact_share(case: Case) -> Expr:
    instance = MatrixCase(case.law, case.dim, case.probes)
    (column,) = instance.unknown((COLUMNS, 1))
    seen = times(instance.gradient, column)
    return instance.mean(product_of(seen, seen) * QQ(instance.rank, COLUMNS), COLUMNS, "sphere")


def _exact_left(gamma: Expr) -> Callable[[Case], Expr]:
    """The loss after T steps, each of its best length, as brute force has it."""

    def exact(case: Case) -> Expr:
        instance = MatrixCase(case.law, case.dim, case.probes)
        size = instance.rows * instance.rank
        unknown = instance.unknown(*[(instance.rows, instance.rank)] * (case.probes * instance.steps))
        lr = QQ.from_sympy(1 / put(put(gamma, {n: case.probes}), case.values))
        theta = instance.gradient
        for step in range(instance.steps):
            theta = _step(instance, theta, lr, unknown[step * case.probes : (step + 1) * case.probes])
        return instance.mean(product_of(theta, theta), size) / QQ.to_sympy(instance.values[WHOLE])

    return exact


def _exact_cosine(case: Case) -> Expr:
    instance, factors, size = _instance(case)
    slope = product_of(times(factors[0], transposed(instance.basis)), instance.gradient)
    # ‖U‖² = pk on the sphere, where all of the law's directions lie
    return instance.mean(slope**2 * QQ(1, size), size, "sphere") / QQ.to_sympy(instance.values[WHOLE])


def _exact_inside(case: Case) -> Expr:
    instance, factors, size = _instance(case)
    captured = instance.inside(instance.gradient)
    estimate = _estimate(instance, captured, factors)
    return instance.mean(product_of(estimate, estimate) * (1 / product_of(captured, captured)), size)


def _exact_whole(case: Case) -> Expr:
    """E[ĝᵀHĝ]/‖g‖² with directions in all dimensions, H = P + h(I − P)."""
    instance = MatrixCase(case.law, case.dim, case.probes)
    directions = instance.unknown(*[(instance.rows, COLUMNS)] * case.probes)
    captured = instance.inside(instance.gradient)
    estimate = [[QQ(0)] * COLUMNS for _ in range(instance.rows)]
    for direction in directions:
        estimate = combined(estimate, product_of(direction, captured) * QQ(1, case.probes), direction)
    bent = combined(instance.inside(estimate), OUTSIDE, combined(estimate, QQ(-1), instance.inside(estimate)))
    curvature = product_of(estimate, bent) * (1 / product_of(captured, captured))
    return instance.mean(curvature, instance.rows * COLUMNS)
