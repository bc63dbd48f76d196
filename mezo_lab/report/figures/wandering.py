"""How far a run walked, how little of it was signal, and what its weights do on a task that it was not trained on."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from textwrap import fill
from typing import TYPE_CHECKING, Any

from mezo_lab.report.figures import style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = [
    "TransferRow",
    "WalkPoint",
    "transfer_alt_text",
    "transfer_figure",
    "wandering_alt_text",
    "wandering_figure",
]

_Z95 = 1.959964  # the 97.5 % point of N(0, 1)
_HEIGHT = 3.9  # inches
_ROW = 0.4  # inches for a row of the other figure,
_FRAME = 1.2  # and for its axes, legend and titles
_NAME = 24  # characters of a line of a row's name
_LENGTH = style.estimate("rademacher")
_SIGNAL = style.estimate("sphere")
_LABEL_LENGTH = "measured"
_LABEL_SIGNAL = "its part along a gradient (95 %)"
_LABEL_LOG = "theory: from the log alone"
_LABEL_MOST = "theory: signal at most"
_LABEL_DECOY = "decoy: all of it is signal"


@dataclass(frozen=True)
class WalkPoint:
    """A walk after some steps."""

    steps: int
    sq_length: float
    """‖θ_t − θ_0‖², measured."""
    expected: float
    """The same from the run log alone."""
    share: float
    """The most that the signal can be of the sum of both squares, on any loss: `theory.signal_share`."""
    component: float
    """The component along −g/‖g‖ of a gradient g that was measured before the first step."""
    error: float
    """Its standard error."""


@dataclass(frozen=True)
class TransferRow:
    """What some weights do on texts of another task, each as (gain over the start, low, high)."""

    prompt: str
    name: str
    accuracy: tuple[float, float, float]
    """A share."""
    text: tuple[float, float, float]
    """The loss of the texts themselves, in nats per token: higher is worse."""
    tossed: bool = False
    """Whether it is the control, a walk without signal."""


def wandering_figure(points: Sequence[WalkPoint]) -> "Figure":
    """The squared length of a walk against its steps, and that of its component along a gradient, both logarithmic.

    Noise grows as the steps, a signal as their square; the decoy is a walk that is all signal from the first point on.

    Returns: a matplotlib `Figure` that needs no display. Raises: ValueError when there is nothing to draw.
    """
    _check_walk(points)
    figure = style.new_figure(_HEIGHT)
    axes = figure.subplots()
    steps = [point.steps for point in points]
    axes.plot(steps, [point.expected for point in points], label=_LABEL_LOG, **style.THEORY)
    most = [point.expected * point.share for point in points]
    look: dict[str, Any] = style.THEORY | {"linestyle": "-."}
    axes.plot(steps, most, label=_LABEL_MOST, **look)
    first = points[0]
    decoy = [first.sq_length * (step / first.steps) ** 2 for step in steps]
    axes.plot(steps, decoy, label=_LABEL_DECOY, **style.decoy(_LABEL_DECOY, [_LABEL_DECOY]))
    axes.errorbar(steps, [point.sq_length for point in points], label=_LABEL_LENGTH, **_LENGTH)
    seen = [point for point in points if point.component > 0]
    squares = [point.component**2 for point in seen]
    ends = [[square - _ends(point)[0] for point, square in zip(seen, squares, strict=True)]]
    ends += [[_ends(point)[1] - square for point, square in zip(seen, squares, strict=True)]]
    axes.errorbar([point.steps for point in seen], squares, yerr=ends, label=_LABEL_SIGNAL, **_SIGNAL)
    axes.set(xscale="log", yscale="log", xlabel="steps", ylabel="squared distance from the start")
    axes.set_ylim(bottom=min(most) / 30)
    style.despine(axes)
    style.figure_legend(figure, columns=2)
    return figure


def _ends(point: WalkPoint) -> tuple[float, float]:
    """The squares of the ends of the 95 % interval of the component."""
    low = max(0.0, point.component - _Z95 * point.error)
    return low**2, (point.component + _Z95 * point.error) ** 2


def wandering_alt_text(points: Sequence[WalkPoint]) -> str:
    """What the figure shows, for those who do not see it.

    Raises: ValueError when there is nothing to describe.

    >>> print(wandering_alt_text([WalkPoint(100, 50.0, 50.0, 1e-6, 0.006, 0.001)]))
    Chart of the squared distance from the start against the steps, both logarithmic. After 100 steps it is 50, from \
