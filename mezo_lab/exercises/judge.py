"""How an answer is judged: against the truth at several points, and against the mistakes that are often made."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch

from mezo_lab.expressions import Expression

Answer = Callable[..., Any]
TOLERANCE = 1e-6  # relative: a formula is right or it is not


class Wrong(AssertionError):
    """An answer that is not right yet; the message says what the right one has to do with it."""


def judge(answer: Answer, truth: Answer, cases: Sequence[Mapping[str, Any]], mistakes: Mapping[str, Answer]) -> None:
    """Print a line where the answer is the truth in every case.

    Args: answer: the student's function. truth: the library's. cases: keyword arguments of both.
        mistakes: a sentence that teaches → the function of somebody who needs it.
    Raises: Wrong, with the sentence of the mistake that was made, or with both values where it is none of them.

    >>> double = lambda x: 2 * x
    >>> judge(lambda x: x + x, double, [{"x": 1.0}, {"x": 3.0}], {})
    ✓ right in 2 cases
    >>> judge(lambda x: x, double, [{"x": 1.0}], {"Twice, not once.": lambda x: x})
    Traceback (most recent call last):
    mezo_lab.exercises.judge.Wrong: Twice, not once.
    """
    said = [answer(**case) for case in cases]
    for case, found in zip(cases, said, strict=True):
        expect_form(found, truth(**case))
        if same(found, truth(**case)):
            continue
        for sentence, mistake in mistakes.items():
            if all(same(one, mistake(**each)) for one, each in zip(said, cases, strict=True)):
                raise Wrong(sentence)
        where = ", ".join(f"{name} = {value:g}" for name, value in case.items() if isinstance(value, int | float))
        raise Wrong(f"At {where or 'a random point'} it should be {shown(truth(**case))}, yours is {shown(found)}.")
    print(f"✓ right in {len(cases)} cases")


def expect_form(found: Any, right: Any) -> None:
    """Raises: Wrong for an answer that is no number or tensor, or one of another shape than the right one.

    >>> expect_form(torch.ones(1, 5), torch.ones(5))
    Traceback (most recent call last):
    mezo_lab.exercises.judge.Wrong: Its shape should be (5,), yours is (1, 5): return one vector, not one for each.
    """
    if found is None or found is ...:
        raise Wrong(f"Your function returned {found}: let it return its answer.")
    try:
        shape, due = (tuple(torch.as_tensor(value, dtype=torch.float64).shape) for value in (found, right))
    except (TypeError, ValueError, RuntimeError):
        raise Wrong(f"Your function returned {found!r}: let it return a number or a tensor.") from None
    if shape != due:
        raise Wrong(f"Its shape should be {due}, yours is {shape}: {remedy(shape, due)}.")


def remedy(shape: tuple[int, ...], due: tuple[int, ...]) -> str:
    """
    >>> remedy((2,), ()), remedy((2,), (3,))
    ('return one number', 'return 3 numbers')
    """
    if not due:
        return "return one number"
    return "return one vector, not one for each" if len(shape) > len(due) else f"return {due[0]} numbers"


def formula_of(text: Any) -> Expression:
    """What a student wrote as a formula. Raises: Wrong for anything but text; ExpressionError for no arithmetic."""
    if not isinstance(text, str):
        raise Wrong(f"Your function returned {text!r}: let it return a formula as text, in quotes.")
    return Expression(text)


def same(one: Any, other: Any) -> bool:
    one, other = (torch.as_tensor(value, dtype=torch.float64) for value in (one, other))
    return one.shape == other.shape and torch.allclose(one, other, rtol=TOLERANCE, atol=TOLERANCE * 1e-3)


def shown(value: Any) -> str:
    """
    >>> shown(0.123456789), shown(torch.tensor([1.0, 2.0]))
    ('0.123457', '[1.0, 2.0]')
    """
    value = torch.as_tensor(value)
    return f"{value.item():.6g}" if value.ndim == 0 else str([round(float(x), 4) for x in value.flatten()[:4]])
