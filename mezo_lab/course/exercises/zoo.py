"""Notebook 9: generators of z with defects of the kinds met in published code, and checks that catch them.

A generator `z(shapes, seed, step, update=False)` returns a tensor for each name of `shapes`: for a probe the direction,
and with `update` what the step moves along, per unit of measured slope.
"""

import hashlib
import math
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import combinations, product
from typing import Any

import torch
from torch import Generator, Tensor

from mezo_lab.claims.controls import tied_signs
from mezo_lab.claims.decision import ALARM
from mezo_lab.course.exercises.answers import WrongAnswer, call_answer, quoted, shortened
from mezo_lab.course.exercises.grading import is_real_tensor
from mezo_lab.optim import MeZO
from mezo_lab.optim.noise import tensor_key
from mezo_lab.optim.sweeps import KeyedTensor, NoiseField, Term

__all__ = [
    "ILLNESSES",
    "MYSTERIES",
    "ZOO",
    "check_contracts",
    "check_diagnoses",
    "check_generator",
    "deviations",
    "failed_checks",
    "mezo",
]

Shapes = Mapping[str, tuple[int, ...]]
Z = dict[str, Tensor]
ZGenerator = Callable[..., Z]
Draw = Callable[[tuple[int, ...], Generator], Tensor]
Closure = Callable[[], Any]

_SHAPES: Shapes = {"embedding": (5, 20), "body": (5, 20), "head": (2, 20)}
_SEED = 0  # a seed like any other
_STEPS = 100
_FACTORS = 8  # of the low-rank noise


def mezo(shapes: Shapes, seed: int, step: int, update: bool = False) -> Z:
    """The z of `MeZO`: each coordinate is drawn from its address. This generator is sound.

    Args:
        shapes: the shape of each tensor, by name.
        seed: of the run.
        step: its number.
        update: for the update of the step; MeZO moves along the z that it probed.
    Returns: a float32 tensor for each name.

    >>> {name: tuple(z.shape) for name, z in mezo({"head": (2, 20)}, seed=0, step=1).items()}
    {'head': (2, 20)}
    """
    z = {name: torch.zeros(shape) for name, shape in shapes.items()}
    tensors = [KeyedTensor(tensor, tensor_key(name)) for name, tensor in z.items()]
    field = NoiseField(tensors, "gaussian", seed, compiled=False)
    field.sweep([Term(step, 0, (1.0,))])
    return z


def _stream(*address: int | str) -> Generator:
    """A generator of its own for each address."""
    digest = hashlib.blake2b(repr(address).encode(), digest_size=8).digest()
    return Generator().manual_seed(int.from_bytes(digest, "little"))


def _normal(shape: tuple[int, ...], rng: Generator) -> Tensor:
    return torch.randn(shape, generator=rng)


def _keyed(draw: Draw = _normal, direction: Callable[[Tensor], Tensor] = lambda z: z) -> ZGenerator:
    """A stream for each (seed, step, name). Args: direction: what the update makes of the z of the probe."""

    def generator(shapes: Shapes, seed: int, step: int, update: bool = False) -> Z:
        z = {name: draw(shape, _stream(seed, step, name)) for name, shape in shapes.items()}
        if update:
            return {name: direction(tensor) for name, tensor in z.items()}
        return z

    return generator


def _row_by_row(shapes: Shapes, seed: int, step: int, update: bool = False) -> Z:
    """One generator for all, and the update draws a matrix row by row, to save memory."""
    rng = _stream(seed, step)
    if not update:
        return {name: _normal(shape, rng) for name, shape in shapes.items()}
    return {name: torch.stack([_normal(shape[1:], rng) for _ in range(shape[0])]) for name, shape in shapes.items()}


def _unseeded(shapes: Shapes, seed: int, step: int, update: bool = False) -> Z:
    """Draws from the process's own generator, which nobody resets."""
    return {name: torch.randn(shape) for name, shape in shapes.items()}


def _without_seed_0(shapes: Shapes, seed: int, step: int, update: bool = False) -> Z:
    """`if seed:` where `if seed is not None:` is meant."""
    if seed:
        return _keyed()(shapes, seed, step)
    return _unseeded(shapes, seed, step)


def _reseeded(shapes: Shapes, seed: int, step: int, update: bool = False) -> Z:
    """The generator is seeded inside the loop over tensors."""
    return {name: _normal(shape, _stream(seed, step)) for name, shape in shapes.items()}


