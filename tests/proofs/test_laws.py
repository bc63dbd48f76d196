import dataclasses

import pytest
import sympy

from mezo_lab.proofs.case import Case, dot, square, sympy_number
from mezo_lab.proofs.laws import SYMBOLIC_LAWS, weights
from mezo_lab.proofs.notation import Scalar, d, equation, kappa
from mezo_lab.proofs.wick import chain, cycle, diagonal, expectation, matrix, vector
from mezo_lab.sampling import LAWS

GG = chain("g", "g")
NORM = [vector("g"), vector("g"), matrix("I")]


def test_every_sampled_law_has_a_derivation():
    assert set(SYMBOLIC_LAWS) == {*LAWS, "iid"}


@pytest.mark.parametrize("law", LAWS)
def test_derived_moments_are_those_that_the_library_samples_by(law):
    derived, used = weights(law), LAWS[law].moments(d)
    for ours, theirs in zip((derived.pair, derived.coincidence, derived.across, derived.swap), used, strict=True):
        assert sympy.cancel(ours - sympy.sympify(theirs)) == 0


@pytest.mark.parametrize("law", SYMBOLIC_LAWS)
def test_every_law_is_isotropic(law):
    assert expectation([vector("u"), vector("g")], weights(law)) == chain("g", "u")
    assert expectation([matrix("H")], weights(law)) == cycle("H")


@pytest.mark.parametrize("law", SYMBOLIC_LAWS)
def test_a_probe_that_occurs_once_averages_to_zero(law):
    assert expectation([vector("g"), vector("u", "z′")], weights(law)) == 0
    three_and_one = [vector("g"), vector("g"), vector("u"), vector("u", "z′")]
    assert expectation(three_and_one, weights(law)) == 0


@pytest.mark.parametrize(
    ("law", "c"),
    [
        ("gaussian", d + 2),
        ("rademacher", d),
        ("uniform", d + sympy.Rational(4, 5)),
        ("three-point", d + 2),
        ("iid", d - 1 + kappa),
        ("sphere", d),
        ("coordinate", d),
        ("orthogonal", d),
    ],
)
def test_the_fourth_moment_of_each_law_is_that_of_the_list_of_claims(law, c):
    assert sympy.cancel(expectation(NORM, weights(law)) - c * GG) == 0


def test_orthogonal_probes_cancel_in_the_cross_term():
    cross = [vector("g"), matrix("I", "z", "z′"), vector("g", "z′")]
    assert sympy.cancel(expectation(cross, weights("orthogonal"))) == 0
    assert expectation(cross, weights("sphere")) == GG


def test_the_sphere_is_the_gaussian_over_its_mean_fourth_power_of_length():
    ratio = expectation([matrix("H"), matrix("H")], weights("sphere")) / (cycle("H") ** 2 + 2 * cycle("H", "H"))
    # "all equal" weighs nothing on the sphere, so only d²/(d² + 2d) is left
    assert sympy.cancel(ratio) == d / (d + 2)


def test_brute_force_rejects_signs_without_their_coincidence_term():
    wrong = dataclasses.replace(weights("rademacher"), coincidence=sympy.Integer(0))
    case = Case("rademacher", 3, 1)
    exact = case.mean(square(case.estimate(case.g))) / sympy_number(dot(case.g, case.g))
    assert (expectation(NORM, weights("rademacher")) / GG).xreplace({d: sympy.Integer(3)}) == exact
    assert (expectation(NORM, wrong) / GG).xreplace({d: sympy.Integer(3)}) != exact


def test_a_derivation_says_what_it_averages_over():
    sentences = " ".join(step.sentence for step in weights("coordinate").fourth_steps)
    assert "±√d·eᵢ" in sentences and "probability 1/d" in sentences
    assert weights("coordinate").fourth_steps[-1].formula == equation("E[zᵢzⱼzₖzₗ]", d * Scalar("δᵢⱼₖₗ"))
    assert diagonal(*NORM) == GG
