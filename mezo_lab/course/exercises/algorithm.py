"""Notebook 8: Algorithm 1, built from nothing."""

from collections.abc import Callable, Mapping, Sequence
from itertools import combinations
from typing import NamedTuple

import torch
from torch import Tensor, nn

from mezo_lab.claims.c_costs import peak
from mezo_lab.course.exercises.ask import Answer, Wrong, ask
from mezo_lab.course.exercises.judge import expect_right, real
from mezo_lab.optim import MeZO
from mezo_lab.sampling import Cubic, two_point

SHAPES, CHUNK = [(50, 40), (50, 40), (7,)], 64
NAMED = {"embedding": (30, 4), "body": (4, 4), "head": (4, 2)}
SEEDS = (0, 1, 2, 3, 1000)
ALIKE = 5  # of 4,007 float32 numbers, as many agree by chance once in 10,000 times or less
SMALL = 8  # another chunk, for those who cut by a number of their own
ROOM = 4  # chunks that may be alive at once: z, its multiple, and some to spare
MOMENTS = {"mean": (1, 0.0, 1.0), "variance": (2, 1.0, 2.0), "fourth moment": (4, 3.0, 96.0)}  # power, E zᵖ, Var zᵖ
PRECISION = torch.float32
KOLMOGOROV = 2.5  # √n times the largest distance of the distributions: more, once in 130,000 times
CHANCE = 4.5  # standard errors: a right moment is refused once in 150,000 times
STEPS = [
    {"lr": 0.1, "weight_decay": 0.5, "epsilon": 0.1, "seed": 1},
    {"lr": 0.02, "weight_decay": 2.0, "epsilon": 0.3, "seed": 2},
    {"lr": 0.05, "weight_decay": 0.0, "epsilon": 0.2, "seed": 3},
]
SWEEPS, EVALUATIONS = 3, 2

Move = Callable[..., None]
Step = Callable[[Move, Callable[[], Tensor], float, float, float, int], object]


def check_perturb(perturb: Answer) -> None:
    """Whether perturb(parameters, scale, seed, chunk) adds scale·z(seed) in place, a chunk at a time.

    Source: paper, Algorithm 1, Perturb; claims C1, C2, C6. Raises: Wrong.
    """
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        before = torch.get_rng_state()
        z = moved(perturb, 1.0, seed=1)
        touched = not torch.equal(before, torch.get_rng_state())
        _every_coordinate(z)
        torch.manual_seed(12345)
        if not equal(z, moved(perturb, 1.0, seed=1)):
            raise Wrong("The same seed gave another z: draw from a generator of your own, made from `seed`.")
        if touched:
            raise Wrong("You moved torch's global generator, from which dropout draws: make a torch.Generator().")
        for one, other in combinations(SEEDS, 2):
            if equal(moved(perturb, 1.0, seed=one), moved(perturb, 1.0, seed=other)):
                raise Wrong(f"Two seeds, {one} and {other}, gave the same z.")
        if not equal(moved(perturb, 1.0, seed=0), moved(perturb, 1.0, seed=0)):
            raise Wrong("Seed 0 gave two different z: it is a seed like any other.")
        for scale in (2.0, -0.5):
            if not close([scale * tensor for tensor in z], moved(perturb, scale, seed=1)):
                raise Wrong(f"With scale = {scale:g} the move should be {scale:g} times the same z.")
        there = moved(perturb, 1.0, seed=1, tensors=[torch.ones(shape) for shape in SHAPES])
        if not close([1 + tensor for tensor in z], there):
            raise Wrong("Tensors of ones should become 1 + z: add to what is there.")
        independent(z)
        numbers = torch.cat([tensor.flatten() for tensor in z])
        standard_normal(numbers)
        _distinct(numbers)
        for chunk in (CHUNK, SMALL):
            alive = _alive(perturb, chunk)
            if alive > ROOM * chunk:
                raise Wrong(f"With chunk = {chunk} numbers you had {alive} alive: cut the tensors into such pieces.")
    print(f"✓ in place, one z for a seed, {sum(tensor.numel() for tensor in z):,} numbers in chunks of {CHUNK}")


