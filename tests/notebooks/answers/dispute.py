"""Answers to the exercises of notebook 3, right and wrong."""

from mezo_lab.course.exercises import dispute as exercises


def right_factor(dim, gaussian, sphere):
    n = gaussian + sphere
    return (n * (n - 1) + gaussian * (dim + 2) + sphere * dim) / n**2


# check → (right answer, [(mistake, what it is told)])
ANSWERS = {
    exercises.check_mixed_factor: (
        lambda dim, gaussian, sphere: 1 + (dim - 1) / (gaussian + sphere) + 2 * gaussian / (gaussian + sphere) ** 2,
        [
            (lambda dim, gaussian, sphere: 1 + dim / (gaussian + sphere), "plain mean of both"),
            (lambda dim, gaussian, sphere: 1 + (dim + 1) / (gaussian + sphere), "Gaussian probes alone"),
            (lambda dim, gaussian, sphere: 1 + (dim - 1) / (gaussian + sphere), "on the sphere alone"),
            (
                lambda dim, gaussian, sphere: (gaussian * (dim + 2) + sphere * dim) / (gaussian + sphere) ** 2,
                "The terms with i ≠ j",
            ),
            (
                lambda dim, gaussian, sphere: (gaussian + sphere) * right_factor(dim, gaussian, sphere),
                "by n², not by n",
            ),
            (
                lambda dim, gaussian, sphere: (gaussian + sphere) ** 2 * right_factor(dim, gaussian, sphere),
                "That is the sum over the pairs",
            ),
            (lambda dim, gaussian, sphere: right_factor(dim, gaussian, sphere) - 1, "That is the variance"),
            (
                lambda dim, gaussian, sphere: (
                    1 + ((dim + 2) * gaussian + (dim - 1) * sphere) / (gaussian + sphere) ** 2
                ),
                "d − 1 others",
            ),
            (lambda dim, gaussian, sphere: right_factor(dim, sphere, gaussian), "are swapped"),
            (lambda dim, gaussian, sphere: dim, r"At dim = 10, gaussian = 2, sphere = 2 it should be 3\.5"),
            (lambda dim, gaussian, sphere: None, "let it return its answer"),
        ],
    ),
    exercises.check_orthogonal_formula: (
        "d/n",
        [
            ("(d+n-1)/n", "for independent probes"),
            ("1 + (d-1)/n", "for independent probes"),
            ("d/2 - n + 2", "which of its terms are left"),
            ("n/d", "in the span of the probes"),
            ("d", "n of the n² terms"),
            ("(d+n+1)/n", "independent Gaussian probes"),
            ("(d+2)/n", "on the sphere it is d"),
            ("d/n-1", "That is the variance"),
            ("d/n/n", "not one alone"),
            ("(d/n)**2", "only a share n/d"),
            ("1", "refute 1: they give .* not the projection"),
            ("7/n", r"At d = 10, n = 2 .* double sum"),
            ("(8*d-35)/9", r"At d = 7, n = 2 the draws refute .* = 2\.3"),  # in d alone, it fits the first two
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
