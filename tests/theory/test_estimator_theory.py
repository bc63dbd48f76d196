"""Section A's closed forms: the printed per-law formulas, symbols as well as numbers, and sums over every outcome."""

import math
from fractions import Fraction
from itertools import product

import pytest
import sympy
from scipy import integrate, stats

from mezo_lab import theory
from mezo_lab.sampling import LAWS

FOURTH_MOMENTS = {  # as printed in the table of laws
    "gaussian": lambda d: d + 2,
    "rademacher": lambda d: d,
    "uniform": lambda d: d + Fraction(4, 5),
    "three-point": lambda d: d + 2,
    "sphere": lambda d: d,
    "coordinate": lambda d: d,
}
NORM_FACTORS = {  # as printed in claim A2
    "gaussian": lambda d, n: (d + n + 1) / n,
    "rademacher": lambda d, n: (d + n - 1) / n,
    "uniform": lambda d, n: (d + n + Fraction(9, 5) - 2) / n,
    "three-point": lambda d, n: (d + n + 1) / n,
    "sphere": lambda d, n: (d + n - 1) / n,
    "coordinate": lambda d, n: (d + n - 1) / n,
    "orthogonal": lambda d, n: d / n,
}
ALPHABETS = {  # law → (equally likely outcomes of one probe in d dimensions, up to a factor; the factor squared)
    "rademacher": lambda d: (list(product([-1, 1], repeat=d)), 1),
    "three-point": lambda d: (list(product([0, 0, 0, 0, -1, 1], repeat=d)), 3),
    "coordinate": lambda d: ([tuple(s * (i == j) for i in range(d)) for j in range(d) for s in (-1, 1)], d),
}
d, n, g = sympy.symbols("d n g", positive=True)


def sizes(law: str) -> list[tuple[Fraction, Fraction]]:
    pairs = product([1, 2, 3, 7, 50, 10**6], [1, 2, 5, 64])
    return [(Fraction(d), Fraction(n)) for d, n in pairs if n <= d or law != "orthogonal"]


def enumerated_second_moment(law: str, gradient: list[Fraction], u: list[Fraction], probes: int) -> Fraction:
    """E(uᵀĝ)², ĝ = (1/n) Σ z zᵀ g, as the exact mean over every outcome of every probe."""
    outcomes, square = ALPHABETS[law](len(gradient))
    along = [sum(z * x for z, x in zip(o, gradient, strict=True)) for o in outcomes]
    seen = [a * sum(z * x for z, x in zip(o, u, strict=True)) for a, o in zip(along, outcomes, strict=True)]
    terms = [sum(chosen) ** 2 for chosen in product(seen, repeat=probes)]
    return Fraction(square**2, probes**2) * sum(terms) / len(terms)


def gaussian_mean(polynomial: sympy.Expr, *z: sympy.Symbol) -> sympy.Expr:
    """The exact mean of a polynomial in independent standard normals: E z^2k = (2k−1)!!, odd powers vanish."""
    terms = sympy.Poly(sympy.expand(polynomial), *z).terms()
    moments = [math.prod(0 if k % 2 else sympy.factorial2(k - 1) for k in powers) for powers, _ in terms]
    return sum(moment * factor for moment, (_, factor) in zip(moments, terms, strict=True))


@pytest.mark.parametrize("law", FOURTH_MOMENTS)
def test_the_fourth_moment_is_the_c_printed_for_the_law(law):
    assert all(LAWS[law].fourth_moment(d) == FOURTH_MOMENTS[law](d) for d, _ in sizes(law))
    assert sympy.simplify(LAWS[law].fourth_moment(d) - FOURTH_MOMENTS[law](d)) == 0


@pytest.mark.parametrize("law", LAWS)
def test_the_norm_factor_is_the_one_printed_for_the_law(law):
    for d, n in sizes(law):
        assert theory.norm_factor(d, n, LAWS[law].moments(d)) == NORM_FACTORS[law](d, n)


@pytest.mark.parametrize("law", LAWS)
def test_the_norm_factor_of_symbols_is_the_printed_formula(law):
    assert sympy.simplify(theory.norm_factor(d, n, LAWS[law].moments(d)) - NORM_FACTORS[law](d, n)) == 0


@pytest.mark.parametrize("law", LAWS)
def test_the_norm_factor_follows_from_the_two_contracted_moments(law):
    moments = LAWS[law].moments(d)
    contracted = (theory.fourth_moment(d, moments) + (n - 1) * theory.cross_moment(d, moments)) / n
    assert sympy.simplify(theory.norm_factor(d, n, moments) - contracted) == 0


