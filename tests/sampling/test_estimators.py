"""Each estimator against a twin written as a slow loop over probes, and what each does exactly."""

import pytest
import torch

from mezo_lab.sampling import (
    Cubic,
    Linear,
    Quadratic,
    expectation_modified,
    one_sided,
    projected_gradient,
    residual_feedback,
    second_difference,
    sign_search,
    two_point,
    variance_modified,
)

DIM, PROBES, EPSILON = 5, 3, 0.3


def normal(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


SQUARE = normal(DIM, DIM)
QUADRATIC = Quadratic(SQUARE + SQUARE.T)
CUBIC = Cubic(third=normal(DIM, seed=1), slope=normal(DIM, seed=2))
THETA, BEFORE, SCALE = normal(DIM, seed=3), normal(DIM, seed=4), normal(DIM, seed=5).abs() + 0.5
Z, Z_BEFORE = normal(2, 4, PROBES, DIM, seed=6), normal(2, 4, PROBES, DIM, seed=7)  # two leading axes


def slow(coefficient, update=lambda row: row):
    """ĝ for each set of probes in `Z`, summed probe by probe: coefficient(z, z_before)·update(z)."""
    estimates = torch.zeros(2, 4, DIM, dtype=torch.float64)
    for i in range(2):
        for j in range(4):
            for k in range(PROBES):
                z = Z[i, j, k]
                estimates[i, j] += coefficient(z, Z_BEFORE[i, j, k]) * update(z) / PROBES
    return estimates


def central(z):
    return (CUBIC(THETA + EPSILON * z) - CUBIC(THETA - EPSILON * z)) / (2 * EPSILON)


TWINS = {
    "two-point": (two_point(CUBIC, THETA, Z, EPSILON), lambda: slow(lambda z, _: central(z))),
    "one-sided": (
        one_sided(CUBIC, THETA, Z, EPSILON),
        lambda: slow(lambda z, _: (CUBIC(THETA + EPSILON * z) - CUBIC(THETA)) / EPSILON),
    ),
    "variance-modified": (
        variance_modified(CUBIC, THETA, Z, EPSILON, SCALE),
        lambda: slow(lambda z, _: central(z / SCALE), update=lambda z: SCALE * z),
    ),
    "expectation-modified": (
        expectation_modified(CUBIC, THETA, Z, EPSILON, SCALE),
        lambda: slow(lambda z, _: central(z / SCALE)),
    ),
    "residual feedback": (
        residual_feedback(CUBIC, THETA, Z, BEFORE, Z_BEFORE, EPSILON),
        lambda: slow(lambda z, w: (CUBIC(THETA + EPSILON * z) - CUBIC(BEFORE + EPSILON * w)) / EPSILON),
    ),
}


@pytest.mark.parametrize("name", TWINS)
def test_each_estimator_agrees_with_its_slow_twin(name):
    estimate, twin = TWINS[name]
    assert estimate.shape == (2, 4, DIM)
    assert torch.allclose(estimate, twin(), rtol=1e-11)


def test_the_twins_tell_the_estimators_apart():
    estimates = [estimate for estimate, _ in TWINS.values()]
    pairs = [(a, b) for i, a in enumerate(estimates) for b in estimates[:i]]
    assert not any(torch.allclose(a, b, rtol=1e-3) for a, b in pairs)


def test_curvature_agrees_with_its_slow_twin():
    found = second_difference(CUBIC, THETA, Z, EPSILON)
    for i in range(2):
        for j in range(4):
            seconds = [
                (CUBIC(THETA + EPSILON * z) + CUBIC(THETA - EPSILON * z) - 2 * CUBIC(THETA)) / EPSILON**2
                for z in Z[i, j]
            ]
            assert found[i, j] == pytest.approx(float(sum(seconds)) / PROBES, rel=1e-9)


@pytest.mark.parametrize("epsilon", [1e-3, 1.0, 1e3])
def test_the_two_point_estimate_of_a_quadratic_is_exact_at_any_epsilon(epsilon):
    exact = torch.einsum("...ki,...kj,j->...i", Z, Z, QUADRATIC.gradient(THETA)) / PROBES
    assert torch.allclose(two_point(QUADRATIC, THETA, Z, epsilon), exact, rtol=1e-7)


def test_the_one_sided_estimate_of_a_quadratic_is_not_exact():
    exact = torch.einsum("...ki,...kj,j->...i", Z, Z, QUADRATIC.gradient(THETA)) / PROBES
    assert not torch.allclose(one_sided(QUADRATIC, THETA, Z, 1.0), exact, rtol=0.1)


def test_the_two_point_estimate_of_a_cubic_errs_by_epsilon_squared():
    slope = Z @ CUBIC.gradient(THETA)
    errors = [projected_gradient(CUBIC, THETA, Z, epsilon) - slope for epsilon in (0.2, 0.1)]
    assert torch.allclose(errors[0], 4 * errors[1], rtol=1e-9)
    assert torch.allclose(errors[1], 0.1**2 / 6 * Z**3 @ CUBIC.third, rtol=1e-9)  # (ε²/6)·D³L[z, z, z]


@pytest.mark.parametrize("epsilon", [1e-2, 1.0, 1e2])
def test_curvature_of_a_quadratic_is_zhz_at_any_epsilon(epsilon):
    exact = torch.einsum("...ki,ij,...kj->...", Z, QUADRATIC.matrix, Z) / PROBES
    assert torch.allclose(second_difference(QUADRATIC, THETA, Z, epsilon), exact, rtol=1e-8)


def test_a_unit_scale_modifies_nothing():
    plain, ones = two_point(CUBIC, THETA, Z, EPSILON), torch.ones(DIM).double()
    assert torch.equal(variance_modified(CUBIC, THETA, Z, EPSILON, ones), plain)
    assert torch.equal(expectation_modified(CUBIC, THETA, Z, EPSILON, ones), plain)


def test_the_sign_of_a_probe_does_not_change_the_two_point_estimate():
    assert torch.allclose(two_point(CUBIC, THETA, -Z, EPSILON), two_point(CUBIC, THETA, Z, EPSILON), rtol=1e-12)
    assert not torch.allclose(one_sided(CUBIC, THETA, -Z, EPSILON), one_sided(CUBIC, THETA, Z, EPSILON), rtol=0.1)


def test_probes_along_every_axis_give_the_gradient_itself():
    axes = DIM**0.5 * torch.eye(DIM).double()
    assert torch.allclose(two_point(QUADRATIC, THETA, axes, 0.5), QUADRATIC.gradient(THETA), rtol=1e-12)


def test_sign_search_agrees_with_its_slow_twin():
    delta = EPSILON * Z[..., 0, :]
    found = sign_search(CUBIC, THETA, delta)
    for i in range(2):
        for j in range(4):
            step = delta[i, j] if CUBIC(THETA + delta[i, j]) < CUBIC(THETA) else -delta[i, j]
            assert torch.equal(found[i, j], THETA + step)


def test_sign_search_never_climbs_a_linear_loss():
    loss = Linear(normal(DIM, seed=8))
    assert bool((loss(sign_search(loss, THETA, Z)) <= loss(THETA)).all())
    assert bool((loss(THETA + Z) > loss(THETA)).any())  # where an unchosen step would have climbed
