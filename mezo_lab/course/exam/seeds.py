"""Notebook 9: which z it is. Seeds that meet by rule, seeds that meet by chance, and a test that sees it."""

import math
from fractions import Fraction
from random import Random

from mezo_lab.course.exam.problem import Part, Problem, Slip

__all__ = ["seeds_that_meet"]

_ALARM = 5  # standard errors
_BITS = 32
# gradients of two tensors of two weights each; their inner product is never 0
_PAIRS = [
    ((3, 1), (-1, 1)),
    ((4, 2), (-1, -1)),
    ((2, 5), (1, -2)),
    ((5, 1), (-2, 3)),
    ((3, 4), (-2, -1)),
    ((6, 2), (-3, 1)),
]
_STATEMENT = r"""
A model has $W=@{tensors}$ tensors, all of one shape, and is trained for $T=@{steps}$ steps with one Gaussian probe
each. A program draws the numbers of tensor $i=0,\dots,W-1$ in step $t=0,\dots,T-1$ from a generator that it seeds
with `seed + t + i`.
"""


def seeds_that_meet(draw: Random) -> Problem:
    """Assesses what MeZO asks of its generator: independence between tensors and between steps, the harm where it is
    missing, how often a hash fails by chance, and the size of a test."""
    tensors = draw.choice([120, 150, 200, 240, 300, 400])
    steps = draw.choice([5_000, 8_000, 10_000, 15_000, 20_000])
    first, second = draw.choice(_PAIRS)
    flip = draw.choice([1, -1])
    of_a = tuple(flip * entry for entry in first)
    of_b = tuple(flip * entry for entry in second)
    correlation = Fraction(draw.choice([1, 2, 4, 5]), 100)
    draws = draw.choice([10_000, 40_000, 90_000, 160_000])
    score = Fraction(draw.choice([-118, -94, 72, 86, 134]), 10)
    total = tensors * steps
    values = {
        "tensors": tensors,
        "steps": steps,
        "addresses": total,
        "streams": steps + tensors - 1,
        "a1": of_a[0],
        "a2": of_a[1],
        "b1": of_b[0],
        "b2": of_b[1],
        "sum1": of_a[0] + of_b[0],
        "sum2": of_a[1] + of_b[1],
        "apart": _square(of_a) + _square(of_b),
        "shared": _square([x + y for x, y in zip(of_a, of_b, strict=True)]),
        "bits": _BITS,
        "meetings": math.comb(total, 2) / 2**_BITS,
        "correlation": correlation,
        "needed": (_ALARM / correlation) ** 2,
        "alarm": _ALARM,
        "draws": draws,
        "score": score,
        "size": abs(score),
        "found": float(score) / math.sqrt(draws),
    }
    return Problem(
        title="Seeds that meet",
        objectives=("9.d",),
        statement=_STATEMENT,
        parts=(_streams(values), _one_z(values), _hash(values), _test(values)),
        values=values,
    )


def _square(vector: tuple | list) -> int:
    return sum(entry**2 for entry in vector)


def _streams(values: dict) -> Part:
    return Part(
        question=r"""Which tensors of which steps have the same numbers as tensor $i$ of step $t$? How many
different streams of numbers does the training use, and how many should it use? Every single $z$ is a vector of
independent standard normal numbers: why is this program wrong nevertheless?""",
        solution=r"""All those with $t'+i'=t+i$: tensor $i-1$ in step $t+1$ and tensor $i+1$ in step $t-1$, and so on.
The sums $t+i$ take the values $0,\dots,T+W-2$, so there are $T+W-1@{=streams}$ streams in place of
$TW@{=addresses}$. A step is unbiased at the weights that it finds only if its $z$ is independent of them, and so of
every earlier $z$. Here the numbers wander from tensor to tensor: a step draws again what the steps before it drew,
up to $W$ times.""",
        steps=(
            (2, r"the condition $t'+i'=t+i$"),
            (2, "the count: 1 for the idea, 1 for both numbers; one off is not charged"),
            (2, "dependence between steps, although each $z$ alone is sound"),
        ),
        answers=("streams", "addresses"),
        slips=(Slip("one stream for each pair of step and tensor", 5, "streams", values["addresses"]),),
    )


