"""Negative controls: a proof that cannot fail proves nothing."""

from dataclasses import replace

import pytest
import sympy

from mezo_lab import theory
from mezo_lab.proofs import prove
from mezo_lab.proofs.case import Case
from mezo_lab.proofs.forms import GG, GHG, GU, H_DIAGONAL, TRACE
from mezo_lab.proofs.matrix_case import ALONG, ALONG_INSIDE, INSIDE, SHARE, WHOLE
from mezo_lab.proofs.notation import (
    Scalar,
    beta,
    common,
    correlation,
    d,
    ell,
    entry,
    epsilon,
    eta,
    freedom,
    kept_steps,
    n,
    noise,
    r,
    run_steps,
    s,
)
from mezo_lab.proofs.notation import batch as size
from mezo_lab.proofs.notation import columns as q
from mezo_lab.proofs.notation import inner as k
from mezo_lab.proofs.notation import rows as p
from mezo_lab.proofs.successors import GH
from mezo_lab.proofs.wick import chain, cycle, diagonal, matrix, third_derivative, vector

GAUSSIAN, SPHERE = theory.Moments(1, 0), theory.Moments(d / (d + 2), 0)
WG, W_TRACE, W_DIAGONAL = chain("g", "W", "g"), cycle("W"), diagonal(matrix("W"), vector("g"), vector("g"))
SCALE_SQ, SLOPE_SQ, ENTRY = Scalar("tr(D²)"), Scalar("‖D⁻¹g‖²"), Scalar("gᵢ")
BENDS = chain("u", "∇ΔL"), diagonal(vector("u"), third_derivative())
ONE_SIDED_EXTRA = epsilon**2 / 4 * (d + 4)

