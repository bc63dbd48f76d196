"""The points at which a step evaluates the loss, and the projected gradients that follow from the losses."""

import math
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

Point = tuple[int, int]  # (probe, side): θ + side·ε·z_probe; side 0 is θ itself
Losses = dict[Point, float]

CENTRE: Point = (0, 0)  # θ itself


@dataclass(frozen=True)
class TwoSided:
    """pg_k = [L(θ + εz_k) − L(θ − εz_k)]/(2ε): 2n evaluations. Source: paper, Definition 1 and Algorithm 1."""

    name = "two-sided"

    def points(self, probes: int) -> list[Point]:
        """The points in the order of their evaluation."""
        return [(k, side) for k in range(probes) for side in (1, -1)]

    def projected_gradients(
        self, losses: Losses, probes: int, epsilon: float, previous_loss: float | None
    ) -> list[float]:
        """pg_k of each probe."""
        return [(losses[k, 1] - losses[k, -1]) / (2 * epsilon) for k in range(probes)]


@dataclass(frozen=True)
class OneSided:
    """pg_k = [L(θ + εz_k) − L(θ)]/ε: n + 1 evaluations, and a bias that two sides would cancel. Source: claim A8."""

    name = "one-sided"

    def points(self, probes: int) -> list[Point]:
        """The points in the order of their evaluation."""
        return [CENTRE, *((k, 1) for k in range(probes))]

    def projected_gradients(
        self, losses: Losses, probes: int, epsilon: float, previous_loss: float | None
    ) -> list[float]:
        """pg_k of each probe."""
        return [(losses[k, 1] - losses[CENTRE]) / epsilon for k in range(probes)]


@dataclass(frozen=True)
class ResidualFeedback:
    """pg = [L(θ_t + εz_t) − L(θ_{t−1} + εz_{t−1})]/ε: one evaluation. Source: paper, Definition 8; claim A14.

    The first step has no previous loss, and does not move. In a run L(θ_t) − L(θ_{t−1}) depends on z_{t−1}, so that
    E‖ĝ‖² is `theory.residual_feedback_run_norm` and not `theory.residual_feedback_norm`.
    """

    name = "residual-feedback"

    def points(self, probes: int) -> list[Point]:
        """The points in the order of their evaluation."""
        return [(0, 1)]

    def projected_gradients(
        self, losses: Losses, probes: int, epsilon: float, previous_loss: float | None
    ) -> list[float]:
        """pg of the one probe; 0 without a previous loss."""
        if previous_loss is None:
            return [0.0]
        return [(losses[0, 1] - previous_loss) / epsilon]


BASELINES = ("none", "mean", "leave-one-out")
SHAPINGS = ("none", "z-score", "rank")


@dataclass(frozen=True)
class Population:
    """pg_k = shaped_k/ε of the losses at θ + εz_k, k = 1 … N: N evaluations, none at θ. For evolution strategies.

    All statements hold as ε→0, for independent or orthogonal directions. Source: claim E7.
    """

    baseline: str = "none"
    """What is subtracted from each loss. "none" leaves ĝ unbiased, with a variance of L²/ε² along every direction;
    "mean", the mean of all N, gives ((N−1)/N)·g on average, since each loss is part of its own baseline;
    "leave-one-out", the mean of the others, gives g itself."""
    shaping: str = "none"
    """"z-score" subtracts the mean and divides by the standard deviation, about ε‖g‖, so that the length of a step
    depends on neither the loss nor the slope; "rank" replaces each loss by its rank, from −½ for the lowest to ½ for
    the highest, so that only the order of the losses counts (equal losses share the mean of their ranks)."""

    name = "population"

    @property
    def compares(self) -> bool:
        """Whether a loss counts by its difference from the others."""
        return (self.baseline, self.shaping) != ("none", "none")

    def points(self, probes: int) -> list[Point]:
        """The points in the order of their evaluation."""
        return [(k, 1) for k in range(probes)]

    def projected_gradients(
        self, losses: Losses, probes: int, epsilon: float, previous_loss: float | None
    ) -> list[float]:
        """pg_k of each probe."""
        return [shaped / epsilon for shaped in self.shaped([losses[k, 1] for k in range(probes)])]

    def shaped(self, losses: Sequence[float]) -> list[float]:
        """The weight of each direction, before the division by ε.

        >>> Population(baseline="leave-one-out").shaped([1.0, 2.0, 6.0])
        [-3.0, -1.5, 4.5]
        >>> Population(shaping="rank").shaped([1.0, 2.0, 2.0, 9.0])
        [-0.5, 0.0, 0.0, 0.5]
        """
        if not all(map(math.isfinite, losses)):
            return [math.nan] * len(losses)
        if self.shaping == "rank":
            return [rank / (len(losses) - 1) - 0.5 for rank in ranks(losses)]
        if not self.compares:
            return list(losses)
        # counted from one of them, so that rounding leaves nothing of equal losses, which a z-score would blow up
        offsets = [loss - losses[0] for loss in losses]
        mean = sum(offsets) / len(losses)
        differences = [offset - mean for offset in offsets]
        if self.shaping == "z-score":
            deviation = math.hypot(*differences) / math.sqrt(len(losses))
            if deviation == 0:
                return [0.0] * len(losses)
            return [difference / deviation for difference in differences]
        # loss − mean of the others = N/(N−1)·(loss − mean of all)
        factor = len(losses) / (len(losses) - 1) if self.baseline == "leave-one-out" else 1.0
        return [factor * difference for difference in differences]


def ranks(losses: Sequence[float]) -> list[float]:
    """The rank of each loss, from 0; equal losses share the mean of their ranks."""
    ordered = sorted(losses)
    return [(bisect_left(ordered, loss) + bisect_right(ordered, loss) - 1) / 2 for loss in losses]


Estimator = TwoSided | OneSided | ResidualFeedback | Population
ESTIMATORS: dict[str, Estimator] = {
    estimator.name: estimator for estimator in (TwoSided(), OneSided(), ResidualFeedback(), Population())
}


def mean_loss(losses: Losses) -> float:
    """L(θ) where it was evaluated; otherwise the mean over the points, L(θ) + (ε²/2)·tr H on average."""
    if CENTRE in losses:
        return losses[CENTRE]
    return sum(losses.values()) / len(losses)


def second_difference(losses: Losses, probes: int, epsilon: float) -> float:
    """[L(θ + εz) + L(θ − εz) − 2L(θ)]/ε², averaged over the probes: tr H on average. Source: claim A10."""
    differences = (losses[k, 1] + losses[k, -1] - 2 * losses[CENTRE] for k in range(probes))
    return sum(differences) / (epsilon**2 * probes)
