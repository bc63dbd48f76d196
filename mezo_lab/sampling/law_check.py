"""`check_law`: whether a sampler is the law of z that it is said to be, and whether an error bar can be built on it."""

import math
from dataclasses import dataclass, replace
from functools import lru_cache
from operator import index

import torch
from torch import Generator, Tensor

from mezo_lab.sampling.laws import Law
from mezo_lab.sampling.montecarlo import Estimate, RunningMoments

SETS, PROBES, DIM = 1 << 17, 2, 8  # 2,097,152 coordinates, in independent sets of two probes
ALARM = 6.0  # standard errors: about 300 numbers are looked at
SLIGHT = 1e-4  # relative: float32 samplers are off by less
TAIL = 1 << 13  # coordinates farthest from 0, 0.4 % of all, which tell how the tail falls
FEWEST = 100  # of them that must differ from the bulk
REPEATED = 10  # times the largest is drawn: then the law is bounded, and its values known
HEAVY = 0.1  # shape of the tail; 1/8 and more has no eighth moment, and seen this far in, a t₇ shows 0.12 and a t₈ 0.09
DOMINANT = 0.1  # share of Σ z⁸ in one coordinate, where the tail is too thin to be fitted


@dataclass(frozen=True)
class LawCheck:
    """What a sampler's own draws say of it.

    mean, variance: of a coordinate. covariance: of the pair of coordinates farthest from uncorrelated. kurtosis: E z⁴.
    told: the kurtosis that the law states, at 8 coordinates. tail: the shape of the tail of |z|; 0 falls like an
    exponential, below 0 faster, 1/a like the power z^(−a). trusted: whether the eighth moment seems finite, on which
    the error bar of E‖ĝ‖² rests. problems: what is wrong, in sentences, each with its remedy.
    """

    law: str
    mean: Estimate
    variance: Estimate
    covariance: Estimate
    kurtosis: Estimate
    told: float
    tail: float
    trusted: bool
    problems: tuple[str, ...]

    @property
    def passed(self) -> bool:
        """Whether nothing speaks against it."""
        return not self.problems

    def __str__(self) -> str:
        eighth = "eighth moment seems finite" if self.trusted else "eighth moment seems INFINITE"
        told = (
            f"mean {self.mean}, variance {self.variance}, largest covariance {self.covariance}, "
            f"kurtosis {self.kurtosis} (stated {self.told:.6g}), {eighth}"
        )
        return f"{self.law}: " + "; ".join([told.replace("-", "−"), *self.problems])


def check_law(law: Law, *, device: str = "cpu", seed: int = 0) -> LawCheck:
    """Draw from a law of z and report its mean, covariance, kurtosis, and whether its eighth moment seems finite.

    Claim: a law that `MeZO` or `check` may use has E[z zᵀ] = I, and the fourth moments that it states. Source: the
    shape of the tail is that of a generalised Pareto law, by probability-weighted moments (Hosking and Wallis, 1987).
    Assumes: nothing of the law but its shape (count, probes, dim).
    Cost: 2,097,152 coordinates and a second; a law is looked at once.

    What it can and cannot tell: Student's laws of 6 degrees of freedom and fewer are said to have no eighth moment,
    those of 12 and more to have one; between them, about the border of 8, a sample may say either. What lies beyond two
    million coordinates no sample shows.

    Args: law: with `sample` and `moments`, such as an `Iid` of your own. device: where to draw. seed: which words.
    Returns: a LawCheck, printable in one line. Raises: ValueError for numbers that are
    not finite; what the law's sampler raises.

    >>> from mezo_lab.sampling.laws import Iid
    >>> wide = Iid("wide", draw=lambda shape, generator: 2**0.5 * torch.randn(shape, generator=generator), kurtosis=3)
    >>> print(check_law(wide).problems[0])
    this sampler has variance 2.0002 ± 0.0020, where 1 is meant: divide by √2
    """
    return _checked(law, device, index(seed))


@lru_cache(maxsize=64)
def _checked(law: Law, device: str, seed: int) -> LawCheck:
    z = law.sample(SETS, PROBES, DIM, Generator(device).manual_seed(seed)).double()
    if not (finite := z.isfinite()).all():
        raise ValueError(
            f"`draw` of law {law.name!r} must return finite numbers; got {int((~finite).sum()):,} of {z.numel():,} "
            "that are not: look for a logarithm or a root of a negative number, and for a division by 0."
        )
    mean, variance, kurtosis = (estimate(z**power) for power in (1, 2, 4))
    moments = law.moments(DIM)
    stated = float(3 * moments.pair + moments.coincidence)
    tail, trusted = tail_of(z.abs().flatten())
    covariance = farthest_product(z)
    problems = [
        *second_moments(mean, variance, covariance),
        *([] if not isotropic(mean, variance, covariance) else fourth_moments(z, moments, kurtosis, stated, trusted)),
        *([] if trusted else [heavy(tail)]),
    ]
    return LawCheck(law.name, mean, variance, covariance, kurtosis, stated, tail, trusted, tuple(problems))


