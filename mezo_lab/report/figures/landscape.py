"""A loss in two dimensions: the paths of optimizers from one start, and estimates of the gradient around it."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from mezo_lab.report.figures import style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["landscape_alt_text", "landscape_figure"]

Loss = Callable[[Tensor], Tensor]
_HEIGHT = 6.4  # inches
_GRID = 80  # points on each side
_CONTOURS = 12
_MARGIN = 0.08  # of the larger side, around the paths
_INNER = 0.985  # estimates beyond this quantile on any side lie outside the frame
# lines that differ in their pattern, markers and lightness
_LOOKS = (
    {"linestyle": "--", "marker": "o", "color": style.INK},
    {"linestyle": "-", "marker": "s", "color": "#2878c8"},
    {"linestyle": "-", "marker": "^", "color": "#c8550f"},
    {"linestyle": ":", "marker": "D", "color": "#8a5fc8"},
)


def landscape_figure(
    loss: Loss, paths: Mapping[str, Tensor], gradient: Tensor, clouds: Mapping[str, Tensor]
) -> "Figure":
    """Contours with paths above, and clouds of estimates around the gradient below.

    Args:
        loss: takes points of shape (…, 2).
        paths: optimizer → points (steps + 1, 2); the first is dashed, as a theory is.
        gradient: (2,).
        clouds: estimator → estimates of that gradient, (count, 2).
    Returns: a matplotlib `Figure` that needs no display.
    Raises: ValueError where a path or a cloud is missing, or lies in another number of dimensions than two.

    >>> bowl = lambda points: points.square().sum(-1)
    >>> figure = landscape_figure(bowl, {"SGD": torch.eye(2)}, torch.ones(2), {"SPSA": torch.eye(2)})
    >>> len(figure.axes)
    2
    """
    _check_drawn(paths, clouds)
    figure = style.new_figure(_HEIGHT)
    above, below = figure.subplots(2, height_ratios=(1.25, 1)).tolist()
    _draw_contours(above, loss, torch.cat(list(paths.values())))
    for look, (name, points) in zip(_LOOKS, paths.items(), strict=False):
        above.plot(*points.T.tolist(), label=name, markersize=3.2, linewidth=1.3, markevery=2, **look)
    start = next(iter(paths.values()))[0].tolist()
    above.annotate("start", start, (0, 7), textcoords="offset points", ha="center", fontsize=style.SMALL)
    above.set(xlabel="first weight", ylabel="second weight")
    _draw_clouds(below, gradient, clouds)
    for axes, scale in ((above, 1), (below, 2.5)):  # the dots of a cloud are too small to compare with
        legend: dict[str, Any] = {"frameon": False, "labelcolor": style.INK, "bbox_to_anchor": (1, 0.5)}
        drawn = axes.legend(fontsize=style.SMALL, loc="center left", markerscale=scale, **legend)
        for handle in drawn.legend_handles:
            handle.set_alpha(1)
        style.despine(axes)
    return figure


def landscape_alt_text(loss: Loss, paths: Mapping[str, Tensor], gradient: Tensor, clouds: Mapping[str, Tensor]) -> str:
    """What the figure shows, for those who do not see it.

    Raises: ValueError as for the figure.

    >>> bowl = lambda points: points.square().sum(-1)
    >>> landscape_alt_text(bowl, {"SGD": torch.eye(2)}, torch.ones(2), {"SPSA": torch.eye(2)})[:75]
    'Contours of a loss of two weights with the paths of SGD, from a loss of 1 t'
    """
    _check_drawn(paths, clouds)
    ends = ", ".join(
        f"{name}, from a loss of {loss(path[0]):.2g} to {loss(path[-1]):.2g}" for name, path in paths.items()
    )
    spreads = ", ".join(f"{name} by {_spread(cloud, gradient):.2g}" for name, cloud in clouds.items())
    return (
        f"Contours of a loss of two weights with the paths of {ends}. Below, clouds of estimates around the gradient, "
        f"which deviate from it, in multiples of its length: {spreads}."
    )


def _check_drawn(paths: Mapping[str, Tensor], clouds: Mapping[str, Tensor]) -> None:
    for name, drawn in (("paths", paths), ("clouds", clouds)):
        if not 1 <= len(drawn) <= len(_LOOKS):
            raise ValueError(f"`{name}` must hold 1 to {len(_LOOKS)} entries, got {len(drawn)}: draw a few at a time.")
        for label, points in drawn.items():
            if points.ndim != 2 or points.shape[1] != 2:
                raise ValueError(
                    f"`{name}` must hold points of shape (count, 2), got {tuple(points.shape)} for {label!r}."
                )


def _spread(cloud: Tensor, gradient: Tensor) -> float:
    """The root mean square of ‖ĝ − g‖/‖g‖."""
    return float((cloud - gradient).square().sum(-1).mean().sqrt() / gradient.norm())


def _draw_contours(axes: "Axes", loss: Loss, points: Tensor) -> None:
    low = points.amin(0)
    high = points.amax(0)
    margin = _MARGIN * float((high - low).max())
    x, y = (torch.linspace(float(low[k]) - margin, float(high[k]) + margin, _GRID, dtype=points.dtype) for k in (0, 1))
    grid = torch.stack(torch.meshgrid(x, y, indexing="xy"), dim=-1)  # (_GRID, _GRID, 2)
    heights = loss(grid.reshape(-1, 2)).reshape(_GRID, _GRID)
    # levels crowd where the loss is small: equal steps of its square root
    levels = torch.linspace(0, 1, _CONTOURS + 1, dtype=points.dtype)[1:] ** 2 * (heights.max() - heights.min())
    look: dict[str, Any] = {"colors": style.GREY, "linewidths": 0.6, "zorder": 0}
    axes.contour(x.tolist(), y.tolist(), heights.tolist(), levels=(levels + heights.min()).tolist(), **look)


def _draw_clouds(axes: "Axes", gradient: Tensor, clouds: Mapping[str, Tensor]) -> None:
    for look, (name, cloud) in zip(_LOOKS[1:] + _LOOKS[:1], clouds.items(), strict=False):
        dots: dict[str, Any] = {"s": 7, "alpha": 0.45, "linewidths": 0}
        axes.scatter(*cloud.T.tolist(), label=name, marker=look["marker"], color=look["color"], **dots)
    arrow: dict[str, Any] = {"arrowprops": {"arrowstyle": "-|>", "color": style.INK, "linewidth": 1.8}}
    tip = (float(gradient[0]), float(gradient[1]))
    axes.annotate("", tip, (0, 0), **arrow)
    axes.annotate("g", tip, (6, 4), textcoords="offset points", fontsize=style.SMALL + 1, color=style.INK)
    cloud = torch.cat(list(clouds.values()))
    ends = torch.tensor([1 - _INNER, _INNER], dtype=cloud.dtype)  # a few far estimates would shrink all others
    low, high = torch.quantile(cloud, ends, dim=0).tolist()
    axes.set(xlim=(min(low[0], 0), max(high[0], 0)), ylim=(min(low[1], 0), max(high[1], 0)))
    axes.set(xlabel="first component of the estimate", ylabel="second component")
