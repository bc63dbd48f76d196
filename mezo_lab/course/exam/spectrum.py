"""Notebook 5: effective rank, the edge of a spectrum with two groups, and how many probes pay."""

import math
from fractions import Fraction
from random import Random

import numpy

from mezo_lab import theory
from mezo_lab.course.exam.problem import Part, Problem, Slip

__all__ = ["two_groups_of_curvature"]

_STATEMENT = r"""
A quadratic loss in $d=10^{@{power}}$ dimensions has a Hessian $H$ with $@{strong}$ eigenvalues
$\lambda=@{curvature}$, $@{weak}$ eigenvalues $\lambda/@{ratio}$, and all others 0. An estimate with $n$ Gaussian
probes has $\mathbb{E}[\hat g\hat g^\top]=\frac{n+1}{n}\,gg^\top+\frac1n\|g\|^2I$.
"""


def two_groups_of_curvature(draw: Random) -> Problem:
    """Assesses the derivation of γ as a bound, the effective rank, the exact edge of a spectrum, which lies above the
    safe rate, and the choice of the number of probes."""
    # with k − 1 strong and qk − 1 weak directions each group carries half of ‖g‖² at the edge, ηλ = 1/k
    k = draw.choice([4, 5, 6, 7, 8, 9])
    ratio = draw.choice([2, 3, 4, 5])
    curvature = draw.choice([10, 20, 40, 50])
    power = draw.choice([6, 7, 8, 9])
    strong = k - 1
    weak = ratio * k - 1
    rank = Fraction(strong) + Fraction(weak, ratio)
    gamma = theory.effective_rank_factor(rank, 1, theory.GAUSSIAN)
    flat = draw.choice([9, 19, 24, 39])
    probes = draw.choice([4, 5, 8, 10])
    pairs = probes * draw.choice([10, 15, 20])
    spectrum = numpy.array([curvature] * strong + [curvature / ratio] * weak)
    values = {
        "power": power,
        "strong": strong,
        "weak": weak,
        "curvature": curvature,
        "ratio": ratio,
        "trace": rank * curvature,
        "rank": rank,
        "gamma": gamma,
        "safe": theory.largest_stable_lr(curvature, gamma),
        "taxed": theory.largest_stable_lr(curvature, theory.norm_factor(10**power, 1, theory.GAUSSIAN)),
        "edge": theory.stability_limit(spectrum, 1, theory.GAUSSIAN),
        "k": k,
        "wide": ratio * k,
        "flat": flat,
        "probes": probes,
        "pairs": pairs,
        "steps": pairs // probes,
        "one": 1 - 1 / Fraction(theory.effective_rank_factor(flat, 1, theory.GAUSSIAN)),
        "many": 1 - 1 / Fraction(theory.effective_rank_factor(flat, probes, theory.GAUSSIAN)),
        "left_by_one": math.exp(-pairs * theory.progress_per_pair(flat, 1)),
        "left_by_many": math.exp(-pairs * theory.progress_per_pair(flat, probes)),
    }
    values["margin"] = 100 * (values["edge"] / float(values["safe"]) - 1)
    return Problem(
        title="Two groups of curvature",
        objectives=("5.a", "5.d", "5.e"),
        statement=_STATEMENT,
        parts=(_bound(), _rank(values), _edge(values), _probes(values)),
        values=values,
    )


def _bound() -> Part:
    return Part(
        question=r"""Show that
$\mathbb{E}[\hat g^\top H\hat g]=\frac{n+1}{n}\,g^\top Hg+\frac1n\operatorname{tr}(H)\,\|g\|^2$. Deduce that it is
at most $\|H\|\,\gamma\,\|g\|^2$ with $\gamma=\frac{r+n+1}{n}$ and $r=\operatorname{tr}H/\|H\|$. When are the two
equal?""",
        solution=r"""$\hat g^\top H\hat g=\operatorname{tr}(H\hat g\hat g^\top)$, and the trace may be taken after
the mean: $\operatorname{tr}\left(H\left[\frac{n+1}{n}gg^\top+\frac1n\|g\|^2I\right]\right)$, which is the claim.
Now $g^\top Hg\le\|H\|\,\|g\|^2$ and $\operatorname{tr}H=r\|H\|$, and the sum is
$\|H\|\left(\frac{n+1}{n}+\frac rn\right)\|g\|^2$. They are equal when $g$ lies among the eigenvectors of the
largest eigenvalue, and so for every $g=H\theta$ if all curved directions curve alike.""",
        steps=(
            (2, "the trace, and its mean"),
            (1, "the two terms"),
            (2, r"$g^\top Hg\le\|H\|\,\|g\|^2$ and $\operatorname{tr}H=r\|H\|$"),
            (1, "equality"),
        ),
        slips=(Slip(r"replaces $\operatorname{tr}H$ by $d\,\|H\|$", 2),),
    )


