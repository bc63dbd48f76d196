"""Section B's closed forms: the printed per-law formulas, optima by calculus, bounds against exact values."""

import math
from fractions import Fraction
from itertools import product

import pytest
import sympy
from scipy import stats

from mezo_lab import theory
from mezo_lab.sampling import LAWS

RANK_FACTORS = {  # as printed in claim B3
    "gaussian": lambda d, r, n: (r + n + 1) / n,
    "sphere": lambda d, r, n: (d * r + d - 2) / (n * (d + 2)) + 1,
    "rademacher": lambda d, r, n: (r + n - 1) / n,
}
s, gamma = sympy.symbols("s gamma", positive=True)


@pytest.mark.parametrize("law", RANK_FACTORS)
def test_the_effective_rank_factor_is_the_one_printed_for_the_law(law):
    for d, r, n in product([2, 3, 10, 13_000_000_000], [1, 2, 10], [1, 2, 64]):
        if r <= d:
            d, r, n = Fraction(d), Fraction(r), Fraction(n)
            assert theory.effective_rank_factor(r, n, LAWS[law].moments(d)) == RANK_FACTORS[law](d, r, n)


@pytest.mark.parametrize("law", RANK_FACTORS)
def test_the_effective_rank_factor_of_symbols_is_the_printed_formula(law):
    d, r, n = sympy.symbols("d r n", positive=True)
    stated = theory.effective_rank_factor(r, n, LAWS[law].moments(d))
    assert sympy.simplify(stated - RANK_FACTORS[law](d, r, n)) == 0


@pytest.mark.parametrize("law", LAWS)
def test_at_full_rank_the_effective_rank_factor_is_the_norm_factor(law):
    d, n = sympy.symbols("d n", positive=True)
    moments = LAWS[law].moments(d)
    assert sympy.simplify(theory.effective_rank_factor(d, n, moments) - theory.norm_factor(d, n, moments)) == 0


@pytest.mark.parametrize("law", ["gaussian", "rademacher"])
def test_the_effective_rank_factor_does_not_know_the_dimension(law):
    factors = {theory.effective_rank_factor(5, 2, LAWS[law].moments(d)) for d in (10, 1000, 13_000_000_000)}
    assert len(factors) == 1


def test_the_spheres_factor_approaches_the_gaussians_from_below():
    sphere = [theory.effective_rank_factor(5, 1, LAWS["sphere"].moments(Fraction(d))) for d in (5, 50, 500, 5000)]
    gaussian = theory.effective_rank_factor(5, 1, LAWS["gaussian"].moments(5))
    assert sphere == sorted(sphere) and sphere[-1] < gaussian < sphere[-1] + Fraction(1, 200)


def test_the_best_step_is_one_over_gamma():
    contraction = theory.contraction(s, gamma)
    assert sympy.solve(sympy.diff(contraction, s), s) == [1 / gamma]
    assert sympy.simplify(contraction.subs(s, 1 / gamma) - (1 - 1 / gamma)) == 0


def test_stability_ends_at_the_largest_stable_learning_rate():
    ell = sympy.Symbol("ell", positive=True)
    edge = theory.largest_stable_lr(ell, gamma) * ell
    assert sympy.simplify(theory.contraction(edge, gamma) - 1) == 0
    assert theory.contraction(Fraction(21, 10) / 4, 4) > 1 > theory.contraction(Fraction(19, 10) / 4, 4)


def test_the_descent_bound_is_attained_by_an_isotropic_quadratic():
    lr, ell, grad_sq = sympy.symbols("eta ell g2", positive=True)
    loss = grad_sq / (2 * ell)  # ½ℓ‖θ‖² with ‖g‖² = ℓ²‖θ‖²
    change = (theory.contraction(lr * ell, gamma) - 1) * loss
    assert sympy.simplify(change - theory.descent_bound(lr, ell, grad_sq, gamma * grad_sq)) == 0


def test_progress_per_pair_is_the_best_contraction_shared_among_the_probes():
    for rank, probes in product([1, 10, 1000], [1, 2, 8]):
        best = theory.contraction(1 / ((rank + probes + 1) / probes), (rank + probes + 1) / probes)
        assert math.isclose(theory.progress_per_pair(rank, probes), -math.log(best) / probes, rel_tol=1e-12)


def test_more_probes_always_mean_less_progress_per_pair():
    progress = [theory.progress_per_pair(10, probes) for probes in range(1, 100)]
    assert progress == sorted(progress, reverse=True) and len(set(progress)) == len(progress)


def test_progress_per_pair_takes_symbols_with_their_own_logarithm():
    r, n = sympy.symbols("r n", positive=True)
    gained = sympy.exp(n * theory.progress_per_pair(r, n, log=sympy.log))
    assert sympy.simplify(gained - (1 + n / (r + 1))) == 0


@pytest.mark.parametrize(("batch", "expected"), [(2, Fraction(1, 16)), (16, Fraction(1, 4))])
def test_the_sgd_rate_is_limited_by_noise_first_and_by_smoothness_then(batch, expected):
    assert theory.sgd_rate(Fraction(1), Fraction(2), Fraction(8), batch) == expected  # μ = 1, ℓ = 2, α = 8


def test_zeroth_order_sgd_needs_gamma_times_more_steps():
    sgd = theory.sgd_rate(Fraction(1), Fraction(2), Fraction(8), 2)
    assert 1 - theory.pl_contraction(Fraction(12), Fraction(1), Fraction(2), Fraction(8), 2) == sgd / 12