def _alive(perturb: Answer, chunk: int) -> int:
    """The most numbers that a call holds at once, beside the tensors themselves."""
    tensors = [torch.zeros(shape) for shape in SHAPES]
    bytes_alive = peak(lambda: moved(perturb, 1.0, seed=1, tensors=tensors, chunk=chunk))
    return bytes_alive // tensors[0].element_size()


def moved(
    perturb: Answer, scale: float, seed: int, tensors: Sequence[Tensor] | None = None, chunk: int = CHUNK
) -> list[Tensor]:
    """What a call does to tensors, which are zero where none are given."""
    tensors = [torch.zeros(shape) for shape in SHAPES] if tensors is None else list(tensors)
    ask(perturb, list(tensors), scale, seed, chunk)
    if [tuple(tensor.shape) for tensor in tensors] != SHAPES or any(tensor.dtype != PRECISION for tensor in tensors):
        raise Wrong("The tensors have another shape or precision than before: add to them, and leave them as they are.")
    return tensors


def _every_coordinate(z: Sequence[Tensor]) -> None:
    """Whether each number of each tensor has moved. Raises: Wrong, naming the part that has not."""
    still = [(tensor == 0).flatten() for tensor in z]
    if all(part.all() for part in still):
        raise Wrong("Nothing has moved: the tensors of the list must change in place, as by `add_`.")
    if not any(part.any() for part in still):
        return
    count = sum(int(part.sum()) for part in still)
    rest = [part[len(part) // CHUNK * CHUNK :] for part in still]
    if all(part.all() for part in rest) and count == sum(map(len, rest)):
        raise Wrong(f"{count} numbers never move: the last piece of a tensor is shorter than a chunk, and moves too.")
    raise Wrong(
        f"{count:,} of {sum(map(len, still)):,} numbers never move: each coordinate of each tensor needs its z."
    )


def equal(one: Sequence[Tensor], other: Sequence[Tensor]) -> bool:
    return all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


def close(one: Sequence[Tensor], other: Sequence[Tensor]) -> bool:
    return all(torch.allclose(a, b, atol=1e-6) for a, b in zip(one, other, strict=True))


def independent(z: Sequence[Tensor]) -> None:
    """Whether neither two chunks nor two tensors have the same z. Raises: Wrong."""
    chunks = z[0].flatten().split(CHUNK)
    if torch.equal(chunks[0], chunks[1]):
        raise Wrong("All chunks get the same z: seed the generator once, before all loops.")
    if torch.equal(z[0], z[1]):
        raise Wrong("Tensors of one shape get the same z: seed the generator once, before the loop over tensors.")


def _distinct(z: Tensor) -> None:
    """Whether the numbers differ, up to chance. Raises: Wrong."""
    if len(z) - len(z.unique()) > ALIKE:  # of 4,007 float32 numbers two or three may agree by chance
        raise Wrong("The same numbers come back: each coordinate needs a z of its own. Seed once, before all loops.")


def standard_normal(z: Tensor) -> None:
    """Whether the moments of z, and its distribution, are those of N(0, 1). Raises: Wrong."""
    for name, (power, value, variance) in MOMENTS.items():
        found = float((z**power).mean())
        if abs(found - value) > CHANCE * (variance / len(z)) ** 0.5:
            raise Wrong(f"z should be N(0, 1), with {name} {value:g}; yours has {found:.2f}.")
    steps = torch.arange(len(z) + 1, dtype=torch.float64) / len(z)
    normal = torch.special.ndtr(z.double().sort().values)
    farthest = max(float((steps[1:] - normal).max()), float((normal - steps[:-1]).max()))
    if farthest * len(z) ** 0.5 > KOLMOGOROV:
        raise Wrong("z should be N(0, 1): the moments of yours are right, and its distribution is another.")


def check_order(z_of_perturb: Answer, z_of_mezo: Answer) -> None:
    """Whether each returns the z of tensors of zeros by name: those of `perturb`, and those of `MeZO` with names.

    The tensors come in two orders. The z of a stream follow the order, those of an address do not. Raises: Wrong.
    """
    for z_of in (z_of_perturb, z_of_mezo):
        there, back = (_z_by_name(z_of, order) for order in (list(NAMED), list(NAMED)[::-1]))
        standard_normal(torch.cat([tensor.flatten() for tensor in there.values()]))
        agree = {name: torch.allclose(there[name], back[name]) for name in NAMED}
        name = z_of.__name__
        print(name, {tensor: "same" if here else "another z" for tensor, here in agree.items()})
        if z_of is z_of_perturb and any(agree.values()):
            raise Wrong("A place in a stream moves with the order of the tensors: take the z that `perturb` adds.")
        if z_of is z_of_mezo and not all(agree.values()):
            raise Wrong("An address does not move with the order of the tensors: hand `MeZO` their names.")
        if z_of is z_of_mezo and not close(list(there.values()), _visited_first()):
            raise Wrong("The first point that `MeZO` visits from 0 with ε = 1 is z itself: return the tensors there.")
    print("✓ a place in a stream moves with the order of the tensors, an address does not")


def _z_by_name(z_of: Answer, order: Sequence[str]) -> dict[str, Tensor]:
    """What a student's function returns for tensors of zeros in this order. Raises: Wrong, where they are no z."""
    found = ask(z_of, {name: torch.zeros(NAMED[name]) for name in order})
    if not isinstance(found, Mapping) or set(found) != set(NAMED):
        raise Wrong(f"Return a dictionary: the z of each of {', '.join(NAMED)}.")
    for name, shape in NAMED.items():
        if not real(found[name]) or found[name].shape != shape:
            raise Wrong(f"The z of {name} must be a tensor of floats of the shape {shape}, as {name} is.")
        if not found[name].all():
            raise Wrong(f"Some numbers of {name} have not moved: return the tensors after the move, not before.")
    return {name: found[name].detach().double() for name in NAMED}


def _visited_first() -> list[Tensor]:
    """θ + z of the first probe of `MeZO` with its seed, from θ = 0."""
    tensors = {name: torch.zeros(shape) for name, shape in NAMED.items()}
    seen: list[list[Tensor]] = []

    def closure() -> float:
        seen.append([tensor.double() for tensor in tensors.values()])
        return 0.0

    MeZO([(name, nn.Parameter(tensor)) for name, tensor in tensors.items()], lr=1.0, epsilon=1.0).step(closure)
    return seen[0]


def check_step(step: Step) -> None:
    """Whether step(move, loss, lr, weight_decay, epsilon, seed) leads to (1 − ηλ)θ − η·pg·z, in three sweeps.

    Source: paper, Algorithm 1; the fold is that of `mezo_lab.optim.displacement`. Raises: Wrong.
    """
    expect_right(arrives(step), truth, STEPS, {sentence: arrives(slip) for sentence, slip in SLIPS.items()})
    walked = walk(step, **STEPS[0])
    if walked.sweeps > SWEEPS:
        raise Wrong(
            f"Right, but in {walked.sweeps} sweeps: nothing is evaluated between restore and update, so merge them."
        )
    if walked.evaluations > EVALUATIONS:
        raise Wrong(f"Right, but with {walked.evaluations} evaluations of the loss: two are enough, one on each side.")
    print(f"✓ right in {len(STEPS)} cases, in {walked.sweeps} sweeps and {walked.evaluations} evaluations")


def bed(seed: int) -> tuple[Cubic, Tensor, Tensor]:
    """A loss, θ and z, float64 (5,)."""
    generator = torch.Generator().manual_seed(seed)
    third, linear, theta, z = torch.randn(4, 5, generator=generator, dtype=torch.float64)
    return Cubic(third, linear), theta, z


def truth(lr: float, weight_decay: float, epsilon: float, seed: int) -> Tensor:
    loss, theta, z = bed(seed)
    return (1 - lr * weight_decay) * theta - lr * two_point(loss, theta, z[None], epsilon)


class Walk(NamedTuple):
    """Where a step leads, and what it took."""

    weights: Tensor
    sweeps: int
    evaluations: int


def walk(step: Step, lr: float, weight_decay: float, epsilon: float, seed: int) -> Walk:
    objective, weights, z = bed(seed)
    sweeps = 0
    evaluations = 0

    def move(scale: float, with_seed: int, decay: float = 1.0) -> None:
        nonlocal sweeps
        sweeps += 1
        weights.mul_(decay).add_(z if with_seed == seed else z.flip(0), alpha=float(scale))

    def loss() -> Tensor:
        nonlocal evaluations
        evaluations += 1
        return objective(weights)

    ask(step, move, loss, lr, weight_decay, epsilon, seed)
    return Walk(weights, sweeps, evaluations)


def arrives(step: Step) -> Answer:
    return lambda **case: walk(step, **case).weights


def slip(
    last: Callable[..., float],
    decay: Callable[[float, float], float] = lambda lr, weight_decay: 1 - lr * weight_decay,
    *,
    back: float = 2.0,
    other: int = 0,
) -> Step:
    """A step whose last sweep has the scale last(ε, η, pg, decay), this decay and another seed.

    It probes at ε and (1 − back)·ε, which it takes to be 2ε apart.
    """

    def step(move, loss, lr, weight_decay, epsilon, seed):
        move(epsilon, seed)
        plus = loss()
        move(-back * epsilon, seed)
        pg = (plus - loss()) / (2 * epsilon)
        factor = decay(lr, weight_decay)
        move(last(epsilon, lr, pg, factor), seed + other, factor)

    return step


SLIPS = {
    "The stored weights are θ − εz, and decay takes hold of −εz too: put back (1 − ηλ)·ε.": slip(
        lambda epsilon, lr, pg, decay: epsilon - lr * pg
    ),
    "The weights were left at θ − εz, decayed: the last sweep must restore as well as update.": slip(
        lambda epsilon, lr, pg, decay: -lr * pg
    ),
    "That climbs: the update is −η·pg·z.": slip(lambda epsilon, lr, pg, decay: decay * epsilon + lr * pg),
    "The two points lie 2ε apart: divide by it.": slip(lambda epsilon, lr, pg, decay: decay * epsilon - 2 * lr * pg),
    "The last sweep has the seed of the probe: with another one it moves along another z.": slip(
        lambda epsilon, lr, pg, decay: decay * epsilon - lr * pg, other=1
    ),
    "One side alone has the curvature in it: the second point is θ − εz, a move of −2ε away.": slip(
        lambda epsilon, lr, pg, decay: -2 * lr * pg, back=1.0
    ),
    "From θ + εz a move of −ε leads to θ, not to θ − εz.": slip(
        lambda epsilon, lr, pg, decay: decay * epsilon - lr * pg, back=1.0
    ),
    "Decay the update, or θ? (1 − ηλ) multiplies θ, and the displacement that is stored with it; not η·pg·z.": slip(
        lambda epsilon, lr, pg, decay: decay * (epsilon - lr * pg)
    ),
    "The weight decay is missing.": slip(lambda epsilon, lr, pg, decay: epsilon - lr * pg, lambda lr, decay: 1.0),
    "The decay of a step is ηλ, not λ.": slip(
        lambda epsilon, lr, pg, decay: decay * epsilon - lr * pg, lambda lr, decay: 1 - decay
    ),
}
