"""The exams of many years, and how a number of a solution is compared with another route to it."""

import math
from functools import cache

from mezo_lab.course.exam import Problem, exam_problems

SEEDS = range(24)
COUNT = 13


@cache
def exam(seed: int) -> tuple[Problem, ...]:
    return exam_problems(seed)


def years(title: str) -> list[dict]:
    """The numbers of a problem in every year."""
    found = [problem.values for seed in SEEDS for problem in exam(seed) if problem.title == title]
    assert len(found) == len(SEEDS)
    return [dict(values) for values in found]


def agrees(values: dict, name: str, other: float, relative: float = 1e-9) -> None:
    """Fails where a value is not what another route gives."""
    own = float(values[name])
    assert math.isclose(own, float(other), rel_tol=relative), f"{name}: {own}, by another route {other}"
