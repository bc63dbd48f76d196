"""Answers to the exercises of notebook 9, right and wrong."""

import hashlib

import torch

from mezo_lab.course.exercises import zoo as exercises
from mezo_lab.course.exercises.zoo import MYSTERIES, ZOO, _keyed, mezo

RIGHT = {"A": "product", "B": "mean", "C": "back"}


def globally(shapes, seed, step, update=False):
    found = {}
    for name, shape in shapes.items():
        digest = hashlib.blake2b(repr((seed, step, name)).encode(), digest_size=4).digest()
        torch.manual_seed(int.from_bytes(digest, "little"))
        found[name] = torch.randn(shape)
    return found


def tensors(**kind):
    return lambda shapes, seed, step, update=False: {name: torch.zeros(shape, **kind) for name, shape in shapes.items()}


def published(name):
    return ZOO[name][0]


WEIGHTS = [torch.nn.Parameter(torch.linspace(-1, 1, 6))]


def sound():
    return WEIGHTS[0].square().sum() + WEIGHTS[0].sum()


def noise():
    return float(torch.distributions.Normal(0.0, 0.01).sample())


def broken(**changed):
    return lambda: {"noisy": lambda: sound() + noise(), "stale": lambda: 0.7} | changed


ANSWERS = {
    exercises.check_generator: (
        _keyed(),
        [
            (lambda shapes, seed, step, update=False: None, "Return a dictionary"),
            (
                lambda shapes, seed, step, update=False: {name: torch.zeros(3) for name in shapes},
                "of floats of that shape",
            ),
            (tensors(dtype=torch.int64), "of floats of that shape"),
            (tensors(dtype=torch.bool), "of floats of that shape"),
            (tensors(device="meta"), "of floats of that shape"),
            (tensors(layout=torch.sparse_coo), "of floats of that shape"),
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
        lambda: RIGHT,
        [
            (lambda: {**RIGHT, "A": "sum"}, "Which arithmetic"),
            (lambda: {**RIGHT, "B": "variance"}, "Look at one z"),
            (lambda: {**RIGHT, "C": "shared"}, "Print one coordinate"),
            (lambda: {"A": "product"}, "B must be one of"),
            (lambda: {**RIGHT, "A": ["product"]}, "A must be one of"),
            (lambda: "product", "return a dictionary"),
        ],
    ),
    exercises.check_contracts: (
        (broken(), sound, WEIGHTS),
        [
            ((lambda: None, sound, WEIGHTS), "two closures"),
            ((lambda: {"noisy": sound}, sound, WEIGHTS), "two closures"),
            ((broken(noisy=sound), sound, WEIGHTS), "saw no noise"),
            ((broken(noisy=lambda: 0.5), sound, WEIGHTS), "saw no noise"),
            ((broken(stale=sound), sound, WEIGHTS), "moved with the weights"),
            ((broken(stale=lambda: noise()), sound, WEIGHTS), "stale: two calls gave two losses"),
            ((broken(stale=0.7), sound, WEIGHTS), "takes your function itself"),
            ((broken(stale=lambda: "0.7"), sound, WEIGHTS), "the closure must return a loss"),
        ],
    ),
}
