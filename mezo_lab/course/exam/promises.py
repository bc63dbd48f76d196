"""Notebook 15: what a successor of MeZO promises, and the condition under which it saves a step."""

from fractions import Fraction
from random import Random

from mezo_lab import theory
from mezo_lab.course.exam.problem import Part, Problem, Slip

__all__ = ["promises_and_conditions"]

_STATEMENT = r"""
The loss is $L=\tfrac12\theta^\top H\theta$, and $\varepsilon\to0$. Each step has one probe and, in parts (a) to
(c), the learning rate that is best for its method. For a Gaussian $z$ in $d$ dimensions you may use
$\mathbb{E}[(z^\top g)^2\,z^\top Hz]=\operatorname{tr}(H)\,\|g\|^2+2\,g^\top Hg$.
"""


def promises_and_conditions(draw: Random) -> Problem:
    """Assesses the ratio that decides what a step gains, what a kept group of coordinates loses, when a better angle
    saves a step, and how much of a walk is signal."""
    shrink = draw.choice([2, 3, 4, 5])
    times = shrink**2 + draw.choice([-1, 1, 2, 3]) * (shrink // 2 + 1)
    groups = draw.choice([3, 4, 5])
    width = draw.choice([6, 8, 10, 14])
    steps = draw.choice([20, 30, 40])
    inside = draw.choice([8, 10, 18, 20])
    ratio = draw.choice([10, 20, 30])
    dim = inside * ratio
    flatter = Fraction(draw.choice([2, 4, 5, 10]), 100)
    long_steps = draw.choice([1000, 2000, 3000])
    short_steps = long_steps * draw.choice([2, 3])
    divisor = draw.choice([5, 10])
    parameters = draw.choice([10, 20, 30, 60, 125, 355]) * 10**6
    gamma = theory.norm_factor(width, 1, theory.GAUSSIAN)
    gamma_all = theory.norm_factor(groups * width, 1, theory.GAUSSIAN)
    whole = theory.norm_factor(inside + flatter * (dim - inside), 1, theory.GAUSSIAN)
    kept = theory.norm_factor(inside, 1, theory.GAUSSIAN)
    factor = theory.norm_factor(parameters, 1, theory.independent_moments(1))
    straight = Fraction((divisor * long_steps + short_steps) ** 2, divisor**2 * long_steps + short_steps)
    values = {
        "shrink": shrink,
        "times": times,
        "gain": Fraction(times, shrink**2),
        "least": shrink**2,
        "verdict": "more" if times > shrink**2 else "less",
        "groups": groups,
        "width": width,
        "all": groups * width,
        "steps": steps,
        "gamma": gamma,
        "gamma_all": gamma_all,
        "left": theory.subspace_loss(1 / groups, steps, gamma),
        "left_all": (1 - 1 / gamma_all) ** steps,
        "inside": inside,
        "dim": dim,
        "angle": ratio,
        "flatter": flatter,
        "kept": kept,
        "whole": whole,
        "saved": theory.subspace_gain(1, whole, kept),
        "half": kept * (Fraction(ratio, 2) - 1) / (dim - inside),
        "long_steps": long_steps,
        "short_steps": short_steps,
        "divisor": divisor,
        "parameters": parameters,
        "factor": factor,
        "straight": straight,
        "share": theory.signal_share(straight, factor),
        "needed": factor - 1,
    }
    return Problem(
        title="Promises and conditions",
        objectives=("15.a", "15.b", "15.c", "15.d"),
        statement=_STATEMENT,
        parts=(_ratio(values), _group(values), _angle(values), _walk(values)),
        values=values,
    )


def _ratio(values: dict) -> Part:
    return Part(
        question=r"""Let a method have any estimate $\hat g$. Show that a step of it lowers the mean loss by
$\frac{(g^\top\mathbb{E}[\hat g])^2}{2\,\mathbb{E}[\hat g^\top H\hat g]}$. An abstract says: “The noise
$\mathbb{E}[\hat g^\top H\hat g]$ of our estimate is $@{times}$ times smaller than MeZO's.” Its mean is
$g/@{shrink}$. How many times more than a step of MeZO does its step gain? How many times smaller must the noise
be for a step to gain more?""",
        solution=r"""The mean change is $-\eta\,g^\top\mathbb{E}[\hat g]+\tfrac12\eta^2\,\mathbb{E}[\hat
g^\top H\hat g]$, a parabola in $\eta$ whose least value is the one that is claimed. The mean enters squared, so
the gain is multiplied by $\frac{@{times}}{@{shrink}^2}@{=gain}$: the step gains @{verdict} than MeZO's. The
noise must be more than $@{shrink}^2=@{least}$ times smaller.""",
        steps=(
            (3, r"the formula: 1 for the two terms, 1 for the best $\eta$, 1 for inserting it"),
            (2, "the gain: 1 for the square, 1 for the number"),
            (1, "the factor that the noise must pass"),
        ),
        answers=("gain", "least"),
        slips=(
            Slip("looks at the noise alone", 2, "gain", values["times"]),
            Slip("lets the mean enter once", 1, "gain", Fraction(values["times"], values["shrink"])),
        ),
    )


def _group(values: dict) -> Part:
    gamma = values["gamma"]
    return Part(
        question=r"""Let $H=\ell I$. A method draws one of $@{groups}$ groups of $@{width}$ coordinates each
at the beginning, and probes and moves this group alone, with Gaussian $z$. A sentence says that it “needs
$@{groups}$ times fewer steps, because it probes fewer numbers”. Give $\gamma$ within the group, and the part of
the loss that is left, on average over the groups, after $@{steps}$ steps; then the same part for probes of all
$@{all}$ coordinates. Judge the sentence.""",
        solution=r"""Within the group $\gamma=@{width}+2=@{gamma}$, and a step multiplies the loss of the
group by $1-1/\gamma$. On average the group has the share $1/@{groups}$ of the loss, and the rest stays:
$1-\frac1{@{groups}}\left(1-(1-\tfrac1{@{gamma}})^{@{steps}}\right)@{=left}$. With all coordinates
$\gamma=@{gamma_all}$, and $(1-\tfrac1{@{gamma_all}})^{@{steps}}@{=left_all}$ is left. The steps are longer, but
what lies outside the group is never seen: not one step is saved.""",
        steps=(
            (1, r"$\gamma$ within the group"),
            (3, "what is left: 1 for the group, 1 for its share, 1 for the rest that stays"),
            (2, r"all coordinates: 1 for $\gamma$, 1 for the number"),
            (1, "the judgement, with the reason"),
        ),
        answers=("gamma", "left", "gamma_all", "left_all"),
        slips=(
            Slip("forgets what lies outside the group", 2, "left", (1 - 1 / gamma) ** values["steps"]),
            Slip(
                r"takes $\gamma$ of all coordinates for the group",
                1,
                "left",
                theory.subspace_loss(1 / values["groups"], values["steps"], values["gamma_all"]),
            ),
        ),
    )


def _angle(values: dict) -> Part:
    return Part(
        question=r"""Another method probes in $@{inside}$ of $d=@{dim}$ dimensions, with Gaussian $z$ there,
and knows how to choose them: they hold all of $g$. In each of them the curvature is $\ell$, and in each of the
others it is $h\ell$. How many times larger is $\mathbb{E}\cos^2(\hat g,g)$ than for probes in all dimensions?
How many times more does a step gain at $h=@{flatter}$, and how many times more at $h=0$? At which $h$ is the
gain half of what the angle suggests?""",
        solution=r"""A direction without a preference has $\mathbb{E}\cos^2=1/\text{dimension}$, so the angle
suggests $@{dim}/@{inside}=@{angle}$. The mean is $g$ for both, and $g^\top Hg=\ell\|g\|^2$, so the gains are as
$\operatorname{tr}H+2\ell$: $\frac{@{inside}+h(@{dim}-@{inside})+2}{@{inside}+2}$, at $h=@{flatter}$ the ratio
$\frac{@{whole}}{@{kept}}@{=saved}$. At $h=0$ it is 1: noise in flat directions costs nothing. It is
$@{angle}/2$ at $h@{=half}$.""",
        steps=(
            (1, "the angle"),
            (3, r"the gain: 1 for the equal means, 1 for $\operatorname{tr}H+2\ell$, 1 for the number"),
            (1, "1 at $h=0$, with the reason"),
            (1, "the last $h$"),
        ),
        answers=("angle", "saved", "half"),
        slips=(
            Slip("takes the ratio of the angles for the gain", 3, "saved", values["angle"]),
            Slip(
                r"leaves out $2\,g^\top Hg$",
                1,
                "saved",
                (values["whole"] - 2) / (values["kept"] - 2),
            ),
        ),
    )


def _walk(values: dict) -> Part:
    factor = values["factor"]
    together = values["long_steps"] + values["short_steps"]
    return Part(
        question=r"""A log has $@{long_steps}$ steps with the rate $\eta$, then $@{short_steps}$ with
$\eta/@{divisor}$, each with one probe of signs, for which $f=\mathbb{E}\|\hat g\|^2/\|g\|^2=d$; here
$d=@{parameters}$. Take $g$ as constant. Show that
$\mathbb{E}\|\theta_T-\theta_0\|^2=\|g\|^2\left[(\sum\eta_t)^2+(f-1)\sum\eta_t^2\right]$. Which share of it is
signal? How many steps at one rate make the share one half?""",
        solution=r"""Write $\hat g_t=g+\xi_t$. The $\xi_t$ have the mean 0, are independent, and have
$\mathbb{E}\|\xi_t\|^2=(f-1)\|g\|^2$, so mixed terms vanish: the signal $g\sum\eta_t$ has the first square, and
the noise adds up in squares. In units of $\eta$ the ratio $(\sum\eta_t)^2/\sum\eta_t^2$ is
$\frac{(@{long_steps}+@{short_steps}/@{divisor})^2}{@{long_steps}+@{short_steps}/@{divisor}^2}@{=straight}$, and
the share is $\frac{@{straight}}{@{straight}+@{factor}-1}@{=share}$. At one rate the ratio is $T$, and
$T=f-1@{=needed}$ makes one half.""",
        steps=(
            (2, "the formula: 1 for the mixed terms, 1 for the mean square of the noise"),
            (2, "the ratio: 1 for both sums, 1 for the number"),
            (1, "the share"),
            (1, "the number of steps"),
        ),
        answers=("straight", "share", "needed"),
        slips=(
            Slip("takes the number of steps for the ratio", 1, "straight", together),
            Slip("takes the share of the length, the root", 1, "share", float(values["share"]) ** 0.5),
            Slip(r"gives the share of a single step", 1, "share", 1 / factor),
        ),
    )
