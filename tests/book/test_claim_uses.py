"""Where a claim is used is found by its id, its name and its formula, and by nothing that only looks like them."""

import claim_parts as parts
import claim_uses
import pytest

from mezo_lab.claims import claim_named

pytestmark = pytest.mark.repo


@pytest.mark.parametrize(
    "prose, code",
    [
        ("By claim A2 it is longer.", ""),
        ("(A2)", ""),
        ("`norm-factor` says it", ""),
        ("Run `mezo-lab verify B3 norm-factor --fast`.", ""),
        ("[here](../docs/claims.md#a2-norm-factor)", ""),
        ("", 'for name in ("norm-factor", "low-rank"):'),
        ("", 'show_proof(prove("notes", "gaussian"))'),
    ],
)
def test_a_text_that_names_a_claim_is_found(prose, code):
    assert place(prose, code).names(claim_named("A2"))


@pytest.mark.parametrize(
    "prose, code",
    [
        ("By claim A20 and figure A2-b, results/A2.json", ""),
        ("the norm factor", ""),
        ("", "norm_factor(d, n)"),
        ("`mezo-lab verify norm-factor-of-mine`", ""),
    ],
)
def test_a_text_that_does_not_is_not(prose, code):
    assert not place(prose, code).names(claim_named("A2"))


def test_a_name_that_is_a_word_counts_only_where_claims_are_tested():
    memory = claim_named("memory")
    assert not place("", 'row["memory"]').names(memory) and not place("the `memory`", "").names(memory)
    assert place("", 'show(verify("memory"))').names(memory)


def test_a_place_that_computes_with_the_formula_is_found():
    assert place("", "norm_factor(10, 2, gaussian)").computes(claim_named("A2"))
    assert not place("", "norm_factor(10, 2, gaussian)").computes(claim_named("B2"))  # which only uses it
    assert not place("", "my_norm_factor(10)").computes(claim_named("A2"))


def place(prose: str, code: str) -> claim_uses.Place:
    return claim_uses.Place("page", "docs/x.md", "X", "", "", prose, code)


def test_a_page_of_which_a_mention_is_taken_away_is_no_longer_listed(monkeypatch):
    claim = claim_named("A12")
    kept = claim_uses.places()
    assert "Definition 7" in parts.used(claim)
    others = tuple(each for each in kept if not each.names(claim))
    monkeypatch.setattr(claim_uses, "places", lambda: others)
    assert parts.used(claim).startswith("No notebook")


def test_the_uses_of_one_claim_are_those_that_a_search_by_hand_finds():
    """A14: the text on Definition 8 names it and verifies it, an exercise checks it; the errata are made of claims."""
    found = [(place.page, place.heading) for place in claim_uses.uses(claim_named("A14"))]
    assert found == [
        ("notebooks/07_slips.ipynb", "Definition 8: a missing factor"),
        ("notebooks/07_slips.ipynb", "Exercise 7.4: a suspicious sentence"),
    ]


def test_a_function_is_called_once_for_each_claim():
    called = []
    known = claim_uses.once(lambda claim: called.append(claim.id) or claim.id)
    assert [known(claim_named(name)) for name in ("A2", "A4", "A2")] == ["A2", "A4", "A2"] and called == ["A2", "A4"]


def test_related_claims_have_reasons_that_hold():
    reasons = claim_uses.related(claim_named("B2"))
    assert [each.id for each in reasons["are named in its text"]] == ["A2"]
    assert "B2" in [each.id for each in claim_uses.related(claim_named("A2"))["name it in theirs"]]
    assert "B3" in [each.id for each in reasons["compute with `contraction` too"]]
    assert not any(claim.name == "dimension-tax" for found in reasons.values() for claim in found)
    lines = parts.neighbours(claim_named("B2"))
    assert "- Claims that are named in its text: [A2 norm-factor](A2.md)" in lines
    assert "- Claims that compute with `contraction` too: " in lines