def test_probes_of_one_step_are_uncorrelated_unless_they_are_orthogonal():
    cross = {name: sympy.simplify(theory.cross_moment(d, law.moments(d))) for name, law in LAWS.items()}
    assert cross == {name: 0 if name == "orthogonal" else 1 for name in LAWS}


def test_a_frame_of_d_orthogonal_probes_returns_the_gradient_itself():
    for dim in (Fraction(k) for k in range(1, 30)):
        assert theory.variance_factor(dim, dim, LAWS["orthogonal"].moments(dim)) == 0


@pytest.mark.parametrize(
    ("law", "dim", "probes"), [(law, d, n) for law in ALPHABETS for d, n in [(1, 1), (2, 2), (3, 2)]]
)
def test_the_second_moment_equals_the_mean_over_every_outcome(law, dim, probes):
    gradient = [Fraction(1), Fraction(-2, 3), Fraction(5)][:dim]
    u = [Fraction(2), Fraction(1, 7), Fraction(-1)][:dim]
    outer = sum(a * b for a, b in zip(u, gradient, strict=True)) ** 2
    trace = sum(a * a for a in u) * sum(b * b for b in gradient)
    diagonal = sum((a * b) ** 2 for a, b in zip(u, gradient, strict=True))
    moments = LAWS[law].moments(Fraction(dim))
    stated = theory.second_moment(outer, trace, diagonal, probes=Fraction(probes), moments=moments)
    assert stated == enumerated_second_moment(law, gradient, u, probes)
    without_kurtosis = moments._replace(coincidence=0)
    wrong = theory.second_moment(outer, trace, diagonal, probes=Fraction(probes), moments=without_kurtosis)
    assert (wrong == stated) == (moments.coincidence == 0)  # the sum over outcomes catches a dropped κ − 3


@pytest.mark.parametrize("law", LAWS)
def test_the_variance_is_the_norm_factor_less_one(law):
    for d, n in sizes(law):
        assert theory.variance_factor(d, n, LAWS[law].moments(d)) == NORM_FACTORS[law](d, n) - 1


def test_n_probes_capture_the_share_n_over_d():
    assert theory.capture(Fraction(50), Fraction(4)) == Fraction(2, 25)
    assert theory.capture(d, n) == n / d


@pytest.mark.parametrize("law", [law for law in LAWS if law != "orthogonal"])
def test_minibatch_noise_enters_as_printed(law):
    noise = sympy.Symbol("S")
    moments, c = LAWS[law].moments(d), FOURTH_MOMENTS[law](d)
    shared = NORM_FACTORS[law](d, n) * (g**2 + noise)
    fresh = c / n * (g**2 + noise) + (n - 1) / n * g**2
    assert sympy.simplify(theory.minibatch_shared(g**2, noise, d, n, moments) - shared) == 0
    assert sympy.simplify(theory.minibatch_fresh(g**2, noise, d, n, moments) - fresh) == 0


def test_one_probe_cannot_tell_a_shared_minibatch_from_a_fresh_one():
    arguments = g**2, sympy.Symbol("S"), d, 1, LAWS["gaussian"].moments(d)
    assert sympy.expand(theory.minibatch_fresh(*arguments) - theory.minibatch_shared(*arguments)) == 0


def test_the_smoothing_bias_is_what_a_cubic_loss_shows():
    epsilon, a, b, x, z = sympy.symbols("epsilon a b x z")

    def loss(theta):
        return b * theta + a * theta**3 / 6

    estimate = (loss(x + epsilon * z) - loss(x - epsilon * z)) / (2 * epsilon) * z
    bias = gaussian_mean(estimate, z) - sympy.diff(loss(x), x)
    assert sympy.simplify(bias - theory.smoothing_bias(epsilon, a)) == 0


@pytest.mark.parametrize("kurtosis", [1, 3, Fraction(9, 5)])
def test_the_smoothing_bias_of_independent_coordinates_is_what_two_of_them_show(kurtosis):
    epsilon, a, b, x, y = sympy.symbols("epsilon a b x y")

    def loss(first, second):
        return a * first**3 / 6 + b * first * second**2 / 2

    slope = (loss(epsilon * x, epsilon * y) - loss(-epsilon * x, -epsilon * y)) / (2 * epsilon)
    means = {4: kurtosis, 2: 1, 0: 1}
    terms = sympy.Poly(sympy.expand(slope * x), x, y).terms()
    estimate = sum(coefficient * means[i] * means[j] for (i, j), coefficient in terms)
    bias = theory.smoothing_bias(epsilon, a + b, a, theory.independent_moments(kurtosis))
    assert sympy.simplify(estimate - bias) == 0


