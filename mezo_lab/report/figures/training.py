"""How recorded trainings went: loss and validation accuracy against steps, and against seconds."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mezo_lab.report.figures import style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["TrainingCurve", "training_alt_text", "training_figure"]

_HEIGHT = 5.4  # inches


@dataclass(frozen=True)
class TrainingCurve:
    """One recorded training."""

    name: str
    law: str
    """Law of z, whose marker the run has."""
    seconds_per_step: float
    losses: Sequence[tuple[int, float]]
    """(step, loss of its batch)."""
    accuracies: Sequence[tuple[int, float, float, float]]
    """(step, validation accuracy, both ends of its interval)."""


def training_figure(curves: Sequence[TrainingCurve], reference: float, *, with_losses: bool = True) -> "Figure":
    """Loss above, validation accuracy below; against steps at the left, against seconds at the right.

    Args:
        curves: at least one.
        reference: the accuracy before training, which is a grey line.
        with_losses: draw the upper panels too; a slide has room for the lower ones.
    Returns: a matplotlib `Figure` that needs no display.
    Raises: ValueError when there is nothing to draw.
    """
    _check_curves(curves)
    rows = 1 + with_losses
    figure = style.new_figure(_HEIGHT * rows / 2)
    panels = figure.subplots(rows, 2, sharex="col", sharey="row", squeeze=False)
    for column, unit in enumerate(("step", "seconds of training")):
        accuracy = panels[-1, column]
        for curve in curves:
            scale = curve.seconds_per_step if column else 1.0
            if with_losses:
                _draw_losses(panels[0, column], curve, scale)
            _draw_accuracies(accuracy, curve, scale)
        accuracy.axhline(100 * reference, color=style.GREY, linewidth=1.0, zorder=1)
        accuracy.set_xlabel(unit)
    if with_losses:
        panels[0, 0].set_ylabel("loss of the batch")
    panels[-1, 0].set_ylabel("validation accuracy, %")
    for axes in panels.flat:
        axes.set_xscale("symlog", linthresh=10)
        axes.set_xlim(-1, 1.4 * axes.dataLim.x1)  # room for the last marker
        style.despine(axes)
    _add_legend(panels[-1, 0], curves)
    return figure


def training_alt_text(curves: Sequence[TrainingCurve], reference: float) -> str:
    """What the figure shows, for those who do not see it.

    Raises: ValueError when there is nothing to describe.

    >>> curve = TrainingCurve("MeZO", "gaussian", 2.0, [(1, 0.9), (50, 0.5)], [(50, 0.7, 0.6, 0.8)])
    >>> training_alt_text([curve], 0.5).split(". ")[1]
    'MeZO: loss 0.90 to 0.50, best accuracy 70 % at step 50, after 100 seconds.'
    """
    _check_curves(curves)
    runs = "; ".join(map(_in_words, curves))
    return (
        "Four panels: training loss and validation accuracy against steps and against seconds, on logarithmic axes, "
        f"with the accuracy before training, {100 * reference:.0f} %, as a grey line. {runs}."
    )


def _check_curves(curves: Sequence[TrainingCurve]) -> None:
    if not curves:
        raise ValueError("`curves` must hold at least one training, got none: read one from results/runs first.")


def _in_words(curve: TrainingCurve) -> str:
    step, best, *_ = max(curve.accuracies, key=lambda each: each[1])
    return (
        f"{curve.name}: loss {curve.losses[0][1]:.2f} to {curve.losses[-1][1]:.2f}, best accuracy {100 * best:.0f} % "
        f"at step {step}, after {step * curve.seconds_per_step:.0f} seconds"
    )


def _draw_losses(axes: "Axes", curve: TrainingCurve, scale: float) -> None:
    marker: dict[str, Any] = style.estimate(curve.law)
    line: dict[str, Any] = {"linewidth": 0.9, "marker": marker["fmt"], "markersize": 2.5, "color": marker["color"]}
    axes.plot([scale * step for step, _ in curve.losses], [loss for _, loss in curve.losses], **line)


def _draw_accuracies(axes: "Axes", curve: TrainingCurve, scale: float) -> None:
    ends = [[100 * (value - low), 100 * (high - value)] for _, value, low, high in curve.accuracies]
    places = [scale * step for step, *_ in curve.accuracies]
    values = [100 * value for _, value, *_ in curve.accuracies]
    axes.errorbar(places, values, yerr=list(zip(*ends, strict=True)), **style.estimate(curve.law))


def _add_legend(axes: "Axes", curves: Sequence[TrainingCurve]) -> None:
    handles: list[Any] = [
        axes.errorbar([], [], yerr=[], label=curve.name, **style.estimate(curve.law)) for curve in curves
    ]
    handles += axes.plot([], [], label="before training, on the test", color=style.GREY, linewidth=1.0)
    style.figure_legend(axes.figure, handles=handles, columns=2)