def estimate(values: Tensor) -> Estimate:
    """The mean of values of shape (sets, …), with the error of independent sets."""
    running = RunningMoments()
    running.add(values.reshape(len(values), -1).mean(-1))
    return running.estimate()


def away(found: Estimate, stated: float) -> bool:
    """Whether an estimate contradicts a value by more than chance, and by more than single precision."""
    return abs(found.z_score(stated)) > ALARM and abs(found.mean - stated) > SLIGHT * max(1.0, abs(stated))


def isotropic(mean: Estimate, variance: Estimate, covariance: Estimate) -> bool:
    return not (away(mean, 0.0) or away(variance, 1.0) or away(covariance, 0.0))


def second_moments(mean: Estimate, variance: Estimate, covariance: Estimate) -> list[str]:
    found = []
    if away(mean, 0.0):
        found.append(f"this sampler has mean {mean}, where 0 is meant: subtract {mean.mean:.4g}")
    spread = variance.mean - mean.mean**2 if away(mean, 0.0) else variance.mean
    if away(variance, 1.0) and abs(spread - 1) > 10 * variance.standard_error:
        root = f"√{spread:.3g}" if spread > 0 else "nothing: it is always 0"
        stated = str(variance) if spread == variance.mean else f"{spread:.4g}"
        found.append(f"this sampler has variance {stated}, where 1 is meant: divide by {root}")
    if away(covariance, 0.0) and not away(mean, 0.0):
        found.append(
            f"the coordinates of this sampler are correlated, up to E[z_i z_j] = {covariance}, where 0 is meant: "
            "draw every number of the shape (sets, probes, coordinates) by itself"
        )
    return found


def fourth_moments(z: Tensor, moments, kurtosis: Estimate, stated: float, trusted: bool) -> list[str]:
    """What is wrong with E z_i⁴ and with E[z_i² z_j²], within a probe and between two."""
    found = []
    if trusted and away(kurtosis, stated):
        found.append(f"this sampler has kurtosis {kurtosis}, where {stated:.6g} was stated: state {kurtosis.mean:.4g}")
    squares = z.square()
    within = estimate((squares.sum(-1).square() - squares.square().sum(-1)) / (DIM * (DIM - 1)))
    total = squares.sum((1, 2)).square() - squares.sum(-1).square().sum(-1)  # pairs of different probes
    between = estimate(total / (PROBES * (PROBES - 1) * DIM**2))
    expected = float(moments.across + 2 * moments.swap / DIM)
    # what the error of a product of two independent squares would be, where the two were never large at once
    deviation = math.sqrt(max(0.0, kurtosis.mean**2 - 1))
    alone = deviation / math.sqrt(SETS * PROBES * DIM * (DIM - 1) / 2)
    apart = deviation / math.sqrt(SETS * DIM**2)
    pairs = {"of one probe": (within, float(moments.pair), alone), "of two probes": (between, expected, apart)}
    for which, (mean, meant, product) in pairs.items():
        if away(no_surer(mean, product), meant) and abs(mean.farthest) <= DOMINANT:
            found.append(
                f"the coordinates {which} depend on one another: E[z_i² z_j²] = {mean}, where {meant:.6g} is meant: "
                "draw every number by itself"
            )
    return found


def farthest_product(z: Tensor) -> Estimate:
    """E[z_i z_j] of the two coordinates, of one probe or two, for which it lies farthest from 0 in standard errors."""
    flat = z.flatten(1)  # (sets, probes·dim)
    products = flat.T @ flat / len(flat)
    squares = flat.square().T @ flat.square() / len(flat)
    independent = max(1e-12, float(flat.square().mean()) ** 2)  # the least variance of a product of two
    scores = (products.abs() / (squares - products.square()).clamp_min(independent).sqrt()).fill_diagonal_(0)
    i, j = divmod(int(scores.argmax()), flat.shape[1])
    return no_surer(estimate(flat[:, i] * flat[:, j]), math.sqrt(independent / len(flat)))


def no_surer(found: Estimate, error: float) -> Estimate:
    """The estimate with at least this standard error: events that were never seen together leave too small a one."""
    return replace(found, standard_error=max(found.standard_error, error))


def tail_of(sizes: Tensor) -> tuple[float, bool]:
    """The shape of the tail of |z|, and whether an eighth moment seems finite.

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


def heavy(tail: float) -> str:
    falls = f"its tail falls like the power z^(−{1 / tail:.2g})" if math.isfinite(tail) else "it rests on a few draws"
    return (
        f"the eighth moment of this law seems infinite ({falls}), so its error bar cannot be trusted whatever the "
        "number of draws: test a law with lighter tails"
    )