the log alone 50; its part along a gradient is 3.6e-05 (1.6e-05 to 6.3e-05), of at most 5e-05.
    """
    _check_walk(points)
    last = points[-1]
    low, high = _ends(last)
    return (
        "Chart of the squared distance from the start against the steps, both logarithmic. After"
        f" {last.steps:,} steps it is {last.sq_length:,.3g}, from the log alone {last.expected:,.3g}; its part along a"
        f" gradient is {last.component**2:.2g} ({low:.2g} to {high:.2g}), of at most {last.expected * last.share:.2g}."
    )


def transfer_figure(rows: Sequence[TransferRow]) -> "Figure":
    """The gains in accuracy beside the changes of the loss of plain text, a pair of panels for each prompt.

    Args: rows: at least one; controls have hollow markers.
    Returns: a matplotlib `Figure` that needs no display. Raises: ValueError when there is nothing to draw.
    """
    _check(rows, "rows", "a row")
    prompts = list(dict.fromkeys(row.prompt for row in rows))
    counts = [sum(row.prompt == prompt for row in rows) for prompt in prompts]
    figure = style.new_figure(_FRAME + 0.3 * len(prompts) + _ROW * len(rows))
    grid: dict[str, Any] = {"height_ratios": counts}
    panels = figure.subplots(len(prompts), 2, sharex="col", squeeze=False, gridspec_kw=grid)
    for (left, right), prompt in zip(panels, prompts, strict=True):
        own = [row for row in rows if row.prompt == prompt]
        _draw_gains(left, [(row.accuracy, row.tossed) for row in own], 100)
        _draw_gains(right, [(row.text, row.tossed) for row in own], 1)
        left.set_yticks(range(len(own)), [fill(row.name, _NAME) for row in own])
        right.set_yticks([])
        left.set_title(prompt, fontsize=style.SMALL, loc="left", color=style.INK)
    panels[-1][0].set_xlabel("accuracy,\npoints")
    panels[-1][1].set_xlabel("loss of the text,\nnats a token")
    left = panels[0][0]
    handles = [
        left.errorbar([], [], xerr=[], label="trained, against the start (95 %)", **_marker(tossed=False)),
        left.errorbar([], [], xerr=[], label="the same steps without signal", **_marker(tossed=True)),
    ]
    style.figure_legend(figure, handles=handles)
    return figure


def _draw_gains(axes: "Axes", gains: Sequence[tuple[tuple[float, float, float], bool]], scale: float) -> None:
    axes.axvline(0, **style.THEORY)
    for height, ((mean, low, high), tossed) in enumerate(gains):
        ends = [[scale * (mean - low)], [scale * (high - mean)]]
        axes.errorbar(scale * mean, height, xerr=ends, **_marker(tossed))
    axes.set_ylim(len(gains) - 0.5, -0.5)
    style.despine(axes)


def _marker(tossed: bool) -> dict[str, Any]:
    look = style.estimate("rademacher")
    if tossed:
        look["markerfacecolor"] = "white"
    return look


def transfer_alt_text(rows: Sequence[TransferRow]) -> str:
    """What the figure shows, for those who do not see it.

    Raises: ValueError when there is nothing to describe.

    >>> print(transfer_alt_text([TransferRow("It was", "MeZO", (0.2, 0.1, 0.3), (0.01, 0.0, 0.02))]))
    Chart of gains over the start, in accuracy and in the loss of the text, with 95 % intervals: It was, MeZO \
+20 points (+10 to +30) and +0.010 nats (+0.000 to +0.020).
    """
    _check(rows, "rows", "a row")
    told = "; ".join(_in_words(row) for row in rows)
    return f"Chart of gains over the start, in accuracy and in the loss of the text, with 95 % intervals: {told}."


def _in_words(row: TransferRow) -> str:
    mean, low, high = (100 * value for value in row.accuracy)
    loss, least, most = row.text
    accuracy = f"{mean:+.0f} points ({low:+.0f} to {high:+.0f})"
    return f"{row.prompt}, {row.name} {accuracy} and {loss:+.3f} nats ({least:+.3f} to {most:+.3f})"


def _check_walk(points: Sequence[WalkPoint]) -> None:
    _check(points, "points", "a point of a walk")
    for point in points:
        if not (point.steps > 0 and 0 < point.expected < math.inf and 0 < point.sq_length < math.inf):
            raise ValueError(f"`points` must have walked, and to a finite distance, got {point}: leave it out.")


def _check(rows: Sequence[Any], argument: str, what: str) -> None:
    if not rows:
        raise ValueError(f"`{argument}` must hold at least one, got none: measure {what} first.")
