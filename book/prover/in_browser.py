"""What prove.html asks of Python: in the browser with Pyodide, and in the tests without a browser.

`answer` takes and gives JSON, which JavaScript and Python read alike. A refusal of the library is an answer as well.
"""

import json
from collections.abc import Callable
from itertools import islice, product
from typing import Any

import sympy
from sympy import Expr, Rational

from mezo_lab.proofs import provable, prove, symbolic
from mezo_lab.proofs.algebra import factored, normal_form
from mezo_lab.proofs.notation import Scalar
from mezo_lab.proofs.printing import mathtext, plain
from mezo_lab.theory import Expression, printed
from mezo_lab.validation import number
from prover.names import defined

# names of numbers that may be negative; all others are positive
SIGNED = set("g1 trH gHg Hgg Hii ug vg vPg uv uvgg va vt vDg delta rho rho1 coincidence".split())
# names that no other name of a claim depends on: they may be chosen freely
FREE = set("d n r p q k B steps eps eta sigma ell beta t K".split())
LEAST = {"d": 2, "n": 4, "p": 2, "q": 2}  # of a small example, or less where the claim has less; of other names 1
TRIES = 600


def answer(question: str, given: str) -> str:
    """The answer to a question of the page: {"refused": sentence} where the library raises ValueError."""
    try:
        found = QUESTIONS[question](**json.loads(given))
    except ValueError as error:
        found = {"refused": str(error)}
    return json.dumps(found)


def proofs() -> list[tuple[str, str]]:
    """Every (claim, law) that can be proved."""
    return list(provable())


def proof(claim: str, law: str) -> dict[str, Any]:
    """A proof: its steps, what they end in, and how the terminal prints it."""
    found = prove(claim, law)
    return {
        "title": f"{found.id} {found.claim}, {found.law} law",
        "steps": [
            {"sentence": step.sentence, "text": step.text, "latex": mathtext(step.formula)} for step in found.steps
        ],
        "conclusions": [
            {"name": each.name, "derived": mathtext(each.derived), "difference": plain(each.difference)}
            for each in found.conclusions
        ],
        "proved": found.proved,
        "verdict": found.verdict,
        "printed": str(found),
    }


def comparison(
    text: str, theory: str, law: str, values: dict[str, float], places: list[int], rows: list[dict[str, float]]
) -> dict[str, Any]:
    """A reader's formula beside the theory's: equal, different, or the same numbers and no equality found.

    Args:
        text: the reader's formula.
        theory: the claim's formula, in the same names.
        law: of z.
        values: the numbers at which both are evaluated.
        places: the definitions that hold, of `names.DEFINITIONS`.
        rows: the numbers of each setting of the claim.

    Raises: ExpressionError for what is no formula in these names.
    """
    yours = Expression(text)
    theirs = Expression(theory)
    typed = {name: number(printed(name), value, "type one, such as 4 or 0.01") for name, value in values.items()}
    numbers = _numbers(law, typed, places)
    own, own_rounding = yours.rounded(numbers)
    right, right_rounding = theirs.rounded(numbers)
    symbols = {name: Scalar(printed(name), **_sign(name)) for name in numbers}
    symbols |= {"pi": sympy.pi, "e": sympy.E}
    exact = defined(law, symbols, places)
    formulas = symbolic(yours, exact), symbolic(theirs, exact)
    difference = _simplified(formulas[0] - formulas[1])
    values_shown = _told_apart(own, right)
    found = {
        "yours": _shown(yours, formulas[0], values_shown[0]),
        "theory": _shown(theirs, formulas[1], values_shown[1]),
        "difference": {"text": plain(difference), "latex": mathtext(difference)},
        "same_here": abs(own - right) <= own_rounding + right_rounding,
        "at": _listed({name: value for name, value in numbers.items() if name in yours.names | theirs.names}),
    }
    if difference == 0:
        return found | {"verdict": "equal"}
    used = {name for name, symbol in symbols.items() if symbol in difference.free_symbols}
    example = _example(formulas, law, symbols, rows)
    somewhere = not all(_same(yours, theirs, law, row, places) for row in [values, *rows])
    if somewhere or (used <= FREE and example):
        return found | {"verdict": "different", "example": example}
    return found | {"verdict": "undecided", "dependent": [printed(name) for name in sorted(used - FREE)]}


