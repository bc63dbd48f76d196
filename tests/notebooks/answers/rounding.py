"""Answers to the exercises of notebook 6, right and wrong."""

import math

from mezo_lab.course.exercises import rounding as exercises


def ulp(value: float, mantissa_bits: int) -> float:
    return 2.0 ** (math.floor(math.log2(abs(value))) - mantissa_bits)


def best_epsilon(size: float, mantissa_bits: int, third: float) -> float:
    return (ulp(size, mantissa_bits) / (4 * math.sqrt(3) * third)) ** (1 / 3)


# check → (right answer, [(mistake, what it is told)])
ANSWERS = {
    exercises.check_ulp: (
        ulp,
        [
            (lambda value, mantissa_bits: abs(value) * 2.0**-mantissa_bits, "between two powers of two"),
            (lambda value, mantissa_bits: 2.0**-mantissa_bits, "the spacing at 1"),
            (lambda value, mantissa_bits: 2.0 ** (math.frexp(value)[1] - mantissa_bits), "Twice too large"),
            (lambda value, mantissa_bits: ulp(value, mantissa_bits) / 2, "half of the spacing"),
            (lambda value, mantissa_bits: value, "At value = 3, mantissa_bits = 7 it should be"),
        ],
    ),
    exercises.check_cycles: (
        lambda share, ulp, rms: 2 * (share * rms / ulp) ** 2,
        [
            (lambda share, ulp, rms: 2 * share * rms / ulp, "square the ratio"),
            (lambda share, ulp, rms: (share * rms / ulp) ** 2, "ulp²/2, not ulp²:"),
            (lambda share, ulp, rms: 4 * (share * rms / ulp) ** 2, "round alike"),
            (lambda share, ulp, rms: share, r"At share = 0\.1, ulp = 8e−5, rms = 0\.02 it should be"),
        ],
    ),
    exercises.check_best_epsilon: (
        best_epsilon,
        [
            (lambda size, mantissa_bits, third: best_epsilon(1.0, mantissa_bits, third), "not near 1"),
            (
                lambda size, mantissa_bits, third: (ulp(size, mantissa_bits) / (24**0.5 * third)) ** (1 / 3),
                "their slopes cancel",
            ),
            (
                lambda size, mantissa_bits, third: (ulp(size, mantissa_bits) / (4 * 3**0.5 * third)) ** 0.5,
                "A cube root",
            ),
            (lambda size, mantissa_bits, third: 1e-3, "At size = 3, mantissa_bits = 23, third = 1 it should be"),
        ],
    ),
}
