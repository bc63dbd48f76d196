"""Notebook 6: the best ε of a one-sided difference, in a given precision."""

import math
from fractions import Fraction
from random import Random

from mezo_lab.course.exam.problem import Part, Problem, Slip

__all__ = ["difference_of_one_side"]

_MANTISSA = {"float32": 23, "float16": 10, "bfloat16": 7}
_LOSSES = [Fraction(n, 10) for n in (11, 13, 17, 23, 27, 31, 46, 52, 67, 92, 117)]
_CONSTANT = 1000  # plus any of these losses it is still below 1024
_STATEMENT = r"""
To save a forward pass, somebody estimates the slope along a probe from one side:
$pg_1=[L(\theta+\varepsilon z)-L(\theta)]/\varepsilon$. The loss, about $@{loss}$, is stored in @{dtype}, whose
mantissa has $@{bits}$ bits: the distance from 1 to the next number is $2^{-@{bits}}$, and the distance $u$ between
neighbours near $L$ is $2^{\lfloor\log_2L\rfloor}$ times that. Rounding to the nearest number makes an error that is
uniform in $\pm\tfrac12u$ and has the variance $u^2/12$; the errors of two losses are independent. Let
$C=@{curvature}$ be the root mean square of $\tfrac12z^\top Hz$.
"""


def difference_of_one_side(draw: Random) -> Problem:
    """Assesses rounding against truncation for a difference that notebook 6 does not treat: its error, its best ε, and
    what the second side buys."""
    dtype = draw.choice(sorted(_MANTISSA))
    bits = _MANTISSA[dtype]
    loss = draw.choice(_LOSSES)
    octave = math.floor(math.log2(loss))
    unit = 2.0 ** (octave - bits)
    curvature = draw.choice([5, 10, 20, 40])
    third = draw.choice([2, 5, 8, 10])
    best = (unit / (math.sqrt(6) * curvature)) ** 0.5
    least = _error(best, unit, curvature)
    two_sided = _two_sided_best(unit, third)
    values = {
        "dtype": dtype,
        "bits": bits,
        "loss": loss,
        "octave": octave,
        "lost_bits": bits - octave,
        "unit": unit,
        "paper": draw.choice([0.001, 0.002, 0.01]),
        "curvature": curvature,
        "third": third,
        "best": best,
        "least": least,
        "two_sided_best": two_sided,
        "two_sided_least": _two_sided_error(two_sided, unit, third),
        "constant": _CONSTANT,
        "large_octave": math.floor(math.log2(_CONSTANT + loss)),
    }
    values["grid"] = unit / (2 * values["paper"])
    values["gain"] = least / values["two_sided_least"]
    values["octaves"] = values["large_octave"] - octave
    values["growth"] = 2.0 ** (values["octaves"] / 2)
    return Problem(
        title="One side, and finite precision",
        objectives=("6.b",),
        statement=_STATEMENT,
        parts=(_grid(values), _rms(), _minimum(values), _second_side(values), _offset(values)),
        values=values,
    )


def _error(epsilon: float, unit: float, curvature: float) -> float:
    """The rms error of the one-sided slope: two roundings, and the curvature that does not cancel."""
    return math.hypot(unit / (math.sqrt(6) * epsilon), curvature * epsilon)


def _two_sided_best(unit: float, third: float) -> float:
    """Claim C7: (ulp/(4√3·T))^⅓."""
    return (unit / (4 * math.sqrt(3) * third)) ** (1 / 3)


def _two_sided_error(epsilon: float, unit: float, third: float) -> float:
    """Claim C7."""
    return math.hypot(unit / (2 * epsilon) * math.sqrt(2 / 12), third * epsilon**2)


def _grid(values: dict) -> Part:
    return Part(
        question=r"""Compute $u$. The ordinary, two-sided
$pg=[L(\theta+\varepsilon z)-L(\theta-\varepsilon z)]/(2\varepsilon)$ can only take values on a grid: how far apart
are they at $\varepsilon=@{paper}$?""",
        solution=r"""$\lfloor\log_2@{loss}\rfloor=@{octave}$, so
$u=2^{@{octave}-@{bits}}=2^{-@{lost_bits}}@{=unit}$. The difference of the two losses is a multiple of $u$, so $pg$
comes in steps of $\frac{u}{2\varepsilon}@{=grid}$.""",
        steps=((2, "$u$: 1 for the power of two at the loss, 1 for the number"), (2, r"$u/(2\varepsilon)$")),
        answers=("unit", "grid"),
        slips=(
            Slip(
                r"takes $L\cdot2^{-@{bits}}$: the spacing is the same between two powers of two",
                1,
                "unit",
                _relative(values),
            ),
            Slip(r"divides by $\varepsilon$", 1, "grid", 2 * values["grid"]),
        ),
    )


def _relative(values: dict) -> float:
    """The loss times the spacing at 1."""
    return float(values["loss"]) * 2.0 ** -values["bits"]


