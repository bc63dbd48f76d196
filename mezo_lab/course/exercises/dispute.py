"""Notebook 3: the (d+n±1)/n dispute."""

from mezo_lab import theory
from mezo_lab.claims import Status, check, claim_named
from mezo_lab.course.exercises.ask import Answer, Wrong, ask
from mezo_lab.course.exercises.judge import formula_of, judge, numbers, numbers_of, same, value_of
from mezo_lab.sampling import law_named
from mezo_lab.theory import Expression

FACTORS = [
    {"dim": 10, "probes": 1, "kurtosis": 3.0},
    {"dim": 10, "probes": 4, "kurtosis": 1.0},
    {"dim": 50, "probes": 3, "kurtosis": 1.8},
    {"dim": 7, "probes": 2, "kurtosis": 10.0},
]
# so that no formula of d alone or n alone fits
ORTHOGONAL = [{"dim": d, "probes": n} for d, n in [(6, 3), (8, 2), (6, 2)]]
SPARSE = 0.1 * 10**2  # ±√10 one time in ten
SPARSE_SLIPS = {
    1.0: "That is E[z²], the variance; the kurtosis is E[z⁴].",
    100.0: "That is z⁴ where z is not 0, which is one time in ten.",
    7.0: "That is the excess over the Gaussian's 3; κ itself is E[z⁴].",
}
DRAWS = 50_000  # the factor to a part in a thousand, in a fraction of a second
SLIPS = {
    "(d+n-1)/n": "That is for independent probes: here a term with i ≠ j has zᵢᵀzⱼ = 0, so it is 0.",
    "n/d": "n/d is the share of ‖g‖² in the span of the probes; ĝ is d/n times that part of g, so ‖ĝ‖² has (d/n)².",
    "d": "With zᵢᵀzⱼ = 0, n of the n² terms are left, each d·‖g‖², and ‖ĝ‖² divides by n².",
}


def check_norm_factor(factor: Answer) -> None:
    """Whether factor(dim, probes, kurtosis) is E‖ĝ‖²/‖g‖² for independent coordinates.

    Source: claim A2, the i.i.d. laws. Raises: Wrong.
    """
    judge(
        factor,
        lambda dim, probes, kurtosis: theory.norm_factor(dim, probes, theory.Moments(1, kurtosis - 3)),
        FACTORS,
        {
            "(d+n−1)/n is right for κ = 1: let it depend on κ.": lambda dim, probes, kurtosis: (
                (dim + probes - 1) / probes
            ),
            "(d+n+1)/n is right for κ = 3, the Gaussian: let it depend on κ.": lambda dim, probes, kurtosis: (
                (dim + probes + 1) / probes
            ),
            "The terms with i ≠ j count too: there are n(n−1), each ‖g‖².": lambda dim, probes, kurtosis: (
                (dim - 1 + kurtosis) / probes
            ),
            "That is the variance, E‖ĝ − g‖²/‖g‖²: the norm has ‖g‖² itself on top.": lambda dim, probes, kurtosis: (
                (dim + kurtosis - 2) / probes
            ),
            "ĝ is the mean of n probes, not their sum: divide by n.": lambda dim, probes, kurtosis: (
                dim + probes + kurtosis - 2
            ),
            "‖z‖² has z₁² once and d − 1 others: E[‖z‖²z₁²] = κ + d − 1.": lambda dim, probes, kurtosis: (
                (dim + probes + kurtosis - 1) / probes
            ),
        },
    )


def check_sparse_kurtosis(kurtosis: Answer) -> None:
    """Whether kurtosis() is κ of a coordinate that is ±√10 one time in ten and 0 otherwise. Raises: Wrong.

    >>> check_sparse_kurtosis(lambda: 1)
    Traceback (most recent call last):
    mezo_lab.course.exercises.ask.Wrong: That is E[z²], the variance; the kurtosis is E[z⁴].
    """
    found = numbers_of(ask(kurtosis), numbers(SPARSE))
    if not same(found, SPARSE):
        raise Wrong(SPARSE_SLIPS.get(float(found), "κ = E[z⁴]: what is z⁴ where z is not 0, and how often is that?"))
    print("✓ the kurtosis of the sparse law")


def check_orthogonal_formula(formula: Answer | str) -> None:
    """Whether the draws agree with a formula of E‖ĝ‖²/‖g‖² for orthogonal probes, in d and n alone.

    As `mezo-lab verify norm-factor --law orthogonal --expect`: no answer is stored here, the draws decide.

    Args: formula: the student's function, which returns text; or the text.
    Raises: Wrong, where the draws refute it, where it is not arithmetic, and where it has other names than d and n.

    >>> check_orthogonal_formula("d/n")
    ✓ the draws agree with d/n in 3 cases
    """
    expect, claim, law = formula_of(formula, {"d", "n"}), claim_named("norm-factor"), law_named("orthogonal")
    text = expect.text
    for case in ORTHOGONAL:
        value_of(expect, {"d": case["dim"], "n": case["probes"]})
    for case in ORTHOGONAL:
        verdict = check(claim, law, case, draws=DRAWS, expect=expect)
        if verdict.status is Status.REFUTED:
            where, found = f"d = {case['dim']}, n = {case['probes']}", f"{verdict.estimate}, z = {verdict.z_score:+.0f}"
            raise Wrong(
                f"At {where} the draws refute {text} = {verdict.expected:.6g}: they give {found}. {hint(expect)}"
            )
    print(f"✓ the draws agree with {text} in {len(ORTHOGONAL)} cases")


def hint(formula: Expression) -> str:
    """What the formula overlooks, where its values are those of a known slip.

    >>> hint(Expression("1 + (d-1)/n"))[:31]
    'That is for independent probes:'
    """
    claim, law = claim_named("norm-factor"), law_named("orthogonal")
    cases = [claim.experiment(law, **case).symbols for case in ORTHOGONAL]
    for slip, sentence in SLIPS.items():
        if all(same(formula(case), Expression(slip)(case)) for case in cases):
            return sentence
    return "Write ‖ĝ‖² as a double sum over i and j: which of its terms are left when zᵢᵀzⱼ = 0?"
