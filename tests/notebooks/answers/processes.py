"""Notebook 13."""

import math

import mezo_lab.course.exercises.processes as exercises


def ring(parameters, processes):
    return 2 * (processes - 1) / processes * 4 * parameters


def gain(rank, processes):
    return math.log(1 + processes / (rank + 1)) / math.log(1 + 1 / (rank + 1))


ANSWERS = {
    exercises.check_allreduce_bytes: (
        ring,
        [
            (lambda parameters, processes: ring(parameters, processes) / 4, "has 4 bytes"),
            (lambda parameters, processes: ring(parameters, processes) / 2, "go round twice"),
            (lambda parameters, processes: 8 * parameters, "need not come home"),
            (lambda parameters, processes: 8 * (processes - 1) * parameters, "All processes send that together"),
            (lambda parameters, processes: 32, "At parameters = 1000, processes = 2 it should be 4000"),
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
