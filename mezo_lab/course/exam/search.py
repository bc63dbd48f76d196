"""Notebook 1: a random search whose probes are signs."""

import math
from itertools import product
from random import Random

from mezo_lab import theory
from mezo_lab.course.exam.problem import Part, Problem, Slip

__all__ = ["search_by_signs"]

# no entry is as large as the two others together, so that all four signs count; the norm is whole
_GRADIENTS = [(1, 2, 2), (4, 4, 7), (6, 6, 7), (2, 10, 11), (3, 6, 6), (2, 4, 4), (5, 10, 10), (8, 8, 14)]
_STATEMENT = r"""
At a point $\theta$ a loss has the gradient $g=(@{a}, @{b}, @{c}, 0, \dots, 0)\in\mathbb{R}^{@{d}}$ and a *diagonal*
Hessian $H$ with $\operatorname{tr}H=@{trace}$. A random search draws $\delta=\sigma z$, where the coordinates of
$z$ are independent fair signs $\pm1$. It evaluates the loss at $\theta+\delta$ and at $\theta-\delta$ and moves to
the point with the lower loss. Let $\sigma$ be small: keep terms up to $\sigma^2$, and take it for granted that the
sign of $z^\top g$ decides which point is lower wherever $z^\top g\ne0$.
"""


def search_by_signs(draw: Random) -> Problem:
    """Assesses the descent of random search, for a law of z that the notebook does not have: E|zᵀg| by counting signs,
    the price of curvature, the best σ, and the share of steps in which the search is blind."""
    gradient = draw.sample(draw.choice(_GRADIENTS), 3)
    trace = draw.choice([5, 10, 20, 25, 40, 50])
    # E|zᵀg|: one sign may be fixed, which leaves four cases
    slopes = [
        abs(sum(s * g for s, g in zip((1, *signs), gradient, strict=True))) for signs in product((1, -1), repeat=2)
    ]
    slope = sum(slopes) / len(slopes)
    norm = math.hypot(*gradient)
    gaussian = theory.probe_magnitude(norm)
    a, b, c = gradient
    values = {
        "a": a,
        "b": b,
        "c": c,
        "d": draw.choice([50, 100, 200, 500]),
        "trace": trace,
        "norm": norm,
        "slopes": ", ".join(f"{s}" for s in slopes),
        "slope": slope,
        "gaussian": gaussian,
        "compared": "less" if gaussian < slope else "more",
        "root": theory.probe_magnitude(1.0),
        "price": trace / 2,
        "sigma": slope / trace,
        "gain": slope**2 / (2 * trace),
        "last": 2 * slope / trace,
        "equal": draw.choice([2, 3, 4, 6]),
    }
    return Problem(
        title="A search that steps by signs",
        objectives=("1.a", "1.b"),
        statement=_STATEMENT,
        parts=(_price(), _slope(values), _best(values), _blind(values)),
        values=values,
    )


def _price() -> Part:
    return Part(
        question=r"""Show that
$\mathbb{E}\left[\tfrac12\delta^\top H\delta\right]=\tfrac12\sigma^2\operatorname{tr}H$ for every law of $z$ with
$\mathbb{E}[zz^\top]=I$ and every $H$. Why is $\tfrac12\delta^\top H\delta$ the same in *every* draw here?""",
        solution=r"""$\delta^\top H\delta=\sigma^2\sum_{ij}H_{ij}z_iz_j$. Only the products $z_iz_j$ are random, and
their means are 1 for $i=j$ and 0 otherwise, so the mean is $\sigma^2\sum_iH_{ii}$. Here $H_{ij}=0$ for $i\ne j$ and
$z_i^2=1$ without any averaging, so $\tfrac12\delta^\top H\delta=\tfrac12\sigma^2\operatorname{tr}H$ in each draw.""",
        steps=(
            (2, r"the double sum, or the trace of $H\,\mathbb{E}[zz^\top]$"),
            (1, "the mean, with the reason that mixed products vanish"),
            (2, r"$z_i^2=1$ (1) and a diagonal $H$ (1)"),
        ),
        slips=(Slip("assumes that $z$ is normal, or that $H$ is diagonal, in the first half", 1),),
    )


