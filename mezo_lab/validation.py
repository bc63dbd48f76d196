"""Checks of arguments that the whole package shares: each returns the Python value, or names argument, rule and remedy.

Numbers of numpy and torch are numbers like any other. Neither library is imported here: a value of a library that was
never imported cannot arrive.
"""

import difflib
import math
import sys
from collections.abc import Iterable
from decimal import Decimal
from numbers import Integral, Real
from typing import Any


def python_number(value: Any) -> Any:
    """The Python number in a scalar of numpy or torch, an array or tensor of one element too; else the value itself.

    >>> import numpy
    >>> python_number(numpy.float32(0.5)), python_number("0.5")
    (0.5, '0.5')
    """
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(value, torch.Tensor):
        return value.item() if value.numel() == 1 and not value.is_meta else value
    numpy = sys.modules.get("numpy")
    if numpy is not None and isinstance(value, numpy.generic | numpy.ndarray) and value.ndim == 0:
        return value.item()
    return value


def python_values(value: Any) -> Any:
    """The same structure of dicts, lists and tuples with Python's numbers and lists in place of numpy's; tensors stay.

    >>> import numpy
    >>> python_values({"betas": (numpy.float64(0.9), numpy.arange(2))})
    {'betas': (0.9, [0, 1])}
    """
    numpy = sys.modules.get("numpy")
    if numpy is not None and isinstance(value, numpy.generic | numpy.ndarray):
        return value.tolist()
    if isinstance(value, dict):
        return {key: python_values(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(map(python_values, value))
    return value


def as_float(value: Any) -> float:
    """The float of a real number; ±∞ for an integer beyond the range of floats."""
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def number(name: str, value: Any, remedy: str) -> float:
    """A real number, infinite or NaN too. Raises: ValueError."""
    if type(value) is float:
        return value
    result = python_number(value)
    if isinstance(result, bool) or not isinstance(result, Real | Decimal):
        raise ValueError(f"`{name}` must be a number, got {value!r}: {remedy}.")
    return as_float(result)


def positive(name: str, value: Any, remedy: str) -> float:
    """A finite number above 0. Raises: ValueError.

    >>> positive("epsilon", -1e-3, "1e-3 is usual")
    Traceback (most recent call last):
    ValueError: `epsilon` must be positive, got -0.001: 1e-3 is usual.
    """
    result = number(name, value, remedy)
    if not 0 < result < math.inf:
        rule = "finite" if result == math.inf else "positive"
        raise ValueError(f"`{name}` must be {rule}, got {value}: {remedy}.")
    return result


def not_negative(name: str, value: Any, remedy: str) -> float:
    """A finite number, at least 0. Raises: ValueError."""
    result = number(name, value, remedy)
    if not 0 <= result < math.inf:
        rule = "be finite" if result == math.inf else "not be negative"
        raise ValueError(f"`{name}` must {rule}, got {value}: {remedy}.")
    return result


def whole(name: str, value: Any, remedy: str, *, least: int = 1, below: int | None = None) -> int:
    """An integer in [least, below). Raises: ValueError.

    >>> whole("probes", 0, "1 is usual")
    Traceback (most recent call last):
    ValueError: `probes` must be a whole number, at least 1, got 0: 1 is usual.
    """
    result = python_number(value)
    if isinstance(result, bool) or not isinstance(result, Integral) or not least <= int(result) < (below or math.inf):
        rule = f", at least {least}" if below is None else f" in [{least}, {_power(below)})"
        raise ValueError(f"`{name}` must be a whole number{rule}, got {value}: {remedy}.")
    return int(result)


def _power(bound: int) -> str:
    exponent = bound.bit_length() - 1
    return f"2**{exponent}" if exponent > 15 and bound == 1 << exponent else f"{bound}"


def flag(name: str, value: Any) -> bool:
    """True or False, of numpy or torch too. Raises: ValueError."""
    result = python_number(value)
    if not isinstance(result, bool):
        raise ValueError(f"`{name}` must be True or False, got {value!r}: leave it out for the default.")
    return result


def one_of(name: str, value: Any, choices: Iterable[str | None]) -> Any:
    """One of a set of names. Raises: ValueError, which lists them and names the nearest.

    >>> one_of("law", "gausian", ["gaussian", "rademacher"])
    Traceback (most recent call last):
    ValueError: `law` must be one of gaussian, rademacher; got 'gausian'. Nearest: gaussian.
    """
    known = list(choices)
    if (value is None or isinstance(value, str)) and value in known:
        return value
    near = nearest(str(value), (choice for choice in known if choice is not None))
    remedy = f". Nearest: {', '.join(near)}." if near else ": choose one of these."
    raise ValueError(f"`{name}` must be one of {', '.join(map(str, known))}; got {value!r}{remedy}")


def nearest(word: str, choices: Iterable[str], most: int = 3, cutoff: float = 0.6) -> list[str]:
    """The choices spelt most like a word, the nearest first; empty where none is like it.

    Args: cutoff: the least share of letters in common, in [0, 1].

    >>> nearest("norm-facto", ["norm-factor", "trace"])
    ['norm-factor']
    """
    return difflib.get_close_matches(word, list(choices), n=most, cutoff=cutoff)
