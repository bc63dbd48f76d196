"""The walk of a step over its probes: which displacement comes next, and which update rides along with it."""

import math
from collections.abc import Sequence

from mezo_lab.directions import Coordinate, Law, LowRank
from mezo_lab.optim import layout
from mezo_lab.optim.position import Exact, Offset, Plain, combined, terms
from mezo_lab.optim.rules import Record, Rule
from mezo_lab.sweeps import Cost, Field, OneHot, Parameter
from mezo_lab.sweeps import LowRank as LowRankField

Decay = list[float] | None

CHANGED = (
    "the parameters changed in the middle of a step: call `flush()` before you change them, and change them again."
)


def field_of(parameters: Sequence[Parameter], law: Law, seed: int, compiled: bool | None) -> Field:
    """The field that draws the streams of a law."""
    if isinstance(law, Coordinate):
        return OneHot(parameters, seed)
    if isinstance(law, LowRank):
        return LowRankField(parameters, seed, law.rank)
    return Field(parameters, law.streams(), seed, compiled)


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
        field = field_of(parameters, law, seed, compiled)
        field.groups, field.cost = len(groups), cost
        self.field: Field = field
        self.position: Plain | Exact = Exact(field) if exact else Plain(field)
        self.pending: tuple[Offset, Decay] = ({}, None)  # an update that is still to be made
        self.last = self.pending  # the last update, made or not, for a `DriftMeter`
        self.mixed: tuple[int, list[list[float]]] = (-1, [])  # of the last step that asked
        self.versions = layout.versions(parameters)
        self.devices = list(dict.fromkeys(tensor.device for tensor in field.tensors))

    @property
    def cost(self) -> Cost:
        """What the sweeps have cost."""
        return self.field.cost

    @property
    def displaced(self) -> bool:
        """Whether the stored weights are not θ: a probe displaces them, or an update is still to be made."""
        return bool(self.position.offset or self.pending[0] or self.pending[1])

    def mixing(self, step: int, probes: int) -> list[list[float]]:
        """C in z_k = Σ_j C_kj x_j. Cost: a pass for laws that need the lengths of x, once a step."""
        if not self.law.mixes:
            return [[float(j == k) for j in range(probes)] for k in range(probes)]
        if self.mixed[0] != step:
            gram = self.field.gram(terms({(step, j): () for j in range(probes)}))
            found = self.law.mixing(gram)
            assert found is not None
            self.mixed = (step, (found * math.sqrt(self.field.numel)).tolist())
        return self.mixed[1]

    def along(self, step: int, probe: int, probes: int, length: float) -> Offset:
        """length·D⁻¹z_probe."""
        row = self.mixing(step, probes)[probe]
        scales = [length / (group["scale"] if self.modified else 1.0) for group in self.groups]
        return {(step, j): tuple(scale * c for scale in scales) for j, c in enumerate(row) if c}

    def go(self, offset: Offset) -> None:
        """Displace the weights to θ + offset, making an update on the way if one is pending."""
        (change, decay), self.pending = self.pending, ({}, None)
        if change or decay:
            self.position.commit(change, decay, offset)
        else:
            self.position.displace(offset)
        self.versions = layout.versions(self.field.parameters)

    def estimate(self, step: int, projected: Sequence[float]) -> Record:
        """ĝ = (1/n)·Σ_k pg_k z_k as coefficients of the step's streams."""
        n, mixing = len(projected), self.mixing(step, len(projected))
        coefficients = [sum(projected[k] * mixing[k][j] for k in range(n)) / n for j in range(n)]
        return Record(step, tuple(coefficients), tuple(projected))

    def update(self, rule: Rule, history: Sequence[Record], rates: Sequence[float], wait: bool) -> None:
        """θ ← (1 − ηλ)θ − ηD·direction. wait: leave it to the next displacement, where the rule is a sum of z."""
        decay = [1 - rate * group["weight_decay"] for rate, group in zip(rates, self.groups, strict=True)]
        scales = [group["scale"] if self.modified == "variance" else 1.0 for group in self.groups]
        steps = [rate * scale for rate, scale in zip(rates, scales, strict=True)]
        own = [parameter.group for parameter in self.field.parameters]
        self.last = ({}, None)
        use = rule.moving(history, [steps[group] for group in own], [decay[group] for group in own])
        if use is not None:
            self.position.transform({address: () for address in rule.weights(history)}, use)
            self.go({})
            return
        change = combined(*(({a: tuple(-s for s in steps)}, weight) for a, weight in rule.weights(history).items()))
        self.pending = self.last = (change, decay if any(factor != 1 for factor in decay) else None)
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
        return swapped or self.versions != layout.versions(self.field.parameters)

    def reread(self) -> None:
        """Let θ be what others wrote."""
        if self.written and isinstance(self.position, Exact):
            self.position.reread()
        self.versions = layout.versions(self.field.parameters)

    def take_over(self, former: "Engine") -> None:
        """Keep what the engine of other parameters knows of these."""
        if isinstance(self.position, Exact) and isinstance(former.position, Exact):
            self.position.take_over(former.position)

    def flush(self) -> None:
        """Move the stored weights to θ. Raises: RuntimeError, having done so, where others wrote them before."""
        lost = self.displaced and self.written
        self.go({})
        if lost:
            raise RuntimeError(CHANGED)