def _numbers(law: str, values: dict[str, float], places: list[int]) -> dict[str, float]:
    return {name: float(value) for name, value in defined(law, values, places).items()}


def _sign(name: str) -> dict[str, bool]:
    return {} if name in SIGNED else {"positive": True}


def _simplified(difference: Expr) -> Expr:
    """The difference of two formulas in the form that shows whether it is 0: the first of several that does."""
    found = normal_form(difference)
    if found == 0 or found.is_rational_function(*found.free_symbols):
        return found
    # the logarithms of two formulas that are real at the claim's numbers are those of positive numbers
    apart = difference.replace(sympy.log, lambda x: sympy.expand_log(sympy.log(factored(x)), force=True))
    combined = factored(sympy.expand(apart))
    return min((found, combined), key=lambda form: (form.has(sympy.I), sympy.count_ops(form)))


def _shown(formula: Expression, exact: Expr, value: str) -> dict[str, Any]:
    """A formula as it was typed, in the names that are left, and its value."""
    return {
        "typed": printed(formula.text),
        "text": plain(factored(exact)),
        "latex": mathtext(factored(exact)),
        "value": value,
    }


def _same(yours: Expression, theirs: Expression, law: str, row: dict[str, float], places: list[int]) -> bool:
    """Whether two formulas have one value in a setting, as far as rounding lets one see."""
    numbers = _numbers(law, row, places)
    try:
        own, own_rounding = yours.rounded(numbers)
        right, right_rounding = theirs.rounded(numbers)
    except ValueError:
        return False
    return abs(own - right) <= own_rounding + right_rounding


def _example(
    formulas: tuple[Expr, Expr], law: str, symbols: dict[str, Any], rows: list[dict[str, float]]
) -> dict[str, str] | None:
    """The smallest whole numbers at which two formulas differ, with the value of each; None where none was found."""
    used = formulas[0].free_symbols | formulas[1].free_symbols
    names = [name for name, symbol in symbols.items() if symbol in used]
    least = [min([LEAST.get(name, 1), *(int(row[name]) for row in rows if name in LEAST)]) for name in names]
    choices = sorted(islice(product(range(4), repeat=len(names)), 4**6), key=sum)
    for choice in choices[:TRIES]:
        at = {name: start + more for name, start, more in zip(names, least, choice, strict=True)}
        if not _sensible(law, at):
            continue
        own, right = (formula.subs({symbols[name]: value for name, value in at.items()}) for formula in formulas)
        if own.is_finite and right.is_finite and own.is_real and right.is_real and abs(sympy.N(own - right)) > 1e-12:
            told = _told_apart(own, right)
            return {"at": _listed(at), "yours": told[0], "theory": told[1]}
    return None


def _sensible(law: str, at: dict[str, int]) -> bool:
    """Whether a loss and a law have such numbers: orthogonal probes are at most d, the rank as well."""
    dim = at.get("d", at.get("p", 8) * at.get("q", 8))
    if law == "orthogonal" and at.get("n", 1) > dim:
        return False
    return at.get("r", 1) <= dim and at.get("k", 1) <= min(at.get("p", 8), at.get("q", 8))


def _told_apart(first: Any, second: Any) -> list[str]:
    """Two numbers in as many digits as it takes to tell them apart: fractions with a small denominator as they are."""
    if all(isinstance(value, Rational) and value.q < 1000 for value in (first, second)):
        return [plain(first), plain(second)]
    for digits in (6, 9, 12, 17):
        shown = [f"{float(value):.{digits}g}" for value in (first, second)]
        if shown[0] != shown[1]:
            break
    if float(first) == float(second):
        shown = [f"{float(value):.6g}" for value in (first, second)]
    return [text.replace("-", "−") for text in shown]


def _listed(values: dict[str, Any]) -> str:
    shown = {name: value for name, value in values.items() if name not in ("pi", "e")}
    return ", ".join(f"{printed(name)} = {value:.6g}" for name, value in shown.items()).replace("-", "−")


QUESTIONS: dict[str, Callable[..., Any]] = {"proofs": proofs, "proof": proof, "comparison": comparison}
