"""MeZO as it stands on paper, out of place and coordinate by coordinate, and small losses to try it on."""

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
import torch
from torch import Tensor

from mezo_lab.optim.noise import COORDINATES, coordinates_at, stream_keys, tensor_key
from mezo_lab.optim.sweeps import KeyedTensor, OneHotField, Term

SHAPES = {"embed": (13, 7), "layer.weight": (7, 7), "layer.bias": (7,), "twin.weight": (7, 7), "scale": ()}

Tensors = list[Tensor]
PerTensor = float | list[float]


def weights(dtype: torch.dtype = torch.float64, seed: int = 0, spread: float = 0.5) -> dict[str, torch.nn.Parameter]:
    """198 weights in five tensors: two of one shape, one shorter than a block of any law, one without an axis."""
    generator = torch.Generator().manual_seed(seed)
    draw = {name: spread * torch.randn(shape, generator=generator) for name, shape in SHAPES.items()}
    return {name: torch.nn.Parameter(tensor.to(dtype)) for name, tensor in draw.items()}


def wave(tensors: Tensors) -> float:
    """A smooth loss without a symmetry, in float64: each weight has a slope, a curvature and a third derivative."""
    x = torch.cat([tensor.detach().double().flatten() for tensor in tensors])
    place = torch.arange(1, len(x) + 1, dtype=torch.float64)
    return float((torch.sin(place + x) + 0.3 * x.square()).mean() + 0.5 * x.mean().exp())


def directions(
    law: str, seed: int, step: int, probes: int, names: list, theta: Tensors, rank: int | None = None
) -> list[Tensors]:
    """z_k of every tensor, from `coordinates_at`."""
    if law == "low-rank":
        pairs = [list(zip(names, theta, strict=True))] * probes
        return [[low_rank(seed, step, k, name, t, rank or 1) for name, t in pair] for k, pair in enumerate(pairs)]
    if law == "coordinate":
        return [spike(seed, step, k, names, theta) for k in range(probes)]
    streams, dim = law if law in COORDINATES else "gaussian", sum(t.numel() for t in theta)
    sizes = tuple((name, t.numel()) for name, t in zip(names, theta, strict=True))
    rows = torch.stack([drawn(streams, seed, step, k, sizes) for k in range(probes)])  # (probes, dim)
    if law == "sphere":
        rows = rows.double() * dim**0.5 / rows.double().norm(dim=1, keepdim=True)
    if law == "orthogonal":
        q, r = torch.linalg.qr(rows.double().T)
        rows = (q * r.diagonal().sign()).T * dim**0.5
    return [
        [z.view(t.shape) for z, t in zip(row.split([t.numel() for t in theta]), theta, strict=True)] for row in rows
    ]


@functools.cache
def drawn(streams: str, seed: int, step: int, probe: int, sizes: tuple[tuple[str | int, int], ...]) -> Tensor:
    keys = stream_keys(seed, step, probe, [tensor_key(name) for name, _ in sizes])
    kind = COORDINATES[streams]
    parts = zip(keys, sizes, strict=True)
    return torch.cat([coordinates_at(kind, key, torch.arange(numel), numel) for key, (_, numel) in parts])


def low_rank(seed: int, step: int, probe: int, name: str | int, theta: Tensor, rank: int) -> Tensor:
    """Gaussian for a vector; else UVᵀ/√k, product by product in float32."""
    if theta.dim() < 2:
        return drawn("gaussian", seed, step, probe, ((name, theta.numel()),)).view(theta.shape)
    rows, columns = len(theta), theta.numel() // len(theta)
    numbers = drawn("gaussian", seed, step, probe, ((name, rank * (rows + columns)),)).view(-1, rank)
    z = torch.zeros(rows, columns)
    for a in range(rank):
        z += (numbers[:rows, a] * rank**-0.5)[:, None] * numbers[rows:, a]
    return z.view(theta.shape)


def spike(seed: int, step: int, probe: int, names: list, theta: Tensors) -> Tensors:
    found = OneHotField([KeyedTensor(t, tensor_key(name)) for name, t in zip(names, theta, strict=True)], seed)
    parameter, index, sign = found.spike(Term(step, probe, (1.0,)))
    z = [torch.zeros(t.shape, dtype=torch.float32) for t in theta]
    z[parameter].view(-1)[index] = sign * sum(t.numel() for t in theta) ** 0.5
    return z


def float32(number: float) -> float:
    # a step is made of what a log of float32 numbers can hold
    return float(torch.tensor(number, dtype=torch.float32))


def shaped(losses: Tensor, baseline: str, shaping: str) -> Tensor:
    """What a population weighs its directions with, sample by sample as it is written down."""
    if shaping == "z-score":
        return (losses - losses.mean()) / losses.std(correction=0)
    if shaping == "rank":  # of losses that all differ
        return losses.argsort().argsort().double() / (len(losses) - 1) - 0.5
    if baseline == "mean":
        return losses - losses.mean()
    if baseline == "leave-one-out":
        return torch.stack([losses[k] - torch.cat([losses[:k], losses[k + 1 :]]).mean() for k in range(len(losses))])
    return losses


