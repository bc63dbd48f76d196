"""Notebook 2: the laws of z and their moments."""

import math
from itertools import combinations

import torch
from torch import Tensor

from mezo_lab import theory
from mezo_lab.course.exercises.answers import Answer, WrongAnswer, call_answer, quoted
from mezo_lab.course.exercises.grading import as_numbers, grade, is_real_tensor
from mezo_lab.sampling import RunningMoments

__all__ = ["check_probes_needed", "check_silent_moment", "check_sphere"]

_DRAWS = 40_000
_DIM = 3
_FEW_DRAWS = 50  # in a second dimension, to test the lengths there
_WIDE_DIM = 10
_CHANCE = 5.0  # standard errors; a sampler is tried with one seed, so it passes always or never
_MOMENTS = [
    {"dim": 10, "kurtosis": 3.0, "share": 0.5},
    {"dim": 50, "kurtosis": 1.0, "share": 0.1},
    {"dim": 4, "kurtosis": 9.0, "share": 0.8},
]
_SHARES = [{"share": 0.5, "dim": 10}, {"share": 0.2, "dim": 1001}, {"share": 1.0, "dim": 7}]


def check_silent_moment(silent_moment: Answer) -> None:
    """Whether silent_moment(dim, kurtosis, share) is the c of a law that is silent, z = 0, but for a share of draws.

    Where it is not silent its coordinates are independent, of that kurtosis, and larger by 1/√share.
    Source: derived; the tensors of `mezo_lab.theory` over the share. Raises: WrongAnswer.
    """
    grade(
        silent_moment,
        lambda dim, kurtosis, share: theory.fourth_moment(dim, theory.Moments(1 / share, (kurtosis - 3) / share)),
        _MOMENTS,
        {
            "That is the law without silence: the louder draws count by their fourth power.": "dim - 1 + kurtosis",
            "The fourth power is larger by 1/p², but only the share p of the draws has it: 1/p is left.": (
                "(dim - 1 + kurtosis) / share**2"
            ),
            "All coordinates fall silent together: E[z₁²z₂²] is 1/p, and not 1.": "dim - 1 + kurtosis / share",
            "That is right for a Gaussian law, whose κ is 3: let κ in.": "(dim + 2) / share",
            "The coordinate that gives κ is one of the d: there are d − 1 others.": "(dim + kurtosis) / share",
            "A silent law has rarer, longer probes: c is larger, not smaller.": "(dim - 1 + kurtosis) * share",
        },
    )


def check_sphere(sphere: Answer) -> None:
    """Whether sphere(count, dim, generator) draws uniformly from the sphere of radius √d.

    It tests shape, lengths, the mean, and E[(vᵀz)⁴] = 3d/(d+2) along several unit vectors v. Raises: WrongAnswer.
    """
    with torch.random.fork_rng(devices=[]):
        few = _draws(sphere, _FEW_DRAWS, _WIDE_DIM, seed=1)  # first: of many draws a wrong shape may be huge
        z = _draws(sphere, _DRAWS, _DIM, seed=1)
        if not torch.equal(z, _draws(sphere, _DRAWS, _DIM, seed=1)):
            raise WrongAnswer(
                "Two runs with one seed differ: pass `generator` to torch, or nobody can repeat your draws."
            )
        if torch.equal(z, _draws(sphere, _DRAWS, _DIM, seed=2)):
            raise WrongAnswer("Two seeds gave the same draws: leave the seed of `generator` as it is.")
    _expect_radius(few)
    _expect_radius(z)
    if any(_is_far(z[:, i], 0.0) for i in range(_DIM)):
        raise WrongAnswer("The mean of z should be 0: z and −z must be equally likely.")
    if any(_is_far((z @ v) ** 4, 3 * _DIM / (_DIM + 2)) for v in _directions()):
        raise WrongAnswer("The lengths are right, but some directions are more likely: start from a law without any.")
    first, second = z.chunk(2)
    if _is_far((z[1:] * z[:-1]).sum(-1), 0.0) or _is_far((first * second).sum(-1), 0.0):
        raise WrongAnswer("Draws repeat one another: each row of z must be independent of the others.")
    print(f"✓ right in {_DRAWS:,} draws")


def _draws(sphere: Answer, count: int, dim: int, seed: int) -> Tensor:
    """The draws of a student's sampler, float64 (count, dim). Raises: WrongAnswer for another shape."""
    value = call_answer(sphere, count, dim, torch.Generator().manual_seed(seed))
    expected = f"(count, dim) = ({count}, {dim})"
    try:
        z = value.detach().double() if is_real_tensor(value) else as_numbers(value)
    except Exception:  # a value of the student's own class may fail in any way
        raise WrongAnswer(
            f"Your function returned {quoted(value)}: let it return a tensor of shape {expected}."
        ) from None
    if z.shape != (count, dim):
        raise WrongAnswer(f"The shape should be {expected}, yours is {tuple(z.shape)}.")
    return z


def _directions() -> list[Tensor]:
    """Unit vectors along the axes, between two of them, and between all."""
    axes = list(torch.eye(_DIM, dtype=torch.float64))
    between = [one + sign * other for one, other in combinations(axes, 2) for sign in (1, -1)]
    diagonal = torch.ones(_DIM, dtype=torch.float64)
    return [v / v.norm() for v in (*axes, *between, diagonal)]


def _expect_radius(z: Tensor) -> None:
    """Raises: WrongAnswer where a row is not of length √d."""
    dim = z.shape[1]
    length = z.norm(dim=-1)  # (count,)
    if (length / length.mean() - 1).abs().max() > 1e-4:
        raise WrongAnswer("The lengths differ: divide each z by its own length, the norm along the last axis.")
    if abs(length.mean() / math.sqrt(dim) - 1) > 1e-4:
        raise WrongAnswer(f"The radius should be √d, for E[zzᵀ] = I: at d = {dim} yours is {length.mean():.3f}.")


def _is_far(values: Tensor, expected: float) -> bool:
    """Whether the mean is further from the expected one than chance explains."""
    running = RunningMoments()
    running.add(values)
    return abs(running.estimate().z_score(expected)) > _CHANCE


def check_probes_needed(needed: Answer) -> None:
    """Whether needed(share, dim) is the least n whose span holds that share of ‖g‖² on average.

    Raises: WrongAnswer.
    """
    grade(
        needed,
        lambda share, dim: math.ceil(share * dim),
        _SHARES,
        {
            "A part of a probe cannot be drawn: round up.": "share * dim",
            "Rounded down, the share is missed: round up.": lambda share, dim: math.floor(share * dim),
            "That is the decoy's count: the share is n/d, not n/(d + 2).": (
                lambda share, dim: math.ceil(share * (dim + 2))
            ),
        },
    )
