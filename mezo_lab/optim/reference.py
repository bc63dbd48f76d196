"""Algorithm 1 as it stands on paper: out of place, one tensor for θ + εz and one for θ − εz, and every z in memory.

`MeZO` does the same in place. This one is slow, takes several times the memory of the weights, and has no feature that
a reader must look past: the thing to compare with.
"""

import functools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from mezo_lab.optim.arguments import estimator_of, law_of
from mezo_lab.optim.noise import COORDINATES, coordinates_at, stream_keys, tensor_key, threefry

Name = str | int
Tensors = list[Tensor]
PerTensor = float | Sequence[float]


@dataclass
class ReferenceMeZO:
    """Zeroth-order SGD out of place: θ ← (1 − ηλ)θ − (η/n)·Σ_k pg_k z_k.

    Source: paper, Definitions 1 and 2, Algorithms 1 and 2.
    Claim: its z are those of a `MeZO` of the same seed, and so are its projected gradients and its θ, bit for bit with
    `exact=True`, and otherwise up to the rounding of θ by the probes.
    Cost: 2n forward passes; memory for 3 + n copies of the weights.

    Not here: rules other than "sgd", batches, replicas, run logs.
    Raises: ValueError for an unknown law, estimator, baseline or shaping, naming the nearest.

    Attributes:
        weights: θ, a list of tensors in the order of `params`, in at least float32.
        names: the keys of `params`.

    >>> theta = {"w": torch.tensor([3.0, 4.0])}
    >>> reference = ReferenceMeZO(theta, loss=lambda tensors: float(tensors[0].square().sum()) / 2, lr=0.1)
    >>> projected = reference.step()
    >>> from mezo_lab.optim import MeZO
    >>> w = torch.nn.Parameter(theta["w"])
    >>> opt = MeZO([("w", w)], lr=0.1, exact=True)
    >>> _ = opt.step(lambda: float(w.detach().square().sum()) / 2)
    >>> torch.equal(w, reference.weights[0])
    True
    """

    params: Mapping[Name, Tensor]
    """The trainable tensors by name, or by position; copied. Those below float32 are kept in float32, and
    rounded for the loss."""
    loss: Callable[[Tensors], float]
    """The loss at tensors of the dtypes and in the order of `params`."""
    lr: PerTensor
    """η, one number or one for each tensor."""
    epsilon: float = 1e-3
    """ε, the length of a probe per coordinate."""
    probes: int = 1
    """n."""
    law: str = "gaussian"
    """The law of z, as for `MeZO`."""
    seed: int = 0
    """Fixes every z together with the number of the step."""
    weight_decay: PerTensor = 0.0
    """λ, one number or one for each tensor."""
    rank: int | None = None
    """Of law="low-rank", by default 1."""
    estimator: str = "two-sided"
    """As for `MeZO`."""
    baseline: str = "none"
    """Of a population, as for `MeZO`."""
    shaping: str = "none"
    """Of a population, as for `MeZO`."""
    modified: str | None = None
    """None, "variance" (Definition 6) or "expectation" (Definition 7)."""
    scale: PerTensor = 1.0
    """D of `modified`, one number or one for each tensor."""
    clip: float = math.inf
    """Bound on |pg|."""
    steps: int = 0
    """The steps made so far."""

    def __post_init__(self):
        law_of(self.law, self.rank)  # raises for an unknown name, as below
        estimator_of(self.estimator, self.baseline, self.shaping)
        self.names = list(self.params)
        self.dtypes = [tensor.dtype for tensor in self.params.values()]
        self.weights = [_working_copy(tensor) for tensor in self.params.values()]
        self._previous_loss: float | None = None  # which residual feedback compares with

    def step(self) -> list[float]:
        """One step of Algorithm 1. Returns: the projected gradients, in float32."""
        z = self.directions()
        projected = self.projected_gradients(z)
        rates = [_float32(rate) for rate in self._per_tensor(self.lr)]
        decays = self._per_tensor(self.weight_decay)
        scales = [1.0] * len(self.weights)
        if self.modified == "variance":
            scales = self._per_tensor(self.scale)
        for i in range(len(self.weights)):
            theta = self.weights[i] * (1 - rates[i] * decays[i])
            for pg, z_k in zip(projected, z, strict=True):
                theta = theta - (pg / self.probes * (rates[i] * scales[i])) * z_k[i].to(theta.dtype)
            self.weights[i] = theta
        self.steps += 1
        return projected

    def estimate(self) -> tuple[Tensors, list[float]]:
        """ĝ = (1/n)·Σ_k pg_k z_k for each tensor, in float64, without a step; and the pg_k."""
        z = self.directions()
        projected = self.projected_gradients(z)
        gradients = []
        for i in range(len(self.weights)):
            total = sum(pg * z_k[i].double() for pg, z_k in zip(projected, z, strict=True))
            gradients.append(total / self.probes)
        return gradients, projected

    def directions(self) -> list[Tensors]:
        """z_k of every tensor, for the step to come."""
        return directions(self.law, self.seed, self.steps, self.probes, self.names, self.weights, self.rank)

    def projected_gradients(self, z: list[Tensors]) -> list[float]:
        """pg_k along each z_k, clipped, in float32."""
        if self.estimator == "two-sided":
            projected = []
            for z_k in z:
                loss_plus = self.loss_at(z_k, self.epsilon)
                loss_minus = self.loss_at(z_k, -self.epsilon)
                projected.append((loss_plus - loss_minus) / (2 * self.epsilon))
        elif self.estimator == "one-sided":
            centre = self.loss_at(z[0], 0.0)
            projected = [(self.loss_at(z_k, self.epsilon) - centre) / self.epsilon for z_k in z]
        elif self.estimator == "population":
            losses = torch.tensor([self.loss_at(z_k, self.epsilon) for z_k in z], dtype=torch.float64)
            projected = (_shaped(losses, self.baseline, self.shaping) / self.epsilon).tolist()
        else:  # residual feedback
            loss = self.loss_at(z[0], self.epsilon)
            projected = [0.0]
            if self._previous_loss is not None:
                projected = [(loss - self._previous_loss) / self.epsilon]
            self._previous_loss = loss
        return [_float32(max(-self.clip, min(self.clip, pg))) for pg in projected]

    def loss_at(self, z: Tensors, length: float) -> float:
        """L(θ + length·D⁻¹z)."""
        scales = [1.0] * len(self.weights)
        if self.modified:
            scales = self._per_tensor(self.scale)
        displaced = []
        for theta, z_i, scale, dtype in zip(self.weights, z, scales, self.dtypes, strict=True):
            displaced.append((theta + (length / scale) * z_i.to(theta.dtype)).to(dtype))
        return self.loss(displaced)

    def _per_tensor(self, value: PerTensor) -> list[float]:
        if isinstance(value, Sequence):
            return list(value)
        return [value] * len(self.weights)


