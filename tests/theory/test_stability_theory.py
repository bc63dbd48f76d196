"""The stability limit: the closed forms against the matrix of the second moments, and against one another."""

import numpy
import pytest
import sympy
from scipy import optimize, stats

from mezo_lab import theory
from mezo_lab.sampling import LAWS
from mezo_lab.theory import (
    heavy_ball_lr,
    largest_stable_step,
    momentum_lr,
    own_and_shared,
    stability_bounds,
    stability_limit,
)

DIM = 12
INDEX = numpy.arange(1, DIM + 1)
SPECTRA = {
    "flat": numpy.where(INDEX <= 5, 2.0, 0.0),
    "power": 3.0 / INDEX,
    "exponential": numpy.exp(-INDEX / 2),
    "one apart": numpy.where(INDEX == 1, 1.0, 0.05),
    "isotropic": numpy.full(DIM, 0.7),
}
GAUSSIAN = theory.Moments(1, 0)


def moment_matrix(eigenvalues, lr, probes, moments):
    """The map of E[θ_i²] in one step, from A3 at W = e_i·e_iᵀ, for each unit gradient e_j."""
    matrix = numpy.diag(1 - 2 * lr * eigenvalues)
    for i, j in numpy.ndindex(matrix.shape):
        same = float(i == j)
        square = theory.second_moment(same, 1.0, same, probes=probes, moments=moments)
        matrix[i, j] += lr**2 * eigenvalues[j] ** 2 * square
    return matrix


def spectral_radius(eigenvalues, lr, probes, moments):
    seen = eigenvalues[eigenvalues > 0]  # where the loss is flat a walk goes on for ever, unseen
    return abs(numpy.linalg.eigvals(moment_matrix(seen, lr, probes, moments))).max()


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize("probes", [1, 4])
@pytest.mark.parametrize("name", SPECTRA)
def test_the_limit_is_where_the_second_moments_stop_shrinking(name, law, probes):
    eigenvalues, moments = SPECTRA[name], LAWS[law].moments(DIM)
    limit = stability_limit(eigenvalues, probes, moments)
    assert spectral_radius(eigenvalues, limit, probes, moments) == pytest.approx(1, abs=1e-9)
    assert spectral_radius(eigenvalues, 0.99 * limit, probes, moments) < 1 - 1e-4
    assert spectral_radius(eigenvalues, 1.01 * limit, probes, moments) > 1 + 1e-4


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize("probes", [1, 4])
def test_the_two_parts_add_up_to_the_effective_rank_factor(law, probes):
    moments = LAWS[law].moments(DIM)
    own, shared = own_and_shared(probes, moments)
    for rank in (1, 5, DIM):
        assert own + rank * shared == pytest.approx(float(theory.effective_rank_factor(rank, probes, moments)))


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize("probes", [1, 4])
@pytest.mark.parametrize("name", SPECTRA)
def test_three_numbers_of_a_spectrum_bound_its_limit(name, law, probes):
    eigenvalues, moments = SPECTRA[name], LAWS[law].moments(DIM)
    trace, norm = eigenvalues.sum(), eigenvalues.max()
    limit = stability_limit(eigenvalues, probes, moments)
    low, high = stability_bounds(trace, (eigenvalues**2).sum(), norm, probes, moments)
    flat = float(largest_stable_step(trace, norm, probes, moments))
    slack = 1 + 1e-12
    assert flat <= low * slack and low <= limit * slack and limit <= high * slack
    own, shared = (float(part) for part in own_and_shared(probes, moments))
    if shared:
        assert limit <= flat * (1 + own * norm / (shared * trace)) * slack  # what the docstring grants


def test_all_bounds_meet_on_a_flat_spectrum():
    limit = stability_limit(SPECTRA["flat"], 1, GAUSSIAN)
    assert stability_bounds(10.0, 20.0, 2.0, 1, GAUSSIAN) == pytest.approx((limit, limit))
    assert largest_stable_step(10.0, 2.0, 1, GAUSSIAN) == pytest.approx(limit)


def test_the_lower_bound_is_attained_by_a_few_large_eigenvalues_and_many_infinitesimal_ones():
    eigenvalues = numpy.concatenate([numpy.ones(3), numpy.full(1_000_000, 5e-6)])
    limit = stability_limit(eigenvalues, 1, GAUSSIAN)
    low, high = stability_bounds(8.0, 3.0, 1.0, 1, GAUSSIAN)
    assert limit == pytest.approx(low, rel=1e-5) and high > 1.005 * low


