"""`check_law`: whether a sampler has the moments that its law states, and whether an error bar can rest on it."""

import math
from dataclasses import dataclass, replace
from functools import lru_cache
from operator import index

import torch
from torch import Generator, Tensor

from mezo_lab.sampling.laws import Law
from mezo_lab.sampling.montecarlo import Estimate, RunningMoments
from mezo_lab.theory import Moments

# 2,097,152 coordinates, in independent sets of two probes
SETS = 1 << 17
PROBES = 2
DIM = 8
ALARM = 6.0  # standard errors: about 300 numbers are tested
SLIGHT = 1e-4  # relative: the bias of float32 samplers is smaller
TAIL = 1 << 13  # coordinates farthest from 0, 0.4 % of all, to which the tail is fitted
FEWEST = 100  # of them that must differ from the bulk
REPEATED = 10  # draws of the largest value that show the law to be bounded
HEAVY = 0.1  # shape of the tail; from 1/8 on there is no eighth moment, and this far in a t₇ shows 0.12, a t₈ 0.09
DOMINANT = 0.1  # share of Σ z⁸ in one coordinate, where the tail is too thin to be fitted


@dataclass(frozen=True)
class LawCheck:
    """The moments of a sampler, measured on its own draws."""

    law: str
    mean: Estimate
    """Of a coordinate."""
    variance: Estimate
    """Of a coordinate."""
    covariance: Estimate
    """Of the pair of coordinates farthest from uncorrelated."""
    kurtosis: Estimate
    """E z⁴."""
    stated: float
    """The kurtosis that the law states, at 8 coordinates."""
    tail: float
    """The shape of the tail of abs(z): 0 falls like an exponential, below 0 faster, 1/a like the power z^(−a)."""
    trusted: bool
    """Whether the eighth moment seems finite, on which the error bar of E‖ĝ‖² rests."""
    problems: tuple[str, ...]
    """The defects, in sentences, each with its remedy."""

    @property
    def passed(self) -> bool:
        """Whether no defect was found."""
        return not self.problems

    def __str__(self) -> str:
        moments = (
            f"mean {self.mean}, variance {self.variance}, largest covariance {self.covariance}, "
            f"kurtosis {self.kurtosis} (stated {self.stated:.6g}), "
            f"eighth moment seems {'finite' if self.trusted else 'INFINITE'}"
        )
        return f"{self.law}: " + "; ".join([moments.replace("-", "−"), *self.problems])


def check_law(law: Law, *, device: str = "cpu", seed: int = 0) -> LawCheck:
    """Draw from a law of z and report its mean, covariance, kurtosis, and whether its eighth moment seems finite.

    Claim: a law that `MeZO` or `check` may use has E[z zᵀ] = I, and the fourth moments that it states. Source: the
    shape of the tail is that of a generalised Pareto law, by probability-weighted moments (Hosking and Wallis, 1987).
    Assumes: nothing of the law but its shape (count, probes, dim).
    Cost: 2,097,152 coordinates and a second; a law is checked once.

    Its limits: it finds no eighth moment in Student's laws of 6 degrees of freedom and fewer, and finds one from 12 on;
    between them, about the border of 8, it may find either. Two million coordinates do not show rarer values.

    Args:
        law: with `sample` and `moments`, such as an `Iid` of your own.
        device: where to draw.
        seed: of the random words.

    Returns: a LawCheck, printable in one line.
    Raises: ValueError for numbers that are not finite; whatever the law's sampler raises.

    >>> from mezo_lab.sampling.laws import Iid
    >>> wide = Iid("wide", draw=lambda shape, generator: 2**0.5 * torch.randn(shape, generator=generator), kurtosis=3)
    >>> print(check_law(wide).problems[0])
    this sampler has variance 2.0002 ± 0.0020, where 1 is meant: divide by √2
    """
    return _checked(law, device, index(seed))


@lru_cache(maxsize=64)
def _checked(law: Law, device: str, seed: int) -> LawCheck:
    z = law.sample(SETS, PROBES, DIM, Generator(device).manual_seed(seed)).double()
    finite = z.isfinite()
    if not finite.all():
        raise ValueError(
            f"`draw` of law {law.name!r} must return finite numbers; got {int((~finite).sum()):,} of {z.numel():,} "
            "that are not: look for a logarithm or a root of a negative number, and for a division by 0."
        )
    mean, variance, kurtosis = (_estimate(z**power) for power in (1, 2, 4))
    moments = law.moments(DIM)
    stated = float(3 * moments.pair + moments.coincidence)
    tail, trusted = tail_of(z.abs().flatten())
    covariance = _farthest_product(z)
    problems = _second_moment_problems(mean, variance, covariance)
    if not (_away(mean, 0.0) or _away(variance, 1.0) or _away(covariance, 0.0)):  # else every fourth moment is off too
        problems += _fourth_moment_problems(z, moments, kurtosis, stated, trusted)
    if not trusted:
        problems.append(_heavy_tail_problem(tail))
    return LawCheck(law.name, mean, variance, covariance, kurtosis, stated, tail, trusted, tuple(problems))


def _estimate(values: Tensor) -> Estimate:
    """The mean of values of shape (sets, …), with the error of independent sets."""
    running = RunningMoments()
    running.add(values.reshape(len(values), -1).mean(-1))
    return running.estimate()


