"""`NoiseField`: a set of parameters under one law and seed, and the sweeps that move all of them along z."""

from collections.abc import Callable, Sequence
from functools import cache, partial

import torch
from torch import Tensor

from mezo_lab.optim.noise import coordinates_at, coordinates_named, stream_keys
from mezo_lab.optim.sweeps import native, pieces
from mezo_lab.optim.sweeps.compiled import Numbers, is_available, run_compiled
from mezo_lab.optim.sweeps.kernels import GramMatrix, SweepKernel, WeightedSum
from mezo_lab.optim.sweeps.pieces import CHUNK, STRIDED_CHUNK, Slice
from mezo_lab.optim.sweeps.postponed import MOST_TERMS, PostponedSweeps
from mezo_lab.optim.sweeps.progress import SweepProgress, Witness
from mezo_lab.optim.sweeps.terms import Cost, KeyedTensor, Term

COMPILE_FROM = 1 << 22
"""Parameters on a GPU from which sweeps are compiled: below, eager ones take less than 0.1 s, a compiler seconds."""
KERNEL_FROM = 1 << 10  # coordinates of one tensor there: below, its lanes are too short to be worth a call
CACHED = 2 * CHUNK  # coordinates of z kept for later sweeps, 8 MiB, where all parameters are one chunk

_Batches = Sequence[Sequence[Slice]]
_Keys = Callable[[], Tensor]  # → the streams of some terms, of `NoiseField.keys`


