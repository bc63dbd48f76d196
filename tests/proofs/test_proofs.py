import ast
import re
from pathlib import Path

import pytest
import sympy

from mezo_lab import proofs, theory
from mezo_lab.proofs import provable, prove
from mezo_lab.proofs.forms import TRACE
from mezo_lab.proofs.laws import SYMBOLIC_LAWS
from mezo_lab.proofs.notation import entry, freedom

DERIVED_SIDE = ("algebra", "brute", "case", "forms", "laws", "matrix_case", "notation", "printing", "step", "wick")
CLAIMS = {
    "unbiased": "A1",
    "norm-factor": "A2",
    "notes": "A2",
    "second-moment": "A3",
    "variance": "A4",
    "minibatch": "A6",
    "smoothing": "A7",
    "one-sided": "A8",
    "curvature-probe": "A10",
    "variance-modified": "A11",
    "adam-blind": "A13",
    "residual-feedback": "A14",
    "descent-lemma": "B1",
    "dimension-tax": "B2",
    "low-rank": "B3",
    "any-spectrum": "B4",
    "same-object": "B5",
    "best-step": "B6",
    "probes-are-a-wash": "B7",
    "general-directions": "B10",
    "low-rank-direction": "E1",
    "fixed-subspace": "E2",
    "aligned-subspace": "E3",
    "orthogonal-probes": "E4",
    "momentum": "E5",
    "baseline": "E7",
    "self-normalised": "E8",
    "curvature-diagonal": "E9",
    "wandering": "E10",
    "noise-floor": "E11",
    "smoothing-any-law": "E12",
    "control-variate": "E14",
}


@pytest.mark.parametrize(("claim", "law"), provable())
def test_what_is_derived_is_what_the_theory_says(claim, law):
    proof = prove(claim, law)
    assert [conclusion.difference for conclusion in proof.conclusions] == [0] * len(proof.conclusions)
    assert proof.proved and proof.difference == 0


@pytest.mark.parametrize(("claim", "law"), provable())
def test_what_is_derived_agrees_with_brute_force(claim, law):
    proof = prove(claim, law)
    assert proof.conclusions[0].exact is not None
    assert proof.agreeing_dims == (1, 2, 3, 4)


@pytest.mark.parametrize(("claim", "law"), [("norm-factor", "gaussian"), ("low-rank", "rademacher")])
def test_three_probes_agree_with_brute_force_too(claim, law):
    assert prove(claim, law).brute(dim=2, probes=3) == 0


def test_every_claim_of_the_list_is_proved_under_its_own_number():
    assert {claim: prove(claim, law).id for claim, law in provable()} == CLAIMS


def test_claims_about_every_law_are_proved_for_every_law():
    everywhere = {claim for claim in CLAIMS if all((claim, law) in provable() for law in SYMBOLIC_LAWS)}
    assert everywhere == {
        *("unbiased", "norm-factor", "second-moment", "variance", "minibatch", "curvature-probe"),
        *("dimension-tax", "low-rank", "any-spectrum", "same-object", "best-step", "momentum", "noise-floor"),
        "descent-lemma",
        *("baseline", "curvature-diagonal", "wandering", "smoothing-any-law", "control-variate"),
    }


def test_the_derived_side_reads_neither_the_theory_nor_the_sampled_laws():
    folder = Path(proofs.__file__).parent
    for name in DERIVED_SIDE:
        for node in ast.walk(ast.parse((folder / f"{name}.py").read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and str(node.module).startswith("mezo_lab"):
                imported = {f"{node.module}.{alias.name}" for alias in node.names}
                assert all(module.startswith("mezo_lab.proofs.") for module in imported), name
                assert node.module != "mezo_lab.proofs.proof", name


def test_a_proof_is_derived_once():
    assert prove("variance", "sphere") is prove("variance", "sphere")


def test_symbols_stand_for_any_dimension_and_number_of_probes():
    assert {"d", "n"} <= set(map(str, prove("norm-factor", "gaussian").derived.free_symbols))
    assert "κ" in set(map(str, prove("norm-factor", "iid").derived.free_symbols))


def pairings_told(claim, opening):
    sentence = next(step.sentence for step in prove(claim, "gaussian").steps if step.sentence.startswith(opening))
    times = [re.search(r",\s(twice|\d+)", row) for row in sentence.split("; ")]
    return sum(1 if found is None else 2 if found[1] == "twice" else int(found[1]) for found in times)


def test_smoothing_counts_three_pairings_and_one_sided_fifteen():
    assert pairings_told("smoothing", "The second:") == 3
    assert pairings_told("one-sided", "Six legs have 15") == 15


def test_more_independent_probes_never_help_on_the_test_bed():
    last = prove("probes-are-a-wash", "gaussian").steps[-1]
    assert isinstance(last.formula, sympy.StrictLessThan)
    assert last.formula.lhs.is_negative
    assert "of independent probes one is best" in last.sentence


def test_more_orthogonal_probes_always_help_where_all_directions_are_curved():
    last = prove("orthogonal-probes", "orthogonal").steps[-1].formula
    assert isinstance(last, sympy.StrictGreaterThan)
    (x,) = last.free_symbols  # n/d, between 0 and 1
    assert sympy.solveset(last.lhs, x, sympy.Interval.open(0, 1)) == sympy.EmptySet and last.subs(
        x, sympy.Rational(1, 2)
    )


def test_signs_are_proved_to_see_no_diagonal_and_a_gaussian_to_see_it():
    signs, gaussian = (prove("curvature-diagonal", law) for law in ("rademacher", "gaussian"))
    assert [conclusion.derived for conclusion in signs.conclusions] == [0, TRACE / 2, 0]
    assert "0 in every draw" in signs.steps[-1].sentence
    assert gaussian.derived == entry and not any("every draw" in step.sentence for step in gaussian.steps)


def test_an_absolute_value_is_proved_to_keep_the_trace():
    magnitude = prove("curvature-diagonal", "gaussian").conclusions[-1]
    assert sympy.diff(magnitude.derived, TRACE).is_positive


def test_a_spread_of_few_losses_is_integrated_over_its_own_density():
    formula = next(step.formula for step in prove("self-normalised", "gaussian").steps if step.text.startswith("p(t)"))
    (t,) = (symbol for symbol in formula.rhs.free_symbols if symbol.name == "t")
    for count in (3, 4, 7):
        density = formula.rhs.subs(freedom, count)
        assert sympy.integrate(density, (t, 0, sympy.oo)) == 1
        inverse = sympy.integrate(sympy.sqrt(count / t) * density, (t, 0, sympy.oo))
        assert float(inverse) == pytest.approx(theory.inverse_spread(count + 1))


def test_an_unknown_claim_is_named_with_its_neighbours():
    with pytest.raises(ValueError, match=r"`claim` must be one of unbiased, .*got 'norm-facter'. Nearest: norm-factor"):
        prove("norm-facter", "gaussian")


def test_a_law_without_a_proof_is_named_with_those_that_have_one():
    with pytest.raises(ValueError, match="`law` must be one of gaussian for one-sided; got 'sphere'"):
        prove("one-sided", "sphere")
    with pytest.raises(ValueError, match=r"for norm-factor; got 'gausian'. Nearest: gaussian.$"):
        prove("norm-factor", "gausian")
