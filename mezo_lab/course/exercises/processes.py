"""Notebook 13: many processes, one scalar."""

import torch
from torch import Tensor

from mezo_lab import theory
from mezo_lab.course.exercises.answers import Answer
from mezo_lab.course.exercises.grading import grade

__all__ = ["check_combined", "check_pace", "check_speedup"]

_CLUSTERS = [
    {"probes": 8, "rank": 5, "processes": 4, "overhead": 1.0},
    {"probes": 24, "rank": 100, "processes": 8, "overhead": 0.5},
    {"probes": 6, "rank": 20, "processes": 2, "overhead": 3.0},
    {"probes": 64, "rank": 1, "processes": 64, "overhead": 0.25},
]
_PARTS = [
    {"losses": torch.tensor([0.5, 2.0], dtype=torch.float64), "sizes": torch.tensor([3, 5])},
    {"losses": torch.tensor([1.0, -0.3, 4.0], dtype=torch.float64), "sizes": torch.tensor([1, 6, 2])},
]
_SPEEDUPS = [{"rank": 5, "processes": 4}, {"rank": 100, "processes": 2}, {"rank": 1, "processes": 64}]


def _pace(probes: int, rank: int, processes: int, overhead: float) -> float:
    """The log-progress of a step of n probes for its time, overhead + n/processes.

    Source: claim B7, for the progress.
    """
    return float(probes * theory.progress_per_pair(rank, probes) / (overhead + probes / processes))


def _combined_loss(losses: Tensor, sizes: Tensor) -> float:
    """The mean loss of a batch from the means of its parts. losses, sizes: (processes,)"""
    return float((losses * sizes).sum() / sizes.sum())


def _speedup(rank: int, processes: int) -> float:
    """How many times more a step of n = processes probes lowers log E[L] than one of a single probe, each at its best.

    Source: claim B7.
    """
    return processes * theory.progress_per_pair(rank, processes) / theory.progress_per_pair(rank, 1)


def check_pace(pace: Answer) -> None:
    """Whether pace(probes, rank, processes, overhead) is −log(E[L⁺]/L) of a step at its best rate, per unit of time.

    A round is one probe on every process; a step takes n/processes rounds and `overhead`, which is counted in rounds.

    Source: claims B6 and B7, z Gaussian. Raises: WrongAnswer.
    """
    grade(
        pace,
        _pace,
        _CLUSTERS,
        {
            "The overhead is part of the time of a step, too.": (lambda overhead, **case: _pace(overhead=0.0, **case)),
            "The processes work at once: n probes take n/p rounds, not n.": (
                "truth * (overhead + probes / processes) / (overhead + probes)"
            ),
            "That is the progress of a step: divide it by the time of the step.": (
                "truth * (overhead + probes / processes)"
            ),
            "A step of p probes is meant only where n = p: use n in γ.": (
                lambda probes, rank, processes, overhead: (
                    _pace(processes, rank, processes, 0.0) / (overhead + probes / processes)
                )
            ),
            "Progress is −log(E[L⁺]/L), which is positive.": "-truth",
        },
    )


def check_combined(combine: Answer) -> None:
    """Whether combine(losses, sizes) is a batch's loss, from the mean losses of its parts. Raises: WrongAnswer."""
    grade(
        combine,
        _combined_loss,
        _PARTS,
        {
            "A mean of means is right for parts of one size only: an example in a small part counts too much.": (
                lambda losses, sizes: losses.mean()
            ),
            "That is the sum over the examples: divide by how many there are.": (
                lambda losses, sizes: (losses * sizes).sum()
            ),
            "Divide by the number of examples in all, not by that of the processes.": (
                lambda losses, sizes: (losses * sizes).mean()
            ),
            "A part with more examples counts more, not less: its loss is already a mean.": (
                lambda losses, sizes: (losses / sizes).sum() / (1 / sizes).sum()
            ),
        },
    )


def check_speedup(gain: Answer) -> None:
    """Whether gain(rank, processes) is the log-progress of a step with n = processes over that with n = 1.

    Source: claims B6 and B7, z Gaussian. Formula: log(1 + p/(r+1))/log(1 + 1/(r+1)). Raises: WrongAnswer.
    """
    grade(
        gain,
        _speedup,
        _SPEEDUPS,
        {
            "Only while p is far below r: the norm factor falls towards 1, that of the exact gradient, and not to 0.": (
                "processes"
            ),
            "That is the gain for each pair of forward passes: here the p pairs are done at once.": (
                "truth / processes"
            ),
            "That is how much longer the step may be. Put the best step into E[L⁺]/L, which is 1 − 1/γ there.": (
                "processes * (rank + 2) / (rank + processes + 1)"
            ),
            "That is the progress of the p probes; divide by that of one.": "log(1 + processes / (rank + 1))",
        },
    )
