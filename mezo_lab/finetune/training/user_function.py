"""An objective of the user's own, "module:function": imported, checked, called, and its failures in one line."""

import importlib
import inspect
import os
import sys
import sysconfig
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, SupportsFloat

from mezo_lab.finetune.data.rows import one_line

UserFunction = Callable[[list, list], float]

_PACKAGE = str(Path(__file__).resolve().parents[2])
_LIBRARIES = tuple({sysconfig.get_paths()[name] for name in ("stdlib", "platstdlib")})


def function_named(name: str) -> UserFunction:
    """The function of "module:function". Raises: ValueError for one that does not exist or takes other arguments."""
    module, _, attribute = name.partition(":")
    try:
        if not attribute:
            raise ValueError("it names no function")
        with _current_folder_importable():
            function = getattr(importlib.import_module(module), attribute)
        if not callable(function):
            raise TypeError(f"{attribute} is a {type(function).__name__}, which cannot be called")
        _check_signature(function)
    except (Exception, SystemExit) as error:  # a module of the user's may fail in any way
        known = "loss, accuracy, f1, exact-match or module:function"
        raise ValueError(f"`objective` must be {known}, got {name!r} ({_failure(error)}): check the name.") from error
    return function  # type: ignore[return-value]  # `call_function` checks what it returns


def call_function(function: UserFunction, answers: list, rows: list) -> float:
    """The number that a user's function returns. Raises: ValueError where it fails, or returns no number."""
    try:
        value = function(answers, rows)
        # a string of digits is no number, and float() would drop an imaginary part
        if not isinstance(value, SupportsFloat) or "complex" in str(getattr(value, "dtype", "")):
            raise TypeError(f"it returned {type(value).__name__}, which is no real number")
        return float(value)
    except (Exception, SystemExit) as error:
        name = getattr(function, "__name__", repr(function))
        about_none = "; None stands for an answer without finite scores" if None in answers else ""
        raise ValueError(
            f"`objective` {name} must take (answers, rows) and return a number, and failed "
            f"({_failure(error)}{about_none}): try it on a few rows first."
        ) from error


def _check_signature(function: Callable[..., Any]) -> None:
    """Raises: TypeError for a function that two positional arguments do not fit."""
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):  # some built-in functions have none
        return
    try:
        signature.bind([], [])
    except TypeError as error:
        raise TypeError(f"it takes {signature}, and is called with (answers, rows); {error}") from None


def _failure(error: BaseException) -> str:
    """An error in one line, with the place in the user's own file where it arose."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if not _is_foreign(frame.filename)]
    text = f"{type(error).__name__}: {one_line(error)}"
    if own:
        text += f" at {Path(own[-1].filename).name}:{own[-1].lineno}"
    return text


def _is_foreign(file: str) -> bool:
    """Whether a file is of this package, installed or frozen into the interpreter: not what the user wrote."""
    return file.startswith(("<", _PACKAGE, *_LIBRARIES)) or "site-packages" in file


@contextmanager
def _current_folder_importable() -> Iterator[None]:
    """While this lasts modules of the current folder are found too, as by `python -m`."""
    before = list(sys.path)
    sys.path.insert(0, os.getcwd())
    try:
        yield
    finally:
        sys.path[:] = before
