"""Where training diverges: the loss along runs of several learning rates, beside the rate that was predicted."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mezo_lab.report.figures import style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["RateRun", "divergence_alt_text", "divergence_figure"]

_HEIGHT = 6.0  # inches
_BAND = "#d9d9d9"  # of the prediction's error
_LAW = "rademacher"  # whose marker a run that trains has


@dataclass(frozen=True)
class RateRun:
    """A run of one learning rate."""

    lr: float
    losses: Sequence[float]
    """The loss at the start, and after each step."""
    diverged: bool


def divergence_figure(runs: Sequence[RateRun], lr: float, error: float) -> "Figure":
    """Loss by step, and the last loss by learning rate, with the largest stable one that was predicted.

    Args:
        runs: at least one.
        lr: the predicted rate.
        error: its error.

    Returns: a matplotlib `Figure` that needs no display. Raises: ValueError when there is nothing to draw.
    """
    _check_runs(runs)
    figure = style.new_figure(_HEIGHT)
    by_step, by_rate = figure.subplots(2).tolist()
    for run in runs:
        _draw_losses(by_step, run, lr)
        by_rate.errorbar(run.lr, run.losses[-1], **_marker(run.diverged))
    by_rate.axvspan(lr - error, lr + error, color=_BAND, zorder=0, linewidth=0)
    by_rate.axvline(lr, **style.THEORY)
    by_step.set(xlabel="step", ylabel="loss", yscale="log")
    by_rate.set(xlabel="learning rate", ylabel="last loss", xscale="log", yscale="log")
    style.despine(by_step)
    style.despine(by_rate)
    _add_legend(by_rate)
    return figure


def divergence_alt_text(runs: Sequence[RateRun], lr: float, error: float) -> str:
    """What the figure shows, for those who do not see it.

    Raises: ValueError when there is nothing to describe.

    >>> runs = [RateRun(0.1, [1.0, 0.5], False), RateRun(1.0, [1.0, 20.0], True)]
    >>> divergence_alt_text(runs, lr=0.5, error=0.1).split(": ")[1]
    'at 0.2 × that the loss falls from 1 to 0.5; at 2 × that the loss diverges.'
    """
    _check_runs(runs)
    outcomes = "; ".join(f"at {_times(run.lr / lr)} that the loss {_outcome(run)}" for run in runs)
    predicted = f"predicted largest stable rate {lr:.3g} ± {error:.1g}"
    return f"Loss by step and last loss by learning rate; {predicted}: {outcomes}."


def _check_runs(runs: Sequence[RateRun]) -> None:
    if not runs:
        raise ValueError("`runs` must hold at least one run, got none: measure one first.")


def _outcome(run: RateRun) -> str:
    if run.diverged:
        return "diverges"
    return f"falls from {run.losses[0]:.2g} to {run.losses[-1]:.2g}"


def _draw_losses(axes: "Axes", run: RateRun, lr: float) -> None:
    line: dict[str, Any] = {"color": style.INK, "linestyle": "-", "linewidth": 1.0}
    end: dict[str, Any] = {"xytext": (4, 0), "va": "center", "textcoords": "offset points", "fontsize": style.SMALL}
    if run.diverged:
        line = {"color": style.GREY, "linestyle": ":", "linewidth": 1.5}
        end |= {"xytext": (0, 8), "ha": "center"}
    axes.plot(range(len(run.losses)), run.losses, **line)
    axes.annotate(_times(run.lr / lr), (len(run.losses) - 1, run.losses[-1]), color=style.INK, **end)


def _marker(diverged: bool) -> dict[str, Any]:
    if diverged:
        return {"fmt": "x", "markersize": 7, "color": style.GREY, "markeredgewidth": 1.6}
    return style.estimate(_LAW)


def _add_legend(axes: "Axes") -> None:
    handles: list[Any] = [
        axes.plot([], [], label="largest stable rate predicted from the curvature, and its error", **style.THEORY)[0],
        axes.errorbar([], [], label="trains", **_marker(False)),
        axes.errorbar([], [], label="diverged: dotted above", **_marker(True)),
    ]
    style.figure_legend(axes.figure, handles=handles)


def _times(ratio: float) -> str:
    """
    >>> _times(0.3000001), _times(10.0)
    ('0.3 ×', '10 ×')
    """
    return f"{ratio:.2g} ×"
