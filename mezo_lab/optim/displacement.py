"""Where the stored weights are: at θ, or displaced from it along the z of a probe; and the way from one to the other.

An `Offset` says by how much of which streams the stored weights differ from θ. A step is a walk from offset to offset,
and its update is folded into one of the moves: that is how four sweeps become three, or two. A move is written down
before it begins, with how far it has come, so that one which an exception broke off is finished, never begun again.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from mezo_lab.optim.layout import versions
from mezo_lab.optim.sweeps import KeyedTensor, NoiseField, SweepKernel, SweepProgress, Term

Offset = dict[tuple[int, int], tuple[float, ...]]  # (step, stream) → a scale for each parameter group


def combined(*parts: tuple[Offset, Sequence[float] | float]) -> Offset:
    """Σ factor·offset, without the streams that cancel. A factor is one number, or one for each group.

    >>> combined(({(1, 0): (2.0,)}, 1.0), ({(1, 0): (1.0,), (2, 0): (3.0,)}, -2.0))
    {(2, 0): (-6.0,)}
    """
    total: Offset = {}
    for offset, factor in parts:
        for address, scales in offset.items():
            factors = [factor] * len(scales) if isinstance(factor, (int, float)) else factor
            before = total.get(address, (0.0,) * len(scales))
            total[address] = tuple(b + f * s for b, f, s in zip(before, factors, scales, strict=True))
    return {address: scales for address, scales in total.items() if any(scales)}


def terms(offset: Offset) -> list[Term]:
    return [Term(step, stream, scales) for (step, stream), scales in offset.items()]


Decay = Sequence[float] | None
Sweep = Callable[[SweepProgress], None]


class Move:
    """The sweeps that lead the stored weights to θ + offset. As often as it is tried, each weight makes it once."""

    def __init__(self, sweeps: Sequence[Sweep], offset: Offset):
        self.sweeps = [(sweep, SweepProgress()) for sweep in sweeps]  # those that are still to be made, or finished
        self.offset = offset


class Position:
    """Where the stored weights are. `versions` counts the writes that torch has seen until the last move."""

    def __init__(self, field: NoiseField):
        self.field, self.offset = field, Offset()
        self.pending: tuple[Offset, Decay] = ({}, None)  # an update that is still to be made, by the next move
        self.move: Move | None = None  # that has begun, and is not yet finished
        self.versions = versions(field.parameters)

    def saved(self) -> dict[str, Any]:
        """What a copy needs beside the stored weights, which may be displaced. A move under way is made to its end."""
        self.finish()
        return {"offset": self.offset, "pending": self.pending}

    def resume(self, saved: dict[str, Any]) -> None:
        """Be where another was, with copies of its stored weights."""
        self.offset, self.pending = saved["offset"], saved["pending"]

    def make(self, move: Move) -> None:
        """Make a move, or the rest of it."""
        self.move = move
        self.finish()

    def finish(self) -> None:
        """Make the rest of a move that an exception broke off, as another may break this off at any line."""
        move = self.move
        if move is None:
            return
        while move.sweeps:
            sweep, progress = move.sweeps[0]
            sweep(progress)
            move.sweeps = move.sweeps[1:]
        self.offset = move.offset
        self.pending = ({}, None)
        self.versions = versions(self.field.parameters)
        self.move = None


class Plain(Position):
    """The stored weights are all there is: in place, with no memory, and with a rounding at every move."""

    def commit(self, change: Offset, decay: Decay, offset: Offset) -> None:
        """θ ← decay·θ + change, and the stored weights to the new θ + offset, all in one sweep."""
        # the stored weights are θ + self.offset, and decay takes hold of both
        way = combined((offset, 1.0), (change, 1.0), (self.offset, [-factor for factor in decay] if decay else -1.0))
        sweeps = [lambda progress: self.field.sweep(terms(way), decay, None, progress)] if way or decay else []
        self.make(Move(sweeps, offset))

    def transform(self, change: Offset, use: SweepKernel) -> Move:
        """The move θ ← use(θ), with the streams of `change` at hand; for updates that are not a sum of z."""
        back = combined((self.offset, -1.0))
        sweeps: list[Sweep] = [lambda progress: self.field.map(terms(change), use, progress)]
        if back:
            sweeps.insert(0, lambda progress: self.field.sweep(terms(back), None, None, progress))
        return Move(sweeps, {})

    def weights(self) -> list[Tensor]:
        return self.field.tensors


class Exact(Position):
    """θ is kept apart in float32 (float64 for float64 weights): a probe is rounded, θ never is.

    Memory: 4 bytes per parameter. The stored weights are θ + offset, rounded once; without an offset they are θ,
    rounded to their own dtype, so what a probe did to them leaves no trace.
    """

    def __init__(self, field: NoiseField):
        super().__init__(field)
        with torch.inference_mode(False), torch.no_grad():  # else they could not be written outside that mode
            self.masters = [t.to(torch.promote_types(t.dtype, torch.float32), copy=True) for t in field.tensors]
        apart = [KeyedTensor(m, p.key, p.group) for m, p in zip(self.masters, field.parameters, strict=True)]
        self.master_field = field.bound_to(apart)

    def take_over(self, former: "Exact") -> None:
        """Keep the θ of another set of parameters, where both hold the same tensors."""
        known = {kept.data_ptr(): master for kept, master in zip(former.field.tensors, former.masters, strict=True)}
        for kept, master in zip(self.field.tensors, self.masters, strict=True):
            before = known.get(kept.data_ptr())
            if before is not None and (before.dtype, before.shape) == (master.dtype, master.shape):
                master.copy_(before)
        self.reread()

    def saved(self) -> dict[str, Any]:
        return super().saved() | {"masters": self.masters}

    def resume(self, saved: dict[str, Any]) -> None:
        super().resume(saved)
        for master, other in zip(self.masters, saved["masters"], strict=True):
            master.copy_(other)

    def reread(self) -> None:
        """Take over what others wrote. A weight that is θ rounded was not written, or with itself, and keeps its θ."""
        for kept, master in zip(self.field.tensors, self.masters, strict=True):
            master.copy_(torch.where(master.to(kept.dtype) == kept, master, kept.to(master.dtype)))

    def commit(self, change: Offset, decay: Decay, offset: Offset) -> None:
        """θ ← decay·θ + change, and the stored weights to the new θ + offset."""
        sweeps: list[Sweep] = []
        if change or decay:
            sweeps.append(lambda progress: self.master_field.sweep(terms(change), decay, None, progress))
        if sweeps or offset != self.offset:
            sweeps.append(self.rounded(offset))
        self.make(Move(sweeps, offset))

    def transform(self, change: Offset, use: SweepKernel) -> Move:
        """The move θ ← use(θ), with the streams of `change` at hand; for updates that are not a sum of z."""
        return Move([lambda progress: self.master_field.map(terms(change), use, progress), self.rounded({})], {})

    def rounded(self, offset: Offset) -> Sweep:
        """The stored weights to θ + offset: from θ, wherever they are."""
        return lambda progress: self.field.sweep(terms(offset), None, self.masters, progress)

    def weights(self) -> list[Tensor]:
        return self.masters
