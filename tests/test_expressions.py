"""Anyone's formula: what is understood and what it is worth, and what is refused and how it is said."""

import math

import pytest

from mezo_lab.expressions import MAX_LENGTH, Expression, ExpressionError

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


def test_an_expression_knows_its_names():
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
        ("2j", "got a literal in '2j'"),
        ("*d", "got Starred in|is not arithmetic"),
        ("d^2", r"A power is written \*\*, got \^ in 'd\^2': write for example d\*\*2"),
        ("2d", r"'2d' is not arithmetic: write numbers, names, .*; 2\*d, not 2d"),
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
        ("d\udcff", "is not arithmetic"),
        ("d × n", "is not arithmetic"),
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
        ("2**-65", "A power is at most 64, got -65"),
        ("m + 1", "Unknown name 'm': this claim knows d, kappa, n"),
        ("__builtins__", "Unknown name '__builtins__'"),
        ("κ", "Unknown name 'κ'"),
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


@pytest.mark.parametrize("text", ["(" * 99 + "d" + ")" * 99, "-" * 199 + "d", "1" * 199, "d" + "**1" * 66])
def test_the_deepest_formula_that_fits_is_evaluated(text):
    assert math.isfinite(Expression(text)(VALUES))


def test_a_long_refused_formula_is_shortened_in_the_message():
    with pytest.raises(ExpressionError) as refusal:
        Expression("max(" + "d+" * 90 + "d)")
    assert len(str(refusal.value)) < 160


def test_a_refusal_is_a_value_error():
    assert issubclass(ExpressionError, ValueError)