def _rank(values: dict) -> Part:
    curvature = values["curvature"]
    counted = theory.largest_stable_lr(curvature, values["strong"] + values["weak"] + 2)
    return Part(
        question=r"""Compute $r$ and, for one probe, $\gamma$ and the rate $2/(\|H\|\gamma)$, which is safe by part
(a). Compare it with $2/(\|H\|(d+2))$, the rate that the dimension tax would allow.""",
        solution=r"""$\operatorname{tr}H=@{strong}\cdot@{curvature}+@{weak}\cdot@{curvature}/@{ratio}@{=trace}$, so
$r@{=rank}$ and $\gamma=r+2@{=gamma}$. The safe rate is $\frac{2}{@{curvature}\,\gamma}@{=safe}$; the tax would
allow $@{taxed}$, smaller by a factor of the order of $d/r$.""",
        steps=((1, "$r$"), (1, r"$\gamma=r+2$"), (1, "the safe rate"), (1, "the other one, and the comparison")),
        answers=("rank", "gamma", "safe", "taxed"),
        slips=(
            Slip("counts the curved directions in place of weighing them", 2, "safe", counted),
            Slip(r"the best rate $1/(\|H\|\gamma)$ in place of the last safe one", 1, "safe", values["safe"] / 2),
        ),
    )


def _edge(values: dict) -> Part:
    return Part(
        question=r"""Let $g_i$ be the component of $g$ along the eigenvector of $\lambda_i$. For one probe, use
$\mathbb{E}[\hat g_i^2]=2g_i^2+\|g\|^2$ to write down $\mathbb{E}[(g_i^+)^2]$ after a step, and show that nothing
changes on average if $g_i^2/\|g\|^2=\frac{\eta\lambda_i}{2-2\eta\lambda_i}$. These shares sum to 1 at exactly one
$\eta$, the edge of stability. *Hint:* for this $H$ each of the two groups then has half of $\|g\|^2$. Find the edge
and check both groups. By how many per cent does it lie above the safe rate?""",
        solution=r"""$g_i^+=g_i-\eta\lambda_i\hat g_i$, so
$\mathbb{E}[(g_i^+)^2]=g_i^2-2\eta\lambda_ig_i^2+\eta^2\lambda_i^2(2g_i^2+\|g\|^2)$. It equals $g_i^2$ when
$2g_i^2=\eta\lambda_i(2g_i^2+\|g\|^2)$, which is the share above. The first group:
$@{strong}\cdot\frac{x}{2-2x}=\tfrac12$ with $x=\eta\lambda$ gives $@{strong}x=1-x$, so $x=\frac{1}{@{k}}$. The
second has $x/@{ratio}=\frac{1}{@{wide}}$ and the sum $@{weak}\cdot\frac{1}{2\,(@{wide}-1)}=\tfrac12$, as it should.
The edge is $\eta=\frac{1}{@{k}\cdot@{curvature}}@{=edge}$, $@{margin:2}$ per cent above the safe rate.""",
        steps=(
            (2, r"$\mathbb{E}[(g_i^+)^2]$"),
            (1, "the share"),
            (3, "the first group: 2 for the equation, 1 for its solution"),
            (2, "the second group"),
            (1, "the edge and its distance from the safe rate"),
        ),
        answers=("edge", "margin"),
        slips=(
            Slip(r"takes the safe rate for the edge: $\gamma$ is a bound here", 6, "edge", values["safe"]),
            Slip(
                "solves for one direction of each group and not for all of them", 2, "edge", 0.5 / values["curvature"]
            ),
        ),
    )


def _probes(values: dict) -> Part:
    return Part(
        question=r"""Another loss has $r=@{flat}$ directions of one curvature and is flat in all others. You can
afford $@{pairs}$ pairs of forward passes: steps with one probe, or $@{steps}$ steps with $@{probes}$ probes, each
at its best rate, where $\mathbb{E}[L^+]/L=1-1/\gamma$. What share of the mean loss is left in each case? Which do
you take, and which property of the probes within a step does this $\gamma$ assume?""",
        solution=r"""$1-\frac1\gamma=\frac{r+1}{r+n+1}$. One probe: $@{one}$ in each of $@{pairs}$ steps leaves
$@{left_by_one}$. With $@{probes}$ probes: $@{many}$ in each of $@{steps}$ steps leaves $@{left_by_many}$. One probe
is better: a step with more probes gains more, but not in proportion to its price. This holds for independent
probes; probes at right angles to each other may gain where $r$ or $n$ is of the order of $d$.""",
        steps=(
            (2, r"$\frac{r+1}{r+n+1}$, or $\gamma$ for both"),
            (2, "the two shares"),
            (1, "one probe"),
            (1, "they are independent"),
        ),
        answers=("left_by_one", "left_by_many"),
        slips=(
            Slip(
                "compares steps in place of passes, and takes more probes",
                3,
                "left_by_many",
                float(values["many"]) ** values["pairs"],
            ),
            Slip(
                r"$\gamma=r/n$, the order in the paper's theorem, which needs $n$ far below $r$",
                2,
                "left_by_one",
                (1 - 1 / values["flat"]) ** values["pairs"],
            ),
        ),
    )
