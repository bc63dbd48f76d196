"""What a step costs: its time over that of its two forward passes, and the memory it adds, a row per method."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mezo_lab.report.figures import style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

ROW, FRAME = 0.21, 2.1  # inches
HALF = 0.36  # of a row: the length of a floor's mark on either side
LEAST_MIB, LINEAR_MIB = -2, 10  # the memory axis: where it starts, and where it becomes logarithmic
TIMES, MEMORIES = (1, 1.2, 1.5, 2, 3, 5, 10, 20, 50, 100), (0, 5, 10, 100, 1_000, 10_000, 100_000)  # what an axis names


@dataclass(frozen=True)
class StepCost:
    """One method's step, measured."""

    method: str
    ratio: float  # time over that of two forward passes, the median of the rounds
    least: float
    largest: float
    memory: float | None = None  # peak over that of the forward pass, MiB
    law: str = ""  # of z, where the method is one of this project
    floor: float | None = None  # the ratio if its sweeps were as fast as the memory


def step_figure(costs: Sequence[StepCost]) -> "Figure":
    """Time and memory of each method beside the least they can be.

    Args: costs: at least one, drawn in this order from the top.
    Returns: a matplotlib `Figure` that needs no display. Raises: ValueError when there is nothing to draw.
    """
    check(costs)
    drawn = style.blank(FRAME + 2 * ROW * len(costs))
    times, memories = drawn.subplots(2).tolist()
    for row, cost in enumerate(costs):
        draw_time(times, row, cost)
        draw_memory(memories, row, cost)
    times.axvline(1, **style.THEORY)
    memories.axvline(0, **style.THEORY)
    name_axes(times, memories, costs)
    legend(times)
    return drawn


def draw_time(axes: "Axes", row: int, cost: StepCost) -> None:
    spread = [[cost.ratio - cost.least], [cost.largest - cost.ratio]]
    axes.errorbar(cost.ratio, row, xerr=spread, **look(cost))
    if cost.floor is not None:
        axes.plot([cost.floor, cost.floor], [row - HALF, row + HALF], color=style.INK, linewidth=1.3, zorder=2)
    beside(axes, cost.largest, row, f"{cost.ratio:.2f}")


def draw_memory(axes: "Axes", row: int, cost: StepCost) -> None:
    if cost.memory is None:
        beside(axes, 0, row, "unknown")
        return
    at = max(cost.memory, 0)  # a difference of two peaks can be a page below
    axes.errorbar(at, row, **look(cost))
    beside(axes, at, row, mebibytes(cost.memory))


def look(cost: StepCost) -> dict[str, Any]:
    """Filled and of its law's shape where this project's own, a hollow grey circle elsewhere."""
    if cost.law:
        return style.estimate(cost.law)
    return {"fmt": "o", "markersize": 5, "color": style.GREY, "markerfacecolor": "white"}


def beside(axes: "Axes", at: float, row: int, told: str) -> None:
    place: dict[str, Any] = {"textcoords": "offset points", "va": "center", "fontsize": style.SMALL}
    axes.annotate(told, (at, row), (6, 0), color=style.INK, **place)


def mebibytes(memory: float) -> str:
    """
    >>> mebibytes(12.34), mebibytes(0.21), mebibytes(1539.6)
    ('12', '0.2', '1,540')
    """
    return f"{memory:,.0f}" if memory >= 9.95 else f"{max(memory, 0):.1f}"


def name_axes(times: "Axes", memories: "Axes", costs: Sequence[StepCost]) -> None:
    from matplotlib.ticker import NullLocator

    farthest, most = max(cost.largest for cost in costs), max(cost.memory or 0 for cost in costs)
    times.set_xscale("log")
    times.set(xlim=(0.95, 1.4 * farthest), xlabel="time over that of two forward passes")
    times.set_xticks(*labelled(TIMES, 1.3 * farthest))
    memories.set_xscale("symlog", linthresh=LINEAR_MIB, linscale=0.5)
    memories.set(xlim=(LEAST_MIB, 4 * max(most, LINEAR_MIB)), xlabel="peak memory above theirs, MiB")
    memories.set_xticks(*labelled(MEMORIES, 3 * max(most, LINEAR_MIB)))
    for axes in (times, memories):
        axes.xaxis.set_minor_locator(NullLocator())
        axes.set_ylim(len(costs) - 0.4, -0.6)
        axes.set_yticks(range(len(costs)), [cost.method for cost in costs])
        style.quiet(axes)


def labelled(ticks: Sequence[float], most: float) -> tuple[list[float], list[str]]:
    """
    >>> labelled(TIMES, 2.5)
    ([1, 1.2, 1.5, 2], ['1', '1.2', '1.5', '2'])
    """
    shown = [tick for tick in ticks if tick <= most]
    return shown, [f"{tick:,.4g}" for tick in shown]


def legend(axes: "Axes") -> None:
    handles: list[Any] = [
        axes.plot([], [], label="two forward passes", **style.THEORY)[0],
        axes.plot(
            [],
            [],
            color=style.INK,
            marker="|",
            markersize=10,
            ls="",
            label="a MeZO step whose sweeps are as fast as memory",
        )[0],
        axes.errorbar([], [], xerr=[], label="median, least and largest", **style.estimate("gaussian", style.INK)),
    ]
    style.key(axes.figure, handles=handles)


def step_alt_text(costs: Sequence[StepCost]) -> str:
    """What the figure shows, for those who do not see it.

    Raises: ValueError when there is nothing to tell.

    >>> print(step_alt_text([StepCost("Adam", 2.0, 1.9, 2.1, memory=1_540.0)]))
    Dot chart of the time of a step over that of two forward passes, and of memory: Adam 2.00 times, 1,540 MiB more.
    """
    check(costs)
    told = [
        f"{cost.method} {cost.ratio:.2f} times"
        + ("" if cost.memory is None else f", {mebibytes(cost.memory)} MiB more")
        for cost in costs
    ]
    return f"Dot chart of the time of a step over that of two forward passes, and of memory: {'; '.join(told)}."


def check(costs: Sequence[StepCost]) -> None:
    if not costs:
        raise ValueError("`costs` must hold at least one method, got none: measure one first.")
