"""Numbers, parameters and formulas as a reader expects to see them printed."""

import re
from typing import Any

from mezo_lab.claims.decision import Status
from mezo_lab.theory import printed

# the sections of the registry, by the letter of a claim's id
SECTIONS = {
    "A": "The estimator",
    "B": "Descent and learning rates",
    "C": "The machine: the optimizer itself",
    "D": "Real models",
    "E": "After MeZO: what its successors claim",
}
# parameters, as the formulas call them
PARAMETER_LETTERS = {"dim": "d", "probes": "n", "rank": "r", "batch": "B", "epsilon": "ε", "cycles": "K"}
DECOY_LETTERS = "abcdefghijklmnop"  # one for each of a claim's decoys
_UNITS = (("s", 1, 90), ("min", 60, 90), ("h", 3600, 48), ("days", 86_400, 1_000))  # name, seconds, most of them
_YEAR = 31_536_000  # seconds
MARKS = {Status.CONSISTENT: "✓", Status.REFUTED: "✗", Status.UNDERPOWERED: "?"}


def setting(parameters: dict[str, Any]) -> str:
    """Parameters in the letters of the formulas. The sampler is left out: a sentence says how the draws were made.

    >>> setting({"dim": 13_000_000_000, "probes": 1, "spectrum": "flat", "sampler": "reduced"})
    'd = 13,000,000,000, n = 1, spectrum = flat'
    """
    names = (name for name in parameters if name != "sampler")
    return ", ".join(f"{PARAMETER_LETTERS.get(name, name)} = {value(parameters[name])}" for name in names)


def value(parameter: Any) -> str:
    """A parameter's value as it is printed.

    >>> value(1_000_000), value(0.5), value("flat")
    ('1,000,000', '0.5', 'flat')
    """
    if isinstance(parameter, str):
        return parameter
    if isinstance(parameter, int):
        return f"{parameter:,}"
    return f"{parameter:g}"


def typographic(statement: str) -> str:
    """A formula as typed at the command line, or the description of an experiment, with the signs of print.

    >>> typographic("-eta*g2 + eta**2*ell*G2/4")
    '−η·‖g‖² + η²·ℓ·E‖ĝ‖²/4'
    """
    if is_formula(statement):
        return printed(statement)
    return statement.replace("-", "−")


def is_formula(statement: str) -> bool:
    """Whether a decoy is a formula, or the description of a wrong experiment.

    >>> is_formula("(d+n-1)/n"), is_formula("z with tied coordinates")
    (True, False)
    """
    return not re.search(r"[a-z]\s+[a-z]", statement)


def joined(words: list[str]) -> str:
    """Words in a list as a sentence holds it.

    >>> joined(["gaussian"]), joined(["gaussian", "sphere", "rademacher"])
    ('gaussian', 'gaussian, sphere and rademacher')
    """
    return " and ".join(filter(None, [", ".join(words[:-1]), words[-1]]))


def counted(count: int, noun: str) -> str:
    """A number of things, in the singular for one.

    >>> counted(1, "claim"), counted(2_000, "draw")
    ('1 claim', '2,000 draws')
    """
    return f"{count:,} {noun}" + ("" if count == 1 else "s")


def duration(seconds: float) -> str:
    """A length of time in the unit that a person would choose.

    >>> duration(41), duration(172), duration(7 * 3600), duration(9e6), duration(1e12)
    ('41 s', '3 min', '7 h', '104 days', '31,710 years')
    """
    for unit, length, most in _UNITS:
        if seconds < most * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds / _YEAR:,.0f} years"
