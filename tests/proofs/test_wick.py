import pytest

from mezo_lab.proofs.case import Case, dot, form, square, sympy_number
from mezo_lab.proofs.laws import weights
from mezo_lab.proofs.notation import Scalar, d, kappa
from mezo_lab.proofs.printing import NO_BREAK
from mezo_lab.proofs.wick import (
    chain,
    cycle,
    diagonal,
    expectation,
    gaussian_mean,
    isserlis,
    matrix,
    pairings,
    patterns,
    table,
    third_derivative,
    vector,
)

GG, TRACE, TRACE_SQ = chain("g", "g"), cycle("H"), cycle("H", "H")
NORM = [vector("g"), vector("g"), matrix("I")]


@pytest.mark.parametrize(("legs", "count"), [(2, 1), (4, 3), (6, 15), (8, 105), (3, 0), (5, 0)])
def test_legs_pair_up_in_a_double_factorial_of_ways(legs, count):
    assert len(list(pairings(range(legs)))) == count


def test_no_pairing_is_listed_twice_and_each_uses_every_leg():
    found = [frozenset(map(frozenset, pairing)) for pairing in pairings(range(6))]
    assert len(set(found)) == 15
    assert all(frozenset().union(*pairing) == set(range(6)) for pairing in found)


def test_four_legs_of_one_probe_have_three_pairings_and_one_coincidence():
    labels = [pattern.label for pattern in patterns(NORM)]
    assert labels == ["(g g)(I I)", "(g I)(g I)", "(g I)(g I)", "(g g I I)"]


def test_legs_of_two_probes_never_coincide():
    cross = [vector("g"), matrix("I", "z", "z′"), vector("g", "z′")]
    assert [len(pattern.probes) for pattern in patterns(cross)] == [2, 2, 2]


def test_the_table_of_a_norm_lists_each_pattern_with_its_value():
    lines = table(NORM, weights("iid")).replace(NO_BREAK, " ")
    head = "Factors in one bracket share an index: "
    assert lines == f"{head}(g g)(I I): d·‖g‖²; (g I)(g I): ‖g‖², twice; (g g I I): (κ − 3)·‖g‖²"


def test_the_table_of_two_probes_says_what_a_prime_means():
    cross = [vector("g"), matrix("W", "z", "z′"), vector("g", "z′")]
    lines = table(cross, weights("sphere")).replace(NO_BREAK, " ")
    assert lines == "Factors in one bracket share an index, those with ′ one of z′: (g W)(g′ W′): gᵀWg"


def test_two_equal_matrices_are_told_apart_so_that_no_pattern_has_two_values():
    pieces = [matrix("H"), matrix("H"), matrix("I")]
    lines = table(pieces, isserlis).replace(NO_BREAK, " ").split(": ", 1)[1].split("; ")
    assert lines == [
        "(H₁ H₁)(H₂ H₂)(I I): d·tr(H)²",
        "(H₁ H₁)(H₂ I)(H₂ I): tr(H)², twice",
        "(H₁ H₂)(H₁ H₂)(I I): d·tr(H²), twice",
        "(H₁ H₂)(H₁ I)(H₂ I): tr(H²), 8 times",
        "(H₁ I)(H₁ I)(H₂ H₂): tr(H)², twice",
    ]


@pytest.mark.parametrize(
    "pieces",
    [
        NORM,
        [matrix("H"), matrix("H"), matrix("I")],
        [matrix("I")] * 3,
        [vector("g"), vector("g"), matrix("A"), matrix("A")],
        [vector("g"), vector("u"), matrix("H"), matrix("I")],
        [vector("g"), matrix("I", "z", "z′"), vector("g", "z′")],
        [vector("u"), third_derivative()],
    ],
)
def test_a_label_says_what_its_pattern_becomes(pieces):
    values = {}
    for pattern in patterns(pieces):
        assert values.setdefault(pattern.label, pattern.value) == pattern.value, pattern.label


def test_the_gaussian_has_no_coincidence_term():
    assert expectation(NORM, weights("iid")) - gaussian_mean(*NORM) == (kappa - 3) * GG


def test_even_powers_of_a_gaussian_length_are_products():
    identity = matrix("I")
    assert (gaussian_mean(identity, identity) - d * (d + 2)).expand() == 0
    assert (gaussian_mean(identity, identity, identity) - d * (d + 2) * (d + 4)).expand() == 0


def test_the_square_of_a_quadratic_form_knows_both_traces():
    assert gaussian_mean(matrix("H"), matrix("H")) == TRACE**2 + 2 * TRACE_SQ
    assert gaussian_mean(matrix("H"), matrix("H")) != TRACE**2 + TRACE_SQ


def test_an_odd_number_of_legs_averages_to_zero():
    assert gaussian_mean(vector("g"), matrix("H")) == 0


@pytest.mark.parametrize("dim", [1, 2, 3])
def test_six_legs_agree_with_an_expanded_polynomial(dim):
    case = Case("gaussian", dim, 1)
    z = case.z[0]
    polynomial = dot(case.g, z) * dot(case.u, z) * form(case.hessian, z) * square(z)
    pieces = [vector("g"), vector("u"), matrix("H"), matrix("I")]
    exact = sympy_number(dot(case.g, case.u)) * case.values[TRACE] * (dim + 4)
    exact += 2 * (dim + 4) * sympy_number(dot(case.g, [dot(row, case.u) for row in case.hessian]))
    assert case.mean(polynomial) == exact
    bilinear = {chain("g", "H", "u"): sympy_number(dot(case.g, [dot(row, case.u) for row in case.hessian]))}
    assert gaussian_mean(*pieces).xreplace({**case.values, **bilinear}) == exact


def test_independent_probes_never_pair_with_each_other():
    assert gaussian_mean(matrix("I", "z", "z′")) == 0
    assert gaussian_mean(vector("g"), matrix("I", "z", "z′"), vector("g", "z′")) == GG


def test_a_third_derivative_meets_a_vector_as_the_gradient_of_the_laplacian():
    assert gaussian_mean(vector("u"), third_derivative()) == 3 * chain("u", "∇ΔL")


def test_two_third_derivatives_have_no_name():
    with pytest.raises(ValueError, match=r"must pair two legs of each third derivative .* got a pairing of ∇³L, ∇³L"):
        gaussian_mean(third_derivative(), third_derivative())


def test_only_the_gaussian_goes_beyond_four_legs():
    with pytest.raises(ValueError, match=r"`pattern` must have two or four legs, got \(H₁ H₁\).*use `wick.gaussian`"):
        expectation([matrix("H")] * 3, weights("sphere"))


def test_a_chain_and_a_cycle_are_the_same_read_backwards():
    assert chain("u", "A", "B", "g") == chain("g", "B", "A", "u")
    assert cycle("A", "B", "C") == cycle("C", "B", "A") == cycle("B", "C", "A")
    assert cycle("A", "A", "B") != cycle("A", "B", "B")


def test_a_diagonal_sum_drops_identities_and_reduces_to_known_scalars():
    assert diagonal(matrix("I"), vector("g"), vector("g")) == GG
    assert diagonal(matrix("H"), matrix("I")) == TRACE
    assert diagonal(matrix("I"), matrix("I")) == d
    assert diagonal(matrix("H"), matrix("H")) == Scalar("Σᵢ Hᵢᵢ²") != TRACE_SQ


def test_isserlis_gives_nothing_to_four_equal_indices():
    assert [isserlis(pattern) for pattern in patterns(NORM)] == [1, 1, 1, 0]
