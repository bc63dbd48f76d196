"""Notebook 9: generators of z with defects of the kinds met in published code, and checks that catch them.

A generator answers `z(shapes, seed, step, update=False)` with a tensor for each name of `shapes`. Asked as for a probe
it gives the direction; asked with `update` it gives what the step moves along, per unit of measured slope.
"""

import hashlib
import math
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import combinations, product
from typing import Any

import torch
from torch import Generator, Tensor

from mezo_lab.claims.arithmetic import ALARM
from mezo_lab.claims.problems import tied
from mezo_lab.course.exercises.ask import Wrong, ask, brief, brief_text
from mezo_lab.course.exercises.judge import real
from mezo_lab.optim import MeZO
from mezo_lab.optim.noise import tensor_key
from mezo_lab.optim.sweeps import KeyedTensor, NoiseField, Term

Shapes = Mapping[str, tuple[int, ...]]
Z = dict[str, Tensor]
Zoo = Callable[..., Z]
Closure = Callable[[], Any]

SHAPES: Shapes = {"embedding": (5, 20), "body": (5, 20), "head": (2, 20)}
SEED, STEPS = 0, 100  # seed 0 is a seed like any other
FACTORS = 8  # of the low-rank noise


def mezo(shapes: Shapes, seed: int, step: int, update: bool = False) -> Z:
    """The z of `MeZO`: each coordinate from its address. The one that is sound."""
    found = {name: torch.zeros(shape) for name, shape in shapes.items()}
    field = NoiseField(
        [KeyedTensor(x, tensor_key(name)) for name, x in found.items()], "gaussian", seed, compiled=False
    )
    field.sweep([Term(step, 0, (1.0,))])
    return found


def stream(*address: int | str) -> Generator:
    """A generator of its own for each address."""
    digest = hashlib.blake2b(repr(address).encode(), digest_size=8).digest()
    return Generator().manual_seed(int.from_bytes(digest, "little"))


Draw = Callable[[tuple[int, ...], Generator], Tensor]


def normal(shape: tuple[int, ...], rng: Generator) -> Tensor:
    return torch.randn(shape, generator=rng)


def keyed(draw: Draw = normal, moved: Callable[[Tensor], Tensor] = lambda z: z) -> Zoo:
    """A stream for each (seed, step, name). Args: moved: what the update makes of the z of the probe."""

    def z(shapes: Shapes, seed: int, step: int, update: bool = False) -> Z:
        found = {name: draw(shape, stream(seed, step, name)) for name, shape in shapes.items()}
        return {name: moved(x) for name, x in found.items()} if update else found

    return z


