"""How an answer is judged: against the truth at several points, and against the mistakes that are often made."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mezo_lab.course.exercises.ask import Answer, Wrong, ask, brief
from mezo_lab.theory import Expression, ExpressionError

__all__ = ["expect_right", "formula_of", "judge", "numbers", "numbers_of", "real", "same", "shown", "value_of"]

TOLERANCE = 1e-6  # relative: a formula is right or it is not
TINY = 1e-15  # what rounding may leave of an answer that is 0


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
    mezo_lab.course.exercises.ask.Wrong: Twice, not once.
    """
    expect_right(answer, truth, cases, mistakes)
    print(f"✓ right in {len(cases)} cases")


def expect_right(
    answer: Answer, truth: Answer, cases: Sequence[Mapping[str, Any]], mistakes: Mapping[str, Answer]
) -> None:
    """The same without a word for the right answer, for checks that go on. Raises: Wrong."""
    expected = [numbers(truth(**case)) for case in cases]
    said = [numbers_of(ask(answer, **case), right) for case, right in zip(cases, expected, strict=True)]
    for case, found, right in zip(cases, said, expected, strict=True):
        if same(found, right):
            continue
        for sentence, mistake in mistakes.items():
            if all(same(one, mistake(**each)) for one, each in zip(said, cases, strict=True)):
                raise Wrong(sentence)
        where = ", ".join(f"{name} = {shown(value)}" for name, value in case.items() if isinstance(value, int | float))
        raise Wrong(f"At {where or 'a random point'} it should be {shown(right)}, yours is {shown(found)}.")


def numbers(value: Any) -> Tensor:
    """A number, or numbers in a list, an array or a tensor, of any library, as a float64 tensor.

    Raises: TypeError or ValueError for anything else, text and complex numbers among it.

    >>> from fractions import Fraction
    >>> numbers([Fraction(1, 2), torch.tensor(2)])
    tensor([0.5000, 2.0000], dtype=torch.float64)
    """
    array = np.asarray(_plain(value))
    if array.dtype.kind not in "biufO":
        raise TypeError(f"expected numbers, got {array.dtype}")
    values = [float(each) for each in array.flat]  # which refuses None, unlike numpy
    return torch.tensor(values, dtype=torch.float64).reshape(array.shape)


def real(value: Any) -> bool:
    """Whether a value is a tensor of real numbers that can be read: dense, floating, and not on the device meta."""
    if not isinstance(value, Tensor):
        return False
    return value.is_floating_point() and value.layout is torch.strided and not value.is_meta


def _plain(value: Any) -> Any:
    """Without the tensors in it, which numpy takes only where they need no gradient."""
    if isinstance(value, Tensor):
        return value.tolist()
    return [_plain(each) for each in value] if isinstance(value, list | tuple) else value


def numbers_of(found: Any, right: Tensor) -> Tensor:
    """A student's answer as numbers.

    Raises: Wrong for an answer that is no number or tensor, or one of another shape than the right one.

    >>> numbers_of(torch.ones(1, 5), torch.ones(5))
    Traceback (most recent call last):
    mezo_lab.course.exercises.ask.Wrong: Its shape should be (5,), yours is (1, 5): return one vector, not one for each.
    """
    if found is None or found is ...:
        raise Wrong(f"Your function returned {found}: let it return its answer.")
    try:
        value = numbers(found)
    except Exception:  # whatever a value of any class answers when it is asked for a number
        raise Wrong(f"Your function returned {brief(found)}: let it return a number or a tensor.") from None
    shape, due = tuple(value.shape), tuple(right.shape)
    if shape != due:
        raise Wrong(f"Its shape should be {due}, yours is {shape}: {remedy(shape, due)}.")
    return value


def remedy(shape: tuple[int, ...], due: tuple[int, ...]) -> str:
    """
    >>> remedy((2,), ()), remedy((2,), (3,))
    ('return one number', 'return 3 numbers')
    """
    if not due:
        return "return one number"
    return "return one vector, not one for each" if len(shape) > len(due) else f"return {due[0]} numbers"


def formula_of(answer: Any, names: set[str]) -> Expression:
    """What a student wrote as a formula in these names, or what the student's function returns.

    Raises: Wrong for anything but text, for what is not arithmetic, and for other names.

    >>> formula_of(lambda: "c/n", {"d", "n"})
    Traceback (most recent call last):
    mezo_lab.course.exercises.ask.Wrong: Write the formula in d and n alone: it has c.
    """
    text = ask(answer) if callable(answer) else answer
    if not isinstance(text, str):
        raise Wrong(f"Your function returned {brief(text)}: let it return a formula as text, in quotes.")
    try:
        formula = Expression(text)
    except ExpressionError as error:
        raise Wrong(str(error)) from None
    if others := sorted(formula.names - names):
        raise Wrong(f"Write the formula in {_listed(sorted(names))} alone: it has {_listed(others)}.")
    return formula


def _listed(words: Sequence[str]) -> str:
    """
    >>> _listed(["d"]), _listed(["d", "eps", "n"])
    ('d', 'd, eps and n')
    """
    return " and ".join(filter(None, [", ".join(words[:-1]), words[-1]]))


def value_of(formula: Expression, values: Mapping[str, float]) -> float:
    """A student's formula at these values. Raises: Wrong where it has none there, as for a division by zero."""
    try:
        return formula(values)
    except ExpressionError as error:
        raise Wrong(str(error)) from None


def same(one: Any, other: Any) -> bool:
    one, other = numbers(one), numbers(other)
    if one.shape != other.shape:
        return False
    size = float(other.abs().max())  # so that a small answer is judged as strictly as a large one
    return torch.allclose(one, other, rtol=TOLERANCE, atol=TOLERANCE * 1e-3 * size if size else TINY)


def shown(value: Any) -> str:
    """
    >>> shown(0.123456789), shown(13_000_000_000), shown(torch.tensor([1.0, 2.0]))
    ('0.123457', '1.3e+10', '[1, 2]')
    """
    value = numbers(value)
    return (
        f"{value.item():.6g}" if value.ndim == 0 else f"[{', '.join(f'{x:.4g}' for x in value.flatten()[:4].tolist())}]"
    )
