"""Anyone's formula: what is understood and what it is worth, and what is refused and how it is said."""

import math

import pytest

from mezo_lab.theory.expressions import MAX_LENGTH, NAMES, Expression, ExpressionError, keyboard, printed

VALUES = {"d": 50.0, "n": 4.0, "kappa": 1.8}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("(d+n-1)/n", 13.25),
        ("(d + n + 1) / n", 13.75),
        ("  d\t", 50),
        ("(d+n+kappa-2)/n", 13.45),
        ("7", 7),
        ("1e-3*d", 0.05),
        (".5", 0.5),
        ("0.1+0.2", 0.1 + 0.2),
        ("-d", -50),
        ("+d", 50),
        ("--d", 50),
        ("d--n", 54),
        ("2-3-4", -5),
        ("2/4/2", 0.25),
        ("2*3+4*5", 26),
        ("-2**2", -4),
        ("(-2)**2", 4),
        ("2**-1", 0.5),
        ("2**3**2", 512),
        ("d**0.5", math.sqrt(50)),
        ("2**64", 2.0**64),
        ("(-8)**3", -512),
        ("0**0", 1),
        ("((((n))))", 4),
    ],
)
def test_arithmetic_is_worth_what_it_says(text, value):
    assert Expression(text)(VALUES) == pytest.approx(value, rel=1e-15)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("(d+n−1)/n", 13.25),
        ("d²", 2500),
        ("d·n − 1", 199),
        ("d × n", 200),
        ("d⋅n", 200),
        ("d^2", 2500),
        ("2^(n−1)", 8),
        ("2⁻¹", 0.5),
        ("2¹⁰", 1024),
        ("2d", 100),
        ("2(d+1)", 102),
        ("(d+1)(n+1)", 255),
        ("3κ", 5.4),
        ("d²n", 10_000),
        ("½d²", 1250),
        ("¾", 0.75),
        ("√n", 2),
        ("√(d/2)", 5),
        ("√(n)κ", 3.6),
        ("sqrt(n)*log(exp(2))", 4),
        ("d\u00a0+\u202fn", 54),
        ("2e1d", 1000),
    ],
)
def test_the_signs_of_print_are_read_as_what_they_mean(text, value):
    assert Expression(text)(VALUES) == pytest.approx(value, rel=1e-15)


@pytest.mark.parametrize("name", NAMES)
def test_every_name_is_read_as_it_is_printed_alone_in_a_power_and_beside_others(name):
    values = {other: 1.0 + k / 7 for k, other in enumerate(NAMES)}
    for formula in (name, f"{name}**2", f"2*{name}**3/{name} - {name}*{name}", f"({name}+1)**0.5", f"g/{name}"):
        assert Expression(printed(formula))(values) == Expression(formula)(values)
        assert keyboard(printed(formula)) == keyboard(keyboard(printed(formula)))
    assert Expression(NAMES[name])(values) == values[name]


def test_no_two_names_are_printed_alike():
    values = {other: 1.0 + k / 7 for k, other in enumerate(NAMES)}
    forms = [f"{name}{power}" for name in NAMES for power in ("", "**2", "**3")]
    told: dict[str, str] = {}
    for formula in forms:
        before = told.setdefault(printed(formula), formula)
        assert before == formula or {before, formula} == {"g**2", "g2"}  # ‖g‖² is both, and one number
    assert Expression(printed("trH**2"))(values) != Expression(printed("trH2"))(values)


def test_a_formula_in_print_prints_as_itself():
    for text in ("(d+n−1)/n", "−η·‖g‖² + η²·ℓ·E‖ĝ‖²/4", "σ²·tr(H)²/2 − σ·(2/π)^0.5·‖g‖"):
        assert printed(text) == text


@pytest.mark.parametrize(
    "text", ["d+n-1", "d*n/(n+1)", "d**2-n", "(d**4-n**4)/(d**2+n**2)", "log(d)*sqrt(n)", "d-49.99"]
)
def test_the_bound_of_the_rounding_holds_and_is_small(text):
    from fractions import Fraction

    value, rounding = Expression(text).rounded(VALUES)
    if "log" not in text:  # exactly
        exact = eval(text, {name: Fraction(x) for name, x in VALUES.items()} | {"__builtins__": {}})
        assert abs(Fraction(value) - exact) <= Fraction(rounding)
    assert rounding < 1e-12 * max(abs(value), 50)


def test_cancellation_is_known_to_lose_digits():
    value, rounding = Expression("(d + 1e15) - 1e15").rounded(VALUES)
    assert 0.01 < rounding < 1 and abs(value - 50) <= rounding


def test_an_expression_knows_its_names():
    assert Expression("√(2/π)·σ + log(d)").names == {"pi", "sigma", "d"}
    assert Expression("(d+n-1)/n + 2*d").names == {"d", "n"}
    assert Expression("7").names == set()


