"""Section E: what a population's baseline, a curvature from probes, a walk and a control variate are on average."""

import sympy
from sympy import Expr, Integer

from mezo_lab import theory
from mezo_lab.proofs.algebra import by_powers, factored, put
from mezo_lab.proofs.case import EPSILON, ETA, STEPS, Case, Vector, add, dot, square, sympy_number
from mezo_lab.proofs.forms import GG, GU, TRACE, contraction_step, quadratic_form
from mezo_lab.proofs.laws import weights
from mezo_lab.proofs.notation import Scalar, batch, common, correlation, d, entry, equation, eta, n, noise, run_steps
from mezo_lab.proofs.proof import Conclusion, Proof, theory_moments
from mezo_lab.proofs.step import Step
from mezo_lab.proofs.wick import Piece, chain, diagonal, expectation, gaussian_mean, matrix, vector

GH = chain("g", "h")
BASIS = {chain("e", "e"): 1, chain("e", "H", "e"): entry}  # e = eᵢ, the i-th unit vector
ONE_COORDINATE = {diagonal(matrix("H"), vector("e"), vector("e")): entry, diagonal(*[vector("e")] * 4): 1}


def baseline(law: str) -> Proof:
    """E7: a population's own mean as its baseline leaves (n−1)/n of the gradient, the mean of the others all of it."""
    weight = weights(law)
    own = [vector("u"), vector("g")]
    other = [vector("u"), vector("g", "z′")]
    own_mean = expectation(own, weight)
    other_mean = expectation(other, weight)
    own_name = Scalar("E[uᵀz·zᵀg]")
    other_name = Scalar("E[uᵀz·z′ᵀg]")
    # a loss k, less the mean of n losses of which one is its own
    of_all = own_name - (own_name + (n - 1) * other_name) / n
    of_others = own_name - (n - 1) * other_name / (n - 1)
    values = {own_name: own_mean, other_name: other_mean}
    with_all = factored(put(of_all, values))
    with_others = factored(put(of_others, values))
    rows = (
        Step(
            "On a linear loss, or as ε → 0, L(θ+εzₖ) = L(θ) + ε·zₖᵀg. A baseline bₖ takes L(θ) off; what is left of "
            "loss k is zₖᵀg less a mean of such slopes, aₖ, times zₖ, and measured along any vector u.",
            equation("(Lₖ − bₖ)/ε·uᵀzₖ", Scalar("uᵀzₖ·zₖᵀg") - Scalar("aₖ·uᵀzₖ")),
        ),
        *weight.second_steps,
        contraction_step("A loss with its own probe", own_name, own, weight),
        Step(
            "With the probe of another: z′ may be flipped without z, and so the mean is 0.",
            equation(other_name, other_mean),
        ),
        Step("The mean of all n losses holds the loss itself, once in n.", equation("E[uᵀĝ]", of_all)),
        Step("So a part of the gradient is taken off with the baseline.", equation("E[uᵀĝ]", with_all)),
        Step("The mean of the n − 1 others does not hold it.", equation("E[uᵀĝ]", with_others)),
    )
    conclusions = (
        Conclusion("E[uᵀĝ], the mean of all", with_all, theory.own_mean_share(n) * GU, _exact_baseline(False)),
        Conclusion("E[uᵀĝ], the mean of the others", with_others, GU, _exact_baseline(True)),
    )
    return Proof("E7", "baseline", law, rows, conclusions)


def _exact_baseline(without_itself: bool):
    def exact(case: Case) -> Expr:
        losses = [case.linear_loss([EPSILON * x for x in z]) for z in case.z]
        total = sum(losses, start=losses[0] * 0)
        others = max(1, case.probes - 1)  # a loss alone has no other: no baseline
        bases = [(total - loss) / others if without_itself else total / case.probes for loss in losses]
        coefficients = [(loss - base) / EPSILON for loss, base in zip(losses, bases, strict=True)]
        return case.mean(dot(case.u, case.average(coefficients)))

    return exact


