"""Notebook 5: the effective rank."""

from typing import Any

import torch
from torch import Tensor

from mezo_lab import theory
from mezo_lab.course.exercises.ask import Answer
from mezo_lab.course.exercises.judge import judge
from mezo_lab.curvature import effective_rank
from mezo_lab.sampling import LAWS

FACTORS = [
    {"law": "gaussian", "rank": 5, "probes": 1, "dim": 8},
    {"law": "gaussian", "rank": 20, "probes": 4, "dim": 1000},
    {"law": "sphere", "rank": 3, "probes": 2, "dim": 7},
    {"law": "sphere", "rank": 6, "probes": 1, "dim": 6},
]
BEST = [{"rank": 5, "overhead": 0}, {"rank": 10, "overhead": 2}, {"rank": 100, "overhead": 5}]
BEST += [{"rank": 2, "overhead": 4}, {"rank": 3, "overhead": 10}]  # where r + 1 is told from r
MOST_PROBES = 10_000
SPECTRA = [[2.0, 2.0, 2.0, 0.0, 0.0, 0.0], [1.0, 5.0, 2.0, 2.0], [0.5, 0.25, 0.25, 0.125, 0.0]]


def rank_factor(law: str, rank: int, probes: int, dim: int) -> float:
    """γ on H = ℓ·P_r, P_r along the coordinates.

    >>> rank_factor("gaussian", 5, 1, 8), rank_factor("sphere", 6, 1, 6)
    (7.0, 6.0)
    """
    return float(theory.effective_rank_factor(rank, probes, LAWS[law].moments(dim)))


def best_probes(rank: int, overhead: float) -> int:
    """The n of most log-progress per pair of forward passes, where a step costs `overhead` pairs more than its n.

    >>> best_probes(5, 0), best_probes(10, 2)
    (1, 7)
    """

    def progress(probes: int) -> float:
        return theory.progress_per_pair(rank, probes) * probes / (probes + overhead)

    return max(range(1, MOST_PROBES), key=progress)


def check_rank_factor(factor: Answer) -> None:
    """Whether factor(law, rank, probes, dim) is γ on H = ℓ·P_r, for the gaussian and the sphere.

    Source: paper, Theorem 2 and the proof of Theorem 1; claim B3. Raises: Wrong.
    """
    judge(
        factor,
        rank_factor,
        FACTORS,
        {
            "γ has the rank where the norm factor has d.": lambda law, rank, probes, dim: rank_factor(
                law, dim, probes, dim
            ),
            "The sphere has a γ of its own: its fourth moments are d/(d+2) of the Gaussian's.": (
                lambda law, rank, probes, dim: rank_factor("gaussian", rank, probes, dim)
            ),
            "Right at r = d only: below, the sphere's γ depends on d as well.": (
                lambda law, rank, probes, dim: (rank + probes + (1 if law == "gaussian" else -1)) / probes
            ),
            "The pairs of different probes are missing: they add (n − 1)/n.": lambda law, rank, probes, dim: (
                rank_factor(law, rank, 1, dim) / probes
            ),
            "r/n leaves out what a probe gains along g itself, and the pairs of different probes.": (
                lambda law, rank, probes, dim: rank / probes
            ),
            "Only the fourth moments shrink by d/(d+2); the pairs of different probes do not.": (
                lambda law, rank, probes, dim: (
                    rank_factor("gaussian", rank, probes, dim) * (dim / (dim + 2) if law == "sphere" else 1)
                )
            ),
            "That is for one probe: the mean of n of them is shorter.": lambda law, rank, probes, dim: rank_factor(
                law, rank, 1, dim
            ),
        },
    )


def check_best_probes(best: Answer) -> None:
    """Whether best(rank, overhead) is the number of Gaussian probes of most progress per forward pass.

    Source: claim B7. Formula: the n at which log(1 + n/(r+1))/(n + overhead) is largest. Raises: Wrong.
    """
    judge(
        best,
        best_probes,
        BEST,
        {
            "One probe is best where probes are all that a step costs. The overhead is paid once a step: n share it.": (
                lambda rank, overhead: 1
            ),
            "Steps multiply: what adds up over steps is −log(1 − 1/γ), not the share 1/γ.": lambda rank, overhead: max(
                range(1, MOST_PROBES), key=lambda probes: probes / ((rank + probes + 1) * (probes + overhead))
            ),
        },
    )


def check_effective_rank(rank: Answer) -> None:
    """Whether rank(eigenvalues) is tr H/‖H‖, of a tensor of eigenvalues (d,).

    Source: paper, Assumption 1. Raises: Wrong.
    """
    cases: list[dict[str, Any]] = [{"eigenvalues": torch.tensor(each, dtype=torch.float64)} for each in SPECTRA]
    judge(
        rank,
        lambda eigenvalues: effective_rank(torch.diag(eigenvalues)),
        cases,
        {
            "That is the rank: it counts a tiny eigenvalue like a large one.": lambda eigenvalues: int(
                (eigenvalues > 0).sum()
            ),
            "That is tr H, which has the units of curvature: divide by the largest eigenvalue.": lambda eigenvalues: (
                eigenvalues.sum()
            ),
            "That is (tr H)²/tr H², another count of directions; Assumption 1 has tr H/‖H‖.": participation,
            "‖H‖ is the largest eigenvalue, wherever it stands in the list.": lambda eigenvalues: (
                eigenvalues.sum() / eigenvalues[0]
            ),
            "‖H‖ is the largest eigenvalue, not √(Σλ²).": lambda eigenvalues: eigenvalues.sum() / eigenvalues.norm(),
        },
    )


def participation(eigenvalues: Tensor) -> float:
    """(tr H)²/tr H², as a participation ratio.

    >>> participation(torch.tensor([1.0, 1.0, 0.0])), participation(torch.tensor([3.0, 3.0, 2.0, 0.0]).double())
    (2.0, 2.909090909090909)
    """
    return float(eigenvalues.sum() ** 2 / eigenvalues.square().sum())
