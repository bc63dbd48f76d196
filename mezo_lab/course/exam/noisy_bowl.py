"""Notebooks 3 and 4: the descent lemma with the noise of a minibatch, and the level at which training stalls."""

import math
from fractions import Fraction
from random import Random

from mezo_lab import theory
from mezo_lab.course.exam.problem import Part, Problem, Slip

__all__ = ["noisy_bowl"]

# (d + 1)/n and n: the norm factor (d + n + 1)/n is then one more, a whole number
_SIZES = [(q, n) for q in (4, 5, 6, 7, 8, 9, 11, 14) for n in (4, 5, 6, 8, 10)]
_STATEMENT = r"""
On the bowl $L=\tfrac12\ell\|\theta\|^2$, $\theta\in\mathbb{R}^d$ with $d=@{d}$ and $\ell=@{smoothness}$, a step
$\theta^+=\theta-\eta\hat g$ has $n=@{n}$ Gaussian probes, and all of them see the *same* minibatch. The gradient of
a minibatch has the mean $g=\nabla L=\ell\theta$ and a noise whose covariance has the trace $S=@{noise}$ at every
$\theta$, independent of the probes. So $\mathbb{E}[\hat g]=g$ and $\mathbb{E}\|\hat g\|^2=f\left(\|g\|^2+S\right)$
with $f=\frac{d+n+1}{n}$.
"""


def noisy_bowl(draw: Random) -> Problem:
    """Assesses the descent lemma as an equality, the edge and the best rate, and a setting that notebook 4 leaves out:
    a minibatch, whose noise stops the descent at a level that the student derives."""
    quotient, n = draw.choice(_SIZES)
    d = quotient * n - 1
    smoothness = draw.choice([1, 2, 4, 5])
    noise = draw.choice([6, 12, 15, 30])
    slow = draw.choice([2, 3, 4])
    hundredfold = draw.choice([10, 100, 1000])
    factor = theory.norm_factor(d, n, theory.GAUSSIAN)
    lr = Fraction(1, slow * smoothness) / Fraction(factor)
    # of the excess of the mean loss over the level
    kept = theory.contraction(lr * smoothness, Fraction(factor))
    level = _level(lr, smoothness, theory.minibatch_shared(0, noise, d, Fraction(n), theory.GAUSSIAN), kept)
    fresh = _level(lr, smoothness, theory.minibatch_fresh(0, noise, d, Fraction(n), theory.GAUSSIAN), kept)
    values = {
        "d": d,
        "n": n,
        "c": d + 2,
        "smoothness": smoothness,
        "noise": noise,
        "slow": slow,
        "hundredfold": hundredfold,
        "f": factor,
        "edge": theory.largest_stable_lr(smoothness, Fraction(factor)),
        "twice": 2 * slow - 1,
        "level": level,
        "kept": kept,
        "steps": math.log(hundredfold) / -math.log(kept),
        "share": fresh / level,
        "fresh": fresh,
    }
    return Problem(
        title="A noisy bowl",
        objectives=("3.d", "4.a", "4.b", "4.c"),
        statement=_STATEMENT,
        parts=(_recursion(), _edge(values), _stall(values), _steps(values), _minibatches(values)),
        values=values,
    )


def _level(lr: Fraction, smoothness: int, noise_sq: float, kept: Fraction) -> Fraction:
    """Where L = kept·L + ½·η²·ℓ·E‖ĝ‖², the last for g = 0."""
    return lr**2 * smoothness * Fraction(noise_sq) / 2 / (1 - kept)


def _recursion() -> Part:
    return Part(
        question=r"""Show that $\mathbb{E}[L^+]=(1-2\eta\ell+\eta^2\ell^2f)\,L+\tfrac12\eta^2\ell f\,S$. Say where
you use that $\hat g$ is unbiased.""",
        solution=r"""The loss is quadratic with $H=\ell I$, so
$L^+=L-\eta\,g^\top\hat g+\tfrac12\eta^2\ell\,\|\hat g\|^2$ exactly. The mean of the second term is $-\eta\|g\|^2$
because $\hat g$ is unbiased; that of the third is $\tfrac12\eta^2\ell f(\|g\|^2+S)$. Finally
$\|g\|^2=\ell^2\|\theta\|^2=2\ell L$, so the three terms with $L$ are $L-2\eta\ell L+\eta^2\ell^2fL$, and
$\tfrac12\eta^2\ell fS$ is left.""",
        steps=(
            (2, r"Taylor's formula, exact here: 1 for each new term"),
            (
                2,
                r"both means: 1 for $\mathbb{E}[g^\top\hat g]=\|g\|^2$ with its reason, 1 for $\mathbb{E}\|\hat g\|^2$",
            ),
            (2, r"$\|g\|^2=2\ell L$"),
            (1, "the result"),
        ),
        slips=(
            Slip(r"writes $\mathbb{E}\|\hat g\|^2=\|\mathbb{E}\hat g\|^2$", 3),
            Slip(r"an inequality only, as in the general lemma: with $H=\ell I$ nothing is lost", 1),
        ),
    )


