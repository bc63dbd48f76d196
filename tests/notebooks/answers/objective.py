"""Answers to the exercises of notebook 12, right and wrong."""

import math
from collections import Counter

from mezo_lab.course.exercises import objective as exercises
from mezo_lab.course.exercises.objective import _smoothed_slope as smoothed_slope
from mezo_lab.course.exercises.objective import zero_probability


def f1_objective(answers, references):
    pairs = [(Counter(a.split()), Counter(b.split())) for a, b in zip(answers, references, strict=True)]
    return 1 - sum(2 * (a & b).total() / (a.total() + b.total()) for a, b in pairs) / len(pairs)


def with_sets(answers, references):
    pairs = [(set(a.split()), set(b.split())) for a, b in zip(answers, references, strict=True)]
    return 1 - sum(2 * len(a & b) / (len(a) + len(b)) for a, b in pairs) / len(pairs)


def over(which):
    """Shared words over those of one side only."""

    def found(answers, references):
        pairs = [(Counter(a.split()), Counter(b.split())) for a, b in zip(answers, references, strict=True)]
        return 1 - sum((pair[0] & pair[1]).total() / pair[which].total() for pair in pairs) / len(pairs)

    return found


def evenly(flip, batch):
    """The chance that an even number differs."""
    return (1 + (1 - 2 * flip) ** batch) / 2


# check → (right answer, [(mistake, what it is told)])
ANSWERS = {
    exercises.check_smoothed_slope: (
        smoothed_slope,
        [
            (lambda theta, epsilon: -smoothed_slope(theta, epsilon), "negative"),
            (lambda theta, epsilon: epsilon * smoothed_slope(theta, epsilon), "chain rule"),
            (lambda theta, epsilon: -math.exp(-((theta / epsilon) ** 2) / 2) / epsilon, "1/√"),
            (lambda theta, epsilon: -math.exp(-((theta / epsilon) ** 2)) / math.sqrt(2 * math.pi) / epsilon, "a half"),
            (lambda theta, epsilon: 0.0, "the step itself"),
            (lambda theta, epsilon: smoothed_slope(theta, epsilon) / 2, "once more"),
            (lambda theta, epsilon: theta, r"At theta = 0\.3, epsilon = 0\.5 it should be"),
        ],
    ),
    exercises.check_zero_probability: (
        zero_probability,
        [
            (lambda flip, batch: (1 - flip) ** batch, "may also cancel"),
            (lambda flip, batch: 1 - zero_probability(flip, batch), "that of none"),
            (evenly, "toss 2k coins"),
            (lambda flip, batch: math.exp(-flip * batch), r"At flip = 0\.1, batch = 16 it should be"),
        ],
    ),
    exercises.check_f1_objective: (
        f1_objective,
        [
            (lambda answers, references: 1 - f1_objective(answers, references), "one minus the score"),
            (with_sets, "do not make sets"),
            (over(0), "precision"),
            (over(1), "recall"),
            (lambda answers, references: 1 - len(answers) * (1 - f1_objective(answers, references)), "does not grow"),
            (lambda answers, references: 7.0, "it should be"),
        ],
    ),
    exercises.check_worth: (
        lambda pg, along: sum(p * a for p, a in zip(pg, along, strict=True)) ** 2 / len(pg) / sum(p * p for p in pg),
        [
            (lambda pg, along: (pg * along).square().mean() / pg.square().mean(), "first the mean, then the square"),
            (lambda pg, along: (pg.mean() * along.mean()) ** 2 / pg.square().mean(), "draw by draw"),
            (lambda pg, along: (pg * along).mean() ** 2 / pg.mean() ** 2, "the mean of the squares"),
            (lambda pg, along: (pg * along).mean() / pg.square().mean(), "is squared"),
            (lambda pg, along: (pg * along).mean() ** 2, "Divide by"),
            (lambda pg, along: pg, "return one number"),
        ],
    ),
}
