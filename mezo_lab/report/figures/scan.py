"""The error of a projected gradient against ε: a U between the slope of rounding and the slope of truncation."""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from mezo_lab.curvature import EpsilonScan
from mezo_lab.report.figures import style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["scan_alt_text", "scan_figure"]

_HEIGHT = 4.4  # inches
_LAWS = ("sphere", "uniform", "gaussian", "rademacher", "three-point")  # each lends a scan its marker
_SLOPES = ("rounding alone, slope −1", "truncation alone, slope 2")


def scan_figure(
    scans: Mapping[str, EpsilonScan],
    bars: Mapping[str, Sequence[float]] | None = None,
    *,
    paper: float | None = None,
) -> "Figure":
    """The measured errors of scans, the theory dashed with a diamond at its least, and dotted its two slopes.

    Args:
        scans: name → scan, such as that of `epsilon_scan`; all in units of ‖g‖.
        bars: name → the length of the error bar of each row, on one side; none by default.
        paper: an ε to mark by a line, such as the paper's.
    Returns: a matplotlib `Figure` that needs no display. Raises: ValueError when there is no scan to draw.
    """
    _check_scans(scans)
    figure = style.new_figure(_HEIGHT)
    axes = figure.add_subplot()
    for number, (name, scan) in enumerate(scans.items()):
        _draw_theory(axes, scan)
        epsilons = [row.epsilon for row in scan.rows]
        look = style.estimate(_LAWS[number % len(_LAWS)])
        spread = (bars or {}).get(name)
        axes.errorbar(epsilons, [row.error for row in scan.rows], yerr=spread, label=name, **look)
    axes.plot([], [], label="theory, ◇ at its least", **style.THEORY)
    for slope in _SLOPES:
        axes.plot([], [], label=slope, **style.decoy(slope, _SLOPES))
    if paper is not None:
        axes.axvline(paper, label=f"the paper's ε = {paper:g}", color=style.GREY, linewidth=1)
    axes.set(xscale="log", yscale="log", xlabel="ε", ylabel="rms of pg − zᵀg, in units of ‖g‖")
    axes.set_ylim(*_frame(scans))
    style.despine(axes)
    style.figure_legend(figure, columns=2)
    return figure


def scan_alt_text(scans: Mapping[str, EpsilonScan]) -> str:
    """What the figure shows, for those who do not see it.

    Raises: ValueError when there is no scan to describe.

    >>> from mezo_lab.curvature import ScanRow
    >>> rows = [ScanRow(x, "float32", 1e-6 / x + x**2, 1e-6 / x, x**2) for x in (1e-4, 1e-2, 1.0)]
    >>> print(scan_alt_text({"float32": EpsilonScan(tuple(rows))}))
    Log-log chart of the error of the projected gradient against ε, a U for each scan: float32 from 0.01 at ε = 0.0001 \
down to 0.0002 at 0.01 and up to 1 at 1. The theory, dashed, falls along the slope −1 of rounding and rises along the \
slope 2 of truncation; its least error lies at 0.0089 for float32.
    """
    _check_scans(scans)
    told = []
    least = []
    for name, scan in scans.items():
        first = scan.rows[0]
        last = scan.rows[-1]
        low = scan.best
        told.append(
            f"{name} from {first.error:.2g} at ε = {first.epsilon:.2g} down to {low.error:.2g} at {low.epsilon:.2g} "
            f"and up to {last.error:.2g} at {last.epsilon:.2g}"
        )
        least.append(f"{scan.predicted:.2g} for {name}")
    return (
        f"Log-log chart of the error of the projected gradient against ε, a U for each scan: {'; '.join(told)}. "
        "The theory, dashed, falls along the slope −1 of rounding and rises along the slope 2 of truncation; "
        f"its least error lies at {', '.join(least)}."
    )


def _check_scans(scans: Mapping[str, EpsilonScan]) -> None:
    if not scans or not all(scan.rows for scan in scans.values()):
        raise ValueError("`scans` must hold at least one scan, each with a row: call epsilon_scan first.")


def _frame(scans: Mapping[str, EpsilonScan]) -> tuple[float, float]:
    """The ends of the axis of errors: all that was measured, for a slope alone leads far below it."""
    errors = [row.error for scan in scans.values() for row in scan.rows if row.error > 0]
    return min(errors) / 3, max(errors) * 3


def _draw_theory(axes: "Axes", scan: EpsilonScan) -> None:
    epsilons = [row.epsilon for row in scan.rows]
    parts = ([row.rounding for row in scan.rows], [row.truncation for row in scan.rows])
    for slope, part in zip(_SLOPES, parts, strict=True):
        axes.plot(epsilons, part, **style.decoy(slope, _SLOPES))
    axes.plot(epsilons, [math.hypot(*pair) for pair in zip(*parts, strict=True)], **style.THEORY)
    if math.isfinite(scan.predicted):
        last = scan.rows[-1]
        ratio = scan.predicted / last.epsilon  # rounding goes as 1/ε, truncation as ε²
        least = math.hypot(last.rounding / ratio, last.truncation * ratio**2)
        axes.plot(scan.predicted, least, "D", markersize=9, markerfacecolor="none", color=style.INK, zorder=4)
