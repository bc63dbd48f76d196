"""`Field`: a set of parameters under one law and seed, and the sweeps that move all of them along z."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from mezo_lab.noise import COORDINATES, stream_keys
from mezo_lab.sweeps import eager, kernels
from mezo_lab.sweeps.eager import Slice

COMPILE_FROM = 1 << 22  # parameters: below, an eager sweep takes less than 0.1 s and a compiler some seconds
KERNEL_FROM = 1 << 10  # coordinates of one tensor: below, its lanes are too short to be worth a call
TERMS = 2  # z per kernel: what a fused step and a chain of probes need; more go through several passes

Use = Callable[[int, Tensor, Tensor, list[Tensor]], None]


@dataclass(frozen=True)
class Parameter:
    """A tensor that moves, the key of its noise and the parameter group whose scales apply."""

    tensor: Tensor
    key: int
    group: int = 0


@dataclass(frozen=True)
class Term:
    """scale·z(step, probe), with one scale for each parameter group."""

    step: int
    probe: int
    scales: tuple[float, ...]


@dataclass
class Cost:
    """What the sweeps so far have cost: passes over the parameters, random words drawn, bytes read and written."""

    sweeps: int = 0
    words: int = 0
    bytes: int = 0


class Field:
    """All parameters, each with its z.

    Claim: z depends on (seed, step, probe, tensor key, flat index) alone, whatever the dtype, the strides, the device,
    the order of the parameters, or which of them are here.
    Cost: a sweep reads and writes every parameter once; its memory is a chunk, whatever the model.

    Args:
        parameters: each tensor once.
        law: the law of the coordinates: "gaussian", "rademacher", "uniform" or "three-point".
        seed: below 2⁶⁴.
        compiled: True or False to choose the path; None compiles where it pays and a compiler works. The choice is
            made here, once, so that all sweeps of a run draw z in the same way.

    >>> theta = torch.zeros(2, 3)
    >>> field = Field([Parameter(theta, key=7)], "rademacher", seed=0)
    >>> field.sweep([Term(step=1, probe=0, scales=(0.5,))])
    >>> theta.abs()
    tensor([[0.5000, 0.5000, 0.5000],
            [0.5000, 0.5000, 0.5000]])
    >>> field.sweep([Term(step=1, probe=0, scales=(-0.5,))])
    >>> theta.abs().sum()
    tensor(0.)
    """

    def __init__(self, parameters: Sequence[Parameter], law: str, seed: int, compiled: bool | None = None):
        self.parameters, self.law, self.seed, self.cost = list(parameters), law, seed, Cost()
        self.coordinates = COORDINATES[law]
        self.tensors = [parameter.tensor.detach() for parameter in parameters]
        self.numel = sum(tensor.numel() for tensor in self.tensors)
        self.groups = 1 + max((parameter.group for parameter in parameters), default=0)
        wanted = self.numel >= COMPILE_FROM if compiled is None else compiled
        self.fast = [i for i, tensor in enumerate(self.tensors) if wanted and self.suits_kernel(tensor)]
        self.strided = [i for i, tensor in enumerate(self.tensors) if not tensor.is_contiguous()]
        self.all_batches = self.cut(range(len(self.tensors)))
        self.slow_batches = self.cut(range(len(self.tensors)), only_rest_of=self.fast)

    def suits_kernel(self, tensor: Tensor) -> bool:
        large = tensor.is_contiguous() and tensor.numel() >= KERNEL_FROM
        return large and kernels.available(self.law, tensor.dtype, tensor.device)

    def cut(self, indices: Sequence[int], only_rest_of: Sequence[int] = ()) -> list[list[Slice]]:
        """Batches of slices of the contiguous parameters, one device to a batch."""
        flat = [i for i in indices if self.tensors[i].is_contiguous()]
        found = []
        for device in dict.fromkeys(self.tensors[i].device for i in flat):
            numels = {i: self.tensors[i].numel() for i in flat if self.tensors[i].device == device}
            found += eager.batches(numels, self.law, set(only_rest_of))
        return found

    def keys(self, terms: Sequence[Term]) -> Tensor:
        """The stream of each parameter in each term, int32 (terms, parameters, 2)."""
        tensors = [parameter.key for parameter in self.parameters]
        keys = [stream_keys(self.seed, term.step, term.probe, tensors) for term in terms]
        return torch.stack(keys) if keys else torch.empty(0, len(tensors), 2, dtype=torch.int32)

    def sweep(
        self, terms: Sequence[Term], decay: Sequence[float] | None = None, sources: Sequence[Tensor] | None = None
    ) -> None:
        """θ ← decay·source + Σ_j scale_j·z_j, in place.

        Args: terms: the z and their scales. decay: one factor per parameter group, default 1.
            sources: where to start from, one tensor per parameter and laid out as it; default θ itself.
        """
        decay = tuple(decay or [1.0] * self.groups)
        keys = self.keys(terms)

        def use(i: int, target: Tensor, source: Tensor, z: list[Tensor]) -> None:
            group = self.parameters[i].group
            eager.update(target, source, decay[group], [term.scales[group] for term in terms], z)

        with torch.no_grad():
            self.run_kernels(terms, keys, decay, sources)
            self.visit(self.slow_batches, keys, use, sources)
        self.count(len(terms))

    def run_kernels(self, terms: Sequence[Term], keys: Tensor, decay: Sequence[float], sources) -> None:
        scales = torch.tensor([term.scales for term in terms], dtype=torch.float64).view(len(terms), -1)
        for device in dict.fromkeys(self.tensors[i].device for i in self.fast):
            first = torch.zeros((), dtype=torch.int32, device=device)
            keys_there, scales_there = keys.to(device), scales.to(device)
            decay_there = torch.tensor(decay, dtype=torch.float64, device=device)
            for i in (i for i in self.fast if self.tensors[i].device == device):
                group, target = self.parameters[i].group, self.tensors[i].view(-1)
                source, factor = None if sources is None else sources[i].view(-1), decay_there[group]
                for start in range(0, max(1, len(terms)), TERMS):  # a sweep without terms only decays or copies
                    part = slice(start, start + TERMS)
                    kernels.run(self.law, target, source, keys_there[part, i], first, factor, scales_there[part, group])
                    source, factor = None, torch.ones_like(factor)

    def visit(self, batches, keys: Tensor, use: Use, sources: Sequence[Tensor] | None = None) -> None:
        """Call use(parameter, view of θ, view of its source, [z of each row of keys]) on every piece, in turn."""
        for batch in batches:
            device = self.tensors[batch[0].parameter].device
            drawn = [eager.draw(batch, row, self.law) for row in keys.to(device)]
            for k, piece in enumerate(batch):
                theta = self.tensors[piece.parameter]
                source = theta if sources is None else sources[piece.parameter]
                views = (piece.view(tensor.view(-1), self.coordinates) for tensor in (theta, source))
                use(piece.parameter, *views, [z[k] for z in drawn])
        for i in self.strided:
            theta = self.tensors[i]
            source = theta if sources is None else sources[i]
            for (target, start), (origin, _) in zip(eager.pieces(theta), eager.pieces(source), strict=True):
                z = [eager.draw_anywhere(target, start, theta.numel(), row[i], self.law) for row in keys]
                use(i, target, origin, z)

    def each(self, terms: Sequence[Term], use: Use, sources: Sequence[Tensor] | None = None) -> None:
        """A pass over all pieces with the z of `terms` at hand, for updates that are not a sum of z."""
        with torch.no_grad():
            self.visit(self.all_batches, self.keys(terms), use, sources)
        self.count(len(terms))

    def gram(self, terms: Sequence[Term]) -> Tensor:
        """z_jᵀz_k over all parameters, float64 (terms, terms)."""
        total = torch.zeros(len(terms), len(terms), dtype=torch.float64)

        def use(i: int, target: Tensor, source: Tensor, z: list[Tensor]) -> None:
            rows = torch.stack([direction.reshape(-1) for direction in z]).double()
            total.add_((rows @ rows.T).cpu())

        self.each(terms, use)
        return total

    def count(self, terms: int) -> None:
        passes = max(1, -(-terms // TERMS)) if self.fast else 1
        blocks = sum(-(-tensor.numel() // self.coordinates.per_block) for tensor in self.tensors)
        self.cost.sweeps += 1
        self.cost.words += 2 * terms * blocks
        self.cost.bytes += 2 * passes * sum(tensor.numel() * tensor.element_size() for tensor in self.tensors)