def test_values_may_be_of_any_size_and_whole_numbers():
    assert Expression("n/d")({"n": 4, "d": 13_000_000_000}) == 4 / 13e9


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("__import__('os')", r"Only \+ - \* / \*\* .* got a call in"),
        ("__import__('os').system('ls')", "got a call in"),
        ("d.real", r"got an attribute in 'd\.real': remove it"),
        ("().__class__", "got an attribute in"),
        ("max(d, n)", "got a call in"),
        ("d()", "got a call in"),
        ("d[0]", "got an index in"),
        ("(lambda: 1)", "got Lambda in"),
        ("[1]", "got List in"),
        ("(d, n)", "got Tuple in"),
        ("{d}", "got Set in"),
        ("[d for d in n]", "got ListComp in"),
        ("'d'", "got a literal in"),
        ("b'd'", "got a literal in"),
        ("f'{d}'", "got JoinedStr in"),
        ("d < n", "got Compare in"),
        ("d == n", "got Compare in"),
        ("d and n", "got BoolOp in"),
        ("not d", "got Not in"),
        ("~d", "got Invert in"),
        ("d if n else 1", "got IfExp in"),
        ("(d := 1)", "got NamedExpr in"),
        ("d % n", "got Mod in"),
        ("d // n", "got FloorDiv in"),
        ("d @ n", "got MatMult in"),
        ("d | n", "got BitOr in"),
        ("d << n", "got LShift in"),
        ("True", "got a literal in 'True'"),
        ("None", "got a literal in 'None'"),
        ("...", "got a literal in"),
        ("*d", "got Starred in|is not arithmetic"),
        (
            "1/2d",
            r"'1/2d' has a product without a sign behind /, √ or a power, before 'd', .*: write a \* and brackets",
        ),
        ("√2d", "before 'd', and may mean two things"),
        ("d**2n", "before 'n', and may mean two things"),
        ("n/κγ", "before 'gamma', and may mean two things"),
        ("d(n+1)", "got a call in"),
        ("log(d, n)", "got a call in"),
        ("sin(d)", "got a call in"),
        ("–d", r"Character 1 of '–d', '–' \(en dash\), has no meaning in a formula: write numbers, names, \+ - \* /"),
        ("(d+n⊕1)/n", r"Character 5 of '\(d\+n⊕1\)/n', '⊕' \(circled plus\), has no meaning"),
        ("d÷n", r"Character 2 of 'd÷n', '÷' \(division sign\)"),
        ("ж", r"Character 1 of 'ж', 'ж' \(cyrillic small letter zhe\)"),
        ("𝑑+1", r"Character 1 of '𝑑\+1', '𝑑' \(mathematical italic small d\)"),
        ("√", r"Character 1 of '√', '√' \(square root\)"),
        ("²", "is not arithmetic"),
        ("d n", "is not arithmetic"),
        ("d = 1", "is not arithmetic"),
        ("import os", "is not arithmetic"),
        ("d; n", "is not arithmetic"),
        ("d\nn", "is not arithmetic"),
        ("(d+n", "is not arithmetic"),
        ("d+", "is not arithmetic"),
        ("", "'' is not arithmetic"),
        ("   ", "is not arithmetic"),
        ("d\0", "is not arithmetic"),
        ("d\udcff", r"Character 2 of 'd\\udcff'"),
        ("9" * 10_000, f"A formula has at most {MAX_LENGTH} characters, got 10,000: shorten it"),
        ("(" * 5_000 + ")" * 5_000, "at most 200 characters, got 10,000"),
        ("(" * 100 + ")" * 99, "is not arithmetic"),
        ("lambda " * 28, "is not arithmetic"),
    ],
)
def test_anything_but_arithmetic_is_refused(text, message):
    with pytest.raises(ExpressionError, match=message):
        Expression(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("9**9**9", r"A power is at most 64, got 3\.8742e\+08: no formula here needs more"),
        ("2**(3**4)", "A power is at most 64, got 81"),
        ("m + 1", "Unknown name 'm': this claim knows d, kappa, n"),
        ("__builtins__", "Unknown name '__builtins__'"),
        ("μ", "Unknown name 'mu'"),
        ("2j", "Unknown name 'j'"),
        ("1/1e400", "is not a finite real number"),
        ("1/(1e308*1e308)", "is not a finite real number"),
        ("log(0)", "is not a finite real number"),
        ("log(n-5)", "is not a finite real number"),
        ("sqrt(-d)", "is not a finite real number"),
        ("exp(d**3)", "overflows at"),
        ("d/(n-4)", r"'d/\(n-4\)' divides by zero at d = 50, n = 4, kappa = 1\.8: change it or the values"),
        ("0**-1", "divides by zero"),
        ("(-2)**0.5", "is not a finite real number at .*: check its roots"),
        ("((-2)**0.5)**2", "is not a finite real number"),
        ("(d**60)**60", "overflows at .*: use smaller powers"),
        ("1e308*d", "is not a finite real number"),
        ("1e308*d-1e308*d", "is not a finite real number"),
    ],
)
def test_arithmetic_without_a_finite_real_value_is_refused_when_evaluated(text, message):
    with pytest.raises(ExpressionError, match=message):
        Expression(text)(VALUES)


def test_a_small_power_may_be_as_small_as_it_likes():
    assert Expression("e**(-u/2)")({"e": math.e, "u": 200}) == pytest.approx(math.exp(-100))


@pytest.mark.parametrize("text", ["（d＋n－１）／n", "（d+n-1）／n", "(d　+　n - 1)/n"])
def test_the_wide_signs_of_a_chinese_keyboard_are_those_of_a_formula(text):
    assert Expression(text)(VALUES) == Expression("(d+n-1)/n")(VALUES)


@pytest.mark.parametrize("text", ["(" * 99 + "d" + ")" * 99, "-" * 199 + "d", "1" * 199, "d" + "**1" * 66])
def test_the_deepest_formula_that_fits_is_evaluated(text):
    assert math.isfinite(Expression(text)(VALUES))


def test_a_long_refused_formula_is_shortened_in_the_message():
    with pytest.raises(ExpressionError) as refusal:
        Expression("max(" + "d+" * 90 + "d)")
    assert len(str(refusal.value)) < 160


def test_a_refusal_is_a_value_error():
    assert issubclass(ExpressionError, ValueError)