def test_the_chi_square_tail_is_an_upper_bound_of_the_exact_tail():
    grid = list(product([1, 5, 40, 1000], [0.5, 5, 20, 200]))
    assert all(stats.chi2.sf(k + u, k) <= theory.chi_square_tail(k, u) for k, u in grid)
    # the same grid refutes the bound with ½ in place of 1/16
    assert any(stats.chi2.sf(k + u, k) > math.exp(-min(u**2 / (2 * k), u / 2)) for k, u in grid)


def orthogonal_factor(d, r, n):
    spread = d * (d - n) / (n * (d + 2) * (d - 1))  # b of γ = a + b·r, as printed in claim E4
    return d / n - d * spread + r * spread


def test_the_effective_rank_factor_of_orthogonal_probes_is_the_one_printed():
    d, r, n = sympy.symbols("d r n", positive=True)
    stated = theory.effective_rank_factor(r, n, LAWS["orthogonal"].moments(d))
    assert sympy.simplify(stated - orthogonal_factor(d, r, n)) == 0


@pytest.mark.parametrize("law", ["gaussian", "rademacher", "uniform", "three-point", "sphere", "coordinate"])
@pytest.mark.parametrize("rank", [2, 9, 20])
def test_independent_probes_of_any_law_make_less_progress_per_pair_the_more_they_are(law, rank):
    moments = LAWS[law].moments(20)
    progress = [theory.progress_per_pair(rank, probes, moments) for probes in range(1, 30)]
    assert progress == sorted(progress, reverse=True) and len(set(progress)) == len(progress)


@pytest.mark.parametrize(("dim", "rank"), [(6, 6), (20, 20), (20, 15), (100, 60)])
def test_orthogonal_probes_make_more_progress_per_pair_the_more_they_are_where_most_directions_are_curved(dim, rank):
    moments = LAWS["orthogonal"].moments(dim)
    progress = [theory.progress_per_pair(rank, probes, moments) for probes in range(1, dim + 1)]
    assert progress == sorted(progress) and len(set(progress)) == dim
    assert progress[-1] == math.inf  # d of them return the gradient itself


@pytest.mark.parametrize("dim", range(1, 60))
def test_rounding_makes_no_finite_progress_of_a_step_that_ends_at_the_minimum(dim):
    moments = LAWS["orthogonal"].moments(dim)
    assert {theory.progress_per_pair(rank, dim, moments) for rank in range(1, dim + 1)} == {math.inf}


def test_few_curved_directions_make_orthogonal_probes_no_better_than_independent_ones_at_first():
    moments = LAWS["orthogonal"].moments(20)
    one, eight, all_but_one = (theory.progress_per_pair(5, probes, moments) for probes in (1, 8, 19))
    assert eight < one < all_but_one


@pytest.mark.parametrize("law", ["gaussian", "rademacher", "sphere"])
def test_no_number_of_independent_probes_takes_the_factor_below_one(law):
    factors = [theory.effective_rank_factor(5, probes, LAWS[law].moments(20)) for probes in (1, 10, 10**6)]
    assert factors == sorted(factors, reverse=True) and factors[-1] > 1  # γ = Θ(r/n) needs n = O(r)


def test_the_floor_is_the_loss_that_a_step_leaves_as_it_is():
    smoothness, noise, batch = 3, 5, 2
    for factor, t in product([Fraction(1), Fraction(7, 2)], [Fraction(1, 3), Fraction(1), Fraction(3, 2)]):
        step = t / factor
        floor = theory.noise_floor(step, factor, smoothness, noise, batch)
        added = step**2 * factor * Fraction(noise, 2 * smoothness * batch)
        assert theory.contraction(step, factor) * floor + added == floor


def test_a_larger_batch_lowers_the_floor_and_not_the_time_to_it():
    floors = [theory.noise_floor(Fraction(1, 20), 7, 1, 6, batch) for batch in (1, 2, 8)]
    assert floors == [floors[0], floors[0] / 2, floors[0] / 8]


def test_per_forward_pass_of_an_example_one_example_and_one_probe_reach_a_floor_soonest():
    rank, floor = 10, 0.3
    progress = {
        (batch, probes): theory.progress_at_floor(floor, (rank + probes + 1) / probes, 1.0, 6.0, batch) / batch / probes
        for batch, probes in product([1, 2, 4, 16], [1, 2, 4, 16])
    }
    assert max(progress, key=progress.__getitem__) == (1, 1)


@pytest.mark.parametrize(("dim", "probes"), [(1, 1), (5, 2), (40, 1)])
def test_the_share_of_long_gaussian_steps_is_that_of_a_chi_square_variable_at_twice_its_mean(dim, probes):
    # ‖ĝ‖ ≤ G·Σ‖z_k‖²/n, and Σ‖z_k‖² has nd degrees of freedom
    degrees = dim * probes
    assert stats.chi2.sf(2 * degrees, degrees) <= theory.chi_square_tail(degrees, degrees) == math.exp(-degrees / 16)


def test_the_excess_of_theorem_two_bounds_the_part_of_the_fourth_moment_beyond_the_ball():
    # by Cauchy and Schwarz it is at most √(E‖ĝ‖⁴)·√Pr, of ‖z‖²z₁² with E z₁⁸ = 105 here
    for dim in (10, 100, 500):
        fourth = 3 * (dim + 4) * (dim + 6)  # E‖z‖⁴z₁⁴
        bound = math.sqrt(fourth * math.exp(-dim / 16))
        assert bound <= theory.tail_excess(1.0, 1.0, dim, 1, 1.0)


def test_the_bound_on_a_stationary_point_is_what_the_descent_bound_adds_up_to():
    smoothness, factor, excess, steps = 2.0, 5.0, 0.7, 30
    slope_sq = theory.stationarity_bound(steps, smoothness, factor, excess)
    change = theory.descent_bound(1 / (smoothness * factor), smoothness, slope_sq, factor * slope_sq)
    assert steps * change == pytest.approx(-excess)