def test_the_one_sided_norm_is_what_a_quadratic_loss_shows():
    epsilon, h1, h2, g1, g2, z1, z2 = sympy.symbols("epsilon h1 h2 g1 g2 z1 z2")
    difference = g1 * z1 + g2 * z2 + epsilon / 2 * (h1 * z1**2 + h2 * z2**2)  # [L(θ+εz) − L(θ)]/ε
    exact = gaussian_mean(difference**2 * (z1**2 + z2**2), z1, z2)
    stated = theory.one_sided_norm(2, g1**2 + g2**2, h1 + h2, h1**2 + h2**2, epsilon)
    assert sympy.expand(exact - stated) == 0


def test_the_variance_modified_norm_is_what_a_linear_loss_shows():
    g1, g2, z1, z2 = sympy.symbols("g1 g2 z1 z2")
    d1, d2 = sympy.symbols("d1 d2", positive=True)
    projected = g1 * z1 / d1 + g2 * z2 / d2
    exact = gaussian_mean(projected**2 * ((d1 * z1) ** 2 + (d2 * z2) ** 2), z1, z2)
    stated = theory.variance_modified_norm(d1**2 + d2**2, (g1 / d1) ** 2 + (g2 / d2) ** 2, g1**2 + g2**2)
    assert sympy.expand(exact - stated) == 0


def test_residual_feedback_doubles_the_norm_even_where_the_loss_stands_still():
    epsilon, change, g1, g2, z1, z2, w1, w2 = sympy.symbols("epsilon Delta g1 g2 z1 z2 w1 w2")
    difference = change / epsilon + g1 * (z1 - w1) + g2 * (z2 - w2)  # w is the probe of the step before
    exact = gaussian_mean(difference**2 * (z1**2 + z2**2), z1, z2, w1, w2)
    assert sympy.expand(exact - theory.residual_feedback_norm(2, g1**2 + g2**2, change, epsilon)) == 0


def test_the_mean_magnitude_of_a_probe_is_an_integral():
    mean, error = integrate.quad(lambda z: 2 * z * stats.norm.pdf(z), 0, math.inf)
    assert abs(theory.probe_magnitude(3.0) - 3 * mean) < 3 * error + 1e-12
    assert theory.probe_magnitude(g, pi=sympy.pi) == sympy.sqrt(2 / sympy.pi) * g


def test_random_search_descends_only_below_its_largest_step():
    sigma, trace = sympy.symbols("sigma T", positive=True)
    change = theory.random_search_change(sigma, g, trace, pi=sympy.pi)
    assert sympy.simplify(change - (-sigma * sympy.sqrt(2 / sympy.pi) * g + sigma**2 * trace / 2)) == 0
    assert sympy.solve(change, sigma) == [2 * sympy.sqrt(2) * g / (sympy.sqrt(sympy.pi) * trace)]


@pytest.mark.parametrize("law", [law for law in LAWS if law != "orthogonal"])
def test_a_turned_law_keeps_its_fourth_moment_and_loses_its_coincidence(law):
    moments = LAWS[law].moments(d)
    turned = theory.rotation_average(d, moments)
    assert turned.coincidence == 0
    assert sympy.simplify(theory.fourth_moment(d, turned) - theory.fourth_moment(d, moments)) == 0


@pytest.mark.parametrize("law", ["rademacher", "coordinate", "sphere"])
def test_a_law_of_fixed_length_is_the_sphere_in_general_directions(law):
    assert sympy.simplify(theory.rotation_average(d, LAWS[law].moments(d)).pair - d / (d + 2)) == 0


@pytest.mark.parametrize(("dim", "rank", "expected"), [(20, 20, 20.0), (20, 10, 10.91), (20, 4, 5.45), (200, 4, 5.94)])
def test_turned_signs_have_neither_their_own_factor_nor_that_of_the_gaussian(dim, rank, expected):
    factor = theory.effective_rank_factor(rank, 1, theory.rotation_average(dim, LAWS["rademacher"].moments(dim)))
    assert round(factor, 2) == expected
    assert rank <= factor < rank + 2


def test_the_mean_of_a_coincidence_over_rotations_of_the_plane_is_the_one_that_turns():
    angle = sympy.Symbol("t", real=True)
    x, y = sympy.cos(angle), sympy.sin(angle)  # a rotation takes Σ_i z_i⁴ along e₁ to x⁴ + y⁴
    fourth, mixed = (
        sympy.integrate(over, (angle, 0, 2 * sympy.pi)) / (2 * sympy.pi)
        for over in (x**4 + y**4, x**2 * y**2 + y**2 * x**2)
    )
    plain, turned = theory.Moments(0, 1), theory.rotation_average(sympy.Integer(2), theory.Moments(0, 1))
    assert plain.coincidence == 1 and turned.pair == sympy.Rational(1, 4)
    assert (fourth, mixed) == (3 * turned.pair, turned.pair)