def _rms() -> Part:
    return Part(
        question=r"""Show that, to leading order in $\varepsilon$ and for losses that differ by several $u$, the
root mean square of $pg_1-z^\top g$ is $e(\varepsilon)=\sqrt{\frac{u^2}{6\varepsilon^2}+C^2\varepsilon^2}$. Why is
there no such term with $C$ for the two-sided difference?""",
        solution=r"""By Taylor,
$[L(\theta+\varepsilon z)-L(\theta)]/\varepsilon=z^\top g+\tfrac12\varepsilon\,z^\top Hz+O(\varepsilon^2)$: the
first error has the root mean square $C\varepsilon$. Each of the two losses is rounded, with the variance $u^2/12$;
the errors are independent, so their difference has $u^2/6$, and divided by $\varepsilon$ it has
$u^2/(6\varepsilon^2)$. Rounding is uncorrelated with the curvature along $z$ and has mean 0, so the mean squares
add. On two sides $\tfrac12\varepsilon^2z^\top Hz$ is the same at $\theta\pm\varepsilon z$ and cancels.""",
        steps=(
            (2, "Taylor's formula, with the term in $H$"),
            (3, r"rounding: 1 for two losses, 1 for the sum of variances, 1 for the division by $\varepsilon$"),
            (2, "the squares add, with a reason"),
            (1, "even terms cancel"),
        ),
        slips=(
            Slip("one rounding in place of two", 1),
            Slip("adds the errors and not their squares", 2),
        ),
    )


def _minimum(values: dict) -> Part:
    unit = values["unit"]
    curvature = values["curvature"]
    return Part(
        question=r"""At which $\varepsilon$ is this error least, and how large is it there?""",
        solution=r"""The product of the two terms under the root, $\frac{u^2C^2}{6}$, does not depend on
$\varepsilon$, so their sum is least where they are equal: $\varepsilon^4=\frac{u^2}{6C^2}$, and
$\varepsilon^*=\sqrt{\frac{u}{\sqrt6\,C}}@{=best}$. There $e=\sqrt2\,C\varepsilon^*@{=least}$.""",
        steps=(
            (3, r"$\varepsilon^*$ as a formula: 2 for an equation such as $e'=0$, 1 for its solution"),
            (1, "its value"),
            (2, "the least error: 1 for the formula, 1 for the value"),
        ),
        answers=("best", "least"),
        slips=(
            Slip("the cube root of the two-sided case with $C$ in it", 4, "best", _two_sided_best(unit, curvature)),
            Slip("one rounding in place of two", 1, "best", (unit / (math.sqrt(12) * curvature)) ** 0.5),
            Slip(r"one of the two terms only, without the factor $\sqrt2$", 1, "least", curvature * values["best"]),
        ),
    )


def _second_side(values: dict) -> Part:
    return Part(
        question=r"""The two-sided difference has the error $\sqrt{\frac{u^2}{24\varepsilon^2}+T^2\varepsilon^4}$,
where $T=@{third}$ is the root mean square of $\tfrac16\nabla^3L[z,z,z]$, and it is least at
$\left(\frac{u}{4\sqrt3\,T}\right)^{1/3}$. Evaluate this $\varepsilon$ and the least error. What does the second
side buy? How many passes does a step with $n$ probes at one $\theta$ take in each of the two ways?""",
        solution=r"""$\varepsilon@{=two_sided_best}$. There $\frac{u^2}{24\varepsilon^2}=2T^2\varepsilon^4$, so the
error is $\sqrt3\,T\varepsilon^2@{=two_sided_least}$ (or both terms evaluated). This is $@{gain:2}$ times less than
with one side, at a larger $\varepsilon$. Two sides take $2n$ passes; one side takes $n+1$, as all probes
share $L(\theta)$.""",
        steps=(
            (1, r"$\varepsilon$"),
            (2, "the error: 1 for both terms, 1 for the number"),
            (1, "the ratio"),
            (1, "the passes: $2n$ and $n+1$"),
        ),
        answers=("two_sided_best", "two_sided_least", "gain"),
        slips=(Slip("truncation alone, without the rounding", 1, "two_sided_least", _truncation(values)),),
    )


def _truncation(values: dict) -> float:
    return values["third"] * values["two_sided_best"] ** 2


def _offset(values: dict) -> Part:
    return Part(
        question=r"""A constant of $@{constant}$ is added to the loss. By which factor does $\varepsilon^*$ of part
(c) change?""",
        solution=r"""The gradient and $C$ stay, but $\lfloor\log_2L\rfloor$ rises from $@{octave}$ to
$@{large_octave}$, so $u$ grows by $2^{@{octaves}}$ and $\varepsilon^*$, which is proportional to $\sqrt u$, by
$2^{@{octaves}/2}@{=growth}$.""",
        steps=((1, "the growth of $u$"), (1, "its root")),
        answers=("growth",),
        slips=(
            Slip("the cube root, as for two sides", 1, "growth", 2.0 ** (values["octaves"] / 3)),
            Slip("no change, as the gradient does not change", 2, "growth", 1),
        ),
    )
