"""The walk of a MeZO run from its log alone: its steps, its length, and how far it went along a given vector."""

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from mezo_lab.optim.log import StepRecord, read_log
from mezo_lab.optim.noise import tensor_key
from mezo_lab.optim.sweeps import KeyedTensor, NoiseField, Term

_PIECE = 16_384  # numbers whose products are added in float32
Named = Sequence[tuple[str, Tensor]]
Vector = Sequence[Tensor]


@dataclass(frozen=True)
class Step:
    """One step of a run with one probe and one rate: θ ← θ − rate·projected·z."""

    number: int
    projected: float
    rate: float

    @property
    def scale(self) -> float:
        """What z is multiplied by."""
        return -self.rate * self.projected


def steps_of(log: Path, until: int | None = None) -> list[Step]:
    """The steps of a run log. Args: until: how many; None is all."""
    records = [item for item in read_log(log, until) if isinstance(item, StepRecord)]
    return [Step(record.number, record.projected[0], record.rates[0]) for record in records]


def mean_square(steps: Sequence[Step]) -> float:
    """Σ η²pg²: E‖θ_T − θ_0‖² for each unit of E‖z‖², but for the products of different z, whose mean is far less."""
    return math.fsum(step.scale**2 for step in steps)


def effective_steps(steps: Sequence[Step]) -> float:
    """(Σ η)²/Σ η²: the T of a constant rate with the same share of signal, where the gradient is constant.

    >>> effective_steps([Step(0, 1.0, 0.1), Step(1, 1.0, 0.1)]), effective_steps([Step(0, 1.0, 0.1), Step(1, 1.0, 0.0)])
    (2.0, 1.0)
    """
    return math.fsum(step.rate for step in steps) ** 2 / math.fsum(step.rate**2 for step in steps)


def tossed(steps: Sequence[Step], seed: int = 0) -> list[Step]:
    """The same steps, each forwards or backwards by the toss of a coin: a walk of the same length without a signal."""
    coin = random.Random(f"coin {seed}")
    return [Step(step.number, step.projected * coin.choice((1, -1)), step.rate) for step in steps]


class Walk:
    """The displacement of a walk, which steps move on.

    Args: named: the trained parameters under their names, of which only the shapes count. law, seed: those of the run.
    """

    def __init__(self, named: Named, law: str, seed: int):
        self.displacement = [torch.zeros_like(tensor, requires_grad=False) for _, tensor in named]
        keyed = [KeyedTensor(part, tensor_key(name)) for (name, _), part in zip(named, self.displacement, strict=True)]
        self._field = NoiseField(keyed, law, seed)

    def advance(self, steps: Sequence[Step]) -> None:
        """Move by these steps."""
        self._field.sweep([Term(step.number, 0, (step.scale,)) for step in steps])


def inner(one: Vector, other: Vector) -> float:
    """The inner product over all parameters, whose parts are added in float64."""
    return math.fsum(
        float(torch.dot(a, b))
        for x, y in zip(one, other, strict=True)
        for a, b in zip(x.flatten().split(_PIECE), y.flatten().split(_PIECE), strict=True)
    )


@dataclass(frozen=True)
class Along:
    """How far a walk went against a vector g that was fixed before the z were drawn, in units of its length.

    value: −D·g/‖g‖; its mean over the z is Σ η ∇L·g/‖g‖, the component of the signal. error: its standard error.
    """

    value: float
    error: float
    sq_length: float
    """‖D‖²"""

    def share(self, width: float = 0.0) -> float:
        """The share of ‖D‖² that is this component. Args: width: 0 is unbiased; ±1.96 gives the ends of the interval.

        >>> Along(3.0, 1.0, 100.0).share(), Along(3.0, 1.0, 100.0).share(2.0), Along(3.0, 1.0, 100.0).share(-4.0)
        (0.08, 0.25, 0.0)
        """
        if width:
            return max(0.0, self.value + width * self.error) ** 2 / self.sq_length
        return (self.value**2 - self.error**2) / self.sq_length


def along(value: float, square: float, sq_length: float) -> Along:
    """`Along` of a walk, with the largest error that it can have.

    A step η·pg·zᵀu, with a u of length 1 at an angle φ to the gradient, has the variance η²‖g‖²(1 + cos²φ), and E[pg²]
    is ‖g‖²: the variance of the sum lies between Σ η²pg² and twice that, whatever the gradients are.

    Args: value: −D·u. square: Σ η²pg². sq_length: ‖D‖².
    """
    return Along(value, math.sqrt(2 * square), sq_length)


def followed(walk: Walk, steps: Sequence[Step], directions: Sequence[Vector], pieces: int) -> list[dict]:
    """A walk to its end, piece by piece: after each its steps, Σ η, ‖D‖², what the log says of it, and −D·g/‖g‖.

    Args: directions: the g. pieces: how many.
    """
    norms = [math.sqrt(inner(direction, direction)) for direction in directions]
    size = max(1, math.ceil(len(steps) / pieces))
    points = []
    for start in range(0, len(steps), size):
        walk.advance(steps[start : start + size])
        done = steps[: start + size]
        points.append(
            {
                "steps": len(done),
                "rates": math.fsum(step.rate for step in done),
                "sq_length": inner(walk.displacement, walk.displacement),
                "mean_square": mean_square(done),
                "along": [-inner(walk.displacement, g) / n for g, n in zip(directions, norms, strict=True)],
            }
        )
    return points


def along_of(point: dict, direction: int) -> Along:
    """`Along` of a point that `followed` returned. Args: direction: which g."""
    return along(point["along"][direction], point["mean_square"], point["sq_length"])
