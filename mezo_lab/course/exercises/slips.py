"""Notebook 7: slips in the literature."""

from typing import Any

import torch
from torch import Tensor

from mezo_lab import theory
from mezo_lab.claims import Status, check, claim_named
from mezo_lab.course.exercises.ask import Answer, Wrong, ask
from mezo_lab.course.exercises.judge import formula_of, judge, numbers, same, value_of
from mezo_lab.sampling import law_named
from mezo_lab.theory import Expression

ONE_SIDED = [
    {"dim": 10, "grad_sq": 1.0, "trace": 5.0, "trace_sq": 3.0, "epsilon": 0.5},
    {"dim": 4, "grad_sq": 0.0, "trace": 2.0, "trace_sq": 1.5, "epsilon": 0.1},
    {"dim": 7, "grad_sq": 3.0, "trace": 0.0, "trace_sq": 2.0, "epsilon": 1.0},
]
RESIDUAL = [{"dim": 4, "moment": "norm"}, {"dim": 8, "moment": "norm"}]
DRAWS = 200_000  # 2·‖g‖², the smallest slip, is then more than ten standard errors
ELSEWHERE = {"g2": 3.0, "delta": 0.7, "eps": 0.2}  # on the bed of the draws ‖g‖ = 1 and Δ = ε
RESIDUAL_SLIPS = {
    "(d+2)*g2": "That is the two-point estimator. Here zₜ₋₁ and the change Δ between the steps come in as well.",
    "(2*d+2)*g2": "Δ is missing: the two losses belong to two steps, and Δ/ε multiplies zₜ too.",
    "2*(d+2)*g2 + d*delta**2/eps**2": (
        "zₜ₋₁ is independent of the zₜ that multiplies: E[(zₜ₋₁ᵀg)²·‖zₜ‖²] = d·‖g‖², not (d+2)·‖g‖²."
    ),
    "(2*d+2)*g2 + delta**2/eps**2": "(Δ/ε)·zₜ has the squared length (Δ/ε)²·‖zₜ‖², and E‖zₜ‖² = d.",
}


def check_one_sided_norm(norm: Answer) -> None:
    """Whether norm(dim, grad_sq, trace, trace_sq, epsilon) is E‖ĝ‖² of the one-sided estimator on a quadratic.

    Source: claim A8; z Gaussian, n = 1. Raises: Wrong.
    """
    judge(
        norm,
        theory.one_sided_norm,
        ONE_SIDED,
        {
            "That is the two-sided estimator: with one side ½ε·zᵀHz is left, and its square too.": (
                lambda dim, grad_sq, **rest: (dim + 2) * grad_sq
            ),
            "The error of the slope is ½ε·zᵀHz, and it is squared: ε²/4.": (
                lambda dim, grad_sq, trace, trace_sq, epsilon: theory.one_sided_norm(
                    dim, grad_sq, trace, trace_sq, 2 * epsilon
                )
            ),
            "E[(zᵀHz)²] = tr(H)² + 2·tr(H²): zᵀHz varies.": (
                lambda dim, grad_sq, trace, trace_sq, epsilon: theory.one_sided_norm(dim, grad_sq, trace, 0, epsilon)
            ),
            "A long z has a large zᵀHz: the mean of (zᵀHz)²·‖z‖² has d + 4, not d.": (
                lambda dim, grad_sq, trace, trace_sq, epsilon: (
                    (dim + 2) * grad_sq + epsilon**2 / 4 * dim * (trace**2 + 2 * trace_sq)
                )
            ),
        },
    )


def vectors() -> list[dict[str, Any]]:
    """Gradients and scales of several lengths."""
    rng = torch.Generator().manual_seed(7)
    numbers: dict[str, Any] = {"dtype": torch.float64, "generator": rng}
    return [{"g": torch.randn(dim, **numbers), "scale": 0.5 + torch.rand(dim, **numbers)} for dim in (3, 6)]


def modified_variance(g: Tensor, scale: Tensor) -> Tensor:
    """E‖ĝ − g‖² of the estimator that probes along D⁻¹z and moves along Dz.

    >>> modified_variance(torch.tensor([1.0, 0.0]), torch.ones(2))  # (d+1)·‖g‖²
    tensor(3.)
    """
    squares = scale.square().sum(), (g / scale).square().sum(), g.square().sum()
    return theory.variance_modified_norm(*squares) - squares[-1]