def curvature_diagonal(law: str) -> Proof:
    """E9: E[½·zᵀHz·(zᵢ²−1)] is Hᵢᵢ for the Gaussian, and half of E[(zᵢ²−1)²] times it for independent coordinates."""
    weight = weights(law)
    product = [matrix("H"), vector("e"), vector("e")]
    product_name = Scalar("E[zᵀHz·zᵢ²]")
    bend_name = Scalar("E[zᵀHz]")
    both = put(expectation(product, weight), BASIS | ONE_COORDINATE)
    bend = expectation([matrix("H")], weight)
    derived = by_powers((both - bend) / 2, TRACE, entry)
    raw = by_powers(both / 2, TRACE, entry)
    scatter = put(expectation([vector("e")] * 4, weight) - 2 * expectation([vector("e")] * 2, weight) + 1, BASIS)
    scatter = factored(put(scatter, ONE_COORDINATE))
    rows = (
        Step(
            "The second difference along a probe is zᵀHz on a quadratic loss. Write e for the i-th unit vector.",
            equation("E[½·zᵀHz·(zᵢ²−1)]", (product_name - bend_name) / 2),
        ),
        *weight.second_steps,
        Step("The second mean is claim A10.", equation(bend_name, bend)),
        *weight.fourth_steps,
        contraction_step("The first, with zᵢ² = zᵀe·eᵀz", Scalar("E[zᵀHz·zᵀe·eᵀz]"), product, weight),
        Step("‖e‖² = 1 and eᵀHe = Σⱼ Hⱼⱼeⱼ² = Hᵢᵢ.", equation(product_name, both)),
        Step("Put both in.", equation("E[½·zᵀHz·(zᵢ²−1)]", derived)),
        Step("Without the −1 the trace stays, and is the same for every i.", equation("E[½·zᵀHz·zᵢ²]", raw)),
        _scatter_step(scatter),
        *(_magnitude_steps() if law == "gaussian" else ()),
    )
    moments = theory_moments(law)
    claimed = theory.curvature_diagonal(entry, TRACE, moments)
    conclusions = [
        Conclusion("E[½·zᵀHz·(zᵢ²−1)]", derived, claimed, lambda case: _exact_curvature(case, 1)),
        Conclusion("E[½·zᵀHz·zᵢ²]", raw, claimed + TRACE / 2, lambda case: _exact_curvature(case, 0)),
        Conclusion("E[(zᵢ²−1)²]", scatter, 3 * moments.pair + moments.coincidence - 1, _exact_scatter),
    ]
    if law == "gaussian":
        claimed = theory.curvature_magnitude(entry, TRACE, density=DENSITY, inside=INSIDE)
        conclusions.append(Conclusion("E|½·zᵀHz·(zᵢ²−1)|", _magnitude(), claimed))
    return Proof("E9", "curvature-diagonal", law, rows, tuple(conclusions))


def _scatter_step(scatter: Expr) -> Step:
    sentence = "What the probes tell of one coordinate is in the scatter of zᵢ²."
    if scatter == 0:
        sentence = "The scatter of zᵢ² is 0: the estimate is 0 in every draw, and not only on average."
    return Step(sentence, equation("E[(zᵢ²−1)²]", scatter))


DENSITY = Scalar("φ(1)", positive=True)  # of a normal number, at 1
INSIDE = Scalar("P", positive=True)  # the probability that it lies between −1 and 1


def _within(power: int) -> Expr:
    """∫ x^power·φ(x) dx from −1 to 1, for an even power, by parts: φ′ = −x·φ."""
    if power == 0:
        return INSIDE
    return (power - 1) * _within(power - 2) - 2 * DENSITY


def _magnitudes() -> tuple[Expr, Expr]:
    """E|x²−1| and E[x²·|x²−1|] of a normal number x."""
    # |y| = y + 2·max(−y, 0), and x² − 1 is negative between −1 and 1
    second, fourth = (put(gaussian_mean(*[vector("e")] * power), BASIS) for power in (2, 4))
    other = second - 1 + 2 * (_within(0) - _within(2))
    own = fourth - second + 2 * (_within(2) - _within(4))
    return sympy.expand(other), sympy.expand(own)


def _magnitude() -> Expr:
    other, own = _magnitudes()
    return ((TRACE - entry) * other + entry * own) / 2


def _magnitude_steps() -> tuple[Step, ...]:
    other, own = _magnitudes()
    name = "E|½·zᵀHz·(zᵢ²−1)|"
    whole = ((TRACE - entry) * Scalar("E|zᵢ²−1|") + entry * Scalar("E[zᵢ²·|zᵢ²−1|]")) / 2
    return (
        Step(
            "An absolute value cannot lower a mean (Jensen).",
            sympy.Ge(Scalar(name), Scalar("|E[½·zᵀHz·(zᵢ²−1)]|"), evaluate=False),
        ),
        Step(
            "Where H has no negative eigenvalue, zᵀHz ≥ 0, and only zᵢ²−1 has a sign. Of the products zⱼzₖ with j ≠ k "
            "each averages to 0, as one of the two may be flipped; j = i is the coordinate itself.",
            equation(name, whole),
        ),
        Step(
            "|x²−1| is x²−1, and twice 1−x² more between −1 and 1. There, by parts with φ′ = −xφ, and with P for the "
            "probability to lie there,",
            equation("∫x²φ", _within(2)),
        ),
        Step("and for the fourth power", equation("∫x⁴φ", sympy.expand(_within(4)))),
        Step("So any other coordinate has", equation("E|zᵢ²−1|", other)),
        Step("and the coordinate itself", equation("E[zᵢ²·|zᵢ²−1|]", own)),
        Step("Put both in.", equation(name, by_powers(_magnitude(), TRACE, entry))),
    )


