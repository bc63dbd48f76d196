"""What a step costs: its time over that of its two forward passes, and the memory it adds, a row per method."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mezo_lab.report.figures import style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["StepCost", "mebibytes", "step_alt_text", "step_figure"]

_ROW = 0.21  # inches for a method
_FRAME = 2.1  # inches for axes, labels and legend
_HALF = 0.36  # of a row: the length of a floor's mark on either side
_LEAST_MIB = -2  # where the memory axis starts
_LINEAR_MIB = 10  # where it becomes logarithmic
_TIMES = (1, 1.2, 1.5, 2, 3, 5, 10, 20, 50, 100)  # ticks
_MEMORIES = (0, 5, 10, 100, 1_000, 10_000, 100_000)


@dataclass(frozen=True)
class StepCost:
    """One method's step, measured."""

    method: str
    ratio: float
    """Time over that of two forward passes, the median of the rounds."""
    least: float
    largest: float
    memory: float | None = None
    """Peak over that of the forward pass, MiB."""
    law: str = ""
    """Law of z, where the method is one of this project."""
    floor: float | None = None
    """The ratio if its sweeps were as fast as the memory."""


def step_figure(costs: Sequence[StepCost]) -> "Figure":
    """Time and memory of each method beside the least they can be.

    Args: costs: at least one, drawn in this order from the top.
    Returns: a matplotlib `Figure` that needs no display.
    Raises: ValueError when there is nothing to draw.
    """
    _check_costs(costs)
    figure = style.new_figure(_FRAME + 2 * _ROW * len(costs))
    times, memories = figure.subplots(2).tolist()
    for row, cost in enumerate(costs):
        _draw_time(times, row, cost)
        _draw_memory(memories, row, cost)
    times.axvline(1, **style.THEORY)
    memories.axvline(0, **style.THEORY)
    _label_axes(times, memories, costs)
    _add_legend(times, floors=any(cost.floor is not None for cost in costs))
    return figure


def step_alt_text(costs: Sequence[StepCost]) -> str:
    """What the figure shows, for those who do not see it.

    Raises: ValueError when there is nothing to describe.

    >>> print(step_alt_text([StepCost("Adam", 2.0, 1.9, 2.1, memory=1_540.0)]))
    Dot chart of the time of a step over that of two forward passes, and of memory: Adam 2.00 times, 1,540 MiB more.
    """
    _check_costs(costs)
    methods = "; ".join(map(_in_words, costs))
    return f"Dot chart of the time of a step over that of two forward passes, and of memory: {methods}."


def mebibytes(memory: float) -> str:
    """An amount of memory with the digits that matter, and never below zero.

    >>> mebibytes(12.34), mebibytes(0.21), mebibytes(1539.6)
    ('12', '0.2', '1,540')
    """
    if memory >= 9.95:
        return f"{memory:,.0f}"
    return f"{max(memory, 0):.1f}"


def _check_costs(costs: Sequence[StepCost]) -> None:
    if not costs:
        raise ValueError("`costs` must hold at least one method, got none: measure one first.")


def _in_words(cost: StepCost) -> str:
    words = f"{cost.method} {cost.ratio:.2f} times"
    if cost.memory is not None:
        words += f", {mebibytes(cost.memory)} MiB more"
    return words


def _draw_time(axes: "Axes", row: int, cost: StepCost) -> None:
    spread = [[cost.ratio - cost.least], [cost.largest - cost.ratio]]
    axes.errorbar(cost.ratio, row, xerr=spread, **_marker(cost))
    if cost.floor is not None:
        axes.plot([cost.floor, cost.floor], [row - _HALF, row + _HALF], color=style.INK, linewidth=1.3, zorder=2)
    _annotate(axes, cost.largest, row, f"{cost.ratio:.2f}")


def _draw_memory(axes: "Axes", row: int, cost: StepCost) -> None:
    if cost.memory is None:
        _annotate(axes, 0, row, "unknown")
        return
    x = max(cost.memory, 0)  # a difference of two peaks can be a page below zero
    axes.errorbar(x, row, **_marker(cost))
    _annotate(axes, x, row, mebibytes(cost.memory))


def _marker(cost: StepCost) -> dict[str, Any]:
    """Filled and of its law's shape for this project's own methods, a hollow grey circle for others."""
    if cost.law:
        return style.estimate(cost.law)
    return {"fmt": "o", "markersize": 5, "color": style.GREY, "markerfacecolor": "white"}


def _annotate(axes: "Axes", x: float, row: int, text: str) -> None:
    place: dict[str, Any] = {"textcoords": "offset points", "va": "center", "fontsize": style.SMALL}
    axes.annotate(text, (x, row), (6, 0), color=style.INK, **place)


def _label_axes(times: "Axes", memories: "Axes", costs: Sequence[StepCost]) -> None:
    from matplotlib.ticker import NullLocator

    farthest = max(cost.largest for cost in costs)
    most = max(_LINEAR_MIB, *(cost.memory or 0 for cost in costs))
    times.set_xscale("log")
    times.set(xlim=(0.95, 1.4 * farthest), xlabel="time over that of two forward passes")
    times.set_xticks(*_labelled(_TIMES, 1.3 * farthest))
    memories.set_xscale("symlog", linthresh=_LINEAR_MIB, linscale=0.5)
    memories.set(xlim=(_LEAST_MIB, 4 * most), xlabel="peak memory above theirs, MiB")
    memories.set_xticks(*_labelled(_MEMORIES, 3 * most))
    for axes in (times, memories):
        axes.xaxis.set_minor_locator(NullLocator())
        axes.set_ylim(len(costs) - 0.4, -0.6)
        axes.set_yticks(range(len(costs)), [cost.method for cost in costs])
        style.despine(axes)


def _labelled(ticks: Sequence[float], most: float) -> tuple[list[float], list[str]]:
    """
    >>> _labelled(_TIMES, 2.5)
    ([1, 1.2, 1.5, 2], ['1', '1.2', '1.5', '2'])
    """
    shown = [tick for tick in ticks if tick <= most]
    return shown, [f"{tick:,.4g}" for tick in shown]


def _add_legend(axes: "Axes", floors: bool) -> None:
    handles: list[Any] = axes.plot([], [], label="two forward passes", **style.THEORY)
    if floors:
        floor: dict[str, Any] = {"color": style.INK, "marker": "|", "markersize": 10, "ls": ""}
        handles += axes.plot([], [], label="a MeZO step whose sweeps are as fast as memory", **floor)
    look = style.estimate("gaussian", style.INK)
    handles.append(axes.errorbar([], [], xerr=[], label="median, least and largest", **look))
    style.figure_legend(axes.figure, handles=handles)
