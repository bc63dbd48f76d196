"""Where the stored weights are: at θ, or displaced from it along the z of a probe; and the way from one to the other.

An `Offset` says by how much of which streams the stored weights differ from θ. A step is a walk from offset to offset,
and its update is folded into one of the moves: that is how four sweeps become three, or two.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from mezo_lab.sweeps import Field, Parameter, Pass, Term

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


class Plain:
    """The stored weights are all there is: in place, with no memory, and with a rounding at every move."""

    def __init__(self, field: Field):
        self.field, self.offset = field, Offset()

    def displace(self, offset: Offset) -> None:
        """Move the stored weights to θ + offset."""
        self.commit({}, None, offset)

    def commit(self, change: Offset, decay: Sequence[float] | None, offset: Offset) -> None:
        """θ ← decay·θ + change, and the stored weights to the new θ + offset, all in one sweep."""
        # the stored weights are θ + self.offset, and decay takes hold of both
        move = combined((offset, 1.0), (change, 1.0), (self.offset, [-factor for factor in decay] if decay else -1.0))
        if move or decay:
            self.field.sweep(terms(move), decay)
        self.offset = offset

    def transform(self, change: Offset, use: Pass) -> None:
        """θ ← use(θ), with the streams of `change` at hand; for updates that are not a sum of z."""
        self.displace({})
        self.field.each(terms(change), use)

    def weights(self) -> list[Tensor]:
        return self.field.tensors


class Exact:
    """θ is kept apart in float32 (float64 for float64 weights): a probe is rounded, θ never is.

    Memory: 4 bytes per parameter. The stored weights are θ + offset, rounded once; without an offset they are θ,
    rounded to their own dtype, so what a probe did to them leaves no trace.
    """

    def __init__(self, field: Field):
        self.field, self.offset = field, Offset()
        self.masters = [t.to(torch.promote_types(t.dtype, torch.float32), copy=True) for t in field.tensors]
        apart = [Parameter(m, p.key, p.group) for m, p in zip(self.masters, field.parameters, strict=True)]
        self.master_field = field.over(apart)

    def take_over(self, former: "Exact") -> None:
        """Keep the θ of another set of parameters, where both hold the same tensors."""
        known = {kept.data_ptr(): master for kept, master in zip(former.field.tensors, former.masters, strict=True)}
        for kept, master in zip(self.field.tensors, self.masters, strict=True):
            before = known.get(kept.data_ptr())
            if before is not None and (before.dtype, before.shape) == (master.dtype, master.shape):
                master.copy_(before)
        self.reread()

    def reread(self) -> None:
        """Take over what others wrote. A weight that is θ rounded was not written, or with itself, and keeps its θ."""
        for kept, master in zip(self.field.tensors, self.masters, strict=True):
            master.copy_(torch.where(master.to(kept.dtype) == kept, master, kept.to(master.dtype)))

    def displace(self, offset: Offset) -> None:
        """Move the stored weights to θ + offset."""
        if offset != self.offset:
            self.field.sweep(terms(offset), sources=self.masters)
        self.offset = offset

    def commit(self, change: Offset, decay: Sequence[float] | None, offset: Offset) -> None:
        """θ ← decay·θ + change, and the stored weights to the new θ + offset."""
        if change or decay:
            self.master_field.sweep(terms(change), decay)
        self.field.sweep(terms(offset), sources=self.masters)
        self.offset = offset

    def transform(self, change: Offset, use: Pass) -> None:
        """θ ← use(θ), with the streams of `change` at hand; for updates that are not a sum of z."""
        self.master_field.each(terms(change), use)
        self.commit({}, None, {})

    def weights(self) -> list[Tensor]:
        return self.masters
