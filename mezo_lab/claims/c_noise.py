"""The z that the optimizer uses, read off the weights that its closure sees."""

import random
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Generator, Tensor
from torch.nn import Parameter

from mezo_lab.optim import MeZO, RunLog, replay
from mezo_lab.optim.stencils import BASELINES, Population
from mezo_lab.optim.testing import noise_field
from mezo_lab.sampling import Law, LowRank

Model = dict[str, Parameter]

_DTYPES = (torch.float64, torch.float32, torch.bfloat16)
EPSILON = 2.0**-10  # a power of two, so that ε and 1/ε round nothing


def seed_from(generator: Generator) -> int:
    """A seed for `MeZO`, drawn from a generator."""
    return int(torch.randint(2**62, (1,), generator=generator, device=generator.device))


def noise_settings(law: Law, seed: int) -> dict[str, Any]:
    """The law and the seed as arguments of `MeZO`; a low-rank law gets a rank from 1 to 3, which the seed decides."""
    settings: dict[str, Any] = {"law": law.name, "seed": seed}
    if isinstance(law, LowRank):
        settings["rank"] = 1 + seed % 3
    return settings


def one_z_per_step(law: Law, seed: int, layouts: int) -> list[bool]:
    """Whether probe, flip, update and replay of a step use one z, on each of several random layouts.

    The layouts stand side by side in one optimizer, whose settings and seed are random too: their names, and so their
    z, have nothing in common. The losses are prescribed, ±ε(k + 1) for probe k, so that pg_k = k + 1 whatever z is.
    """
    rng = random.Random(seed)
    model = random_models(rng, layouts)
    probes = rng.randint(1, 3)
    losses = [side * EPSILON * (k + 1) for k in range(probes) for side in (1, -1)]
    points, updated, replayed = _a_step(law, seed, rng, model, losses, probes=probes)
    probed = points[0::2]  # z by the probes at θ + εz, (n, d)
    flipped = -points[1::2]  # z by the probes at θ − εz, (n, d)
    update = torch.arange(1, probes + 1, device="cpu").double() / probes @ probed  # Σ pg_k z_k/n, (d,)
    return _agreements(model, probed, [(flipped - probed).abs().amax(0), updated + update, replayed + update])


def one_z_of_a_population(law: Law, seed: int, layouts: int) -> list[bool]:
    """The same for a population, whose points lie on one side: whether probe, update and replay of a step use one z.

    There is no flip; the weights walk from one point to the next. The losses are ε(k + 1)² under a random baseline.
    """
    rng = random.Random(seed)
    model = random_models(rng, layouts)
    probes = rng.randint(2, 4)
    losses = [EPSILON * (k + 1) ** 2 for k in range(probes)]
    baseline = rng.choice(BASELINES)
    kinds: dict[str, Any] = {"estimator": "population", "baseline": baseline, "probes": probes}
    probed, updated, replayed = _a_step(law, seed, rng, model, losses, **kinds)
    weights = torch.tensor(Population(baseline).shaped(losses), dtype=torch.float64, device="cpu") / EPSILON
    update = weights / probes @ probed  # Σ pg_k z_k/n, (d,)
    return _agreements(model, probed, [updated + update, replayed + update])


def _a_step(
    law: Law, seed: int, rng: random.Random, model: Model, losses: Iterable[float], **kinds: Any
) -> tuple[Tensor, Tensor, Tensor]:
    """One step from θ = 0 with η = ε, and its replay. Returns: the points, the step and the replayed one, over ε."""
    again = {name: Parameter(torch.zeros_like(parameter)) for name, parameter in model.items()}
    exact = rng.random() < 0.5
    fused = rng.random() < 0.5
    settings: dict[str, Any] = {"lr": EPSILON, "epsilon": EPSILON} | noise_settings(law, seed) | kinds
    opt = MeZO(list(model.items()), exact=exact, fused=fused, check_closure=False, **settings)
    points: list[Tensor] = []
    to_come = iter(losses)

    def closure() -> float:
        points.append(flat(model) / EPSILON)
        return next(to_come)

    with tempfile.TemporaryDirectory() as folder:
        with RunLog(opt, log := Path(folder) / "run.log"):
            opt.step(closure)
        replay(list(again.items()), log, check=False)
    return torch.stack(points), flat(model) / EPSILON, flat(again) / EPSILON


def _agreements(model: Model, probed: Tensor, errors: Sequence[Tensor]) -> list[bool]:
    """For each layout, whether all errors are rounding. Args: probed: z (n, d). errors: (d,) each."""
    agrees = torch.stack([error.abs() <= _tolerance(model, probed) for error in errors]).all(0)
    return by_layout(model, agrees)


def one_z_per_name(law: Law, seed: int, layouts: int) -> list[bool]:
    """Whether a parameter's z survives another order, dtype, memory order and device, and the freezing of others."""
    rng = random.Random(seed)
    other, plain = _two_models(rng, layouts)
    return _agree(_z_of(other, law, seed, cut=rng.randrange(len(other))), _z_of(plain, law, seed), other)


def one_z_per_chunk(law: Law, seed: int, layouts: int) -> list[bool]:
    """Whether z is the same where the tensors are cut into small pieces, in whatever place in memory they lie."""
    rng = random.Random(seed)
    other, plain = _two_models(rng, layouts)
    return _agree(_z_of(other, law, seed, chunk=rng.choice((100, 200))), _z_of(plain, law, seed), other)


