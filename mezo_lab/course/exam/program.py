"""Notebook 8: Algorithm 1 with two slips in it, to be traced, mended and shortened."""

from fractions import Fraction
from random import Random
from typing import NamedTuple

from mezo_lab.course.exam.problem import Part, Problem, Slip

__all__ = ["program_with_two_slips"]

_RIGHT = """\
import torch

def move(weights, seed, scale):
    generator = torch.Generator().manual_seed(seed)
    for w in weights:
        w.add_(torch.randn(w.shape, generator=generator), alpha=scale)

def step(weights, loss, seed, eps, lr):
    move(weights, seed, eps)
    plus = loss()
    move(weights, seed, -2 * eps)
    minus = loss()
    move(weights, seed, eps)
    pg = (plus - minus) / (2 * eps)
    move(weights, seed, -lr * pg)
    return pg"""
_BYTES = 2  # of a weight in 16 bits
_CLEAR = 0.03  # relative: the printed program ends so far from where it should, and from 0


class _Defect(NamedTuple):
    """A slip in the program, and what it does."""

    right: str
    wrong: str
    mend: str
    harm: str


# where the weights stand, or what pg is; with the moves before the update and the divisor of pg, in units of ε
_GEOMETRY = (
    (
        _Defect(
            right="    move(weights, seed, -2 * eps)",
            wrong="    move(weights, seed, -eps)",
            mend="The second move is `move(weights, seed, -2 * eps)`.",
            harm=r"""As printed, the second loss is that of $\theta$ and not of $\theta-\varepsilon z$, so $pg$ is
about half of the slope and curvature no longer cancels. The step also ends $\varepsilon z$ away from the right
place, and the next step starts there.""",
        ),
        (1, -1, 1),
        2,
    ),
    (
        _Defect(
            right="    move(weights, seed, eps)\n    pg",
            wrong="    pg",
            mend="Before the line with `pg`, or after it, `move(weights, seed, eps)` is missing.",
            harm=r"""Without the way back each step ends $\varepsilon z$ away from the right place, and the next step
starts there: in addition to the training, the weights walk at random.""",
        ),
        (1, -2),
        2,
    ),
    (
        _Defect(
            right="    pg = (plus - minus) / (2 * eps)",
            wrong="    pg = (plus - minus) / eps",
            mend="The slope is `pg = (plus - minus) / (2 * eps)`.",
            harm=r"""The two points are $2\varepsilon$ apart, so the printed $pg$ is twice the slope. Training runs
at twice the learning rate that was asked for, and diverges at half of the largest stable one.""",
        ),
        (1, -2, 1),
        1,
    ),
)
# which z it is
_IDENTITY = (
    _Defect(
        right="    generator = torch.Generator().manual_seed(seed)\n    for w in weights:\n",
        wrong="    for w in weights:\n        generator = torch.Generator().manual_seed(seed)\n",
        mend="`generator = torch.Generator().manual_seed(seed)` belongs before the loop over the tensors.",
        harm=r"""As printed, every tensor draws the same numbers again. Tensors of one shape share their $z$, so
$\mathbb{E}[zz^\top]\ne I$, and the estimate for each of them contains the gradient of the other.""",
    ),
    _Defect(
        right="torch.randn(w.shape",
        wrong="torch.rand(w.shape",
        mend="The numbers are `torch.randn(w.shape, generator=generator)`.",
        harm=r"""`rand` is uniform on $[0, 1)$, with $\mathbb{E}[z_i^2]=\tfrac13$ and $\mathbb{E}[z_iz_j]=\tfrac14$.
So $\mathbb{E}[zz^\top]\ne I$, and every estimate mixes the gradients of all weights.""",
    ),
    _Defect(
        right="    move(weights, seed, -lr * pg)",
        wrong="    move(weights, seed + 1, -lr * pg)",
        mend="The update is `move(weights, seed, -lr * pg)`.",
        harm=r"""As printed, the update goes along another $z'$ than the probe. The two are independent, so the mean
step is $-\eta\,\mathbb{E}[z'z^\top]g=0$: the weights diffuse, and nothing is learnt.""",
    ),
)
_STATEMENT = r"""
The following program is meant to make one step of MeZO (Algorithm 1) in place, on a list of contiguous tensors that
require no gradient; `loss()` evaluates the model at the present weights. It contains **two** slips. Each is a line
that is wrong, that is missing or that stands in the wrong place.

```python
@{program}
```
"""


