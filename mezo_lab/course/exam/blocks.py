"""Notebooks 2 and 3: a probe that perturbs one layer at a time."""

from fractions import Fraction
from random import Random

from mezo_lab import theory
from mezo_lab.course.exam.problem import Number, Part, Problem, Slip

__all__ = ["one_layer_at_a_time"]

# layers, weights in each, probes: the factor ends within four digits
_SHAPES = [(m, b, n) for m in (4, 9, 16) for b in (6, 8, 10) for n in (4, 5, 8, 10)]
_ALARM = 5  # standard errors from which on a formula is refuted
_STATEMENT = r"""
The weights of a network lie in $m=@{m}$ layers of $b=@{b}$ weights each, $d=mb=@{d}$. To save work, a probe
$z\in\mathbb{R}^d$ perturbs one layer only. It chooses the layer uniformly at random, fills its $b$ coordinates with
independent standard normal numbers times a constant $s$, and is 0 everywhere else. The estimate of the gradient $g$
from $n$ independent such probes is $\hat g=\frac1n\sum_{k=1}^nz_kz_k^\top g$. You may use that $x\sim N(0, I_b)$
has $\mathbb{E}\|x\|^4=b(b+2)$.
"""


def one_layer_at_a_time(draw: Random) -> Problem:
    """Assesses the derivation of c and of the norm factor for a law that the notebooks do not have, and the reading of
    a measured mean: distances, verdicts, and what a verdict does not say."""
    m, b, n = draw.choice(_SHAPES)
    d = m * b
    c = m * (b + 2)
    factor = _factor(c, d, n)
    gaussian = theory.norm_factor(d, n, theory.GAUSSIAN)
    fixed = theory.norm_factor(d, n, theory.sphere_moments(Fraction(d)))
    # a standard error of which the nearest wrong formula is nine to fourteen away
    error = round(float(factor - gaussian) / draw.randint(9, 14), 3)
    measured = round(float(factor) + draw.choice([-1.4, -0.8, 0.6, 1.2, 1.7]) * error, 3)
    values = {
        "m": m,
        "b": b,
        "n": n,
        "d": d,
        "s": m**0.5,
        "c": c,
        "f": factor,
        "gaussian": gaussian,
        "fixed": fixed,
        "measured": f"{measured:.3f}",
        "error": f"{error:.3f}",
        "draws": draw.choice([40_000, 60_000, 90_000]),
        "from_own": round((measured - float(factor)) / error, 1),
        "from_gaussian": round((measured - float(gaussian)) / error, 1),
        "from_fixed": round((measured - float(fixed)) / error, 1),
        "alarm": _ALARM,
        "ratio": Fraction(c, d + 2),
        "layers_left": m - 1,
    }
    return Problem(
        title="One layer at a time",
        objectives=("2.b", "3.a", "3.c"),
        statement=_STATEMENT,
        parts=(_isotropy(values), _fourth_moment(values), _norm(values), _reading(), _worth(values)),
        values=values,
    )


def _factor(c: Number, dim: int, probes: int) -> Fraction:
    """The norm factor of a law with E[‖z‖²zzᵀ] = c·I, whatever else it is."""
    moments = theory.Moments(pair=Fraction(c) / (dim + 2), coincidence=0)
    return theory.norm_factor(dim, probes, moments)


def _isotropy(values: dict) -> Part:
    return Part(
        question=r"""Find $s > 0$ such that $\mathbb{E}[zz^\top]=I$, and prove that it is. A step with $n=1$ moves
one layer and no other; is $\hat g$ unbiased nevertheless?""",
        solution=r"""A coordinate is perturbed with probability $1/m$ and then has the mean square $s^2$, so
$\mathbb{E}[z_i^2]=s^2/m$, which is 1 for $s=\sqrt m@{=s}$. For $i\ne j$ in one layer the mean of $z_iz_j$ is 0,
because the two normal numbers are independent and have mean 0; in two layers one of the factors is always 0. So
$\mathbb{E}[zz^\top]=I$, and $\mathbb{E}[\hat g]=\mathbb{E}[zz^\top]g=g$: unbiased. On average over the choice of
the layer every layer moves.""",
        steps=(
            (2, r"the diagonal and $s=\sqrt m$"),
            (2, "the other entries: 1 within a layer, 1 across layers"),
            (2, r"unbiased, from $\mathbb{E}[zz^\top]=I$"),
        ),
        answers=("s",),
        slips=(
            Slip("scales by $m$ in place of its root", 2, "s", values["m"]),
            Slip("calls $\\hat g$ biased because a single step leaves layers out", 2),
        ),
    )


