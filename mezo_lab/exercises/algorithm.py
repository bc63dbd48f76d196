"""Notebook 8: Algorithm 1, built from nothing."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from mezo_lab.claims.engine_costs import peak
from mezo_lab.estimators import two_point
from mezo_lab.exercises.judge import Answer, Wrong, judge
from mezo_lab.objectives import Cubic

SHAPES, CHUNK = [(50, 40), (50, 40), (7,)], 64
ROOM = 4  # chunks that may be alive at once: z, its multiple, and some to spare
MOMENTS = {"mean": (1, 0.0, 1.0), "variance": (2, 1.0, 2.0), "fourth moment": (4, 3.0, 96.0)}  # power, E zᵖ, Var zᵖ
CHANCE = 4.5  # standard errors: a right moment is refused once in 150,000 times
STEPS = [
    {"lr": 0.1, "weight_decay": 0.5, "epsilon": 0.1, "seed": 1},
    {"lr": 0.02, "weight_decay": 2.0, "epsilon": 0.3, "seed": 2},
    {"lr": 0.05, "weight_decay": 0.0, "epsilon": 0.2, "seed": 3},
]
SWEEPS = 3

Move = Callable[..., None]
Step = Callable[[Move, Callable[[], Tensor], float, float, float, int], object]


def check_perturb(perturb: Answer) -> None:
    """Whether perturb(parameters, scale, seed, chunk) adds scale·z(seed) in place, a chunk at a time.

    Source: paper, Algorithm 1, Perturb; CLAIMS C1, C2, C6. Raises: Wrong.
    """
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        before = torch.get_rng_state()
        z = moved(perturb, 1.0, seed=1)
        if not any(tensor.any() for tensor in z):
            raise Wrong("Nothing has moved: the tensors of the list must change in place, as by `add_`.")
        touched = not torch.equal(before, torch.get_rng_state())
        torch.manual_seed(12345)
        if not equal(z, moved(perturb, 1.0, seed=1)):
            raise Wrong("The same seed gave another z: draw from a generator of your own, made from `seed`.")
        if touched:
            raise Wrong("You moved torch's global generator, from which dropout draws: make a torch.Generator().")
        if equal(z, moved(perturb, 1.0, seed=2)):
            raise Wrong("Another seed gave the same z.")
        if not close([2 * tensor for tensor in z], moved(perturb, 2.0, seed=1)):
            raise Wrong("Twice the scale should move twice as far along the same z.")
        independent(z)
        standard_normal(torch.cat([tensor.flatten() for tensor in z]))
        most = peak(lambda: moved(perturb, 1.0, seed=1, tensors=[torch.zeros(shape) for shape in SHAPES]))
        most -= sum(tensor.nbytes for tensor in z)
        if most > ROOM * CHUNK * z[0].element_size():
            raise Wrong(f"With chunk = {CHUNK} numbers you had {most // z[0].element_size()} alive: cut the tensors.")
    print(f"✓ in place, one z for a seed, {sum(tensor.numel() for tensor in z):,} numbers in chunks of {CHUNK}")


def moved(perturb: Answer, scale: float, seed: int, tensors: Sequence[Tensor] | None = None) -> list[Tensor]:
    """What a call does to tensors that are zero."""
    tensors = [torch.zeros(shape) for shape in SHAPES] if tensors is None else list(tensors)
    perturb(list(tensors), scale, seed, CHUNK)
    return tensors


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


def standard_normal(z: Tensor) -> None:
    """Whether the moments of z are those of N(0, 1). Raises: Wrong."""
    for name, (power, value, variance) in MOMENTS.items():
        found = float((z**power).mean())
        if abs(found - value) > CHANCE * (variance / len(z)) ** 0.5:
            raise Wrong(f"z should be N(0, 1), with {name} {value:g}; yours has {found:.2f}.")


def check_step(step: Step) -> None:
    """Whether step(move, loss, lr, weight_decay, epsilon, seed) leads to (1 − ηλ)θ − η·pg·z, in three sweeps.

    Source: paper, Algorithm 1; the fold is that of `mezo_lab.optim.position`. Raises: Wrong.
    """
    judge(arrives(step), truth, STEPS, {sentence: arrives(slip) for sentence, slip in SLIPS.items()})
    if (sweeps := walk(step, **STEPS[0])[1]) > SWEEPS:
        raise Wrong(f"Right, but in {sweeps} sweeps: nothing is evaluated between restore and update, so merge them.")


def bed(seed: int) -> tuple[Cubic, Tensor, Tensor]:
    """A loss, θ and z, float64 (5,)."""
    generator = torch.Generator().manual_seed(seed)
    third, linear, theta, z = torch.randn(4, 5, generator=generator, dtype=torch.float64)
    return Cubic(third, linear), theta, z


def truth(lr: float, weight_decay: float, epsilon: float, seed: int) -> Tensor:
    loss, theta, z = bed(seed)
    return (1 - lr * weight_decay) * theta - lr * two_point(loss, theta, z[None], epsilon)


def walk(step: Step, lr: float, weight_decay: float, epsilon: float, seed: int) -> tuple[Tensor, int]:
    """Where a step leads, and in how many sweeps."""
    objective, weights, z = bed(seed)
    sweeps = 0

    def move(scale: float, with_seed: int, decay: float = 1.0) -> None:
        nonlocal sweeps
        sweeps += 1
        weights.mul_(decay).add_(z if with_seed == seed else z.flip(0), alpha=float(scale))

    step(move, lambda: objective(weights), lr, weight_decay, epsilon, seed)
    return weights, sweeps


def arrives(step: Step) -> Answer:
    return lambda **case: walk(step, **case)[0]


def slip(
    last: Callable[..., float],
    decay: Callable[[float, float], float] = lambda lr, weight_decay: 1 - lr * weight_decay,
    *,
    back: float = 2.0,
) -> Step:
    """A step whose last sweep has the scale last(ε, η, pg, decay) and this decay; it probes at ε and (1 − back)·ε."""

    def step(move, loss, lr, weight_decay, epsilon, seed):
        move(epsilon, seed)
        plus = loss()
        move(-back * epsilon, seed)
        pg = (plus - loss()) / (2 * epsilon)
        factor = decay(lr, weight_decay)
        move(last(epsilon, lr, pg, factor), seed, factor)

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
