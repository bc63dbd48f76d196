"""`mezo-lab list NAME`: one claim, and where each of its formulas holds."""

import pytest

from mezo_lab.claims import REGISTRY
from mezo_lab.cli import main
from mezo_lab.cli.listing import experiments_of, formulas


def test_only_the_named_claims_are_shown(capsys):
    assert main(["list", "B9"]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith("B9   tail") and "norm-factor" not in printed
    assert "(gaussian dim = 40)" in printed and "(gaussian dim = 10)" in printed


def test_an_unknown_claim_is_refused_with_the_nearest(capsys):
    assert main(["list", "tial"]) == 2
    assert "nearest: tail" in capsys.readouterr().err


@pytest.mark.parametrize("name", REGISTRY)
def test_no_two_formulas_of_a_claim_hold_at_the_same_place(name):
    places = [formula.partition("  (")[2].rstrip(")") for formula in formulas(experiments_of(REGISTRY[name]))]
    assert len(places) < 2 or not set.intersection(*(set(place.split(", ")) for place in places))
