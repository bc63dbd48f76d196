"""How a student's function is called: what goes wrong inside it becomes one sentence, with its place in the cell."""

import copy
import functools
import inspect
import linecache
import traceback
from collections.abc import Callable
from types import FrameType
from typing import Any

__all__ = ["Answer", "Wrong", "ask", "brief", "brief_text"]

Answer = Callable[..., Any]
LONGEST = 160  # characters of a value or of another's message that a sentence may quote


class Wrong(AssertionError):
    """An answer that is not right yet; the message says what the right one has to do with it.

    A notebook shows that message and nothing else: a traceback would show the checker's code, the answer in it. The
    cell still ends in an error, for Run All and for graders.

    >>> Wrong("Twice,\\n not once.")._render_traceback_()
    ['✗ Twice, not once.']
    """

    def _render_traceback_(self) -> list[str]:  # IPython asks for it
        return [f"✗ {' '.join(str(self).split())}"]


def ask(answer: Answer, *args: Any, **kwargs: Any) -> Any:
    """What a student's function returns for copies of these arguments, so that it may change them.

    Raises: Wrong, in one sentence, where it is not written yet, has other parameters, or raises an error of its own.

    >>> ask(lambda x: 2 * x, x=1)
    2
    >>> ask(lambda y: 2 * y, x=1)
    Traceback (most recent call last):
    mezo_lab.course.exercises.ask.Wrong: Keep the exercise's parameters, (x): yours are (y).
    >>> ask(lambda x: 1 / x, x=0)  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    mezo_lab.course.exercises.ask.Wrong: Your function raised ZeroDivisionError: division by zero, at line 1 ...
    """
    _expect_parameters(answer, args, kwargs)
    try:
        return answer(*args, **{name: _copied(value) for name, value in kwargs.items()})
    except Wrong:
        raise
    except NotImplementedError as error:
        name = _named(_student_frame(error, answer), answer)
        raise Wrong(
            f"Your turn: {name} is not written yet. Replace the line that raises NotImplementedError."
        ) from None
    except (Exception, KeyboardInterrupt) as error:  # the latter ends a loop without an end
        raise Wrong(_located(error, answer)) from None


def _copied(value: Any) -> Any:
    """A copy of data; a function, which answers for its own state, is handed over as it is."""
    return value if inspect.isroutine(value) else copy.deepcopy(value)


def _expect_parameters(answer: Answer, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    """Raises: Wrong for what is no function, and for one that these arguments do not fit."""
    if not callable(answer):
        raise Wrong(f"The check takes your function itself, without brackets; you gave it {brief(answer)}.")
    try:
        signature = inspect.signature(answer)
    except (TypeError, ValueError):  # of a builtin: the call itself will tell
        return
    try:
        signature.bind(*args, **kwargs)
    except TypeError:
        asked = f"({', '.join(kwargs)})" if kwargs else f"{len(args) or 'none'} in number"
        raise Wrong(f"Keep the exercise's parameters, {asked}: yours are {_signature_text(signature)}.") from None


def _signature_text(signature: inspect.Signature) -> str:
    return f"({', '.join(signature.parameters)})"


def _located(error: BaseException, answer: Answer) -> str:
    """What a student's function raised, and where in the student's cell."""
    frame = _student_frame(error, answer)
    message = str(error).strip().rstrip(".")
    what = brief_text(f"{type(error).__name__}: {message}" if message else type(error).__name__)
    name = _named(frame, answer)
    said = f"{name[0].upper()}{name[1:]} raised {what}"
    if frame is None:
        return f"{said}."
    code, number = frame
    line = linecache.getline(code.f_code.co_filename, number).strip()
    return f"{said}, at line {number} of its cell{f': {line}' if line else '.'}"


def _student_frame(error: BaseException, answer: Answer) -> tuple[FrameType, int] | None:
    """The innermost frame of the student's own code and its line, or None where no frame of theirs is left."""
    own = _namespace(answer)
    frames = [(frame, number) for frame, number in traceback.walk_tb(error.__traceback__) if frame.f_globals is own]
    return frames[-1] if frames else None


def _namespace(answer: Answer) -> dict[str, Any] | None:
    """The names among which a student's code runs: the notebook's."""
    while isinstance(answer, functools.partial):
        answer = answer.func
    code = inspect.unwrap(answer)
    return getattr(code, "__globals__", None) or getattr(type(code).__call__, "__globals__", None)


def _named(frame: tuple[FrameType, int] | None, answer: Answer) -> str:
    """The student's function, by the name that it has in the cell."""
    name = frame[0].f_code.co_name if frame else getattr(answer, "__name__", "<callable>")
    return "your function" if name.startswith("<") else f"`{name}`"


def brief(value: Any) -> str:
    """
    >>> brief([1.0, 2.0])
    '[1.0, 2.0]'
    """
    try:
        return brief_text(repr(value))
    except Exception:  # a class of the student's own
        return f"an object of the class {type(value).__name__}"


def brief_text(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"
