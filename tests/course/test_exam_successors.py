"""The numbers of the problem on MeZO's successors, in every year, by another route: draws, brute force, a search."""

import itertools
import math

import pytest
import torch
from exam_cases import SEEDS, agrees, years
from scipy import optimize, stats

from mezo_lab.sampling import sample

each_year = pytest.mark.parametrize("seed", SEEDS)
BAR = 5  # standard errors


def best_gain(mean: float, noise: float) -> float:
    """What the best step of an estimate gains, found by a search over rates."""
    return -optimize.minimize_scalar(lambda rate: -rate * mean + rate**2 * noise / 2).fun


@each_year
def test_the_gain_of_a_promised_step_is_what_a_search_over_rates_finds(seed):
    values = years("Promises and conditions")[seed]
    mean = 1 / values["shrink"]
    agrees(values, "gain", best_gain(mean, 1 / values["times"]) / best_gain(1, 1), 1e-6)
    equal = optimize.brentq(lambda times: best_gain(mean, 1 / times) - best_gain(1, 1), 1, 100)
    agrees(values, "least", equal, 1e-6)
    assert (values["times"] > values["least"]) == (values["verdict"] == "more")


@each_year
def test_a_kept_group_leaves_what_its_steps_leave(seed):
    values = years("Promises and conditions")[seed]
    groups, width = values["groups"], values["width"]
    # E‖z‖⁴ is the trace of γ·I
    agrees(values, "gamma", stats.chi2(width).moment(2) / width)
    agrees(values, "gamma_all", stats.chi2(groups * width).moment(2) / (groups * width))
    losses = [1 / groups] * groups  # on average
    together = 1.0
    for _ in range(values["steps"]):
        losses[0] *= 1 - 1 / values["gamma"]
        together *= 1 - 1 / values["gamma_all"]
    agrees(values, "left", sum(losses))
    agrees(values, "left_all", together)
    assert values["left"] > 1.1 * values["left_all"]


@each_year
def test_a_better_angle_gains_as_much_as_the_noise_falls(seed):
    values = years("Promises and conditions")[seed]
    inside, outside = values["inside"], values["dim"] - values["inside"]
    fourth, square = stats.norm.moment(4), stats.norm.moment(2)

    def noise(curved: float, size: int) -> float:
        """E[ĝᵀHĝ], the first coordinate being along g."""
        return fourth + square * (stats.chi2(inside - 1).mean() + curved * size)

    def gain(curved: float) -> float:
        return best_gain(1, noise(0, 0)) / best_gain(1, noise(curved, outside))

    agrees(values, "saved", gain(float(values["flatter"])), 1e-6)
    agrees(values, "half", optimize.brentq(lambda curved: gain(curved) - float(values["angle"]) / 2, 0, 1), 1e-6)
    agrees(
        values, "angle", stats.beta(0.5, (inside - 1) / 2).mean() / stats.beta(0.5, (inside + outside - 1) / 2).mean()
    )
    assert 1 < values["saved"] < values["angle"] / 2


@pytest.mark.parametrize("seed", range(4))
def test_the_noise_of_all_directions_is_that_of_its_draws(seed):
    values = years("Promises and conditions")[seed]
    curvature = torch.full((values["dim"],), float(values["flatter"]), dtype=torch.float64)
    curvature[: values["inside"]] = 1

    def draw(count, generator):
        z = torch.randn(count, values["dim"], generator=generator, dtype=torch.float64)
        return z[:, 0].square() * (z.square() @ curvature)

    found = sample(draw, 10_000, numbers_per_draw=values["dim"], seed=0).estimate()
    assert abs(found.z_score(float(values["whole"]))) < BAR


@each_year
def test_the_walk_is_summed_step_by_step(seed):
    values = years("Promises and conditions")[seed]
    rates = [1.0] * values["long_steps"] + [1 / values["divisor"]] * values["short_steps"]
    straight, squares = math.fsum(rates) ** 2, math.fsum(rate**2 for rate in rates)
    noise = squares * (values["parameters"] - 1)
    agrees(values, "straight", straight / squares)
    agrees(values, "share", straight / (straight + noise))
    half = optimize.brentq(lambda log: math.exp(log) / (values["parameters"] - 1) - 1, 0, 30)
    agrees(values, "needed", math.exp(half), 1e-6)


def test_the_length_of_a_walk_is_that_over_all_signs():
    slope = torch.tensor([1.0, 2.0, -3.0], dtype=torch.float64)
    signs = torch.tensor(list(itertools.product((1.0, -1.0), repeat=3)), dtype=torch.float64)
    estimates = (signs @ slope)[:, None] * signs
    walks = estimates[:, None, :] + estimates[None, :, :] / 5  # two steps, the second at a fifth of the rate
    expected = slope.square().sum() * ((1 + 1 / 5) ** 2 + (3 - 1) * (1 + 1 / 25))
    assert torch.allclose(walks.square().sum(-1).mean(), expected)