def _one_z(values: dict) -> Part:
    return Part(
        question=r"""An older version seeds each tensor with `seed + t`, so that all tensors have one $z$. Consider
two tensors $a$ and $b$ with the gradients $g_a=(@{a1}, @{a2})$ and $g_b=(@{b1}, @{b2})$. Show that
$\mathbb{E}[\hat g_a]=g_a+g_b$. By how much does the loss change on average in a small step, to first order and in
units of $\eta$, and by how much with independent $z$? For which gradients does the older version stand still?""",
        solution=r"""$pg=z^\top g_a+z^\top g_b=z^\top(g_a+g_b)$ and $\hat g_a=pg\,z$, so
$\mathbb{E}[\hat g_a]=\mathbb{E}[zz^\top](g_a+g_b)=g_a+g_b$, and $\hat g_b$ has the same mean. The loss changes by
$-\eta\,(g_a+g_b)^\top(g_a+g_b)=-\eta\,\|(@{sum1}, @{sum2})\|^2=-@{shared}\,\eta$. With independent $z$ it changes
by $-\eta\,(\|g_a\|^2+\|g_b\|^2)=-@{apart}\,\eta$. It stands still where $g_b=-g_a$: every $pg$ is 0 then.""",
        steps=(
            (3, r"$\mathbb{E}[\hat g_a]$: 1 for $pg$ as one product, 2 for the mean"),
            (2, r"the change with one $z$: 1 for the formula, 1 for the number"),
            (1, "the change with independent $z$"),
            (1, "$g_b=-g_a$"),
        ),
        answers=("shared", "apart"),
        slips=(
            Slip("the right change, as if every tensor still saw its own gradient", 2, "shared", values["apart"]),
            Slip("counts both tensors once more after adding their gradients", 1, "shared", 2 * values["shared"]),
        ),
    )


def _hash(values: dict) -> Part:
    total = values["addresses"]
    return Part(
        question=r"""The mended version hashes `(seed, t, i)` to one of $2^{@{bits}}$ seeds, as if at random. How
many pairs of the $TW$ addresses share a stream, on average? Why is this less harmful than part (a)?""",
        solution=r"""There are $\binom{TW}{2}$ pairs, each of which meets with probability $2^{-@{bits}}$: about
$@{meetings}$ pairs. Each of them ties two tensors once, mostly in distant steps and with unrelated signs, so
nothing builds up. In (a) the same neighbours are tied in every step.""",
        steps=(
            (2, r"the number of pairs times $2^{-@{bits}}$"),
            (1, "the number"),
            (2, "by chance against by rule: 1 for rare, 1 for nothing that builds up"),
        ),
        answers=("meetings",),
        slips=(
            Slip("counts ordered pairs", 1, "meetings", 2 * values["meetings"]),
            Slip("asks for one address only: $TW/2^{@{bits}}$", 2, "meetings", total / 2**_BITS),
        ),
    )


def _test(values: dict) -> Part:
    return Part(
        question=r"""To test a generator one takes $N$ pairs $(x, y)$ of numbers that should be independent, with
mean 0 and variance 1, and computes $S=\frac{1}{\sqrt N}\sum xy$. Find the mean and the variance of $S$ for a sound
generator. An alarm is raised at $|S|\ge@{alarm}$: how large must $N$ be for the mean of $S$ to reach it if the
correlation is $\mathbb{E}[xy]=@{correlation}$? A program shows $S=@{score}$ at $N=@{draws}$: is it sound, and what
is its correlation, about?""",
        solution=r"""Each product has the mean $\mathbb{E}[x]\,\mathbb{E}[y]=0$ and the variance
$\mathbb{E}[x^2]\,\mathbb{E}[y^2]=1$, so their sum has the variance $N$, and $S$ has the mean 0 and the variance 1:
it is its own number of standard errors. With the correlation $\rho$ the mean of $S$ is $\rho\sqrt N$, which is
$@{alarm}$ at $N=(@{alarm}/\rho)^2@{=needed}$. A sound generator practically never shows $|S|=@{size}$; the
correlation is about $S/\sqrt N@{=found}$.""",
        steps=(
            (3, "1 for the mean, 2 for the variance"),
            (2, r"$N=(@{alarm}/\rho)^2$"),
            (2, "unsound (1), with the correlation (1)"),
        ),
        answers=("needed", "found"),
        slips=(
            Slip(r"$@{alarm}/\rho$, without the square", 1, "needed", _ALARM / values["correlation"]),
            Slip(r"divides by $N$", 1, "found", float(values["score"]) / values["draws"]),
        ),
    )
