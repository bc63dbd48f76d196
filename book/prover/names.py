"""Names of a claim that other names give, such as c = d + 2 with the Gaussian law: on numbers, and on symbols.

A formula is compared with a claim's in the names that are left. Each definition is a function of `mezo_lab.theory`, and
holds for a claim only where it gives the number that the registry has, in every setting: `holding` finds those.
"""

import math
from collections.abc import Callable, Iterable, Mapping
from fractions import Fraction
from typing import Any

from mezo_lab import theory

Values = Mapping[str, Any]


def _moments(law: str, dim: Any) -> theory.Moments:
    return theory.MOMENTS[law](dim)


def _norm_factor(law: str, x: Values) -> Any:
    return theory.norm_factor(x["d"], x["n"], _moments(law, x["d"]))


def _rank_factor(law: str, x: Values) -> Any:
    return theory.effective_rank_factor(x["r"], x["n"], _moments(law, x["d"]))


def _subspace_factor(law: str, x: Values) -> Any:
    inside = x["p"] * x["k"]
    return theory.norm_factor(inside, x["n"], _moments(law, inside))


def _low_rank_fourth(law: str, x: Values) -> Any:
    return theory.low_rank_fourth_moment(x["p"], x["q"], x["k"], theory.KURTOSIS[law])


# name → what may define it; where several hold, the first is taken. A definition uses names that stand above it.
DEFINITIONS: tuple[tuple[str, Callable[[str, Values], Any]], ...] = (
    ("d", lambda law, x: x["p"] * x["q"]),
    ("kappa", lambda law, x: Fraction(theory.KURTOSIS[law])),
    ("c", lambda law, x: theory.fourth_moment(x["d"], _moments(law, x["d"]))),
    ("c", _low_rank_fourth),
    ("cross", lambda law, x: theory.cross_moment(x["d"], _moments(law, x["d"]))),
    ("pair", lambda law, x: _moments(law, x["d"]).pair),
    ("coincidence", lambda law, x: _moments(law, x["d"]).coincidence),
    ("gamma", _rank_factor),
    ("gamma", _subspace_factor),
    ("gamma", _norm_factor),
    ("s", lambda law, x: x["t"] / x["gamma"]),
    ("s", lambda law, x: x["t"] / _norm_factor(law, x)),
    ("g2", lambda law, x: x["g"] * x["g"]),
    ("G2", lambda law, x: _norm_factor(law, x) * x["g2"]),
)


def holding(law: str, settings: Iterable[Values]) -> list[int]:
    """Which definitions hold in all settings of a claim, by their place in DEFINITIONS; one for a name at most."""
    rows = list(settings)
    found: dict[str, int] = {}
    for place, (name, define) in enumerate(DEFINITIONS):
        if name not in found and all(name in row and _gives(define, law, row, name) for row in rows):
            found[name] = place
    return list(found.values())


def _gives(define: Callable[[str, Values], Any], law: str, row: Values, name: str) -> bool:
    try:
        return math.isclose(define(law, row), row[name], rel_tol=1e-9, abs_tol=1e-12)
    except (KeyError, ZeroDivisionError):  # a name that the claim does not offer, a law without these moments
        return False


def defined(law: str, values: Values, places: Iterable[int]) -> dict[str, Any]:
    """The values with those of defined names made of the others, as numbers or as symbols."""
    own = dict(values)
    for place in places:
        name, define = DEFINITIONS[place]
        own[name] = define(law, own)
    return own
