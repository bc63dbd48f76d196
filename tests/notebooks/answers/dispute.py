"""Answers to the exercises of notebook 3, right and wrong."""

from mezo_lab.exercises import dispute as exercises

# check → (right answer, [(mistake, what it is told)])
ANSWERS = {
    exercises.check_norm_factor: (
        lambda dim, probes, kurtosis: (dim + probes + kurtosis - 2) / probes,
        [
            (lambda dim, probes, kurtosis: (dim + probes - 1) / probes, "right for κ = 1"),
            (lambda dim, probes, kurtosis: (dim + probes + 1) / probes, "right for κ = 3"),
            (lambda dim, probes, kurtosis: (dim + kurtosis - 1) / probes, "The terms with i ≠ j"),
            (lambda dim, probes, kurtosis: (dim + probes + kurtosis - 1) / probes, "d − 1 others"),
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
        ],
    ),
}
