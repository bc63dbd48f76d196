"""Where training diverges: the loss along runs of several learning rates, beside the rate that was predicted."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mezo_lab.report.figures import style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

HEIGHT = 6.0  # inches
BAND = "#d9d9d9"  # of the prediction's error
LAW = "rademacher"  # whose marker a run that trains has


@dataclass(frozen=True)
class RateRun:
    """A run of one learning rate: its losses, the start's first, and whether it blew up."""

    lr: float
    losses: Sequence[float]
    diverged: bool


def divergence_figure(runs: Sequence[RateRun], lr: float, error: float) -> "Figure":
    """Loss by step, and the last loss by learning rate, with the largest stable one that was predicted.

    Args: runs: at least one. lr, error: the predicted rate.
    Returns: a matplotlib `Figure` that needs no display. Raises: ValueError when there is nothing to draw.
    """
    check(runs)
    drawn = style.blank(HEIGHT)
    along, last = drawn.subplots(2).tolist()
    for run in runs:
        draw_run(along, run, lr)
        draw_last(last, run)
    last.axvspan(lr - error, lr + error, color=BAND, zorder=0, linewidth=0)
    last.axvline(lr, **style.THEORY)
    along.set(xlabel="step", ylabel="loss", yscale="log")
    last.set(xlabel="learning rate", ylabel="last loss", xscale="log", yscale="log")
    style.quiet(along)
    style.quiet(last)
    legend(last)
    return drawn


def draw_run(axes: "Axes", run: RateRun, lr: float) -> None:
    line: dict[str, Any] = {"color": style.INK, "linestyle": "-", "linewidth": 1.0}
    end: dict[str, Any] = {"xytext": (4, 0), "va": "center", "textcoords": "offset points", "fontsize": style.SMALL}
    if run.diverged:
        line = {"color": style.GREY, "linestyle": ":", "linewidth": 1.5}
        end |= {"xytext": (0, 8), "ha": "center"}
    axes.plot(range(len(run.losses)), run.losses, **line)
    axes.annotate(times(run.lr / lr), (len(run.losses) - 1, run.losses[-1]), color=style.INK, **end)


def draw_last(axes: "Axes", run: RateRun) -> None:
    axes.errorbar(run.lr, run.losses[-1], **look(run.diverged))


def look(diverged: bool) -> dict[str, Any]:
    if diverged:
        return {"fmt": "x", "markersize": 7, "color": style.GREY, "markeredgewidth": 1.6}
    return style.estimate(LAW)


def legend(axes: "Axes") -> None:
    handles: list[Any] = [
        axes.plot([], [], label="largest stable rate predicted from the curvature, and its error", **style.THEORY)[0],
        axes.errorbar([], [], label="trains", **look(False)),
        axes.errorbar([], [], label="diverged: dotted above", **look(True)),
    ]
    style.key(axes.figure, handles=handles)


def times(ratio: float) -> str:
    """
    >>> times(0.3000001), times(10.0)
    ('0.3 ×', '10 ×')
    """
    return f"{ratio:.2g} ×"


def divergence_alt_text(runs: Sequence[RateRun], lr: float, error: float) -> str:
    """What the figure shows, for those who do not see it.

    Raises: ValueError when there is nothing to tell.

    >>> runs = [RateRun(0.1, [1.0, 0.5], False), RateRun(1.0, [1.0, 20.0], True)]
    >>> divergence_alt_text(runs, lr=0.5, error=0.1).split(": ")[1]
    'at 0.2 × that the loss falls from 1 to 0.5; at 2 × that the loss diverges.'
    """
    check(runs)
    told = [
        f"at {times(run.lr / lr)} that the loss "
        + ("diverges" if run.diverged else f"falls from {run.losses[0]:.2g} to {run.losses[-1]:.2g}")
        for run in runs
    ]
    return (
        f"Loss by step and last loss by learning rate; predicted largest stable rate {lr:.3g} ± {error:.1g}:"
        f" {'; '.join(told)}."
    )


def check(runs: Sequence[RateRun]) -> None:
    if not runs:
        raise ValueError("`runs` must hold at least one run, got none: measure one first.")
