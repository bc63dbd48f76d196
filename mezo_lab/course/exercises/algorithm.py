"""Notebook 8: Algorithm 1, built from nothing."""

import math
from collections.abc import Callable, Mapping, Sequence
from itertools import combinations
from typing import NamedTuple

import torch
from torch import Tensor, nn

from mezo_lab.course.exercises.answers import Answer, WrongAnswer, call_answer
from mezo_lab.course.exercises.grading import expect_right, is_real_tensor
from mezo_lab.environment.storages import LiveStorages
from mezo_lab.optim import MeZO
from mezo_lab.sampling import Cubic, two_point
from mezo_lab.theory import Expression

__all__ = ["check_order", "check_perturb", "check_step"]

_SHAPES = [(50, 40), (50, 40), (7,)]
_CHUNK = 64
_SMALL_CHUNK = 8  # another one, for answers that cut by a number of their own
_NAMED_SHAPES = {"embedding": (30, 4), "body": (4, 4), "head": (4, 2)}
_SEEDS = (0, 1, 2, 3, 1000)
_MOST_ALIKE = 5  # of 4,007 float32 numbers, more agree by chance once in 10,000 times or less
_MOST_CHUNKS = 4  # alive at once: z, its multiple, and some to spare
_MOMENTS = {"mean": (1, 0.0, 1.0), "variance": (2, 1.0, 2.0), "fourth moment": (4, 3.0, 96.0)}  # power, E zᵖ, Var zᵖ
_PRECISION = torch.float32
_KOLMOGOROV = 2.5  # √n times the largest distance of the distributions: more, once in 130,000 times
_CHANCE = 4.5  # standard errors: a right moment is refused once in 150,000 times
_STEPS = [
    {"lr": 0.1, "weight_decay": 0.5, "epsilon": 0.1, "seed": 1},
    {"lr": 0.02, "weight_decay": 2.0, "epsilon": 0.3, "seed": 2},
    {"lr": 0.05, "weight_decay": 0.0, "epsilon": 0.2, "seed": 3},
]
_SWEEPS = 3
_EVALUATIONS = 2
_GLOBAL_GENERATOR = "You moved torch's global generator, from which dropout draws: make a torch.Generator()."

_Move = Callable[..., None]
Step = Callable[[_Move, Callable[[], Tensor], float, float, float, int], object]


def check_perturb(perturb: Answer) -> None:
    """Whether perturb(parameters, scale, seed, chunk) adds scale·z(seed) in place, a chunk at a time.

    Source: paper, Algorithm 1, Perturb; claims C1, C2, C6. Raises: WrongAnswer.
    """
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        before = torch.get_rng_state()
        z = _perturbed(perturb, 1.0, seed=1)
        touched = not torch.equal(before, torch.get_rng_state())
        _expect_every_coordinate(z)
        torch.manual_seed(12345)
        if not _are_equal(z, _perturbed(perturb, 1.0, seed=1)):
            raise WrongAnswer("The same seed gave another z: draw from a generator of your own, made from `seed`.")
        if touched:
            raise WrongAnswer(_GLOBAL_GENERATOR)
        _expect_seeds(perturb)
        _expect_addition(perturb, z)
        _expect_independence(z)
        numbers = torch.cat([tensor.flatten() for tensor in z])
        _expect_normal(numbers)
        _expect_distinct(numbers)
        _expect_chunks(perturb)
    print(f"✓ in place, one z for a seed, {len(numbers):,} numbers in chunks of {_CHUNK}")


def _perturbed(
    perturb: Answer, scale: float, seed: int, tensors: Sequence[Tensor] | None = None, chunk: int = _CHUNK
) -> list[Tensor]:
    """The tensors after a student's call; they are zero before it where none are given."""
    if tensors is None:
        tensors = [torch.zeros(shape, dtype=_PRECISION) for shape in _SHAPES]
    tensors = list(tensors)
    call_answer(perturb, list(tensors), scale, seed, chunk)
    for tensor, shape in zip(tensors, _SHAPES, strict=True):
        if tuple(tensor.shape) != shape or tensor.dtype != _PRECISION:
            raise WrongAnswer(
                "The tensors have another shape or precision than before: add to them, and leave them as they are."
            )
    return tensors


