"""What the claims about subspaces say at parameters that their tables do not have."""

import pytest

from mezo_lab.claims import check, claim_named
from mezo_lab.sampling import LAWS
from mezo_lab.theory import Expression

RESOLUTION = 0.03


def verdict(name, law="gaussian", expect=None, **parameters):
    formula = None if expect is None else Expression(expect)
    return check(claim_named(name), LAWS[law], parameters, resolution=RESOLUTION, expect=formula)


def kept(law="gaussian", expect=None, p=3, q=5, k=2, probes=1, steps=3, moment="loss"):
    return verdict(
        "fixed-subspace",
        law,
        expect,
        p=p,
        q=q,
        k=k,
        probes=probes,
        steps=1 if moment == "mean" else steps,
        moment=moment,
    )


def aligned(law="gaussian", expect=None, p=3, q=5, k=2, probes=1, outside=1.0, subspace="aligned", moment="cosine"):
    sizes = {"p": p, "q": q, "k": k, "probes": probes, "outside": outside, "subspace": subspace, "moment": moment}
    return verdict("aligned-subspace", law, expect, **sizes)


SIZES = [(1, 2, 1), (2, 5, 3), (7, 3, 1), (3, 4, 3)]


@pytest.mark.parametrize(("p", "q", "k"), SIZES)
@pytest.mark.parametrize("probes", [1, 3])
def test_a_kept_subspace_has_its_mean_at_other_sizes_too(p, q, k, probes):
    assert kept(p=p, q=q, k=k, probes=probes, moment="mean").passed


@pytest.mark.parametrize(("p", "q", "k"), SIZES)
@pytest.mark.parametrize(("law", "probes", "steps"), [("gaussian", 2, 2), ("sphere", 1, 5), ("sphere", 3, 1)])
def test_what_a_kept_subspace_leaves_of_the_loss_is_measured_at_other_sizes_too(p, q, k, law, probes, steps):
    assert kept(law, p=p, q=q, k=k, probes=probes, steps=steps).passed


@pytest.mark.parametrize("steps", [1, 2, 20])
def test_a_kept_subspace_saves_no_forward_pass_however_long_it_is_kept(steps):
    found = kept(steps=steps)
    smaller, whole = found.decoys
    assert (smaller.statement, whole.statement) == ("q/k*whole", "whole")
    assert found.passed
    assert found.theory < whole.expected < smaller.expected


def test_one_step_on_the_sphere_loses_nothing_either():
    found = kept("sphere", "whole", steps=1)
    assert found.status.name == "CONSISTENT"


@pytest.mark.parametrize(("p", "q", "k"), [(2, 3, 1), (2, 5, 3), (1, 4, 2)])
@pytest.mark.parametrize("law", ["gaussian", "sphere"])
@pytest.mark.parametrize("subspace", ["aligned", "random"])
def test_the_cosine_is_the_captured_share_over_the_dimension_at_other_sizes_too(p, q, k, law, subspace):
    assert aligned(law, p=p, q=q, k=k, subspace=subspace).passed


@pytest.mark.parametrize("outside", [0.0, 0.2, 1.0])
@pytest.mark.parametrize(("law", "probes"), [("gaussian", 1), ("gaussian", 3), ("sphere", 1)])
def test_the_progress_of_an_aligned_subspace_is_measured_at_other_curvatures_too(outside, law, probes):
    assert aligned(law, probes=probes, outside=outside, moment="progress").passed


def test_where_all_curvature_is_in_the_subspace_nothing_is_gained():
    assert aligned("gaussian", "whole", outside=0.0, moment="progress").status.name == "CONSISTENT"


def test_where_there_is_as_much_outside_fewer_steps_are_needed():
    found = aligned("gaussian", "whole", outside=1.0, moment="progress")
    assert found.status.name == "REFUTED" and found.estimate.mean > found.expected


@pytest.mark.parametrize(
    ("build", "parameters", "message"),
    [
        (kept, {"k": 5}, "`k` must be below `q`, got 5 for 5: a subspace of all columns leaves nothing out"),
        (kept, {"p": 0}, "`p` must be at least 1, got 0: raise it"),
        (aligned, {"p": 1, "k": 1}, "`p` times `k` must be at least 2"),
        (aligned, {"probes": 2}, "`probes` must be 1 for the cosine, got 2"),
        (aligned, {"outside": 1.5}, "`outside` must be from 0 to 1, got 1.5"),
        (aligned, {"subspace": "random", "moment": "progress"}, "`subspace` must be aligned for the progress"),
    ],
)
def test_parameters_that_make_no_sense_are_refused(build, parameters, message):
    with pytest.raises(ValueError, match=message):
        build(**parameters)


def test_a_mean_takes_no_steps():
    with pytest.raises(ValueError, match="`steps` must be 1 for the mean, got 2"):
        verdict("fixed-subspace", p=3, q=5, k=2, probes=1, steps=2, moment="mean")


BIG = {"p": 576, "q": 1536, "k": 16}  # a matrix of a real model


@pytest.mark.parametrize("law", ["gaussian", "sphere"])
@pytest.mark.parametrize("subspace", ["aligned", "random"])
def test_the_cosine_is_measured_at_the_size_of_a_real_matrix(law, subspace):
    found = aligned(law, subspace=subspace, **BIG)
    assert found.passed


@pytest.mark.parametrize(("outside", "believed"), [(0.0, "q/k*whole"), (1.0, "whole")])
def test_the_progress_is_measured_at_the_size_of_a_real_matrix(outside, believed):
    found = aligned(outside=outside, moment="progress", **BIG)
    assert found.passed
    assert [decoy.statement for decoy in found.decoys] == [believed]  # the other one is nearly true there


def test_the_loss_of_a_kept_subspace_is_measured_at_the_size_of_a_real_matrix():
    found = kept(steps=1, **BIG)
    assert found.passed


@pytest.mark.parametrize("moment", ["norm", "cosine"])
def test_low_rank_directions_are_measured_at_the_size_of_a_real_matrix(moment):
    found = verdict("low-rank-direction", p=576, q=1536, k=1, probes=1, moment=moment)
    assert found.passed
