"""Answers to the exercises of notebook 10, right and wrong."""

import math

from mezo_lab.course.exercises import curvature as exercises


def second(loss, theta, z, epsilon, *, middles=2, divisor=1.0, power=2):
    sides = loss(theta + epsilon * z) + loss(theta - epsilon * z)
    return (sides - middles * loss(theta)) / (divisor * epsilon**power)


def rates(trace, trace_sq, norm, probes):
    return tuple(2 * probes / (trace + (probes + 1) * c) for c in (norm, trace_sq / trace))


def rank(trace, trace_error, norm, norm_error):
    r = trace / norm
    return r, r * math.hypot(trace_error / trace, norm_error / norm)


# check → (right answer, [(mistake, what it is told)])
ANSWERS = {
    exercises.check_second_difference: (
        second,
        [
            (lambda **case: second(**case, power=0), "divided by ε²"),
            (lambda **case: second(**case, power=1), "Two factors"),
            (lambda **case: second(**case, divisor=4), "ε, not 2ε"),
            (lambda **case: second(**case, divisor=2), "no further 2"),
            (lambda **case: second(**case, middles=1), "taken away twice"),
            (
                lambda loss, theta, z, epsilon: 2 * (loss(theta + epsilon * z) - loss(theta)) / epsilon**2,
                "One side alone",
            ),
            (
                lambda loss, theta, z, epsilon: (loss(theta + epsilon * z) - loss(theta - epsilon * z)) / (2 * epsilon),
                "That is the slope",
            ),
            (lambda loss, theta, z, epsilon: z @ z, r"At epsilon = 0\.1 it should be"),
            (lambda loss, theta, z, epsilon: None, "let it return its answer"),
        ],
    ),
    exercises.check_stable_rates: (
        rates,
        [
            (lambda **case: rates(**case)[::-1], "First the safe rate"),
            (lambda trace, trace_sq, norm, probes: (2 / norm, 2 * trace / trace_sq), "SGD's rate"),
            (lambda trace, trace_sq, norm, probes: (2 * probes / trace,) * 2, "not beside r"),
            (
                lambda trace, trace_sq, norm, probes: tuple(
                    2 * probes / (trace + (probes - 1) * c) for c in (norm, trace_sq / trace)
                ),
                "Signs along the coordinates",
            ),
            (lambda trace, trace_sq, norm, probes: rates(trace, trace_sq, norm, 1), "for one probe"),
            (lambda **case: tuple(rate / 2 for rate in rates(**case)), "the best rate"),
            (lambda **case: (1.0, 1.0), "At trace = 50, trace_sq = 40, norm = 1, probes = 1 it should be"),
        ],
    ),
    exercises.check_rank_and_error: (
        rank,
        [
            (lambda trace, trace_error, norm, norm_error: (trace / norm, trace_error / norm), "has an error too"),
            (
                lambda trace, trace_error, norm, norm_error: (
                    trace / norm,
                    trace / norm * (trace_error / trace + norm_error / norm),
                ),
                "add as squares",
            ),
            (
                lambda trace, trace_error, norm, norm_error: (
                    trace / norm,
                    math.hypot(trace_error / trace, norm_error / norm),
                ),
                "times r",
            ),
            (
                lambda trace, trace_error, norm, norm_error: (trace / norm, math.hypot(trace_error, norm_error)),
                "have units",
            ),
            (
                lambda trace, trace_error, norm, norm_error: rank(norm, norm_error, trace, trace_error),
                "upside down",
            ),
            (lambda trace, trace_error, norm, norm_error: (norm, trace), "At trace = 300, trace_error = 30"),
        ],
    ),
}
