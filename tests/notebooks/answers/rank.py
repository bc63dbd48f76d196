"""Answers to the exercises of notebook 5, right and wrong."""

import math

from mezo_lab.course.exercises import rank as exercises


def gamma(law, rank, probes, dim):
    if law == "gaussian":
        return (rank + probes + 1) / probes
    return (dim * rank + dim - 2) / (probes * (dim + 2)) + 1


def best(rank, overhead):
    return max(range(1, 1000), key=lambda n: math.log(1 + n / (rank + 1)) / (n + overhead))


# check → (right answer, [(mistake, what it is told)])
ANSWERS = {
    exercises.check_rank_factor: (
        gamma,
        [
            (lambda law, rank, probes, dim: gamma(law, dim, probes, dim), "the rank where"),
            (lambda law, rank, probes, dim: (rank + probes + 1) / probes, "a γ of its own"),
            (
                lambda law, rank, probes, dim: (rank + probes + (1 if law == "gaussian" else -1)) / probes,
                "Right at r = d only",
            ),
            (lambda law, rank, probes, dim: gamma(law, rank, 1, dim) / probes, "pairs of different probes"),
            (lambda law, rank, probes, dim: gamma(law, rank, 1, dim), "for one probe"),
            (lambda law, rank, probes, dim: rank / probes, "r/n leaves out"),
            (
                lambda law, rank, probes, dim: (
                    gamma("gaussian", rank, probes, dim) * (dim / (dim + 2) if law == "sphere" else 1)
                ),
                "Only the fourth moments shrink",
            ),
            (lambda law, rank, probes, dim: rank + probes, "At rank = 5, probes = 1, dim = 8 it should be"),
            (lambda law, rank, probes, dim: None, "let it return its answer"),
        ],
    ),
    exercises.check_best_probes: (
        best,
        [
            (lambda rank, overhead: 1, "n share it"),
            (
                lambda rank, overhead: max(range(1, 1000), key=lambda n: n / ((rank + n + 1) * (n + overhead))),
                "not the share",
            ),
            (lambda rank, overhead: 1 + overhead, "At rank = 10, overhead = 2 it should be"),
        ],
    ),
    exercises.check_effective_rank: (
        lambda eigenvalues: eigenvalues.sum() / eigenvalues.max(),
        [
            (lambda eigenvalues: (eigenvalues > 0).sum(), "counts a tiny eigenvalue"),
            (lambda eigenvalues: eigenvalues.sum(), "units of curvature"),
            (lambda eigenvalues: eigenvalues.sum() ** 2 / eigenvalues.square().sum(), "another count"),
            (lambda eigenvalues: eigenvalues.sum() / eigenvalues.norm(), "the largest eigenvalue, not"),
            (lambda eigenvalues: eigenvalues.sum() / eigenvalues[0], "wherever it stands"),
            (lambda eigenvalues: eigenvalues.mean(), "At a random point it should be"),
        ],
    ),
}
