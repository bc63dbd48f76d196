"""How the estimates of a run become an update. A rule has no state but the run's scalars: it draws every z again."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from mezo_lab.optim.sweeps import SweepKernel
from mezo_lab.validation import number, positive, whole

TAIL = 1e-3  # the share of an exponential average's weight that a default window leaves out
LONGEST = 1000  # steps of a default window, which bounds the z that a step draws; it may leave out more than TAIL
MANY_Z = 10  # times the sweeps of a plain step: an update that draws more is told before the first step,
MANY_NUMBERS = 10**7  # where its z are more numbers than these, of some 10 ms
_LEAST_NUMBERS = 3 * 10**4  # a z takes at least as long as one of these: the calls around it cost more than its numbers


@dataclass(frozen=True)
class Record:
    """One step: ĝ = Σ_j coefficients[j]·x_j over the step's streams x_j, and its projected gradients."""

    step: int
    """The number of the step, from 0."""
    coefficients: tuple[float, ...]
    """pg_k/n for laws with independent probes; combinations of them for "sphere" and "orthogonal"."""
    projected: tuple[float, ...]
    """pg_k of each probe."""

    def norm(self) -> float:
        """√(mean pg²), which estimates ‖g‖. Source: claim A9."""
        return math.sqrt(sum(pg * pg for pg in self.projected) / len(self.projected))


StreamWeights = dict[tuple[int, int], float]  # (step, stream) → weight: the vector Σ weight·x


class Rule:
    """The direction of an update, from the last `window` records. Linear rules are a weighted sum of their streams.

    A rule of your own overrides `weights` if it is linear, or `kernel`; `window` is the number of records it needs.
    """

    window: int = 1

    def weights(self, history: Sequence[Record]) -> StreamWeights:
        """The direction as a sum of streams; for a nonlinear rule, ĝ of every record as streams."""
        return _weighted((record, 1.0) for record in history)

    def kernel(self, history: Sequence[Record], rates: Sequence[float], decay: Sequence[float]) -> SweepKernel | None:
        """The kernel that updates θ, for a rule that is not linear; None for a linear one.

        Args: rates, decay: η·D and 1 − ηλ of each parameter.
        """
        return None

    def draws(self, step: int, probes: int) -> int:
        """The z that the update of a step draws: one for each probe of each step in the window so far.

        >>> Adam().draws(step=0, probes=1), Adam().draws(step=5000, probes=1), SGD().draws(step=5000, probes=4)
        (1, 1000, 4)
        """
        return probes * min(self.window, step + 1)

    def truncation(self) -> float:
        """The share of an infinite average's weight that lies before the window."""
        return 0.0


