"""How long a probe is, and what its length does to the estimate of the gradient."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from mezo_lab.report.figures import style
from mezo_lab.report.labels import joined
from mezo_lab.sampling import Estimate, RunningMoments

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["ProbeLengths", "length_scatter", "length_scatter_alt_text", "lengths_alt_text", "lengths_figure"]

_HEIGHT = 3.2  # inches of the histograms
_SCATTER_HEIGHT = 4.0
_BINS = 60
_GROUPS = 8  # of equally many draws, whose means the scatter shows
_DOTS = 1500  # draws that are seen
_SAME = 1e-6  # relative: lengths that differ by rounding only
_TOP = 0.95  # the share of the dots inside the frame, upwards
_LONGEST = 0.998  # and to the right


@dataclass(frozen=True)
class ProbeLengths:
    """Squared lengths ‖z‖² of probes in one dimension, by law."""

    dim: int
    by_law: Mapping[str, Tensor]  # law → (count,)


def lengths_figure(panels: Sequence[ProbeLengths]) -> "Figure":
    """Histograms of ‖z‖²/d beside each other, one panel to a dimension; a law of one length is a line.

    Returns: a matplotlib `Figure` that needs no display. Raises: ValueError without a panel, or without draws in one.

    >>> len(lengths_figure([ProbeLengths(2, {"sphere": torch.full((9,), 2.0)})]).axes)
    1
    """
    _check_panels(panels)
    figure = style.new_figure(_HEIGHT)
    for axes, panel in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels, strict=True):
        for law, lengths in panel.by_law.items():
            _draw_lengths(axes, law, lengths / panel.dim)
        axes.set(xlabel="‖z‖² / d", yticks=[], xlim=(0, 3))
        axes.set_title(f"d = {panel.dim:,}", fontsize=style.SMALL + 1, color=style.INK)
        style.despine(axes)
        axes.spines["left"].set_visible(False)
    handles, labels = figure.axes[0].get_legend_handles_labels()
    style.figure_legend(figure, columns=2, handles=handles, labels=labels)
    return figure


def lengths_alt_text(panels: Sequence[ProbeLengths]) -> str:
    """What the histograms show, for those who do not see them. Raises: ValueError as for the figure.

    >>> lengths_alt_text([ProbeLengths(2, {"sphere": torch.full((9,), 2.0)})])
    'Histograms of ‖z‖²/d. At d = 2: sphere 1.00 ± 0.00.'
    """
    _check_panels(panels)
    told = []
    for panel in panels:
        laws = [
            f"{law} {float(x.mean()) / panel.dim:.2f} ± {float(x.std()) / panel.dim:.2f}"
            for law, x in panel.by_law.items()
        ]
        told.append(f"At d = {panel.dim:,}: {joined(laws)}.")
    return " ".join(["Histograms of ‖z‖²/d.", *told])


def length_scatter(dim: int, draws: Mapping[str, tuple[Tensor, Tensor]]) -> "Figure":
    """‖ĝ‖²/‖g‖² against ‖z‖², draw by draw, with means of groups on the parabola ‖z‖⁴/d, and each law's mean.

    Args:
        dim: d.
        draws: law → (‖z‖², ‖ĝ‖²/‖g‖²), each (count,), of single probes.
    Returns: a matplotlib `Figure` that needs no display. Raises: ValueError without draws.

    >>> len(length_scatter(2, {"sphere": (torch.full((9,), 2.0), torch.ones(9))}).axes)
    1
    """
    _check_draws(draws)
    figure = style.new_figure(_SCATTER_HEIGHT)
    axes = figure.add_subplot()
    longest = max(float(torch.quantile(lengths.double(), _LONGEST)) for lengths, _ in draws.values())
    for law, (lengths, norms) in draws.items():
        _draw_scatter(axes, law, lengths, norms)
        axes.plot(longest, float(norms.mean()), **_mean_look(law))
    x = torch.linspace(0, longest, 100)
    axes.plot(x.tolist(), (x**2 / dim).tolist(), label="theory: the mean at this length is ‖z‖⁴/d", **style.THEORY)
    top = max(float(torch.quantile(norms, _TOP)) for _, norms in draws.values())
    axes.set(xlabel="‖z‖²", ylabel="‖ĝ‖² / ‖g‖²", xlim=(0, 1.03 * longest), ylim=(0, top))
    style.despine(axes)
    style.figure_legend(figure)
    return figure


def length_scatter_alt_text(dim: int, draws: Mapping[str, tuple[Tensor, Tensor]]) -> str:
    """What the scatter shows, for those who do not see it. Raises: ValueError without draws.

    >>> length_scatter_alt_text(2, {"sphere": (torch.full((9,), 2.0), torch.ones(9))})
    'Scatter of ‖ĝ‖²/‖g‖² against ‖z‖² at d = 2 around the parabola ‖z‖⁴/d: sphere, ‖z‖² from 2 to 2, mean 1.'
    """
    _check_draws(draws)
    told = []
    for law, (lengths, norms) in draws.items():
        shortest, longest = _range([lengths])
        told.append(f"{law}, ‖z‖² from {shortest:.3g} to {longest:.3g}, mean {float(norms.mean()):.3g}")
    return f"Scatter of ‖ĝ‖²/‖g‖² against ‖z‖² at d = {dim} around the parabola ‖z‖⁴/d: {'; '.join(told)}."


def _check_panels(panels: Sequence[ProbeLengths]) -> None:
    if not panels or not all(panel.by_law for panel in panels):
        raise ValueError("`panels` must hold at least one panel, each with a law, got none: draw some probes first.")


def _check_draws(draws: Mapping[str, tuple[Tensor, Tensor]]) -> None:
    if not draws:
        raise ValueError("`draws` must hold at least one law, got none: draw some probes first.")


def _draw_lengths(axes: "Axes", law: str, shares: Tensor) -> None:
    _, colour = style.LAW_STYLES[law]
    if float(shares.max() - shares.min()) < _SAME * float(shares.max()):  # one length has no histogram
        axes.axvline(float(shares[0]), color=colour, linewidth=2.2, label=f"{law}: one length")
        return
    look: dict[str, Any] = {"histtype": "stepfilled", "alpha": 0.55, "color": colour, "edgecolor": style.INK}
    axes.hist(shares.tolist(), bins=_BINS, range=(0, 3), label=law, **look)


def _draw_scatter(axes: "Axes", law: str, lengths: Tensor, norms: Tensor) -> None:
    marker, colour = style.LAW_STYLES[law]
    dots: dict[str, Any] = {"s": 6, "alpha": 0.3, "linewidths": 0, "zorder": 1}
    axes.scatter(lengths[:_DOTS].tolist(), norms[:_DOTS].tolist(), marker=marker, color=colour, **dots)
    means = _group_means(lengths, norms)
    look: dict[str, Any] = style.estimate(law) | {"markeredgecolor": style.INK}
    bars = [style.BARS * mean.standard_error for _, mean in means]
    axes.errorbar([x for x, _ in means], [mean.mean for _, mean in means], yerr=bars, **look)
    mean = float(norms.mean())
    axes.axhline(mean, color=colour, linewidth=1.2, linestyle="-.", zorder=2)
    axes.plot([], [], label=f"{law}: mean of all draws {mean:.1f}", **_mean_look(law))


def _mean_look(law: str) -> dict[str, Any]:
    """A dashed and dotted line that carries the marker of its law, in case its colour is not seen."""
    marker, colour = style.LAW_STYLES[law]
    marks = {"marker": marker, "markersize": 7, "markeredgecolor": style.INK, "zorder": 4}
    return {"color": colour, "linewidth": 1.2, "linestyle": "-."} | marks


def _group_means(lengths: Tensor, norms: Tensor) -> list[tuple[float, Estimate]]:
    """(length, mean norm) of groups of draws of similar length; of one length there is one group.

    The length is ‖z‖² as the root of the mean of ‖z‖⁴, at which the group lies on the parabola however wide it is.
    """
    order = lengths.argsort()
    groups = _GROUPS
    if float(lengths.max() - lengths.min()) < _SAME * float(lengths.max()):
        groups = 1
    chunks = order.chunk(groups)
    return [(_root_mean_square(lengths[chunk]), RunningMoments.of(norms[chunk]).estimate()) for chunk in chunks]


def _root_mean_square(values: Tensor) -> float:
    return float(values.double().square().mean().sqrt())


def _range(lengths: Sequence[Tensor]) -> tuple[float, float]:
    """The shortest and the longest squared length."""
    return min(float(x.min()) for x in lengths), max(float(x.max()) for x in lengths)
