"""How many times fewer steps: measured, and as two theories predict it, a row for each kind of direction."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mezo_lab.report.figures import style

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["StepGain", "gains_alt_text", "gains_figure"]

_FRAME = 1.5  # inches for axes and legend
_ROW = 0.3  # inches
_TICK = 0.34  # of a row, above and below its middle
_NAMES = ("predicted by gradient and curvature", "by the cosine alone", "steps saved")


@dataclass(frozen=True)
class StepGain:
    """What directions in a subspace gain over directions in all dimensions."""

    name: str
    """Of the case, as it stands beside the row."""
    by_curvature: float
    """`theory.subspace_gain`."""
    by_cosine: float
    """The ratio of E cos²."""
    measured: float | None
    """The ratio of steps; None where no run arrived."""
    error: float = 0.0
    """Its standard error."""


def gains_figure(gains: Sequence[StepGain]) -> "Figure":
    """The gain measured beside the one predicted from gradient and curvature, dashed, and the cosine's, dotted.

    Source: claim E3.

    Args: gains: at least one, a row each.
    Returns: a matplotlib `Figure` that needs no display. Raises: ValueError when there is nothing to draw.

    >>> gains_figure([StepGain("span of the inputs", 1.0, 8.0, 1.003, 0.004)]).axes[0].get_xscale()
    'log'
    """
    _check_gains(gains)
    figure = style.new_figure(_FRAME + _ROW * len(gains))
    axes = figure.add_subplot()
    look: dict[str, Any] = style.decoy("", [""])
    for row, gain in enumerate(gains):
        ends = [row - _TICK, row + _TICK]
        axes.plot([gain.by_cosine] * 2, ends, **look)
        axes.plot([gain.by_curvature] * 2, ends, **style.THEORY)
        if gain.measured is None:
            place: dict[str, Any] = {"xytext": (6, 0), "textcoords": "offset points", "va": "center"}
            axes.annotate("never arrives", (gain.by_curvature, row), fontsize=style.SMALL, color=style.INK, **place)
        else:
            axes.errorbar(gain.measured, row, xerr=_bar(gain), **style.estimate("gaussian"))
    predicted, decoy, measured = _NAMES
    handles: list[Any] = [
        axes.plot([], [], label=predicted, **style.THEORY)[0],
        axes.errorbar(
            [], [], xerr=[], label=f"{measured}, ± {style.BARS:g} standard errors", **style.estimate("gaussian")
        ),
        axes.plot([], [], label=decoy, **look)[0],
    ]
    axes.set(xscale="log", ylim=(len(gains) - 0.5, -0.6), xlabel="times fewer steps than in all directions")
    axes.set_yticks(range(len(gains)), [gain.name for gain in gains])
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    style.despine(axes)
    style.figure_legend(figure, handles=handles, handlelength=2.6)
    return figure


def gains_alt_text(gains: Sequence[StepGain]) -> str:
    """What the figure shows, for those who do not see it.

    Raises: ValueError when there is nothing to describe.

    >>> gains_alt_text([StepGain("span of the inputs", 1.0, 8.0, 1.003, 0.004)]).split(": ", 1)[1]
    'span of the inputs, measured 1.003 ± 0.004, predicted 1, by the cosine 8.'
    """
    _check_gains(gains)
    told = (
        f"{' '.join(gain.name.split())}, {_measured(gain)}, predicted {gain.by_curvature:.3g},"
        f" by the cosine {gain.by_cosine:.3g}"
        for gain in gains
    )
    return f"Dot chart of how many times fewer steps directions in a subspace take, a row for each: {'; '.join(told)}."


def _measured(gain: StepGain) -> str:
    if gain.measured is None:
        return "never arrives"
    return f"measured {gain.measured:.4g} ± {gain.error:.1g}"


def _bar(gain: StepGain) -> list[list[float]]:
    """The bar's two lengths, alike on the logarithmic axis: the error is taken as that of the logarithm."""
    assert gain.measured is not None
    factor = math.exp(style.BARS * gain.error / gain.measured)
    return [[gain.measured - gain.measured / factor], [gain.measured * factor - gain.measured]]


def _check_gains(gains: Sequence[StepGain]) -> None:
    if not gains:
        raise ValueError("`gains` must hold at least one gain, got none: measure one first.")
