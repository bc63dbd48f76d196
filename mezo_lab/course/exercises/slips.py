"""Notebook 7: slips in the literature."""

from typing import Any

import torch
from torch import Tensor

from mezo_lab import theory
from mezo_lab.claims import Status, check, claim_named
from mezo_lab.claims.wording import distance_text, number_text
from mezo_lab.course.exercises.answers import Answer, WrongAnswer, call_answer
from mezo_lab.course.exercises.grading import as_numbers, formula_hint, formula_value, grade, is_close, student_formula
from mezo_lab.sampling import law_named
from mezo_lab.theory import Expression, printed

__all__ = ["check_best_scale", "check_modified_variance", "check_noise_floor", "check_residual_formula"]

_BOWLS = [
    {"dim": 10, "rank": 3, "curvature": 2.0, "epsilon": 0.1},
    {"dim": 100, "rank": 5, "curvature": 0.5, "epsilon": 0.01},
    {"dim": 4, "rank": 4, "curvature": 3.0, "epsilon": 0.5},
]
_LAYERS = [([1.0, 0.3, 0.1], [6, 6, 6]), ([1.0, 2.0, 0.5], [2, 10, 50])]  # norms, sizes
_RESIDUAL = [{"dim": 4, "moment": "norm"}, {"dim": 8, "moment": "norm"}]
_DRAWS = 200_000  # 2·‖g‖², the smallest mistake, is then more than ten standard errors
_ELSEWHERE = {"g2": 3.0, "delta": 0.7, "eps": 0.2}  # the draws themselves have ‖g‖ = 1 and Δ = ε
_RESIDUAL_MISTAKES = {
    "(d+2)*g2": "That is the two-point estimator. Here zₜ₋₁ and the change Δ between the steps come in as well.",
    "(2*d+2)*g2": "Δ is missing: the two losses belong to two steps, and Δ/ε multiplies zₜ too.",
    "2*(d+2)*g2 + d*delta**2/eps**2": (
        "zₜ₋₁ is independent of the zₜ that multiplies: E[(zₜ₋₁ᵀg)²·‖zₜ‖²] = d·‖g‖², not (d+2)·‖g‖²."
    ),
    "(2*d+2)*g2 + delta**2/eps**2": "(Δ/ε)·zₜ has the squared length (Δ/ε)²·‖zₜ‖², and E‖zₜ‖² = d.",
}


def _noise_floor(dim: int, rank: int, curvature: float, epsilon: float) -> float:
    """The loss at which the noise of one side is as large as the rest of E‖ĝ‖², on a bowl of `rank` equal curvatures.

    Source: claim A8, once without slope and once without curvature. ‖g‖² = 2·curvature·L.
    """
    noise = theory.one_sided_norm(dim, 0.0, rank * curvature, rank * curvature**2, epsilon)
    for_each_loss = theory.one_sided_norm(dim, 2 * curvature, 0.0, 0.0, epsilon)
    return noise / for_each_loss


def check_noise_floor(floor: Answer) -> None:
    """Whether floor(dim, rank, curvature, epsilon) is the loss at which both terms of the one-sided norm are equal.

    The bowl has `rank` equal curvatures and is flat in all other directions; z Gaussian, n = 1.

    Raises: WrongAnswer.
    """
    grade(
        floor,
        _noise_floor,
        _BOWLS,
        {
            "That is ‖g‖² where the terms are equal: on this bowl it is 2ℓL.": "2 * curvature * truth",
            "On this bowl ‖g‖² = 2ℓL: L has the factor ½.": "2 * truth",
            "The error of the slope is ½ε·zᵀHz, and it is squared: ε²/4.": "4 * truth",
            "E[(zᵀHz)²] = tr(H)² + 2·tr(H²): zᵀHz varies.": "truth * rank / (rank + 2)",
            "A long z has a large zᵀHz: the mean of (zᵀHz)²·‖z‖² has d + 4, not d.": "truth * dim / (dim + 4)",
            "The bowl curves in r directions alone: tr(H) = rℓ and tr(H²) = rℓ².": (
                "truth * dim * (dim + 2) / (rank * (rank + 2))"
            ),
        },
    )


def _modified_variance(g: Tensor, scale: Tensor) -> Tensor:
    """E‖ĝ − g‖² of the estimator that probes along D⁻¹z and moves along Dz."""
    grad_sq = g.square().sum()
    return theory.variance_modified_norm(scale.square().sum(), (g / scale).square().sum(), grad_sq) - grad_sq


