"""Numbers, parameters and formulas as a reader expects to see them printed."""

import math
import re
from typing import Any

LETTERS = {
    "dim": "d",
    "probes": "n",
    "rank": "r",
    "batch": "B",
    "epsilon": "ε",
    "cycles": "K",
}  # parameters, as the formulas call them
SIGNS = {
    "kappa": "κ",
    "eps": "ε",
    "g": "‖g‖",
    "g2": "‖g‖²",
    "g1": "g₁",
    "l1": "‖g‖₁",
    "G2": "E‖ĝ‖²",
    "S": "tr Σ",
    "sigma": "σ",
    "trH": "tr H",
    "trH2": "tr H²",
    "gHg": "gᵀHg",
    "Hgg": "Σ Hᵢᵢgᵢ²",
    "ell": "ℓ",
    "eta": "η",
    "gamma": "γ",
    "mu": "μ",
    "alpha": "α",
    "ug": "uᵀg",
    "vg": "vᵀg",
    "uv": "uᵀv",
    "uvgg": "Σ uᵢvᵢgᵢ²",
    "va": "vᵀ∇(ΔL)",
    "vDg": "vᵀD⁻¹g",
    "trD2": "tr D²",
    "Dg2": "‖D⁻¹g‖²",
    "delta": "Δ",
    "p1": "p₁",
    "pi": "π",
}
SUPERSCRIPTS = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")


def setting(parameters: dict[str, Any]) -> str:
    """Parameters in the letters of the formulas; how they were sampled is left to the sentence.

    >>> setting({"dim": 13_000_000_000, "probes": 1, "spectrum": "flat", "sampler": "reduced"})
    'd = 13,000,000,000, n = 1, spectrum = flat'
    """
    told = (name for name in parameters if name != "sampler")
    return ", ".join(f"{LETTERS.get(name, name)} = {value(parameters[name])}" for name in told)


def value(parameter: Any) -> str:
    """
    >>> value(1_000_000), value(0.5), value("flat")
    ('1,000,000', '0.5', 'flat')
    """
    if isinstance(parameter, str):
        return parameter
    return f"{parameter:,}" if isinstance(parameter, int) else f"{parameter:g}"


def typographic(formula: str) -> str:
    """A formula as typed at the command line, with the signs of print.

    >>> typographic("-eta*g2 + eta**2*ell*G2/4")
    '−η·‖g‖² + η²·ℓ·E‖ĝ‖²/4'
    """
    named = (
        re.sub(r"[A-Za-z]\w*", lambda name: SIGNS.get(name[0], name[0]), formula) if is_formula(formula) else formula
    )
    powers = re.sub(r"\*\*(\d+)\b(?!\.)", lambda power: power[1].translate(SUPERSCRIPTS), named)
    return powers.replace("**", "^").replace("*", "·").replace("-", "−")


def is_formula(statement: str) -> bool:
    """Whether a decoy is a formula, or the description of a wrong experiment.

    >>> is_formula("(d+n-1)/n"), is_formula("z with tied coordinates")
    (True, False)
    """
    return not re.search(r"[a-z]\s+[a-z]", statement)


def number(x: float) -> str:
    """Six digits at most, with a true minus sign.

    >>> number(-0.0833333333), number(1.5e8), number(20.0)
    ('−0.0833333', '1.5e8', '20')
    """
    return re.sub(r"e\+?(-?)0*", r"e\1", f"{x:.6g}").replace("-", "−")


def score(z: float) -> str:
    """A z-score: a decimal where it matters, an order of magnitude where it does not.

    >>> score(-0.61), score(53.7), score(-1.04e11)
    ('−0.6', '+54', '−1e11')
    """
    if not math.isfinite(z):
        return f"{z:+}".replace("-", "−")
    digits = ".1f" if abs(z) < 9.95 else ".0f" if abs(z) < 1e5 else ".0e"
    return re.sub(r"e\+0*", "e", f"{round(z, 1) or 0.0:+{digits}}").replace("-", "−")


def percent(share: float) -> str:
    """Two digits, and no more than a reader can use.

    >>> percent(0.0042), percent(0.14), percent(2.5), percent(3e-18), percent(1e8)
    ('0.42 %', '14 %', '250 %', 'under 0.01 %', 'over 1,000 %')
    """
    if not math.isfinite(share):
        return "any amount"
    if share < 1e-4:
        return "under 0.01 %"
    if share > 10:
        return "over 1,000 %"
    digits = max(0, 1 - math.floor(math.log10(100 * share) + 1e-9))
    return f"{100 * share:,.{digits}f} %"


def joined(words: list[str]) -> str:
    """
    >>> joined(["gaussian"]), joined(["gaussian", "sphere", "rademacher"])
    ('gaussian', 'gaussian, sphere and rademacher')
    """
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)
