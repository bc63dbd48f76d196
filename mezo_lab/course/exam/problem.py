"""What a problem of the exam consists of, and how numbers come into its text."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

__all__ = ["Number", "Part", "Problem", "Slip", "filled", "shown"]

Number = int | float | Fraction
"""What the theory computes for a problem, exact where it can be."""

_DIGITS = 3  # significant ones of a rounded number
_PLACE = re.compile(r"@\{(=?)(\w+)(?::(\d+))?\}")  # @{f}, @{=f}, @{f:4}
_NEARLY = 1e-12  # relative: what floats lose on the way to a number that is short
_LARGE = 1_000_000  # from here on, and below its counterpart, a number is written with a power of ten
_SMALL = 1e-3


@dataclass(frozen=True)
class Slip:
    """A common mistake, and what it costs."""

    says: str
    """What goes wrong."""
    loses: int
    """Points, of those of its part."""
    answer: str = ""
    """The name of the answer that it spoils; none where the mistake is one of argument."""
    value: Number | None = None
    """What it gives for that answer."""


@dataclass(frozen=True)
class Part:
    """A question with its solution and its marks. Every text is a template: `Problem.text` puts the numbers in."""

    question: str
    solution: str
    steps: tuple[tuple[int, str], ...]
    """(points, what earns them), in the order of the solution."""
    answers: tuple[str, ...] = ()
    """Names of the problem's values that are answers."""
    slips: tuple[Slip, ...] = ()

    @property
    def points(self) -> int:
        """All that the part is worth."""
        return sum(points for points, _ in self.steps)


@dataclass(frozen=True)
class Problem:
    """A problem of the exam with its numbers. A point is a minute."""

    title: str
    objectives: tuple[str, ...]
    """Ids of notebooks/assessment/course.yaml."""
    statement: str
    parts: tuple[Part, ...]
    values: Mapping[str, Number | str]
    """Every number of the texts, by name: what was drawn, and what follows from it."""

    @property
    def points(self) -> int:
        """Those of all parts."""
        return sum(part.points for part in self.parts)

    @property
    def minutes(self) -> int:
        """The time that it is meant to take."""
        return self.points

    def text(self, template: str) -> str:
        """A template with the problem's numbers in it. Raises: KeyError for a name without a value."""
        return filled(template, self.values)


def filled(template: str, values: Mapping[str, Number | str]) -> str:
    """A template with its numbers: `@{f}` is a value, `@{=f}` has = or ≈ before it, `@{f:5}` five digits.

    Raises: KeyError for a name without a value.

    >>> filled("$f@{=f}$ and $d=@{d}$", {"f": 2 / 3, "d": 10})
    '$f\\\\approx 0.667$ and $d=10$'
    """

    def written(place: re.Match[str]) -> str:
        equals, name, digits = place.groups()
        value = values[name]
        if isinstance(value, str):
            return value
        return shown(value, int(digits or _DIGITS), relation=bool(equals))

    return _PLACE.sub(written, template.strip())


def shown(value: Number, digits: int = _DIGITS, *, relation: bool = False) -> str:
    r"""A number as it stands between dollar signs.

    Whole numbers up to a million keep all their digits; so does a decimal fraction that ends within four places.

    Args:
        value: any real number.
        digits: significant ones, where it must be rounded.
        relation: put = before it, or ≈ where it was rounded.

    >>> shown(13_000), shown(2 / 3, relation=True), shown(0.0625), shown(3.1e-7)
    ('13{,}000', '\\approx 0.667', '0.0625', '3.1\\cdot10^{-7}')
    """
    short = _short(value)
    number = _rounded(value, digits) if short is None else short
    if not relation:
        return number
    sign = r"\approx" if short is None else "="
    return f"{sign} {number}"


def _short(value: Number) -> str | None:
    """A number in full, where it is not long."""
    size = abs(float(value))
    if size and not _SMALL <= size < _LARGE:
        mantissa, power = _mantissa(float(value))
        if abs(mantissa - round(mantissa, 2)) > _NEARLY * 10:
            return None
        return _power_of_ten(round(mantissa, 2), power)
    for places in range(5):
        near = round(float(value), places)
        if abs(near - float(value)) <= _NEARLY * size:
            return _grouped(f"{near:,.{places}f}")
    return None


def _rounded(value: Number, digits: int) -> str:
    """A number to so many significant digits; above a thousand to the last whole one."""
    size = abs(float(value))
    if not _SMALL <= size < _LARGE:
        mantissa, _, power = f"{float(value):.{digits - 1}e}".partition("e")
        return rf"{mantissa}\cdot10^{{{int(power)}}}"
    places = max(0, digits - 1 - math.floor(math.log10(size)))
    return _grouped(f"{float(value):,.{places}f}")


def _mantissa(value: float) -> tuple[float, int]:
    """(m, k) with value = m·10ᵏ and 1 ≤ abs(m) < 10."""
    mantissa, _, power = f"{value:.12e}".partition("e")
    return float(mantissa), int(power)


def _power_of_ten(mantissa: float, power: int) -> str:
    """m·10ᵏ; a mantissa of 1 is left out."""
    if mantissa == 1:
        return f"10^{{{power}}}"
    return rf"{mantissa:g}\cdot10^{{{power}}}"


def _grouped(number: str) -> str:
    """Thousands apart, without the space that TeX puts behind a comma; a minus stays."""
    return number.replace(",", "{,}")
