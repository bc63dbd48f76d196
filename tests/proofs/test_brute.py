import pytest
import sympy
from sympy import QQ, Integer, Rational, cos, sin

from mezo_lab.proofs import prove
from mezo_lab.proofs.brute import (
    coordinate_moment,
    monomial_moment,
    orthogonal_pair_moment,
    single_moment,
    skewness,
    sphere_moment,
)
from mezo_lab.proofs.case import Case, add, square, sympy_number
from mezo_lab.proofs.notation import kappa

ANGLE = sympy.Symbol("t", real=True)


def over_the_circle(function):
    return sympy.simplify(sympy.integrate(function, (ANGLE, 0, 2 * sympy.pi)) / (2 * sympy.pi))


@pytest.mark.parametrize("k", [0, 1, 2, 3, 4, 6])
def test_coordinate_moments_are_integrals_of_their_density(k):
    x, end = sympy.Symbol("x", real=True), sympy.sqrt(3)
    density = sympy.exp(-(x**2) / 2) / sympy.sqrt(2 * sympy.pi)
    assert coordinate_moment("gaussian", k) == sympy.integrate(x**k * density, (x, -sympy.oo, sympy.oo))
    assert coordinate_moment("uniform", k) == sympy.integrate(x**k / (2 * end), (x, -end, end))
    assert coordinate_moment("rademacher", k) == (1 + Integer(-1) ** k) / 2
    assert coordinate_moment("three-point", k) == (end**k + (-end) ** k + 4 * Integer(0) ** k) / 6


@pytest.mark.parametrize("row", [(4, 0), (2, 2), (2, 0), (6, 2), (3, 1)])
def test_sphere_moments_in_the_plane_are_integrals_over_a_circle(row):
    radius = sympy.sqrt(2)
    assert sphere_moment(row) == over_the_circle((radius * cos(ANGLE)) ** row[0] * (radius * sin(ANGLE)) ** row[1])


@pytest.mark.parametrize(("row", "other"), [((2, 0), (2, 0)), ((2, 0), (0, 2)), ((1, 1), (1, 1)), ((2, 0), (1, 1))])
def test_orthogonal_moments_in_the_plane_are_integrals_over_a_circle(row, other):
    x, y = sympy.sqrt(2) * cos(ANGLE), sympy.sqrt(2) * sin(ANGLE)
    exact = over_the_circle(x ** row[0] * y ** row[1] * (-y) ** other[0] * x ** other[1])
    assert orthogonal_pair_moment(row, other) == exact


def test_a_single_coordinate_is_met_with_probability_one_in_d():
    assert single_moment("coordinate", (4, 0, 0)) == Rational(3**2, 3)
    assert single_moment("coordinate", (2, 2, 0)) == 0
    assert single_moment("coordinate", (0, 0, 0)) == 1


def test_the_length_of_a_sphere_probe_does_not_vary():
    for law, fourth in (("sphere", 16), ("gaussian", 24)):
        case = Case(law, 4, 1)
        assert case.mean(square(case.z[0])) == 4
        assert case.mean(square(case.z[0]) ** 2) == fourth


@pytest.mark.parametrize("dim", [1, 2])
def test_as_many_orthogonal_probes_as_dimensions_see_the_whole_gradient(dim):
    case = Case("orthogonal", dim, dim)
    assert case.mean(square(add(case.estimate(case.g), -1, case.g))) == 0


def test_independent_probes_do_not_see_the_whole_gradient():
    case = Case("sphere", 2, 2)
    assert case.mean(square(add(case.estimate(case.g), -1, case.g))) > 0


def test_an_iid_law_keeps_its_kurtosis_and_its_skewness_as_symbols():
    assert monomial_moment("iid", ((4, 2),)) == kappa
    assert monomial_moment("iid", ((3, 0),)) == skewness
    assert monomial_moment("iid", ((3, 1),)) == 0


def test_brute_force_for_a_generic_law_mentions_no_skewness():
    case = Case("iid", 3, 2)
    factor = case.mean(square(case.estimate(case.g))) / sympy_number(square(case.g))
    assert sympy.expand(factor - (3 + 2 + kappa - 2) / 2) == 0


def test_finite_differences_of_a_quadratic_loss_are_the_linear_estimate():
    case = Case("gaussian", 3, 2)
    assert case.two_point(case.quadratic_loss, case.origin) == case.estimate(case.g)
    assert case.two_point(case.cubic_loss, case.origin) != case.estimate(case.g)


def test_a_number_is_its_own_mean():
    assert Case("sphere", 2, 1).mean(QQ(3, 2)) == Rational(3, 2)


def test_more_orthogonal_probes_than_dimensions_are_refused():
    with pytest.raises(ValueError, match=r"`probes` must be at most `dim` for the orthogonal law, got 2 > 1.*lower"):
        prove("norm-factor", "orthogonal").brute(dim=1, probes=2)


def test_brute_force_knows_at_most_two_orthogonal_probes():
    with pytest.raises(ValueError, match="at most two probes for the orthogonal law, got 3"):
        monomial_moment("orthogonal", ((2, 0, 0), (0, 2, 0), (0, 0, 2)))
    with pytest.raises(ValueError, match="of degree 2 in the second probe"):
        orthogonal_pair_moment((4, 0), (4, 0))


@pytest.mark.parametrize(("dim", "probes", "name"), [(0, 1, "dim"), (2, 0, "probes")])
def test_an_empty_instance_is_refused(dim, probes, name):
    with pytest.raises(ValueError, match=f"`{name}` must be at least 1, got 0"):
        Case("gaussian", dim, probes)
