"""Notebook 7: three sentences of a report, each with a slip that a special case or a second moment reveals."""

import math
from fractions import Fraction
from random import Random

from mezo_lab import theory
from mezo_lab.course.exam.problem import Part, Problem, Slip

__all__ = ["three_printed_sentences"]

_STATEMENT = r"""
A report on training with Gaussian probes contains the three sentences below. Each of them is wrong, or draws a
wrong conclusion. Take the loss as linear, so that $L(\theta+\varepsilon z)=L(\theta)+\varepsilon z^\top g$ exactly.
You may use $\mathbb{E}[z_iz_jz_kz_l]=\delta_{ij}\delta_{kl}+\delta_{ik}\delta_{jl}+\delta_{il}\delta_{jk}$ and
$\int_0^\infty x\,e^{-x^2/2}\,dx=1$.
"""


def three_printed_sentences(draw: Random) -> Problem:
    """Assesses the tests of a printed formula: special cases, the mean, and the second moment. The first sentence, a
    baseline that contains its own loss, is in no notebook."""
    n = draw.choice([4, 5, 8, 10, 16, 20, 25])
    mean = Fraction(draw.choice([12, 24, 36, 48, 60, 84]), 10)
    probes = draw.choice([200, 450, 800, 1250, 5000])
    a = draw.choice([4, 5, 6, 8, 10, 12])
    b = draw.choice([1, 2])
    grad_sq = draw.choice([2, 3, 4]) * a**2
    values = {
        "n": n,
        "share": theory.own_mean_share(Fraction(n)),
        "mend": 1 / theory.own_mean_share(Fraction(n)),
        "short": Fraction(100, n),
        "mean": mean,
        "probes": probes,
        "root": theory.probe_magnitude(1.0),
        "norm": float(mean) / theory.probe_magnitude(1.0),
        "relative": 100 / math.sqrt(2 * probes),
        "a": a,
        "b": b,
        "grad_sq": grad_sq,
        "of_a": _adam(a, grad_sq),
        "of_b": _adam(b, grad_sq),
        "exact": Fraction(a, b),
    }
    values["seen"] = math.sqrt(values["of_a"] / values["of_b"])
    return Problem(
        title="Three printed sentences",
        objectives=("1.b", "7.a", "7.c"),
        statement=_STATEMENT,
        parts=(_baseline(values), _length(values), _second_moments(values)),
        values=values,
    )


def _adam(entry: int, grad_sq: int) -> float:
    """E[ĝ_i²] for one Gaussian probe: A3 at W = e_i·e_iᵀ."""
    return theory.second_moment(entry**2, grad_sq, entry**2, probes=1, moments=theory.GAUSSIAN)


def _baseline(values: dict) -> Part:
    return Part(
        question=r"""“To save passes we evaluate $L_k=L(\theta+\varepsilon z_k)$ for $k=1,\dots,n$ only, and
subtract their mean $\bar L$: the estimate $\hat g=\frac{1}{n\varepsilon}\sum_k(L_k-\bar L)\,z_k$ is unbiased.” Test
this at $n=1$. Then compute $\mathbb{E}[\hat g]$ for every $n$, and mend the estimate by a factor. What is this
factor at $n=@{n}$, and by how many per cent is the mean of the printed estimate too short there?""",
        solution=r"""At $n=1$, $\bar L=L_1$ and $\hat g=0$, whatever $g$ is: it cannot be unbiased. In general
$L_k-\bar L=\varepsilon\,(z_k-\bar z)^\top g$ with $\bar z=\frac1n\sum_jz_j$, so
$\hat g=\frac1n\sum_kz_k(z_k-\bar z)^\top g$. Now $\mathbb{E}[z_kz_k^\top]=I$; in
$\mathbb{E}[z_k\bar z^\top]=\frac1n\sum_j\mathbb{E}[z_kz_j^\top]$ only $j=k$ is left, $\frac1nI$. So
$\mathbb{E}[\hat g]=\frac{n-1}{n}\,g$: each loss is part of what is subtracted from it. At $n=@{n}$ the mean is
$@{share}\,g$. The factor $\frac{n}{n-1}$ mends it, $@{mend}$; without it the mean is too short by $@{short}$ per
cent. (To subtract the mean of the *other* losses does the same.)""",
        steps=(
            (2, "$n=1$ gives 0, hence not unbiased"),
            (1, r"the difference as $\varepsilon(z_k-\bar z)^\top g$, with $L(\theta)$ gone"),
            (2, r"the two means: 1 for each"),
            (1, r"$\mathbb{E}[\hat g]=\frac{n-1}{n}g$"),
            (2, "the factor: 1 for the formula, 1 for the number"),
            (1, "the per cent"),
        ),
        answers=("mend", "short"),
        slips=(
            Slip(r"treats $\bar L$ as a constant, and finds no bias", 5, "mend", 1),
            Slip("the factor upside down", 1, "mend", values["share"]),
        ),
    )