def _expect_every_coordinate(z: Sequence[Tensor]) -> None:
    """Raises: WrongAnswer where a number of a tensor has not moved, naming the part."""
    still = [(tensor == 0).flatten() for tensor in z]
    total = sum(map(len, still))
    count = sum(int(part.sum()) for part in still)
    if count == total:
        raise WrongAnswer("Nothing has moved: the tensors of the list must change in place, as by `add_`.")
    if count == 0:
        return
    tails = [part[len(part) // _CHUNK * _CHUNK :] for part in still]
    if count == sum(map(len, tails)) and all(tail.all() for tail in tails):
        raise WrongAnswer(
            f"{count} numbers never move: the last piece of a tensor is shorter than a chunk, and moves too."
        )
    raise WrongAnswer(f"{count:,} of {total:,} numbers never move: each coordinate of each tensor needs its z.")


def _expect_seeds(perturb: Answer) -> None:
    """Raises: WrongAnswer where two seeds share a z, or where seed 0 does not fix it."""
    for one, other in combinations(_SEEDS, 2):
        if _are_equal(_perturbed(perturb, 1.0, seed=one), _perturbed(perturb, 1.0, seed=other)):
            raise WrongAnswer(f"Two seeds, {one} and {other}, gave the same z.")
    if not _are_equal(_perturbed(perturb, 1.0, seed=0), _perturbed(perturb, 1.0, seed=0)):
        raise WrongAnswer("Seed 0 gave two different z: it is a seed like any other.")


def _expect_addition(perturb: Answer, z: Sequence[Tensor]) -> None:
    """Raises: WrongAnswer where a move is not scale·z, or not added to what is there."""
    for scale in (2.0, -0.5):
        if not _are_close([scale * tensor for tensor in z], _perturbed(perturb, scale, seed=1)):
            raise WrongAnswer(f"With scale = {scale:g} the move should be {scale:g} times the same z.")
    ones = [torch.ones(shape, dtype=_PRECISION) for shape in _SHAPES]
    if not _are_close([1 + tensor for tensor in z], _perturbed(perturb, 1.0, seed=1, tensors=ones)):
        raise WrongAnswer("Tensors of ones should become 1 + z: add to what is there.")


def _expect_chunks(perturb: Answer) -> None:
    """Raises: WrongAnswer where a call holds more than a few chunks beside the tensors themselves."""
    for chunk in (_CHUNK, _SMALL_CHUNK):
        tensors = [torch.zeros(shape, dtype=_PRECISION) for shape in _SHAPES]
        with LiveStorages() as live:
            _perturbed(perturb, 1.0, seed=1, tensors=tensors, chunk=chunk)
        alive = live.peak // tensors[0].element_size()
        if alive > _MOST_CHUNKS * chunk:
            raise WrongAnswer(f"With chunk = {chunk} numbers you had {alive} alive: cut the tensors into such pieces.")


def _are_equal(one: Sequence[Tensor], other: Sequence[Tensor]) -> bool:
    return all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


def _are_close(one: Sequence[Tensor], other: Sequence[Tensor]) -> bool:
    return all(torch.allclose(a, b, atol=1e-6) for a, b in zip(one, other, strict=True))


def _expect_independence(z: Sequence[Tensor]) -> None:
    """Raises: WrongAnswer where two chunks or two tensors have the same z."""
    chunks = z[0].flatten().split(_CHUNK)
    if torch.equal(chunks[0], chunks[1]):
        raise WrongAnswer("All chunks get the same z: seed the generator once, before all loops.")
    if torch.equal(z[0], z[1]):
        raise WrongAnswer("Tensors of one shape get the same z: seed the generator once, before the loop over tensors.")


def _expect_distinct(z: Tensor) -> None:
    """Raises: WrongAnswer where more numbers agree than chance explains."""
    if len(z) - len(z.unique()) > _MOST_ALIKE:
        raise WrongAnswer(
            "The same numbers come back: each coordinate needs a z of its own. Seed once, before all loops."
        )


def _expect_normal(z: Tensor) -> None:
    """Raises: WrongAnswer where the moments of z, or its distribution, are not those of N(0, 1)."""
    for name, (power, expected, variance) in _MOMENTS.items():
        moment = float((z**power).mean())
        if abs(moment - expected) > _CHANCE * math.sqrt(variance / len(z)):
            raise WrongAnswer(f"z should be N(0, 1), with {name} {expected:g}; yours has {moment:.2f}.")
    # Kolmogorov's test: the empirical distribution steps up by 1/n at each sorted z
    steps = torch.arange(len(z) + 1, dtype=torch.float64) / len(z)
    normal = torch.special.ndtr(z.double().sort().values)
    distance = max(float((steps[1:] - normal).max()), float((normal - steps[:-1]).max()))
    if distance * math.sqrt(len(z)) > _KOLMOGOROV:
        raise WrongAnswer("z should be N(0, 1): the moments of yours are right, and its distribution is another.")


def check_order(z_of_perturb: Answer, z_of_mezo: Answer) -> None:
    """Whether each returns the z of tensors of zeros by name: that of `perturb`, and that of `MeZO` with names.

    The tensors come in two orders. The z of a stream follows the order, that of an address does not.

    Raises: WrongAnswer.
    """
    _, agreements = _z_and_agreement(z_of_perturb)
    if any(agreements):
        raise WrongAnswer("A place in a stream moves with the order of the tensors: take the z that `perturb` adds.")
    z, agreements = _z_and_agreement(z_of_mezo)
    if not all(agreements):
        raise WrongAnswer("An address does not move with the order of the tensors: pass `MeZO` their names.")
    if not _are_close(list(z.values()), _first_point_of_mezo()):
        raise WrongAnswer("The first point that `MeZO` visits from 0 with ε = 1 is z itself: return the tensors there.")
    print("✓ a place in a stream moves with the order of the tensors, an address does not")


def _z_and_agreement(z_of: Answer) -> tuple[dict[str, Tensor], list[bool]]:
    """The z by name, and for each tensor whether another order of the tensors leaves it as it is; printed too."""
    names = list(_NAMED_SHAPES)
    z = _z_by_name(z_of, names)
    reordered = _z_by_name(z_of, names[::-1])
    _expect_normal(torch.cat([tensor.flatten() for tensor in z.values()]))
    agreements = [torch.allclose(z[name], reordered[name]) for name in names]
    words = {True: "same", False: "another z"}
    print(
        getattr(z_of, "__name__", "your function"),
        {name: words[agree] for name, agree in zip(names, agreements, strict=True)},
    )
    return z, agreements


def _z_by_name(z_of: Answer, order: Sequence[str]) -> dict[str, Tensor]:
    """What a student's function returns for tensors of zeros in this order. Raises: WrongAnswer for anything but z."""
    z = call_answer(z_of, {name: torch.zeros(_NAMED_SHAPES[name], dtype=_PRECISION) for name in order})
    if not isinstance(z, Mapping) or set(z) != set(_NAMED_SHAPES):
        raise WrongAnswer(f"Return a dictionary: the z of each of {', '.join(_NAMED_SHAPES)}.")
    for name, shape in _NAMED_SHAPES.items():
        if not is_real_tensor(z[name]) or z[name].shape != shape:
            raise WrongAnswer(f"The z of {name} must be a tensor of floats of the shape {shape}, as {name} is.")
        if not z[name].all():
            raise WrongAnswer(f"Some numbers of {name} have not moved: return the tensors after the move, not before.")
    return {name: z[name].detach().double() for name in _NAMED_SHAPES}


def _first_point_of_mezo() -> list[Tensor]:
    """θ + z of the first probe of `MeZO` with its default seed, from θ = 0."""
    tensors = {name: torch.zeros(shape, dtype=_PRECISION) for name, shape in _NAMED_SHAPES.items()}
    points: list[list[Tensor]] = []

    def closure() -> float:
        points.append([tensor.double() for tensor in tensors.values()])
        return 0.0

    MeZO([(name, nn.Parameter(tensor)) for name, tensor in tensors.items()], lr=1.0, epsilon=1.0).step(closure)
    return points[0]


def check_step(step: Step) -> None:
    """Whether step(move, loss, lr, weight_decay, epsilon, seed) leads to (1 − ηλ)θ − η·pg·z, in three sweeps.

    Source: paper, Algorithm 1; the fold is that of `MeZO`. Raises: WrongAnswer.
    """
    expect_right(_endpoint(step), _new_weights, _STEPS, _STEP_MISTAKES)
    run = _run_step(step, **_STEPS[0])
    if run.sweeps > _SWEEPS:
        raise WrongAnswer(
            f"Right, but in {run.sweeps} sweeps: nothing is evaluated between restore and update, so merge them."
        )
    if run.evaluations > _EVALUATIONS:
        raise WrongAnswer(f"Right, but with {run.evaluations} evaluations of the loss: two are enough, one per side.")
    print(f"✓ right in {len(_STEPS)} cases, in {run.sweeps} sweeps and {run.evaluations} evaluations")


def _problem(seed: int) -> tuple[Cubic, Tensor, Tensor]:
    """A loss, θ and z, float64 (5,)."""
    generator = torch.Generator().manual_seed(seed)
    third, linear, theta, z = torch.randn(4, 5, generator=generator, dtype=torch.float64)
    return Cubic(third, linear), theta, z


def _new_weights(lr: float, weight_decay: float, epsilon: float, seed: int) -> Tensor:
    """(1 − ηλ)θ − η·pg·z, float64 (5,)."""
    loss, theta, z = _problem(seed)
    return (1 - lr * weight_decay) * theta - lr * two_point(loss, theta, z[None], epsilon)


class _StepRun(NamedTuple):
    """Where a step leads, and what it costs."""

    weights: Tensor
    sweeps: int
    evaluations: int


def _run_step(step: Step, lr: float, weight_decay: float, epsilon: float, seed: int) -> _StepRun:
    objective, weights, z = _problem(seed)
    sweeps = 0
    evaluations = 0

    def move(scale: float, with_seed: int, decay: float = 1.0) -> None:
        nonlocal sweeps
        sweeps += 1
        direction = z if with_seed == seed else z.flip(0)
        weights.mul_(decay).add_(direction, alpha=float(scale))

    def loss() -> Tensor:
        nonlocal evaluations
        evaluations += 1
        return objective(weights)

    call_answer(step, move, loss, lr, weight_decay, epsilon, seed)
    return _StepRun(weights, sweeps, evaluations)


def _endpoint(step: Step) -> Answer:
    """The weights after a step, as an answer that can be graded."""
    return lambda **case: _run_step(step, **case).weights


def _mistaken_step(
    scale: str, decay: str = "1 - lr * weight_decay", *, back: float = 2.0, seed_shift: int = 0
) -> Answer:
    """The endpoint of a step that probes at ε and (1 − back)·ε, takes them to be 2ε apart, and shifts its last seed.

    Args:
        scale: of the last sweep, a formula in epsilon, update = η·pg, and decay.
        decay: of the last sweep, a formula in lr and weight_decay.
    """

    def step(move, loss, lr, weight_decay, epsilon, seed):
        move(epsilon, seed)
        plus = loss()
        move(-back * epsilon, seed)
        update = lr * float(plus - loss()) / (2 * epsilon)
        factor = Expression(decay)({"lr": lr, "weight_decay": weight_decay})
        last = Expression(scale)({"epsilon": epsilon, "update": update, "decay": factor})
        move(last, seed + seed_shift, factor)

    return _endpoint(step)


_STEP_MISTAKES = {
    "The stored weights are θ − εz, and decay takes hold of −εz too: put back (1 − ηλ)·ε.": (
        _mistaken_step("epsilon - update")
    ),
    "The weights were left at θ − εz, decayed: the last sweep must restore as well as update.": (
        _mistaken_step("-update")
    ),
    "That climbs: the update is −η·pg·z.": _mistaken_step("decay * epsilon + update"),
    "The two points lie 2ε apart: divide by it.": _mistaken_step("decay * epsilon - 2 * update"),
    "The last sweep has the seed of the probe: with another one it moves along another z.": (
        _mistaken_step("decay * epsilon - update", seed_shift=1)
    ),
    "One side alone has the curvature in it: the second point is θ − εz, a move of −2ε away.": (
        _mistaken_step("-2 * update", back=1.0)
    ),
    "From θ + εz a move of −ε leads to θ, not to θ − εz.": _mistaken_step("decay * epsilon - update", back=1.0),
    "Decay the update, or θ? (1 − ηλ) multiplies θ, and the displacement that is stored with it; not η·pg·z.": (
        _mistaken_step("decay * (epsilon - update)")
    ),
    "The weight decay is missing.": _mistaken_step("epsilon - update", "1"),
    "The decay of a step is ηλ, not λ.": _mistaken_step("decay * epsilon - update", "1 - weight_decay"),
}