def program_with_two_slips(draw: Random) -> Problem:
    """Assesses the reading of Algorithm 1 as a program: where the weights stand, which z it is, how sweeps merge, and
    what a step holds in memory."""
    geometry, moves, divisor = draw.choice(_GEOMETRY)
    identity = draw.choice(_IDENTITY)
    program = _RIGHT
    for defect in (geometry, identity):
        program = program.replace(defect.right, defect.wrong)
    other = "seed + 1" in identity.wrong
    values = _trace(draw, moves, divisor, other=other)
    while min(abs(values["end"]), abs(values["end"] - values["end_right"])) < _CLEAR * abs(values["end_right"]):
        values = _trace(draw, moves, divisor, other=other)
    rows = draw.choice([50_272, 32_000, 49_152, 100_352])
    columns = draw.choice([1_024, 2_048, 4_096])
    billions = draw.choice([3, 5, 7, 8, 13])
    values |= {
        "program": program,
        "mended": _RIGHT,
        "geometry": f"{geometry.mend} {geometry.harm}",
        "identity": f"{identity.mend} {identity.harm}",
        "probes": draw.choice([3, 4, 5, 6, 8]),
        "rows": rows,
        "columns": columns,
        "billions": billions,
        "chunk": Fraction(_BYTES * rows * columns, 10**6),  # MB
        "copies": 2 * _BYTES * billions,  # GB: z and the displaced weights
    }
    values["sweeps"] = 2 * values["probes"] + 1
    return Problem(
        title="A program with two slips",
        objectives=("8.a", "8.b", "8.c"),
        statement=_STATEMENT,
        parts=(_tracing(values), _mending(), _merging(values), _memory(values)),
        values=values,
    )


def _trace(draw: Random, moves: tuple[int, ...], divisor: int, *, other: bool) -> dict:
    """One weight through the printed program, exactly."""
    theta = draw.choice([2, 3, 4, 5, 6])
    curvature = draw.choice([2, 4, 6])
    z = draw.choice([-2, -1, 2])  # at 1 a forgotten factor z would not show
    another = draw.choice([number for number in (-3, 1, 3) if number != -z])
    epsilon = Fraction(draw.choice([1, 2, 5]), 10)
    lr = Fraction(draw.choice([1, 2, 5]), 100)
    first, second = moves[:2]
    above = theta + first * epsilon * z
    below = above + second * epsilon * z
    plus = Fraction(curvature, 2) * above**2
    minus = Fraction(curvature, 2) * below**2
    slope = (plus - minus) / (divisor * epsilon)
    before = theta + sum(moves) * epsilon * z
    return {
        "theta": theta,
        "half": curvature // 2,
        "loss": r"\theta^2" if curvature == 2 else rf"{curvature // 2}\,\theta^2",
        "z": z,
        "another": another,
        "epsilon": epsilon,
        "lr": lr,
        "above": above,
        "below": below,
        "plus": plus,
        "minus": minus,
        "pg": slope,
        "end": before - lr * slope * (another if other else z),
        "pg_right": curvature * theta * z,
        "end_right": theta - lr * curvature * theta * z**2,
    }


