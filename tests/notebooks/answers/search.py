"""Answers to the exercises of notebook 1, right and wrong."""

import math

from mezo_lab.course.exercises import search as exercises
from mezo_lab.sampling import one_sided, two_point


def axis_change(sigma, gradient, curvatures, slope=None):
    slope = sum(map(abs, gradient)) / math.sqrt(len(gradient)) if slope is None else slope
    return sigma**2 * sum(curvatures) / 2 - sigma * slope


def slopes(loss, theta, z, epsilon):
    return (loss(theta + epsilon * z) - loss(theta - epsilon * z)) / (2 * epsilon)


def best_sigma(grad_norm, trace):
    return math.sqrt(2 / math.pi) * grad_norm / trace


# check → (right answer, [(mistake, what it is told)])
ANSWERS = {
    exercises.check_axis_change: (
        axis_change,
        [
            (lambda **case: axis_change(**case, slope=math.hypot(*case["gradient"]) * 0.6366197723675814**0.5), "√d·"),
            (lambda **case: axis_change(**case, slope=math.hypot(*case["gradient"])), "has the squares"),
            (lambda **case: axis_change(**case, slope=sum(case["gradient"]) / len(case["gradient"]) ** 0.5), "mean of"),
            (
                lambda sigma, gradient, curvatures: (
                    axis_change(sigma, gradient, curvatures, slope=sum(map(abs, gradient))) / len(gradient)
                ),
                "σ√d long",
            ),
            (
                lambda **case: axis_change(**case, slope=sum(map(abs, case["gradient"])) / len(case["gradient"])),
                "√d·gᵢ",
            ),
            (lambda **case: axis_change(**case, slope=sum(map(abs, case["gradient"]))), "take the mean"),
            (lambda sigma, gradient, curvatures: axis_change(-sigma, gradient, curvatures), "is negative"),
            (
                lambda sigma, gradient, curvatures: axis_change(
                    sigma, gradient, [each / len(curvatures) for each in curvatures]
                ),
                "d-th part",
            ),
            (lambda sigma, gradient, curvatures: axis_change(sigma, gradient, [0.0]), "½σ²·tr H"),
            (lambda sigma, gradient, curvatures: axis_change(sigma, gradient, curvatures * 2), "a half"),
            (lambda sigma, gradient, curvatures: sigma, r"At gradient = .*, sigma = 0\.01 it should be"),
            (lambda sigma, gradient, curvatures: None, "let it return its answer"),
        ],
    ),
    exercises.check_best_sigma: (
        best_sigma,
        [
            (lambda **case: 2 * best_sigma(**case), "halfway"),
            (lambda **case: best_sigma(**case) / 2, "has a half"),
            (lambda **case: -best_sigma(**case), "a step and positive"),
            (lambda grad_norm, trace: grad_norm / trace, "which is not 1"),
            (lambda grad_norm, trace: 2 / math.pi * grad_norm / trace, "the root of 2/π"),
            (lambda grad_norm, trace: best_sigma(trace, grad_norm), "The other way round"),
            (lambda grad_norm, trace: trace, r"At grad_norm = 1, trace = 10 it should be"),
        ],
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
            (one_sided, "one-sided difference"),
            (lambda loss, theta, z, epsilon: slopes(loss, theta, z, epsilon) @ (1 / z) / len(z), "Spall divides"),
            (lambda loss, theta, z, epsilon: slopes(loss, theta, z, epsilon).mean() * z.mean(0), "its own slope"),
            (lambda loss, theta, z, epsilon: z.mean(0), "At epsilon = 0.1 it should be"),
        ],
    ),
}
