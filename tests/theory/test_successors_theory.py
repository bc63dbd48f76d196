import math

import pytest
import torch

from mezo_lab import theory
from mezo_lab.theory import MOMENTS, Moments


@pytest.mark.parametrize("probes", [4, 9, 40])
def test_the_inverse_of_a_spread_is_the_integral_over_its_law(probes):
    # s²·k is χ² with k = n − 1 degrees of freedom: the sum of 1/s over its density, by the midpoint rule
    k = probes - 1
    width = 1e-3
    points = [width * (i + 0.5) for i in range(12_000)]  # of s·√k
    logs = [(k - 1) * math.log(x) - x * x / 2 - (k / 2 - 1) * math.log(2) - math.lgamma(k / 2) for x in points]
    mean = sum(math.sqrt(k) / x * math.exp(log) * width for x, log in zip(points, logs, strict=True))
    assert theory.inverse_spread(probes) == pytest.approx(mean, rel=1e-6)


def test_a_mean_step_comes_nearer_to_a_normalised_one_with_more_probes_and_the_step_itself_hardly_does():
    means = [theory.spread_scaled_mean(probes) for probes in (8, 16, 64, 1000)]
    assert means == sorted(means) and 1 - means[-1] == pytest.approx(1 / 4000, rel=0.01)
    assert theory.spread_scaled_norm(10**6, 64) > 10_000


@pytest.mark.parametrize("law", ["gaussian", "rademacher", "uniform", "three-point"])
def test_the_curvature_of_a_coordinate_is_half_of_what_kurtosis_exceeds_one_by(law):
    kurtosis = theory.KURTOSIS[law]
    assert theory.curvature_diagonal(3.0, 10.0, MOMENTS[law](7)) == pytest.approx((kurtosis - 1) / 2 * 3.0)


def test_a_flat_hessian_shows_the_sphere_nothing():
    assert theory.curvature_diagonal(2.0, 14.0, MOMENTS["sphere"](7)) == pytest.approx(0.0)


@pytest.mark.parametrize("entry", [0.0, 0.5, 2.0])
def test_a_magnitude_is_at_least_the_diagonal(entry):
    assert theory.curvature_magnitude(entry, entry + 3) > theory.curvature_diagonal(entry, entry + 3, Moments(1, 0))


def test_signal_and_noise_make_up_the_walk():
    walk = theory.walk_norm(30, 12.0, grad_sq=2.0, lr=0.1)
    assert walk * theory.signal_share(30, 12.0) == pytest.approx((0.1 * 30) ** 2 * 2.0)
    assert theory.walk_norm(30, 1.0) == 900


@pytest.mark.parametrize("correlation", [-0.6, 0.0, 0.95])
def test_no_other_coefficient_leaves_less_than_the_best(correlation):
    variance, control = 3.0, 5.0
    covariance = correlation * math.sqrt(variance * control)
    left = [variance - 2 * c * covariance + c**2 * control for c in [i / 1000 for i in range(-1000, 1001)]]
    assert min(left) == pytest.approx(theory.control_variate(variance, correlation), rel=1e-3)


def test_a_gradient_varies_together_with_itself_as_much_as_it_varies():
    factor = theory.norm_factor(9, 2, Moments(1, 0))
    assert theory.probe_covariance(2.0, 0.0, factor) == theory.variance_factor(9, 2, Moments(1, 0)) * 2.0
    noisy = theory.minibatch_shared(2.0, 0.5, 9, 2, Moments(1, 0))
    assert theory.probe_covariance(2.0, 0.5, factor) == noisy - 2.0


def test_on_a_bowl_the_signals_bound_holds_for_the_sum_of_signal_and_noise_and_not_for_the_length():
    dim, steps, runs = 50, 50, 500
    generator = torch.Generator().manual_seed(0)
    place = torch.full((runs, dim), dim**-0.5, dtype=torch.float64)  # = ∇L, as H = I
    start = place.clone()
    signal = torch.zeros_like(place)
    for _ in range(steps):
        z = torch.randint(2, (runs, dim), generator=generator).double() * 2 - 1
        signal += place / dim
        place = place - (place * z).sum(1, keepdim=True) * z / dim
    noise = start - place - signal
    squares = [float(part.square().sum(1).mean()) for part in (signal, noise, start - place)]
    bound = theory.signal_share(steps, dim)
    assert squares[0] / (squares[0] + squares[1]) < bound < squares[0] / squares[2] / 1.5
