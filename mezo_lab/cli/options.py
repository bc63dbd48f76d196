"""Types and checks of options, which need nothing but the text on the command line."""

import argparse
from decimal import Decimal, InvalidOperation
from pathlib import Path

__all__ = ["check_minimum", "folder", "integer"]

_LONGEST = 400  # digits of a number that is read; no machine holds as many of anything


def integer(text: str) -> int:
    """A whole number, with an exponent if need be.

    >>> integer("1e3"), integer("13_000_000_000"), integer("2.0")
    (1000, 13000000000, 2)
    >>> integer("2.5")
    Traceback (most recent call last):
    argparse.ArgumentTypeError: it must be a whole number, got '2.5': write for example 1000, or 1e3
    """
    try:
        number = Decimal(text)
    except InvalidOperation:
        number = Decimal("nan")
    if not number.is_finite() or number.adjusted() > _LONGEST or number != number.to_integral_value():
        raise argparse.ArgumentTypeError(f"it must be a whole number, got {text!r}: write for example 1000, or 1e3")
    return int(number)


def folder(text: str) -> Path:
    """A folder of the command line; ~ is the user's own, also where the shell leaves it, as in --out=~/runs.

    >>> folder(" ")
    Traceback (most recent call last):
    argparse.ArgumentTypeError: it must name a folder, got ' ': leave the option out for the usual one
    """
    if not text.strip():
        raise argparse.ArgumentTypeError(f"it must name a folder, got {text!r}: leave the option out for the usual one")
    return Path(text).expanduser()


def check_minimum(options: argparse.Namespace, **limits: int) -> None:
    """Raise ValueError for an option below its limit; one that was left out passes.

    >>> check_minimum(argparse.Namespace(dim=0), dim=1)
    Traceback (most recent call last):
    ValueError: --dim must be at least 1, got 0: give a larger number.
    """
    for name, least in limits.items():
        value = getattr(options, name)
        if value is not None and value < least:
            raise ValueError(f"--{name} must be at least {least}, got {value}: give a larger number.")
