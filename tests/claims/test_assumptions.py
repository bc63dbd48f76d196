"""The theorems on losses that are not quadratic everywhere, at parameters that their tables do not have."""

import pytest

from mezo_lab.claims import check, claim_named
from mezo_lab.sampling import LAWS
from mezo_lab.theory import Expression


def verdict(name, law, expect=None, **parameters):
    formula = None if expect is None else Expression(expect)
    return check(claim_named(name), LAWS[law], parameters, resolution=0.03, expect=formula)


@pytest.mark.parametrize(("dim", "probes"), [(1, 1), (2, 2), (3, 1)])
def test_gaussian_steps_leave_the_ball_of_theorem_two_more_rarely_than_it_says(dim, probes):
    assert verdict("local-ball", "gaussian", measure="tail", dim=dim, probes=probes).status.name == "CONSISTENT"


@pytest.mark.parametrize("law", ["sphere", "rademacher", "orthogonal"])
def test_steps_of_a_fixed_length_never_leave_the_ball_and_gaussian_ones_do(law):
    found = verdict("local-ball", law, measure="inside", dim=3, probes=1)
    assert found.passed and found.decoys[0].statement == "Gaussian steps"


@pytest.mark.parametrize("law", ["gaussian", "sphere", "rademacher", "orthogonal"])
def test_a_typical_step_is_far_shorter_than_the_radius_of_the_ball(law):
    found = verdict("local-ball", law, measure="length", dim=100, probes=1)
    assert found.passed and found.estimate.mean == pytest.approx(1 / 100, rel=0.1)


def test_a_ball_that_typical_steps_leave_breaks_the_descent_bound():
    found = verdict("local-ball", "gaussian", measure="descent", dim=350, probes=2, rank=3)
    assert found.passed
    ball = next(decoy for decoy in found.decoys if decoy.statement.startswith("a ball"))
    assert ball.estimate is not None and ball.estimate.mean > 0 > found.estimate.mean  # the step goes uphill


def test_without_gamma_the_rate_to_a_stationary_point_is_refuted():
    found = verdict("stationarity", "gaussian", "2*ell*L0/steps", dim=12, probes=1, steps=30)
    assert found.status.name == "REFUTED"


@pytest.mark.parametrize(("law", "probes"), [("gaussian", 4), ("rademacher", 2), ("orthogonal", 6)])
def test_the_rate_to_a_stationary_point_holds_for_more_probes(law, probes):
    found = verdict("stationarity", law, dim=8, probes=probes, steps=50)
    assert found.status.name == "CONSISTENT" and found.estimate.mean > found.expected / 4  # and is no empty bound


def test_a_measure_refuses_a_law_that_it_is_not_about():
    with pytest.raises(ValueError, match="`law` must be one of gaussian for the measure 'tail', got sphere"):
        verdict("local-ball", "sphere", measure="tail", dim=2, probes=1)
