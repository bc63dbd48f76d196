"""What grows with d and what does not: measured points on two logarithmic axes, where a power of d is a line."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from mezo_lab.report.figures import style

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["ScalingLine", "ScalingSeries", "scaling_alt_text", "scaling_figure"]

_HEIGHT = 3.2  # inches
_LINE = 0.17  # inches for a line of the legend
_LOG_SPAN = 200  # largest over smallest size, up to which each size is a tick of its own


@dataclass(frozen=True)
class ScalingSeries:
    """What was measured, by size."""

    name: str
    sizes: Sequence[float]
    values: Sequence[float]
    errors: Sequence[float]
    """Standard errors."""
    law: str = "gaussian"
    """The law of z whose marker is drawn."""


@dataclass(frozen=True)
class ScalingLine:
    """What a formula says, by size."""

    name: str
    sizes: Sequence[float]
    values: Sequence[float]


def scaling_figure(
    series: Sequence[ScalingSeries],
    theory: Sequence[ScalingLine],
    decoys: Sequence[ScalingLine] = (),
    *,
    xlabel: str = "dimension d",
    ylabel: str,
    scale: Literal["log", "linear"] = "log",
) -> "Figure":
    """Measured values against a size, on logarithmic axes or linear: theory dashed, decoys dotted, bars of five errors.

    Args:
        series: at least one.
        theory: the dashed lines; lines of one name are explained once.
        decoys: the dotted lines.
        xlabel: of the sizes.
        ylabel: of the values.
        scale: of both axes.
    Returns: a matplotlib `Figure` that needs no display. Raises: ValueError when there is nothing to draw.

    >>> measured = ScalingSeries("where MeZO diverges", [10, 1000], [0.17, 0.002], [0.01, 0.0001])
    >>> theory = ScalingLine("2/(d+2)", [10, 1000], [2 / 12, 2 / 1002])
    >>> scaling_figure([measured], [theory], ylabel="η").axes[0].get_yscale()
    'log'
    """
    _check_series(series)
    names = [line.name for line in decoys]
    figure = style.new_figure(_HEIGHT + _LINE * (len(series) + len(names) + 1))
    axes = figure.add_subplot()
    for line in theory:
        axes.plot(line.sizes, line.values, label=f"theory: {line.name}", **style.THEORY)
    for each in series:
        bars = [style.BARS * error for error in each.errors]
        label = f"{each.name} ± {style.BARS:g} standard errors"
        axes.errorbar(each.sizes, each.values, yerr=bars, label=label, **style.estimate(each.law))
    for line in decoys:
        axes.plot(line.sizes, line.values, label=f"decoy: {line.name}", **style.decoy(line.name, names))
    axes.set(xscale=scale, yscale=scale, xlabel=xlabel, ylabel=ylabel)
    sizes = sorted({size for each in series for size in each.sizes})
    if scale == "log" and sizes[-1] <= _LOG_SPAN * sizes[0]:
        axes.minorticks_off()
        axes.set_xticks(sizes, [f"{size:,}" for size in sizes])
    style.despine(axes)
    handles, labels = axes.get_legend_handles_labels()
    once = dict(zip(labels, handles, strict=True))
    style.figure_legend(figure, handles=list(once.values()), labels=list(once), handlelength=2.6)
    return figure


def scaling_alt_text(
    series: Sequence[ScalingSeries],
    theory: Sequence[ScalingLine],
    decoys: Sequence[ScalingLine] = (),
    *,
    xlabel: str = "dimension d",
    ylabel: str,
    scale: Literal["log", "linear"] = "log",
) -> str:
    """What the figure shows, for those who do not see it.

    Args: as for `scaling_figure`. Raises: ValueError when there is nothing to describe.

    >>> measured = ScalingSeries("γ, measured", [10, 1000], [7.0, 7.02], [0.01, 0.01])
    >>> print(scaling_alt_text([measured], [], [ScalingLine("d + 2", [10, 1000], [12, 1002])], ylabel="γ"))
    Log-log chart of γ against dimension d: γ, measured, from 7 at 10 to 7.02 at 1,000; decoy d + 2 from 12 to 1e+03.
    """
    _check_series(series)
    told = [f"{each.name}, {_course(each)}" for each in series]
    told += [f"theory {line.name} from {line.values[0]:.3g} to {line.values[-1]:.3g}" for line in theory]
    told += [f"decoy {line.name} from {line.values[0]:.3g} to {line.values[-1]:.3g}" for line in decoys]
    kind = "Log-log chart" if scale == "log" else "Chart"
    return f"{kind} of {ylabel} against {xlabel}: {'; '.join(told)}."


def _course(series: ScalingSeries) -> str:
    first = f"from {series.values[0]:.3g} at {series.sizes[0]:,}"
    return f"{first} to {series.values[-1]:.3g} at {series.sizes[-1]:,}"


def _check_series(series: Sequence[ScalingSeries]) -> None:
    if not series:
        raise ValueError("`series` must hold at least one series, got none: measure one first.")