def _exact_curvature(case: Case, centre: int) -> Expr:
    total = case.z[0][0] * 0
    for z in case.z:
        bend = case.quadratic_loss([EPSILON * x for x in z]) + case.quadratic_loss([-EPSILON * x for x in z])
        total += bend / EPSILON**2 * (z[0] ** 2 - centre)
    return case.mean(total / (2 * case.probes))


def _exact_scatter(case: Case) -> Expr:
    return case.mean((case.z[0][0] ** 2 - 1) ** 2)


def wandering(law: str) -> Proof:
    """E10: E‖θ_T − θ_0‖² = η²‖g‖²·T·(T − 1 + f) on a linear loss, of which the share T/(T − 1 + f) is signal."""
    squared = quadratic_form(law)
    weight = weights(law)
    along = [vector("g"), vector("g")]
    product = expectation(along, weight)
    square_name = Scalar(squared.name)
    product_name = Scalar("E[ĝᵢᵀĝⱼ]")
    named = eta**2 * (run_steps * square_name + run_steps * (run_steps - 1) * product_name)
    walk = factored(put(named, {square_name: squared.total, product_name: product}))
    straight = eta**2 * run_steps**2 * GG
    share = sympy.cancel(straight / walk)
    rows = (
        Step(
            "On a linear loss g is the same everywhere, and θ_T − θ_0 = −η Σᵢ ĝᵢ. Of the T² products of two steps, T "
            "are a step with itself.",
            equation("E‖θ_T−θ_0‖²", named),
        ),
        *squared.steps,
        contraction_step(
            "Two steps have independent probes, and each has the mean g; along g", Scalar("gᵀE[ĝᵢ]"), along, weight
        ),
        Step("So a product of two steps is", equation(product_name, product)),
        Step("Together:", equation("E‖θ_T−θ_0‖²", walk)),
        Step("Gradient descent with the same η goes straight.", equation("‖ηT·g‖²", straight)),
        Step("That is the share", share),
    )
    factor = theory.norm_factor(d, n, theory_moments(law))
    conclusions = (
        Conclusion("E‖θ_T−θ_0‖²", walk, theory.walk_norm(run_steps, factor, GG, eta), _exact_walk),
        Conclusion("share of signal", share, theory.signal_share(run_steps, factor)),
    )
    return Proof("E10", "wandering", law, rows, conclusions)


def _exact_walk(case: Case) -> Expr:
    rate = sympy_number(ETA)
    if case.law != "orthogonal":
        whole = Case(case.law, case.dim, STEPS * case.probes)  # all probes of the run are independent
        return rate**2 * STEPS**2 * whole.mean(square(whole.estimate(whole.g)))
    estimate = case.estimate(case.g)
    means = sum((case.mean(x) ** 2 for x in estimate), Integer(0))
    return rate**2 * (STEPS * case.mean(square(estimate)) + STEPS * (STEPS - 1) * means)


V, W, K = Scalar("V", positive=True), Scalar("W", positive=True), Scalar("K")
C = Scalar("c")


