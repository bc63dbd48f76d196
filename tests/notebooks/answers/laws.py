"""Answers to the exercises of notebook 2, right and wrong."""

import math

import torch

from mezo_lab.course.exercises import laws as exercises
from mezo_lab.sampling import LAWS, uniform


def drawn(law):
    return lambda count, dim, generator: LAWS[law].sample(count, 1, dim, generator)[:, 0]


def scaled(x, radius):
    return x * (radius / x.norm(dim=-1, keepdim=True))


# check → (right answer, [(mistake, what it is told)])
ANSWERS = {
    exercises.check_silent_moment: (
        lambda dim, kurtosis, share: (dim - 1 + kurtosis) / share,
        [
            (lambda dim, kurtosis, share: dim - 1 + kurtosis, "without silence"),
            (lambda dim, kurtosis, share: (dim - 1 + kurtosis) / share**2, "1/p is left"),
            (lambda dim, kurtosis, share: dim - 1 + kurtosis / share, "fall silent together"),
            (lambda dim, kurtosis, share: (dim + 2) / share, "let κ in"),
            (lambda dim, kurtosis, share: (dim + kurtosis) / share, "d − 1 others"),
            (lambda dim, kurtosis, share: (dim - 1 + kurtosis) * share, "larger, not smaller"),
            (lambda dim, kurtosis, share: dim, r"At dim = 10, kurtosis = 3, share = 0\.5 it should be 24"),
        ],
    ),
    exercises.check_sphere: (
        drawn("sphere"),
        [
            (lambda count, dim, generator: None, "let it return a tensor"),
            (lambda count, dim, generator: torch.ones(dim, count), r"\(count, dim\) = \(50, 10\)"),
            (lambda count, dim, generator: scaled(torch.randn(count, dim), dim**0.5), "nobody can repeat"),
            (drawn("gaussian"), "its own length"),
            (lambda *given: scaled(drawn("gaussian")(*given), 1.0), r"radius should be √d.*yours is 1\.000"),
            (lambda *given: drawn("sphere")(*given).abs(), "equally likely"),
            (
                lambda count, dim, generator: scaled(uniform((count, dim), generator), dim**0.5),
                "some directions are more likely",
            ),
            (drawn("rademacher"), "some directions are more likely"),
            (drawn("coordinate"), "some directions are more likely"),
        ],
    ),
    exercises.check_probes_needed: (
        lambda share, dim: math.ceil(share * dim),
        [
            (lambda share, dim: share * dim, "part of a probe"),
            (lambda share, dim: math.floor(share * dim), "Rounded down"),
            (lambda share, dim: math.ceil(share * (dim + 2)), "decoy's count"),
            (lambda share, dim: dim, "At share = 0.5, dim = 10 it should be 5"),
        ],
    ),
}