def _away(estimate: Estimate, stated: float) -> bool:
    """Whether an estimate contradicts a value by more than chance, and by more than single precision."""
    slight = SLIGHT * max(1.0, abs(stated))
    return abs(estimate.z_score(stated)) > ALARM and abs(estimate.mean - stated) > slight


def _second_moment_problems(mean: Estimate, variance: Estimate, covariance: Estimate) -> list[str]:
    """The defects of E z_i and E[z_i z_j], in sentences."""
    problems = []
    spread = variance.mean
    shown = str(variance)
    if _away(mean, 0.0):
        problems.append(f"this sampler has mean {mean}, where 0 is meant: subtract {mean.mean:.4g}")
        spread = variance.mean - mean.mean**2
        shown = f"{spread:.4g}"
    if _away(variance, 1.0) and abs(spread - 1) > 10 * variance.standard_error:
        root = f"√{spread:.3g}" if spread > 0 else "nothing: it is always 0"
        problems.append(f"this sampler has variance {shown}, where 1 is meant: divide by {root}")
    if _away(covariance, 0.0) and not _away(mean, 0.0):
        problems.append(
            f"the coordinates of this sampler are correlated, up to E[z_i z_j] = {covariance}, where 0 is meant: "
            "draw every number of the shape (sets, probes, coordinates) by itself"
        )
    return problems


def _fourth_moment_problems(z: Tensor, moments: Moments, kurtosis: Estimate, stated: float, trusted: bool) -> list[str]:
    """The defects of E z_i⁴ and of E[z_i² z_j²], within a probe and between two, in sentences."""
    problems = []
    if trusted and _away(kurtosis, stated):
        problems.append(
            f"this sampler has kurtosis {kurtosis}, where {stated:.6g} was stated: state {kurtosis.mean:.4g}"
        )
    squares = z.square()
    within = _estimate((squares.sum(-1).square() - squares.square().sum(-1)) / (DIM * (DIM - 1)))
    total = squares.sum((1, 2)).square() - squares.sum(-1).square().sum(-1)  # pairs of different probes
    between = _estimate(total / (PROBES * (PROBES - 1) * DIM**2))
    expected = float(moments.across + 2 * moments.swap / DIM)
    # the error of a product of two independent squares; the draws show less where the two were never large at once
    deviation = math.sqrt(max(0.0, kurtosis.mean**2 - 1))
    alone = deviation / math.sqrt(SETS * PROBES * DIM * (DIM - 1) / 2)
    apart = deviation / math.sqrt(SETS * DIM**2)
    pairs = {"of one probe": (within, float(moments.pair), alone), "of two probes": (between, expected, apart)}
    for which, (mean, meant, error) in pairs.items():
        if _away(_with_error(mean, error), meant) and abs(mean.farthest) <= DOMINANT:
            problems.append(
                f"the coordinates {which} depend on one another: E[z_i² z_j²] = {mean}, where {meant:.6g} is meant: "
                "draw every number by itself"
            )
    return problems


def _farthest_product(z: Tensor) -> Estimate:
    """E[z_i z_j] of the two coordinates, of one probe or two, for which it lies farthest from 0 in standard errors."""
    flat = z.flatten(1)  # (sets, probes·dim)
    products = flat.T @ flat / len(flat)
    squares = flat.square().T @ flat.square() / len(flat)
    independent = max(1e-12, float(flat.square().mean()) ** 2)  # the least variance of a product of two
    scores = (products.abs() / (squares - products.square()).clamp_min(independent).sqrt()).fill_diagonal_(0)
    i, j = divmod(int(scores.argmax()), flat.shape[1])
    return _with_error(_estimate(flat[:, i] * flat[:, j]), math.sqrt(independent / len(flat)))


def _with_error(estimate: Estimate, least: float) -> Estimate:
    """The estimate with at least this standard error: events that never met in the draws leave too small a one."""
    return replace(estimate, standard_error=max(estimate.standard_error, least))


def tail_of(sizes: Tensor) -> tuple[float, bool]:
    """The shape of the tail of abs(z), and whether an eighth moment seems finite.

    >>> tail_of(torch.ones(100_000).double())
    (-1.0, True)
    """
    top = sizes.topk(TAIL + 1).values
    beyond = (top[:-1] - top[-1]).flip(0)
    beyond = beyond[beyond > 1e-6 * top[0]]  # rising; of few values many are the same
    if int((top >= top[0] * (1 - 1e-6)).sum()) >= REPEATED:
        return -1.0, True
    if len(beyond) < FEWEST:
        eighth = (sizes / top[0]) ** 8
        return math.inf, bool(1 / eighth.sum() <= DOMINANT)
    place = (torch.arange(1, len(beyond) + 1, dtype=torch.float64, device=beyond.device) - 0.35) / len(beyond)
    mean = float(beyond.mean())
    weighted = float((beyond * (1 - place)).mean())
    shape = 2 - mean / (mean - 2 * weighted)
    return shape, shape < HEAVY


def _heavy_tail_problem(tail: float) -> str:
    falls = "it rests on a few draws"
    if math.isfinite(tail):
        falls = f"its tail falls like the power z^(−{1 / tail:.2g})"
    return (
        f"the eighth moment of this law seems infinite ({falls}), so its error bar cannot be trusted whatever the "
        "number of draws: test a law with lighter tails"
    )