def test_residual_feedback_in_a_run_is_the_mean_over_its_chain_of_probes():
    a, g, second, first = sympy.symbols("a g Q R")
    w = sympy.Symbol("w")  # gᵀz of the step before, N(0, g²); R of the step before that is independent of it
    seen = w * (1 + a * (w + first))
    mean = gaussian_mean((seen**2).subs(w, g * w), w)
    mean = sympy.expand(mean).subs(first**2, second).subs(first, -a * g**2)  # E[R²] = Q, E[R] = −a‖g‖²
    (settled,) = sympy.solve(sympy.Eq(mean, second), second)
    stated = theory.residual_feedback_run_norm(d, g**2, a, 1)
    assert sympy.simplify((d + 2) * g**2 + d * settled - stated) == 0


def test_a_run_of_residual_feedback_is_shorter_than_the_mean_square_change_says():
    a, g = sympy.symbols("a g", positive=True)
    settled = g**2 * (1 + a**2 * g**2) / (1 - a**2 * g**2)
    change = sympy.sqrt(a**2 * (3 * g**4 + g**2 * settled))  # √E[Δ²]/ε
    apart = theory.residual_feedback_norm(d, g**2, change, 1) - theory.residual_feedback_run_norm(d, g**2, a, 1)
    assert sympy.simplify(apart - 2 * d * a**2 * g**4) == 0


@pytest.mark.parametrize("kurtosis", [1, Fraction(9, 5), 3])
@pytest.mark.parametrize("rank", [1, 2, 5])
def test_the_low_rank_law_has_the_c_that_its_factors_give(rank, kurtosis):
    """c·d = E‖z‖⁴ summed pair by pair: (Σ_ab (U_aᵀU_b)(V_aᵀV_b))²/k², the pairs that match being all that count."""
    rows, columns = 6, 4
    own = (rows**2 + rows * (kurtosis - 1)) * (columns**2 + columns * (kurtosis - 1))
    others = rank * (rank - 1) * ((rows * columns) ** 2 + 2 * rows * columns)
    length_fourth = (rank * own + others) / Fraction(rank**2)
    assert theory.low_rank_fourth_moment(rows, columns, Fraction(rank), kurtosis) == length_fourth / (rows * columns)


def test_low_rank_directions_do_not_have_the_variance_of_the_numbers_drawn():
    gaussian = [theory.low_rank_fourth_moment(6, 4, rank) for rank in (1, 2, 4, 1_000_000)]
    assert gaussian[0] == (6 + 2) * (4 + 2) and gaussian == sorted(gaussian, reverse=True)
    assert gaussian[-1] == pytest.approx(24 + 2, rel=1e-5) and gaussian[0] > 2 * (1 * (6 + 4) + 2)
    assert [theory.low_rank_fourth_moment(6, 4, rank, kurtosis=1) for rank in (1, 2)] == [24, 25]


@pytest.mark.parametrize("law", ["rademacher", "coordinate"])
@pytest.mark.parametrize(("dim", "probes"), [(2, 2), (2, 3), (3, 2), (3, 3)])
def test_the_length_of_a_population_with_leave_one_out_is_that_of_every_outcome(law, dim, probes):
    """g = e_1, and all outcomes of n directions, each as likely."""
    outcomes, squared = ALPHABETS[law](dim)
    total = Fraction(0)
    draws = list(product(outcomes, repeat=probes))
    for directions in draws:
        slopes = [z[0] for z in directions]
        weights = [Fraction(probes * a - sum(slopes), probes - 1) for a in slopes]  # less the mean of the others
        sums = [sum(w * z[i] for w, z in zip(weights, directions, strict=True)) for i in range(dim)]
        total += sum(each**2 for each in sums) * squared**2 / probes**2
    found = total / len(draws)
    sizes = map(Fraction, (dim, probes, FOURTH_MOMENTS[law](dim)))
    assert found == theory.leave_one_out_norm(*sizes)
    assert found != NORM_FACTORS[law](Fraction(dim), Fraction(probes))  # as of two sides


def test_a_gaussian_baseline_costs_one_probe():
    assert sympy.simplify(theory.leave_one_out_norm(d, n, d + 2) - NORM_FACTORS["gaussian"](d, n - 1)) == 0


def test_the_scores_of_two_losses_are_their_signs():
    """ĝ = ±(z_1 − z_2)/2, whose length does not know the loss: E‖ĝ‖² = d/2."""
    assert sympy.simplify(theory.score_norm(d, 2) - d / 2) == 0
    assert theory.score_norm(10, 1e12) == pytest.approx(1)  # many of them: the gradient, divided by its length
