"""Notebook 0: how to read a verdict."""

from mezo_lab.course.exercises.answers import Answer
from mezo_lab.course.exercises.grading import grade

__all__ = ["check_draws_for_ten"]

_RUNS = [
    {"draws": 1_000.0, "distance": 5.0},
    {"draws": 40_000.0, "distance": 0.8},
    {"draws": 250_000.0, "distance": 20.0},  # exact, so that an answer may be rounded up
]


def check_draws_for_ten(draws_for_ten: Answer) -> None:
    """Whether draws_for_ten(draws, distance) is how many draws put a wrong formula ten standard errors away.

    Raises: WrongAnswer.
    """
    grade(
        draws_for_ten,
        lambda draws, distance: draws * (10 / distance) ** 2,
        _RUNS,
        {
            "The standard error falls with the root of the draws: twice the distance takes four times as many.": (
                "draws * 10 / distance"
            ),
            "The other way round: a formula that is still near needs more draws.": "draws * (distance / 10)**2",
            "The distance grows with the root of the draws, and not the draws with the root of the distance.": (
                "draws * (10 / distance)**0.5"
            ),
            "Those are the draws that are missing; the question is how many there are in all.": (
                "draws * (10 / distance)**2 - draws"
            ),
        },
    )