def directions(
    law: str, seed: int, step: int, probes: int, names: Sequence[Name], theta: Tensors, rank: int | None = None
) -> list[Tensors]:
    """z_k of every tensor, probe by probe, each coordinate from its definition (`noise.coordinates_at`)."""
    named = list(zip(names, theta, strict=True))
    if law == "low-rank":
        return [[_low_rank(seed, step, k, name, t, rank or 1) for name, t in named] for k in range(probes)]
    if law == "coordinate":
        return [_one_hot(seed, step, k, theta) for k in range(probes)]
    sizes = tuple((name, tensor.numel()) for name, tensor in named)
    dim = sum(numel for _, numel in sizes)
    streams = law if law in COORDINATES else "gaussian"
    rows = torch.stack([_stream(streams, seed, step, k, sizes) for k in range(probes)])  # (probes, dim)
    if law == "sphere":
        rows = rows.double() * dim**0.5 / rows.double().norm(dim=1, keepdim=True)
    if law == "orthogonal":
        q, r = torch.linalg.qr(rows.double().T)
        rows = (q * r.diagonal().sign()).T * dim**0.5  # the sign makes the decomposition unique
    numels = [numel for _, numel in sizes]
    shapes = [tensor.shape for tensor in theta]
    return [[z.view(shape) for z, shape in zip(row.split(numels), shapes, strict=True)] for row in rows]


@functools.lru_cache(maxsize=1 << 12)
def _stream(law: str, seed: int, step: int, probe: int, sizes: tuple[tuple[Name, int], ...]) -> Tensor:
    """The coordinates of a stream over all tensors, float32 (dim,)."""
    coordinates = COORDINATES[law]
    keys = stream_keys(seed, step, probe, [tensor_key(name) for name, _ in sizes])
    parts = [coordinates_at(coordinates, key, torch.arange(n), n) for key, (_, n) in zip(keys, sizes, strict=True)]
    return torch.cat(parts)


def _low_rank(seed: int, step: int, probe: int, name: Name, theta: Tensor, rank: int) -> Tensor:
    """Gaussian for a vector; else UVᵀ/√k, product by product in float32."""
    if theta.dim() < 2:
        return _stream("gaussian", seed, step, probe, ((name, theta.numel()),)).view(theta.shape)
    rows = len(theta)
    columns = theta.numel() // rows
    factors = _stream("gaussian", seed, step, probe, ((name, rank * (rows + columns)),)).view(-1, rank)
    u = factors[:rows] * rank**-0.5
    v = factors[rows:]
    z = torch.zeros(rows, columns)
    for a in range(rank):
        z += u[:, a, None] * v[:, a]
    return z.view(theta.shape)


def _one_hot(seed: int, step: int, probe: int, theta: Tensors) -> Tensors:
    """±√d at one coordinate of all: the first word pair of a stream as one number of 64 bits, the lowest its sign."""
    keys = stream_keys(seed, step, probe, [tensor_key("one coordinate of all parameters")])
    zero = torch.zeros(1, dtype=torch.int32)
    low, high = threefry((keys[:, 0], keys[:, 1]), (zero, zero))
    word = (int(low) % 2**32) + 2**32 * (int(high) % 2**32)
    dim = sum(tensor.numel() for tensor in theta)
    z = torch.zeros(dim, dtype=torch.float32)
    z[(word // 2) * dim // 2**63] = (-1) ** (word % 2) * dim**0.5
    parts = z.split([tensor.numel() for tensor in theta])
    return [part.view(tensor.shape) for part, tensor in zip(parts, theta, strict=True)]


def _shaped(losses: Tensor, baseline: str, shaping: str) -> Tensor:
    """The weights of a population's directions, before the division by ε. Args: losses: (probes,)."""
    if shaping == "z-score":
        return (losses - losses.mean()) / losses.std(correction=0)
    if shaping == "rank":  # of losses that all differ
        return losses.argsort().argsort().double() / (len(losses) - 1) - 0.5
    if baseline == "mean":
        return losses - losses.mean()
    if baseline == "leave-one-out":
        others = [torch.cat([losses[:k], losses[k + 1 :]]).mean() for k in range(len(losses))]
        return losses - torch.stack(others)
    return losses


def _working_copy(tensor: Tensor) -> Tensor:
    return tensor.detach().to(torch.promote_types(tensor.dtype, torch.float32), copy=True)


def _float32(value: float) -> float:
    # a step is made of numbers that a run log in float32 can hold
    return float(torch.tensor(value, dtype=torch.float32))
