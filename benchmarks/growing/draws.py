"""The draws that a verdict on the norm factor takes, and its seconds, by the resolution that it promises."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from growing.clock import spread
from mezo_lab.claims import check, claim_named
from mezo_lab.claims.decision import DETECTABLE, MARGIN
from mezo_lab.sampling import LAWS


class Setting(NamedTuple):
    """A claim's parameters, and the resolutions at which it is checked."""

    dim: int
    probes: int
    resolutions: Sequence[float]


SETTINGS = (
    Setting(50, 1, (0.1, 0.05, 0.02, 0.01)),
    Setting(50, 16, (0.1, 0.05, 0.02, 0.01)),
    Setting(13_000_000_000, 4, (0.1, 0.05, 0.02, 0.01, 0.005)),
)
QUICK = (Setting(50, 4, (0.2, 0.1)),)


def by_resolution(settings: Sequence[Setting], rounds: int) -> list[dict[str, Any]]:
    """A row for each setting and resolution; the verdicts come in turn."""
    points = [(each.dim, each.probes, resolution) for each in settings for resolution in each.resolutions]
    seconds: dict[tuple, list[float]] = {point: [] for point in points}
    counts: dict[tuple, int] = {}
    for _ in range(rounds):
        for point in points:
            dim, probes, resolution = point
            parameters = {"dim": dim, "probes": probes}
            verdict = check(claim_named("norm-factor"), LAWS["gaussian"], parameters, resolution=resolution)
            seconds[point].append(verdict.seconds)
            counts[point] = verdict.estimate.count
    return [
        {"dim": dim, "probes": probes, "resolution": resolution, "draws": counts[dim, probes, resolution]}
        | {"theory": draws_by_theory(dim, probes, resolution)}
        | spread(seconds[dim, probes, resolution])
        for dim, probes, resolution in points
    ]


def draws_by_theory(dim: int, probes: int, resolution: float) -> float:
    """The draws that put a discrepancy of this relative size 10 standard errors away, with the planner's margin.

    Derived: ‖ĝ‖²/‖g‖² = (S² + S·W)/n², with S ~ χ²_n and W ~ χ²_(d−1) independent.

    >>> draws_by_theory(10**12, probes=2, resolution=0.1).__round__()
    14000
    """
    n = probes
    ones = dim - 1  # E W
    square = n * (n + 2)  # E S²
    cube = square * (n + 4)
    mean = square + n * ones
    second = cube * (n + 6) + 2 * cube * ones + square * ones * (ones + 2)
    return MARGIN * (DETECTABLE / resolution) ** 2 * (second / mean**2 - 1)
