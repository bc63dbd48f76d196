"""Section B, the best learning rate on the test bed L = ½·ℓ·θᵀPθ, and what more probes buy there."""

import sympy
from sympy import Expr

from mezo_lab import theory
from mezo_lab.proofs.algebra import factored, put
from mezo_lab.proofs.case import Case
from mezo_lab.proofs.effective_rank import (
    GAMMA,
    derived_contraction,
    derived_gamma,
    exact_end,
    exact_gamma,
    largest_stable,
    parabola,
)
from mezo_lab.proofs.notation import Scalar, d, ell, equation, n, r, s
from mezo_lab.proofs.proof import Conclusion, Proof, theory_moments
from mezo_lab.proofs.step import Step


def best_step(law: str) -> Proof:
    """B6: E[L⁺]/L is least at s = 1/γ, where it is 1 − 1/γ, and is back at 1 at s = 2/γ."""
    gamma, gamma_steps = derived_gamma(law)
    ratio, ratio_steps = derived_contraction(law)
    (best,) = sympy.solve(sympy.diff(ratio, s), s)
    least = sympy.expand(put(ratio, {s: best}))
    end = ell * largest_stable(ratio)
    steps = (
        *gamma_steps,
        *ratio_steps,
        Step(
            "This is convex in s: its second derivative is positive.",
            sympy.Gt(sympy.diff(ratio, s, 2), 0, evaluate=False),
        ),
        Step("So it is least where its derivative is 0.", equation(sympy.diff(ratio, s), sympy.Integer(0))),
        Step("Solve for s.", equation("s⋆", best)),
        Step("There a step multiplies the loss by", equation("E[L⁺]/L", least)),
        Step("and at twice that s it is 1 again: stability ends.", equation("s", end)),
    )
    claimed = theory.effective_rank_factor(r, n, theory_moments(law))
    conclusions = (
        Conclusion("best s", put(best, {GAMMA: gamma}), 1 / claimed, lambda case: exact_end(case, case.rank) / 2),
        Conclusion("least E[L⁺]/L", put(least, {GAMMA: gamma}), theory.contraction(1 / claimed, claimed), _exact_least),
        Conclusion(
            "largest stable s",
            put(end, {GAMMA: gamma}),
            theory.largest_stable_lr(1, claimed),
            lambda case: exact_end(case, case.rank),
        ),
    )
    return Proof("B6", "best-step", law, steps, conclusions)


def _exact_least(case: Case) -> Expr:
    slope, bend = parabola(case, case.rank)
    return 1 - slope**2 / (4 * bend)


def probes_are_a_wash(law: str) -> Proof:
    """B7: the best log-progress per pair of forward passes is (1/n)·log(1 + n/(r+1)), decreasing in n."""
    gamma, gamma_steps = derived_gamma(law)
    ratio, ratio_steps = derived_contraction(law)
    (best,) = sympy.solve(sympy.diff(ratio, s), s)
    least = factored(put(put(ratio, {s: best}), {GAMMA: gamma}))
    progress = sympy.log(1 / least) / n
    # p′(n) is negative exactly where this bracket is; y = n/(r+1)
    y = Scalar("y", positive=True)
    bracket = y / (1 + y) - sympy.log(1 + y)
    bracket_slope = factored(sympy.diff(bracket, y))
    bracket_start = put(bracket, {y: 0})
    falls = sympy.Lt(bracket_slope, 0, evaluate=False)
    steps = (
        *gamma_steps,
        *ratio_steps,
        Step("The best step is s = 1/γ; it multiplies the loss by 1 − 1/γ.", equation("E[L⁺]/L", least)),
        Step("A step costs n pairs of forward passes. Log-progress per pair:", equation("p(n)", progress)),
        Step("With y = n/(r+1), its derivative in n is p′(n) = f(y)/n².", equation("f(y)", bracket)),
        Step("f starts from 0,", equation("f(0)", bracket_start)),
        Step("and falls from there,", equation("f′(y)", bracket_slope)),
        Step(
            "as this is negative: so f is negative, p decreases in n, and of independent probes one is best.",
            falls,
        ),
    )
    claimed = theory.progress_per_pair(r, n, log=sympy.log)
    conclusions = (
        Conclusion("log-progress per pair", progress, claimed, _exact_progress),
        Conclusion("E[L⁺]/L at the best step", least, (r + 1) / (r + n + 1), _exact_least),
        Conclusion("n²·p′(n)", put(bracket, {y: n / (r + 1)}), n**2 * sympy.diff(claimed, n)),
    )
    return Proof("B7", "probes-are-a-wash", law, steps, conclusions)


