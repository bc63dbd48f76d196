"""Which check catches which defect of a generator of z: a row for each generator and a column for each check."""

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from mezo_lab.claims.wording import number_text
from mezo_lab.report.figures import style

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["defects_alt_text", "defects_figure"]

_FRAME = 0.9  # inches for the names of the checks and the legend
_ROW = 0.24  # inches


def defects_figure(deviations: Mapping[str, Mapping[str, float]]) -> "Figure":
    """A cross with its number of standard errors where a check alarms, a small dot where it does not.

    Args: deviations: generator → check → standard errors, infinite where two z differ that must be one; five alarm.
    Returns: a matplotlib `Figure` that needs no display. Raises: ValueError when there is nothing to draw.
    """
    _check(deviations)
    checks = list(next(iter(deviations.values())))
    figure = style.new_figure(_FRAME + _ROW * len(deviations))
    axes = figure.add_subplot()
    for row, found in enumerate(deviations.values()):
        for column, check in enumerate(checks):
            if abs(found[check]) < style.BARS:
                axes.plot(column, row, ".", markersize=3, color=style.GREY)
                continue
            axes.plot(column - 0.3, row, "x", markersize=5, color=style.LAW_STYLES["rademacher"][1])
            look: dict[str, Any] = {"va": "center", "fontsize": style.SMALL, "color": style.INK}
            axes.annotate(_errors(found[check]), (column - 0.15, row), **look)
    axes.plot([], [], "x", markersize=5, color=style.LAW_STYLES["rademacher"][1], label="alarm: standard errors")
    axes.plot([], [], ".", markersize=3, color=style.GREY, label="no alarm")
    axes.set_xticks(range(len(checks)), checks)
    axes.set_yticks(range(len(deviations)), list(deviations))
    axes.set(xlim=(-0.5, len(checks) - 0.4), ylim=(len(deviations) - 0.4, -0.6))
    axes.xaxis.tick_top()
    style.despine(axes)
    axes.spines[["left", "bottom"]].set_visible(False)
    axes.tick_params(length=0)
    style.figure_legend(figure, columns=2)
    return figure


def _errors(deviation: float) -> str:
    """
    >>> _errors(-92.3), _errors(math.inf)
    ('−92', 'other z')
    """
    if math.isinf(deviation):
        return "other z"
    return number_text(round(deviation), digits=3)


def defects_alt_text(deviations: Mapping[str, Mapping[str, float]]) -> str:
    """What the figure shows, for those who do not see it.

    Raises: ValueError when there is nothing to describe.

    >>> print(defects_alt_text({"climbs": {"one z": math.inf, "scale": -219.6}, "sound": {"one z": 0.0, "scale": 0.4}}))
    Grid of 2 generators and 2 checks. climbs: one z (other z), scale (−220); sound: no alarm.
    """
    _check(deviations)
    told = []
    for name, found in deviations.items():
        alarms = [f"{check} ({_errors(value)})" for check, value in found.items() if abs(value) >= style.BARS]
        told.append(f"{name}: {', '.join(alarms) or 'no alarm'}")
    checks = len(next(iter(deviations.values())))
    return f"Grid of {len(deviations)} generators and {checks} checks. {'; '.join(told)}."


def _check(deviations: Mapping[str, Mapping[str, float]]) -> None:
    if not deviations:
        raise ValueError("`deviations` must hold at least one generator, got none: check one first.")