def _fourth_moment(values: dict) -> Part:
    return Part(
        question=r"""Show that $\mathbb{E}\left[\|z\|^2zz^\top\right]=c\,I$, and find $c$. Check it at $m=1$.""",
        solution=r"""The law does not change if a coordinate changes its sign, if two coordinates of a layer are
swapped, or if two layers are. So the matrix is diagonal with equal entries, $c\,I$. Its trace is
$cd=\mathbb{E}\|z\|^4$. In whichever layer is chosen, $\|z\|^2=m\|x\|^2$ with $x\sim N(0, I_b)$, so
$\mathbb{E}\|z\|^4=m^2b(b+2)$ and $c=m^2b(b+2)/(mb)=m(b+2)@{=c}$. At $m=1$ this is $d+2$, the Gaussian value.""",
        steps=(
            (2, "the form $cI$ by symmetry, or the entries one by one"),
            (2, r"$cd=\mathbb{E}\|z\|^4$, or $\mathbb{E}[\|z\|^2z_i^2]$ on the diagonal"),
            (3, r"$\mathbb{E}\|z\|^4=m^2b(b+2)$: 2 for the factor $m^2$"),
            (1, "$c$, and the check"),
        ),
        answers=("c",),
        slips=(
            Slip(
                "takes the Gaussian's $d+2$: the coordinates are normal, but not independent", 5, "c", values["d"] + 2
            ),
            Slip("takes $d$, as if the length did not vary", 5, "c", values["d"]),
            Slip("forgets the scale $s$", 3, "c", Fraction(values["b"] + 2, values["m"])),
        ),
    )


def _norm(values: dict) -> Part:
    c = values["c"]
    n = values["n"]
    return Part(
        question=r"""Derive $f=\mathbb{E}\|\hat g\|^2/\|g\|^2$ for $n$ probes in terms of $c$ and $n$, and evaluate
it at $n=@{n}$.""",
        solution=r"""$\|\hat g\|^2=\frac1{n^2}\sum_{ij}g^\top z_iz_i^\top z_jz_j^\top g$. The $n(n-1)$ terms with
$i\ne j$ meet two independent probes and have the mean $g^\top I\,I\,g=\|g\|^2$. The $n$ terms with $i=j$ are
$g^\top\|z\|^2zz^\top g$ and have the mean $c\,\|g\|^2$. Together $f=\frac{n(n-1)+nc}{n^2}=\frac{n-1+c}{n}@{=f}$.""",
        steps=(
            (2, "the double sum, split into equal and different indices"),
            (2, r"different indices: $\|g\|^2$ each, by independence"),
            (2, r"equal indices: $c\,\|g\|^2$ each"),
            (1, "the number"),
        ),
        answers=("f",),
        slips=(
            Slip("leaves out the terms with $i\\ne j$", 3, "f", Fraction(c, n)),
            Slip("averages nothing: the value of one probe", 5, "f", c),
            Slip("does not divide by $n$", 2, "f", n - 1 + c),
        ),
    )


def _reading() -> Part:
    return Part(
        question=r"""An experiment with $n=@{n}$ measures $f$ in $@{draws}$ draws: $@{measured}$ with a standard
error of $@{error}$. Three formulas are offered: $\frac{d+n+1}{n}$, $\frac{d+n-1}{n}$ and yours. Give the distance
of the measured mean from each in standard errors. Which formulas are refuted, if the bar is $@{alarm}$? Is yours
now proved?""",
        solution=r"""The formulas give $@{gaussian}$, $@{fixed}$ and $@{f}$. The measured mean lies
$@{from_gaussian}$, $@{from_fixed}$ and $@{from_own}$ standard errors from them. The first two are refuted; the
third is consistent with the draws. Consistent is not proved: a formula that differs from ours by less than a few
standard errors would have passed too.""",
        steps=(
            (3, "three distances, 1 each; the sign does not matter"),
            (1, "the two verdicts of refutation"),
            (1, "consistent at the resolution of these draws, and no proof"),
        ),
        answers=("from_own", "from_gaussian", "from_fixed"),
        slips=(
            Slip("refutes a formula because the mean is not exactly equal to it", 1),
            Slip("divides the standard error once more by the root of the number of draws", 2),
        ),
    )


def _worth(values: dict) -> Part:
    return Part(
        question=r"""On $L=\tfrac12\ell\|\theta\|^2$ the largest stable rate is $2/(\ell f)$. By what factor is it
smaller, with one probe, than for a Gaussian $z$ that fills all layers? Name one cost of a step that is lower in
exchange.""",
        solution=r"""With one probe $f=c$, against $d+2$: the rate is smaller by $\frac{m(b+2)}{mb+2}@{=ratio}$. In
exchange a sweep draws and adds random numbers in one layer and leaves the other $@{layers_left}$ alone; and the
layers in front of the perturbed one compute the same in both forward passes.""",
        steps=(
            (2, "the ratio of two norm factors, not of their roots"),
            (2, "a cost: random numbers, the work of a sweep, or shared layers of the two passes; any one"),
        ),
        answers=("ratio",),
        slips=(
            Slip(
                "takes the root, as if the length entered and not its square", 1, "ratio", float(values["ratio"]) ** 0.5
            ),
            Slip("the factor $m$, as only one layer of $m$ moves", 2, "ratio", values["m"]),
        ),
    )
