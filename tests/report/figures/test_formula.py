"""Formulas become SVG: every one that the library prints, with its LaTeX as label and nothing missing."""

from html.parser import HTMLParser

import pytest

from mezo_lab.claims import REGISTRY, Claim
from mezo_lab.proofs import provable, prove
from mezo_lab.report.figures import formula_svg


@pytest.mark.parametrize("claim", REGISTRY.values(), ids=lambda claim: claim.name)
def test_the_statement_of_every_claim_can_be_set(claim: Claim):
    assert formula_svg(claim.statement).count("<use ") > 3


@pytest.mark.parametrize("name", dict.fromkeys(name for name, _ in provable()))
def test_the_steps_of_every_proof_can_be_set(name):
    formulas = {step.latex for claim, law in provable() if claim == name for step in prove(claim, law).steps}
    assert all(formula_svg(formula).count("<use ") > 1 for formula in formulas)


@pytest.mark.parametrize("latex", [r"\delta_{i}_{k}", r"\nosuchcommand", r"\frac{a}{b"])
def test_what_mathtext_cannot_set_is_refused(latex):
    with pytest.raises(ValueError, match=r"subscript|[Uu]nknown symbol|[Ee]xpected"):
        formula_svg(latex)


def test_a_formula_is_labelled_with_its_latex_and_carries_what_it_refers_to():
    class Svg(HTMLParser):
        def __init__(self, text):
            super().__init__()
            self.found: list[tuple[str, dict]] = []
            self.feed(text)

        def handle_starttag(self, tag, attrs):
            self.found.append((tag, dict(attrs)))

    elements = Svg(formula_svg(r"a < \frac{1}{n}")).found
    assert elements[0][0] == "svg" and elements[0][1]["aria-label"] == r"a < \frac{1}{n}"
    ids = {attributes["id"] for tag, attributes in elements if tag == "path"}
    assert {attributes["href"][1:] for tag, attributes in elements if tag == "use"} == ids
    assert [tag for tag, _ in elements].count("rect") == 1  # the fraction bar


def test_a_page_may_define_the_glyphs_once():
    defined = {}
    first, second = formula_svg("ab", defined), formula_svg("ba", defined)
    assert len(defined) == 2 and "<defs>" not in first + second
    assert first.count("<use ") == second.count("<use ") == 2


def test_a_formula_stands_on_the_line():
    def box(latex: str) -> list[float]:
        return [float(number) for number in formula_svg(latex).split('viewBox="')[1].split('"')[0].split()]

    flat, deep = box("x"), box("y")
    assert flat[1] == pytest.approx(-flat[3], abs=20)  # nothing under the line
    assert deep[1] + deep[3] > 150  # thousandths of an em