def _edge(values: dict) -> Part:
    smoothness = values["smoothness"]
    f = values["f"]
    return Part(
        question=r"""From which learning rate on does the mean loss grow without bound? Evaluate $f$ and this rate.
Does it depend on $S$?""",
        solution=r"""The factor of $L$ is 1 at $\eta=\frac{2}{\ell f}$. Here $f=\frac{@{d}+@{n}+1}{@{n}}@{=f}$, and
the rate is $\frac{2}{@{smoothness}\cdot@{f}}@{=edge}$. Beyond it the factor is above 1. The noise $S$ only adds a
constant in every step, so it does not move the edge.""",
        steps=((2, r"$2/(\ell f)$"), (1, "both numbers"), (1, "no, with the reason")),
        answers=("f", "edge"),
        slips=(
            Slip("SGD's edge, without $f$", 2, "edge", Fraction(2, smoothness)),
            Slip(
                r"a tax of $\sqrt f$, as if the length entered and not its square",
                2,
                "edge",
                2 / (smoothness * float(f) ** 0.5),
            ),
            Slip(
                "the best rate, at which a step gains most without noise",
                2,
                "edge",
                1 / Fraction(smoothness) / Fraction(f),
            ),
        ),
    )


def _stall(values: dict) -> Part:
    slow = values["slow"]
    smoothness = values["smoothness"]
    noise = values["noise"]
    return Part(
        question=r"""Training runs at $\eta=\frac{1}{@{slow}\,\ell f}$. To which level does the mean loss tend?
Express it in $S$ and $\ell$ and evaluate it. Would it be another one in twice as many dimensions, with $\eta$ set
by the same rule?""",
        solution=r"""At the level $L_\infty$ a step changes nothing:
$(2\eta\ell-\eta^2\ell^2f)\,L_\infty=\tfrac12\eta^2\ell fS$, so $L_\infty=\frac{\eta fS}{2(2-\eta\ell f)}$. With
$\eta f=\frac{1}{@{slow}\ell}$ this is
$\frac{S}{2\ell\,(2\cdot@{slow}-1)}=\frac{@{noise}}{2\cdot@{smoothness}\cdot@{twice}}@{=level}$. There is no $d$ in
it: in more dimensions the rate is smaller and the way there longer, but the level is the same.""",
        steps=(
            (2, "the equation of the fixed point"),
            (2, "its solution in $S$ and $\\ell$"),
            (1, "the number"),
            (1, "the same level, read off the formula"),
        ),
        answers=("level",),
        slips=(
            Slip(
                r"leaves $\eta^2\ell^2f$ out of the factor of $L$", 2, "level", Fraction(noise, 4 * slow * smoothness)
            ),
            Slip("forgets $f$ in the noise of the step", 2, "level", values["level"] / Fraction(values["f"])),
        ),
    )


def _steps(values: dict) -> Part:
    return Part(
        question=r"""After about how many steps has the excess of the mean loss over this level fallen by a factor of
$@{hundredfold}$?""",
        solution=r"""Subtract the equation of the level from that of the step: the excess is multiplied by
$\rho=1-2\eta\ell+\eta^2\ell^2f=1-\frac{2\cdot@{slow}-1}{@{slow}^2f}@{=kept:5}$ in each step. So it takes
$\frac{\log@{hundredfold}}{-\log\rho}@{=steps}$ steps.""",
        steps=(
            (2, r"$\rho$: 1 for seeing that the excess is multiplied by the same factor"),
            (2, "the number of steps, rounded up or not"),
        ),
        answers=("kept", "steps"),
        slips=(
            Slip("takes the number of steps at the best rate", 1, "steps", _at_best(values)),
            Slip("uses base-ten logarithms on one side only", 1),
        ),
    )


def _at_best(values: dict) -> float:
    """Steps for the same gain where the factor is 1 − 1/f."""
    return math.log(values["hundredfold"]) / -math.log(theory.contraction(1 / values["f"], values["f"]))


def _minibatches(values: dict) -> Part:
    level = values["level"]
    return Part(
        question=r"""Now each of the $n$ probes draws a minibatch of its own, of the same size. Derive
$\mathbb{E}\|\hat g\|^2$ at $g=0$ from $\mathbb{E}[\|z\|^2zz^\top]=(d+2)\,I$. To which level does the mean loss tend
at the same $\eta$?""",
        solution=r"""At $g=0$ the gradient that probe $k$ sees is its noise $\xi_k$ alone, and
$\hat g=\frac1n\sum_kz_kz_k^\top\xi_k$. Terms with $k\ne j$ meet two independent noises of mean 0 and vanish; each
of the $n$ others is $\mathbb{E}[\xi^\top\|z\|^2zz^\top\xi]=(d+2)S$. So $\mathbb{E}\|\hat g\|^2=\frac{d+2}{n}S$ in
place of $\frac{d+n+1}{n}S$. The factor of $L$ does not change, so the level is multiplied by
$\frac{@{c}}{@{d}+@{n}+1}@{=share}$ and becomes $@{fresh}$.""",
        steps=(
            (2, r"mixed terms vanish (1), the others give $(d+2)S/n$ (1)"),
            (1, "the ratio"),
            (1, "the level"),
        ),
        answers=("share", "fresh"),
        slips=(
            Slip("divides the level by $n$, as if noise were all that a probe adds", 2, "fresh", level / values["n"]),
            Slip("no change: the same number of examples for each probe", 3, "fresh", level),
        ),
    )
