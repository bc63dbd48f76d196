"""Notebook 13: what several processes send each other, and what a step of theirs is worth."""

from fractions import Fraction
from random import Random

from mezo_lab import theory
from mezo_lab.course.exam.problem import Part, Problem, Slip

__all__ = ["several_processes"]

_BYTES = 4  # of a float32
_SCALAR = 8  # bytes of a number that MeZO sends
_SENT = 4  # numbers: two for safety, two losses
_STATEMENT = r"""
$p=@{processes}$ processes train copies of one model together. Each evaluates the two losses of a Gaussian probe on
$B=@{batch}$ examples of its own, drawn independently. *Batch-parallel*, all processes have the same $z$ and average
their losses. *Probe-parallel*, each has a $z$ of its own, and all processes step along the mean of the
$p$ estimates.
"""


def several_processes(draw: Random) -> Problem:
    """Assesses what has to travel, the choice between splitting a batch and splitting probes, what the processes buy,
    and the one mistake that no check sees."""
    processes = draw.choice([4, 8, 16])
    batch = draw.choice([2, 4, 5, 8])
    billions = draw.choice([2, 3, 7, 13, 30])
    speed = draw.choice([1, 2, 5])
    dim = draw.choice([8, 18])
    grad_sq = draw.choice([2, 4, 6])
    noise = batch * draw.choice([4, 8, 12])
    rank = draw.choice([19, 24, 29, 39, 49])
    small, large = draw.choice([(2, 6), (3, 5), (4, 12), (3, 9), (2, 8)])
    losses = draw.sample([Fraction(n, 10) for n in (4, 5, 6, 8, 9, 12)], 2)
    c = theory.fourth_moment(dim, theory.GAUSSIAN)
    ring = Fraction(2 * (processes - 1), processes) * _BYTES * billions  # GB
    shared = Fraction(noise, batch * processes)  # the noise of the whole batch
    values = {
        "processes": processes,
        "batch": batch,
        "billions": billions,
        "speed": speed,
        "ring": ring,
        "seconds": ring / speed,
        "scalars": _SCALAR * _SENT * (processes - 1),
        "number": _SCALAR,
        "c": c,
        "grad_sq": grad_sq,
        "noise": noise,
        "by_batch": theory.minibatch_shared(grad_sq, shared, Fraction(dim), 1, theory.GAUSSIAN),
        "by_probe": theory.minibatch_fresh(
            grad_sq, Fraction(noise, batch), Fraction(dim), Fraction(processes), theory.GAUSSIAN
        ),
        "rank": rank,
        "worth": processes * theory.progress_per_pair(rank, processes) / theory.progress_per_pair(rank, 1),
        "small": small,
        "large": large,
        "all": small + large,
        "loss_small": losses[0],
        "loss_large": losses[1],
        "plain": (losses[0] + losses[1]) / 2,
        "weighed": (small * losses[0] + large * losses[1]) / (small + large),
        "weight_small": Fraction(2 * small, small + large),
        "weight_large": Fraction(2 * large, small + large),
    }
    values["gap"] = values["by_batch"] - values["by_probe"]
    return Problem(
        title="Several processes",
        objectives=("13.a", "13.b", "13.c", "13.d"),
        statement=_STATEMENT,
        parts=(_bytes(values), _norms(values), _worth(values), _parts(values)),
        values=values,
    )


def _bytes(values: dict) -> Part:
    processes = values["processes"]
    gradient = _BYTES * values["billions"]  # GB
    return Part(
        question=r"""A method with gradients averages one float32 gradient of $@{billions}$ billion parameters round
a ring, for which each process sends $2\frac{p-1}{p}$ times its bytes. A process of MeZO sends every other one
four numbers of $@{number}$ bytes each: its two losses, and two for safety. How many GB ($10^9$ bytes) and how many
bytes does a process send per step? How long do the gradients take at $@{speed}$ GB a second? Why does MeZO send
neither $z$ nor weights?""",
        solution=r"""Gradients: $2\cdot\frac{p-1}{p}\cdot4\cdot@{billions}@{=ring}$ GB, for which the wire takes
$@{seconds}$ seconds. MeZO: $4\cdot@{number}\cdot(p-1)=@{scalars}$ bytes, whatever the size of the model. Every
process draws each $z$ from the seed; all make the same update from the same weights and so still hold the same
weights afterwards.""",
        steps=((1, "the ring"), (1, "the seconds"), (1, "MeZO's bytes"), (2, "$z$ from a seed (1), equal updates (1)")),
        answers=("ring", "seconds", "scalars"),
        slips=(
            Slip("every process sends its gradient to every other", 1, "ring", gradient * (processes - 1)),
            Slip("counts parameters and not bytes", 1, "ring", values["ring"] / _BYTES),
            Slip("sends to one other process only", 1, "scalars", _SCALAR * _SENT),
        ),
    )


