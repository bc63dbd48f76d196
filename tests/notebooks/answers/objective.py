"""Answers to the exercises of notebook 12, right and wrong."""

import math
from collections import Counter

from mezo_lab.course.exercises import objective as exercises


def uniform_slope(theta, epsilon):
    """An integral of z over [a, √3], by its antiderivative."""
    threshold = min(abs(theta) / epsilon, math.sqrt(3))
    return -(math.sqrt(3) ** 2 - threshold**2) / 2 / math.sqrt(3) / (2 * epsilon)


def chance_of_zero(flip, batch, towards):
    """A walk over the answers: the chances of each difference so far."""
    chances = Counter({0: 1.0})
    for _ in range(batch):
        moved = Counter()
        for place, chance in chances.items():
            moved[place] += chance * (1 - flip)
            moved[place + 1] += chance * flip * towards
            moved[place - 1] += chance * flip * (1 - towards)
        chances = moved
    return chances[0]


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


# check → (right answer, [(mistake, what it is told)])
ANSWERS = {
    exercises.check_uniform_slope: (
        uniform_slope,
        [
            (lambda theta, epsilon: -uniform_slope(theta, epsilon), "negative"),
            (lambda theta, epsilon: 2 * epsilon * uniform_slope(theta, epsilon), "over 2ε"),
            (lambda theta, epsilon: -math.exp(-((theta / epsilon) ** 2) / 2) / math.sqrt(math.tau) / epsilon, "Gauss"),
            (lambda theta, epsilon: -float(abs(theta) < epsilon) / (2 * epsilon), "that signs see"),
            (lambda theta, epsilon: -(3 - (theta / epsilon) ** 2) / (4 * math.sqrt(3) * epsilon), "Beyond √3"),
            (lambda theta, epsilon: uniform_slope(theta, epsilon) / 2, "negative too"),
            (lambda theta, epsilon: math.sqrt(3) * uniform_slope(theta, epsilon), r"1/\(2√3\)"),
            (lambda theta, epsilon: -max(1 - abs(theta) / epsilon / 3**0.5, 0) / (2 * epsilon), "The integrand"),
            (lambda theta, epsilon: 0.0, "the step itself"),
            (lambda theta, epsilon: theta, r"At theta = 0\.3, epsilon = 0\.5 it should be"),
        ],
    ),
    exercises.check_one_sided_zeros: (
        chance_of_zero,
        [
            (lambda flip, batch, towards: (1 - flip) ** batch, "may also cancel"),
            (lambda flip, batch, towards: 1 - chance_of_zero(flip, batch, towards), "that of none"),
            (lambda flip, batch, towards: chance_of_zero(flip, batch, 0.5), "fair coins"),
            (lambda flip, batch, towards: (1 + (1 - 2 * flip) ** batch) / 2, "An even number"),
            (
                lambda flip, batch, towards: sum(
                    math.comb(batch, 2 * k)
                    * math.comb(2 * k, k)
                    * (towards * flip) ** (2 * k)
                    * (1 - flip) ** (batch - 2 * k)
                    for k in range(batch // 2 + 1)
                ),
                "multiply both chances",
            ),
            (lambda flip, batch, towards: math.exp(-flip * batch), r"At flip = 0\.1, batch = 16, towards = 0\.7 it"),
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
