"""A figure as a lecture shows it: wide and flat, with letters that are legible from the last row."""

import textwrap
from typing import TYPE_CHECKING, Any

from mezo_lab.report.figures import style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["as_slide"]

_WIDTH = 4.4  # inches: at 1,024 pixels of a slide a letter of `style.SMALL` points has 27
_HEIGHT = 2.05  # inches, which leave room for a title and three lines
_TALL = 2.2  # inches, of panels with named rows: room for two lines
_SHORT = 5  # names of a legend that leaves panels room above it
# letters of a line
_BESIDE = 21  # of a legend at the right
_BELOW = 38  # of a legend below, in two columns
_ALONG = 34  # of all labels below the panels beside a legend together
_FULL = 48  # of the same above a legend
_SHARED = 17  # of a label that stands below the middle panel
_UPWARDS = 26  # of a label beside an axis
_LOW = 18  # of the same above a legend
_TICKS = 3  # between the ticks of an axis


def as_slide(figure: "Figure") -> "Figure":
    """Redraw a figure for a slide, with panels side by side. Its legend goes to the right, or below if it is short.

    Args: figure: any of this package's; it is changed.
    Returns: the same figure.

    >>> tuple(as_slide(style.new_figure(height=5)).get_size_inches().tolist())
    (4.4, 2.05)
    """
    _place_side_by_side(figure)
    named_rows = any(map(_names_rows, figure.axes))
    figure.set_size_inches(_WIDTH, _TALL if named_rows and len(figure.axes) > 1 else _HEIGHT)
    entries = _taken_legends(figure)
    above_legend = len(figure.axes) > 1 and len(entries) <= _SHORT
    _place_legend(figure, entries, below=named_rows or above_legend)
    upwards = _LOW if above_legend else _UPWARDS
    along = _FULL if above_legend else _ALONG
    if named_rows:
        along = 2 * _ALONG
    for axes in figure.axes:
        if "\n" not in axes.get_xlabel():
            axes.set_xlabel(textwrap.fill(axes.get_xlabel(), max(along // len(figure.axes), 14)))
        axes.set_ylabel(textwrap.fill(axes.get_ylabel(), upwards))
        axes.set_title(textwrap.fill(axes.get_title(), max(along // len(figure.axes), 8)), fontsize=style.SMALL + 0.5)
        _thin_ticks(axes)
    return figure


def _place_side_by_side(figure: "Figure") -> None:
    """Panels that stand in one column go into one row; names of rows that are the same in all stand at the first."""
    places = [axes.get_subplotspec() for axes in figure.axes]
    grids = {place.get_gridspec().get_geometry() for place in places if place is not None}
    if len(places) < 2 or None in places or grids != {(len(places), 1)}:
        return
    grid = figure.add_gridspec(1, len(places))
    labels = [axes.get_xlabel() for axes in figure.axes]
    if not any(labels[:-1]):  # one label for all of them
        figure.axes[-1].set_xlabel("")
        figure.axes[len(labels) // 2].set_xlabel(textwrap.fill(labels[-1], _SHARED))
    for column, axes in enumerate(figure.axes):
        axes.set_subplotspec(grid[0, column])
        axes.tick_params(labelbottom=True, labelleft=not (column and _names_rows(axes)))


def _names_rows(axes: "Axes") -> bool:
    from matplotlib.ticker import FixedLocator

    return isinstance(axes.yaxis.get_major_locator(), FixedLocator)


def _taken_legends(figure: "Figure") -> list[tuple[Any, str]]:
    """(mark, name) of all legends, which are removed."""
    entries: list[tuple[Any, str]] = []
    for axes in figure.axes:
        if (legend := axes.get_legend()) is not None:
            entries += zip(*axes.get_legend_handles_labels(), strict=True)
            legend.remove()
    for legend in list(figure.legends):
        entries += style.legend_entries(legend)
        legend.remove()
    return entries


def _place_legend(figure: "Figure", entries: list[tuple[Any, str]], below: bool) -> None:
    names = [textwrap.fill(name, _BELOW if below else _BESIDE) for _, name in entries]
    look: dict[str, Any] = {"frameon": False, "fontsize": style.SMALL, "labelcolor": style.INK, "borderaxespad": 0.2}
    if below:
        look |= {"loc": "outside lower left", "ncols": 2, "columnspacing": 1.0}
    else:
        look |= {"loc": "outside right upper", "handlelength": 1.6}
    if entries:
        figure.legend([handle for handle, _ in entries], names, **look)


def _thin_ticks(axes: "Axes") -> None:
    from matplotlib.ticker import MaxNLocator

    if isinstance(axes.xaxis.get_major_locator(), MaxNLocator):
        axes.locator_params(axis="x", nbins=_TICKS)