WRONG = {  # (claim, law, which conclusion): a plausible formula that does not hold
    ("unbiased", "coordinate", 0): d * GU,
    ("norm-factor", "gaussian", 0): (d + n - 1) / n * GG,
    ("norm-factor", "sphere", 0): (d + n + 1) / n * GG,
    ("norm-factor", "rademacher", 0): (d + n + 1) / n * GG,
    ("norm-factor", "orthogonal", 0): (d + n - 1) / n * GG,
    ("norm-factor", "uniform", 0): (d + n + 1) / n * GG,
    ("norm-factor", "iid", 0): (d + n + 1) / n * GG,
    ("notes", "gaussian", 0): (d + n - 1) / n * Scalar("E‖∇L(θ;B)‖²", positive=True),
    ("notes", "sphere", 0): (d + n + 1) / n * Scalar("E‖∇L(θ;B)‖²", positive=True),
    ("second-moment", "uniform", 0): theory.second_moment(WG, W_TRACE * GG, W_DIAGONAL, probes=n, moments=GAUSSIAN),
    ("second-moment", "sphere", 0): theory.second_moment(WG, W_TRACE * GG, W_DIAGONAL, probes=n, moments=GAUSSIAN),
    ("variance", "gaussian", 0): (d + n + 1) / n * GG,
    ("minibatch", "gaussian", 0): theory.minibatch_fresh(GG, noise / size, d, n, GAUSSIAN),
    ("minibatch", "gaussian", 1): theory.minibatch_shared(GG, noise / size, d, n, GAUSSIAN),
    ("smoothing", "gaussian", 0): GU + epsilon**2 * chain("u", "∇ΔL"),
    ("smoothing-any-law", "rademacher", 0): GU + theory.smoothing_bias(epsilon, chain("u", "∇ΔL")),
    ("smoothing-any-law", "sphere", 0): GU + theory.smoothing_bias(epsilon, chain("u", "∇ΔL")),
    ("smoothing-any-law", "coordinate", 1): GU + theory.smoothing_bias(epsilon, *BENDS, theory.coordinate_moments(d)),
    ("low-rank-direction", "gaussian", 0): (n - 1 + k * (p + q) + 2) / n * WHOLE,
    ("low-rank-direction", "rademacher", 0): (n + 1 + p * q) / n * WHOLE,
    ("low-rank-direction", "iid", 1): ALONG / k,
    ("fixed-subspace", "gaussian", 0): ALONG_INSIDE,
    ("fixed-subspace", "gaussian", 1): q / k * theory.norm_factor(p * k, n, GAUSSIAN) * INSIDE,
    ("fixed-subspace", "gaussian", 2): WHOLE,
    ("fixed-subspace", "sphere", 3): theory.subspace_loss(1, kept_steps, theory.norm_factor(p * k, n, SPHERE)),
    ("aligned-subspace", "gaussian", 0): SHARE / (p * q),
    ("aligned-subspace", "sphere", 2): theory.norm_factor(p * k, n, GAUSSIAN),
    ("aligned-subspace", "gaussian", 3): theory.norm_factor(p * q, n, GAUSSIAN),
    ("one-sided", "gaussian", 0): (d + 2) * GG,
    ("curvature-probe", "sphere", 0): 2 * TRACE,
    ("variance-modified", "gaussian", 0): SCALE_SQ * SLOPE_SQ + GG,
    ("variance-modified", "gaussian", 2): GG + 2 * GG,
    ("adam-blind", "gaussian", 0): (d + 2) * ENTRY**2,
    ("residual-feedback", "gaussian", 0): (d + 2) * GG,
    ("residual-feedback", "gaussian", 1): 2 * GU,
    ("descent-lemma", "sphere", 0): -eta * GG + eta**2 * ell * (d + n - 1) / n * GG,
    ("dimension-tax", "gaussian", 1): 2 / ell,
    ("low-rank", "gaussian", 0): theory.norm_factor(d, n, GAUSSIAN),
    ("low-rank", "sphere", 0): theory.effective_rank_factor(r, n, GAUSSIAN),
    ("low-rank", "gaussian", 1): theory.contraction(s, theory.norm_factor(d, n, GAUSSIAN)),
    ("any-spectrum", "rademacher", 0): theory.second_moment(GHG, TRACE * GG, H_DIAGONAL, probes=n, moments=GAUSSIAN),
    ("same-object", "sphere", 0): (d + n + 1) / n,
    ("best-step", "gaussian", 2): 1 / theory.effective_rank_factor(r, n, GAUSSIAN),
    ("probes-are-a-wash", "gaussian", 0): sympy.log(1 + 1 / (r + 1)),
    ("general-directions", "rademacher", 0): (r + n - 1) / n,
    ("general-directions", "coordinate", 0): (r + n + 1) / n,
    ("orthogonal-probes", "orthogonal", 0): theory.effective_rank_factor(r, n, SPHERE),
    ("orthogonal-probes", "orthogonal", 1): (r + 1) / (r + n + 1),
    ("orthogonal-probes", "orthogonal", 4): 1 - n / (d + n + 1),
    ("momentum", "gaussian", 0): 2 * (1 + beta) / ((1 - beta) * ell * (r + n + 1) / n),
    ("momentum", "sphere", 0): theory.momentum_lr(ell, theory.effective_rank_factor(r, n, GAUSSIAN), beta),
    ("baseline", "gaussian", 0): GU,
    ("baseline", "orthogonal", 1): theory.own_mean_share(n) * GU,
    ("self-normalised", "gaussian", 0): sympy.Integer(1),
    ("curvature-diagonal", "gaussian", 0): 2 * entry,
    ("curvature-diagonal", "rademacher", 0): entry,
    ("curvature-diagonal", "uniform", 0): entry,
    ("curvature-diagonal", "sphere", 0): entry,
    ("curvature-diagonal", "rademacher", 1): entry + TRACE / 2,
    ("wandering", "gaussian", 0): eta**2 * run_steps**2 * GG,
    ("wandering", "rademacher", 0): eta**2 * run_steps * (d + n - 1) / n * GG,
    ("control-variate", "gaussian", 0): theory.probe_covariance(GH, common / size, 1),
    ("control-variate", "gaussian", 1): theory.probe_covariance(GH, common / size, (d + n + 1) / n),
    ("control-variate", "sphere", 4): theory.moving_anchor_norm(GG, noise / size, (d + n + 1) / n),
    ("noise-floor", "gaussian", 0): s / (2 - s),
    ("noise-floor", "rademacher", 0): s * (r + n + 1) / (2 * n - s * (r + n + 1)),
}
CASES = [(claim, law, which, formula) for (claim, law, which), formula in WRONG.items()]