def test_the_flat_formula_taken_as_an_equality_fails_on_a_power_law():
    eigenvalues = 1 / numpy.arange(1, 101)
    limit = stability_limit(eigenvalues, 1, GAUSSIAN)
    assert largest_stable_step(eigenvalues.sum(), 1.0, 1, GAUSSIAN) < 0.85 * limit


@pytest.mark.parametrize("name", SPECTRA)
def test_the_limit_of_sgd_is_too_large_by_a_factor(name):
    eigenvalues = SPECTRA[name]
    assert spectral_radius(eigenvalues, 2 / eigenvalues.max(), 1, GAUSSIAN) > 2
    assert 2 / eigenvalues.max() > 1.5 * stability_limit(eigenvalues, 1, GAUSSIAN)


def test_with_as_many_orthogonal_probes_as_dimensions_it_is_the_limit_of_sgd():
    moments = LAWS["orthogonal"].moments(DIM)
    assert stability_limit(SPECTRA["power"], DIM, moments) == pytest.approx(2 / 3)


def test_with_one_probe_of_signs_it_depends_on_the_trace_alone():
    moments = LAWS["rademacher"].moments(DIM)
    for eigenvalues in SPECTRA.values():
        assert stability_limit(eigenvalues, 1, moments) == pytest.approx(2 / eigenvalues.sum())


@pytest.mark.parametrize("law", ["gaussian", "rademacher", "uniform", "sphere"])
@pytest.mark.parametrize("share", [0.8, 1.0, 1.1])
def test_a_weighted_square_is_a_fair_game_at_the_limit_from_any_point(law, share):
    eigenvalues, probes, moments = SPECTRA["power"], 2, LAWS[law].moments(DIM)
    own, shared = (float(part) for part in own_and_shared(probes, moments))
    lr = share * stability_limit(eigenvalues, probes, moments)
    theta = numpy.random.default_rng(0).standard_normal(DIM)
    g, weight = eigenvalues * theta, eigenvalues / (2 - own * lr * eigenvalues)
    square = (g**2).sum()
    second = theory.second_moment(
        weight @ g**2, weight.sum() * square, weight @ g**2, probes=probes, moments=moments
    )  # E[ĝᵀWĝ]
    drift = -2 * lr * weight @ (theta * g) + lr**2 * float(second)
    lost = (shared * lr * weight).sum()
    assert drift == pytest.approx(lr * square * (lost - 1), abs=1e-12)
    assert (drift > 1e-3) == (share > 1) and (drift < -1e-3) == (share < 1)


def test_a_negative_eigenvalue_is_refused():
    with pytest.raises(ValueError, match="`eigenvalues` must be at least 0 and not all 0: along a negative one"):
        stability_limit(numpy.array([1.0, -0.1]), 1, GAUSSIAN)
    with pytest.raises(ValueError, match="`eigenvalues` must be at least 0 and not all 0"):
        stability_limit(numpy.zeros(3), 1, GAUSSIAN)


def test_the_bounds_of_symbols_are_the_printed_formula():
    trace, ell, n = sympy.symbols("T ell n", positive=True)
    low, high = stability_bounds(trace, ell * trace, ell, n, GAUSSIAN)  # a flat spectrum
    printed = 2 * n / (trace + (n + 1) * ell)
    assert sympy.simplify(low - printed) == 0 and sympy.simplify(high - printed) == 0


def exponent(step: float, rank: int) -> float:
    """E log L⁺/L on H = P_r with one Gaussian probe: E log|1 + u²(s²W − 2s)|, W = u² + χ²_(r−1), over quantiles."""
    middles = (numpy.arange(4_000) + 0.5) / 4_000
    u = stats.norm.ppf(middles)[:, None]
    others = stats.chi2.ppf(middles[5::10], rank - 1) if rank > 1 else numpy.zeros(1)
    return float(numpy.log(abs(1 + u**2 * (step**2 * (u**2 + others) - 2 * step))).mean())


