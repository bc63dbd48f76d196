"""tr H and tr H² from forward passes: right within their errors, and θ untouched."""

import pytest
import torch

from mezo_lab.curvature import second_differences, trace_estimate, trace_square_estimate
from mezo_lab.sampling import Quadratic

SPECTRUM = torch.tensor([4.0, 2.0, 1.0, 0.5, -0.25, 0.0], dtype=torch.float64)
DRAWS = 4_000


def parameters_and_loss(dtype=torch.float64):
    """A quadratic in two tensors of different shapes, H with off-diagonal parts."""
    basis = torch.linalg.qr(torch.randn(6, 6, generator=torch.Generator().manual_seed(0), dtype=torch.float64)).Q
    bowl = Quadratic((basis * SPECTRUM) @ basis.T)
    parameters = [torch.linspace(-1, 1, 4, dtype=dtype).reshape(2, 2), torch.ones(2, dtype=dtype)]
    return parameters, lambda: bowl(torch.cat([p.flatten() for p in parameters]).double()) + 3


@pytest.fixture(scope="module")
def along():
    return second_differences(*parameters_and_loss(), draws=DRAWS, seed=0)


def test_the_trace_is_right_within_its_error_and_twice_the_trace_is_not(along):
    estimate = trace_estimate(along)
    assert abs(estimate.z_score(float(SPECTRUM.sum()))) < 5
    assert abs(estimate.z_score(2 * float(SPECTRUM.sum()))) > 10


def test_its_error_is_that_of_hutchinsons_estimator(along):
    expected = float(2 * SPECTRUM.square().sum() / DRAWS) ** 0.5
    assert trace_estimate(along).standard_error == pytest.approx(expected, rel=0.2)


def test_the_trace_of_the_square_is_right_within_its_error_and_twice_it_is_not(along):
    estimate = trace_square_estimate(along)
    assert abs(estimate.z_score(float(SPECTRUM.square().sum()))) < 5
    assert abs(estimate.z_score(2 * float(SPECTRUM.square().sum()))) > 5  # the whole variance


def test_the_variance_of_few_draws_is_unbiased():
    along = torch.randn(2_000, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * 2**0.5
    few = torch.tensor([trace_square_estimate(row).mean for row in along])
    assert abs(trace_estimate(few).z_score(1.0)) < 5
    assert abs(trace_estimate(few).z_score(2 / 3)) > 5  # divided by the count


def test_the_seed_decides_the_directions(along):
    fresh = [second_differences(*parameters_and_loss(), draws=3, seed=seed) for seed in (0, 1)]
    assert torch.equal(fresh[0], along[:3]) and not torch.equal(*fresh)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_theta_is_bitwise_what_it_was(dtype):
    parameters, loss = parameters_and_loss(dtype)
    before = [parameter.clone() for parameter in parameters]
    seen = []
    second_differences(parameters, lambda: seen.append(parameters[1][0].item()) or loss(), draws=2, epsilon=0.1)
    assert len(set(seen)) == 5  # it moved: a middle, and two sides of two directions
    assert all(torch.equal(*pair) for pair in zip(parameters, before, strict=True))


def test_theta_is_what_it_was_when_the_loss_fails():
    parameters, loss = parameters_and_loss()
    before, calls = [parameter.clone() for parameter in parameters], []

    def failing():
        calls.append(1)
        if len(calls) == 3:
            raise RuntimeError("no memory")
        return loss()

    with pytest.raises(RuntimeError, match="no memory"):
        second_differences(parameters, failing, draws=2)
    assert all(torch.equal(*pair) for pair in zip(parameters, before, strict=True))


def test_no_graph_is_built_and_progress_is_told():
    theta, told = torch.ones(3, requires_grad=True), []

    def loss():
        value = theta.square().sum()
        assert not value.requires_grad
        return value

    second_differences([theta], loss, draws=2, progress=lambda done, planned: told.append((done, planned)))
    assert told == [(1, 2), (2, 2)] and theta.requires_grad


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"draws": 1}, "`draws` must be a whole number, at least 2, got 1: one draw has no standard error"),
        ({"epsilon": 0.0}, "`epsilon` must be positive, got 0.0: 1e-3 suits a float32 model"),
        ({"parameters": []}, "`parameters` must hold at least one tensor, got none: pass model.parameters()"),
    ],
)
def test_bad_input_is_told(change, message):
    parameters, loss = parameters_and_loss()
    arguments = {"parameters": parameters, "loss": loss, "draws": 2} | change
    with pytest.raises(ValueError, match=message):
        second_differences(arguments.pop("parameters"), arguments.pop("loss"), **arguments)