def _exact_progress(case: Case) -> Expr:
    return -sympy.log(_exact_least(case)) / case.probes


def orthogonal_probes(law: str) -> Proof:
    """E4: at right angles the probes of a step gain per pair of forward passes, where most directions are curved."""
    gamma, gamma_steps = derived_gamma(law)
    ratio, ratio_steps = derived_contraction(law)
    (best,) = sympy.solve(sympy.diff(ratio, s), s)
    least = put(ratio, {s: best})
    progress = sympy.log(1 / factored(put(least, {GAMMA: gamma}))) / n
    spread = d * (d - n) / (n * (d + 2) * (d - 1))
    linear = d / n - (d - r) * Scalar("q")
    all_probes = factored(put(gamma, {n: d}))
    isotropic = factored(put(put(least, {GAMMA: gamma}), {r: d}))
    # p′(n) is positive exactly where this bracket is; x = n/d
    x = Scalar("x", positive=True)
    bracket = x / (1 - x) + sympy.log(1 - x)
    bracket_slope = factored(sympy.diff(bracket, x))
    bracket_start = put(bracket, {x: 0})
    steps = (
        *gamma_steps,
        Step("It is linear in r:", equation("γ", linear)),
        Step("where q, 0 at n = d, is", equation("q", spread)),
        *ratio_steps,
        Step("The best step is s = 1/γ.", equation("E[L⁺]/L", sympy.expand(least))),
        Step("A step costs n pairs of forward passes. Log-progress per pair:", equation("p(n)", progress)),
        Step(
            "At n = d, γ is 1 whatever r: ĝ = g, and the step ends at the minimum.",
            equation("γ", all_probes),
        ),
        Step("Where all directions are curved, r = d, a step leaves", equation("E[L⁺]/L", isotropic)),
        Step("With x = n/d, p = −log(1 − x)/n there, and n²·p′(n) = f(x).", equation("f(x)", bracket)),
        Step("f starts from 0,", equation("f(0)", bracket_start)),
        Step(
            "and rises from there: so f is positive, and the more probes the better.",
            sympy.Gt(bracket_slope, 0, evaluate=False),
        ),
    )
    moments = theory_moments(law)
    claimed = theory.effective_rank_factor(r, n, moments)
    best_claimed, isotropic_claimed = (
        theory.contraction(1 / each, each) for each in (claimed, theory.norm_factor(d, n, moments))
    )
    conclusions = (
        Conclusion("γ", put(linear, {Scalar("q"): spread}), claimed, exact_gamma),
        Conclusion("E[L⁺]/L at the best step", put(least, {GAMMA: gamma}), best_claimed, _exact_least),
        Conclusion("log-progress per pair", progress, theory.progress_per_pair(r, n, moments, log=sympy.log)),
        Conclusion("γ at n = d", all_probes, theory.effective_rank_factor(r, d, moments)),
        Conclusion("E[L⁺]/L at the best step and r = d", isotropic, isotropic_claimed, _exact_isotropic_least),
    )
    return Proof("E4", "orthogonal-probes", law, steps, conclusions)


def _exact_isotropic_least(case: Case) -> Expr:
    slope, bend = parabola(case, case.dim)
    return 1 - slope**2 / (4 * bend)
