"""Notebook 10: the record of a model's curvature, to be read and turned into a learning rate."""

import math
from fractions import Fraction
from random import Random

from mezo_lab import theory
from mezo_lab.course.exam.problem import Part, Problem, Slip

__all__ = ["record_of_curvature"]

_STATEMENT = r"""
A language model with $d=@{millions}$ million parameters was examined at its pretrained $\theta$, on one batch of
reviews, with Gaussian probes and an $\varepsilon$ at which rounding and higher derivatives do not matter. A *second
difference* is $[L(\theta+\varepsilon z)-2L(\theta)+L(\theta-\varepsilon z)]/\varepsilon^2=z^\top Hz$. The record
says:

| quantity | value |
|---|---|
| mean of $pg^2$ over $@{probes}$ probes | $@{grad_sq}$ |
| mean of the second differences over $@{directions}$ directions | $@{trace}$ |
| standard deviation of these $@{directions}$ numbers | $@{scatter}$ |
| largest eigenvalue $\lambda$ of $H$, by Lanczos' iteration; its error is negligible | $@{curvature}$ |

MeZO with one Gaussian probe was then run at $\tfrac14$, $\tfrac12$, 1 and 2 times the safe rate of part (c). The
loss grew tenfold at @{grew}, and at no smaller rate.
"""


def record_of_curvature(draw: Random) -> Problem:
    """Assesses the reading of a measured slope and curvature with their errors, the prediction of a learning rate, and
    what a run that contradicts the prediction says."""
    rank = draw.choice([6, 8, 9, 12, 14, 16, 18])
    curvature = draw.choice([200, 250, 400, 500, 800])
    trace = rank * curvature
    directions = draw.choice([100, 400, 900, 1600])
    scatter = round(math.sqrt(draw.choice([0.8, 1.0, 1.2]) * rank) * curvature, -1)  # of zᵀHz, √(2·tr H²)
    probes = draw.choice([50, 200, 800])
    percent = draw.choice([2, 4, 5])
    dim = draw.choice([125, 135, 360, 500])
    half, label = draw.choice([(0.25, "half of the safe rate and above"), (0.5, "the safe rate and above")])
    gamma = theory.effective_rank_factor(Fraction(rank), 1, theory.GAUSSIAN)
    values = {
        "millions": dim,
        "probes": probes,
        "grad_sq": draw.choice([64, 81, 100, 144, 225]),
        "directions": directions,
        "trace": trace,
        "scatter": scatter,
        "curvature": curvature,
        "grew": label,
        "relative": 100 * math.sqrt(2 / probes),
        "percent": percent,
        "needed": 2 / Fraction(percent, 100) ** 2,
        "trace_error": scatter / math.sqrt(directions),
        "trace_sq": scatter**2 / 2,
        "rank": rank,
        "rank_error": scatter / math.sqrt(directions) / curvature,
        "safe": theory.largest_stable_step(Fraction(trace), curvature, 1, theory.GAUSSIAN),
        "sgd": theory.largest_stable_lr(Fraction(curvature), 1),
        "taxed": theory.largest_stable_lr(curvature, theory.norm_factor(dim * 10**6, 1, theory.GAUSSIAN)),
        "gamma": gamma,
    }
    values["safe_error"] = 100 * values["trace_error"] / (trace + 2 * curvature)
    values["times"] = float(values["safe"]) / values["taxed"]
    values["low"] = half * float(values["safe"])
    values["high"] = 2 * half * float(values["safe"])
    return Problem(
        title="A record of curvature",
        objectives=("10.b", "10.c"),
        statement=_STATEMENT,
        parts=(_slope(values), _trace(values), _rate(values), _run()),
        values=values,
    )


def _slope(values: dict) -> Part:
    return Part(
        question=r"""What does the first row estimate? What is its relative standard error, in per cent, and how
many probes would bring it to $@{percent}$ per cent?""",
        solution=r"""$pg=z^\top g\sim N(0, \|g\|^2)$, so the mean of $pg^2$ estimates $\|g\|^2$. The square of a
standard normal number has the variance 2, so after $N$ probes the relative standard error is $\sqrt{2/N}$: here
$@{relative}$ per cent. For $\delta$ it takes $N=2/\delta^2@{=needed}$ probes.""",
        steps=((1, r"$\|g\|^2$"), (2, r"$\sqrt{2/N}$ and its value"), (2, r"$2/\delta^2$ and its value")),
        answers=("relative", "needed"),
        slips=(
            Slip("takes 1 for the variance of a squared normal number", 1, "needed", values["needed"] / 2),
            Slip(
                "one over the root of the number of probes, without the 2", 1, "relative", values["relative"] / 2**0.5
            ),
        ),
    )


