"""How cost grows: measured medians against a size, on logarithmic axes, beside the line that the theory draws."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mezo_lab.report.figures import style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["GrowthLine", "GrowthPanel", "GrowthSeries", "growth_alt_text", "growth_figure"]

_PANEL = 2.4  # inches
_FRAME = 0.4  # inches for the legend, and for each of its lines:
_LINE = 0.17
_MARKERS = ("<", ">", "p", "d")  # of series that belong to no law, in their order: none is that of a law
_LOG_SPAN = 60  # largest over smallest size, up to which each size is a tick, as a power of ten may not lie between


@dataclass(frozen=True)
class GrowthSeries:
    """What was measured of one thing, by size."""

    name: str
    sizes: Sequence[float]
    medians: Sequence[float]
    """Of the rounds, one for each size."""
    least: Sequence[float]
    largest: Sequence[float]
    law: str = ""
    """The law of z whose marker is drawn; none for a black marker of its own."""
    hollow: bool = False
    """Whether the marker is hollow, for the second of two series of one law."""


@dataclass(frozen=True)
class GrowthLine:
    """What the theory says, by size."""

    name: str
    sizes: Sequence[float]
    values: Sequence[float]


@dataclass(frozen=True)
class GrowthPanel:
    """One pair of axes."""

    xlabel: str
    ylabel: str
    series: Sequence[GrowthSeries]
    theory: Sequence[GrowthLine]


def growth_figure(panels: Sequence[GrowthPanel]) -> "Figure":
    """A panel below the other: medians with bars from the least to the largest round, and the theory as a dashed line.

    Args: panels: at least one, with a series each; a name is explained once, so series of one name must look alike.
    Returns: a matplotlib `Figure` that needs no display. Raises: ValueError when there is nothing to draw.
    """
    _check_panels(panels)
    named = _handles(panels)
    figure = style.new_figure(_FRAME + _PANEL * len(panels) + _LINE * len(named))
    for axes, panel in zip(figure.subplots(len(panels), squeeze=False).flatten().tolist(), panels, strict=True):
        _draw_panel(axes, panel)
    axes = figure.axes[0]
    handles: list[Any] = []
    for name, look in named.items():
        if "fmt" in look:
            handles.append(axes.errorbar([], [], yerr=[], label=name, **look))
        else:
            handles += axes.plot([], [], label=name, **look)
    style.figure_legend(figure, handles=handles, handlelength=2.6)
    return figure


def growth_alt_text(panels: Sequence[GrowthPanel]) -> str:
    """What the figure shows, for those who do not see it.

    Raises: ValueError when there is nothing to describe.

    >>> signs = GrowthSeries("signs", [10, 1_000], [0.5, 50.0], [0.4, 49.0], [0.6, 51.0], law="rademacher")
    >>> print(growth_alt_text([GrowthPanel("parameters", "seconds", [signs], [])]))
    Chart of seconds against parameters: signs from 0.5 at 10 to 50 at 1,000.
    """
    _check_panels(panels)
    return " ".join(map(_in_words, panels))


def _check_panels(panels: Sequence[GrowthPanel]) -> None:
    if not panels or not all(panel.series for panel in panels):
        raise ValueError("`panels` must hold at least one panel, each with a series: measure one first.")


def _in_words(panel: GrowthPanel) -> str:
    courses = [(each.name, each.sizes, each.medians) for each in panel.series]
    courses += [(f"theory, {line.name},", line.sizes, line.values) for line in panel.theory]
    told = (f"{name} from {y[0]:,.3g} at {_size(x[0])} to {y[-1]:,.3g} at {_size(x[-1])}" for name, x, y in courses)
    return f"Chart of {panel.ylabel} against {panel.xlabel}: {'; '.join(told)}."


def _size(size: float) -> str:
    """
    >>> _size(100_000_000), _size(0.005)
    ('100,000,000', '0.005')
    """
    return f"{size:,}" if isinstance(size, int) else f"{size:g}"


def _draw_panel(axes: "Axes", panel: GrowthPanel) -> None:
    for line in panel.theory:
        axes.plot(line.sizes, line.values, **style.THEORY)
    for number, series in enumerate(panel.series):
        spread = [
            [middle - low for middle, low in zip(series.medians, series.least, strict=True)],
            [high - middle for middle, high in zip(series.medians, series.largest, strict=True)],
        ]
        axes.errorbar(series.sizes, series.medians, yerr=spread, **_look(series, number))
    axes.set(xscale="log", yscale="log", xlabel=panel.xlabel, ylabel=panel.ylabel)
    _set_ticks(axes, sorted({size for series in panel.series for size in series.sizes}))
    style.despine(axes)


def _set_ticks(axes: "Axes", sizes: Sequence[float]) -> None:
    from matplotlib.ticker import NullLocator

    if sizes[-1] < _LOG_SPAN * sizes[0]:
        axes.set_xticks(sizes, [_size(size) for size in sizes])
        axes.xaxis.set_minor_locator(NullLocator())


def _look(series: GrowthSeries, number: int) -> dict[str, Any]:
    """The arguments of `Axes.errorbar`. Args: number: of the series in its panel."""
    look = style.estimate(series.law or "gaussian", "" if series.law else style.INK)
    if not series.law:
        look["fmt"] = _MARKERS[number % len(_MARKERS)]
    if series.hollow:
        look["markerfacecolor"] = "white"
    return look


def _handles(panels: Sequence[GrowthPanel]) -> dict[str, dict[str, Any]]:
    """What the legend explains: name → look, the theory first."""
    named: dict[str, dict[str, Any]] = {}
    for panel in panels:
        named |= {f"theory: {line.name}": style.THEORY for line in panel.theory}
    for panel in panels:
        named |= {series.name: _look(series, number) for number, series in enumerate(panel.series)}
    return named
