"""What the playground takes from the library, written as JavaScript: `formulas.js`, made anew with each site.

The closed forms are those of `mezo_lab.theory`, called on symbols and printed by sympy; decoys, limits, signs and the
constants of the verdict are read off the registry and the modules that own them. So nothing is typed twice.
"""

import json
import sys
import unicodedata
from collections.abc import Callable, Iterable
from functools import cache
from typing import Any

import sympy
from sympy.printing import jscode

from mezo_lab import theory
from mezo_lab.claims import Claim, claim_named, decision, trial
from mezo_lab.claims.claim import EXACT, SYMBOLS, Experiment
from mezo_lab.claims.decision import Status
from mezo_lab.claims.problems import BRUTE_FORCE_DIM, CONSTANTS, NEARLY_TRUE
from mezo_lab.proofs import law_formula
from mezo_lab.sampling import LAWS, montecarlo
from mezo_lab.theory import KURTOSIS, MOMENTS, Expression, expressions

CLAIMS = {  # id → the parameters that a reader chooses, by the letters of the formulas
    "A2": ("d", "n"),
    "A4": ("d", "n"),
    "B2": ("d", "n", "t"),
    "B3": ("d", "n", "r"),
    "B6": ("d", "n", "r", "t"),
    "E1": ("p", "q", "k", "n"),
}
REDUCED_ONLY = {"E1"}  # of this claim the page has the reduced sampler alone
PARAMETERS = {"d": "dim", "n": "probes", "r": "rank"}  # letter → the claims' name, where they differ
START = {"d": 50, "n": 4, "r": 5, "t": 1.0, "p": 576, "q": 1536, "k": 2}
LIMITS = {
    "dim": 1 << 53,  # as the claims have it: beyond it a double cannot tell d from d + 1
    "bruteDim": BRUTE_FORCE_DIM,
    "probes": 64,  # the reduced sampler takes n³ steps of a browser
    "columns": 32,  # n·k of low-rank directions, likewise
    "bruteNumbers": 1 << 16,  # coordinates of one draw
    "t": 4.0,
    "numbers": trial.MOST_NUMBERS >> 3,  # of a run: a minute or so in a browser, where the library takes minutes
}
# blocks of signs that a reader may type or paste: those of a formula, and those that are mistaken for them
_BLOCKS = ((0xA0, 0x180), (0x370, 0x400), (0x2000, 0x2070), (0x2070, 0x20D0), (0x2100, 0x2200), (0x2200, 0x2300))
_MORE_BLOCKS = ((0x25A0, 0x2600), (0x27C0, 0x27F0), (0x3000, 0x3030), (0xFF00, 0xFF66))


def formulas_js() -> str:
    """The text of formulas.js: one constant, `library`."""
    data = json.dumps(_data(), ensure_ascii=False, indent=1)
    functions = ",\n".join(f"  {name}: {code}" for name, code in _theory().items())
    return (
        '"use strict";\n// Generated from mezo_lab by book/playground_formulas.py: edit the library, not this file.\n'
        f"const library = {data};\n\nlibrary.theory = {{\n{functions},\n}};\n"
    )


def _data() -> dict[str, Any]:
    """All that is no function."""
    return {
        "grammar": _grammar(),
        "rule": {
            "alarm": decision.ALARM,
            "detectable": decision.DETECTABLE,
            "margin": decision.MARGIN,
            "many": decision.MANY,
            "dominant": decision.DOMINANT,
            "missed": decision.MISSED,
            "sameUnits": decision.SAME_UNITS,
            "sameCancelled": decision.SAME_CANCELLED,
            "rounding": montecarlo.ROUNDING,
            "pilot": trial.PILOT,
            "fewest": trial.FEWEST,
            "pilotNumbers": trial.PILOT_NUMBERS,
            "finest": trial.FINEST,
            "exact": EXACT,
        },
        "status": {status.name: status.value for status in Status},
        "limits": LIMITS,
        "start": START,
        "constants": CONSTANTS,
        "kurtosis": {name: float(kurtosis) for name, kurtosis in KURTOSIS.items()},
        "invariant": [law.name for law in LAWS.values() if law.rotation_invariant],
        "claims": {name: claim_data(name) for name in CLAIMS},
        "symbols": SYMBOLS,
        "firstFormula": "(d+n-1)/n",  # of the paper's Lemma 2
    }


def _grammar() -> dict[str, Any]:
    """The signs, names and limits of `mezo_lab.theory.expressions`."""
    return {
        "maxLength": expressions.MAX_LENGTH,
        "maxPower": expressions.MAX_POWER,
        "unit": expressions.UNIT,
        "names": expressions.NAMES,
        "read": expressions.READ,
        "signs": expressions.SIGNS,
        "digits": expressions.DIGITS,
        "blanks": expressions.BLANKS,
        "starts": expressions.STARTS,
        "functions": list(expressions.FUNCTIONS),
        "fractions": dict(_fractions()),
        "letters": dict(_letters()),
    }


def _fractions() -> Iterable[tuple[str, str]]:
    """½ and its like → how `keyboard` reads each."""
    for code in range(sys.maxunicode + 1):
        letter = chr(code)
        if unicodedata.decomposition(letter).startswith("<fraction>"):
            above, below = unicodedata.normalize("NFKD", letter).split("⁄")
            yield letter, f"({above}/{below})"


def _letters() -> Iterable[tuple[str, str]]:
    """The names of signs that a message may have to name; of others the page gives the number."""
    for first, end in _BLOCKS + _MORE_BLOCKS:
        for letter in map(chr, range(first, end)):
            if name := unicodedata.name(letter, ""):
                yield letter, name.lower()


