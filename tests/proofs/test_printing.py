import re

import pytest
import sympy

from mezo_lab.proofs import provable, prove
from mezo_lab.proofs.algebra import by_powers, normal_form, put
from mezo_lab.proofs.notation import Scalar, d, ell, epsilon, equation, eta, n, r
from mezo_lab.proofs.printing import NO_BREAK, mathtext, plain

GG, GHG = Scalar("‖g‖²"), Scalar("gᵀHg")


@pytest.fixture(scope="module")
def steps() -> list:
    """Every step of every proof."""
    return [step for claim, law in provable() for step in prove(claim, law).steps]


def test_letters_stand_before_sums_and_sums_before_named_quantities():
    assert plain(GG * (d + n + 1) / n) == "(d + n + 1)·‖g‖²/n"
    assert plain(GHG * d**2 / (n * (d + 2))) == "d²·gᵀHg/(n·(d + 2))"


def test_pi_is_printed_as_its_letter():
    assert plain(n * sympy.pi / 2) == "n·π/2"


def test_an_expansion_reads_from_the_lowest_power():
    assert plain(epsilon**2 * GHG / 6 + GG) == "‖g‖² + ε²·gᵀHg/6"
    assert plain(eta**2 * ell - eta * GG) == "−η·‖g‖² + η²·ℓ"


def test_a_difference_begins_with_what_it_is_taken_from():
    assert plain(r - n) == "r − n" and plain(n - r) == "n − r"
    assert plain(GHG - 2 * GG) == "gᵀHg − 2·‖g‖²"


@pytest.mark.parametrize(
    ("formula", "text"),
    [
        (1 / n, "1/n"),
        (-1 / n**2, "−1/n²"),
        (GHG**2, "(gᵀHg)²"),
        (Scalar("tr(H)") ** 2, "tr(H)²"),
        (Scalar("tr(H²)") ** 2, "(tr(H²))²"),
        (-2 * GG * (d - 1) / 3, "−2·(d − 1)·‖g‖²/3"),
        (sympy.sqrt(d), "√d"),
        (sympy.sqrt(d + 1) / sympy.sqrt(n), "√(d + 1)/√n"),
        (d ** sympy.Rational(3, 2), "d^(3/2)"),
        ((1 - 1 / n) ** r, "(1 − 1/n)^r"),
        (sympy.log(1 + n / (r + 1)) / n, "log(n/(r + 1) + 1)/n"),
        (sympy.Le(GHG, ell * GG), "gᵀHg ≤ ℓ·‖g‖²"),
        (equation("c", d + 2), "c = d + 2"),
    ],
)
def test_formulas_read_as_on_a_blackboard(formula, text):
    assert plain(formula) == text


def test_latex_is_read_off_the_name_of_a_symbol():
    assert mathtext(Scalar("‖g‖²")) == r"\Vert g\Vert ^{2}"
    assert mathtext(Scalar("Σᵢ Hᵢᵢgᵢ²")) == r"\sum_{i} H_{ii}g_{i}^{2}"
    assert mathtext(GG / (n * (d + 2))) == r"\dfrac{\Vert g\Vert ^{2}}{n \left(d + 2\right)}"
    assert mathtext(1 - 1 / n**2) == r"1 - \dfrac{1}{n^{2}}"


def test_no_text_of_a_step_shows_python_syntax(steps):
    assert not [step.text for step in steps if "*" in step.text or "-" in step.text]


def test_every_sign_of_every_step_has_its_latex(steps):
    assert not [step.latex for step in steps if not step.latex.isascii()]


@pytest.mark.parametrize("every", [pytest.param(1, marks=pytest.mark.slow), 7])  # mathtext is slow; the default samples
def test_mathtext_sets_every_step(every, steps):
    parser = pytest.importorskip("matplotlib.mathtext").MathTextParser("path")
    for latex in sorted({step.latex for step in steps})[::every]:
        box = parser.parse(f"${latex}$")
        assert box.width > 0, latex


def test_a_printed_proof_numbers_its_steps_and_ends_in_the_verdict():
    proof = prove("norm-factor", "gaussian")
    lines = str(proof).splitlines()
    assert lines[0] == "A2 norm-factor, gaussian law"
    assert [line.split(".")[0].strip() for line in lines if line[:2].strip().isdigit()] == list("12345678")
    assert "        E‖ĝ‖² = (d + n + 1)·‖g‖²/n" in lines
    assert lines[-1] == "derived − theory = 0   ∎   brute force agrees for d = 1, 2, 3, 4"
    assert NO_BREAK not in str(proof)


BRACKETS = re.compile(r"\([^()]* [^()]*\)\([^()]* [^()]*\)[^:]*:")


@pytest.fixture(scope="module")
def tables(steps) -> set[str]:
    """The sentences that list factors in brackets."""
    return {sentence for step in steps if BRACKETS.search(sentence := step.sentence.replace(NO_BREAK, " "))}


def test_every_table_of_a_proof_says_what_its_brackets_mean(tables):
    assert len(tables) > 20
    assert not [sentence for sentence in tables if "Factors in one bracket share an index" not in sentence]


def test_no_table_of_a_proof_gives_one_pattern_two_values(tables):
    for sentence in tables:
        rows = re.findall(r"((?:\([^()]*\))+): ([^;]*?)(?:, twice|, \d+ times)?(?=;|\.$|\. )", sentence)
        labels = [label for label, _ in rows]
        assert labels and len(set(labels)) == len(labels), sentence


def test_a_sphere_proof_shows_the_gaussian_moments_that_it_divides():
    told = " ".join(step.sentence for step in prove("norm-factor", "sphere").steps)
    assert "E[x₁²x₂²] = E[x₁²]·E[x₂²] = 1 and E[x₁⁴] = 3" in told


def test_a_proof_for_orthogonal_probes_says_that_it_needs_two_dimensions():
    assert any("for d ≥ 2" in step.sentence for step in prove("norm-factor", "orthogonal").steps)


def test_a_proof_with_several_conclusions_lists_each():
    lines = str(prove("minibatch", "sphere")).splitlines()
    assert "E‖ĝ‖², shared minibatch: derived − theory = 0" in lines
    assert "E‖ĝ‖², fresh minibatches: derived − theory = 0" in lines


def test_replacing_is_done_all_at_once():
    assert put(d / n, {d: n, n: d}) == n / d


def test_a_polynomial_has_factored_coefficients():
    assert by_powers((d + n) * eta - eta / n, eta) == eta * (d * n + n**2 - 1) / n


def test_equal_formulas_have_one_normal_form_and_others_do_not():
    left, right = sympy.log((n + r + 1) / (r + 1)), sympy.log(1 + n / (r + 1))
    assert normal_form(left - right) == 0
    assert normal_form(left - sympy.log(1 + n / r)) != 0
