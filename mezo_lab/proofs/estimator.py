"""Section A for every law: the mean, the second moment and the curvature seen by ĝ = (1/n) Σ_k z_k z_kᵀ g."""

import sympy

from mezo_lab import theory
from mezo_lab.proofs.algebra import by_powers, factored, put
from mezo_lab.proofs.case import EPSILON, Case, add, dot, form, square
from mezo_lab.proofs.forms import GG, GU, TRACE, contraction_step, linearised, quadratic_form, taylor
from mezo_lab.proofs.laws import weights
from mezo_lab.proofs.notation import Scalar, d, epsilon, equation, n
from mezo_lab.proofs.proof import Conclusion, Proof, theory_moments
from mezo_lab.proofs.step import Step
from mezo_lab.proofs.wick import chain, cycle, diagonal, expectation, matrix, vector


def probed(case: Case):
    """ĝ by differences of a quadratic loss with gradient g."""
    return case.two_point(case.quadratic_loss, case.origin)


def unbiased(law: str) -> Proof:
    """A1: E[ĝ] = g."""
    weight = weights(law)
    pieces = [vector("u"), vector("g")]
    derived = expectation(pieces, weight)
    steps = (
        *linearised(),
        *weight.second_steps,
        contraction_step("Measure one probe's zzᵀg along any fixed vector u", Scalar("E[uᵀz·zᵀg]"), pieces, weight),
        Step("A mean of n such probes has the same mean, and u was any vector: E[ĝ] = g.", equation("E[uᵀĝ]", derived)),
    )
    conclusion = Conclusion("E[uᵀĝ]", derived, GU, lambda case: case.mean(dot(case.u, probed(case))))
    return Proof("A1", "unbiased", law, steps, (conclusion,))


def norm_factor(law: str) -> Proof:
    """A2: E‖ĝ‖² = ((n − 1 + c)/n)·‖g‖², the factor of the notes and of Lemma 2."""
    squared = quadratic_form(law)
    claimed = theory.norm_factor(d, n, theory_moments(law)) * GG
    conclusion = Conclusion("E‖ĝ‖²", squared.total, claimed, lambda case: case.mean(square(probed(case))))
    return Proof("A2", "norm-factor", law, squared.steps, (conclusion,))


def second_moment(law: str) -> Proof:
    """A3: E[ĝĝᵀ], measured against every symmetric W."""
    squared = quadratic_form(law, "W")
    outer = chain("g", "W", "g")
    spread = cycle("W")
    main = diagonal(matrix("W"), vector("g"), vector("g"))
    entries = {outer: Scalar("ggᵀ"), spread: Scalar("I"), main: Scalar("diag(g∘g)")}
    whole = by_powers(put(squared.total, entries), *entries.values())
    steps = (
        *squared.steps,
        Step(
            "This is ⟨W,E[ĝĝᵀ]⟩ for every symmetric W, so it gives the matrix: gᵀWg = ⟨W,ggᵀ⟩, tr(W) = ⟨W,I⟩ and "
            "Σᵢ Wᵢᵢgᵢ² = ⟨W,diag(g∘g)⟩.",
            equation("E[ĝĝᵀ]", whole),
        ),
    )
    claimed = theory.second_moment(outer, spread * GG, main, probes=n, moments=theory_moments(law))
    conclusion = Conclusion(
        squared.name, squared.total, claimed, lambda case: case.mean(form(case.hessian, probed(case)))
    )
    return Proof("A3", "second-moment", law, steps, (conclusion,))


def variance(law: str) -> Proof:
    """A4: E‖ĝ − g‖² = (factor − 1)·‖g‖²."""
    squared = quadratic_form(law)
    weight = weights(law)
    pieces = [vector("g"), vector("g")]
    product = Scalar("E[gᵀĝ]")
    expanded = Scalar(squared.name) - 2 * product + GG
    derived = factored(put(expanded, {Scalar(squared.name): squared.total, product: expectation(pieces, weight)}))
    steps = (
        Step("Expand the square.", equation("E‖ĝ − g‖²", expanded)),
        *weight.second_steps,
        contraction_step("One probe, and so their mean, along g", product, pieces, weight),
        *squared.steps,
        Step("Put both into the first line.", equation("E‖ĝ − g‖²", derived)),
    )
    claimed = theory.variance_factor(d, n, theory_moments(law)) * GG
    conclusion = Conclusion(
        "E‖ĝ − g‖²", derived, claimed, lambda case: case.mean(square(add(probed(case), -1, case.g)))
    )
    return Proof("A4", "variance", law, steps, (conclusion,))


def curvature_probe(law: str) -> Proof:
    """A10: the second difference along a probe is tr H on average."""
    weight = weights(law)
    pieces = [matrix("H")]
    bend = sympy.expand((taylor(epsilon) + taylor(-epsilon) - 2 * taylor(0)) / epsilon**2)
    difference = "[L(θ+εz) + L(θ−εz) − 2L(θ)]/ε²"
    derived = expectation(pieces, weight)
    steps = (
        Step(
            "Expand the losses along the probe: odd powers of ε cancel. This is exact on a quadratic (or cubic) loss, "
            "and right up to O(ε²) on any other.",
            equation(difference, bend),
        ),
        *weight.second_steps,
        contraction_step("Average over z", Scalar("E[zᵀHz]"), pieces, weight),
        Step("A mean of n such probes has the same mean.", equation(f"E {difference}", derived)),
    )
    return Proof(
        "A10", "curvature-probe", law, steps, (Conclusion(f"E {difference}", derived, TRACE, _exact_curvature),)
    )


def _exact_curvature(case: Case):
    ends = (case.quadratic_loss([e * z for z in probe]) for probe in case.z for e in (EPSILON, -EPSILON))
    return case.mean(sum(ends) / (case.probes * EPSILON**2))
