"""Answers to the exercises of notebook 4, right and wrong."""

from mezo_lab.course.exercises import tax as exercises


def contraction(lr, smoothness, factor, weight_decay):
    kept = 1 - lr * weight_decay
    return kept**2 - 2 * kept * lr * smoothness + (lr * smoothness) ** 2 * factor


def stable_lr(smoothness, dim, probes, fourth):
    return 2 * probes / (smoothness * (fourth * dim + probes - 1))


# check → (right answer, [(mistake, what it is told)])
ANSWERS = {
    exercises.check_contraction: (
        contraction,
        [
            (lambda lr, weight_decay, **k: contraction(lr, **k, weight_decay=0), "without weight decay"),
            (
                lambda lr, weight_decay, **k: (1 - lr * weight_decay) ** 2 * contraction(lr, **k, weight_decay=0),
                "that of the old θ",
            ),
            (
                lambda lr, weight_decay, **k: (1 - lr * weight_decay) ** 2 + contraction(lr, **k, weight_decay=0) - 1,
                "pairs the decayed θ",
            ),
            (
                lambda lr, smoothness, factor, weight_decay: (1 - lr * weight_decay - lr * smoothness) ** 2,
                "longer than g",
            ),
            (lambda **k: contraction(**k) - 1, "the old loss"),
            (lambda lr, **k: lr, r"At lr = 0\.01, smoothness = 3, factor = 12, weight_decay = 5 it should be"),
            (lambda **k: None, "let it return its answer"),
        ],
    ),
    exercises.check_stable_lr: (
        stable_lr,
        [
            (lambda smoothness, **k: 2 / smoothness, "SGD's rate"),
            (lambda **k: stable_lr(**k) / 2, "the best rate"),
            (lambda fourth, **k: stable_lr(**k, fourth=1), "the sphere's rate"),
            (lambda fourth, **k: stable_lr(**k, fourth=1) / fourth, "see E.s². twice"),
            (lambda smoothness, dim, probes, fourth: 2 * probes / (smoothness * fourth * dim), "pairs of different"),
            (lambda smoothness, dim, probes, fourth: 2 / (smoothness * fourth * dim), "for one probe"),
            (
                lambda smoothness, **k: 2 / smoothness * (stable_lr(smoothness, **k) * smoothness / 2) ** 0.5,
                "no square root",
            ),
            (lambda dim, **k: 2 / dim, "At smoothness = 3, dim = 10, probes = 1, fourth = 1.5 it should be"),
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
