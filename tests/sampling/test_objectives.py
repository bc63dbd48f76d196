"""The ground truth is true: every gradient and Hessian agrees with automatic differentiation."""

import pytest
import torch
from torch.autograd.functional import hessian as autograd_hessian
from torch.autograd.functional import jacobian

from mezo_lab.sampling import (
    LAWS,
    Cubic,
    ErrorRate,
    LeastSquares,
    Linear,
    LowRankQuadratic,
    Neuron,
    Quadratic,
    projected_gradient,
    sample,
)

DIM, EXAMPLES = 5, 7


def normal(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


SQUARE = normal(DIM, DIM)
LEAST_SQUARES = LeastSquares(inputs=normal(EXAMPLES, DIM, seed=3), targets=normal(EXAMPLES, seed=4))
NEURON = Neuron(inputs=normal(EXAMPLES, DIM, seed=3), targets=(normal(EXAMPLES, seed=4) > 0).double())
OBJECTIVES = {
    "linear": Linear(normal(DIM, seed=1)),
    "quadratic": Quadratic(SQUARE + SQUARE.T),
    "low rank": LowRankQuadratic(smoothness=2.5, rank=3),
    "isotropic": LowRankQuadratic(smoothness=2.5, rank=DIM),
    "cubic": Cubic(third=normal(DIM, seed=1), slope=normal(DIM, seed=2)),
    "least squares": LEAST_SQUARES,
    "neuron": NEURON,
}
each = pytest.mark.parametrize("loss", OBJECTIVES.values(), ids=OBJECTIVES)
THETA = normal(DIM, seed=9)


@each
def test_the_gradient_agrees_with_automatic_differentiation(loss):
    assert torch.allclose(loss.gradient(THETA), jacobian(loss, THETA), rtol=1e-12)


@each
def test_the_hessian_agrees_with_automatic_differentiation(loss):
    assert torch.allclose(loss.hessian(THETA), autograd_hessian(loss, THETA), rtol=1e-12)


@each
def test_a_batch_of_points_is_evaluated_as_its_points_are(loss):
    points = normal(3, 4, DIM, seed=10)
    one_by_one = torch.tensor([[loss(point) for point in row] for row in points], dtype=torch.float64)
    assert torch.allclose(loss(points), one_by_one, rtol=1e-12)


def test_the_cubics_laplacian_has_the_gradient_it_states():
    loss = OBJECTIVES["cubic"]
    laplacian = jacobian(lambda theta: jacobian(lambda t: loss.gradient(t), theta, create_graph=True).trace(), THETA)
    assert torch.allclose(loss.laplacian_gradient(), laplacian, rtol=1e-12)


def test_the_low_rank_hessian_has_as_many_directions_as_its_rank():
    assert torch.linalg.matrix_rank(OBJECTIVES["low rank"].hessian(THETA)) == 3


def test_per_example_gradients_agree_with_automatic_differentiation():
    exact = jacobian(LEAST_SQUARES.per_example, THETA)
    assert torch.allclose(LEAST_SQUARES.per_example_gradient(THETA), exact, rtol=1e-12)


def test_a_minibatch_loss_is_the_mean_over_its_examples():
    points, examples = normal(2, DIM, seed=5), torch.tensor([[0, 3, 3], [6, 1, 2]])
    expected = [LEAST_SQUARES.per_example(p)[batch].mean() for p, batch in zip(points, examples, strict=True)]
    assert torch.allclose(LEAST_SQUARES.on(examples)(points), torch.stack(expected), rtol=1e-12)


def test_a_batch_of_every_example_is_the_full_loss():
    everything = torch.arange(EXAMPLES)
    assert torch.allclose(LEAST_SQUARES.on(everything)(THETA), LEAST_SQUARES(THETA), rtol=1e-12)


def test_the_noise_is_the_trace_of_the_per_example_covariance():
    covariance = torch.cov(LEAST_SQUARES.per_example_gradient(THETA).T, correction=0)
    assert LEAST_SQUARES.noise(THETA) == pytest.approx(float(covariance.trace()), rel=1e-12)


def test_the_noise_stays_below_its_ratio_to_the_loss():
    loss = LeastSquares(LEAST_SQUARES.inputs, targets=LEAST_SQUARES.inputs @ normal(DIM, seed=6))  # can be fitted
    points = normal(500, DIM, seed=7)
    assert all(loss.noise(theta) <= loss.noise_ratio * float(loss(theta)) for theta in points)
    # one hundredth of it would be broken somewhere
    assert any(loss.noise(theta) > loss.noise_ratio / 100 * float(loss(theta)) for theta in points)


def test_the_noise_ratio_is_nearly_attained_by_orthogonal_examples():
    loss, theta = LeastSquares(2 * torch.eye(DIM).double(), torch.zeros(DIM).double()), torch.ones(DIM).double()
    assert loss.noise(theta) == pytest.approx((1 - 1 / DIM) * loss.noise_ratio * float(loss(theta)), rel=1e-12)


ERROR_RATE = ErrorRate(normal(EXAMPLES, DIM, seed=5))


def test_an_error_rate_counts_the_wrong_answers_and_has_no_gradient():
    wrong = sum(float(row @ THETA) < 0 for row in ERROR_RATE.signed)
    assert float(ERROR_RATE(THETA)) == pytest.approx(wrong / EXAMPLES)
    assert float(ERROR_RATE(THETA + 1e-9)) == float(ERROR_RATE(THETA))
    assert not ERROR_RATE.gradient(THETA).any() and not ERROR_RATE.hessian(THETA).any()


def test_a_batch_of_its_own_for_each_point():
    signed, points = normal(3, EXAMPLES, DIM, seed=6), normal(3, DIM, seed=7)
    one_by_one = [float(ErrorRate(batch)(point)) for batch, point in zip(signed, points, strict=True)]
    assert ErrorRate(signed)(points).tolist() == pytest.approx(one_by_one)


def test_its_smoothed_gradient_is_the_mean_of_the_two_point_estimate():
    truth = ERROR_RATE.smoothed_gradient(THETA, 0.3)
    along = truth / truth.norm()

    def draw(count, generator):
        z = LAWS["gaussian"].sample(count, 1, DIM, generator)[:, 0]
        return projected_gradient(ERROR_RATE, THETA, z, 0.3) * (z @ along)

    measured = sample(draw, 40_000, numbers_per_draw=DIM, seed=8).estimate()
    assert abs(measured.z_score(float(truth.norm()))) < 5
    assert abs(measured.z_score(0.0)) > 5


@pytest.mark.parametrize("length", [0.1, 1.0, 3.0, 10.0])
def test_the_curvature_of_a_neuron_is_bounded_everywhere_and_the_loss_is_not_convex(length):
    least = []
    for seed in range(40):
        curvature = NEURON.hessian(length * normal(DIM, seed=seed))
        assert torch.linalg.eigvalsh(NEURON.curvature_bound - curvature).min() > -1e-12
        least.append(float(torch.linalg.eigvalsh(curvature).min()))
    assert length < 1 or min(least) < 0


def test_the_bound_on_the_curvature_of_a_neuron_is_attained():
    answer = (15 - 33**0.5) / 24
    theta = torch.tensor([answer / (1 - answer)], dtype=torch.float64).log()
    one = torch.ones(1, 1, dtype=torch.float64)
    neuron = Neuron(one, torch.zeros(1, dtype=torch.float64))
    assert torch.allclose(neuron.hessian(theta), neuron.curvature_bound, rtol=1e-12)