def _two_models(rng: random.Random, layouts: int) -> tuple[Model, Model]:
    """The same names and shapes: in random order, dtypes and memory order with some frozen, and as they come."""
    shapes = {f"{k}.w{i}": shape for k in range(layouts) for i, shape in enumerate(_random_shapes(rng))}
    names = rng.sample(list(shapes), len(shapes))
    other = {name: zeros(shapes[name], rng.choice(_DTYPES), transposed=rng.random() < 0.5) for name in names}
    trainable = {_layout_of(name): name for name in names}  # at least one parameter of each layout
    for name in names:
        other[name].requires_grad_(name == trainable[_layout_of(name)] or rng.random() < 0.5)
    return other, {name: zeros(shape, device="cpu") for name, shape in shapes.items()}


def one_z_of_large_tensors(law: Law, seed: int) -> bool:
    """Whether a tensor of several chunks has the z that it has in smaller pieces, and behind another tensor."""
    shape = (1_100, 1_000)  # more than `sweeps.CHUNK`; transposed, it is taken in pieces of a quarter of that
    expected = _z_of({"w": zeros(shape)}, law, seed)
    pieces = {"w": zeros(shape, torch.float32, transposed=True)}
    behind = {"bias": zeros((77,)).requires_grad_(), "w": zeros(shape, torch.float32)}
    return all(all(_agree(_z_of(model, law, seed), expected, {"w": model["w"]})) for model in (pieces, behind))


def one_z_compiled(law: Law, seed: int) -> bool:
    """Whether the compiled sweeps draw the z of the eager ones."""
    model = {"w": zeros((101, 97), torch.float32)}
    return all(_agree(_z_of(model, law, seed, compiled=True), _z_of(model, law, seed), model))


def _z_of(
    model: Model, law: Law, seed: int, *, compiled: bool = False, cut: int = 0, chunk: int = 0
) -> dict[str, Tensor]:
    """z by name, float64 on the CPU.

    Args: cut: the parameters before and after it form two groups. chunk: coordinates at a time; 0 for the usual number.
    """
    items = list(model.items())
    groups = [{"params": part} for part in (items[:cut], items[cut:]) if part]
    settings: dict[str, Any] = {"lr": 1.0, "epsilon": EPSILON} | noise_settings(law, seed)
    opt = MeZO(groups, compiled=compiled, exact=False, check_closure=False, **settings)
    if chunk:
        noise_field(opt).rechunk(chunk, chunk)
    points: list[dict[str, Tensor]] = []

    def closure() -> float:
        points.append({name: parameter.detach().cpu().double() / EPSILON for name, parameter in items})
        return 0.0  # no slope: the step leaves the weights at 0

    opt.step(closure)
    return points[0]


def _agree(z: dict[str, Tensor], expected: dict[str, Tensor], model: Model) -> list[bool]:
    """Whether z is the same for every trainable parameter of a layout, for each layout of the model."""
    trainable = {name: parameter for name, parameter in model.items() if parameter.requires_grad}
    here = torch.cat([z[name].reshape(-1) for name in trainable])
    there = torch.cat([expected[name].reshape(-1) for name in trainable])
    return by_layout(trainable, (here - there).abs() <= _tolerance(trainable, there[None]))


def by_layout(model: Model, agrees: Tensor) -> list[bool]:
    """Whether all coordinates of a layout agree. Args: agrees: bool, (d,), in the order of the model's parameters."""
    layouts: dict[str, bool] = {}
    parts = agrees.split([parameter.numel() for parameter in model.values()])
    for name, part in zip(model, parts, strict=True):
        layouts[_layout_of(name)] = layouts.get(_layout_of(name), True) and bool(part.all())
    return list(layouts.values())


def _layout_of(name: str) -> str:
    return name.partition(".")[0]


def _tolerance(model: Model, z: Tensor) -> Tensor:
    """The most that rounding in the sweeps of a step may change each coordinate of z, (d,). Args: z: (n, d)."""
    # z itself is made in float32
    units = [max(torch.finfo(dtype).eps for dtype in (p.dtype, torch.float32)) for p in model.values()]
    numels = torch.tensor([p.numel() for p in model.values()], device="cpu")
    return 16 * torch.tensor(units, device="cpu").repeat_interleave(numels) * (1 + z.abs().amax(0))


def random_models(rng: random.Random, layouts: int, most: int = 4) -> Model:
    """Layouts side by side, each of up to `most` parameters of random shapes, dtypes and memory order."""
    shapes = [(f"{k}.w{i}", shape) for k in range(layouts) for i, shape in enumerate(_random_shapes(rng, most))]
    return {name: zeros(shape, rng.choice(_DTYPES), transposed=rng.random() < 0.3) for name, shape in shapes}


def _random_shapes(rng: random.Random, most: int = 4) -> list[tuple[int, ...]]:
    return [tuple(rng.randint(3, 9) for _ in range(rng.randint(1, 3))) for _ in range(rng.randint(1, most))]


def zeros(shape: Sequence[int], dtype=torch.float64, *, transposed: bool = False, device=None) -> Parameter:
    """A parameter at 0. Args: transposed: it lies in memory as its transpose."""
    if transposed:
        reverse = list(reversed(range(len(shape))))
        return Parameter(torch.zeros(shape[::-1], dtype=dtype, device=device).permute(reverse))
    return Parameter(torch.zeros(shape, dtype=dtype, device=device))


def flat(model: Model) -> Tensor:
    """All weights, float64 on the CPU. (d,)"""
    return torch.cat([parameter.detach().cpu().double().reshape(-1) for parameter in model.values()])
