"""Answers to the exercises of notebook 5, right and wrong."""

import math

from mezo_lab.course.exercises import rank as exercises


def two_groups(strong, weak, curvature, share, probes):
    along = 1 - share + share * curvature
    return ((probes + 1) * along + strong + weak * curvature) / probes


def best(rank, overhead):
    return max(range(1, 1000), key=lambda n: math.log(1 + n / (rank + 1)) / (n + overhead))


# check → (right answer, [(mistake, what it is told)])
ANSWERS = {
    exercises.check_two_groups: (
        two_groups,
        [
            (lambda share, **k: two_groups(**k, share=0), "the bound γ"),
            (lambda weak, curvature, **k: two_groups(weak=weak / curvature, curvature=curvature, **k), "as a whole"),
            (lambda weak, **k: two_groups(weak=0, **k), "add to tr H as well"),
            (
                lambda share, curvature, probes, **k: (
                    two_groups(share=share, curvature=curvature, probes=probes, **k)
                    - (probes + 1) * share * curvature / probes
                ),
                "adds share·curvature",
            ),
            (lambda share, **k: two_groups(share=1 - share, **k), "to the strong ones"),
            (lambda probes, **k: two_groups(probes=1, **k) / probes, "pairs of different probes"),
            (lambda probes, **k: two_groups(probes=1, **k), "for one probe"),
            (lambda strong, **k: strong, "At strong = 5, weak = 20, curvature = 0.25, share = 0.5, probes = 1 it"),
            (lambda **k: None, "let it return its answer"),
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
