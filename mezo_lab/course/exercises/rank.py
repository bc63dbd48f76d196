"""Notebook 5: the effective rank."""

from typing import Any

import torch
from torch import Tensor

from mezo_lab import theory
from mezo_lab.course.exercises.answers import Answer
from mezo_lab.course.exercises.grading import grade
from mezo_lab.curvature import effective_rank

__all__ = ["check_best_probes", "check_effective_rank", "check_two_groups"]

_GROUPS = [
    {"strong": 5, "weak": 20, "curvature": 0.25, "share": 0.5, "probes": 1},
    {"strong": 3, "weak": 100, "curvature": 0.1, "share": 0.25, "probes": 4},
    {"strong": 7, "weak": 4, "curvature": 0.5, "share": 1.0, "probes": 2},
]
_OVERHEADS = [
    {"rank": 5, "overhead": 0},
    {"rank": 10, "overhead": 2},
    {"rank": 100, "overhead": 5},
    # these two tell r + 1 from r
    {"rank": 2, "overhead": 4},
    {"rank": 3, "overhead": 10},
]
_PROBES = range(1, 10_000)
_SPECTRA = [[2.0, 2.0, 2.0, 0.0, 0.0, 0.0], [1.0, 5.0, 2.0, 2.0], [0.5, 0.25, 0.25, 0.125, 0.0]]


def _two_groups(strong: int, weak: int, curvature: float, share: float, probes: int) -> float:
    """E[ĝᵀHĝ]/(ℓ‖g‖²) of Gaussian probes, ℓ = 1: `strong` eigenvalues 1, `weak` ones of less `curvature`."""
    along = 1 - share + curvature * share  # gᵀHg at ‖g‖ = 1
    trace = strong + curvature * weak
    return float(theory.second_moment(along, trace, 0, probes=probes, moments=theory.GAUSSIAN))


def _best_probes(rank: int, overhead: float) -> int:
    """The n of most log-progress per pair of forward passes, where a step costs `overhead` pairs more than its n."""

    def progress(probes: int) -> float:
        return theory.progress_per_pair(rank, probes) * probes / (probes + overhead)

    return max(_PROBES, key=progress)


def _best_by_share(rank: int, overhead: float) -> int:
    """The mistake that maximizes 1/γ in place of −log(1 − 1/γ)."""

    def progress(probes: int) -> float:
        return probes / ((rank + probes + 1) * (probes + overhead))

    return max(_PROBES, key=progress)


def check_two_groups(factor: Answer) -> None:
    """Whether factor(strong, weak, curvature, share, probes) is E[ĝᵀHĝ]/(ℓ‖g‖²) of Gaussian z on two groups.

    `strong` directions have the curvature ℓ, `weak` ones ℓ·curvature, and `share` of ‖g‖² lies in the weak ones.
    Source: claim B4, A3 at W = H. Formula: ((n+1)(1 − share·(1 − curvature)) + strong + weak·curvature)/n.
    Raises: WrongAnswer.
    """
    grade(
        factor,
        _two_groups,
        _GROUPS,
        {
            "That is the bound γ: it takes gᵀHg for ℓ‖g‖², but a share of g lies where the loss curves less.": (
                "(strong + weak * curvature + probes + 1) / probes"
            ),
            "A weak direction counts with its curvature in tr H, not as a whole direction.": (
                "((probes + 1) * (1 - share * (1 - curvature)) + strong + weak) / probes"
            ),
            "The weak directions add to tr H as well: noise moves along them and meets their curvature.": (
                "((probes + 1) * (1 - share * (1 - curvature)) + strong) / probes"
            ),
            "The share in the weak directions adds share·curvature to gᵀHg.": (
                "((probes + 1) * (1 - share) + strong + weak * curvature) / probes"
            ),
            "The share belongs to the weak directions; you gave it to the strong ones.": (
                "((probes + 1) * (share + curvature * (1 - share)) + strong + weak * curvature) / probes"
            ),
            "The pairs of different probes are missing: they add (n − 1)/n of gᵀHg.": (
                "(2 * (1 - share * (1 - curvature)) + strong + weak * curvature) / probes"
            ),
            "That is for one probe: the mean of n of them is shorter.": (
                "2 * (1 - share * (1 - curvature)) + strong + weak * curvature"
            ),
        },
    )


def check_best_probes(best: Answer) -> None:
    """Whether best(rank, overhead) is the number of Gaussian probes of most progress per forward pass.

    Source: claim B7. Formula: the n at which log(1 + n/(r+1))/(n + overhead) is largest. Raises: WrongAnswer.
    """
    grade(
        best,
        _best_probes,
        _OVERHEADS,
        {
            "One probe is best where a step costs its probes alone. The overhead is paid once a step: n share it.": "1",
            "Steps multiply: what adds up over steps is −log(1 − 1/γ), not the share 1/γ.": _best_by_share,
        },
    )


def check_effective_rank(rank: Answer) -> None:
    """Whether rank(eigenvalues) is tr H/‖H‖, of a tensor of eigenvalues (d,).

    Source: paper, Assumption 1. Raises: WrongAnswer.
    """
    cases: list[dict[str, Any]] = [{"eigenvalues": torch.tensor(each, dtype=torch.float64)} for each in _SPECTRA]
    grade(
        rank,
        lambda eigenvalues: effective_rank(torch.diag(eigenvalues)),
        cases,
        {
            "That is the rank: it counts a tiny eigenvalue like a large one.": (
                lambda eigenvalues: int((eigenvalues > 0).sum())
            ),
            "That is tr H, which has the units of curvature: divide by the largest eigenvalue.": (
                lambda eigenvalues: eigenvalues.sum()
            ),
            "That is (tr H)²/tr H², another count of directions; Assumption 1 has tr H/‖H‖.": _participation,
            "‖H‖ is the largest eigenvalue, wherever it stands in the list.": (
                lambda eigenvalues: eigenvalues.sum() / eigenvalues[0]
            ),
            "‖H‖ is the largest eigenvalue, not √(Σλ²).": lambda eigenvalues: eigenvalues.sum() / eigenvalues.norm(),
        },
    )


def _participation(eigenvalues: Tensor) -> float:
    """(tr H)²/tr H², the participation ratio."""
    return float(eigenvalues.sum() ** 2 / eigenvalues.square().sum())
