"""Answers to the exercises of notebook 4, right and wrong."""

from mezo_lab.course.exercises import tax as exercises

# check → (right answer, [(mistake, what it is told)])
ANSWERS = {
    exercises.check_contraction: (
        lambda lr, smoothness, factor: 1 - 2 * lr * smoothness + (lr * smoothness) ** 2 * factor,
        [
            (lambda lr, smoothness, factor: (1 - lr * smoothness) ** 2, "longer than g"),
            (lambda lr, smoothness, factor: 1 - lr * smoothness + (lr * smoothness) ** 2 * factor / 2, "2ℓL, not ℓL"),
            (lambda lr, smoothness, factor: 1 - 2 * lr * smoothness + lr**2 * smoothness * factor, "ℓ comes twice"),
            (lambda lr, smoothness, factor: (lr * smoothness) ** 2 * factor - 2 * lr * smoothness, "the old loss"),
            (lambda lr, smoothness, factor: lr, r"At lr = 0\.01, smoothness = 3, factor = 12 it should be"),
            (lambda lr, smoothness, factor: None, "let it return its answer"),
        ],
    ),
    exercises.check_stable_lr: (
        lambda smoothness, dim, probes: 2 * probes / (smoothness * (dim + probes + 1)),
        [
            (lambda smoothness, dim, probes: 2 / smoothness, "SGD's rate"),
            (lambda smoothness, dim, probes: probes / (smoothness * (dim + probes + 1)), "the best rate"),
            (lambda smoothness, dim, probes: 2 * probes / (smoothness * (dim + probes - 1)), "the sphere"),
            (lambda smoothness, dim, probes: 2 / (smoothness * ((dim + probes + 1) / probes) ** 0.5), "no square root"),
            (lambda smoothness, dim, probes: 2 / (smoothness * (dim + 2)), "for one probe"),
            (lambda smoothness, dim, probes: 2 / dim, "At smoothness = 3, dim = 10, probes = 1 it should be"),
        ],
    ),
    exercises.check_probe_gain: (
        lambda dim, probes: probes * (dim + 2) / (dim + probes + 1),
        [
            (lambda dim, probes: probes, "far below d"),
            (lambda dim, probes: probes / (dim + probes + 1), "share of SGD's rate"),
            (lambda dim, probes: (dim + 2) / (dim + probes + 1), "each pair of forward passes"),
            (lambda dim, probes: probes**0.5, "At dim = 10, probes = 4 it should be"),
        ],
    ),
}