@pytest.mark.parametrize(("rank", "expected", "tolerance"), [(1, 3.6, 0.05), (50, 1 + 12 / 50**2, 5e-4)])
def test_a_single_run_outlives_the_mean_by_what_the_docstring_says(rank, expected, tolerance):
    limit = 2 / (rank + 2)
    edge = optimize.brentq(lambda step: exponent(step, rank), 0.99 * limit, 5 * limit, xtol=1e-6)
    assert edge / limit == pytest.approx(expected, abs=tolerance)


def momentum_matrix(eigenvalues, lr, probes, moments, beta, fresh):
    """The map of (E[θ_i²], E[θ_i m_i], E[m_i²]) in one step of m ← βm + fresh·ĝ, θ ← θ − ηm."""
    seen = eigenvalues[eigenvalues > 0]
    square = moment_matrix(seen, 1.0, probes, moments) - numpy.diag(1 - 2 * seen)  # E[ĝ_i²] from E[θ_j²]
    slope, one, none = numpy.diag(seen), numpy.eye(len(seen)), numpy.zeros((len(seen), len(seen)))
    with_m = numpy.hstack([fresh * slope, beta * one, none])  # E[θ_i m_i⁺]
    m = numpy.hstack([fresh**2 * square, 2 * beta * fresh * slope, beta**2 * one])
    theta = numpy.hstack([one, none, none]) - 2 * lr * with_m + lr**2 * m
    return numpy.vstack([theta, with_m - lr * m, m])


def momentum_radius(*arguments):
    return abs(numpy.linalg.eigvals(momentum_matrix(*arguments))).max()


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize("beta", [0.0, 0.5, 0.9, 0.99])
@pytest.mark.parametrize("name", SPECTRA)
def test_momentum_lowers_gamma_by_the_same_on_every_spectrum(name, law, beta):
    eigenvalues, moments = SPECTRA[name], LAWS[law].moments(DIM)
    for probes in (1, 4):
        limit = stability_limit(eigenvalues, probes, moments, beta)
        around = [
            momentum_radius(eigenvalues, share * limit, probes, moments, beta, 1 - beta) for share in (0.99, 1, 1.01)
        ]
        assert around[1] == pytest.approx(1, abs=1e-8) and around[0] < 1 - 1e-6 and around[2] > 1 + 1e-6
        trace, trace_sq, norm = eigenvalues.sum(), (eigenvalues**2).sum(), eigenvalues.max()
        low, high = stability_bounds(trace, trace_sq, norm, probes, moments, beta)
        assert low * (1 - 1e-9) <= limit <= high * (1 + 1e-9)


@pytest.mark.parametrize("rank", [1, 5, 50])
@pytest.mark.parametrize("beta", [0.0, 0.5, 0.9])
def test_the_heavy_ball_has_one_minus_beta_of_the_averaged_forms_limit(rank, beta):
    eigenvalues, gamma = numpy.full(rank, 2.0), rank + 2.0
    for limit, fresh in ((momentum_lr(2.0, gamma, beta), 1 - beta), (heavy_ball_lr(2.0, gamma, beta), 1.0)):
        assert momentum_radius(eigenvalues, limit, 1, GAUSSIAN, beta, fresh) == pytest.approx(1, abs=1e-8)
    assert momentum_lr(2.0, gamma, beta) == pytest.approx(stability_limit(eigenvalues, 1, GAUSSIAN, beta))


@pytest.mark.parametrize("rank", [5, 50])
def test_first_order_intuition_and_the_averaged_rate_diverge_in_a_heavy_ball_loop(rank):
    eigenvalues, gamma, beta = numpy.ones(rank), rank + 2.0, 0.9
    believed = 2 * (1 + beta) / ((1 - beta) * gamma)
    assert believed > 15 * momentum_lr(1.0, gamma, beta)
    assert momentum_radius(eigenvalues, believed, 1, GAUSSIAN, beta, 1 - beta) > 1.5
    assert momentum_radius(eigenvalues, 2 / gamma, 1, GAUSSIAN, beta, 1.0) > 1.05


def test_momentum_buys_no_larger_step_where_many_directions_matter():
    gains = [momentum_lr(1.0, gamma, 0.9) * gamma / 2 for gamma in (1.0, 3.0, 52.0, 10_002.0)]
    assert gains[0] == pytest.approx(19) and gains[1] < 1.5 and gains[2] < 1.02 and gains[3] < 1.0001