@dataclass
class Twin:
    """Algorithm 1 with θ, θ + εz and θ − εz in tensors of their own.

    theta: what moves, by name; copied. Weights below float32 are kept in float32, and rounded where the loss sees them.
    lr, decay, scale: one number, or one for each tensor. modified, clip, estimator: as for `MeZO`.
    """

    theta: dict[str, Tensor]
    loss: Callable[[Tensors], float] = wave
    lr: PerTensor = 0.1
    epsilon: float = 1e-3
    probes: int = 1
    law: str = "gaussian"
    rank: int | None = None
    seed: int = 0
    decay: PerTensor = 0.0
    scale: PerTensor = 1.0
    modified: str | None = None
    clip: float = math.inf
    estimator: str = "two-sided"
    baseline: str = "none"
    shaping: str = "none"
    steps: int = 0
    before: float | None = None  # the loss that residual feedback compares with
    losses: dict[tuple[int, int], float] = field(default_factory=dict)

    def __post_init__(self):
        self.names, given = list(self.theta), [t.detach() for t in self.theta.values()]
        self.dtypes = [t.dtype for t in given]
        self.now = [t.to(torch.promote_types(t.dtype, torch.float32), copy=True) for t in given]

    def each(self, value: PerTensor) -> list[float]:
        return value if isinstance(value, list) else [value] * len(self.now)

    def at(self, z: Tensors, length: float) -> float:
        """L(θ + length·D⁻¹z)."""
        scales = self.each(self.scale if self.modified else 1.0)
        moved = [t + (length / d) * x.to(t.dtype) for t, x, d in zip(self.now, z, scales, strict=True)]
        return self.loss([t.to(dtype) for t, dtype in zip(moved, self.dtypes, strict=True)])

    def projected(self, z: list[Tensors]) -> list[float]:
        if self.estimator == "two-sided":
            sides = [(self.at(x, self.epsilon), self.at(x, -self.epsilon)) for x in z]
            found = [(plus - minus) / (2 * self.epsilon) for plus, minus in sides]
        elif self.estimator == "one-sided":
            centre = self.at(z[0], 0.0)
            found = [(self.at(x, self.epsilon) - centre) / self.epsilon for x in z]
        elif self.estimator == "population":
            losses = torch.tensor([self.at(x, self.epsilon) for x in z], dtype=torch.float64)
            found = (shaped(losses, self.baseline, self.shaping) / self.epsilon).tolist()
        else:
            here, before = self.at(z[0], self.epsilon), self.before
            found, self.before = [0.0 if before is None else (here - before) / self.epsilon], here
        return [float32(max(-self.clip, min(self.clip, pg))) for pg in found]

    def step(self) -> list[float]:
        """θ ← (1 − ηλ)θ − (η/n)·D·Σ_k pg_k z_k. Returns: the pg_k."""
        z = directions(self.law, self.seed, self.steps, self.probes, self.names, self.now, self.rank)
        found = self.projected(z)
        rates, decays = map(float32, self.each(self.lr)), self.each(self.decay)
        scales = self.each(self.scale if self.modified == "variance" else 1.0)
        for i, (rate, decay, scale) in enumerate(zip(rates, decays, scales, strict=True)):
            self.now[i] = self.now[i] * (1 - rate * decay)
            for pg, x in zip(found, z, strict=True):
                self.now[i] = self.now[i] - (pg / self.probes * (rate * scale)) * x[i].to(self.now[i].dtype)
        self.steps += 1
        return found

    def estimate(self) -> tuple[Tensors, list[float]]:
        """(1/n)·Σ_k pg_k z_k, without a step, and the pg_k."""
        z = directions(self.law, self.seed, self.steps, self.probes, self.names, self.now, self.rank)
        found = self.projected(z)
        return [
            sum(pg * x[i].double() for pg, x in zip(found, z, strict=True)) / self.probes for i in range(len(self.now))
        ], found


def apart(found, expected) -> float:
    """The largest difference of any weight."""
    pairs = zip(found, expected, strict=True)
    return max(float((a.detach().double() - b.detach().double()).abs().max()) for a, b in pairs if a.numel())


def equal(found, expected) -> bool:
    """Whether all bits agree."""
    return all(torch.equal(a.detach(), b.detach()) for a, b in zip(found, expected, strict=True))


@pytest.fixture(name="weights")
def weights_fixture():
    return weights


@pytest.fixture(name="wave")
def wave_fixture():
    return wave


@pytest.fixture(name="twin")
def twin_fixture():
    return Twin


@pytest.fixture(name="directions")
def directions_fixture():
    return directions


@pytest.fixture(name="apart")
def apart_fixture():
    return apart


@pytest.fixture(name="equal")
def equal_fixture():
    return equal