def _slope(values: dict) -> Part:
    entries = values["a"] + values["b"] + values["c"]
    return Part(
        question=r"""Compute $\mathbb{E}\,|z^\top g|$. Is it larger or smaller than for a Gaussian $z$, for which
$\mathbb{E}\,|z^\top g|=\sqrt{2/\pi}\,\|g\|$ and $\sqrt{2/\pi}\approx@{root}$?""",
        solution=r"""Three signs count, and to turn all of them around changes nothing, so four values are equally
likely: $|{\pm@{a}}\pm@{b}\pm@{c}|\in\{@{slopes}\}$. Their mean is $\mathbb{E}\,|z^\top g|@{=slope}$. As
$\|g\|=@{norm}$, a Gaussian $z$ has $@{root}\cdot@{norm}@{=gaussian}$, which is @{compared}.""",
        steps=(
            (2, "four (or eight) equally likely patterns of signs"),
            (2, r"their values of $|z^\top g|$; one wrong value loses 1"),
            (1, "the mean"),
            (1, "the Gaussian value and the comparison"),
        ),
        answers=("slope", "gaussian"),
        slips=(
            Slip(
                r"takes the root of $\mathbb{E}(z^\top g)^2=\|g\|^2$ for the mean of $|z^\top g|$",
                5,
                "slope",
                values["norm"],
            ),
            Slip("adds the sizes of the entries, as if all signs agreed", 5, "slope", entries),
            Slip(r"uses $\sqrt{2/\pi}\,\|g\|$ for signs as well", 5, "slope", values["gaussian"]),
        ),
    )


def _best(values: dict) -> Part:
    slope = values["slope"]
    trace = values["trace"]
    return Part(
        question=r"""Give the mean change of the loss in a step as a function of $\sigma$. Which $\sigma$ descends
furthest, and by how much? From which $\sigma$ on does this formula predict no descent?""",
        solution=r"""The step taken has the first-order term $-\sigma|z^\top g|$, so the mean change is
$-@{slope}\,\sigma+@{price}\,\sigma^2$. This parabola is least at $\sigma^*=@{slope}/@{trace}@{=sigma}$, where the
loss falls by $@{slope}^2/(2\cdot@{trace})@{=gain}$. It is 0 again at $2\sigma^*@{=last}$.""",
        steps=(
            (2, "the formula: 1 for each term"),
            (1, r"$\sigma^*$"),
            (1, "the descent"),
            (1, r"twice $\sigma^*$"),
        ),
        answers=("sigma", "gain", "last"),
        slips=(
            Slip(r"forgets the $\tfrac12$ of the curvature term", 2, "sigma", slope / (2 * trace)),
            Slip(r"takes the last $\sigma$ that descends for the best one", 2, "sigma", 2 * slope / trace),
        ),
    )


def _blind(values: dict) -> Part:
    return Part(
        question=r"""At another point $g=(@{equal}, @{equal}, 0, \dots, 0)$, with the same $H$. In what share of the
steps are both points *equally* good? By how much does the loss change in such a step, as a multiple of $\sigma^2$?""",
        solution=r"""$z^\top g=@{equal}(z_1+z_2)$ is 0 when the two signs differ, which is half of the time. Then
both points lie $\tfrac12\sigma^2\operatorname{tr}H$ above $\theta$: the search climbs, by $@{price}\,\sigma^2$.""",
        steps=((2, "half of the steps, with the reason"), (2, "the climb: 1 for its direction, 1 for its size")),
        answers=("price",),
        slips=(
            Slip("no slope, hence no change: forgets that curvature is paid for anyway", 2, "price", 0),
            Slip(r"forgets the $\tfrac12$", 1, "price", values["trace"]),
        ),
    )
