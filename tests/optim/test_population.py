"""A population of one-sided losses: what its baselines leave of the gradient, and what its shapings see."""

import math

import pytest
import torch

from mezo_lab.optim import MeZO
from mezo_lab.optim.stencils import Population
from mezo_lab.sampling import RunningMoments

SLOPE = torch.tensor([3.0, -1.0, 2.0, 0.5], dtype=torch.float64)
STEPS, RATE = 500, 1e-6  # so small that the loss stays where it is
KEPT = {"mean": lambda probes: (probes - 1) / probes, "leave-one-out": lambda probes: 1.0}


def seen(baseline: str, probes: int) -> RunningMoments:
    """gᵀ(θ_t − θ_{t+1})/(η‖g‖²) of each step on a linear loss: the share of the gradient that ĝ has."""
    theta = torch.nn.Parameter(torch.zeros(4, dtype=torch.float64))
    kinds = {"estimator": "population", "baseline": baseline, "probes": probes, "compiled": False}
    opt, shares = MeZO([theta], lr=RATE, epsilon=0.1, **kinds), RunningMoments()
    for _ in range(STEPS):
        before = theta.detach().clone()
        opt.step(lambda: 5.0 + SLOPE @ theta.detach())
        share = (before - theta.detach()) @ SLOPE / (RATE * SLOPE @ SLOPE)
        shares.add(share[None])
    return shares


@pytest.mark.parametrize(("baseline", "probes"), [("mean", 2), ("leave-one-out", 2), ("mean", 3)])
def test_a_step_keeps_the_share_of_the_gradient_that_its_baseline_leaves(baseline, probes):
    """The mean's own share, (N−1)/N, lies 5 standard errors at least from the whole gradient."""
    found, other = seen(baseline, probes).estimate(), KEPT["mean" if baseline == "leave-one-out" else "leave-one-out"]
    assert abs(found.z_score(KEPT[baseline](probes))) < 5
    assert abs(found.z_score(other(probes))) > 5  # the control


def test_without_a_baseline_it_is_unbiased_and_its_variance_is_that_of_the_loss():
    """L/ε is 50 where ‖g‖ is 3.8: √((50²/3.8² + 2)/2) = 9.4 a step, where leave-one-out has √2."""
    found = seen("none", 2)
    assert abs(found.estimate().z_score(1.0)) < 5
    assert found.deviation == pytest.approx(math.sqrt((50**2 / float(SLOPE @ SLOPE) + 2) / 2), rel=0.2)


@pytest.mark.parametrize("shaping", ["z-score", "rank"])
@pytest.mark.parametrize("change", [lambda loss: loss + 1e3, lambda loss: 1e-3 * loss, lambda loss: 1e3 * loss - 7])
def test_a_shaping_does_not_see_the_scale_of_the_losses(shaping, change):
    losses = [0.25, -1.0, 3.0, 0.5]
    shaped = Population(shaping=shaping).shaped
    assert shaped([change(loss) for loss in losses]) == pytest.approx(shaped(losses), rel=1e-9)


@pytest.mark.parametrize("scale", [1e-200, 1e200])
def test_scores_are_those_of_the_smallest_and_of_the_largest_losses_too(scale):
    shaped = Population(shaping="z-score").shaped
    assert shaped([scale, 2 * scale, 6 * scale]) == pytest.approx(shaped([1.0, 2.0, 6.0]), rel=1e-9)


def test_ranks_see_the_order_alone_and_scores_see_more():
    some, others = [1.0, 2.0, 3.0], [math.exp(loss) for loss in (1.0, 2.0, 3.0)]
    ranks, scores = Population(shaping="rank").shaped, Population(shaping="z-score").shaped
    assert ranks(some) == ranks(others) == [-0.5, 0.0, 0.5]
    assert scores(some) != pytest.approx(scores(others))


@pytest.mark.parametrize(
    "kinds", [{"baseline": "mean"}, {"baseline": "leave-one-out"}, {"shaping": "z-score"}, {"shaping": "rank"}]
)
def test_equal_losses_move_nothing_and_the_weights_of_a_population_add_up_to_zero(kinds):
    shaped = Population(**kinds).shaped
    assert shaped([2.5] * 4) == shaped([0.1] * 4) == [0.0] * 4
    assert shaped([0.7] * 1000) == [0.0] * 1000  # whose mean is not 0.7 in floating point
    assert sum(shaped([1.0, 4.0, -2.0, 4.0, 0.0])) == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("kinds", [{}, {"baseline": "mean"}, {"shaping": "z-score"}, {"shaping": "rank"}])
@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_a_loss_that_is_not_finite_skips_the_step(kinds, bad):
    theta = torch.nn.Parameter(torch.ones(3))
    opt = MeZO([theta], lr=0.1, estimator="population", probes=3, check_closure=False, **kinds)
    losses = iter([1.0, bad, 2.0])
    with pytest.warns(RuntimeWarning, match="not finite"):
        opt.step(lambda: next(losses))
    assert torch.allclose(theta, torch.ones(3), atol=1e-6) and opt.diagnostics.skipped == 1


def test_it_asks_once_for_each_direction_and_never_at_theta_itself():
    theta = torch.nn.Parameter(torch.zeros(3, dtype=torch.float64))
    opt, places = MeZO([theta], lr=0.1, estimator="population", probes=4, epsilon=0.1, check_closure=False), []

    def loss():
        places.append(theta.detach().clone())
        return 0.0

    opt.step(loss)
    assert len(places) == 4 and all(place.norm() > 1e-3 for place in places)


def test_it_follows_a_reward_that_has_no_gradient():
    """The share of signs that are right: flat almost everywhere, and its ranks still lead uphill."""
    target = torch.tensor([1.0, -1.0] * 10)
    theta = torch.nn.Parameter(torch.zeros(20))

    def wrong() -> float:
        return float((theta.detach().sign() != target).float().mean())

    opt = MeZO([theta], lr=0.02, estimator="population", shaping="rank", probes=16, epsilon=0.1, compiled=False)
    for _ in range(60):
        opt.step(wrong)
    opt.flush()
    assert wrong() < 0.25
