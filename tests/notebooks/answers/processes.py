"""Notebook 13."""

import math

import mezo_lab.course.exercises.processes as exercises


def best(rank, processes, overhead, rounds=lambda n, p: n / p):
    def pace(n):
        return math.log(1 + n / (rank + 1)) / (overhead + rounds(n, processes))

    return max(range(processes, 100 * processes, processes), key=pace)


def gain(rank, processes):
    return math.log(1 + processes / (rank + 1)) / math.log(1 + 1 / (rank + 1))


ANSWERS = {
    exercises.check_best_probes: (
        best,
        [
            (lambda rank, processes, overhead: processes, "further rounds share the overhead"),
            (lambda rank, processes, overhead: best(rank, processes, overhead) // processes, "the number of rounds"),
            (lambda rank, processes, overhead: best(rank, processes, overhead, lambda n, p: n), "work at once"),
            (lambda rank, processes, overhead: 7, "At rank = 5, processes = 4, overhead = 1 it should be"),
        ],
    ),
    exercises.check_combined: (
        lambda losses, sizes: (losses * sizes / sizes.sum()).sum(),
        [
            (lambda losses, sizes: losses.mean(), "A mean of means"),
            (lambda losses, sizes: losses @ sizes.double(), "the sum over the examples"),
            (lambda losses, sizes: losses @ sizes.double() / len(losses), "not by that of the processes"),
            (lambda losses, sizes: (losses / sizes).sum() / (1 / sizes).sum(), "counts more, not less"),
            (lambda losses, sizes: losses.max(), "At a random point it should be"),
        ],
    ),
    exercises.check_speedup: (
        gain,
        [
            (lambda rank, processes: processes, "far below r"),
            (lambda rank, processes: gain(rank, processes) / processes, "each pair of forward passes"),
            (lambda rank, processes: processes * (rank + 2) / (rank + processes + 1), "how much longer the step"),
            (lambda rank, processes: math.log(1 + processes / (rank + 1)), "divide by that of one"),
        ],
    ),
}