def window_cost(rule: Rule, probes: int, numel: int) -> str | None:
    """What the full window of a rule costs, in words, where it costs much. Args: numel: the numbers of one z."""
    drawn = rule.draws(rule.window, probes)
    sweeps = 2 * probes + 1  # of a two-sided step, each of one z or two
    if drawn < MANY_Z * sweeps or drawn * max(numel, _LEAST_NUMBERS) < MANY_NUMBERS:
        return None
    text = (
        f"rule={rule} draws z of its last {rule.window:,} steps again in every update: {drawn:,} z, as the sweeps of "
        f"{drawn / sweeps:,.0f} steps with rule='sgd', once {rule.window:,} steps are made, and fewer before"
    )
    if not isinstance(rule, Momentum | Adam):
        return f"{text}. A smaller `window` draws fewer."
    shorter = replace(rule, window=-(-rule.window // 3))
    return f"{text}. {shorter} draws a third, and leaves out {_share(shorter)} of the average, not {_share(rule)}."


def _share(rule: Rule) -> str:
    return f"{100 * rule.truncation():.2g} %"


def is_linear(rule: Rule) -> bool:
    """Whether the update of a rule is a weighted sum of z."""
    return type(rule).kernel is Rule.kernel


def _weighted(records: Iterable[tuple[Record, float]]) -> StreamWeights:
    return {(record.step, j): share * c for record, share in records for j, c in enumerate(record.coefficients)}


@dataclass(frozen=True)
class SGD(Rule):
    """ĝ itself. Source: paper, Definition 2 and Algorithm 1."""


@dataclass(frozen=True)
class Normalised(Rule):
    """ĝ/√(mean pg²): steps of one length whatever the slope, since √(mean pg²) estimates ‖g‖. Source: claim A9."""

    def weights(self, history: Sequence[Record]) -> StreamWeights:
        norm = history[-1].norm()
        if norm == 0:
            return _weighted([(history[-1], 0.0)])
        return _weighted([(history[-1], 1 / norm)])


@dataclass(frozen=True)
class Sign(Rule):
    """sign(ĝ), coordinate by coordinate."""

    def kernel(self, history: Sequence[Record], rates: Sequence[float], decay: Sequence[float]) -> SweepKernel:
        return SignKernel(list(self.weights(history).values()), rates, decay)


@dataclass(frozen=True)
class Momentum(Rule):
    """m_t = (1−β) Σ_s β^{t−s} ĝ_s, summed over the last `window` steps.

    Source: paper, appendix B.2.
    Cost: no state but scalars; one z per step of the window and probe, at every step (`draws`), so that steps become
    more expensive until the window is full, and no longer then: 66 z for the default. Momentum(0.9, window=22) draws a
    third of them, and leaves out a tenth of the weight.
    """

    beta: float = 0.9
    """β, in [0, 1)."""
    window: int = 0
    """Steps in the sum; 0 leaves out at most a thousandth of the weight, β^window."""

    def __post_init__(self):
        _check_average(self, "beta")

    def weights(self, history: Sequence[Record]) -> StreamWeights:
        return _weighted(zip(history, _shares(self.beta, history), strict=True))

    def truncation(self) -> float:
        return self.beta**self.window


@dataclass(frozen=True)
class Adam(Rule):
    """m̂/(√v̂ + δ), with both averages of Adam rebuilt from the records.

    Source: paper, appendix B.2; Kingma and Ba, Algorithm 1.
    Formula: m̂ and v̂ are averages of ĝ and ĝ² with weights β^{t−s}, divided by the sum of these weights in the window:
    Adam's own bias correction until the window is full.
    Cost: no state but scalars; one z per step of the window and probe, at every step (`draws`), so that steps become
    more expensive until the window is full, and no longer then: 1,000 z for the default.
    Truncation: β₂^window of the weight of v̂. The default window ends at 1,000 steps and leaves out 37 % of it at
    β₂ = 0.999; 6,905 steps would leave out a thousandth.
    For large d and a long average, Adam does little that `Normalised` would not: E[ĝ_i²] is nearly the same for all
    coordinates (claim A13). A single ĝ_i² is not: its standard deviation is nearly three times its mean, so that v̂
    varies among them by 6 % at β₂ = 0.999 and by 65 % at 0.9, and the first step is the sign of ĝ.
    """

    beta1: float = 0.9
    """β₁ of m̂, in [0, 1)."""
    beta2: float = 0.999
    """β₂ of v̂, in [0, 1)."""
    delta: float = 1e-8
    """δ, positive."""
    window: int = 0
    """Steps in the averages; 0 leaves out at most a thousandth of the weight, but ends at 1,000 steps."""

    def __post_init__(self):
        _check_average(self, "beta1", "beta2")
        object.__setattr__(self, "delta", positive("delta", self.delta, "1e-8 is usual; 0 would divide by it"))

    def kernel(self, history: Sequence[Record], rates: Sequence[float], decay: Sequence[float]) -> SweepKernel:
        first = _normalised(_shares(self.beta1, history))
        second = _normalised(_shares(self.beta2, history))
        # ĝ of a record is complete with the last of its streams; only then is it squared and averaged
        shares: dict[int, tuple[float, float]] = {}
        term = -1
        for record, share1, share2 in zip(history, first, second, strict=True):
            term += len(record.coefficients)
            shares[term] = (share1, share2)
        return AdamKernel(list(self.weights(history).values()), rates, decay, shares, self.delta)

    def truncation(self) -> float:
        return max(self.beta1, self.beta2) ** self.window


def _shares(beta: float, history: Sequence[Record]) -> list[float]:
    # (1−β)β^{t−s}; skipped steps leave a gap in s
    return [(1 - beta) * beta ** (history[-1].step - record.step) for record in history]


def _normalised(shares: Sequence[float]) -> list[float]:
    total = sum(shares)
    return [share / total for share in shares]


def _default_window(beta: float) -> int:
    if not 0 < beta < 1:
        return 1
    return min(LONGEST, math.ceil(math.log(TAIL) / math.log(beta)))


def _check_average(rule: Rule, *names: str) -> None:
    """Convert β and the window of a rule to Python numbers; 0 is the default window. Raises: ValueError."""
    remedies = {"beta2": "0.999 is usual"}
    betas = {name: number(name, getattr(rule, name), remedies.get(name, "0.9 is usual")) for name in names}
    for beta in betas.values():
        if not 0 <= beta < 1:
            raise ValueError(f"`beta` must lie in [0, 1), got {beta}: 0.9 is usual.")
    window = whole("window", rule.window or _default_window(max(betas.values())), "leave it out for the default")
    for name, value in (betas | {"window": window}).items():
        object.__setattr__(rule, name, value)


@dataclass(frozen=True)
class SignKernel(SweepKernel):
    """θ ← decay·θ − η·sign(Σ_j w_j x_j)."""

    weights: Sequence[float]
    """w_j of each term."""
    rates: Sequence[float]
    """η of each parameter."""
    decay: Sequence[float]
    """The factor of each parameter."""

    def start(self, parameter: int, source: Tensor) -> tuple[Tensor, Tensor]:
        return source, torch.zeros(source.shape, dtype=_work_dtype(source), device=source.device)

    def add(self, parameter: int, value, term: int, z: Tensor) -> tuple[Tensor, Tensor]:
        source, estimate = value
        return source, estimate + self.weights[term] * z.to(estimate.dtype)

    def finish(self, parameter: int, target: Tensor, value) -> None:
        source, estimate = value
        target.copy_(source.to(_work_dtype(source)) * self.decay[parameter] - self.rates[parameter] * estimate.sign())


@dataclass(frozen=True)
class AdamKernel(SweepKernel):
    """θ ← decay·θ − η·m̂/(√v̂ + δ)."""

    weights: Sequence[float]
    """w_j of each term: ĝ of a record is Σ w_j x_j over its terms."""
    rates: Sequence[float]
    """η of each parameter."""
    decay: Sequence[float]
    """The factor of each parameter."""
    shares: dict[int, tuple[float, float]]
    """The last term of each record → the weights of its ĝ in m̂ and of its ĝ² in v̂."""
    delta: float

    def start(self, parameter: int, source: Tensor) -> tuple[Tensor, ...]:
        return source, *torch.zeros(3, *source.shape, dtype=_work_dtype(source), device=source.device)

    def add(self, parameter: int, value, term: int, z: Tensor) -> tuple[Tensor, ...]:
        source, estimate, m, v = value
        estimate = estimate + self.weights[term] * z.to(estimate.dtype)
        if term not in self.shares:
            return source, estimate, m, v
        first, second = self.shares[term]
        return source, torch.zeros_like(estimate), m + first * estimate, v + second * estimate.square()

    def finish(self, parameter: int, target: Tensor, value) -> None:
        source, _, m, v = value
        update = self.rates[parameter] * m / (v.sqrt() + self.delta)
        target.copy_(source.to(_work_dtype(source)) * self.decay[parameter] - update)


def _work_dtype(tensor: Tensor) -> torch.dtype:
    return torch.promote_types(tensor.dtype, torch.float32)


RULES: dict[str, type[Rule]] = {"sgd": SGD, "momentum": Momentum, "adam": Adam, "sign": Sign, "normalised": Normalised}
