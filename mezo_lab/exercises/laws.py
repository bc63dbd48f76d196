"""Notebook 2: the laws of z and their moments."""

import math

import torch

from mezo_lab import theory
from mezo_lab.exercises.judge import Answer, Wrong, judge
from mezo_lab.montecarlo import Running

DRAWS, DIM = 40_000, 3
CHANCE = 5.0  # standard errors; a sampler is tried with one seed, so it passes always or never
MOMENTS = [{"dim": 10, "kurtosis": 3.0}, {"dim": 50, "kurtosis": 1.0}, {"dim": 4, "kurtosis": 9.0}]
NEEDED = [{"share": 0.5, "dim": 10}, {"share": 0.2, "dim": 1001}, {"share": 1.0, "dim": 7}]


def check_fourth_moment(fourth_moment: Answer) -> None:
    """Whether fourth_moment(dim, kurtosis) is the c of an i.i.d. law.

    Source: CLAIMS, laws of z. Raises: Wrong.
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
    z, again = (sphere(DRAWS, DIM, torch.Generator().manual_seed(1)) for _ in range(2))
    if not isinstance(z, torch.Tensor):
        raise Wrong(f"Your function returned {z}: let it return a tensor of shape (count, dim).")
    if z.shape != (DRAWS, DIM):
        raise Wrong(f"The shape should be (count, dim) = ({DRAWS}, {DIM}), yours is {tuple(z.shape)}.")
    if not torch.equal(z, again):
        raise Wrong("Two runs with one seed differ: hand `generator` to torch, or nobody can repeat your draws.")
    z = z.double()
    of_one_length(z.norm(dim=-1))
    if any(far(z[:, i], 0.0) for i in range(DIM)):
        raise Wrong("The mean of z should be 0: z and −z must be equally likely.")
    directions = torch.cat([torch.eye(DIM, dtype=torch.float64), torch.full((1, DIM), DIM**-0.5, dtype=torch.float64)])
    if any(far((z @ v) ** 4, 3 * DIM / (DIM + 2)) for v in directions):
        raise Wrong("The lengths are right, but some directions come up more often: start from a law that has none.")
    print(f"✓ right in {DRAWS:,} draws")


def of_one_length(length: torch.Tensor) -> None:
    if (length / length.mean() - 1).abs().max() > 1e-4:
        raise Wrong("The lengths differ: divide each z by its own length, the norm along the last axis.")
    if abs(length.mean() / math.sqrt(DIM) - 1) > 1e-4:
        raise Wrong(f"The radius should be √d, for E[zzᵀ] = I: at d = {DIM} yours is {length.mean():.3f}.")


def far(values: torch.Tensor, expected: float) -> bool:
    running = Running()
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