@pytest.mark.parametrize(("claim", "law", "which", "formula"), CASES)
def test_a_wrong_formula_leaves_a_difference(claim, law, which, formula):
    conclusion = prove(claim, law).conclusions[which]
    assert replace(conclusion, theory=formula).difference != 0


@pytest.mark.parametrize(("claim", "law", "which", "formula"), CASES)
def test_brute_force_rejects_a_wrong_formula(claim, law, which, formula):
    conclusion = replace(prove(claim, law).conclusions[which], derived=formula)
    assert conclusion.exact is not None
    assert any(conclusion.brute(Case(law, dim, probes)) != 0 for dim in (2, 3) for probes in (1, 2))


def test_a_proof_with_a_wrong_theory_says_that_it_is_not_one():
    proof = prove("norm-factor", "gaussian")
    (conclusion,) = proof.conclusions
    wrong = replace(proof, conclusions=(replace(conclusion, theory=(d + n - 1) / n * GG),))
    assert not wrong.proved
    assert wrong.verdict.startswith("derived − theory = 2·‖g‖²/n   not proved")


def test_a_proof_with_a_wrong_derivation_disagrees_with_brute_force():
    proof = prove("norm-factor", "sphere")
    (conclusion,) = proof.conclusions
    wrong = replace(proof, conclusions=(replace(conclusion, derived=(d + n + 1) / n * GG),))
    assert wrong.agreeing_dims == ()
    assert wrong.verdict.endswith("brute force agrees for d = none of those tried")


def test_one_failing_conclusion_is_enough_to_fail_a_proof():
    proof = prove("low-rank", "sphere")
    first, second, printed = proof.conclusions
    wrong = replace(proof, conclusions=(first, second, replace(printed, theory=(r + n + 1) / n)))
    assert not wrong.proved and proof.proved


WITHOUT_BRUTE_FORCE = {  # conclusions that are algebra once the first of their proof is right
    ("self-normalised", "gaussian", 1): sympy.Integer(1),
    ("self-normalised", "gaussian", 2): (d + freedom + 2) / (freedom + 1),
    ("curvature-diagonal", "gaussian", 3): entry,
    ("wandering", "gaussian", 1): sympy.Integer(1),
    ("control-variate", "gaussian", 2): Scalar("V", positive=True) * (1 - correlation),
    ("control-variate", "gaussian", 3): theory.control_variate(GG + noise / size, correlation),
}


@pytest.mark.parametrize(("claim", "law", "which"), WITHOUT_BRUTE_FORCE)
def test_a_wrong_formula_of_plain_algebra_leaves_a_difference(claim, law, which):
    conclusion = prove(claim, law).conclusions[which]
    wrong = WITHOUT_BRUTE_FORCE[claim, law, which]
    assert replace(conclusion, theory=wrong).difference != 0


@pytest.mark.parametrize(
    ("name", "claim", "law"),
    [
        ("own_mean_share", "baseline", "sphere"),
        ("inverse_spread", "self-normalised", "gaussian"),
        ("spread_scaled_mean", "self-normalised", "gaussian"),
        ("spread_scaled_norm", "self-normalised", "gaussian"),
        ("curvature_diagonal", "curvature-diagonal", "rademacher"),
        ("curvature_magnitude", "curvature-diagonal", "gaussian"),
        ("walk_norm", "wandering", "orthogonal"),
        ("signal_share", "wandering", "iid"),
        ("control_variate", "control-variate", "coordinate"),
        ("probe_covariance", "control-variate", "uniform"),
        ("moving_anchor_norm", "control-variate", "gaussian"),
    ],
)
def test_a_changed_theory_function_is_not_proved(monkeypatch, name, claim, law):
    right = getattr(theory, name)
    monkeypatch.setattr(theory, name, lambda *arguments, **named: right(*arguments, **named) + 1)
    assert not prove.__wrapped__(claim, law).proved
    monkeypatch.undo()
    assert prove.__wrapped__(claim, law).proved
