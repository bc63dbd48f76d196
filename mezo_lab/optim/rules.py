"""How the estimates of a run become a step. Their memory is the log: scalars, from which every z is drawn again."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from mezo_lab.optim.scalars import number, positive, whole
from mezo_lab.optim.sweeps import SweepKernel

TAIL = 1e-3  # share of an exponential average's weight that a default window leaves out
LONGEST = 1000  # steps of a default window: beyond it a step would draw thousands of z; it may leave out more than TAIL


@dataclass(frozen=True)
class Record:
    """One step: ĝ = Σ_j coefficients[j]·x_j over the step's streams, and the scalars it came from.

    coefficients: pg_k/n for laws with independent probes, combinations of them for sphere and orthogonal.
    """

    step: int
    coefficients: tuple[float, ...]
    projected: tuple[float, ...]

    def norm(self) -> float:
        """√(mean pg²), which estimates ‖g‖ (claim A9)."""
        return math.sqrt(sum(pg * pg for pg in self.projected) / len(self.projected))


Weights = dict[tuple[int, int], float]  # (step, stream) → weight: the vector Σ weight·x


class Rule:
    """A direction made of the last `window` records; linear ones are a weighted sum of their streams."""

    window: int = 1

    def weights(self, history: Sequence[Record]) -> Weights:
        """The direction as a sum of streams; a rule that is not linear gives the streams of ĝ of every record."""
        return weighted((record, 1.0) for record in history)

    def moving(self, history: Sequence[Record], rates: Sequence[float], decay: Sequence[float]) -> SweepKernel | None:
        """The pass that moves θ, per parameter's rate and decay, where the direction is not a sum of streams."""
        return None

    def draws(self, step: int, probes: int) -> int:
        """How many z the update of a step draws: one for each probe of each step of the window so far.

        >>> Adam().draws(step=0, probes=1), Adam().draws(step=5000, probes=1), SGD().draws(step=5000, probes=4)
        (1, 1000, 4)
        """
        return probes * min(self.window, step + 1)

    def truncation(self) -> float:
        """The share of an infinite average's weight that lies before the window."""
        return 0.0


def weighted(records) -> Weights:
    return {(record.step, j): share * c for record, share in records for j, c in enumerate(record.coefficients)}


@dataclass(frozen=True)
class SGD(Rule):
    """ĝ itself. Source: paper, Definition 2 and Algorithm 1."""


@dataclass(frozen=True)
class Normalised(Rule):
    """ĝ/√(mean pg²): steps of one length whatever the slope, since √(mean pg²) estimates ‖g‖ (claim A9)."""

    def weights(self, history: Sequence[Record]) -> Weights:
        norm = history[-1].norm()
        return weighted([(history[-1], 1 / norm if norm else 0.0)])


@dataclass(frozen=True)
class Sign(Rule):
    """sign(ĝ), coordinate by coordinate."""

    def moving(self, history, rates, decay):
        return Signed(list(self.weights(history).values()), rates, decay)


@dataclass(frozen=True)
class Momentum(Rule):
    """m_t = (1−β) Σ_s β^{t−s} ĝ_s, summed over a window of the log. Source: paper, appendix B.2.

    Cost: no state but scalars, and a z per step of the window and probe. Truncation: β^window of the weight, by default
    at most a thousandth.
    """

    beta: float = 0.9
    window: int = 0

    def __post_init__(self):
        keep_average(self, "beta")

    def weights(self, history: Sequence[Record]) -> Weights:
        return weighted(zip(history, averaging(self.beta, history), strict=True))

    def truncation(self) -> float:
        return self.beta**self.window