def control_variate(law: str) -> Proof:
    """E14: the best coefficient leaves 1 − ρ² of the variance; what ρ is depends on the probes of the control."""
    left = V - 2 * C * K + C**2 * W
    (best,) = sympy.solve(sympy.diff(left, C), C)
    least = sympy.expand(put(put(left, {C: best}), {K: correlation * sympy.sqrt(V * W)}))
    weight = weights(law)
    same: list[Piece] = [vector("g_B"), vector("h_B"), matrix("I")]
    cross: list[Piece] = [vector("g_B"), matrix("I", "z", "z′"), vector("h_B", "z′")]
    product = chain("g_B", "h_B")
    # given the minibatch, along the same probes and along others
    scaled = factored((expectation(same, weight) + (n - 1) * expectation(cross, weight)) / n)
    unscaled = expectation([vector("g_B"), vector("h_B")], weight)
    product_mean = GH + common / batch
    covariance = put(scaled, {product: product_mean}) - GH
    own = put(unscaled, {product: product_mean}) - GH
    kept = Scalar("(1−ρ²)")
    by_passes = by_powers(put(scaled, {product: GG + kept * noise / batch}) - GG, GG, kept)
    noisy = GG + noise / batch
    moving = factored(2 * put(scaled, {product: noisy}) - 2 * put(unscaled, {product: noisy}))
    name = "E[ĝᵀĥ] − gᵀh"
    rows = (
        Step(
            "Let V = E‖ĝ−g‖², W = E‖ĥ−h‖² and K = E[(ĝ−g)ᵀ(ĥ−h)] = ρ√(VW). Take c times the control off:",
            equation("E‖(ĝ−g)−c(ĥ−h)‖²", left),
        ),
        Step("It is convex in c, and least where its derivative is 0.", equation("c⋆", best)),
        Step("There the part 1 − ρ² is left.", equation("E‖(ĝ−g)−c⋆(ĥ−h)‖²", least)),
        *weight.fourth_steps,
        contraction_step(
            "Along the same probes and on the same minibatch: one probe", Scalar("E[g_Bᵀz·zᵀz·zᵀh_B]"), same, weight
        ),
        *weight.cross_steps,
        contraction_step("Two probes", Scalar("E[g_Bᵀz·zᵀz′·z′ᵀh_B]"), cross, weight),
        Step(
            "n and n(n−1) terms: the factor f of A2, for two gradients in the place of one.", equation("E[ĝᵀĥ]", scaled)
        ),
        Step(
            "Over minibatches, C being the covariance of one example's two gradients,",
            equation(f"E[{product}]", product_mean),
        ),
        Step("so that along the same probes K is", equation(name, by_powers(covariance, GH, common))),
        Step(
            "Along probes of its own, given the minibatch, each estimate averages to its gradient: the two share the "
            "minibatch alone, and K does not grow with d as V and W do.",
            equation(name, own),
        ),
        Step(
            "With passes of the full batch in the place of h, what is taken off is the estimate of (h_B − h) along the "
            "same probes. ĝ then is that of g and of the minibatch's noise less its control's: 1 − ρ² of tr(Σ)/B.",
            equation("E‖ĝ−c⋆(ĥ_B−ĥ)−g‖²", by_passes),
        ),
        Step(
            "An anchor that moves with θ has the gradient g_B too; along probes of its own, two estimates of it differ "
            "by E‖ĝ‖² twice, less twice the square of the common mean.",
            equation("E‖ĝ−ĝ′‖²", moving),
        ),
    )
    factor = theory.norm_factor(d, n, theory_moments(law))
    passes = theory.probe_covariance(GG, theory.control_variate(noise / batch, correlation), factor)
    conclusions = (
        Conclusion(
            f"{name}, the same probes", covariance, theory.probe_covariance(GH, common / batch, factor), _exact_same
        ),
        Conclusion(f"{name}, other probes", own, theory.probe_covariance(GH, common / batch, 1), _exact_own),
        Conclusion("E‖(ĝ−g)−c⋆(ĥ−h)‖²", least, theory.control_variate(V, correlation)),
        Conclusion("E‖ĝ−c⋆(ĥ_B−ĥ)−g‖²", put(by_passes, {kept: 1 - correlation**2}), passes),
        Conclusion("E‖ĝ−ĝ′‖²", moving, theory.moving_anchor_norm(GG, noise / batch, factor), _exact_moving),
    )
    return Proof("E14", "control-variate", law, rows, conclusions)


def _noisy_pairs(case: Case) -> list[tuple[Vector, Vector]]:
    """The two equally likely minibatches: g ± ξ at θ, and with the same sign h ± ζ at the anchor."""
    return [(add(case.g, sign, case.xi), add(case.anchor, sign, case.zeta)) for sign in (1, -1)]


def _exact_same(case: Case) -> Expr:
    total = sum((case.mean(dot(case.estimate(g), case.estimate(h))) for g, h in _noisy_pairs(case)), Integer(0))
    return total / 2 - sympy_number(dot(case.g, case.anchor))


def _exact_own(case: Case) -> Expr:
    total = Integer(0)
    for g, h in _noisy_pairs(case):
        pairs = zip(case.estimate(g), case.estimate(h), strict=True)
        total += sum((case.mean(x) * case.mean(y) for x, y in pairs), Integer(0))
    return total / 2 - sympy_number(dot(case.g, case.anchor))


def _exact_moving(case: Case) -> Expr:
    total = Integer(0)
    for g, _ in _noisy_pairs(case):
        estimate = case.estimate(g)
        total += 2 * case.mean(square(estimate)) - 2 * sum((case.mean(x) ** 2 for x in estimate), Integer(0))
    return total / 2
