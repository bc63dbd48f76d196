"""Notebook 2: the laws of z and their moments."""

import math
from itertools import combinations

import torch
from torch import Tensor

from mezo_lab import theory
from mezo_lab.course.exercises.ask import Answer, Wrong, ask, brief
from mezo_lab.course.exercises.judge import judge, numbers, real
from mezo_lab.sampling import RunningMoments

DRAWS, DIM = 40_000, 3
FEW, WIDE = 50, 10  # draws in a second dimension, for their lengths
CHANCE = 5.0  # standard errors; a sampler is tried with one seed, so it passes always or never
MOMENTS = [{"dim": 10, "kurtosis": 3.0}, {"dim": 50, "kurtosis": 1.0}, {"dim": 4, "kurtosis": 9.0}]
NEEDED = [{"share": 0.5, "dim": 10}, {"share": 0.2, "dim": 1001}, {"share": 1.0, "dim": 7}]


def check_fourth_moment(fourth_moment: Answer) -> None:
    """Whether fourth_moment(dim, kurtosis) is the c of an i.i.d. law.

    Source: derived for each law in `mezo_lab.proofs`. Raises: Wrong.
    """
    judge(
        fourth_moment,
        lambda dim, kurtosis: theory.fourth_moment(dim, theory.Moments(1, kurtosis - 3)),
        MOMENTS,
        {
            "That is the Gaussian's, whose κ is 3: let κ in.": lambda dim, kurtosis: dim + 2,
            "The coordinate that gives κ is one of the d: there are d − 1 others.": lambda dim, kurtosis: (
                dim + kurtosis
            ),
            "That is E‖z‖⁴, the trace of c·I: divide by d.": lambda dim, kurtosis: dim * (dim - 1 + kurtosis),
            "κ is E[z⁴] here, not the excess over 3.": lambda dim, kurtosis: dim - 1 + kurtosis - 3,
        },
    )


def check_sphere(sphere: Answer) -> None:
    """Whether sphere(count, dim, generator) draws uniformly from the sphere of radius √d.

    Tested: shape, lengths, the mean, and E[(vᵀz)⁴] = 3d/(d+2) along several unit vectors v. Raises: Wrong.
    """
    with torch.random.fork_rng(devices=[]):
        few = _drawn(sphere, FEW, WIDE, seed=1)  # first: a wrong shape may be a huge one with many draws
        z, again = (_drawn(sphere, DRAWS, DIM, seed=1) for _ in range(2))
        if not torch.equal(z, again):
            raise Wrong("Two runs with one seed differ: hand `generator` to torch, or nobody can repeat your draws.")
        if torch.equal(z, _drawn(sphere, DRAWS, DIM, seed=2)):
            raise Wrong("Two seeds gave the same draws: leave the seed of `generator` as it is.")
    for dim, points in ((WIDE, few), (DIM, z)):
        of_one_length(points.norm(dim=-1), dim)
    if any(far(z[:, i], 0.0) for i in range(DIM)):
        raise Wrong("The mean of z should be 0: z and −z must be equally likely.")
    if any(far((z @ v) ** 4, 3 * DIM / (DIM + 2)) for v in _directions()):
        raise Wrong("The lengths are right, but some directions come up more often: start from a law that has none.")
    if any(far((one * other).sum(-1), 0.0) for one, other in ((z[1:], z[:-1]), z.chunk(2))):
        raise Wrong("Draws repeat one another: each row of z must be independent of the others.")
    print(f"✓ right in {DRAWS:,} draws")


def _drawn(sphere: Answer, count: int, dim: int, seed: int) -> Tensor:
    """What a student's sampler draws, float64 (count, dim). Raises: Wrong for another shape."""
    found = ask(sphere, count, dim, torch.Generator().manual_seed(seed))
    due = f"(count, dim) = ({count}, {dim})"
    try:
        z = found.detach().double() if real(found) else numbers(found)
    except Exception:  # whatever a value of any class answers
        raise Wrong(f"Your function returned {brief(found)}: let it return a tensor of shape {due}.") from None
    if z.shape != (count, dim):
        raise Wrong(f"The shape should be {due}, yours is {tuple(z.shape)}.")
    return z


def _directions() -> list[Tensor]:
    """Unit vectors along the axes, between two of them, and between all."""
    axes = list(torch.eye(DIM, dtype=torch.float64))
    between = [one + sign * other for one, other in combinations(axes, 2) for sign in (1, -1)]
    every = torch.ones(DIM, dtype=torch.float64)
    return [v / v.norm() for v in (*axes, *between, every)]


def of_one_length(length: Tensor, dim: int) -> None:
    if (length / length.mean() - 1).abs().max() > 1e-4:
        raise Wrong("The lengths differ: divide each z by its own length, the norm along the last axis.")
    if abs(length.mean() / math.sqrt(dim) - 1) > 1e-4:
        raise Wrong(f"The radius should be √d, for E[zzᵀ] = I: at d = {dim} yours is {length.mean():.3f}.")


def far(values: Tensor, expected: float) -> bool:
    running = RunningMoments()
    running.add(values)
    return abs(running.estimate().z_score(expected)) > CHANCE


def check_probes_needed(needed: Answer) -> None:
    """Whether needed(share, dim) is the least n whose span holds that share of ‖g‖² on average. Raises: Wrong."""
    judge(
        needed,
        lambda share, dim: math.ceil(share * dim),
        NEEDED,
        {
            "A part of a probe cannot be drawn: round up.": lambda share, dim: share * dim,
            "Rounded down, the share is missed: round up.": lambda share, dim: math.floor(share * dim),
            "That is the decoy's count: the share is n/d, not n/(d + 2).": lambda share, dim: math.ceil(
                share * (dim + 2)
            ),
        },
    )
