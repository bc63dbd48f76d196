"""Notebook 13."""

import math

import mezo_lab.course.exercises.processes as exercises


def pace(probes, rank, processes, overhead):
    return math.log(1 + probes / (rank + 1)) / (overhead + probes / processes)


def gain(rank, processes):
    return math.log(1 + processes / (rank + 1)) / math.log(1 + 1 / (rank + 1))


ANSWERS = {
    exercises.check_pace: (
        pace,
        [
            (lambda overhead, **case: pace(overhead=0, **case), "part of the time"),
            (lambda processes, **case: pace(processes=1, **case), "work at once"),
            (lambda probes, rank, processes, overhead: math.log(1 + probes / (rank + 1)), "the time of the step"),
            (
                lambda probes, rank, processes, overhead: (
                    math.log(1 + processes / (rank + 1)) / (overhead + probes / processes)
                ),
                "use n in γ",
            ),
            (lambda **case: -pace(**case), "which is positive"),
            (lambda probes, rank, processes, overhead: 7, "At probes = 8, rank = 5, processes = 4, overhead = 1 it"),
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
