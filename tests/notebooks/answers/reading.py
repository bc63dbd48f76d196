"""Answers to the exercise of notebook 0, right and wrong."""

import math

from mezo_lab.course.exercises import reading as exercises

# check → (right answer, [(mistake, what it is told)])
ANSWERS = {
    exercises.check_draws_for_ten: (
        lambda draws, distance: math.ceil(draws * (10 / distance) ** 2),
        [
            (lambda draws, distance: draws * 10 / distance, "four times as many"),
            (lambda draws, distance: draws * (distance / 10) ** 2, "The other way round"),
            (lambda draws, distance: draws * (10 / distance) ** 2 - draws, "how many there are in all"),
            (lambda draws, distance: draws * math.sqrt(10 / distance), "and not the draws with the root"),
            (lambda draws, distance: draws, r"At draws = 1000, distance = 5 it should be 4000, yours is 1000"),
        ],
    ),
}
