"""What was measured beside a formula that does not hold: a row for each, in units of what holds."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from mezo_lab.claims import Verdict
from mezo_lab.report.figures import deviation, style

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["comparison_alt_text", "comparison_figure"]

_FRAME = 1.2  # inches for axes and legend
_ROW = 0.3  # inches
_EDGES = (-1.0, 1.0)  # shares of what holds; a value beyond them is an arrow


def comparison_figure(rows: Mapping[str, Verdict]) -> "Figure":
    """The mean of each verdict, dashed what holds, and dotted the value of its first decoy.

    Args: rows: the wrong formula in words → a verdict whose first decoy it is; the claims may differ.
    Returns: a matplotlib `Figure` that needs no display. Raises: ValueError when there is nothing to compare.
    """
    _check_rows(rows)
    figure = style.new_figure(_FRAME + _ROW * len(rows))
    axes = figure.add_subplot()
    axes.axvline(0, label="what holds", **style.THEORY)
    for row, verdict in enumerate(rows.values()):
        wrong = deviation.relative(verdict.decoys[0].expected, verdict.expected)
        at, arrow = deviation.clipped(wrong, _EDGES)
        axes.plot([at, at], [row - 0.35, row + 0.35], **style.decoy("", [""]))
        axes.plot(at, row, marker=arrow, color=style.GREY, clip_on=False)
        mean = deviation.relative(verdict.estimate.mean, verdict.expected)
        axes.errorbar(mean, row, xerr=deviation.relative_bar(verdict), **style.estimate(verdict.law))
    axes.plot([], [], label="printed, or tempting (▶ farther)", **style.decoy("", [""]))
    name = f"mean of the draws ± {style.BARS:g} standard errors"
    axes.errorbar([], [], xerr=[], label=name, **style.estimate("gaussian"))
    axes.set_yticks(range(len(rows)), list(rows))
    axes.set(xlim=_EDGES, ylim=(len(rows) - 0.4, -0.6), xlabel="deviation, as a share of what holds")
    style.despine(axes)
    style.figure_legend(figure)
    return figure


def comparison_alt_text(rows: Mapping[str, Verdict]) -> str:
    """What the figure shows, for those who do not see it. Raises: ValueError when there is nothing to compare."""
    _check_rows(rows)
    told = []
    for name, verdict in rows.items():
        mean = deviation.relative(verdict.estimate.mean, verdict.expected)
        wrong = deviation.relative(verdict.decoys[0].expected, verdict.expected)
        told.append(f"{name}: measured {_percent(mean)}, wrong formula {_percent(wrong)}")
    return f"Dot chart of deviations from what holds, a row for each formula. {'; '.join(told)}."


def _check_rows(rows: Mapping[str, Verdict]) -> None:
    if not rows or not all(verdict.decoys for verdict in rows.values()):
        raise ValueError("`rows` must hold at least one verdict, each with a decoy: check a claim that has one.")


def _percent(share: float) -> str:
    """
    >>> _percent(-0.2021), _percent(1.5), _percent(-1e-4)
    ('−20.2 %', '+150.0 %', '+0.0 %')
    """
    return f"{100 * share:+z.1f} %".replace("-", "−")