@dataclass(frozen=True)
class Adam(Rule):
    """m̂/(√v̂ + δ), with both averages of Adam rebuilt from the log.

    Source: paper, appendix B.2; Kingma and Ba, Algorithm 1.
    Formula: m̂ and v̂ are averages of ĝ and ĝ² with weights β^{t−s}, divided by the sum of these weights in the window,
    which is Adam's own bias correction until the window is full.
    Cost: a z per step of the window and probe (`draws`), at every step, so that steps grow dearer until the window is
    full: the default one has up to 1,000; no state but scalars. Truncation: β₂^window of the weight of v̂; the
    default window ends at 1,000 steps and so leaves out 37 % of it at β₂ = 0.999; a thousandth would take 6,905 steps.
    For large d and a long average it does little that `Normalised` would not: E[ĝ_i²] is nearly the same for all
    coordinates (claim A13). One draw of ĝ_i² is not: its standard deviation is nearly three times its mean, so v̂ varies
    by 6 % among them at β₂ = 0.999 and by 65 % at 0.9, and the first step is the sign of ĝ.
    """

    beta1: float = 0.9
    beta2: float = 0.999
    delta: float = 1e-8
    window: int = 0

    def __post_init__(self):
        keep_average(self, "beta1", "beta2")
        object.__setattr__(self, "delta", positive("delta", self.delta))

    def moving(self, history, rates, decay):
        counts = [len(record.coefficients) for record in history]
        first, second = (averaging(beta, history) for beta in (self.beta1, self.beta2))
        first, second = ([share / sum(shares) for share in shares] for shares in (first, second))
        ends = [sum(counts[: i + 1]) - 1 for i in range(len(counts))]
        shares = {end: pair for end, pair in zip(ends, zip(first, second, strict=True), strict=True)}
        return Adaptive(list(self.weights(history).values()), rates, decay, shares, self.delta)

    def truncation(self) -> float:
        return max(self.beta1, self.beta2) ** self.window


def averaging(beta: float, history: Sequence[Record]) -> list[float]:
    # (1−β)β^{t−s}; steps that were skipped leave a gap in s
    return [(1 - beta) * beta ** (history[-1].step - record.step) for record in history]


def window_of(beta: float) -> int:
    return 1 if beta <= 0 else min(LONGEST, math.ceil(math.log(TAIL) / math.log(beta))) if beta < 1 else 1


def keep_average(rule: Rule, *names: str) -> None:
    """Make Python numbers of a rule's β and window; 0 is the default window. Raises: ValueError."""
    betas = [number(name, getattr(rule, name)) for name in names]
    for beta in betas:
        if not 0 <= beta < 1:
            raise ValueError(f"`beta` must lie in [0, 1), got {beta}: 0.9 is usual.")
    window = rule.window or window_of(max(betas))
    kept = dict(zip(names, betas, strict=True)) | {"window": whole("window", window, "a whole number, at least 1", 1)}
    for name, value in kept.items():
        object.__setattr__(rule, name, value)


@dataclass(frozen=True)
class Signed(SweepKernel):
    """θ ← decay·θ − η·sign(Σ_j w_j x_j). rates, decay: per parameter."""

    weights: Sequence[float]
    rates: Sequence[float]
    decay: Sequence[float]

    def start(self, parameter: int, source: Tensor) -> tuple[Tensor, Tensor]:
        return source, torch.zeros(source.shape, dtype=work(source), device=source.device)

    def add(self, parameter: int, value, term: int, z: Tensor) -> tuple[Tensor, Tensor]:
        source, estimate = value
        return source, estimate + self.weights[term] * z.to(estimate.dtype)

    def finish(self, parameter: int, target: Tensor, value) -> None:
        source, estimate = value
        target.copy_(source.to(work(source)) * self.decay[parameter] - self.rates[parameter] * estimate.sign())


@dataclass(frozen=True)
class Adaptive(SweepKernel):
    """θ ← decay·θ − η·m̂/(√v̂ + δ). shares: last term of each record → its weights in m̂ and v̂."""

    weights: Sequence[float]
    rates: Sequence[float]
    decay: Sequence[float]
    shares: dict[int, tuple[float, float]]
    delta: float

    def start(self, parameter: int, source: Tensor) -> tuple[Tensor, ...]:
        return source, *torch.zeros(3, *source.shape, dtype=work(source), device=source.device)

    def add(self, parameter: int, value, term: int, z: Tensor) -> tuple[Tensor, ...]:
        source, estimate, m, v = value
        estimate = estimate + self.weights[term] * z.to(estimate.dtype)
        if term not in self.shares:
            return source, estimate, m, v
        first, second = self.shares[term]
        return source, torch.zeros_like(estimate), m + first * estimate, v + second * estimate.square()

    def finish(self, parameter: int, target: Tensor, value) -> None:
        source, _, m, v = value
        step = self.rates[parameter] * m / (v.sqrt() + self.delta)
        target.copy_(source.to(work(source)) * self.decay[parameter] - step)


def work(tensor: Tensor) -> torch.dtype:
    return torch.promote_types(tensor.dtype, torch.float32)


RULES: dict[str, type[Rule]] = {"sgd": SGD, "momentum": Momentum, "adam": Adam, "sign": Sign, "normalised": Normalised}