def row_by_row(shapes: Shapes, seed: int, step: int, update: bool = False) -> Z:
    """One generator for all, and the update draws a matrix row by row, to save memory."""
    rng = stream(seed, step)
    parts = {name: shape[0] if update else 1 for name, shape in shapes.items()}
    return {
        name: torch.cat([normal((shape[0] // parts[name], *shape[1:]), rng) for _ in range(parts[name])])
        for name, shape in shapes.items()
    }


def unseeded(shapes: Shapes, seed: int, step: int, update: bool = False) -> Z:
    """Draws from the process's own generator, which nobody sets back."""
    return {name: torch.randn(shape) for name, shape in shapes.items()}


def zero_is_no_seed(shapes: Shapes, seed: int, step: int, update: bool = False) -> Z:
    """`if seed:` where `if seed is not None:` is meant."""
    return (keyed() if seed else unseeded)(shapes, seed, step)


def reseeded(shapes: Shapes, seed: int, step: int, update: bool = False) -> Z:
    """The generator is seeded inside the loop over tensors."""
    return {name: normal(shape, stream(seed, step)) for name, shape in shapes.items()}


def one_generator(shapes: Shapes, seed: int, step: int, update: bool = False) -> Z:
    """One generator walks through the tensors that move."""
    rng = stream(seed, step)
    return {name: normal(shape, rng) for name, shape in shapes.items()}


def sums(shapes: Shapes, seed: int, step: int, update: bool = False) -> Z:
    """The seed of tensor i is seed + step + i: a sum is the same for many addresses."""
    return {name: normal(shape, stream(seed + step + i)) for i, (name, shape) in enumerate(shapes.items())}


def without_seed(shapes: Shapes, seed: int, step: int, update: bool = False) -> Z:
    """The step alone makes the stream; the user's seed is not asked."""
    return keyed()(shapes, 0, step)


def low_rank(shape: tuple[int, ...], rng: Generator) -> Tensor:
    a, b = torch.randn(2, *shape, FACTORS, generator=rng)
    return (a * b).sum(-1) / FACTORS  # the standard deviation of the sum is √r, not r


def flat(shape: tuple[int, ...], rng: Generator) -> Tensor:
    return torch.rand(shape, generator=rng) * 2 - 1


# name → (generator, what it is and whom it hurts)
ZOO: dict[str, tuple[Zoo, str]] = {
    "row by row": (row_by_row, "the update draws by rows what the probe drew whole: large layers go astray"),
    "unseeded": (unseeded, "z cannot be drawn again: every step goes where nothing was measured"),
    "seed 0 unset": (zero_is_no_seed, "`if seed` takes 0 for no seed: only those who choose 0 are hurt"),
    "one per tensor": (reseeded, "seeds anew in the loop: layers of one shape move alike"),
    "sums as seeds": (sums, "seed + step + i: each step repeats parts of the one before"),
    "no user seed": (without_seed, "all runs walk along the same z: error bars over seeds are too short"),
    "one generator": (one_generator, "freeze a layer, and later ones get another z: a log no longer fits"),
    "unit length": (keyed(moved=lambda x: x / x.norm()), "the update moves along z/‖z‖: large layers hardly move"),
    "ε for 2ε": (keyed(moved=lambda x: 2 * x), "divides by ε: a rate twice the one that is written down"),
    "climbs": (keyed(moved=lambda x: -x), "the sign of the update is wrong: the loss rises"),
    "tied": (keyed(tied), "coordinates share a sign: the mean of ĝ mixes their slopes"),
    "uniform ±1": (keyed(flat), "variance ⅓: a gradient three times too short"),
    "low rank": (keyed(low_rank), "a sum of r products over r: a gradient r times too short"),
}


def checks(z: Zoo, steps: int = STEPS) -> dict[str, float]:
    """What is wrong with a generator: by check, how many standard errors it is off; ∞ where two z must be one.

    Claim: C1 and C2. For x and y uncorrelated of unit variance, Σxy has mean 0 and variance N, so Σxy/√N is a number
    of standard errors; and Σ(xy − 1)/√(2N) where y = x, for laws no wider than the normal.
    Cost: 3 z of 240 coordinates a step. Sees correlations down to 5/√N: 5 % between the large tensors.

    >>> caught(checks(keyed(moved=lambda z: -z))), caught(checks(keyed()))
    (['one z', 'scale'], [])
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(SEED)  # for what draws from the process's own generator
        asked = (SEED, False), (SEED, True), (SEED + 1, False)
        probes, updates, others = ([z(SHAPES, seed, t, update) for t in range(steps + 1)] for seed, update in asked)
        alone = z({"head": SHAPES["head"]}, SEED, 1)["head"]
    now, then, pairs = probes[:-1], probes[1:], list(product(SHAPES, repeat=2))
    here, moved = (torch.cat([each[name].flatten() for each in run for name in SHAPES]) for run in (probes, updates))
    return {
        "one z": 0.0 if torch.equal(here, moved) else math.inf,
        "frozen": 0.0 if torch.equal(alone, probes[1]["head"]) else math.inf,
        "scale": float((here * moved - 1).double().sum()) / math.sqrt(2 * len(here)),
        "neighbours": largest(correlation((x[name][:, 1:], x[name][:, :-1]) for x in now) for name in SHAPES),
        "tensors": largest(correlation((x[a], x[b]) for x in now) for a, b in combinations(SHAPES, 2)),
        "steps": largest(correlation((x[a], y[b]) for x, y in zip(now, then, strict=True)) for a, b in pairs),
        "runs": largest(
            correlation((x[a], y[a]) for x, y in zip(mine, others, strict=False))
            for mine in (now, then)
            for a in SHAPES
        ),
    }


def correlation(pairs) -> float:
    """Σxy/√N over pairs of tensors, each cut to the shorter one."""
    cut = [(x.flatten()[: y.numel()], y.flatten()[: x.numel()]) for x, y in pairs]
    xy = torch.cat([x.double() * y.double() for x, y in cut])
    return float(xy.sum()) / math.sqrt(len(xy))


def largest(found: Iterator[float]) -> float:
    return max(found, key=abs)


def caught(found: Mapping[str, float]) -> list[str]:
    """The checks that are 5 standard errors or more away."""
    return [name for name, value in found.items() if abs(value) >= ALARM]


SENTENCES = {
    "one z": "The update has another z than the probe: let (seed, step) fix it, for seed 0 too, and draw in one way.",
    "frozen": "Without the other tensors the head has another z: let its name fix its stream, not its place in line.",
    "scale": "The mean of z² must be 1, or the mean of ĝ is another multiple of g.",
    "tensors": "Two tensors have correlated z: put the name into the seed.",
    "steps": "A step has a z of the step before: make the seed from (seed, step, name) so that no two collide.",
    "runs": "Two seeds give correlated runs: make the stream from (seed, step, name), not from their sum.",
    "neighbours": "Neighbours are correlated: coordinates must be uncorrelated within a tensor too.",
}


def check_generator(z: Zoo) -> None:
    """Whether z(shapes, seed, step, update=False) passes all checks of the zoo, and leaves torch's own generator alone.

    Source: claims C1, C2. Raises: Wrong.
    """

    def asked(shapes: Shapes, seed: int, step: int, update: bool = False) -> Z:
        found = ask(z, shapes, seed, step, update)
        if not isinstance(found, Mapping) or {name: _shape_of(x) for name, x in found.items()} != dict(shapes):
            raise Wrong("Return a dictionary: for each name of `shapes` a tensor of floats of that shape.")
        return dict(found)

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(STEPS)
        before = torch.get_rng_state()
        asked(SHAPES, SEED, 0)
        touched = not torch.equal(before, torch.get_rng_state())
    wrong = caught(checks(asked))
    for name, sentence in SENTENCES.items():
        if name in wrong:
            raise Wrong(sentence)
    if touched:
        raise Wrong("You moved torch's global generator, from which dropout draws: make a torch.Generator().")
    print(f"✓ passes {len(SENTENCES)} checks over {STEPS} steps")


def _shape_of(found: object) -> tuple[int, ...] | None:
    return tuple(found.shape) if isinstance(found, Tensor) and real(found) else None


def backwards(shapes: Shapes, seed: int, step: int, update: bool = False) -> Z:
    return {name: (-1) ** step * x for name, x in keyed()(shapes, seed, step // 2).items()}


def products(shapes: Shapes, seed: int, step: int, update: bool = False) -> Z:
    return keyed()(shapes, 0, seed * step)


MYSTERIES: dict[str, Zoo] = {
    "A": products,
    "B": keyed(lambda shape, rng: torch.rand(shape, generator=rng) * math.sqrt(3)),
    "C": backwards,
}
ILLNESSES = {
    "sum": "seed + step is the seed",
    "product": "seed · step is the seed",
    "back": "every second step has −z of the one before",
    "mean": "the mean of a coordinate is not 0",
    "variance": "the variance of a coordinate is too large",
    "shared": "tensors of one shape have one z",
}
CURES = {
    "A": ("product", "A: seed 0 has one z for all steps, and seed 1 has not. Which arithmetic does that?"),
    "B": ("mean", "B: everything is correlated with everything, by the same amount. Look at one z."),
    "C": ("back", "C: only steps are correlated, and negatively. Print one coordinate for four steps."),
}


def check_diagnoses(diagnoses: Callable[[], Mapping[str, str]]) -> None:
    """Whether diagnoses() gives each mystery its illness, a key of ILLNESSES. Raises: Wrong."""
    given = ask(diagnoses)
    if not isinstance(given, Mapping):
        raise Wrong(f"Your function returned {brief(given)}: let it return a dictionary, mystery → illness.")
    for name, (illness, hint) in CURES.items():
        said = given.get(name)
        if not isinstance(said, str) or said not in ILLNESSES:
            raise Wrong(f"{name} must be one of {', '.join(ILLNESSES)}; yours is {brief(said)}.")
        if said != illness:
            raise Wrong(hint)
    print(f"✓ {len(CURES)} of {len(CURES)}")


def check_contracts(broken: Callable[[], Mapping[str, Closure]], sound: Closure, parameters: Iterable[Any]) -> None:
    """Whether broken() has two closures that break the contract: `noisy` at one point, `stale` at all points.

    Printed for each, and for `sound`: what the diagnostics of 30 steps say, and whether `check_closure` refuses it.
    It compares two calls at one point; `zero_rate` compares the two sides of a probe. Raises: Wrong.
    """
    closures = ask(broken)
    if not isinstance(closures, Mapping) or set(closures) != {"noisy", "stale"}:
        raise Wrong("Return a dictionary with two closures: noisy, and stale.")
    moved = list(parameters)
    for name, closure in {"sound": sound, **closures}.items():
        try:
            blind, refused = _diagnosed(closure, moved, name)
        except (TypeError, ValueError, RuntimeError) as error:  # by `MeZO`, of what the closure returned
            raise Wrong(f"{name}: the closure must return a loss. {brief_text(str(error))}") from None
        if name == "noisy" and not refused:
            raise Wrong("noisy: `check_closure` saw no noise. At one point, two calls must give two losses.")
        if name == "noisy" and blind:
            raise Wrong(
                "noisy: the two sides of each probe gave one loss. It must depend on the weights, and be noisy."
            )
        if name == "stale" and refused:
            raise Wrong("stale: two calls gave two losses. At all points it must give the same one.")
        if name == "stale" and not blind:
            raise Wrong("stale: the loss moved with the weights. At all points it must give the same one.")
    print("✓ `check_closure` compares two calls at one point, `zero_rate` the two sides of a probe")


def _diagnosed(closure: Closure, parameters: Sequence[Any], name: str) -> tuple[bool, bool]:
    """Whether 30 steps saw no difference at all, and whether `check_closure` refuses the closure; prints both."""
    with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # that the closure is noisy, as it is meant to be
        torch.manual_seed(SEED)  # for the noise
        opt = MeZO(parameters, lr=1e-30, check_closure=False)
        for _ in range(30):
            opt.step(lambda: ask(closure))
        zeros = opt.diagnostics.zero_rate()
        try:
            MeZO(parameters, lr=1e-30, check_closure=True).step(lambda: ask(closure))
            verdict = "passes"
        except ValueError:
            verdict = "refuses"
    print(
        f"{name:<6} ‖g‖ = {opt.diagnostics.gradient_norm()}, no difference seen: {zeros:.0%}; check_closure {verdict}"
    )
    return zeros == 1, verdict == "refuses"
