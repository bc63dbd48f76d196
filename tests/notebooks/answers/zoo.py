"""Answers to the exercises of notebook 9, right and wrong."""

import hashlib

import torch

from mezo_lab.exercises import zoo as exercises
from mezo_lab.exercises.zoo import MYSTERIES, ZOO, keyed, mezo

RIGHT = {"A": "product", "B": "mean", "C": "back"}


def globally(shapes, seed, step, update=False):
    found = {}
    for name, shape in shapes.items():
        digest = hashlib.blake2b(repr((seed, step, name)).encode(), digest_size=4).digest()
        torch.manual_seed(int.from_bytes(digest, "little"))
        found[name] = torch.randn(shape)
    return found


def published(name):
    return ZOO[name][0]


ANSWERS = {
    exercises.check_generator: (
        keyed(),
        [
            (lambda shapes, seed, step, update=False: None, "Return a dictionary"),
            (lambda shapes, seed, step, update=False: {name: torch.zeros(3) for name in shapes}, "of that shape"),
            (published("row by row"), "The update has another z than the probe"),
            (published("unseeded"), "The update has another z than the probe"),
            (published("seed 0 unset"), "for seed 0 too"),
            (published("ε for 2ε"), "The update has another z than the probe"),
            (published("one generator"), "let its name fix its stream"),
            (published("one per tensor"), "Two tensors have correlated z"),
            (published("sums as seeds"), "let its name fix its stream"),
            (published("no user seed"), "Two seeds give correlated runs"),
            (published("tied"), "coordinates must be uncorrelated"),
            (published("low rank"), "The mean of z² must be 1"),
            (lambda shapes, seed, step, update=False: mezo(shapes, seed + step, 0), "A step has a z|Two seeds"),
            (MYSTERIES["C"], "A step has a z of the step before"),
            (globally, "torch's global generator"),
        ],
    ),
    exercises.check_diagnoses: (
        RIGHT,
        [
            ({**RIGHT, "A": "sum"}, "Which arithmetic"),
            ({**RIGHT, "B": "variance"}, "Look at one z"),
            ({**RIGHT, "C": "shared"}, "Print one coordinate"),
            ({"A": "product"}, "B must be one of"),
        ],
    ),
}