def _trace(values: dict) -> Part:
    return Part(
        question=r"""Show that $\operatorname{Var}[z^\top Hz]=2\operatorname{tr}H^2$. Give $\operatorname{tr}H$ and
the effective rank $r=\operatorname{tr}H/\lambda$ with their standard errors, and an estimate of
$\operatorname{tr}H^2$.""",
        solution=r"""In the eigenbasis $z^\top Hz=\sum_i\lambda_iz_i^2$ with independent $z_i^2$ of variance 2, so
its variance is $2\sum_i\lambda_i^2$. The standard error of the trace is
$@{scatter}/\sqrt{@{directions}}@{=trace_error}$, so $\operatorname{tr}H=@{trace}\pm@{trace_error}$, and
$r=@{rank}\pm@{rank_error}$ after division by $\lambda$. The scatter itself gives
$\operatorname{tr}H^2\approx@{scatter}^2/2@{=trace_sq}$.""",
        steps=(
            (2, "the variance"),
            (1, "the standard error of the trace"),
            (1, "$r$ and its error"),
            (1, r"$\operatorname{tr}H^2$"),
        ),
        answers=("trace_error", "rank", "rank_error", "trace_sq"),
        slips=(
            Slip(
                "takes the scatter of single directions for the error of the mean", 1, "trace_error", values["scatter"]
            ),
            Slip("forgets the 2 in the variance", 1, "trace_sq", values["scatter"] ** 2),
        ),
    )


def _rate(values: dict) -> Part:
    curvature = values["curvature"]
    trace = values["trace"]
    return Part(
        question=r"""For one Gaussian probe the rate $\frac{2}{\operatorname{tr}H+2\lambda}$ is safe on a quadratic
with $H\succeq0$. Evaluate it and its relative standard error in per cent. What is the largest stable rate of SGD
with exact gradients, and which rate does the dimension tax predict, for which $d+2$ takes the place of $r+2$?""",
        solution=r"""$\frac{2}{@{trace}+2\cdot@{curvature}}@{=safe}$. Only the trace is uncertain, and the relative
error of a reciprocal is that of its denominator: $\frac{@{trace_error}}{@{trace}+2\cdot@{curvature}}$, or
$@{safe_error:2}$ per cent. SGD: $2/\lambda@{=sgd}$. The tax: $\frac{2}{\lambda(d+2)}@{=taxed}$.""",
        steps=((2, "the safe rate"), (1, "its error"), (1, "SGD"), (1, "the tax")),
        answers=("safe", "safe_error", "sgd", "taxed"),
        slips=(
            Slip(r"leaves out $2\lambda$", 1, "safe", Fraction(2, trace)),
            Slip(r"the best rate, half of it", 1, "safe", Fraction(1, trace + 2 * curvature)),
        ),
    )


def _run() -> Part:
    return Part(
        question=r"""Between which two rates did the runs begin to diverge? Which of the three predictions of part
(c) has the right order of magnitude? The safe rate was not safe: name two assumptions of the theorem that may fail
here. Why does $r$ no longer measure how many directions curve if $H$ has negative eigenvalues?""",
        solution=r"""Between $@{low}$ and $@{high}$. The safe rate is of this order. SGD's is larger by a factor of
about $\gamma=r+2=@{gamma}$, and the tax allows $@{times:2}$ times less. The theorem is about a quadratic, so it
assumes that $H$ does not change, but a run leaves the first $\theta$ and may meet larger curvature; and it assumes
$H\succeq0$, while along a negative eigenvalue no rate is stable. With negative eigenvalues the trace is a sum in
which terms cancel: $r$ can be small, or below 0, where many directions curve.""",
        steps=(
            (1, "the two rates"),
            (1, "the effective rank's prediction, with the others orders of magnitude away"),
            (2, "two of: a quadratic, an $H$ that stays, no negative eigenvalue, one batch"),
            (1, "cancellation in the trace"),
        ),
        answers=("low", "high"),
        slips=(Slip("concludes that the theorem is refuted", 2),),
    )
