"""What MeZO sees of a step and of an accuracy: each closed form agrees with the draws, and a wrong one does not."""

import math

import pytest
import torch

from mezo_lab.sampling import LAWS, projected_gradient, sample
from mezo_lab.theory import magnitude_beyond, step_slope, zero_probability

BAR = 5  # standard errors
laws = pytest.mark.parametrize("law", ["gaussian", "rademacher", "uniform"])


def step(points):
    return (points[..., 0] < 0).double()


@laws
@pytest.mark.parametrize("place", [0.0, -0.2, 0.45, 1.2])
def test_the_slope_of_a_step_is_the_mean_of_the_estimate(law, place):
    def draw(count, generator):
        z = LAWS[law].sample(count, 1, 1, generator)[:, 0]
        return projected_gradient(step, torch.tensor([place], dtype=z.dtype), z, 0.5) * z[:, 0]

    measured = sample(draw, 40_000, numbers_per_draw=1, seed=1).estimate()
    truth = step_slope(place, 0.5, law)
    if measured.standard_error == 0:
        assert measured.mean == truth
        return
    assert abs(measured.z_score(truth)) < BAR
    assert abs(measured.z_score(truth / 2)) > BAR


@laws
def test_beyond_0_lies_all_of_the_mean_magnitude(law):
    whole = {"gaussian": math.sqrt(2 / math.pi), "rademacher": 1.0, "uniform": math.sqrt(3) / 2}[law]
    assert magnitude_beyond(0.0, law) == pytest.approx(whole)
    assert magnitude_beyond(0.5, law) <= whole


def test_the_gaussian_slope_is_that_of_the_smoothed_step():
    places = torch.linspace(-1, 1, 9, dtype=torch.float64, requires_grad=True)
    (slopes,) = torch.autograd.grad(torch.special.ndtr(-places / 0.3).sum(), places)
    assert [step_slope(float(place), 0.3) for place in places.detach()] == pytest.approx(slopes.tolist())


def test_a_law_without_a_formula_is_refused():
    with pytest.raises(ValueError, match="`law` must be one of gaussian, rademacher, uniform, got 'sphere': choose"):
        magnitude_beyond(1.0, "sphere")


@pytest.mark.parametrize("towards", [0.5, 0.8, 1.0])
def test_no_difference_is_seen_as_often_as_flips_cancel(towards):
    flip, batch, draws = 0.2, 9, 200_000
    generator = torch.Generator().manual_seed(2)
    flips = torch.rand(draws, batch, generator=generator) < flip
    signs = torch.where(torch.rand(draws, batch, generator=generator) < towards, 1, -1)
    zeros = ((flips * signs).sum(1) == 0).double()
    error = float(zeros.std()) / math.sqrt(draws)
    assert abs(float(zeros.mean()) - zero_probability(flip, batch, towards)) < BAR * error
    even = (1 + (1 - 2 * flip) ** batch) / 2
    assert abs(float(zeros.mean()) - even) > BAR * error


def test_where_all_flips_go_one_way_only_none_is_no_difference():
    assert zero_probability(0.3, 5, towards=1.0) == pytest.approx(0.7**5)


def test_an_array_of_chances_gives_one_of_probabilities():
    flips = torch.tensor([[0.0, 0.5], [1.0, 0.1]], dtype=torch.float64)
    each = torch.tensor([[zero_probability(float(flip), 4) for flip in row] for row in flips], dtype=torch.float64)
    assert torch.allclose(zero_probability(flips, 4), each, rtol=1e-12)
