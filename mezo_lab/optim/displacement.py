"""Where the stored weights are: at θ, or displaced from it along the z of a probe; and the move from one to the other.

A `Displacement` says by how much of which streams the stored weights differ from θ. A step visits one displacement
after the other, and its update is folded into one of these moves: four sweeps become three, or two. Each move is
recorded, with its progress, before it begins; a move that an exception interrupts is then finished, never repeated.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from mezo_lab.optim.parameters import write_count
from mezo_lab.optim.sweeps import KeyedTensor, NoiseField, SweepKernel, SweepProgress, Term

Displacement = dict[tuple[int, int], tuple[float, ...]]  # (step, stream) → a scale for each parameter group
Decay = Sequence[float] | None  # a factor for each parameter group; None where all are 1
Sweep = Callable[[SweepProgress], None]

NO_UPDATE: tuple[Displacement, Decay] = ({}, None)


def linear_combination(*parts: tuple[Displacement, list[float] | float]) -> Displacement:
    """Σ factor·displacement, without the streams that cancel. A factor is one number, or one for each group.

    >>> linear_combination(({(1, 0): (2.0,)}, 1.0), ({(1, 0): (1.0,), (2, 0): (3.0,)}, -2.0))
    {(2, 0): (-6.0,)}
    """
    total: Displacement = {}
    for displacement, factor in parts:
        for stream, scales in displacement.items():
            factors = factor if isinstance(factor, list) else [factor] * len(scales)
            subtotal = total.get(stream) or (0.0,) * len(scales)
            total[stream] = tuple([t + f * s for t, f, s in zip(subtotal, factors, scales, strict=True)])
    return {stream: scales for stream, scales in total.items() if any(scales)}


def terms(displacement: Displacement) -> list[Term]:
    """The displacement as the terms of a sweep."""
    return [Term(step, stream, scales) for (step, stream), scales in displacement.items()]


class Move:
    """The sweeps that take the stored weights to θ + displacement; each weight moves once, in however many attempts."""

    def __init__(self, sweeps: Sequence[Sweep], displacement: Displacement):
        self.sweeps = [(sweep, SweepProgress()) for sweep in sweeps]  # those that are not known to be complete
        self.displacement = displacement


class StoredWeights:
    """The stored weights of an optimizer, and their displacement from θ.

    displacement: of the stored weights from θ, once `move` is finished.
    pending: an update that the next move makes.
    move: the move that has begun and is not finished.
    write_count: the writes that torch had counted at the end of the last move.
    """

    def __init__(self, field: NoiseField):
        self.field = field
        self.displacement: Displacement = {}
        self.pending = NO_UPDATE
        self.move: Move | None = None
        self.write_count = write_count(field.parameters)

    def snapshot(self) -> dict[str, Any]:
        """The state that a copy needs beside the stored weights, which may be displaced. Finishes a move first."""
        self.finish()
        return {"displacement": self.displacement, "pending": self.pending}

    def restore(self, snapshot: dict[str, Any]) -> None:
        """Continue from the snapshot of an optimizer, with copies of its stored weights."""
        self.displacement = snapshot["displacement"]
        self.pending = snapshot["pending"]

    @property
    def fields(self) -> list[NoiseField]:
        """What the moves sweep, in the order in which postponed sweeps are to be made."""
        return [self.field]

    def postpone(self) -> bool:
        """Let the sweeps of the moves wait for `settle`, as `NoiseField.postpone` does. Returns: whether they wait."""
        waits = all([field.postpone() for field in self.fields])
        if not waits:
            self.settle(end=True)
        return waits

    def settle(self, report: Callable[[float], None] | None = None, *, end: bool = False) -> None:
        """Make the sweeps that wait. Args: as for `NoiseField.settle`; the share is that of θ."""
        for field in self.fields:
            field.settle(report, end=end)
            report = None  # the weights that are stored beside θ take one sweep more
        self.write_count = write_count(self.field.parameters)

    def perform(self, move: Move) -> None:
        """Make a move, or the rest of it."""
        self.move = move
        self.finish()

    def finish(self) -> None:
        """Make the rest of a move that an exception interrupted; another exception may interrupt this at any line."""
        move = self.move
        if move is None:
            return
        while move.sweeps:
            sweep, progress = move.sweeps[0]
            sweep(progress)
            move.sweeps = move.sweeps[1:]
        # every assignment can be repeated, and the move is forgotten last
        self.displacement = move.displacement
        self.pending = NO_UPDATE
        self.write_count = write_count(self.field.parameters)
        self.move = None


class PlainWeights(StoredWeights):
    """The stored weights alone: moved in place, without extra memory, and rounded at every move."""

    def displace(self, displacement: Displacement, change: Displacement, decay: Decay) -> None:
        """θ ← decay·θ + change, and the stored weights to the new θ + displacement, all in one sweep."""
        # The stored weights are θ + old displacement. A sweep can only scale what is stored, so that decay scales the
        # old displacement too: subtracting decay·(old displacement) leaves decay·θ + change + displacement.
        removed = [-factor for factor in decay] if decay else -1.0
        route = linear_combination((displacement, 1.0), (change, 1.0), (self.displacement, removed))
        sweeps: list[Sweep] = []
        if route or decay:
            sweeps.append(lambda progress: self.field.sweep(terms(route), decay, None, progress))
        self.perform(Move(sweeps, displacement))

    def kernel_move(self, streams: Displacement, kernel: SweepKernel) -> Move:
        """The move θ ← kernel(θ, z of the streams), for an update that is not a sum of z."""
        # a kernel reads θ itself, so the displacement must be gone before it begins
        back = linear_combination((self.displacement, -1.0))
        sweeps: list[Sweep] = []
        if back:
            sweeps.append(lambda progress: self.field.sweep(terms(back), None, None, progress))
        sweeps.append(lambda progress: self.field.map(terms(streams), kernel, progress))
        return Move(sweeps, {})

    def theta(self) -> list[Tensor]:
        return self.field.tensors


class ExactWeights(StoredWeights):
    """θ is kept apart, in float32 (float64 for float64 weights): a probe is rounded, θ never is.

    Memory: 4 bytes per parameter. The stored weights are θ + displacement, rounded once. Without a displacement they
    are θ rounded to their own dtype: a probe leaves no trace.
    """

    def __init__(self, field: NoiseField):
        super().__init__(field)
        with torch.inference_mode(False), torch.no_grad():  # inference tensors could not be written outside that mode
            self.masters = [t.to(torch.promote_types(t.dtype, torch.float32), copy=True) for t in field.tensors]
        masters = [KeyedTensor(m, p.key, p.group) for m, p in zip(self.masters, field.parameters, strict=True)]
        self.master_field = field.bound_to(masters)

    @property
    def fields(self) -> list[NoiseField]:
        """θ first, from which the stored weights are made."""
        return [self.master_field, self.field]

    def migrate_state(self, former: "ExactWeights") -> None:
        """Keep the θ of another set of parameters where both hold the same tensors."""
        known = {stored.data_ptr(): master for stored, master in zip(former.field.tensors, former.masters, strict=True)}
        for stored, master in zip(self.field.tensors, self.masters, strict=True):
            earlier = known.get(stored.data_ptr())
            if earlier is not None and (earlier.dtype, earlier.shape) == (master.dtype, master.shape):
                master.copy_(earlier)
        self.resync()

    def snapshot(self) -> dict[str, Any]:
        return super().snapshot() | {"masters": self.masters}

    def restore(self, snapshot: dict[str, Any]) -> None:
        super().restore(snapshot)
        for master, copied in zip(self.masters, snapshot["masters"], strict=True):
            master.copy_(copied)

    def resync(self) -> None:
        """Take θ from weights that other code wrote. A stored weight that equals its rounded θ keeps its θ."""
        for stored, master in zip(self.field.tensors, self.masters, strict=True):
            master.copy_(torch.where(master.to(stored.dtype) == stored, master, stored.to(master.dtype)))

    def displace(self, displacement: Displacement, change: Displacement, decay: Decay) -> None:
        """θ ← decay·θ + change, and the stored weights to the new θ + displacement."""
        sweeps: list[Sweep] = []
        if change or decay:
            sweeps.append(lambda progress: self.master_field.sweep(terms(change), decay, None, progress))
        if sweeps or displacement != self.displacement:
            sweeps.append(self._stored_from_theta(displacement))
        self.perform(Move(sweeps, displacement))

    def kernel_move(self, streams: Displacement, kernel: SweepKernel) -> Move:
        """The move θ ← kernel(θ, z of the streams), for an update that is not a sum of z."""
        update: Sweep = lambda progress: self.master_field.map(terms(streams), kernel, progress)  # noqa: E731
        return Move([update, self._stored_from_theta({})], {})

    def _stored_from_theta(self, displacement: Displacement) -> Sweep:
        """The stored weights to θ + displacement, computed from θ and not from the weights stored now."""
        return lambda progress: self.field.sweep(terms(displacement), None, self.masters, progress)

    def theta(self) -> list[Tensor]:
        return self.masters
