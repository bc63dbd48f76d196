"""Answers to the exercises of notebook 3, right and wrong."""

from mezo_lab.course.exercises import dispute as exercises

# check → (right answer, [(mistake, what it is told)])
ANSWERS = {
    exercises.check_norm_factor: (
        lambda dim, probes, kurtosis: (dim + probes + kurtosis - 2) / probes,
        [
            (lambda dim, probes, kurtosis: (dim + probes - 1) / probes, "right for κ = 1"),
            (lambda dim, probes, kurtosis: (dim + probes + 1) / probes, "right for κ = 3"),
            (lambda dim, probes, kurtosis: (dim + kurtosis - 1) / probes, "The terms with i ≠ j"),
            (lambda dim, probes, kurtosis: (dim + probes + kurtosis - 1) / probes, "d − 1 others"),
            (lambda dim, probes, kurtosis: (dim + kurtosis - 2) / probes, "That is the variance"),
            (lambda dim, probes, kurtosis: dim + probes + kurtosis - 2, "divide by n"),
            (lambda dim, probes, kurtosis: (dim + kurtosis) / probes, r"At dim = 10, probes = 1"),
            (lambda dim, probes, kurtosis: dim, r"At dim = 10, probes = 1, kurtosis = 3 it should be 12"),
            (lambda dim, probes, kurtosis: None, "let it return its answer"),
        ],
    ),
    exercises.check_orthogonal_formula: (
        "d/n",
        [
            ("(d+n-1)/n", "for independent probes"),
            ("1 + (d-1)/n", "for independent probes"),
            ("n/d", r"\(d/n\)²"),
            ("d", "n of the n² terms"),
            ("2", r"At d = 8, n = 2 .* double sum"),
            ("d-4", r"At d = 6, n = 2 the draws refute d-4 = 2"),
            (None, "a formula as text, in quotes"),
        ],
    ),
    exercises.check_sparse_kurtosis: (
        lambda: 0.05 * 2 * 100,
        [
            (lambda: 1, "the variance"),
            (lambda: 100.0, "one time in ten"),
            (lambda: 7, "the excess"),
            (lambda: 9.9, "how often is that"),
            (lambda: None, "let it return its answer"),
        ],
    ),
}
