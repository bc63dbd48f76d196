"""What claim E12 says at parameters that its tables do not have."""

import pytest

from mezo_lab.claims import check, claim_named
from mezo_lab.sampling import LAWS
from mezo_lab.theory import Expression


def verdict(law, expect=None, dim=5, probes=3):
    formula = None if expect is None else Expression(expect)
    sizes = {"dim": dim, "probes": probes}
    return check(claim_named("smoothing-any-law"), LAWS[law], sizes, resolution=0.03, expect=formula)


@pytest.mark.parametrize("law", ["rademacher", "uniform", "coordinate", "sphere", "orthogonal"])
def test_the_gaussians_smoothing_bias_is_refuted_for_other_laws_at_other_sizes_too(law):
    found = verdict(law)
    assert found.passed and "vg + eps**2/2*va" in [decoy.statement for decoy in found.decoys]


def test_a_law_with_the_gaussians_fourth_moments_has_its_smoothing_bias():
    assert verdict("three-point", "vg + eps**2/2*va").status.name == "CONSISTENT"


@pytest.mark.parametrize("law", ["rademacher", "sphere", "coordinate", "orthogonal", "uniform"])
def test_in_one_dimension_a_sign_is_told_for_certain_and_another_law_is_not(law):
    found = verdict(law, dim=1, probes=1)
    assert found.passed
    assert (found.estimate.standard_error < 1e-12) == (law != "uniform")