@cache
def claim_data(name: str) -> dict[str, Any]:
    """A claim of the registry, as the page offers it. Args: name: its id."""
    claim = claim_named(name)
    letters = CLAIMS[name]
    laws = [law for law in claim.laws if claim.id not in REDUCED_ONLY or LAWS[law].rotation_invariant]
    experiment = _experiment(claim, laws[0], **{letter: START[letter] for letter in letters})
    return {
        "name": claim.name,
        "statement": claim.statement,
        "laws": laws,
        "parameters": list(letters),
        "formula": experiment.formula,
        "lawFormulas": dict(_law_formulas(claim, laws)),
        "step": None if "t" in letters else experiment.symbols.get("s"),
        "decoys": [{"formula": statement, "until": _until(claim, statement)} for statement in _statements(claim)],
        **_fixed_size(claim, experiment),
    }


def _law_formulas(claim: Claim, laws: list[str]) -> Iterable[tuple[str, str]]:
    """Law → the claim's formula in the letters that a reader chooses alone, where it has such a form."""
    letters = CLAIMS[claim.id]
    for law in laws:
        experiment = _experiment(claim, law, **{letter: START[letter] for letter in letters})
        if experiment.formula is None:
            continue
        formula = str(sympy.simplify(law_formula(Expression(experiment.formula), law, experiment.symbols)))
        if Expression(formula).names <= set(letters):
            yield law, formula.replace(" ", "")


def _fixed_size(claim: Claim, experiment: Experiment) -> dict[str, Any]:
    """The number of draws and the resolution of a claim that fixes them, and how far off its decoys must be."""
    if experiment.draws is None:
        return {}
    one = _experiment(claim, "gaussian", p=START["p"], q=START["q"], k=1, n=1)
    return {"drawsPerColumn": one.draws, "resolution": one.resolution, "far": NEARLY_TRUE}


def _experiment(claim: Claim, law: str, **values: Any) -> Experiment:
    """The experiment of a claim at these values of the letters."""
    parameters = {PARAMETERS.get(letter, letter): value for letter, value in values.items()}
    if "moment" in claim.settings["default"][0]:
        parameters["moment"] = "norm"
    return claim.experiment(LAWS[law], **parameters)


def _statements(claim: Claim) -> list[str]:
    """The decoys of a claim, over its laws and two sizes: one that is true at a size is left out there."""
    letters = CLAIMS[claim.id]
    sizes = [{"d": 12, "r": 5, "p": 12, "q": 5, "k": 4}, {"d": 2000, "r": 100}]
    found: dict[str, None] = {}
    for law in claim.laws:
        for size in sizes:
            values = START | size
            experiment = _experiment(claim, law, **{letter: values[letter] for letter in letters})
            found |= dict.fromkeys(decoy.statement for decoy in experiment.decoys)
    return list(found)


def _until(claim: Claim, statement: str) -> int | None:
    """The largest d at which the registry has a decoy; None where it has it at every d."""
    letters = CLAIMS[claim.id]
    if "d" not in letters:
        return None

    def offered(law: str, dim: int) -> bool:
        values = START | {"d": dim}
        experiment = _experiment(claim, law, **{letter: values[letter] for letter in letters})
        return statement in (decoy.statement for decoy in experiment.decoys)

    low = START["r"] + 1
    high = BRUTE_FORCE_DIM
    law = next(name for name in claim.laws if offered(name, low) or offered(name, high))
    if offered(law, high):
        return None
    while high - low > 1:
        middle = (low + high) // 2
        if offered(law, middle):
            low = middle
        else:
            high = middle
    return low


def _theory() -> dict[str, str]:
    """name → a JavaScript function, or an object of one for each law, whose body is printed by sympy."""
    d, n, r, p, q, k, s, f = sympy.symbols("d n r p q k s f", positive=True)
    return {
        "fourth": _of_laws((d,), lambda law: theory.fourth_moment(d, law(d))),
        "cross": _of_laws((d,), lambda law: theory.cross_moment(d, law(d))),
        "norm": _of_laws((d, n), lambda law: theory.norm_factor(d, n, law(d))),
        "variance": _of_laws((d, n), lambda law: theory.variance_factor(d, n, law(d))),
        "rank": _of_laws((d, n, r), lambda law: theory.effective_rank_factor(r, n, law(d))),
        "contraction": _function((s, f), theory.contraction(s, f)),
        "lowRankFourth": _function((p, q, k), theory.low_rank_fourth_moment(p, q, k)),
        "lowRankNorm": _function((n, f), theory.norm_factor(d, n, theory.Moments(pair=0, coincidence=f))),
    }


def _of_laws(arguments: tuple[sympy.Symbol, ...], formula: Callable[[Any], Any]) -> str:
    """An object with a function for each law."""
    functions = (f"    {json.dumps(name)}: {_function(arguments, _at_one(formula, MOMENTS[name]))}" for name in LAWS)
    return "{\n" + ",\n".join(functions) + ",\n  }"


def _at_one(formula: Callable[[Any], Any], moments: Any) -> Any:
    """The formula, with a case of its own for d = 1 where the law has one."""
    d = sympy.Symbol("d", positive=True)
    general = sympy.simplify(formula(moments))
    single = sympy.simplify(formula(lambda _: moments(sympy.Integer(1))))
    try:
        if sympy.simplify(general.subs(d, 1) - single.subs(d, 1)) == 0:
            return general
    except (TypeError, ZeroDivisionError):
        pass
    return sympy.Piecewise((single, sympy.Eq(d, 1)), (general, True))


def _function(arguments: tuple[sympy.Symbol, ...], formula: Any) -> str:
    """A function of JavaScript."""
    names = ", ".join(argument.name for argument in arguments)
    return f"({names}) => {jscode(sympy.simplify(formula))}"
