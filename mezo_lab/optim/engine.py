"""The walk of a step over its probes: which displacement comes next, and which update rides along with it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from mezo_lab.optim import layout
from mezo_lab.optim.displacement import Decay, Exact, Move, Offset, Plain, combined, terms
from mezo_lab.optim.rules import Record, Rule
from mezo_lab.optim.sweeps import Cost, KeyedTensor, LowRankField, NoiseField, OneHotField, SweepKernel
from mezo_lab.sampling import Coordinate, Law, LowRank

FARTHEST = 7.0  # no normal number made of 32-bit words is larger, nor one of another law
SQUARED = torch.finfo(torch.float32).max ** 0.5
CHANGED = (
    "the parameters changed in the middle of a step: call `flush()` before you change them, and change them again."
)


def field_of(
    parameters: Sequence[KeyedTensor], law: Law, seed: int, compiled: bool | None, *, groups: int, cost: Cost
) -> NoiseField:
    """The field that draws the streams of a law."""
    if isinstance(law, Coordinate):
        return OneHotField(parameters, seed, groups=groups, cost=cost)
    if isinstance(law, LowRank):
        return LowRankField(parameters, seed, law.rank, groups=groups, cost=cost)
    return NoiseField(parameters, law.streams(), seed, compiled, groups=groups, cost=cost)


def farthest(field: NoiseField) -> float:
    """No coordinate of z is larger."""
    if isinstance(field, OneHotField):
        return field.numel**0.5
    if isinstance(field, LowRankField):
        return FARTHEST**2 * field.rank**0.5
    return FARTHEST


@dataclass
class Update:
    """θ ← (1 − ηλ)θ − ηD·direction, as `Engine.update` makes it: once, however often it is tried.

    change: a sum of streams, or with `use` the streams that its pass needs.
    """

    change: Offset
    decay: Decay
    sizes: list[float]  # Σ|scale| of each group, or with `use` one for all
    use: SweepKernel | None = None
    begun: bool = False
    move: Move | None = None  # of `use`


class Engine:
    """The weights of one optimizer, as long as they are the same tensors.

    groups: the optimizer's own, whose `scale` is read at each use. modified: see `MeZO`.
    """

    def __init__(
        self, groups, law: Law, seed: int, cost: Cost, *, modified: str | None, exact: bool, compiled: bool | None
    ):
        self.groups, self.law, self.modified = groups, law, modified
        self.signature = layout.signature(groups)
        parameters = layout.moving(groups)
        field = field_of(parameters, law, seed, compiled, groups=len(groups), cost=cost)
        self.field: NoiseField = field
        self.position: Plain | Exact = Exact(field) if exact else Plain(field)
        self.last: tuple[Offset, Decay] = ({}, None)  # the last update, made or not, for a `DriftMeter`
        self.mixed: tuple[int, list[list[float]]] = (-1, [])  # of the last step that asked
        self.kinds = sorted({(p.group, p.tensor.dtype) for p in parameters}, key=str)
        self.farthest = farthest(field)
        self.devices = list(dict.fromkeys(tensor.device for tensor in field.tensors))

    @property
    def cost(self) -> Cost:
        """What the sweeps have cost."""
        return self.field.cost

    @property
    def displaced(self) -> bool:
        """Whether the stored weights are not θ: a probe displaces them, or an update is still to be made."""
        position = self.position
        return bool(position.offset or position.pending[0] or position.pending[1] or position.move)

    def mixing(self, step: int, probes: int) -> list[list[float]]:
        """C in z_k = Σ_j C_kj x_j, of a law that mixes. Cost: once a step a pass, and n² numbers for n probes."""
        if self.mixed[0] != step:
            gram = self.field.gram(terms({(step, j): () for j in range(probes)}))
            found = self.law.mixing(gram)
            assert found is not None
            self.mixed = (step, (found * math.sqrt(self.field.numel)).tolist())
        return self.mixed[1]

    def along(self, step: int, probe: int, probes: int, length: float) -> Offset:
        """length·D⁻¹z_probe."""
        scales = [length / (group["scale"] if self.modified else 1.0) for group in self.groups]
        if not self.law.mixes:
            return {(step, probe): tuple(scales)}
        row = self.mixing(step, probes)[probe]
        return {(step, j): tuple(scale * c for scale in scales) for j, c in enumerate(row) if c}

    def go(self, offset: Offset) -> None:
        """Displace the weights to θ + offset, making an update on the way if one is pending."""
        self.position.finish()
        self.position.commit(*self.position.pending, offset)

    def estimate(self, step: int, projected: Sequence[float]) -> Record:
        """ĝ = (1/n)·Σ_k pg_k z_k as coefficients of the step's streams."""
        n = len(projected)
        if not self.law.mixes:
            return Record(step, tuple(pg / n for pg in projected), tuple(projected))
        mixing = self.mixing(step, n)
        coefficients = [sum(projected[k] * mixing[k][j] for k in range(n)) / n for j in range(n)]
        return Record(step, tuple(coefficients), tuple(projected))

    def planned(self, rule: Rule, history: Sequence[Record], rates: Sequence[float]) -> Update:
        """The update that a rule makes of the records; nothing moves."""
        decay = [1 - rate * group["weight_decay"] for rate, group in zip(rates, self.groups, strict=True)]
        scales = [group["scale"] if self.modified == "variance" else 1.0 for group in self.groups]
        steps = [rate * scale for rate, scale in zip(rates, scales, strict=True)]
        own = [parameter.group for parameter in self.field.parameters]
        use = rule.moving(history, [steps[group] for group in own], [decay[group] for group in own])
        weights = rule.weights(history)
        if use is not None:
            return Update({address: () for address in weights}, None, [sum(map(abs, weights.values()))], use)
        change = combined(*(({address: tuple(-s for s in steps)}, weight) for address, weight in weights.items()))
        sizes = [sum(abs(scales[group]) for scales in change.values()) for group in range(len(self.groups))]
        return Update(change, decay if any(factor != 1 for factor in decay) else None, sizes)

    def fits(self, update: Update) -> bool:
        """Whether no weight would leave the range of its dtype, nor a square that a rule takes that of float32."""
        if update.use:
            return update.sizes[0] * self.farthest < SQUARED
        return all(update.sizes[group] * self.farthest < torch.finfo(dtype).max for group, dtype in self.kinds)

    def half(self) -> str:
        """The half-precision dtypes among the weights."""
        found = {dtype for _, dtype in self.kinds if dtype.itemsize < 4}
        return " and ".join(sorted(str(dtype).removeprefix("torch.") for dtype in found))

    def check_reach(self, epsilon: float) -> None:
        """Raises: ValueError where a probe is nothing, or too much, in the dtype of the weights."""
        for group, dtype in self.kinds:
            length = epsilon / (self.groups[group]["scale"] if self.modified else 1.0)
            kind, name = torch.finfo(dtype), str(dtype).removeprefix("torch.")
            scaled = f"{length:g} after `scale`, " if self.modified else ""
            if not kind.smallest_normal * kind.eps <= length <= kind.max / self.farthest:
                raise ValueError(
                    f"`epsilon` must be a length that {name} weights can move, got {epsilon}, {scaled}which is "
                    f"{'0' if length < 1 else 'infinite'} there: 1e-3 suits a language model."
                )
            if isinstance(self.position, Plain) and length * kind.eps > 1:
                raise ValueError(
                    f"`epsilon` must be below {1 / kind.eps:.0e} for {name} weights, got {epsilon}, {scaled}since a "
                    "longer way there and back leaves no digit of them: 1e-3 suits a language model."
                )

    def update(self, update: Update, wait: bool) -> None:
        """Make an update, or the rest of it. wait: leave it to the next displacement, where the rule is a sum of z."""
        self.last = ({}, None) if update.use else (update.change, update.decay)
        if update.use:
            update.move = update.move or self.position.transform(update.change, update.use)
            self.position.make(update.move)
            return
        if not update.begun:
            self.position.pending = self.last
            update.begun = True
        if not wait:
            self.go({})

    @property
    def moved(self) -> bool:
        """Whether the parameters are no longer these: unfrozen, added, or moved to another device or dtype."""
        return self.signature != layout.signature(self.groups)

    @property
    def written(self) -> bool:
        """Whether others wrote the weights since the last move: loaded, averaged or pruned them."""
        pairs = zip(self.field.parameters, self.field.tensors, strict=True)
        swapped = any(parameter.tensor.data_ptr() != tensor.data_ptr() for parameter, tensor in pairs)
        return swapped or self.position.versions != layout.versions(self.field.parameters)

    def reread(self) -> None:
        """Let θ be what others wrote."""
        if self.written and isinstance(self.position, Exact):
            self.position.reread()
        self.position.versions = layout.versions(self.field.parameters)

    def take_over(self, former: "Engine") -> None:
        """Keep what the engine of other parameters knows of these."""
        if isinstance(self.position, Exact) and isinstance(former.position, Exact):
            self.position.take_over(former.position)

    def flush(self) -> None:
        """Move the stored weights to θ. Raises: RuntimeError, having done so, where others wrote them before."""
        self.position.finish()
        lost = self.displaced and self.written
        self.go({})
        if lost:
            raise RuntimeError(CHANGED)
