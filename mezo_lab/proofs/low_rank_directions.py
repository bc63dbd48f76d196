"""Claim E1: z = vec(UVᵀ)/√k, for a matrix of p rows and q columns, any k and any i.i.d. law of the factors."""

from collections.abc import Callable

import sympy
from sympy import QQ, Expr, Integer

from mezo_lab import theory
from mezo_lab.proofs.algebra import factored, put
from mezo_lab.proofs.case import Case
from mezo_lab.proofs.forms import linearised
from mezo_lab.proofs.laws import Weights, weights
from mezo_lab.proofs.matrix_case import ALONG, COLUMNS, WHOLE, MatrixCase, combined, product_of, times, transposed
from mezo_lab.proofs.notation import Scalar, columns, d, equation, inner, n, rows
from mezo_lab.proofs.proof import Conclusion, Proof, theory_moments
from mezo_lab.proofs.step import Step
from mezo_lab.proofs.wick import Pattern, Piece, cycle, expectation, matrix, table, vector

# factors of one column of U: its inner product with Gv, and its square; then the same of v
_SLOPES = [vector("Gv"), vector("Gv"), matrix("I")]
_SQUARES = [matrix("GᵀG"), matrix("I")]
_SLOPES_APART = [vector("Gv"), matrix("I", "z", "z′"), vector("Gv′", "z′")]
_SQUARES_APART = [matrix("GᵀG", "z", "z′"), matrix("I", "z", "z′")]
_GRAM = {cycle("GᵀG"): WHOLE, cycle("GᵀW"): ALONG}


def low_rank_direction(law: str) -> Proof:
    """E1: E‖ĝ‖² = ((n − 1 + c)/n)·‖G‖² with c = pq + 2 + ((κ−1)(p+q+κ−1) − 2)/k, and E[cos²] = 1/(pq)."""
    weight = weights(law)
    of_rows = _sized(weight, rows)
    of_columns = _sized(weight, columns)
    mean = put(expectation([matrix("GᵀW")], of_columns), _GRAM)
    length = expectation([matrix("I")], of_rows) * expectation([matrix("I")], of_columns)
    one_u = factored(expectation(_SLOPES, of_rows) / Scalar("‖Gv‖²", positive=True))
    one = factored(one_u * put(expectation(_SQUARES, of_columns), _GRAM))
    apart = put(expectation([matrix("GᵀG")], of_columns), _GRAM) * length
    mixed = put(expectation(_SQUARES_APART, of_columns), _GRAM)
    names = tuple(Scalar(name) for name in ("A", "B", "C"))
    counted = (inner * names[0] + inner * (inner - 1) * (names[1] + 2 * names[2])) / inner**2
    c = factored(put(counted, dict(zip(names, (one, apart, mixed), strict=True))) / WHOLE)
    squared = factored((n - 1 + c) / n) * WHOLE
    steps = (
        *linearised(),
        Step(
            "Write z = vec(UVᵀ)/√k, a sum over the k columns uⱼ of U and vⱼ of V, and G for the gradient as a matrix. "
            "All 2k columns are independent vectors of the law, u of p coordinates and v of q: what is said below of z "
            "and its d coordinates holds for each of them.",
            equation("zᵀg", Scalar("Σⱼ uⱼᵀGvⱼ") / sympy.sqrt(inner)),
        ),
        *weight.second_steps,
        Step(
            "Measure ĝ along w = vec(W). Of the k² terms of zᵀg·zᵀw the k with one column count.",
            equation("E[zᵀg·zᵀw]", inner * Scalar("E[uᵀGv·uᵀWv]") / inner),
        ),
        _step("Average over u, then over v", "E[uᵀGv·uᵀWv]", [matrix("GᵀW")], of_columns, mean),
        Step("So E[zzᵀ] = I and ĝ is unbiased. ‖z‖² = ‖UVᵀ‖²/k, and", equation("E[(zᵀg)²·zᵀz]", counted)),
        Step(
            "The four columns of (zᵀg)²·zᵀz must be equal in pairs: k terms have one column, A; in k(k−1) the two of "
            "(zᵀg)² are one and those of zᵀz another, B; in 2k(k−1) each of (zᵀg)² is one of zᵀz, C.",
            equation("A", Scalar("E[(uᵀGv)²·‖u‖²·‖v‖²]")),
        ),
        *weight.fourth_steps,
        _step("A: average over u, which has p coordinates", "E[(uᵀGv)²·‖u‖²]", _SLOPES, of_rows),
        _step("Then over v, which has q: ‖Gv‖² = vᵀGᵀGv", "E[‖Gv‖²·‖v‖²]", _SQUARES, of_columns),
        Step("Together, with tr(GᵀG) = ‖G‖²:", equation("A", one)),
        Step("B is a product of two means, E[(uᵀGv)²] = ‖G‖² and E[‖u′‖²·‖v′‖²] = pq.", equation("B", apart)),
        Step("Two columns are independent: their second moments multiply.", weight.cross_steps[0].formula),
        _step("C: average over u and u′", "E[uᵀGv·u′ᵀGv′·uᵀu′]", _SLOPES_APART, of_rows),
        _step("Then over v and v′", "E[vᵀGᵀGv′·vᵀv′]", _SQUARES_APART, of_columns),
        Step("This is ‖G‖² again.", equation("C", mixed)),
        Step("Put the three in: this is the c of E[‖z‖²zzᵀ] = c·I, measured along g.", equation("c", c)),
        Step(
            "n probes: n terms of ‖ĝ‖² meet one probe, n(n−1) meet two, which are independent.",
            equation("E‖ĝ‖²", squared),
        ),
    )
    kurtosis = theory_moments(law).coincidence + 3
    claimed = (n - 1 + theory.low_rank_fourth_moment(rows, columns, inner, kurtosis)) / n * WHOLE
    conclusions = (
        Conclusion("E‖ĝ‖²", squared, claimed, _exact_norm),
        Conclusion("E[tr(ĝᵀW)]", mean, ALONG, _exact_mean),
    )
    if law != "iid":  # which may be skewed
        cosine, cosine_steps = _cosine()
        steps += cosine_steps
        conclusions += (Conclusion("E[cos²(ĝ, g)]", cosine, theory.capture(rows * columns, 1)),)
    return Proof("E1", "low-rank-direction", law, steps, conclusions)


