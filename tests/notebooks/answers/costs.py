"""Answers to the exercises of notebook 14, right and wrong."""

from typing import NamedTuple

from mezo_lab.course.exercises import costs as exercises


def holding(**held):
    """The bytes of somebody who counts so many numbers for each parameter."""
    numbers = {"inference": 1, "mezo": 1, "sgd": 2, "adam": 4} | held
    return lambda parameters, each, method: parameters * each * numbers[method]


def room(gib, each, method):
    return gib * 2**30 / (each * {"inference": 1, "mezo": 1, "sgd": 2, "adam": 4}[method])


class Step(NamedTuple):
    seconds: float
    price: float

    @property
    def cost(self) -> float:
        return self.seconds * self.price


def at(rank):
    """An answer with the exercise's parameters."""

    def largest_rank(seconds, price, backward_seconds, backward_price, probes):
        return rank(Step(seconds, price), Step(backward_seconds, backward_price), probes)

    return largest_rank


# check → (right answer, [(mistake, what it is told)])
ANSWERS = {
    exercises.check_training_bytes: (
        holding(),
        [
            (holding(adam=3), "two means"),
            (holding(adam=2), "on top of its gradient"),
            (holding(adam=2, sgd=1), "weights and gradients"),
            (holding(adam=3, sgd=1), "as large as the weights"),
            (holding(mezo=2), "drawn again from its seed"),
            (holding(mezo=3), "only a scalar"),
            (lambda parameters, each, method: holding()(parameters, 1, method), "That counts numbers"),
            (lambda parameters, each, method: 0, "At parameters = 1000, each = 2 it should be"),
            (lambda parameters, each, method: None, "let it return its answer"),
        ],
    ),
    exercises.check_largest_model: (
        room,
        [
            (lambda gib, each, method: room(gib, each, method) * 1e9 / 2**30, "2³⁰ bytes"),
            (lambda gib, each, method: room(gib, each, "mezo"), "whatever the method"),
            (lambda gib, each, method: room(gib, 1, method), "That counts numbers"),
            (lambda gib, each, method: room(gib, each, method) / 1e9, "not in billions"),
            (lambda gib, each, method: gib, "At gib = 24, each = 2 it should be"),
        ],
    ),
    exercises.check_largest_rank: (
        at(lambda ours, theirs, probes: theirs.cost / ours.cost - probes - 1),
        [
            (at(lambda ours, theirs, probes: theirs.cost / ours.cost), "solve for r"),
            (at(lambda ours, theirs, probes: theirs.seconds / ours.seconds - probes - 1), "has a price too"),
            (at(lambda ours, theirs, probes: probes * theirs.cost / ours.cost - probes - 1), "n times as long"),
            (at(lambda ours, theirs, probes: theirs.cost / ours.cost / probes - 2), "fewer steps"),
            (at(lambda ours, theirs, probes: ours.cost / theirs.cost - probes - 1), "Upside down"),
            (at(lambda ours, theirs, probes: theirs.cost / ours.cost - probes), "One is missing"),
            (at(lambda ours, theirs, probes: 1.0), "it should be"),
        ],
    ),
}
