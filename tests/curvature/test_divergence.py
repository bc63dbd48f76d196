"""Where a run of the optimizer itself diverges: within 10 % of the prediction, if more than a few directions matter."""

import pytest
import torch

from mezo_lab.curvature import bowl, divergence, growth_rate, predict_stable_lr, spectrum
from mezo_lab.curvature.divergence import Trial, _crossing, _scale_back, steps_for
from mezo_lab.sampling import LAWS, Estimate
from mezo_lab.theory import Moments, stability_limit

GAUSSIAN = Moments(1, 0)


def predicted(eigenvalues) -> float:
    theta, loss = bowl(eigenvalues)
    return predict_stable_lr([theta], loss, draws=400).lr


def signs(eigenvalues, lr: float, **kinds) -> float:
    """By how many standard errors the loss of a run grows."""
    return growth_rate(eigenvalues, lr, **kinds).z_score(0.0)


@pytest.mark.parametrize(
    ("name", "dim", "rank", "steps"), [("isotropic", 100, None, 300), ("isotropic", 1_000, None, 100)]
)
def test_the_prediction_is_within_a_tenth_of_where_mezo_diverges(name, dim, rank, steps):
    eigenvalues = spectrum(name, dim, rank)
    lr = predicted(eigenvalues)
    assert signs(eigenvalues, 0.9 * lr, steps=steps) < -5
    assert signs(eigenvalues, 1.1 * lr, steps=steps) > 5


@pytest.mark.slow
@pytest.mark.parametrize("dim", [10_000, 100_000, 1_000_000])
@pytest.mark.parametrize(
    ("name", "rank", "steps"), [("flat", 50, 1_500), ("exponential", 30, 3_000), ("isotropic", None, 100)]
)
def test_the_prediction_is_within_a_tenth_up_to_a_million_dimensions(name, dim, rank, steps):
    eigenvalues = spectrum(name, dim, rank)
    lr = predicted(eigenvalues)
    assert signs(eigenvalues, 0.9 * lr, steps=steps) < -5
    assert signs(eigenvalues, 1.1 * lr, steps=steps) > 5


def test_the_limit_of_sgd_and_half_the_prediction_are_not_where_it_diverges():
    eigenvalues = spectrum("isotropic", 100)
    assert signs(eigenvalues, 2.0, steps=50) > 5  # 2/ℓ
    assert growth_rate(eigenvalues, 2.0, steps=50).mean > 1  # by a factor e in a step
    assert signs(eigenvalues, 0.5 * predicted(eigenvalues), steps=50) < -5  # 1/(ℓγ)


def test_a_single_run_in_one_direction_outlives_the_mean():
    eigenvalues = spectrum("flat", 3, 1)
    limit = stability_limit(eigenvalues, 1, GAUSSIAN)
    assert limit == pytest.approx(2 / 3)
    run = growth_rate(eigenvalues, 2 * limit, steps=500)
    quantiles = torch.distributions.Normal(0, 1).icdf((torch.arange(100_000, dtype=torch.float64) + 0.5) / 100_000)
    expected = 2 * float((1 - 2 * limit * quantiles.square()).abs().log().mean())
    assert abs(run.z_score(expected)) < 5
    assert run.z_score(0.0) < -5  # the run goes down, where the mean goes up by
    assert 1 - 2 * (2 * limit) + 3 * (2 * limit) ** 2 > 3


@pytest.mark.parametrize("law", ["rademacher", "sphere"])
def test_where_probes_have_one_length_no_run_outlives_the_mean(law):
    eigenvalues = spectrum("isotropic", 20)
    limit = stability_limit(eigenvalues, 1, LAWS[law].moments(20))
    found = divergence(eigenvalues, 1.05 * limit, law=law, steps=50)
    assert found.lr == pytest.approx(limit, rel=2e-3)
    assert abs(found.lr / stability_limit(eigenvalues, 1, GAUSSIAN) - 1) > 0.05


def test_more_probes_allow_a_larger_step():
    eigenvalues, probes = spectrum("isotropic", 50), 2
    limit = stability_limit(eigenvalues, probes, GAUSSIAN)
    assert limit > 1.9 * stability_limit(eigenvalues, 1, GAUSSIAN)
    assert signs(eigenvalues, 0.75 * limit, probes=probes, steps=100) < -5
    assert signs(eigenvalues, 1.35 * limit, probes=probes, steps=100) > 5


def test_a_bad_guess_is_left_behind():
    eigenvalues = spectrum("isotropic", 20)
    for guess in (0.05, 0.2):
        found = divergence(eigenvalues, guess, law="rademacher", steps=25)
        assert found.lr == pytest.approx(2 / 20, rel=0.01) and len(found.trials) > 4


def test_scaling_back_leaves_a_gradient_of_length_1_and_nothing_where_the_loss_is_flat():
    eigenvalues = torch.tensor([2.0, 1.0, 0.0], dtype=torch.float64)
    theta, loss = bowl(eigenvalues)
    shape, before = (theta[0] / theta[1]).item(), torch.autograd.grad(loss(), theta)[0].norm().item()
    assert _scale_back(theta, eigenvalues) == pytest.approx(before)
    assert torch.autograd.grad(loss(), theta)[0].norm().item() == pytest.approx(1) and theta[2].item() == 0
    assert (theta[0] / theta[1]).item() == pytest.approx(shape)


def test_the_filling_of_nearly_flat_directions_is_not_taken_for_growth():
    eigenvalues = torch.cat([spectrum("flat", 20), torch.full((2_000,), 1e-12, dtype=torch.float64)])
    limit = stability_limit(eigenvalues, 1, GAUSSIAN)
    assert signs(eigenvalues, 0.8 * limit, steps=500) < -5
    assert signs(eigenvalues, 1.25 * limit, steps=500) > 5


def test_the_seed_decides_the_run():
    eigenvalues = spectrum("isotropic", 10)
    means = [growth_rate(eigenvalues, 0.1, seed=seed, steps=25).mean for seed in (0, 0, 1)]
    assert means[0] == means[1] != means[2]


def test_more_steps_are_planned_for_a_smaller_error_and_fewer_directions():
    assert steps_for(0.01, 50.0, 50.0) == 4 * steps_for(0.02, 50.0, 50.0)
    assert steps_for(0.02, 10.0, 10.0) > steps_for(0.02, 50.0, 50.0) and steps_for(0.02, 1.0, 1.0) == 3_000


def test_the_crossing_lies_between_the_signs():
    assert _crossing(Trial(1.0, Estimate(-0.3, 0.1, 25)), Trial(1.2, Estimate(0.1, 0.1, 25))) == pytest.approx(1.15)


def test_a_step_of_no_length_is_refused():
    with pytest.raises(ValueError, match=r"`lr` must be positive, got 0\.0: a step has a length"):
        growth_rate(spectrum("isotropic", 5), 0.0)
