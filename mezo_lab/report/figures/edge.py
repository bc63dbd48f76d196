"""The edge of stability as a picture: the loss along runs below, at and above the largest stable learning rate."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mezo_lab.report.figures import style

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["LossPath", "loss_alt_text", "loss_figure"]

_HEIGHT = 3.6  # inches
_HIGHEST = 1e4  # times the first loss: a run that diverges leaves the frame there
_BEYOND = 100 * _HIGHEST  # where lines end that go on, so that no axis overflows
_LOWEST = 1e-4
_MARKS = 6  # along each run, so that runs differ in shape and not in colour alone


@dataclass(frozen=True)
class LossPath:
    """The runs of one learning rate."""

    name: str
    runs: Sequence[Sequence[float]]
    """For each run the loss at the start, and after each step."""
    factor: float
    """What a step leaves of the mean loss, by the theory."""


def loss_figure(paths: Sequence[LossPath]) -> "Figure":
    """The loss against steps, as a share of the first one, with the mean that the theory predicts as a dashed line.

    Source: claims B2, B3 and B6.

    Args: paths: at least one, a learning rate each; at most seven are told apart by their markers.
    Returns: a matplotlib `Figure` that needs no display. Raises: ValueError when there is nothing to draw.

    >>> len(loss_figure([LossPath("half of the edge", [[1.0, 0.5, 0.25]], 0.5)]).axes)
    1
    """
    _check_paths(paths)
    figure = style.new_figure(_HEIGHT)
    axes = figure.add_subplot()
    for path, law in zip(paths, style.LAW_STYLES, strict=False):
        marker, colour = style.LAW_STYLES[law]
        for number, run in enumerate(path.runs):
            look: dict[str, Any] = {"color": colour, "linewidth": 1.0, "marker": marker, "markersize": 5}
            look["markevery"] = max(1, len(run) // _MARKS)
            if number == 0:
                look["label"] = path.name
            axes.plot(range(len(run)), [min(share, _BEYOND) for share in _shares(run)], **look)
        steps = range(max(map(len, path.runs)))
        axes.plot(steps, [_bounded(path.factor, step) for step in steps], **style.THEORY)
    axes.plot([], [], label="mean that the theory predicts", **style.THEORY)
    axes.set(yscale="log", ylim=_limits(paths), xlabel="step", ylabel="loss, of the first one")
    style.despine(axes)
    style.figure_legend(figure, columns=2)
    return figure


def loss_alt_text(paths: Sequence[LossPath]) -> str:
    """What the figure shows, for those who do not see it.

    Raises: ValueError when there is nothing to describe.

    >>> print(loss_alt_text([LossPath("half of the edge", [[2.0, 1.0, 0.5], [2.0, 0.5, 0.25]], 0.5)]))
    Chart of the loss against steps on a logarithmic axis. half of the edge: after 2 steps 0.12 to 0.25 times the first.
    """
    _check_paths(paths)
    told = " ".join(f"{path.name}: {_ends(path)}." for path in paths)
    return f"Chart of the loss against steps on a logarithmic axis. {told}"


def _ends(path: LossPath) -> str:
    ends = [_shares(run)[-1] for run in path.runs]
    steps = len(path.runs[0]) - 1
    return f"after {steps} steps {min(ends):.2g} to {max(ends):.2g} times the first"


def _shares(run: Sequence[float]) -> list[float]:
    return [loss / run[0] for loss in run]


def _bounded(factor: float, step: int) -> float:
    """factor^step, up to where no line is seen."""
    return math.exp(min(step * math.log(factor), math.log(_BEYOND)))


def _limits(paths: Sequence[LossPath]) -> tuple[float, float]:
    """A frame that holds every share between the lowest and the highest that are worth a look."""
    shares = [share for path in paths for run in path.runs for share in _shares(run)]
    low = max(min(shares), _LOWEST)
    high = min(max(shares), _HIGHEST)
    return low / 2, high * 2


def _check_paths(paths: Sequence[LossPath]) -> None:
    if not paths or not all(path.runs for path in paths):
        raise ValueError("`paths` must hold at least one path with a run, got none: run the optimizer first.")