def _norms(values: dict) -> Part:
    grad_sq = values["grad_sq"]
    noise = values["noise"]
    c = values["c"]
    return Part(
        question=r"""Let $G=\|g\|^2=@{grad_sq}$, let $S=@{noise}$ be the trace of the covariance of the gradient of
one example, which is $S/m$ for a batch of $m$ examples, and let $\mathbb{E}[\|z\|^2zz^\top]=c\,I$ with
$c=d+2=@{c}$. One probe has $\mathbb{E}\|\hat g\|^2=c\,(G+S/m)$. Derive $\mathbb{E}\|\hat g\|^2$ in both cases,
evaluate both, and show that their difference does not depend on $S$.""",
        solution=r"""Batch-parallel is one probe on $pB$ examples: $c\,\left(G+\frac{S}{pB}\right)@{=by_batch}$.
Probe-parallel, $\hat g$ is the mean of $p$ estimates that are independent: of the $p^2$ products the $p$ equal ones
give $c\,(G+\frac SB)$ each, and the others $G$ each, as independent noises have mean 0. So
$\frac cp\left(G+\frac SB\right)+\frac{p-1}{p}G@{=by_probe}$. Both have $\frac{cS}{pB}$, and
$\frac{p-1}{p}(c-1)\,G@{=gap}$ is the difference: probe-parallel is the shorter one, by what it saves on $G$.""",
        steps=(
            (1, "batch-parallel"),
            (2, "probe-parallel: 1 for equal, 1 for different indices"),
            (2, "the two numbers"),
            (1, "the difference"),
        ),
        answers=("by_batch", "by_probe", "gap"),
        slips=(
            Slip(
                "batch-parallel without the larger batch",
                1,
                "by_batch",
                c * (grad_sq + Fraction(noise, values["batch"])),
            ),
            Slip(
                "divides one probe's value by $p$: forgets the products of different probes",
                1,
                "by_probe",
                _divided(values),
            ),
        ),
    )


def _divided(values: dict) -> Fraction:
    """c·(G + S/B)/p."""
    return values["c"] * (values["grad_sq"] + Fraction(values["noise"], values["batch"])) / values["processes"]


def _worth(values: dict) -> Part:
    rank = values["rank"]
    processes = values["processes"]
    return Part(
        question=r"""On a loss whose effective rank is $r=@{rank}$ a step with $n$ independent Gaussian probes at its
best rate leaves $\mathbb{E}[L^+]/L=\frac{r+1}{r+n+1}$ of the loss. How many steps with one probe is a probe-parallel
step of $p$ processes worth? Does it gain as much for each forward pass?""",
        solution=r"""Factors of successive steps multiply, so progress is a logarithm:
$\log\frac{r+p+1}{r+1}\big/\log\frac{r+2}{r+1}@{=worth}$ steps. It takes $@{processes}$ times the passes of one step
and is worth fewer than $@{processes}$ steps: the processes buy time and pay for it with passes. Probes at right
angles may be worth more, where $r$ or $p$ is of the order of $d$.""",
        steps=((2, "logarithms"), (2, "the number"), (1, "no: less for each pass")),
        answers=("worth",),
        slips=(
            Slip("$p$ steps, as it has $p$ probes", 5, "worth", processes),
            Slip(
                "divides the shares that are lost and not their logarithms",
                2,
                "worth",
                Fraction(processes * (rank + 2), rank + processes + 1),
            ),
        ),
    )


def _parts(values: dict) -> Part:
    return Part(
        question=r"""Two processes share a batch: one has $@{small}$ examples with the mean loss $@{loss_small}$,
the other $@{large}$ with $@{loss_large}$. What does the plain mean of the two losses give, and what is the loss of
the batch? By what must each process multiply its loss for the plain mean to be right?""",
        solution=r"""The plain mean is $@{plain}$. The loss of the batch is
$\frac{@{small}\cdot@{loss_small}+@{large}\cdot@{loss_large}}{@{all}}@{=weighed}$. Each process multiplies by
$pB_q/\sum_sB_s$: by $@{weight_small}$ and by $@{weight_large}$.""",
        steps=((2, "the two losses"), (2, "the two weights")),
        answers=("plain", "weighed", "weight_small", "weight_large"),
        slips=(
            Slip(
                "weights that sum to 1 and not to $p$: the mean divides once more",
                1,
                "weight_small",
                values["weight_small"] / 2,
            ),
        ),
    )
