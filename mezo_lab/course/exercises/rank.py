"""Notebook 5: the effective rank."""

from typing import Any

import torch
from torch import Tensor

from mezo_lab import theory
from mezo_lab.course.exercises.answers import Answer
from mezo_lab.course.exercises.grading import grade
from mezo_lab.curvature import effective_rank
from mezo_lab.sampling import LAWS

__all__ = ["check_best_probes", "check_effective_rank", "check_rank_factor"]

_FACTORS = [
    {"law": "gaussian", "rank": 5, "probes": 1, "dim": 8},
    {"law": "gaussian", "rank": 20, "probes": 4, "dim": 1000},
    {"law": "sphere", "rank": 3, "probes": 2, "dim": 7},
    {"law": "sphere", "rank": 6, "probes": 1, "dim": 6},
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


def _rank_factor(law: str, rank: int, probes: int, dim: int) -> float:
    """γ on H = ℓ·P_r, P_r along the coordinates."""
    return float(theory.effective_rank_factor(rank, probes, LAWS[law].moments(dim)))


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


def _scaled_as_a_whole(law: str, rank: int, probes: int, dim: int) -> float:
    """The mistake that shrinks all of the sphere's γ by d/(d+2), and not its fourth moments alone."""
    gamma = (rank + probes + 1) / probes
    if law == "sphere":
        return gamma * dim / (dim + 2)
    return gamma


def _with_another_sign(law: str, rank: int, probes: int, dim: int) -> float:
    """The mistake that takes the sphere's γ for (r+n−1)/n, as the norm factor is."""
    sign = {"gaussian": 1, "sphere": -1}[law]
    return (rank + probes + sign) / probes


def check_rank_factor(factor: Answer) -> None:
    """Whether factor(law, rank, probes, dim) is γ on H = ℓ·P_r, for the gaussian and the sphere.

    Source: paper, Theorem 2 and the proof of Theorem 1; claim B3. Raises: WrongAnswer.
    """
    grade(
        factor,
        _rank_factor,
        _FACTORS,
        {
            "γ has the rank where the norm factor has d.": (
                lambda rank, dim, **case: _rank_factor(rank=dim, dim=dim, **case)
            ),
            "The sphere has a γ of its own: its fourth moments are d/(d+2) of the Gaussian's.": (
                "(rank + probes + 1) / probes"
            ),
            "Right at r = d only: below, the sphere's γ depends on d as well.": _with_another_sign,
            "The pairs of different probes are missing: they add (n − 1)/n.": (
                lambda probes, **case: _rank_factor(probes=1, **case) / probes
            ),
            "r/n leaves out what a probe gains along g itself, and the pairs of different probes.": "rank / probes",
            "Only the fourth moments shrink by d/(d+2); the pairs of different probes do not.": _scaled_as_a_whole,
            "That is for one probe: the mean of n of them is shorter.": (
                lambda probes, **case: _rank_factor(probes=1, **case)
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