def _length(values: dict) -> Part:
    return Part(
        question=r"""“Over $@{probes}$ probes the mean of $|pg|$ was $@{mean}$. Since $\mathbb{E}[pg^2]=\|g\|^2$,
the gradient has the length $@{mean}$.” Derive $\mathbb{E}\,|z^\top g|$ and give the right estimate of $\|g\|$. Had
they used the root of the mean of $pg^2$: what is its relative standard error after so many probes, in per cent?""",
        solution=r"""$z^\top g=\|g\|\,x$ with $x\sim N(0,1)$, and
$\mathbb{E}|x|=2\int_0^\infty x\,\frac{e^{-x^2/2}}{\sqrt{2\pi}}\,dx=\sqrt{2/\pi}\approx@{root}$. So the mean of
$|pg|$ estimates $@{root}\,\|g\|$, and $\|g\|\approx@{mean}/@{root}@{=norm}$. The square $x^2$ has the mean 1 and
the variance $3-1=2$, so the mean of $pg^2$ has the relative standard error $\sqrt{2/N}$; its root has half of that,
$\frac{1}{\sqrt{2N}}$, which is $@{relative}$ per cent.""",
        steps=(
            (3, r"$\mathbb{E}|z^\top g|$: 1 for $\|g\|x$, 2 for the integral"),
            (2, "the length: 1 for dividing, 1 for the number"),
            (2, r"$\sqrt{2/N}$ for the square (1), half of it for the root (1)"),
        ),
        answers=("norm", "relative"),
        slips=(
            Slip(r"multiplies by $\sqrt{2/\pi}$", 1, "norm", float(values["mean"]) * values["root"]),
            Slip("keeps the printed length", 2, "norm", values["mean"]),
            Slip(r"takes the error of $\|g\|^2$ for that of $\|g\|$", 1, "relative", 2 * values["relative"]),
        ),
    )


def _second_moments(values: dict) -> Part:
    a = values["a"]
    b = values["b"]
    grad_sq = values["grad_sq"]
    return Part(
        question=r"""“With one probe $\mathbb{E}\|\hat g\|^2=(d+2)\|g\|^2$, so
$\mathbb{E}[\hat g_i^2]=(d+2)\,g_i^2$, and Adam, which divides by its root, rescales the coordinates as it does with
exact gradients.” Name a test that the second formula passes, and one that it fails. Derive $\mathbb{E}[\hat g_i^2]$.
Two coordinates have $g_1=@{a}$ and $g_2=@{b}$, and $\|g\|^2=@{grad_sq}$: how many times larger is the root of the
first one's second moment? How many times with exact gradients?""",
        solution=r"""Summed over $i$ the formula gives the right $(d+2)\|g\|^2$, so the sum does not refute it. A
coordinate with $g_i=0$ does: there $\hat g_i=z_i\,z^\top g$ is not 0. Indeed
$\mathbb{E}[\hat g_i^2]=\sum_{jk}g_jg_k\,\mathbb{E}[z_iz_iz_jz_k]$; the pairing of the two $z_i$ gives $\|g\|^2$,
and the two others give $g_i^2$ each: $\mathbb{E}[\hat g_i^2]=\|g\|^2+2g_i^2$, which also sums to $(d+2)\|g\|^2$.
Here $@{grad_sq}+2\cdot@{a}^2=@{of_a}$ and $@{grad_sq}+2\cdot@{b}^2=@{of_b}$, and the root of their ratio is
$@{seen}$. With exact gradients it is $@{a}/@{b}=@{exact}$: Adam sees little of the difference.""",
        steps=(
            (1, "the sum over $i$ is right, or the case $d=1$"),
            (2, "a case in which it fails, such as $g_i=0$, with the reason"),
            (4, "the derivation: 1 for the double sum, 2 for the pairings, 1 for the result"),
            (2, "the two ratios"),
        ),
        answers=("seen", "exact"),
        slips=(
            Slip("believes the printed formula", 7, "seen", values["exact"]),
            Slip("counts one of the two mixed pairings", 1, "seen", math.sqrt((grad_sq + a**2) / (grad_sq + b**2))),
            Slip("forgets that Adam divides by the root", 1, "seen", values["of_a"] / values["of_b"]),
        ),
    )
