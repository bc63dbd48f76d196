"""Answers to the exercises of notebook 1, right and wrong."""

import math

from mezo_lab import theory
from mezo_lab.course.exercises import search as exercises
from mezo_lab.sampling import one_sided, two_point

# check → (right answer, [(mistake, what it is told)])
ANSWERS = {
    exercises.check_search_change: (
        theory.random_search_change,
        [
            (lambda sigma, grad_norm, trace: -sigma * grad_norm + sigma**2 * trace / 2, r"√\(2/π\), not 1"),
            (lambda sigma, grad_norm, trace: -sigma * math.sqrt(2 / math.pi) * grad_norm, "½σ²·tr H"),
            (lambda sigma, grad_norm, trace: sigma**2 * trace - sigma * math.sqrt(2 / math.pi) * grad_norm, "a half"),
            (lambda sigma, grad_norm, trace: sigma, r"At sigma = 0\.1, grad_norm = 2, trace = 3 it should be"),
            (lambda sigma, grad_norm, trace: None, "let it return its answer"),
        ],
    ),
    exercises.check_best_sigma: (
        lambda grad_norm, trace: math.sqrt(2 / math.pi) * grad_norm / trace,
        [(lambda grad_norm, trace: 2 * math.sqrt(2 / math.pi) * grad_norm / trace, "halfway")],
    ),
    exercises.check_two_point: (
        two_point,
        [
            (lambda *given, **named: 2 * two_point(*given, **named), "2ε apart"),
            (lambda *given, **named: -two_point(*given, **named), "you would climb"),
            (lambda loss, theta, z, epsilon: len(z) * two_point(loss, theta, z, epsilon), "averaged, not added"),
            (
                lambda loss, theta, z, epsilon: two_point(loss, theta, z, epsilon)[None],
                r"shape should be \(5,\), yours is \(1, 5\)",
            ),
            (lambda **given: "ĝ", "a number or a tensor"),
            (one_sided, "At epsilon = 0.1 it should be"),
        ],
    ),
}