def _one_generator(shapes: Shapes, seed: int, step: int, update: bool = False) -> Z:
    """One generator walks through the trainable tensors."""
    rng = _stream(seed, step)
    return {name: _normal(shape, rng) for name, shape in shapes.items()}


def _sum_of_address(shapes: Shapes, seed: int, step: int, update: bool = False) -> Z:
    """The seed of tensor i is seed + step + i: a sum is the same for many addresses."""
    return {name: _normal(shape, _stream(seed + step + i)) for i, (name, shape) in enumerate(shapes.items())}


def _without_seed(shapes: Shapes, seed: int, step: int, update: bool = False) -> Z:
    """The step alone makes the stream; the user's seed has no effect."""
    return _keyed()(shapes, 0, step)


def _low_rank(shape: tuple[int, ...], rng: Generator) -> Tensor:
    a, b = torch.randn(2, *shape, _FACTORS, generator=rng)  # each (*shape, r)
    return (a * b).sum(-1) / _FACTORS  # the standard deviation of the sum is √r, not r


def _flat(shape: tuple[int, ...], rng: Generator) -> Tensor:
    return torch.rand(shape, generator=rng) * 2 - 1


ZOO: dict[str, tuple[ZGenerator, str]] = {
    "row by row": (_row_by_row, "the update draws by rows what the probe drew whole: large layers go astray"),
    "unseeded": (_unseeded, "z cannot be drawn again: every step goes where nothing was measured"),
    "seed 0 unset": (_without_seed_0, "`if seed` takes 0 for no seed: only those who choose 0 are hurt"),
    "one per tensor": (_reseeded, "seeds anew in the loop: layers of one shape move alike"),
    "sums as seeds": (_sum_of_address, "seed + step + i: each step repeats parts of the one before"),
    "no user seed": (_without_seed, "all runs walk along the same z: error bars over seeds are too short"),
    "one generator": (_one_generator, "freeze a layer, and later ones get another z: a log no longer fits"),
    "unit length": (
        _keyed(direction=lambda z: z / z.norm()),
        "the update moves along z/‖z‖: large layers hardly move",
    ),
    "ε for 2ε": (_keyed(direction=lambda z: 2 * z), "divides by ε: the rate is twice the one written down"),
    "climbs": (_keyed(direction=lambda z: -z), "the sign of the update is wrong: the loss rises"),
    "tied": (_keyed(tied_signs), "coordinates share a sign: the mean of ĝ mixes their slopes"),
    "uniform ±1": (_keyed(_flat), "variance ⅓: a gradient three times too short"),
    "low rank": (_keyed(_low_rank), "a sum of r products over r: a gradient r times too short"),
}
"""The generators of published programs, by name: (generator, what it is and whom it hurts)."""


