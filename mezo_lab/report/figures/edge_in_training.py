"""The edge of stability during training: η·tr H along runs, with the edge that theory predicts for each Hessian."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mezo_lab.report.figures import style

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["EdgeRun", "edge_training_alt_text", "edge_training_figure"]

_HEIGHT = 5.4  # inches
_MARKS = 7  # along each run, so that runs differ in shape and not in colour alone
_FIRST_ORDER = "decoy: η = 2/λ_max, the edge of gradient descent"


@dataclass(frozen=True)
class EdgeRun:
    """A training at one learning rate, with the curvature that was measured on the way."""

    lr: float
    steps: Sequence[int]
    losses: Sequence[float]
    traces: Sequence[float]
    """tr H."""
    norms: Sequence[float]
    """λ_max."""
    edges: Sequence[float]
    """The largest stable learning rate of the quadratic that the loss is there."""
    diverged: bool

    @property
    def turn(self) -> int:
        """The place of the least loss, which is one of the finite ones."""
        finite = [place for place, loss in enumerate(self.losses) if math.isfinite(loss)]
        return min(finite, key=lambda place: self.losses[place])

    @property
    def of_the_edge(self) -> float:
        """η over the predicted edge, where the loss is least."""
        return self.lr / self.edges[self.turn]

    @property
    def nearest(self) -> float:
        """The largest ratio of η to the predicted edge."""
        return max(self.lr / edge for edge in self.edges)


def edge_training_figure(runs: Sequence[EdgeRun]) -> "Figure":
    """η·tr H against steps, above; the loss, below. The predicted edge is dashed, that of gradient descent dotted.

    Source: claim E6.

    Args: runs: of one network with one number of probes, at least one; at most seven are told apart.
    Returns: a matplotlib `Figure` that needs no display. Raises: ValueError when there is nothing to draw.

    >>> run = EdgeRun(0.1, [0, 10], [1.0, 0.5], [8.0, 9.0], [1.0, 1.0], [0.2, 0.2], False)
    >>> len(edge_training_figure([run]).axes)
    2
    """
    _check_runs(runs)
    figure = style.new_figure(_HEIGHT)
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 2))
    for run, (marker, colour) in zip(runs, style.LAW_STYLES.values(), strict=False):
        look: dict[str, Any] = {"color": colour, "linewidth": 1.0, "marker": marker, "markersize": 4.5, "zorder": 3}
        look["markevery"] = max(1, len(run.steps) // _MARKS)
        end = "diverges" if run.diverged else "trains"
        scaled = [run.lr * trace for trace in run.traces]
        above.plot(run.steps, scaled, label=f"η = {run.lr:g}, which {end}", **look)
        above.plot(run.steps, [edge * trace for edge, trace in zip(run.edges, run.traces, strict=True)], **style.THEORY)
        first_order = [2 * trace / norm for trace, norm in zip(run.traces, run.norms, strict=True)]
        above.plot(run.steps, first_order, **style.decoy(_FIRST_ORDER, [_FIRST_ORDER]))
        below.plot(run.steps, run.losses, **look)
        below.plot(run.steps[run.turn], run.losses[run.turn], "o", color=colour, fillstyle="none", markersize=10)
    above.plot([], [], label="largest stable η there, by the theory", **style.THEORY)
    above.plot([], [], label=_FIRST_ORDER, **style.decoy(_FIRST_ORDER, [_FIRST_ORDER]))
    above.set(yscale="log", ylabel="η·tr H")
    below.set(yscale="log", xlabel="step", ylabel="loss, its least circled")
    for axes in (above, below):
        style.despine(axes)
    style.figure_legend(figure)
    return figure


def edge_training_alt_text(runs: Sequence[EdgeRun]) -> str:
    """What the figure shows, for those who do not see it.

    Raises: ValueError when there is nothing to describe.

    >>> run = EdgeRun(0.1, [0, 10], [1.0, 0.5], [8.0, 9.0], [1.0, 1.0], [0.2, 0.2], False)
    >>> print(edge_training_alt_text([run]))
    Charts of η·tr H and of the loss against steps. η = 0.1 trains, at 0.50 times the predicted edge at most.
    """
    _check_runs(runs)
    return f"Charts of η·tr H and of the loss against steps. {' '.join(map(_told, runs))}"


def _told(run: EdgeRun) -> str:
    if run.diverged:
        return f"η = {run.lr:g} diverges; its loss is least at {run.of_the_edge:.2f} times the predicted edge."
    return f"η = {run.lr:g} trains, at {run.nearest:.2f} times the predicted edge at most."


def _check_runs(runs: Sequence[EdgeRun]) -> None:
    if not runs or not all(any(map(math.isfinite, run.losses)) for run in runs):
        raise ValueError("`runs` must hold at least one run, each with a finite loss, got none: train first.")
