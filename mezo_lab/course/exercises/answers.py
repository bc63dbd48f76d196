"""Calls a student's function: whatever goes wrong inside it becomes one sentence, with its place in the cell."""

import copy
import functools
import inspect
import linecache
import traceback
from collections.abc import Callable
from types import FrameType
from typing import Any

Answer = Callable[..., Any]
_LONGEST = 160  # characters of a value or of another message that a sentence may quote


class WrongAnswer(AssertionError):
    """An answer that is not right yet; the message explains what the right one has to do with it.

    A notebook shows this message alone, because a traceback would reveal the checker's code, the answer included. The
    cell still ends in an error, for Run All and for graders.

    >>> WrongAnswer("Twice,\\n not once.")._render_traceback_()
    ['✗ Twice, not once.']
    """

    def _render_traceback_(self) -> list[str]:  # IPython calls it in place of its own rendering
        return [f"✗ {' '.join(str(self).split())}"]


def call_answer(answer: Answer, *args: Any, **kwargs: Any) -> Any:
    """The value of a student's function at copies of these arguments, which it may therefore change.

    Raises: WrongAnswer, in one sentence, where the function is not written yet, has other parameters, or fails.

    >>> call_answer(lambda x: 2 * x, x=1)
    2
    >>> call_answer(lambda y: 2 * y, x=1)
    Traceback (most recent call last):
    mezo_lab.course.exercises.answers.WrongAnswer: Keep the exercise's parameters, (x): yours are (y).
    >>> call_answer(lambda x: 1 / x, x=0)  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    mezo_lab.course.exercises.answers.WrongAnswer: Your function raised ZeroDivisionError: division by zero, at ...
    """
    _expect_parameters(answer, args, kwargs)
    try:
        return answer(*args, **{name: _copy(value) for name, value in kwargs.items()})
    except WrongAnswer:
        raise
    except NotImplementedError as error:
        name = _function_name(_student_frame(error, answer), answer)
        raise WrongAnswer(
            f"Your turn: {name} is not written yet. Replace the line that raises NotImplementedError."
        ) from None
    except (Exception, KeyboardInterrupt, SystemExit) as error:  # Ctrl-C ends an endless loop; or `exit()` was called
        raise WrongAnswer(_error_with_place(error, answer)) from None


def _copy(value: Any) -> Any:
    """A copy of data; a function is passed as it is."""
    if inspect.isroutine(value):
        return value
    return copy.deepcopy(value)


def _expect_parameters(answer: Answer, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    """Raises: WrongAnswer for a value that is no function, and for a function that these arguments do not fit."""
    if not callable(answer):
        raise WrongAnswer(f"The check takes your function itself, without brackets; you gave it {quoted(answer)}.")
    try:
        signature = inspect.signature(answer)
    except (TypeError, ValueError):  # a builtin has none: the call itself will fail
        return
    try:
        signature.bind(*args, **kwargs)
    except TypeError:
        expected = f"{len(args) or 'none'} in number"
        if kwargs:
            expected = f"({', '.join(kwargs)})"
        parameters = ", ".join(signature.parameters)
        raise WrongAnswer(f"Keep the exercise's parameters, {expected}: yours are ({parameters}).") from None


def _error_with_place(error: BaseException, answer: Answer) -> str:
    """The error that a student's function raised, and its line in the student's cell."""
    frame = _student_frame(error, answer)
    name = _function_name(frame, answer)
    message = str(error).strip().rstrip(".")
    description = shortened(": ".join(filter(None, [type(error).__name__, message])))
    sentence = f"{name[0].upper()}{name[1:]} raised {description}"
    if frame is None:
        return f"{sentence}."
    code, number = frame
    line = linecache.getline(code.f_code.co_filename, number).strip()
    if not line:
        return f"{sentence}, at line {number} of its cell."
    return f"{sentence}, at line {number} of its cell: {shortened(line)}"


def _student_frame(error: BaseException, answer: Answer) -> tuple[FrameType, int] | None:
    """The innermost frame of the student's own code and its line, or None where no such frame is left."""
    namespace = _namespace(answer)
    innermost = None
    for frame, number in traceback.walk_tb(error.__traceback__):
        if frame.f_globals is namespace:
            innermost = frame, number
    return innermost


def _namespace(answer: Answer) -> dict[str, Any] | None:
    """The globals of a student's code, which are the notebook's."""
    while isinstance(answer, functools.partial):
        answer = answer.func
    code = inspect.unwrap(answer)
    return getattr(code, "__globals__", None) or getattr(type(code).__call__, "__globals__", None)


def _function_name(frame: tuple[FrameType, int] | None, answer: Answer) -> str:
    """The student's function, by its name in the cell."""
    name = getattr(answer, "__name__", "<callable>")
    if frame is not None:
        name = frame[0].f_code.co_name
    if name.startswith("<"):  # a lambda, or an object
        return "your function"
    return f"`{name}`"


def quoted(value: Any) -> str:
    """A student's value, short enough for a sentence.

    >>> quoted([1.0, 2.0])
    '[1.0, 2.0]'
    """
    try:
        return shortened(repr(value))
    except Exception:  # a class of the student's own may fail in any way
        return f"an object of the class {type(value).__name__}"


def shortened(text: str) -> str:
    """One line of at most 160 characters.

    >>> shortened("two\\n lines")
    'two lines'
    """
    text = " ".join(text.split())
    if len(text) <= _LONGEST:
        return text
    return f"{text[: _LONGEST - 1]}…"
