"""Checks of numbers on the command line, before any work is done."""

import argparse
from pathlib import Path


def at_least(options: argparse.Namespace, **limits: int) -> None:
    """Raise ValueError for an option below its limit; one that was left out passes.

    >>> at_least(argparse.Namespace(dim=0), dim=1)
    Traceback (most recent call last):
    ValueError: --dim must be at least 1, got 0: give a larger number.
    """
    for name, least in limits.items():
        value = getattr(options, name)
        if value is not None and value < least:
            raise ValueError(f"--{name} must be at least {least}, got {value}: give a larger number.")


def folder(text: str) -> Path:
    """A folder of the command line; ~ is the user's own, also where the shell leaves it, as in --out=~/runs.

    >>> folder(" ")
    Traceback (most recent call last):
    argparse.ArgumentTypeError: it must name a folder, got ' ': leave the option out for the usual one
    """
    if not text.strip():
        raise argparse.ArgumentTypeError(f"it must name a folder, got {text!r}: leave the option out for the usual one")
    return Path(text).expanduser()