def check_modified_variance(variance: Answer) -> None:
    """Whether variance(g, scale) is E‖ĝ − g‖² for the paper's Definition 6, one Gaussian probe.

    Source: claim A11. Raises: WrongAnswer.
    """
    rng = torch.Generator().manual_seed(7)
    cases: list[dict[str, Any]] = []
    for dim in (3, 6):
        g = torch.randn(dim, dtype=torch.float64, generator=rng)
        scale = 0.5 + torch.rand(dim, dtype=torch.float64, generator=rng)
        cases.append({"g": g, "scale": scale})
    grade(
        variance,
        _modified_variance,
        cases,
        {
            "That is E‖ĝ‖². The variance is what is left when ‖g‖², the square of the mean, is taken off.": (
                lambda g, scale: _modified_variance(g, scale) + g.square().sum()
            ),
            "D and D⁻¹ do not cancel: ĝᵢ = Dᵢzᵢ·Σⱼ zⱼgⱼ/Dⱼ mixes the coordinates.": (
                lambda g, scale: (len(g) + 1) * g.square().sum()
            ),
            "tr(D²) is the sum of the squares, not the square of the sum.": (
                lambda g, scale: scale.sum() ** 2 * (g / scale).square().sum() + g.square().sum()
            ),
            "The probe sees D⁻¹g: divide by D there.": (
                lambda g, scale: scale.square().sum() * (g * scale).square().sum() + g.square().sum()
            ),
        },
    )


def _best_scale(norms: Tensor, sizes: Tensor) -> Tensor:
    """The D of each layer for which E‖ĝ‖² is least, up to a common factor.

    Formula: D² ∝ ‖g_ℓ‖/√p_ℓ, where p_ℓ is the size of the layer. Source: derived; claim A11 is p = 1.
    """
    return (norms / sizes.sqrt()).sqrt()


def check_best_scale(scale: Answer) -> None:
    """Whether scale(norms, sizes) makes E‖ĝ‖² least over one D for each layer; a common factor is free.

    Raises: WrongAnswer.
    """
    cases: list[dict[str, Any]] = []
    for norms, sizes in _LAYERS:
        cases.append({"norms": torch.tensor(norms).double(), "sizes": torch.tensor(sizes).double()})
    grade(
        _unit_norm(scale),
        _unit_norm(_best_scale),
        cases,
        {
            "That is the choice in print; on layers of one size it has the norm of no scale at all.": (
                _unit_norm(lambda norms, sizes: norms)
            ),
            "That is right for layers of one size: tr(D²) counts D² once for each of a layer's p coordinates.": (
                _unit_norm(lambda norms, sizes: norms.sqrt())
            ),
            "That is D²: take the root.": _unit_norm(lambda norms, sizes: norms / sizes.sqrt()),
            "‖g‖² is already the sum over the layer, tr(D²) is p·D²: so p comes in as √p.": (
                _unit_norm(lambda norms, sizes: (norms / sizes).sqrt())
            ),
        },
    )


def _unit_norm(scale: Answer) -> Answer:
    """The same answer divided by its norm, which removes a common factor."""

    def unit_scale(**case: Tensor) -> Any:
        value = call_answer(scale, **case)
        try:
            numbers = as_numbers(value)
        except Exception:  # `grade` reports the value itself
            return value
        return numbers / numbers.norm()

    return unit_scale


def check_residual_formula(formula: Answer | str) -> None:
    """Whether the draws agree with a formula of E‖ĝ‖² for residual feedback, in d, g2, delta and eps.

    As `mezo-lab verify residual-feedback --expect`; a formula that fits is then evaluated at other ‖g‖, Δ and ε.

    Args: formula: the student's function, which returns text; or the text.
    Raises: WrongAnswer where the draws refute the formula, where it is not arithmetic, and where it has other names.

    >>> check_residual_formula("(2*d+2)*g2 + d*delta**2/eps**2")
    ✓ the draws agree with (2·d+2)·‖g‖² + d·Δ²/ε² in 2 cases
    """
    claim = claim_named("residual-feedback")
    law = law_named("gaussian")
    expect = student_formula(formula, {"d", *_ELSEWHERE})
    for case in _RESIDUAL:
        symbols = claim.experiment(law, **case).symbols
        formula_value(expect, symbols)
        formula_value(expect, symbols | _ELSEWHERE)
    for case in _RESIDUAL:
        verdict = check(claim, law, case, draws=_DRAWS, expect=expect)
        if verdict.status is Status.REFUTED:
            raise WrongAnswer(
                f"At d = {case['dim']} the draws refute {printed(expect.text)} = {number_text(verdict.expected)}: "
                f"they give {verdict.estimate}, at a distance of {distance_text(verdict.z_score)}. {_hint(expect)}"
            )
    values = claim.experiment(law, **_RESIDUAL[0]).symbols | _ELSEWHERE
    truth = theory.residual_feedback_norm(values["d"], values["g2"], values["delta"], values["eps"])
    if not is_close(formula_value(expect, values), truth):
        raise WrongAnswer(
            "It fits where ‖g‖ = 1 and Δ = ε, as in these draws: write it with g2, delta and eps for others."
        )
    print(f"✓ the draws agree with {printed(expect.text)} in {len(_RESIDUAL)} cases")


def _hint(formula: Expression) -> str:
    """What the formula overlooks, where its values are those of a known mistake."""
    claim = claim_named("residual-feedback")
    law = law_named("gaussian")
    cases = [claim.experiment(law, **case).symbols | _ELSEWHERE for case in _RESIDUAL]
    general = "Write ĝ = (zₜᵀg − zₜ₋₁ᵀg + Δ/ε)·zₜ and square it: which products have a mean?"
    return formula_hint(formula, _RESIDUAL_MISTAKES, cases, general)
