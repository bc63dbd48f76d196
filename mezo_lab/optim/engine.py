"""The weights of one optimizer and their moves: to the points of a step, and along its update."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from mezo_lab.optim.displacement import (
    NO_UPDATE,
    Decay,
    Displacement,
    ExactWeights,
    Move,
    PlainWeights,
    linear_combination,
    terms,
)
from mezo_lab.optim.parameters import Group, signature, trainable_parameters, write_count
from mezo_lab.optim.rules import Record, Rule, is_linear
from mezo_lab.optim.sweeps import Cost, KeyedTensor, LowRankField, NoiseField, OneHotField, SweepKernel
from mezo_lab.sampling import Coordinate, Law, LowRank

LARGEST_Z = 7.0  # no normal number made of 32-bit words is larger, nor is a coordinate of any other law
LARGEST_SQUARE_ROOT = torch.finfo(torch.float32).max ** 0.5
CHANGED = "the parameters changed in the middle of a step: call `flush()` first, and then change them again."


def field_of(
    parameters: Sequence[KeyedTensor], law: Law, seed: int, compiled: bool | None, *, groups: int, cost: Cost
) -> NoiseField:
    """The field that draws the streams of a law."""
    if isinstance(law, Coordinate):
        return OneHotField(parameters, seed, groups=groups, cost=cost)
    if isinstance(law, LowRank):
        return LowRankField(parameters, seed, law.rank, compiled, groups=groups, cost=cost)
    return NoiseField(parameters, law.streams(), seed, compiled, groups=groups, cost=cost)


def largest_coordinate(field: NoiseField) -> float:
    """A bound on the coordinates of z."""
    if isinstance(field, OneHotField):
        return field.numel**0.5
    if isinstance(field, LowRankField):
        return LARGEST_Z**2 * field.rank**0.5
    return LARGEST_Z


@dataclass
class Update:
    """θ ← (1 − ηλ)θ − ηD·direction, which `Engine.update` makes once, in however many attempts."""

    change: Displacement
    """A sum of streams; with a kernel, the streams that it needs."""
    decay: Decay
    sizes: list[float]
    """Σ|scale| of each group; with a kernel, one for all."""
    kernel: SweepKernel | None = None
    begun: bool = False
    """Whether a linear update is pending, or made."""
    move: Move | None = None
    """The move of a kernel, once it has begun."""


class Engine:
    """The weights of one optimizer, as long as they are the same tensors.

    Args:
        groups: those of the optimizer, whose `scale` is read at each use.
        law: of z.
        seed: below 2⁶⁴.
        cost: counts the sweeps.
        modified, exact, compiled: see `MeZO`.
    """

    def __init__(
        self,
        groups: Sequence[Group],
        law: Law,
        seed: int,
        cost: Cost,
        *,
        modified: str | None,
        exact: bool,
        compiled: bool | None,
    ):
        self.groups = groups
        self.law = law
        self.modified = modified
        self.signature = signature(groups)
        parameters = trainable_parameters(groups)
        field = field_of(parameters, law, seed, compiled, groups=len(groups), cost=cost)
        self.field: NoiseField = field
        self.weights: PlainWeights | ExactWeights = ExactWeights(field) if exact else PlainWeights(field)
        self.last_update = NO_UPDATE  # made or pending, for a `DriftMeter`
        dtypes = sorted({(p.group, p.tensor.dtype) for p in parameters}, key=str)  # (group, dtype)
        self._ranges = [(group, dtype, torch.finfo(dtype)) for group, dtype in dtypes]
        half = {_dtype_name(dtype) for _, dtype in dtypes if dtype.itemsize < 4}
        self.low_precision = " and ".join(sorted(half))  # the half-precision dtypes among the weights
        self.largest_z = largest_coordinate(field)
        self.devices = list(dict.fromkeys(tensor.device for tensor in field.tensors))
        self._mixing: tuple[int, list[dict[int, float]]] = (-1, [])  # (step, C) of the last step that needed it

    @property
    def cost(self) -> Cost:
        """What the sweeps have cost."""
        return self.field.cost

    @property
    def displaced(self) -> bool:
        """Whether the stored weights are not θ: a probe displaces them, or an update is still to be made."""
        weights = self.weights
        return bool(weights.displacement or weights.pending != NO_UPDATE or weights.move)

    def mixing(self, step: int, probes: int) -> list[dict[int, float]]:
        """C in z_k = Σ_j C_kj x_j, where z are sums of the step's streams x_j. Returns: for each k, j → C_kj ≠ 0.

        "sphere" and "orthogonal" are made so: independent normal x_j, whose Gram matrix over all parameters says how
        to normalise or orthogonalise them. No z is stored: each sweep combines the streams again.
        Cost: a pass over the streams once a step, with n² products per weight for n probes. C is diagonal for "sphere"
        and triangular for "orthogonal", whose sweeps draw n² streams a step.
        """
        if self._mixing[0] != step:
            gram = self.field.gram(terms({(step, j): () for j in range(probes)}))  # x_iᵀx_j, (probes, probes)
            mixing = self.law.mixing(gram)
            assert mixing is not None
            mixing = mixing * math.sqrt(self.field.numel)
            rows: list[dict[int, float]] = [{} for _ in range(probes)]
            for (k, j), c in zip(mixing.nonzero().tolist(), mixing[mixing != 0].tolist(), strict=True):
                rows[k][j] = c
            self._mixing = (step, rows)
        return self._mixing[1]

    def perturbation(self, step: int, probe: int, probes: int, length: float) -> Displacement:
        """length·D⁻¹z_probe."""
        scales = [self._length(group, length) for group in self.groups]
        if not self.law.mixes:
            return {(step, probe): tuple(scales)}
        row = self.mixing(step, probes)[probe]
        return {(step, j): tuple(scale * c for scale in scales) for j, c in row.items()}

    def _length(self, group: Group, length: float) -> float:
        return length / group["scale"] if self.modified else length

    def displace(self, displacement: Displacement) -> None:
        """Take the stored weights to θ + displacement; a pending update is made in the same sweep."""
        self.weights.finish()
        # a fused step leaves its update pending, and the first probe of the next step passes over the weights anyway:
        # one sweep takes back the old probe, makes the update, and makes the new probe
        change, decay = self.weights.pending
        self.weights.displace(displacement, change, decay)

    def estimate(self, step: int, projected: Sequence[float]) -> Record:
        """ĝ = (1/n)·Σ_k pg_k z_k as coefficients of the step's streams."""
        n = len(projected)
        if not self.law.mixes:
            return Record(step, tuple(pg / n for pg in projected), tuple(projected))
        sums = [0.0] * n
        for pg, row in zip(projected, self.mixing(step, n), strict=True):
            for j, c in row.items():
                sums[j] += pg * c
        return Record(step, tuple(total / n for total in sums), tuple(projected))

    def planned(self, rule: Rule, history: Sequence[Record], rates: Sequence[float]) -> Update:
        """The update that a rule makes of the records; nothing moves. Args: rates: of each group."""
        decay = [1 - rate * group["weight_decay"] for rate, group in zip(rates, self.groups, strict=True)]
        steps = list(rates)  # ηD of each group
        if self.modified == "variance":
            steps = [rate * group["scale"] for rate, group in zip(rates, self.groups, strict=True)]
        kernel = None
        if not is_linear(rule):
            owners = [parameter.group for parameter in self.field.parameters]
            kernel = rule.kernel(history, [steps[group] for group in owners], [decay[group] for group in owners])
        weights = rule.weights(history)
        if kernel is not None:
            streams: Displacement = {stream: () for stream in weights}
            return Update(streams, None, [sum(map(abs, weights.values()))], kernel)
        parts = [({stream: tuple(-s for s in steps)}, weight) for stream, weight in weights.items()]
        change = linear_combination(*parts)
        sizes = [sum(abs(scales[group]) for scales in change.values()) for group in range(len(self.groups))]
        if all(factor == 1 for factor in decay):
            return Update(change, None, sizes)
        return Update(change, decay, sizes)

    def fits(self, update: Update) -> bool:
        """Whether every weight stays in the range of its dtype, and every square that a kernel takes in float32's."""
        if update.kernel:
            return update.sizes[0] * self.largest_z < LARGEST_SQUARE_ROOT
        return all(update.sizes[group] * self.largest_z < kind.max for group, _, kind in self._ranges)

    def update(self, update: Update, *, wait: bool) -> None:
        """Make an update, or the rest of it.

        Args: wait: leave a linear update to the next displacement, which makes it in its own sweep.
        """
        if update.kernel:
            self.last_update = NO_UPDATE
            update.move = update.move or self.weights.kernel_move(update.change, update.kernel)
            self.weights.perform(update.move)
            return
        self.last_update = (update.change, update.decay)
        if not update.begun:
            # after an exception between these lines the update is set pending a second time, not made twice
            self.weights.pending = self.last_update
            update.begun = True
        if not wait:
            self.displace({})

    def check_reach(self, epsilon: float) -> None:
        """Raises: ValueError where the dtype of the weights rounds a probe away, or cannot hold it."""
        for group, dtype, kind in self._ranges:
            length = self._length(self.groups[group], epsilon)
            scaled = f"{length:g} after `scale`, " if self.modified else ""
            if not kind.smallest_normal * kind.eps <= length <= kind.max / self.largest_z:
                raise ValueError(
                    f"`epsilon` must be a length that {_dtype_name(dtype)} weights can move, got {epsilon}, {scaled}"
                    f"which is {'0' if length < 1 else 'infinite'} there: 1e-3 suits a language model."
                )
            if isinstance(self.weights, PlainWeights) and length * kind.eps > 1:
                raise ValueError(
                    f"`epsilon` must be below {1 / kind.eps:.0e} for {_dtype_name(dtype)} weights, got {epsilon}, "
                    f"{scaled}since no digit of them survives a longer move and the way back: 1e-3 suits a language "
                    "model."
                )

    @property
    def tensors_replaced(self) -> bool:
        """Whether the parameters are no longer these: unfrozen, added, or moved to another device or dtype."""
        return self.signature != signature(self.groups)

    @property
    def externally_modified(self) -> bool:
        """Whether other code wrote the weights since the last move: loaded, averaged or pruned them."""
        theirs = [parameter.tensor.data_ptr() for parameter in self.field.parameters]
        swapped = theirs != [tensor.data_ptr() for tensor in self.field.tensors]
        return swapped or self.written

    @property
    def written(self) -> bool:
        """Whether torch has counted writes of other code since the last move: all, where no tensor was replaced."""
        return self.weights.write_count != write_count(self.field.parameters)

    def resync(self) -> None:
        """Take as θ what other code wrote."""
        if isinstance(self.weights, ExactWeights) and self.externally_modified:
            self.weights.resync()
        self.weights.write_count = write_count(self.field.parameters)

    def migrate_state(self, former: "Engine") -> None:
        """Keep the θ that the engine of other parameters holds of these."""
        if isinstance(self.weights, ExactWeights) and isinstance(former.weights, ExactWeights):
            self.weights.migrate_state(former.weights)

    def flush(self) -> None:
        """Take the stored weights to θ. Raises: RuntimeError, after that, where other code wrote them before."""
        self.weights.finish()
        overwritten = self.displaced and self.externally_modified
        self.displace({})
        if overwritten:
            raise RuntimeError(CHANGED)


def _dtype_name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")
