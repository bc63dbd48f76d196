"""What a step evaluates, and how losses become projected gradients."""

import math
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
    """pg_k = [L(θ + εz_k) − L(θ)]/ε: n + 1 evaluations, and a bias that two sides would cancel. Source: claim A8."""

    name = "one-sided"

    def visits(self, probes: int) -> list[Visit]:
        return [(0, 0), *((k, 1) for k in range(probes))]

    def projected(self, losses: dict[Visit, float], probes: int, epsilon: float, before: float | None) -> list[float]:
        return [(losses[k, 1] - losses[0, 0]) / epsilon for k in range(probes)]


@dataclass(frozen=True)
class ResidualFeedback:
    """pg = [L(θ_t + εz_t) − L(θ_{t−1} + εz_{t−1})]/ε: one evaluation. Source: paper, Definition 8; claim A14.

    The first step has no loss to compare with, and does not move.
    """

    name = "residual-feedback"

    def visits(self, probes: int) -> list[Visit]:
        return [(0, 1)]

    def projected(self, losses: dict[Visit, float], probes: int, epsilon: float, before: float | None) -> list[float]:
        return [0.0 if before is None else (losses[0, 1] - before) / epsilon]


BASELINES = ("none", "mean", "leave-one-out")
SHAPINGS = ("none", "z-score", "rank")


@dataclass(frozen=True)
class Population:
    """pg_k = shaped_k/ε of the losses at θ + εz_k, k = 1 … N: N evaluations, and none at θ. For evolution strategies.

    baseline: what is taken off each loss. "none" leaves ĝ unbiased, with a variance of L²/ε² along every direction;
    "mean", that of all N, leaves ((N−1)/N)·g on average, as each loss is in its own baseline; "leave-one-out", the mean
    of the others, g itself. All three as ε→0 and for independent or orthogonal directions. Source: claim E7.
    shaping: "z-score" divides what the mean leaves by its standard deviation, which is about ε‖g‖, so that the length
    of a step depends on neither the loss nor the slope; "rank" takes the places, from −½ for the lowest loss to ½ for
    the highest, equal losses sharing the mean of theirs: only the order of the losses counts.
    """

    baseline: str = "none"
    shaping: str = "none"
    name = "population"

    @property
    def compares(self) -> bool:
        """Whether a loss counts by its difference from the others."""
        return (self.baseline, self.shaping) != ("none", "none")

    def visits(self, probes: int) -> list[Visit]:
        return [(k, 1) for k in range(probes)]

    def projected(self, losses: dict[Visit, float], probes: int, epsilon: float, before: float | None) -> list[float]:
        return [shaped / epsilon for shaped in self.shaped([losses[k, 1] for k in range(probes)])]

    def shaped(self, losses: Sequence[float]) -> list[float]:
        """What each direction is weighted with, before the division by ε.

        >>> Population(baseline="leave-one-out").shaped([1.0, 2.0, 6.0])
        [-3.0, -1.5, 4.5]
        >>> Population(shaping="rank").shaped([1.0, 2.0, 2.0, 9.0])
        [-0.5, 0.0, 0.0, 0.5]
        """
        if not all(map(math.isfinite, losses)):
            return [math.nan] * len(losses)
        if self.shaping == "rank":
            return [place / (len(losses) - 1) - 0.5 for place in places(losses)]
        mean = sum(losses) / len(losses)
        if self.shaping == "z-score":
            deviation = math.sqrt(sum((loss - mean) ** 2 for loss in losses) / len(losses))
            return [(loss - mean) / deviation if deviation else 0.0 for loss in losses]
        if self.baseline == "none":
            return list(losses)
        own = len(losses) / (len(losses) - 1) if self.baseline == "leave-one-out" else 1.0
        return [own * (loss - mean) for loss in losses]


def places(losses: Sequence[float]) -> list[float]:
    """Where each loss stands in their order, from 0; equal ones share the mean of their places."""
    return [sum(other < loss for other in losses) + (sum(other == loss for other in losses) - 1) / 2 for loss in losses]


Estimator = TwoSided | OneSided | ResidualFeedback | Population
ESTIMATORS: dict[str, Estimator] = {
    each.name: each for each in (TwoSided(), OneSided(), ResidualFeedback(), Population())
}


def mean_loss(losses: dict[Visit, float]) -> float:
    """L(θ) where it was evaluated; otherwise the mean over the probes, L(θ) + (ε²/2)·tr H on average."""
    return losses[0, 0] if (0, 0) in losses else sum(losses.values()) / len(losses)


def curvature(losses: dict[Visit, float], probes: Sequence[int], epsilon: float) -> float:
    """[L(θ + εz) + L(θ − εz) − 2L(θ)]/ε², averaged over the probes: tr H on average. Source: claim A10."""
    return sum(losses[k, 1] + losses[k, -1] - 2 * losses[0, 0] for k in probes) / (epsilon**2 * len(probes))
