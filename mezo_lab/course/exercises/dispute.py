"""Notebook 3: the (d+n±1)/n dispute."""

from mezo_lab import theory
from mezo_lab.claims import Status, check, claim_named
from mezo_lab.course.exercises.answers import Answer, WrongAnswer, call_answer
from mezo_lab.course.exercises.grading import (
    answer_numbers,
    as_numbers,
    formula_hint,
    formula_value,
    grade,
    is_close,
    student_formula,
)
from mezo_lab.sampling import law_named
from mezo_lab.theory import Expression

__all__ = ["check_norm_factor", "check_orthogonal_formula", "check_sparse_kurtosis"]

_FACTORS = [
    {"dim": 10, "probes": 1, "kurtosis": 3.0},
    {"dim": 10, "probes": 4, "kurtosis": 1.0},
    {"dim": 50, "probes": 3, "kurtosis": 1.8},
    {"dim": 7, "probes": 2, "kurtosis": 10.0},
]
# chosen so that no formula in d alone or in n alone fits
_ORTHOGONAL = [{"dim": 6, "probes": 3}, {"dim": 8, "probes": 2}, {"dim": 6, "probes": 2}]
_SPARSE_KURTOSIS = 0.1 * 10**2  # ±√10 one time in ten
_KURTOSIS_MISTAKES = {
    1.0: "That is E[z²], the variance; the kurtosis is E[z⁴].",
    100.0: "That is z⁴ where z is not 0, which is one time in ten.",
    7.0: "That is the excess over the Gaussian's 3; κ itself is E[z⁴].",
}
_DRAWS = 50_000  # the factor to a part in a thousand, in a fraction of a second
_FORMULA_MISTAKES = {
    "(d+n-1)/n": "That is for independent probes: here a term with i ≠ j has zᵢᵀzⱼ = 0, so it is 0.",
    "n/d": "n/d is the share of ‖g‖² in the span of the probes; ĝ is d/n times that part of g, so ‖ĝ‖² has (d/n)².",
    "d": "With zᵢᵀzⱼ = 0, n of the n² terms are left, each d·‖g‖², and ‖ĝ‖² divides by n².",
}


def check_norm_factor(factor: Answer) -> None:
    """Whether factor(dim, probes, kurtosis) is E‖ĝ‖²/‖g‖² for independent coordinates.

    Source: claim A2, the i.i.d. laws. Raises: WrongAnswer.
    """
    grade(
        factor,
        lambda dim, probes, kurtosis: theory.norm_factor(dim, probes, theory.Moments(1, kurtosis - 3)),
        _FACTORS,
        {
            "(d+n−1)/n is right for κ = 1: let it depend on κ.": "(dim + probes - 1) / probes",
            "(d+n+1)/n is right for κ = 3, the Gaussian: let it depend on κ.": "(dim + probes + 1) / probes",
            "The terms with i ≠ j count too: there are n(n−1), each ‖g‖².": "(dim - 1 + kurtosis) / probes",
            "That is the variance, E‖ĝ − g‖²/‖g‖²: the norm has ‖g‖² itself on top.": ("(dim + kurtosis - 2) / probes"),
            "ĝ is the mean of n probes, not their sum: divide by n.": "dim + probes + kurtosis - 2",
            "‖z‖² has z₁² once and d − 1 others: E[‖z‖²z₁²] = κ + d − 1.": "(dim + probes + kurtosis - 1) / probes",
        },
    )


def check_sparse_kurtosis(kurtosis: Answer) -> None:
    """Whether kurtosis() is κ of a coordinate that is ±√10 one time in ten and 0 otherwise. Raises: WrongAnswer.

    >>> check_sparse_kurtosis(lambda: 1)
    Traceback (most recent call last):
    mezo_lab.course.exercises.answers.WrongAnswer: That is E[z²], the variance; the kurtosis is E[z⁴].
    """
    value = answer_numbers(call_answer(kurtosis), as_numbers(_SPARSE_KURTOSIS))
    if not is_close(value, _SPARSE_KURTOSIS):
        hint = "κ = E[z⁴]: what is z⁴ where z is not 0, and how often is that?"
        raise WrongAnswer(_KURTOSIS_MISTAKES.get(float(value), hint))
    print("✓ the kurtosis of the sparse law")


def check_orthogonal_formula(formula: Answer | str) -> None:
    """Whether the draws agree with a formula of E‖ĝ‖²/‖g‖² for orthogonal probes, in d and n alone.

    As `mezo-lab verify norm-factor --law orthogonal --expect`: no answer is stored here, the draws decide.

    Args: formula: the student's function, which returns text; or the text.
    Raises: WrongAnswer where the draws refute the formula, where it is not arithmetic, and where it has other names.

    >>> check_orthogonal_formula("d/n")
    ✓ the draws agree with d/n in 3 cases
    """
    expect = student_formula(formula, {"d", "n"})
    claim = claim_named("norm-factor")
    law = law_named("orthogonal")
    for case in _ORTHOGONAL:
        formula_value(expect, {"d": case["dim"], "n": case["probes"]})
    for case in _ORTHOGONAL:
        verdict = check(claim, law, case, draws=_DRAWS, expect=expect)
        if verdict.status is Status.REFUTED:
            raise WrongAnswer(
                f"At d = {case['dim']}, n = {case['probes']} the draws refute {expect.text} = {verdict.expected:.6g}: "
                f"they give {verdict.estimate}, z = {verdict.z_score:+.0f}. {_hint(expect)}"
            )
    print(f"✓ the draws agree with {expect.text} in {len(_ORTHOGONAL)} cases")


def _hint(formula: Expression) -> str:
    """What the formula overlooks, where its values are those of a known mistake."""
    claim = claim_named("norm-factor")
    law = law_named("orthogonal")
    cases = [claim.experiment(law, **case).symbols for case in _ORTHOGONAL]
    general = "Write ‖ĝ‖² as a double sum over i and j: which of its terms are left when zᵢᵀzⱼ = 0?"
    return formula_hint(formula, _FORMULA_MISTAKES, cases, general)
