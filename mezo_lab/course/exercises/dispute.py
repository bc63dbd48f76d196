"""Notebook 3: the (d+n±1)/n dispute."""

from mezo_lab import theory
from mezo_lab.claims import Status, check, claim_named
from mezo_lab.claims.wording import distance_text, number_text
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
from mezo_lab.theory import Expression, printed

__all__ = ["check_mixed_factor", "check_orthogonal_formula", "check_sparse_kurtosis"]

_FACTORS = [
    {"dim": 10, "gaussian": 2, "sphere": 2},
    {"dim": 10, "gaussian": 1, "sphere": 0},
    {"dim": 50, "gaussian": 0, "sphere": 3},
    {"dim": 7, "gaussian": 3, "sphere": 1},
]
# chosen so that no formula in d alone or in n alone fits, and no linear one that anybody would write
_ORTHOGONAL = [{"dim": 7, "probes": 3}, {"dim": 10, "probes": 2}, {"dim": 7, "probes": 2}]
_SPARSE_KURTOSIS = 0.1 * 10**2  # ±√10 one time in ten
_KURTOSIS_MISTAKES = {
    1.0: "That is E[z²], the variance; the kurtosis is E[z⁴].",
    100.0: "That is z⁴ where z is not 0, which is one time in ten.",
    7.0: "That is the excess over the Gaussian's 3; κ itself is E[z⁴].",
}
_DRAWS = 50_000  # the factor to a part in a thousand, in a fraction of a second
_FORMULA_MISTAKES = {
    "(d+n-1)/n": "That is for independent probes: here a term with i ≠ j has zᵢᵀzⱼ = 0, so it is 0.",
    "(d+n+1)/n": "That is for independent Gaussian probes: here zᵢᵀzⱼ = 0, and each probe lies on the sphere.",
    "(d+2)/n": "The terms are counted right, but d + 2 is the c of Gaussian probes: on the sphere it is d.",
    "d/n - 1": "That is the variance, E‖ĝ − g‖²/‖g‖²: the norm has ‖g‖² itself on top.",
    "d/n**2": "Of the n² terms the n with i = j are left, and not one alone.",
    "d**2/n**2": "ĝ is d/n times the projection of g on the span, and that projection holds only a share n/d of ‖g‖².",
    "1": "ĝ is not the projection of g on the span of the probes, but a multiple of it: which one?",
    "n/d": "n/d is the share of ‖g‖² in the span of the probes, and ĝ is a multiple of that part of g: which one?",
    "d": "That is one probe alone: with zᵢᵀzⱼ = 0, n of the n² terms are left. What is their sum divided by?",
}


def check_mixed_factor(factor: Answer) -> None:
    """Whether factor(dim, gaussian, sphere) is E‖ĝ‖²/‖g‖² of a step with so many probes of each law.

    Source: claim A2; the mean of the two constants, weighted by the probes. Raises: WrongAnswer.
    """
    grade(
        factor,
        _mixed_factor,
        _FACTORS,
        {
            "Count the probes: the plain mean of both constants is right for as many of one law as of the other.": (
                "(dim + gaussian + sphere) / (gaussian + sphere)"
            ),
            "That is the factor with Gaussian probes alone.": "(dim + gaussian + sphere + 1) / (gaussian + sphere)",
            "That is the factor on the sphere alone.": "(dim + gaussian + sphere - 1) / (gaussian + sphere)",
            "The terms with i ≠ j count too: there are n(n−1), each ‖g‖², whatever the two laws are.": (
                "(gaussian * (dim + 2) + sphere * dim) / (gaussian + sphere)**2"
            ),
            "That is the variance, E‖ĝ − g‖²/‖g‖²: the norm has ‖g‖² itself on top.": "truth - 1",
            "ĝ is the mean of n probes, so the sum over the pairs is divided by n², not by n.": (
                "truth * (gaussian + sphere)"
            ),
            "That is the sum over the pairs: ĝ is the mean of n probes, so it is divided by n².": (
                "truth * (gaussian + sphere)**2"
            ),
            "‖z‖² has z₁² once and d − 1 others: for a Gaussian probe κ + d − 1 is d + 2.": (
                "truth + gaussian / (gaussian + sphere)**2"
            ),
            "The constants c are swapped: the Gaussian's is d + 2, the sphere's is d.": (
                "(dim + gaussian + sphere - 1) / (gaussian + sphere) + 2 * sphere / (gaussian + sphere)**2"
            ),
        },
    )


def _mixed_factor(dim: int, gaussian: int, sphere: int) -> float:
    probes = gaussian + sphere
    weights = {"gaussian": gaussian / probes, "sphere": sphere / probes}
    return sum(weight * theory.norm_factor(dim, probes, law_named(law).moments(dim)) for law, weight in weights.items())


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
            value = "" if not expect.names else f" = {number_text(verdict.expected)}"
            raise WrongAnswer(
                f"At d = {case['dim']}, n = {case['probes']} the draws refute {printed(expect.text)}{value}: "
                f"they give {verdict.estimate}, at a distance of "
                f"{distance_text(verdict.z_score)}. {_hint(expect)}"
            )
    print(f"✓ the draws agree with {printed(expect.text)} in {len(_ORTHOGONAL)} cases")


def _hint(formula: Expression) -> str:
    """What the formula overlooks, where its values are those of a known mistake."""
    claim = claim_named("norm-factor")
    law = law_named("orthogonal")
    cases = [claim.experiment(law, **case).symbols for case in _ORTHOGONAL]
    general = "Write ‖ĝ‖² as a double sum over i and j: which of its terms are left when zᵢᵀzⱼ = 0?"
    return formula_hint(formula, _FORMULA_MISTAKES, cases, general)
