"""What a step evaluates, and how losses become projected gradients."""

from collections.abc import Sequence
from dataclasses import dataclass

Visit = tuple[int, int]  # (probe, side): the point θ + side·ε·z_probe; side 0 is θ itself


@dataclass(frozen=True)
class TwoSided:
    """pg_k = [L(θ + εz_k) − L(θ − εz_k)]/(2ε): 2n evaluations. Source: paper, Definition 1 and Algorithm 1."""

    name = "two-sided"

    def visits(self, probes: int) -> list[Visit]:
        return [(k, side) for k in range(probes) for side in (1, -1)]

    def projected(self, losses: dict[Visit, float], probes: int, epsilon: float, before: float | None) -> list[float]:
        return [(losses[k, 1] - losses[k, -1]) / (2 * epsilon) for k in range(probes)]


@dataclass(frozen=True)
class OneSided:
    """pg_k = [L(θ + εz_k) − L(θ)]/ε: n + 1 evaluations, and a bias that two sides would cancel. Source: CLAIMS A8."""

    name = "one-sided"

    def visits(self, probes: int) -> list[Visit]:
        return [(0, 0), *((k, 1) for k in range(probes))]

    def projected(self, losses: dict[Visit, float], probes: int, epsilon: float, before: float | None) -> list[float]:
        return [(losses[k, 1] - losses[0, 0]) / epsilon for k in range(probes)]


@dataclass(frozen=True)
class ResidualFeedback:
    """pg = [L(θ_t + εz_t) − L(θ_{t−1} + εz_{t−1})]/ε: one evaluation. Source: paper, Definition 8; CLAIMS A14.

    The first step has no loss to compare with, and does not move.
    """

    name = "residual-feedback"

    def visits(self, probes: int) -> list[Visit]:
        return [(0, 1)]

    def projected(self, losses: dict[Visit, float], probes: int, epsilon: float, before: float | None) -> list[float]:
        return [0.0 if before is None else (losses[0, 1] - before) / epsilon]


Estimator = TwoSided | OneSided | ResidualFeedback
ESTIMATORS: dict[str, Estimator] = {each.name: each for each in (TwoSided(), OneSided(), ResidualFeedback())}


def mean_loss(losses: dict[Visit, float]) -> float:
    """L(θ) where it was evaluated; otherwise the mean over the probes, L(θ) + (ε²/2)·tr H on average."""
    return losses[0, 0] if (0, 0) in losses else sum(losses.values()) / len(losses)


def curvature(losses: dict[Visit, float], probes: Sequence[int], epsilon: float) -> float:
    """[L(θ + εz) + L(θ − εz) − 2L(θ)]/ε², averaged over the probes: tr H on average. Source: CLAIMS A10."""
    return sum(losses[k, 1] + losses[k, -1] - 2 * losses[0, 0] for k in probes) / (epsilon**2 * len(probes))
