"""The span of what the linear layers of a model read, and what of gradient and curvature lies in its first axes."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.nn import Linear, Module

from mezo_lab.curvature import gradient

Loss = Callable[[], Tensor]
Bases = Mapping[str, Tensor]  # layer → V (n, k), orthonormal columns, those that the inputs fill most first

_NOISE = 1e-12  # of the largest eigenvalue: what rounding leaves of an axis that no input has


def linear_layers(model: Module) -> dict[str, Linear]:
    """The linear layers of a model by name, but for one that shares its weights with the embedding."""
    owners: dict[int, int] = {}
    for module in model.modules():
        weight = getattr(module, "weight", None)
        owners[id(weight)] = owners.get(id(weight), 0) + 1
    layers = {name: module for name, module in model.named_modules() if isinstance(module, Linear)}
    return {name: layer for name, layer in layers.items() if owners[id(layer.weight)] == 1}


@torch.no_grad()
def layer_inputs(layers: Mapping[str, Linear], loss: Loss) -> dict[str, Tensor]:
    """What each layer reads in one evaluation of the loss: (tokens, n), one tensor where layers read the same."""
    read: dict[str, list[Tensor]] = {name: [] for name in layers}
    with ExitStack() as hooks:
        for name, layer in layers.items():
            keep = read[name].append
            hook = layer.register_forward_pre_hook(lambda _, args, keep=keep: keep(args[0].detach()))
            hooks.callback(hook.remove)
        loss()
    joined: dict[tuple[int, ...], Tensor] = {}  # by where the parts lie
    inputs = {}
    for name, parts in read.items():
        place = tuple(part.data_ptr() for part in parts)
        if place not in joined:
            joined[place] = torch.cat([part.flatten(0, -2) for part in parts])
        inputs[name] = joined[place]
    return inputs


def input_bases(inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """V of each layer: the right singular vectors of its inputs, as many as the inputs have directions."""
    done: dict[int, Tensor] = {}
    for tokens in inputs.values():
        if id(tokens) not in done:
            done[id(tokens)] = _axes(tokens)
    return {name: done[id(tokens)] for name, tokens in inputs.items()}


def random_bases(layers: Mapping[str, Linear], k: int, seed: int) -> dict[str, Tensor]:
    """V of each layer: k orthonormal columns in random directions."""
    generator = torch.Generator().manual_seed(seed)
    drawn = {name: torch.randn(layer.in_features, k, generator=generator) for name, layer in layers.items()}
    return {name: torch.linalg.qr(numbers).Q for name, numbers in drawn.items()}


def _axes(tokens: Tensor) -> Tensor:
    tokens = tokens.double()
    few = len(tokens) < tokens.shape[1]
    squares, axes = torch.linalg.eigh(tokens @ tokens.T if few else tokens.T @ tokens)
    axes = axes[:, squares > _NOISE * squares[-1]].flip(1)  # the largest first
    if few:
        axes = tokens.T @ axes
    return torch.linalg.qr(axes).Q.float()  # axes that hardly any input has are not quite at right angles before


def slopes_of(layers: Mapping[str, Linear], loss: Loss) -> dict[str, Tensor]:
    """G (m, n) of each layer, by one backward pass; the weights need no grad before, and have none after."""
    weights = [layer.weight.requires_grad_(True) for layer in layers.values()]
    try:
        return dict(zip(layers, gradient(weights, loss), strict=True))
    finally:
        for weight in weights:
            weight.requires_grad_(False)


def shares(slopes: Mapping[str, Tensor], bases: Bases, k: int) -> list[float]:
    """‖GV_k‖²/‖G‖² of all layers together, of the middle layer and of the least."""
    inside = {name: float((slope @ bases[name][:, :k]).square().sum()) for name, slope in slopes.items()}
    whole = {name: float(slope.square().sum()) for name, slope in slopes.items()}
    each = sorted(inside[name] / whole[name] for name in slopes)
    return [sum(inside.values()) / sum(whole.values()), each[len(each) // 2], each[0]]


def kept_numbers(bases: Bases, k: int) -> int:
    """The numbers that V takes, one V for layers that read the same."""
    own = {id(basis): basis for basis in bases.values()}
    return sum(min(k, basis.shape[1]) * len(basis) for basis in own.values())


def moved_numbers(layers: Mapping[str, Linear], bases: Bases | None, k: int) -> int:
    """Σ m·k over the layers: the dimensions in which z = UVᵀ lies."""
    if bases is None:
        return sum(layer.weight.numel() for layer in layers.values())
    return sum(layer.out_features * min(k, bases[name].shape[1]) for name, layer in layers.items())


@dataclass
class Curvature:
    """tr PH and gᵀPHPg of the Gauss–Newton matrix of some rows, added up row by row, for each basis and each k.

    Of a row with two label words, p the probability of the right one, H_row = p(1−p)·∇s∇sᵀ with s the difference of
    their logits, and the row's gradient is −(1−p)·∇s: so H_row = p/(1−p)·g_row·g_rowᵀ. It leaves out what the second
    derivatives of s add, whose sign varies. Cost: a forward and a backward pass a row, for all bases.

    slopes: G of the batch whose gradient g is.
    """

    slopes: Mapping[str, Tensor]
    bases: Mapping[str, Bases]
    ks: Sequence[int]
    traces: dict[tuple[str, int], float] = field(default_factory=dict)
    along: dict[tuple[str, int], float] = field(default_factory=dict)
    rows: int = 0

    def __post_init__(self):
        self._inside = {
            kind: {name: slope @ bases[name] for name, slope in self.slopes.items()}
            for kind, bases in self.bases.items()
        }

    def add(self, layers: Mapping[str, Linear], loss: Loss) -> None:
        """One row. Args: loss: of it alone."""
        with torch.no_grad():
            right = math.exp(-float(loss()))
        weight = right / (1 - right)
        own = slopes_of(layers, loss)
        self.rows += 1
        self._count("all", 0, weight, [(own[name], slope) for name, slope in self.slopes.items()])
        for kind, bases in self.bases.items():
            pairs = [(own[name] @ bases[name], inside) for name, inside in self._inside[kind].items()]
            for k in self.ks:
                self._count(kind, k, weight, [(mine[:, :k], whole[:, :k]) for mine, whole in pairs])

    def _count(self, kind: str, k: int, weight: float, pairs: Iterable[tuple[Tensor, Tensor]]) -> None:
        square = product = 0.0
        for mine, whole in pairs:
            square += float(mine.square().sum())
            product += float((mine * whole).sum())
        self.traces[kind, k] = self.traces.get((kind, k), 0.0) + weight * square
        self.along[kind, k] = self.along.get((kind, k), 0.0) + weight * product**2

    def seen(self, kind: str, k: int) -> dict[str, float]:
        """‖Pg‖², tr PH and ρ = gᵀPHPg/‖Pg‖², with H the mean over the rows."""
        parts = self.slopes if kind == "all" else {name: part[:, :k] for name, part in self._inside[kind].items()}
        captured = sum(float(part.square().sum()) for part in parts.values())
        found = {"captured": captured, "trace": self.traces[kind, k] / self.rows}
        return found | {"rayleigh": self.along[kind, k] / self.rows / captured}
