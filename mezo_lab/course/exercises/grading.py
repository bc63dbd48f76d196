"""Grades an answer: it is compared with the truth in several cases, and with the mistakes that are often made.

A mistake is a function, or its formula as text in the names of a case, π, and `truth`, the right value.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mezo_lab.claims.wording import number_text
from mezo_lab.course.exercises.answers import Answer, WrongAnswer, call_answer, quoted
from mezo_lab.report.labels import joined
from mezo_lab.theory import Expression, ExpressionError

_Case = Mapping[str, Any]
_Mistakes = Mapping[str, Answer | str]

_TOLERANCE = 1e-6  # relative: a formula is right or it is not
_TINY = 1e-15  # absolute: what rounding may leave of an answer that is 0
_SHORT = 60  # letters of a list that is shown whole


def grade(answer: Answer, truth: Answer, cases: Sequence[_Case], mistakes: _Mistakes) -> None:
    """Print a line where the answer is the truth in every case.

    Args:
        answer: the student's function.
        truth: the library's.
        cases: keyword arguments of both.
        mistakes: a sentence that teaches → the mistake that it answers.
    Raises: WrongAnswer, with the sentence of the mistake that was made, or with both values for any other answer.

    >>> double = lambda x: 2 * x
    >>> grade(lambda x: x + x, double, [{"x": 1.0}, {"x": 3.0}], {})
    ✓ right in 2 cases
    >>> grade(lambda x: x, double, [{"x": 1.0}], {"Twice, not once.": "truth / 2"})
    Traceback (most recent call last):
    mezo_lab.course.exercises.answers.WrongAnswer: Twice, not once.
    """
    expect_right(answer, truth, cases, mistakes)
    print(f"✓ right in {len(cases)} cases")


def expect_right(answer: Answer, truth: Answer, cases: Sequence[_Case], mistakes: _Mistakes) -> None:
    """Grade without printing, for checks that go on. Raises: WrongAnswer."""
    truths = [as_numbers(truth(**case)) for case in cases]
    values = [answer_numbers(call_answer(answer, **case), right) for case, right in zip(cases, truths, strict=True)]
    for case, value, right in zip(cases, values, truths, strict=True):
        if is_close(value, right):
            continue
        # a sentence must fit the answers to all cases, the right ones among them
        for sentence, mistake in mistakes.items():
            if _matches(values, mistake, cases, truths):
                raise WrongAnswer(sentence)
        place = _place(case)
        expected = _number_text(right)
        given = _number_text(value)
        if given == expected:
            raise WrongAnswer(f"At {place} yours agrees with {expected} in the first digits alone: compute in float64.")
        raise WrongAnswer(f"At {place} it should be {expected}, yours is {given}.")


def _place(case: _Case) -> str:
    """The numbers and short lists of a case, with which it can be tried again."""
    shown = [f"{name} = {_number_text(each)}" for name, each in case.items() if isinstance(each, int | float)]
    lists = [f"{name} = {each}" for name, each in case.items() if isinstance(each, list) and len(str(each)) <= _SHORT]
    return ", ".join(lists + shown) or "a random point"


def _matches(values: Sequence[Tensor], mistake: Answer | str, cases: Sequence[_Case], truths: Sequence[Tensor]) -> bool:
    """Whether the answers are those of somebody who makes this mistake."""
    trios = zip(values, cases, truths, strict=True)
    return all(is_close(value, _mistaken(mistake, case, right)) for value, case, right in trios)


def _mistaken(mistake: Answer | str, case: _Case, right: Tensor) -> Any:
    """The value of a mistake in one case."""
    if isinstance(mistake, str):
        return Expression(mistake)({**case, "truth": right.item(), "pi": math.pi})
    return mistake(**case)


def as_numbers(value: Any) -> Tensor:
    """A number, or numbers in a list, an array or a tensor, of any library, as a float64 tensor.

    Raises: TypeError or ValueError for anything else, text and complex numbers among it.

    >>> from fractions import Fraction
    >>> as_numbers([Fraction(1, 2), torch.tensor(2)])
    tensor([0.5000, 2.0000], dtype=torch.float64)
    """
    array = np.asarray(_without_tensors(value))
    if array.dtype.kind not in "biufO":
        raise TypeError(f"expected numbers, got {array.dtype}")
    values = [float(each) for each in array.flat]  # unlike numpy, float refuses None
    return torch.tensor(values, dtype=torch.float64).reshape(array.shape)


def is_real_tensor(value: Any) -> bool:
    """Whether a value is a tensor of real numbers that can be read: dense, floating, and not on the device meta."""
    if not isinstance(value, Tensor):
        return False
    return value.is_floating_point() and value.layout is torch.strided and not value.is_meta


def _without_tensors(value: Any) -> Any:
    """Nested lists in place of tensors, which numpy accepts only where they need no gradient."""
    if isinstance(value, Tensor):
        return value.tolist()
    if isinstance(value, list | tuple):
        return [_without_tensors(each) for each in value]
    return value


def answer_numbers(value: Any, right: Tensor) -> Tensor:
    """A student's answer as numbers.

    Raises: WrongAnswer for an answer that is no number or tensor, or has another shape than the right one.

    >>> answer_numbers(torch.ones(1, 5), torch.ones(5))
    Traceback (most recent call last):
    mezo_lab.course.exercises.answers.WrongAnswer: The shape should be (5,), yours is (1, 5): return a single vector.
    """
    if value is None or value is ...:
        raise WrongAnswer(f"Your function returned {value}: let it return its answer.")
    try:
        numbers = as_numbers(value)
    except Exception:  # a value of the student's own class may fail in any way
        raise WrongAnswer(f"Your function returned {quoted(value)}: let it return a number or a tensor.") from None
    shape = tuple(numbers.shape)
    expected = tuple(right.shape)
    if shape != expected:
        raise WrongAnswer(f"The shape should be {expected}, yours is {shape}: {_shape_remedy(shape, expected)}.")
    return numbers


def _shape_remedy(shape: tuple[int, ...], expected: tuple[int, ...]) -> str:
    """
    >>> _shape_remedy((2,), ()), _shape_remedy((2,), (3,))
    ('return one number', 'return 3 numbers')
    """
    if not expected:
        return "return one number"
    if len(shape) > len(expected):
        return "return a single vector"
    return f"return {expected[0]} numbers"


def student_formula(answer: Any, names: set[str]) -> Expression:
    """The formula in these names that a student wrote as text, or that the student's function returns.

    Raises: WrongAnswer for anything but text, for text that is not arithmetic, and for other names.

    >>> student_formula(lambda: "c/n", {"d", "n"})
    Traceback (most recent call last):
    mezo_lab.course.exercises.answers.WrongAnswer: Write the formula in d and n alone: it has c.
    """
    text = answer
    if callable(answer):
        text = call_answer(answer)
    if not isinstance(text, str):
        raise WrongAnswer(f"Your function returned {quoted(text)}: let it return a formula as text, in quotes.")
    try:
        formula = Expression(text)
    except ExpressionError as error:
        raise WrongAnswer(str(error)) from None
    if others := sorted(formula.names - names):
        raise WrongAnswer(f"Write the formula in {joined(sorted(names))} alone: it has {joined(others)}.")
    return formula


def formula_hint(
    formula: Expression, mistakes: Mapping[str, str], cases: Sequence[Mapping[str, float]], otherwise: str
) -> str:
    """What a formula overlooks, where its values are those of a known mistake in every case; else the general hint.

    Args: mistakes: formula → the sentence that answers it. otherwise: the general hint.
    """
    for mistake, sentence in mistakes.items():
        if all(is_close(formula(case), Expression(mistake)(case)) for case in cases):
            return sentence
    return otherwise


def formula_value(formula: Expression, values: Mapping[str, float]) -> float:
    """A student's formula at these values. Raises: WrongAnswer where it has no value, as at a division by zero."""
    try:
        return formula(values)
    except ExpressionError as error:
        raise WrongAnswer(str(error)) from None


def is_close(one: Any, other: Any) -> bool:
    """Whether two answers agree up to rounding.

    >>> is_close([1e-9, 2e-9], torch.tensor([1e-9, 2e-9])), is_close(1e-9, 2e-9)
    (True, False)
    """
    one = as_numbers(one)
    other = as_numbers(other)
    if one.shape != other.shape:
        return False
    # relative to the largest number, so that a small answer is graded as strictly as a large one
    largest = float(other.abs().max())
    return torch.allclose(one, other, rtol=_TOLERANCE, atol=_TOLERANCE * 1e-3 * largest or _TINY)


def _number_text(value: Any) -> str:
    """
    >>> _number_text(0.123456789), _number_text(13_000_000_000), _number_text(torch.tensor([1.0, 2.0]))
    ('0.123457', '1.3e10', '[1, 2]')
    """
    numbers = as_numbers(value)
    if numbers.ndim == 0:
        return number_text(numbers.item())
    first = ", ".join(number_text(number, digits=4) for number in numbers.flatten()[:4].tolist())
    return f"[{first}]"
