"""What E8, E9, E10 and E14 say at parameters that their tables do not have."""

import pytest
import torch

from mezo_lab import theory
from mezo_lab.claims import check, claim_named
from mezo_lab.sampling import LAWS, Quadratic, second_difference, signs
from mezo_lab.theory import Expression

RESOLUTION = 0.03


def verdict(name, law, expect=None, **parameters):
    formula = None if expect is None else Expression(expect)
    return check(claim_named(name), LAWS[law], parameters, resolution=RESOLUTION, expect=formula)


@pytest.mark.parametrize("moment", ["scale", "step", "norm"])
@pytest.mark.parametrize(("dim", "probes"), [(3, 11), (50, 24), (1_000_000, 12)])
def test_a_step_divided_by_the_spread_of_its_losses_is_measured_at_other_sizes(dim, probes, moment):
    found = verdict("self-normalised", "gaussian", dim=dim, probes=probes, moment=moment)
    assert found.passed, str(found)
    assert found.parameters.get("sampler") == ("reduced" if dim > 2048 else None)


def test_the_mean_step_is_nearly_that_of_a_normalised_gradient_and_the_step_is_not():
    found = verdict("self-normalised", "gaussian", dim=6, probes=20, moment="step")
    assert found.passed and found.expected == pytest.approx(1 - 1 / 80, abs=1 / 20**2)
    assert verdict("self-normalised", "gaussian", "1", dim=6, probes=20, moment="norm").status.name == "REFUTED"


@pytest.mark.parametrize("law", ["gaussian", "uniform", "three-point", "sphere"])
@pytest.mark.parametrize("probes", [1, 3])
def test_the_diagonal_of_the_hessian_is_measured_at_other_sizes(law, probes):
    assert verdict("curvature-diagonal", law, dim=5, probes=probes, moment="centred").passed


@pytest.mark.parametrize(("moment", "law"), [("raw", "rademacher"), ("raw", "sphere"), ("magnitude", "gaussian")])
def test_other_means_of_the_same_product_are_measured_at_other_sizes(moment, law):
    assert verdict("curvature-diagonal", law, dim=3, probes=2, moment=moment).passed


def test_signs_estimate_no_diagonal_in_any_draw():
    z = signs((200, 1, 7), torch.Generator().manual_seed(0)).double()
    matrix = torch.randn(7, 7, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    bend = second_difference(Quadratic(matrix + matrix.T), torch.ones(7, dtype=torch.float64), z, epsilon=0.1)
    assert bend.std() > 1
    assert not (bend[:, None] * (z[:, 0].square() - 1)).any()


def test_what_signs_see_of_the_diagonal_is_the_same_on_every_coordinate():
    found = verdict("curvature-diagonal", "rademacher", "trH/2", dim=5, probes=1, moment="raw")
    assert found.passed


def test_an_absolute_value_does_not_keep_the_diagonal():
    found = verdict("curvature-diagonal", "gaussian", dim=8, probes=1, moment="magnitude")
    (diagonal,) = found.decoys
    assert found.estimate.mean > 2 * diagonal.expected and diagonal.status.name == "REFUTED"


@pytest.mark.parametrize("law", ["gaussian", "rademacher", "sphere"])
@pytest.mark.parametrize("moment", ["norm", "share"])
def test_the_walk_of_a_run_is_measured_at_other_sizes(law, moment):
    assert verdict("wandering", law, dim=5, steps=7, probes=3, moment=moment).passed


def test_one_step_walks_as_far_as_its_estimate_is_long():
    found = verdict("wandering", "gaussian", "eta**2*(d+2)", dim=5, steps=1, probes=1, moment="norm")
    assert found.passed


def test_the_share_of_signal_is_measured_on_thirteen_billion_weights():
    found = verdict("wandering", "gaussian", dim=13_000_000_000, steps=5, probes=2, moment="share")
    assert found.passed and found.parameters["sampler"] == "reduced"
    assert found.expected == pytest.approx(theory.signal_share(5, (13_000_000_000 + 3) / 2))


@pytest.mark.parametrize("law", ["gaussian", "rademacher", "sphere", "orthogonal"])
@pytest.mark.parametrize("anchor", ["known", "own", "passes", "moving"])
def test_what_a_control_variate_leaves_is_measured_at_other_sizes(law, anchor):
    assert verdict("control-variate", law, dim=7, probes=3, batch=4, anchor=anchor).passed


def test_an_anchor_with_probes_of_its_own_gains_next_to_nothing_and_one_that_moves_loses():
    left = {
        anchor: verdict("control-variate", "gaussian", dim=12, probes=1, batch=8, anchor=anchor)
        for anchor in ("known", "own", "moving")
    }
    whole = claim_named("control-variate").experiment(LAWS["gaussian"], dim=12, probes=1, batch=8, anchor="own")
    share = {anchor: found.estimate.mean / whole.symbols["V"] for anchor, found in left.items()}
    assert share["known"] < 0.3
    assert 0.9 < share["own"] < 1.1
    assert share["moving"] > 1.5