def _tracing(values: dict) -> Part:
    forgotten = values["theta"] - values["lr"] * values["pg_right"]
    return Part(
        question=r"""Trace the program *as printed* for a model with one weight, $\theta=@{theta}$, and the loss
$@{loss}$, with $\varepsilon=@{epsilon}$ and $\eta=@{lr}$. For the trace, let the first number drawn be $z=@{z}$
with this seed, and $@{another}$ with the next one, `seed + 1`, whatever its law. Where does the weight stand at each
of the two losses, what are `plus`, `minus` and `pg`, and where does the weight end? Where would Algorithm 1 have
ended with $z=@{z}$?""",
        solution=r"""The losses are evaluated at $@{above}$ and $@{below}$; `plus` is $@{plus}$, `minus` is
$@{minus}$, and `pg` $@{=pg}$. The weight ends at $@{end}$. On a quadratic a two-sided difference is exact, so
Algorithm 1 has $pg=z\cdot2\cdot@{half}\,\theta=@{pg_right}$ and ends at $\theta-\eta\,pg\,z=@{end_right}$.""",
        steps=(
            (2, "the two points"),
            (2, "the two losses"),
            (1, "`pg`"),
            (2, "the end, as the printed program has it"),
            (2, r"the right end: 1 for $pg=z\,L'(\theta)$, 1 for the number"),
        ),
        answers=("above", "below", "plus", "minus", "pg", "end", "end_right"),
        slips=(
            Slip("traces what the program should do, and not what is printed", 3, "end", values["end_right"]),
            Slip(r"updates by $-\eta\,pg$ without the factor $z$", 1, "end_right", forgotten),
        ),
    )


def _mending() -> Part:
    return Part(
        question=r"""Name the two slips. For each give the line as it should be, say where it belongs if it is
missing or misplaced, and say in one or two sentences what it does to a training run.""",
        solution=r"""@{geometry}

@{identity}

The mended program:

```python
@{mended}
```""",
        steps=(
            (2, "first slip: 1 for finding it, 1 for the right line in its place"),
            (2, "what it does: 1 for the effect on one step, 1 for the effect on a run"),
            (2, "second slip: as above"),
            (2, "what it does: as above"),
        ),
        slips=(
            Slip("a third “slip” that is none, such as `alpha=scale` or `manual_seed` itself", 1),
            Slip("“gives wrong results” without saying which", 1),
        ),
    )


def _merging(values: dict) -> Part:
    probes = values["probes"]
    return Part(
        question=r"""A *sweep* is one pass over all weights, as in a call of `move`. How many sweeps does a step of
the mended program make? Which two of them can be merged, and why? Now let a sweep add multiples of several $z$, each
drawn from its own seed. How few sweeps suffice for a step with $@{probes}$ probes that leaves no move to the next
step?""",
        solution=r"""Four. The last two, $+\varepsilon$ and $-\eta\,pg$, move along the same $z$ and no loss is
evaluated between them, so one sweep by $\varepsilon-\eta\,pg$ does both. With $n$ probes, the losses are
evaluated at $2n$ points, and each of these takes a sweep: the way back from one probe is merged with the way out of
the next. The last way back is merged with all updates, in one more sweep. That makes $2n+1@{=sweeps}$.""",
        steps=((1, "four"), (1, "the merge, with the reason: no loss in between"), (2, "$2n+1$")),
        answers=("sweeps",),
        slips=(
            Slip("three for each probe: the way back is not merged with the next way out", 1, "sweeps", 3 * probes),
            Slip("forgets the last sweep", 1, "sweeps", 2 * probes),
        ),
    )


def _memory(values: dict) -> Part:
    three = 3 * _BYTES * values["billions"]
    return Part(
        question=r"""A model has @{billions} billion weights in 16 bits; its largest tensor has
$@{rows}\times@{columns}$ of them. Let `move` draw its numbers in 16 bits too (`dtype=w.dtype`). How many MB
($10^6$ bytes) does the mended program hold at its peak beyond the weights and a forward pass? How many GB does a
program hold that makes $z$ and $\theta+\varepsilon z$ as new tensors?""",
        solution=r"""`move` holds the random numbers of one tensor at a time, of the largest one at the peak:
$2\cdot@{rows}\cdot@{columns}$ bytes, which is $@{chunk:4}$ MB. The other program holds $z$ and one displaced copy,
each as large as the model: $2\cdot2\cdot@{billions}=@{copies}$ GB.""",
        steps=(
            (2, "the largest tensor: 1 for the idea, 1 for the bytes"),
            (2, "twice the model: 1 for twice, 1 for the bytes"),
        ),
        answers=("chunk", "copies"),
        slips=(
            Slip("counts numbers and not bytes", 1, "chunk", values["chunk"] / _BYTES),
            Slip("two displaced copies at once, though one is free when the other is made", 1, "copies", three),
        ),
    )