def check_modified_variance(variance: Answer) -> None:
    """Whether variance(g, scale) is E‖ĝ − g‖² for the paper's Definition 6, one Gaussian probe.

    Source: claim A11. Raises: Wrong.
    """
    judge(
        variance,
        modified_variance,
        vectors(),
        {
            "That is E‖ĝ‖². The variance is what is left when ‖g‖², the square of the mean, is taken off.": (
                lambda g, scale: modified_variance(g, scale) + g.square().sum()
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


def best_scale(norms: Tensor, sizes: Tensor) -> Tensor:
    """The D of each layer for which E‖ĝ‖² is least, up to a common factor.

    Formula: D² ∝ ‖g_ℓ‖/√p_ℓ, where p_ℓ is the size of the layer. Source: derived; claim A11 is p = 1.

    >>> best_scale(torch.tensor([4.0, 9.0]), torch.ones(2))
    tensor([2., 3.])
    """
    return (norms / sizes.sqrt()).sqrt()


def check_best_scale(scale: Answer) -> None:
    """Whether scale(norms, sizes) makes E‖ĝ‖² least over one D for each layer; a common factor is free.

    Raises: Wrong.
    """
    cases = [((1.0, 0.3, 0.1), (6, 6, 6)), ((1.0, 2.0, 0.5), (2, 10, 50))]
    tensors = [tuple(torch.tensor(part, dtype=torch.float64) for part in case) for case in cases]
    judge(
        up_to_a_factor(scale),
        up_to_a_factor(best_scale),
        [{"norms": norms, "sizes": sizes} for norms, sizes in tensors],
        {
            "That is the choice in print; on layers of one size it has the norm of no scale at all.": (
                up_to_a_factor(lambda norms, sizes: norms)
            ),
            "That is right for layers of one size: tr(D²) counts D² once for each of a layer's p coordinates.": (
                up_to_a_factor(lambda norms, sizes: norms.sqrt())
            ),
            "That is D²: take the root.": up_to_a_factor(lambda norms, sizes: norms / sizes.sqrt()),
            "‖g‖² is already the sum over the layer, tr(D²) is p·D²: so p comes in as √p.": (
                up_to_a_factor(lambda norms, sizes: (norms / sizes).sqrt())
            ),
        },
    )


def up_to_a_factor(scale: Answer) -> Answer:
    def normalised(**case: Tensor) -> Any:
        given = ask(scale, **case)
        try:
            given = numbers(given)
        except Exception:  # `judge` says what it is instead
            return given
        return given / given.norm()

    return normalised


def check_residual_formula(formula: Answer | str) -> None:
    """Whether the draws agree with a formula of E‖ĝ‖² for residual feedback, in d, g2, delta and eps.

    As `mezo-lab verify residual-feedback --expect`; a formula that fits is then asked for other ‖g‖, Δ and ε.

    Args: formula: the student's function, which returns text; or the text.
    Raises: Wrong, where the draws refute it, where it is not arithmetic, and where it has other names than these.

    >>> check_residual_formula("(2*d+2)*g2 + d*delta**2/eps**2")
    ✓ the draws agree with (2*d+2)*g2 + d*delta**2/eps**2 in 2 cases
    """
    claim, law = claim_named("residual-feedback"), law_named("gaussian")
    expect = formula_of(formula, {"d", *ELSEWHERE})
    text = expect.text
    for case in RESIDUAL:
        value_of(expect, claim.experiment(law, **case).symbols)
        value_of(expect, claim.experiment(law, **case).symbols | ELSEWHERE)
    for case in RESIDUAL:
        verdict = check(claim, law, case, draws=DRAWS, expect=expect)
        if verdict.status is Status.REFUTED:
            found = f"{verdict.estimate}, z = {verdict.z_score:+.0f}"
            where = f"At d = {case['dim']} the draws refute {text} = {verdict.expected:.6g}: they give {found}."
            raise Wrong(f"{where} {hint(expect)}")
    values = claim.experiment(law, **RESIDUAL[0]).symbols | ELSEWHERE
    truth = theory.residual_feedback_norm(values["d"], values["g2"], values["delta"], values["eps"])
    if not same(value_of(expect, values), truth):
        raise Wrong("It fits where ‖g‖ = 1 and Δ = ε, as in these draws: write it with g2, delta and eps for others.")
    print(f"✓ the draws agree with {text} in {len(RESIDUAL)} cases")


def hint(formula: Expression) -> str:
    """What the formula overlooks, where its values are those of a known slip.

    >>> hint(Expression("g2*(d+2)"))[:32]
    'That is the two-point estimator.'
    """
    claim, law = claim_named("residual-feedback"), law_named("gaussian")
    cases = [claim.experiment(law, **case).symbols | ELSEWHERE for case in RESIDUAL]
    for slip, sentence in RESIDUAL_SLIPS.items():
        if all(same(formula(case), Expression(slip)(case)) for case in cases):
            return sentence
    return "Write ĝ = (zₜᵀg − zₜ₋₁ᵀg + Δ/ε)·zₜ and square it: which products have a mean?"
