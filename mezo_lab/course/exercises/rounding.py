"""Notebook 6: ε, rounding and drift."""

import math

import torch

from mezo_lab.course.exercises.answers import Answer
from mezo_lab.course.exercises.grading import grade
from mezo_lab.curvature import EpsilonScan, ScanRow, unit_in_last_place

__all__ = ["check_best_epsilon", "check_cycles", "check_ulp"]

_DTYPES = {7: torch.bfloat16, 10: torch.float16, 23: torch.float32, 52: torch.float64}  # by bits of the mantissa
_NUMBERS = [
    {"value": 3.0, "mantissa_bits": 7},
    {"value": 0.02, "mantissa_bits": 10},
    {"value": -1000.0, "mantissa_bits": 23},
    {"value": 1.0, "mantissa_bits": 52},
]
_LOSSES = [
    {"size": 3.0, "mantissa_bits": 23, "third": 1.0},
    {"size": 0.3, "mantissa_bits": 7, "third": 20.0},
    {"size": 500.0, "mantissa_bits": 10, "third": 0.1},
]
_DRIFTS = [
    {"share": 0.1, "ulp": 8e-5, "rms": 0.02},
    {"share": 0.01, "ulp": 2e-9, "rms": 0.02},
    {"share": 0.5, "ulp": 1e-3, "rms": 0.3},
]


def _ulp(value: float, mantissa_bits: int) -> float:
    """The distance from a number to the next larger one in size, in the dtype with that mantissa."""
    return float(unit_in_last_place(torch.tensor(value, dtype=_DTYPES[mantissa_bits])))


def _best_epsilon(size: float, mantissa_bits: int, third: float) -> float:
    """ε* of a loss of that size in that dtype, whose third derivative along z has rms 6T; third: T.

    Source: claim C7. Formula: (ulp/(4√3·T))^⅓, as `EpsilonScan.predicted` has it.
    """
    rounding = _ulp(size, mantissa_bits) / 24**0.5
    row = ScanRow(epsilon=1.0, dtype="", error=math.nan, rounding=rounding, truncation=third)
    return EpsilonScan((row,)).predicted


def _cycles_until(share: float, ulp: float, rms: float) -> float:
    """The K at which the drift √(K/2)·ulp is this share of the weights' rms. Source: claim C4."""
    return 2 * (share * rms / ulp) ** 2


def check_ulp(answer: Answer) -> None:
    """Whether answer(value, mantissa_bits) is the distance to the next number of that dtype. Raises: WrongAnswer."""
    grade(
        answer,
        _ulp,
        _NUMBERS,
        {
            "The spacing is one number for all values between two powers of two: round log₂|value| down.": (
                lambda value, mantissa_bits: abs(value) * 2.0**-mantissa_bits
            ),
            "That is the spacing at 1: the exponent of the value comes on top.": "2**-mantissa_bits",
            "Twice too large: `frexp` has its mantissa in [½, 1), so that its exponent is one too high.": "2 * truth",
            "That is the largest rounding error, half of the spacing.": "truth / 2",
        },
    )


def check_cycles(answer: Answer) -> None:
    """Whether answer(share, ulp, rms) is the number of cycles until the drift is that share of the rms.

    Source: claim C4. Raises: WrongAnswer.
    """
    grade(
        answer,
        _cycles_until,
        _DRIFTS,
        {
            "The drift grows as √K: square the ratio.": "2 * share * rms / ulp",
            "A cycle adds ulp²/2, not ulp²: half of the time it restores the weight.": "truth / 2",
            "A cycle adds ulp²/2, not ulp²/4: its first and its last move round alike.": "2 * truth",
        },
    )


def check_best_epsilon(answer: Answer) -> None:
    """Whether answer(size, mantissa_bits, third) is ε* of a loss of that size in that dtype. Raises: WrongAnswer."""
    grade(
        answer,
        _best_epsilon,
        _LOSSES,
        {
            "The loss is not near 1: take the spacing at its own size.": (
                lambda size, **case: _best_epsilon(size=1.0, **case)
            ),
            "There the two terms are equal; the sum is least where their slopes cancel, a little lower.": (
                "2**(1/6) * truth"
            ),
            "A cube root, not a square root: one term falls as 1/ε, the other rises as ε².": "truth**1.5",
        },
    )
