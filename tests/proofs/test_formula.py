"""A claim's formula for one law of z has the value that the claim expects there."""

import pytest
import sympy

from mezo_lab.claims import REGISTRY
from mezo_lab.proofs import law_formula, symbolic
from mezo_lab.proofs.notation import Scalar
from mezo_lab.sampling import KEYED_LAWS
from mezo_lab.theory import Expression, printed

CASES = [
    (claim, law, parameters)
    for claim in REGISTRY.values()
    if not claim.real
    for law in claim.laws
    for parameters in claim.parameter_sets(KEYED_LAWS[law], "fast")
]


def value(formula, symbols):
    """A formula at the numbers that the experiment offers."""
    numbers = {Scalar(printed(name), positive=True): number for name, number in symbols.items()}
    return float(formula.evalf(30, subs={symbol: numbers[symbol] for symbol in formula.free_symbols}))


def test_the_formula_of_every_law_has_the_value_of_the_experiment():
    checked = 0
    for claim, law, parameters in CASES:
        experiment = claim.experiment(KEYED_LAWS[law], **parameters)
        if experiment.formula is None:
            continue
        formula = law_formula(Expression(experiment.formula), law, experiment.symbols)
        assert value(formula, experiment.symbols) == pytest.approx(
            Expression(experiment.formula)(experiment.symbols), rel=1e-9, abs=1e-15
        ), (claim.id, law, parameters)
        checked += 1
    assert checked > 100


def test_another_law_has_another_value():
    formula = Expression("(c + (n-1)*cross)/n")
    symbols = {"d": 20, "n": 4}
    assert value(law_formula(formula, "sphere", symbols | {"c": 20, "cross": 1}), symbols) == 5.75
    assert value(law_formula(formula, "gaussian", symbols | {"c": 22, "cross": 1}), symbols) == 6.25


def test_decimals_and_roots_stay_exact():
    assert symbolic(Expression("sqrt(2)*0.5 - exp(0) + log(1)")) == sympy.sqrt(2) / 2 - 1


@pytest.mark.parametrize("law, c", [("low-rank", 24), ("gaussian", 48)])
def test_a_moment_that_is_not_the_laws_own_keeps_its_name(law, c):
    formula = law_formula(Expression("c/n"), law, {"d": 24, "n": 1, "c": c})
    assert formula == Scalar("c", positive=True) / Scalar("n", positive=True)