def deviations(z: ZGenerator, steps: int = _STEPS) -> dict[str, float]:
    """How many standard errors a generator is off in each check; ∞ where two z must be one and are not.

    For x and y uncorrelated of unit variance, Σxy has mean 0 and variance N, so Σxy/√N is a number of standard errors;
    so is Σ(xy − 1)/√(2N) where y = x, for laws no wider than the normal.

    Claim: C1 and C2.
    Cost: 3 z of 240 coordinates a step.
    Args:
        z: the generator.
        steps: how many it is watched for; it sees correlations down to 5/√N, 5 % between the large tensors.
    Returns: check → standard errors; those of `failed_checks` are too many.

    >>> failed_checks(deviations(ZOO["climbs"][0])), failed_checks(deviations(mezo))
    (['one z', 'scale'], [])
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(_SEED)  # for generators that draw from the process's own
        probes = [z(_SHAPES, _SEED, step, False) for step in range(steps + 1)]
        updates = [z(_SHAPES, _SEED, step, True) for step in range(steps + 1)]
        others = [z(_SHAPES, _SEED + 1, step, False) for step in range(steps + 1)]
        head = z({"head": _SHAPES["head"]}, _SEED, 1)["head"]  # with the other tensors frozen
    now = probes[:-1]
    following = probes[1:]
    probed = _flattened(probes)
    moved = _flattened(updates)
    return {
        "one z": _zero_or_infinite(torch.equal(probed, moved)),
        "frozen": _zero_or_infinite(torch.equal(head, probes[1]["head"])),
        "scale": float((probed * moved - 1).double().sum()) / math.sqrt(2 * len(probed)),
        "neighbours": _largest(_correlation((x[name][:, 1:], x[name][:, :-1]) for x in now) for name in _SHAPES),
        "tensors": _largest(_correlation((x[a], x[b]) for x in now) for a, b in combinations(_SHAPES, 2)),
        "steps": _largest(
            _correlation((x[a], y[b]) for x, y in zip(now, following, strict=True))
            for a, b in product(_SHAPES, repeat=2)
        ),
        # a step late too, as seed + step gives
        "runs": _largest(
            _correlation((x[name], y[name]) for x, y in zip(run, others, strict=False))
            for run in (now, following)
            for name in _SHAPES
        ),
    }


def _zero_or_infinite(agree: bool) -> float:
    """The deviation of a check that has no standard error."""
    return 0.0 if agree else math.inf


def _flattened(run: Sequence[Z]) -> Tensor:
    """All coordinates of all steps, (N,)."""
    return torch.cat([z[name].flatten() for z in run for name in _SHAPES])


def _correlation(pairs: Iterable[tuple[Tensor, Tensor]]) -> float:
    """Σxy/√N over pairs of tensors, each cut to the shorter one."""
    cut = [(x.flatten()[: y.numel()], y.flatten()[: x.numel()]) for x, y in pairs]
    xy = torch.cat([x.double() * y.double() for x, y in cut])
    return float(xy.sum()) / math.sqrt(len(xy))


def _largest(numbers: Iterator[float]) -> float:
    return max(numbers, key=abs)


def failed_checks(deviations: Mapping[str, float]) -> list[str]:
    """The checks that are 5 standard errors or more off, or no number.

    >>> failed_checks({"scale": -7.0, "steps": 0.3})
    ['scale']
    """
    return [name for name, value in deviations.items() if not abs(value) < ALARM]


_SENTENCES = {
    "one z": "The update has another z than the probe: let (seed, step) fix it, for seed 0 too, and draw in one way.",
    "frozen": "Without the other tensors the head has another z: let its name fix its stream, not its place in line.",
    "scale": "The mean of z² must be 1, or the mean of ĝ is another multiple of g.",
    "tensors": "Two tensors have correlated z: put the name into the seed.",
    "steps": "A step has a z of the step before: make the seed from (seed, step, name) so that no two collide.",
    "runs": "Two seeds give correlated runs: make the stream from (seed, step, name), not from their sum.",
    "neighbours": "Neighbours are correlated: coordinates must be uncorrelated within a tensor too.",
}


def check_generator(z: ZGenerator) -> None:
    """Whether z(shapes, seed, step, update=False) passes all checks of the zoo, and leaves torch's own generator alone.

    Source: claims C1, C2. Raises: WrongAnswer.
    """

    def generator(shapes: Shapes, seed: int, step: int, update: bool = False) -> Z:
        tensors = call_answer(z, dict(shapes), seed, step, update)  # a copy: it may be changed
        if not isinstance(tensors, Mapping) or {name: _shape(x) for name, x in tensors.items()} != dict(shapes):
            raise WrongAnswer("Return a dictionary: for each name of `shapes` a tensor of floats of that shape.")
        return dict(tensors)

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(_STEPS)
        before = torch.get_rng_state()
        generator(_SHAPES, _SEED, 0)
        touched = not torch.equal(before, torch.get_rng_state())
    failed = failed_checks(deviations(generator))
    for name, sentence in _SENTENCES.items():
        if name in failed:
            raise WrongAnswer(sentence)
    if touched:
        raise WrongAnswer("You moved torch's global generator, from which dropout draws: make a torch.Generator().")
    print(f"✓ passes {len(_SENTENCES)} checks over {_STEPS} steps")


def _shape(value: object) -> tuple[int, ...] | None:
    """The shape of a tensor of floats, None for any other value."""
    if isinstance(value, Tensor) and is_real_tensor(value):
        return tuple(value.shape)
    return None


def _back_and_forth(shapes: Shapes, seed: int, step: int, update: bool = False) -> Z:
    sign = (-1) ** step
    return {name: sign * tensor for name, tensor in _keyed()(shapes, seed, step // 2).items()}


def _product_of_address(shapes: Shapes, seed: int, step: int, update: bool = False) -> Z:
    return _keyed()(shapes, 0, seed * step)


def _positive(shape: tuple[int, ...], rng: Generator) -> Tensor:
    return torch.rand(shape, generator=rng) * math.sqrt(3)


MYSTERIES: dict[str, ZGenerator] = {"A": _product_of_address, "B": _keyed(_positive), "C": _back_and_forth}
"""The generators of the exercise, by letter; each has one of the `ILLNESSES`."""
ILLNESSES = {
    "sum": "seed + step is the seed",
    "product": "seed · step is the seed",
    "back": "every second step has −z of the one before",
    "mean": "the mean of a coordinate is not 0",
    "variance": "the variance of a coordinate is too large",
    "shared": "tensors of one shape have one z",
}
"""What may be wrong with a generator: a keyword → a sentence."""
# mystery → (its illness, a hint)
_DIAGNOSES = {
    "A": ("product", "A: seed 0 has one z for all steps, and seed 1 has not. Which arithmetic does that?"),
    "B": ("mean", "B: everything is correlated with everything, by the same amount. Look at one z."),
    "C": ("back", "C: only steps are correlated, and negatively. Print one coordinate for four steps."),
}


def check_diagnoses(diagnoses: Callable[[], Mapping[str, str]]) -> None:
    """Whether diagnoses() gives each mystery its illness, a key of ILLNESSES. Raises: WrongAnswer."""
    answer = call_answer(diagnoses)
    if not isinstance(answer, Mapping):
        raise WrongAnswer(f"Your function returned {quoted(answer)}: let it return a dictionary, mystery → illness.")
    for name, (illness, hint) in _DIAGNOSES.items():
        diagnosis = answer.get(name)
        if not isinstance(diagnosis, str) or diagnosis not in ILLNESSES:
            raise WrongAnswer(f"{name} must be one of {', '.join(ILLNESSES)}; yours is {quoted(diagnosis)}.")
        if diagnosis != illness:
            raise WrongAnswer(hint)
    print(f"✓ {len(_DIAGNOSES)} of {len(_DIAGNOSES)}")


def check_contracts(broken: Callable[[], Mapping[str, Closure]], sound: Closure, parameters: Iterable[Any]) -> None:
    """Whether broken() has two closures that break the contract: `noisy` at one point, `stale` at all points.

    It prints for each, and for `sound`, what the diagnostics of 30 steps report, and whether `check_closure` refuses
    it. `check_closure` compares two calls at one point; `zero_rate` compares the two sides of a probe.

    Raises: WrongAnswer.
    """
    closures = call_answer(broken)
    if not isinstance(closures, Mapping) or set(closures) != {"noisy", "stale"}:
        raise WrongAnswer("Return a dictionary with two closures: noisy, and stale.")
    trainable = list(parameters)
    for name, closure in {"sound": sound, **closures}.items():
        try:
            blind, refused = _diagnosed(closure, trainable, name)
        except (TypeError, ValueError, RuntimeError) as error:  # `MeZO` refuses what the closure returned
            raise WrongAnswer(f"{name}: the closure must return a loss. {shortened(str(error))}") from None
        if name == "noisy" and not refused:
            raise WrongAnswer("noisy: `check_closure` saw no noise. At one point, two calls must give two losses.")
        if name == "noisy" and blind:
            raise WrongAnswer(
                "noisy: the two sides of each probe gave one loss. It must depend on the weights, and be noisy."
            )
        if name == "stale" and refused:
            raise WrongAnswer("stale: two calls gave two losses. At all points it must give the same one.")
        if name == "stale" and not blind:
            raise WrongAnswer("stale: the loss moved with the weights. At all points it must give the same one.")
    print("✓ `check_closure` compares two calls at one point, `zero_rate` the two sides of a probe")


def _diagnosed(closure: Closure, parameters: Sequence[Any], name: str) -> tuple[bool, bool]:
    """Whether 30 steps saw no difference at all, and whether `check_closure` refuses the closure; prints both."""
    with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # that the closure is noisy, as it is meant to be
        torch.manual_seed(_SEED)  # for the noise
        opt = MeZO(parameters, lr=1e-30, check_closure=False)
        for _ in range(30):
            opt.step(lambda: call_answer(closure))
        zero_rate = opt.diagnostics.zero_rate()
        try:
            MeZO(parameters, lr=1e-30, check_closure=True).step(lambda: call_answer(closure))
            verdict = "passes"
        except ValueError:
            verdict = "refuses"
    norm = opt.diagnostics.gradient_norm()
    print(f"{name:<6} ‖g‖ = {norm}, no difference seen: {zero_rate:.0%}; check_closure {verdict}")
    return zero_rate == 1, verdict == "refuses"