def _cosine() -> tuple[Expr, tuple[Step, ...]]:
    share = Scalar("x")
    entry = Scalar("E[zᵢ²/‖z‖²]")
    (value,) = sympy.solve(rows * columns * share - 1, share)
    return value, (
        Step(
            "The angle of one direction: signs of single rows or columns of UVᵀ may be flipped, and rows and columns "
            "reordered, without changing its law. So E[zzᵀ/‖z‖²] is a multiple of I; its trace is 1.",
            equation(rows * columns * entry, Integer(1)),
        ),
        Step("Hence, whatever k (signs of k ≥ 2 where z ≠ 0),", equation("E[cos²(ĝ,g)]", value)),
    )


def _sized(weight: Weights, size: Expr) -> Callable[[Pattern], Expr]:
    """The weights for vectors of another length than d, the length entering by traces of I."""
    return lambda pattern: put(weight(pattern) * pattern.value, {d: size}) / pattern.value


def _step(what: str, name: str, pieces: list[Piece], weight: Callable[[Pattern], Expr], result: Expr | None = None):
    value = result if result is not None else expectation(pieces, weight)
    return Step(f"{what}. {table(pieces, weight)}.", equation(name, factored(value)))


def _directions(case: Case) -> tuple[MatrixCase, list, int]:
    """UVᵀ of each probe, and the number of unknowns in all."""
    instance = MatrixCase(case.law, case.dim, case.probes)
    shapes = [(instance.rows, instance.rank), (COLUMNS, instance.rank)] * case.probes
    unknown = instance.unknown(*shapes)
    directions = [times(u, transposed(v)) for u, v in zip(unknown[::2], unknown[1::2], strict=True)]
    return instance, directions, sum(height * width for height, width in shapes)


def _estimate(instance: MatrixCase, directions: list):
    """ĝ = (1/n)·Σ zzᵀg, z = UVᵀ/√k."""
    total = [[QQ(0)] * COLUMNS for _ in range(instance.rows)]
    for direction in directions:
        slope = product_of(direction, instance.gradient)
        total = combined(total, slope * QQ(1, instance.rank * len(directions)), direction)
    return total


def _exact_norm(case: Case) -> Expr:
    instance, directions, size = _directions(case)
    estimate = _estimate(instance, directions)
    return instance.mean(product_of(estimate, estimate), size)


def _exact_mean(case: Case) -> Expr:
    instance, directions, size = _directions(case)
    return instance.mean(product_of(_estimate(instance, directions), instance.other), size)
