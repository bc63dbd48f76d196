"""`Field`: a set of parameters under one law and seed, and the sweeps that move all of them along z."""

from collections.abc import Container, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from mezo_lab.optim.noise import coordinates_at, coordinates_named, stream_keys
from mezo_lab.optim.sweeps import eager, kernels
from mezo_lab.optim.sweeps.eager import Pass, Slice, Sum
from mezo_lab.optim.sweeps.progress import Progress, Witness

COMPILE_FROM = 1 << 22  # parameters: below, an eager sweep takes less than 0.1 s and a compiler some seconds
KERNEL_FROM = 1 << 10  # coordinates of one tensor: below, its lanes are too short to be worth a call
KEPT = 2 * eager.CHUNK  # coordinates of z kept for the sweeps to come, 8 MiB, where all parameters are one chunk


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
    Cost: a sweep reads and writes every parameter once; its memory is a chunk, whatever the model. Parameters that are
        one chunk together keep the z of the last sweeps, which costs less than to draw it again.

    Args:
        parameters: each tensor once.
        law: the law of the coordinates: "gaussian", "rademacher", "uniform" or "three-point".
        seed: below 2⁶⁴.
        compiled: True or False to choose the path; None compiles where it pays and a compiler works. The choice is
            made here, once, so that all sweeps of a run draw z in the same way.
    Raises: ValueError for an unknown law or a key that two parameters share.

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

    chunk, strided_chunk = eager.CHUNK, eager.STRIDED_CHUNK  # coordinates in flight, see `eager`

    def __init__(self, parameters: Sequence[Parameter], law: str, seed: int, compiled: bool | None = None):
        if len({parameter.key for parameter in parameters}) < len(parameters):
            raise ValueError("`parameters` must have different keys, or they move alike: tensor_key(name) of each.")
        self.parameters, self.law, self.seed, self.cost = list(parameters), law, seed, Cost()
        self.coordinates = coordinates_named(law)
        self.tensors = [parameter.tensor.detach() for parameter in parameters]
        self.numel = sum(tensor.numel() for tensor in self.tensors)
        self.groups = 1 + max((parameter.group for parameter in parameters), default=0)
        wanted = self.numel >= COMPILE_FROM if compiled is None else compiled
        self.fast = [i for i, tensor in enumerate(self.tensors) if wanted and self.suits_kernel(tensor)]
        self.strided = [i for i, tensor in enumerate(self.tensors) if not self.in_blocks(tensor)]
        self.all_batches, self.slow_batches = self.cut(), self.cut(only_rest_of=self.fast)
        small = len(self.all_batches) == 1 and 2 * self.numel <= KEPT and not self.fast and not self.strided
        self.one_batch = self.all_batches[0] if small else None
        self.kept: dict[tuple[int, int], list[Tensor]] = {}  # (step, probe) → z of the one batch

    def over(self, parameters: Sequence[Parameter]) -> "Field":
        """The same z on other tensors of the same shapes; both count their cost together."""
        other = Field(parameters, self.law, self.seed, compiled=bool(self.fast))
        other.groups, other.cost = self.groups, self.cost
        return other

    def in_blocks(self, tensor: Tensor) -> bool:
        """Whether z can be drawn block by block; otherwise it is drawn piece by piece, `draw_anywhere`."""
        return tensor.is_contiguous()

    def suits_kernel(self, tensor: Tensor) -> bool:
        large = tensor.is_contiguous() and tensor.numel() >= KERNEL_FROM
        return large and kernels.available(self.law, tensor.dtype, tensor.device)

    def cut(self, only_rest_of: Sequence[int] = (), chunk: int | None = None) -> list[list[Slice]]:
        """Batches of slices of the contiguous parameters, one device to a batch."""
        flat = [i for i, tensor in enumerate(self.tensors) if self.in_blocks(tensor)]
        found = []
        for device in dict.fromkeys(self.tensors[i].device for i in flat):
            numels = {i: self.tensors[i].numel() for i in flat if self.tensors[i].device == device}
            found += eager.batches(numels, self.law, set(only_rest_of), chunk or self.chunk)
        return found

    def at(self, parameter: int, step: int, probe: int, index: Tensor) -> Tensor:
        """z at flat indices of one parameter. Args: index: int64, on the CPU. Returns: float32, on the CPU."""
        key = self.keys([Term(step, probe, ())])[0, parameter]
        return coordinates_at(self.coordinates, key, index, self.tensors[parameter].numel())

    def keys(self, terms: Sequence[Term]) -> Tensor:
        """The stream of each parameter in each term, int32 (terms, parameters, 2)."""
        tensors = [parameter.key for parameter in self.parameters]
        keys = [stream_keys(self.seed, term.step, term.probe, tensors) for term in terms]
        return torch.stack(keys) if keys else torch.empty(0, len(tensors), 2, dtype=torch.int32)

    def sweep(
        self,
        terms: Sequence[Term],
        decay: Sequence[float] | None = None,
        sources: Sequence[Tensor] | None = None,
        progress: Progress | None = None,
    ) -> None:
        """θ ← decay·source + Σ_j scale_j·z_j, in place.

        Args: terms: the z and their scales. decay: one factor per parameter group, default 1.
            sources: where to start from, one tensor per parameter and laid out as it; default θ itself.
            progress: that of the same sweep where an exception broke it off: the rest of it is made.
        Raises: ValueError when one of these has another length than it needs.
        """
        decay = tuple(decay or [1.0] * self.groups)
        self.check(terms, decay, sources)
        groups = [parameter.group for parameter in self.parameters]
        total = Sum([[term.scales[group] for term in terms] for group in groups], [decay[group] for group in groups])
        progress = (progress or Progress()).begin()
        self.count(terms, self.slow_batches, progress)
        with torch.no_grad():
            self.run_kernels(terms, decay, sources, progress)
            self.visit(self.slow_batches, terms, total, sources, progress)

    def check(self, terms: Sequence[Term], decay: Sequence[float], sources: Sequence[Tensor] | None) -> None:
        for name, factors in (("decay", decay), *(("scales", term.scales) for term in terms)):
            if len(factors) != self.groups:
                raise ValueError(f"`{name}` must hold one number per group: got {len(factors)} for {self.groups}.")
        shapes = [tensor.shape for tensor in self.tensors]
        if sources is not None and [source.shape for source in sources] != shapes:
            raise ValueError(
                "`sources` must hold one tensor per parameter, of its shape: take clones of the parameters."
            )

    def each(self, terms: Sequence[Term], use: Pass, progress: Progress | None = None) -> None:
        """A pass over all pieces with the z of `terms`, for what is not a sum of z. Args: progress: as for `sweep`."""
        progress = (progress or Progress()).begin()
        self.count(terms, self.all_batches, progress)
        with torch.no_grad():
            self.visit(self.all_batches, terms, use, None, progress)

    def run_kernels(
        self,
        terms: Sequence[Term],
        decay: Sequence[float],
        sources: Sequence[Tensor] | None,
        progress: Progress,
    ) -> None:
        if not self.fast:
            return
        keys = self.keys(terms)
        scales = torch.tensor([term.scales for term in terms] or [decay], dtype=torch.float64)[: len(terms)]
        for device in dict.fromkeys(self.tensors[i].device for i in self.fast):
            keys_there, scales_there = keys.to(device), scales.to(device)  # (terms, parameters, 2), (terms, groups)
            decay_there = torch.tensor(decay, dtype=torch.float64, device=device)
            for i in (i for i in self.fast if self.tensors[i].device == device):
                group, target = self.parameters[i].group, self.tensors[i].view(-1)
                source = None if sources is None else sources[i].view(-1)
                numbers = keys_there[:, i], decay_there[group], scales_there[:, group]
                kernels.run(self.law, target, source, *numbers, progress)

    def visit(
        self,
        batches: Sequence[Sequence[Slice]],
        terms: Sequence[Term],
        use: Pass,
        sources: Sequence[Tensor] | None,
        progress: Progress,
    ) -> None:
        """Take every piece of `batches`, and of the parameters that are not contiguous, through a pass."""
        sources = self.tensors if sources is None else sources
        keys = self.keys(terms)
        for batch in batches:
            if progress.passed(len(batch)):
                continue
            there = keys.to(self.tensors[batch[0].parameter].device)
            owners = [piece.parameter for piece in batch]
            origins, targets = (
                [piece.view(tensors[piece.parameter].view(-1), self.coordinates) for piece in batch]
                for tensors in (sources, self.tensors)
            )
            values = [use.start(i, origin) for i, origin in zip(owners, origins, strict=True)]
            for term, row in enumerate(there):
                drawn = zip(owners, values, self.drawn(batch, terms[term], row), strict=True)
                values = [use.add(i, value, term, z) for i, value, z in drawn]
            for i, target, value in zip(owners, targets, values, strict=True):
                if progress.due(Witness.counting(target)):
                    use.finish(i, target, value)
                progress.over()
        for i in self.strided:
            parts = zip(
                *(eager.pieces(tensors[i], self.strided_chunk) for tensors in (sources, self.tensors)), strict=True
            )
            for (origin, start), (target, _) in parts:
                if progress.passed(1):
                    continue
                value = use.start(i, origin)
                for term, row in enumerate(keys):
                    value = use.add(i, value, term, self.draw_anywhere(i, target, start, row))
                if progress.due(Witness.counting(target)):
                    use.finish(i, target, value)
                progress.over()

    def drawn(self, batch: Sequence[Slice], term: Term, keys: Tensor) -> list[Tensor]:
        """z of every slice of a batch: kept from a sweep before, or drawn."""
        if batch != self.one_batch:
            return self.draw(batch, keys)
        address = term.step, term.probe
        if address not in self.kept:
            while (len(self.kept) + 1) * self.numel > KEPT:
                self.kept.pop(next(iter(self.kept)))  # the oldest
            self.kept[address] = self.draw(batch, keys)
        return self.kept[address]

    def draw(self, batch: Sequence[Slice], keys: Tensor) -> list[Tensor]:
        return eager.draw(batch, keys, self.law)

    def draw_anywhere(self, parameter: int, piece: Tensor, start: int, keys: Tensor) -> Tensor:
        return eager.draw_anywhere(piece, start, self.tensors[parameter].numel(), keys[parameter], self.law)

    def gram(self, terms: Sequence[Term]) -> Tensor:
        """z_jᵀz_k over all parameters, float64 (terms, terms)."""
        gram = Gram(torch.zeros(len(terms), len(terms), dtype=torch.float64, device="cpu"))
        batches = self.cut(chunk=max(1, self.chunk // max(1, len(terms))))  # all z of a piece are alive at once
        progress = Progress().begin()
        self.count(terms, batches, progress, moved=False)
        with torch.no_grad():
            self.visit(batches, terms, gram, None, progress)
        return gram.total

    def count(
        self, terms: Sequence[Term], batches: Sequence[Sequence[Slice]], progress: Progress, moved: bool = True
    ) -> None:
        """Add a sweep to the cost; one that is taken up again is counted once."""
        if progress.cost is None:
            kept = self.kept if batches == [self.one_batch] else {}
            words = sum((term.step, term.probe) not in kept for term in terms) * self.words()
            numbers = moved * 2 * sum(tensor.numel() * tensor.element_size() for tensor in self.tensors)
            progress.cost = Cost(self.cost.sweeps + 1, self.cost.words + words, self.cost.bytes + numbers)
        vars(self.cost).update(vars(progress.cost))

    def words(self, without: Container[int] = ()) -> int:
        """How many random words one z takes: where strides keep lanes apart, a block of two for each coordinate.

        without: parameters that are left out.
        """
        alone = set() if self.coordinates.packed else set(self.strided)
        numels = ((i, tensor.numel()) for i, tensor in enumerate(self.tensors) if i not in without)
        return sum(2 * (numel if i in alone else -(-numel // self.coordinates.per_block)) for i, numel in numels)


@dataclass(frozen=True)
class Gram(Pass):
    """total ← total + Σ over the piece of z_j·z_k; θ is left alone."""

    total: Tensor

    def start(self, parameter: int, source: Tensor) -> list[Tensor]:
        return []

    def add(self, parameter: int, value: list[Tensor], term: int, z: Tensor) -> list[Tensor]:
        return [*value, z.reshape(-1).double()]

    def finish(self, parameter: int, target: Tensor, value: list[Tensor]) -> None:
        rows = torch.stack(value)
        self.total.add_((rows @ rows.T).cpu())