class NoiseField:
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
        groups: the number of parameter groups; by default as many as the parameters name.
        cost: the count to which the sweeps are added; by default one of its own.
    Raises: ValueError for an unknown law or a key that two parameters share.

    >>> theta = torch.zeros(2, 3)
    >>> field = NoiseField([KeyedTensor(theta, key=7)], "rademacher", seed=0)
    >>> field.sweep([Term(step=1, probe=0, scales=(0.5,))])
    >>> theta.abs()
    tensor([[0.5000, 0.5000, 0.5000],
            [0.5000, 0.5000, 0.5000]])
    >>> field.sweep([Term(step=1, probe=0, scales=(-0.5,))])
    >>> theta.abs().sum()
    tensor(0.)
    """

    _most_postponed = MOST_TERMS

    def __init__(
        self,
        parameters: Sequence[KeyedTensor],
        law: str,
        seed: int,
        compiled: bool | None = None,
        *,
        groups: int | None = None,
        cost: Cost | None = None,
    ):
        if len({parameter.key for parameter in parameters}) < len(parameters):
            raise ValueError("`parameters` must have different keys, or they move alike: tensor_key(name) of each.")
        self.parameters = list(parameters)
        self.law = law
        self.seed = seed
        self.groups = groups or 1 + max((parameter.group for parameter in parameters), default=0)
        self.cost = cost or Cost()
        self.coordinates = coordinates_named(law)
        self.tensors = [parameter.tensor.detach() for parameter in parameters]
        self.numel = sum(tensor.numel() for tensor in self.tensors)
        self._choice = compiled
        # positions of the parameters that C takes, that kernels of `torch.compile` take, and that come in strided views
        self.native = [i for i, tensor in enumerate(self.tensors) if self._suits_c(tensor)]
        self.kernels = [i for i, tensor in enumerate(self.tensors) if self._suits_kernel(tensor)]
        self.strided = [i for i, tensor in enumerate(self.tensors) if not self._in_blocks(tensor)]
        self._native_sweeps = self._sweeps_in_c()
        self._bytes_of_pass = 2 * sum(tensor.numel() * tensor.element_size() for tensor in self.tensors)
        self.postponed: PostponedSweeps | None = None
        self._cache: dict[tuple[int, int], list[Tensor]] = {}  # (step, probe) → z of the only batch
        self.rechunk(CHUNK, STRIDED_CHUNK)
        small = len(self._all_batches) == 1 and 2 * self.numel <= CACHED and not self.compiled and not self.strided
        if small:
            self._cached_batch = self._all_batches[0]

    @property
    def compiled(self) -> bool:
        """Whether compiled code sweeps some of the parameters."""
        return bool(self.native or self.kernels)

    def bound_to(self, parameters: Sequence[KeyedTensor]) -> "NoiseField":
        """The same z on other tensors of the same shapes; both count their cost together."""
        return NoiseField(parameters, self.law, self.seed, self.compiled, groups=self.groups, cost=self.cost)

    def rechunk(self, chunk: int, strided_chunk: int) -> None:
        """Take the parameters in pieces of another size, in coordinates, which changes the memory and no bit of z."""
        self._chunk = chunk
        self._strided_chunk = strided_chunk
        self._words_of_z = self._words()
        self._all_batches = self._cut()
        self._eager_batches = self._cut(rest_only=self.kernels, without=self.native)
        self._eager_strided = [i for i in self.strided if i not in self.native]
        self._cached_batch: list[Slice] | None = None  # the only batch, where all parameters are one chunk

    def sweep(
        self,
        terms: Sequence[Term],
        decay: Sequence[float] | None = None,
        sources: Sequence[Tensor] | None = None,
        progress: SweepProgress | None = None,
    ) -> None:
        """θ ← decay·source + Σ_j scale_j·z_j, in place.

        Args:
            terms: the z and their scales.
            decay: one factor per parameter group, by default 1.
            sources: where to start from, one tensor per parameter and laid out as it; by default θ itself.
            progress: that of the same sweep where an exception broke it off: the rest of it is made.
        Raises: ValueError when one of these has another length than it needs.
        """
        decay = tuple(decay or [1.0] * self.groups)
        self._check(terms, decay, sources)
        progress = (progress or SweepProgress()).begin()
        self._count(terms, self._eager_batches, progress)
        if self.postponed is not None:
            self.postponed.add(terms, decay, sources)
            return
        if self._native_sweeps is not None:
            self._native_sweeps.run([(terms, decay)], self._native_sources(sources), progress)
        if len(self.native) == len(self.tensors):
            return
        groups = [parameter.group for parameter in self.parameters]
        scales = [[term.scales[group] for term in terms] for group in groups]
        kernel = WeightedSum(scales, [decay[group] for group in groups], signs=self.law == "rademacher")
        with torch.no_grad():
            self._run_compiled(terms, decay, sources, progress)
            self._run(self._eager_batches, self._eager_strided, terms, kernel, sources, progress)

    def map(self, terms: Sequence[Term], kernel: SweepKernel, progress: SweepProgress | None = None) -> None:
        """θ ← kernel(θ, z of `terms`), for what is not a sum of z. Args: progress: as for `sweep`."""
        progress = (progress or SweepProgress()).begin()
        self._count(terms, self._all_batches, progress)
        self.settle()
        with torch.no_grad():
            self._run(self._all_batches, self.strided, terms, kernel, None, progress)

    def gram(self, terms: Sequence[Term]) -> Tensor:
        """z_jᵀz_k over all parameters, float64 (terms, terms)."""
        kernel = GramMatrix(torch.zeros(len(terms), len(terms), dtype=torch.float64, device="cpu"))
        batches = self._cut(chunk=max(1, self._chunk // max(1, len(terms))))  # all z of a piece are alive at once
        progress = SweepProgress().begin()
        self._count(terms, batches, progress, writes=False)
        with torch.no_grad():
            self._run(batches, self.strided, terms, kernel, None, progress)
        return kernel.total

    def postpone(self) -> bool:
        """Let the sweeps from now on wait for `settle`, which makes them tile by tile, each z drawn once.

        Only C makes them so. Returns: whether they wait; all of them do, or none.
        """
        if len(self.native) == len(self.tensors):
            self.postponed = PostponedSweeps(self._most_postponed)
        return self.postponed is not None

    def settle(self, report: Callable[[float], None] | None = None, *, end: bool = False) -> None:
        """Make the sweeps that wait. Args: report: called with the share that is made. end: let no sweep wait any more.

        An exception leaves some of the weights before these sweeps, and some behind them.
        """
        if self._native_sweeps is not None and self.postponed is not None and self.postponed.program:
            program = self.postponed.program
            sources = self._native_sources(self.postponed.sources)
            parts = self.postponed.parts(self.numel)
            self.postponed.clear()
            self._native_sweeps.run(program, sources, SweepProgress().begin(), parts, report)
        if end:
            self.postponed = None

    def at(self, parameter: int, step: int, probe: int, index: Tensor) -> Tensor:
        """z at flat indices of one parameter. Args: index: int64, on the CPU. Returns: float32, on the CPU."""
        key = self.keys([Term(step, probe, ())])[0, parameter]
        return coordinates_at(self.coordinates, key, index, self.tensors[parameter].numel())

    def keys(self, terms: Sequence[Term]) -> Tensor:
        """The stream of each parameter in each term, int32 (terms, parameters, 2)."""
        tensors = [parameter.key for parameter in self.parameters]
        keys = torch.empty(len(terms), len(tensors), 2, dtype=torch.int32, device="cpu")
        for row, term in zip(keys, terms, strict=True):
            row.copy_(stream_keys(self.seed, term.step, term.probe, tensors))
        return keys

    def _in_blocks(self, tensor: Tensor) -> bool:
        # whether z can be drawn block by block; otherwise `_draw_strided` draws it view by view
        return tensor.is_contiguous()

    def _suits_c(self, tensor: Tensor) -> bool:
        return self._choice is not False and native.suits(tensor)

    def _suits_kernel(self, tensor: Tensor) -> bool:
        compiled = self.numel >= COMPILE_FROM if self._choice is None else self._choice
        large = tensor.is_contiguous() and tensor.numel() >= KERNEL_FROM
        return compiled and large and is_available(self.law, tensor.dtype, tensor.device)

    def _sweeps_in_c(self) -> native.NativeSweeps | None:
        if not self.native:
            return None
        places = [native.Place(self.parameters[i], native.LAWS[self.law]) for i in self.native]
        return native.NativeSweeps(places, self.seed, self.groups)

    def _cut(
        self, rest_only: Sequence[int] = (), without: Sequence[int] = (), chunk: int | None = None
    ) -> list[list[Slice]]:
        """Batches of slices of the contiguous parameters, one device to a batch."""
        contiguous = [i for i, tensor in enumerate(self.tensors) if self._in_blocks(tensor) and i not in without]
        batches: list[list[Slice]] = []
        for device in dict.fromkeys(self.tensors[i].device for i in contiguous):
            numels = {i: self.tensors[i].numel() for i in contiguous if self.tensors[i].device == device}
            batches += pieces.batches(numels, self.law, set(rest_only), chunk or self._chunk)
        return batches

    def _check(self, terms: Sequence[Term], decay: Sequence[float], sources: Sequence[Tensor] | None) -> None:
        for name, factors in (("decay", decay), *(("scales", term.scales) for term in terms)):
            if len(factors) != self.groups:
                raise ValueError(f"`{name}` must hold one number per group: got {len(factors)} for {self.groups}.")
        if sources is not None and [source.shape for source in sources] != [tensor.shape for tensor in self.tensors]:
            raise ValueError(
                "`sources` must hold one tensor per parameter, of its shape: take clones of the parameters."
            )

    def _native_sources(self, sources: Sequence[Tensor] | None) -> list[Tensor] | None:
        return None if sources is None else [sources[i] for i in self.native]

    def _run_compiled(
        self,
        terms: Sequence[Term],
        decay: Sequence[float],
        sources: Sequence[Tensor] | None,
        progress: SweepProgress,
    ) -> None:
        """The full blocks of all parameters that have a kernel of `torch.compile`."""
        if not self.kernels:
            return
        keys = self.keys(terms)  # (terms, parameters, 2)
        # (terms, groups); without a term the decay alone gives the second dimension
        scales = torch.tensor([term.scales for term in terms] or [decay], dtype=torch.float64)[: len(terms)]
        for device in dict.fromkeys(self.tensors[i].device for i in self.kernels):
            keys_there = keys.to(device)
            scales_there = scales.to(device)
            decay_there = torch.tensor(decay, dtype=torch.float64, device=device)
            for i in self.kernels:
                if self.tensors[i].device != device:
                    continue
                group = self.parameters[i].group
                source = None if sources is None else sources[i].view(-1)
                numbers = Numbers(keys_there[:, i], decay_there[group], scales_there[:, group])
                run_compiled(self.law, self.tensors[i].view(-1), source, numbers, progress)

    def _run(
        self,
        batches: _Batches,
        strided: Sequence[int],
        terms: Sequence[Term],
        kernel: SweepKernel,
        sources: Sequence[Tensor] | None,
        progress: SweepProgress,
    ) -> None:
        """Take every slice of `batches`, and every view of the strided parameters, through a kernel."""
        if sources is None:
            sources = self.tensors
        keys = cache(partial(self.keys, terms))  # made where a z is drawn, not where it is kept
        for batch in batches:
            if progress.skip(len(batch)):
                continue
            work = [
                (part.parameter, self._slice_of(sources, part), self._slice_of(self.tensors, part)) for part in batch
            ]
            draw = partial(self._draw_cached, batch, terms, keys)
            _transform(work, len(terms), draw, kernel, progress)
        for i in strided:
            origins = pieces.strided_views(sources[i], self._strided_chunk)
            targets = pieces.strided_views(self.tensors[i], self._strided_chunk)
            for (origin, start), (target, _) in zip(origins, targets, strict=True):
                if progress.skip(1):
                    continue
                draw = partial(self._draw_view, i, target, start, keys)
                _transform([(i, origin, target)], len(terms), draw, kernel, progress)

    def _slice_of(self, tensors: Sequence[Tensor], part: Slice) -> Tensor:
        return part.view(tensors[part.parameter].view(-1), self.coordinates)

    def _draw_cached(self, batch: Sequence[Slice], terms: Sequence[Term], keys: _Keys, term: int) -> list[Tensor]:
        """z of one term on every slice of a batch: from the cache, or drawn."""
        if batch != self._cached_batch:
            return self._draw(batch, keys()[term])
        address = (terms[term].step, terms[term].probe)
        if address not in self._cache:
            while (len(self._cache) + 1) * self.numel > CACHED:
                oldest = next(iter(self._cache))
                del self._cache[oldest]
            self._cache[address] = self._draw(batch, keys()[term])
        return self._cache[address]

    def _draw(self, batch: Sequence[Slice], keys: Tensor) -> list[Tensor]:
        keys = keys.to(self.tensors[batch[0].parameter].device)
        if self.native and keys.device.type == "cpu":
            drawn = (native.draw(self.law, keys[p.parameter], p.first, p.last - p.first) for p in batch)
            return [part.shaped(z) for part, z in zip(batch, drawn, strict=True)]
        return pieces.draw(batch, keys, self.law)

    def _draw_view(self, parameter: int, view: Tensor, start: int, keys: _Keys, term: int) -> list[Tensor]:
        return [self._draw_strided(parameter, view, start, keys()[term])]

    def _draw_strided(self, parameter: int, view: Tensor, start: int, keys: Tensor) -> Tensor:
        key = keys[parameter]
        if self._is_drawn_whole(parameter):
            return native.draw_flat(self.law, key, view.numel()).view(view.shape)
        return pieces.draw_strided(view, start, self.tensors[parameter].numel(), key, self.law)

    def _is_drawn_whole(self, parameter: int) -> bool:
        """Whether C draws all of z of a strided tensor at once, which is then a single view."""
        tensor = self.tensors[parameter]
        small = tensor.numel() <= self._strided_chunk and tensor.device.type == "cpu"
        return small and self._choice is not False and native.library() is not None

    def _count(self, terms: Sequence[Term], batches: _Batches, progress: SweepProgress, writes: bool = True) -> None:
        """Add a sweep to the cost; one that is taken up again is counted once."""
        if progress.cost is None:
            drawn = len(terms)
            if batches == [self._cached_batch]:
                drawn = sum((term.step, term.probe) not in self._cache for term in terms)
            words = drawn * self._words_of_z
            moved = writes * self._bytes_of_pass
            progress.cost = Cost(self.cost.sweeps + 1, self.cost.words + words, self.cost.bytes + moved)
        # an assignment, unlike an addition, may be repeated after an exception
        vars(self.cost).update(vars(progress.cost))

    def _words(self) -> int:
        """How many random words one z takes."""
        return sum(map(self._words_of, range(len(self.tensors))))

    def _words_of(self, parameter: int) -> int:
        # strides keep the lanes of a block apart: there each coordinate takes a block, of two words, of its own
        per_block = self.coordinates.per_block
        apart = parameter in self.strided and not self._is_drawn_whole(parameter)
        if apart and not self.coordinates.packed:
            per_block = 1
        return 2 * -(-self.tensors[parameter].numel() // per_block)


def _transform(
    work: Sequence[tuple[int, Tensor, Tensor]],
    terms: int,
    draw: Callable[[int], Sequence[Tensor]],
    kernel: SweepKernel,
    progress: SweepProgress,
) -> None:
    """Take some pieces through a kernel together.

    Args: work: (parameter, source, target) of each piece. draw: a term's number → z of each piece.
    """
    values = [kernel.start(parameter, source) for parameter, source, _ in work]
    for term in range(terms):
        # z is bound to no name, so that it is gone before the next one is drawn
        values = [
            kernel.add(parameter, value, term, z)
            for (parameter, _, _), value, z in zip(work, values, draw(term), strict=True)
        ]
    for (parameter, _, target), value in zip(work, values, strict=True):
        if progress.is_due(Witness.counting(target)):
            kernel.finish(parameter, target, value)
        progress.complete()
