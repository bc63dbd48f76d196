"""How far each sampled mean lies from its theory: a row per law and parameter set."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from mezo_lab.claims import Verdict
from mezo_lab.claims.wording import percent_text
from mezo_lab.report.figures import style
from mezo_lab.report.labels import DECOY_LETTERS, MARKS, setting

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["clipped", "deviation_figure", "relative", "relative_bar"]

_ROW = 0.26  # inches for a verdict
_MARGIN = 9  # points behind the axis, on whose end half an arrow of 6 points may lie
_FRAME = 0.95  # inches for the axis and its label
_LINE = 0.17  # inches for a line of the legend
_FARTHEST = 1.2  # a larger deviation is an arrow at the edge
_NEAREST = 0.02  # the axis is never shorter than this
_WIDEST = 68  # letters of an axis label that fits a figure,
_SHARED = 77  # and of one with the row labels beside its axis, under whose middle it stands
_ROOM = 22  # letters of row labels that leave room for ticks
_NEAR = 0.08  # of the axis: letters that are no farther apart would overlap

_Edges = tuple[float, float]
_Place = tuple[float, str]
"""Where on the axis, and which arrow at its edge ("" inside it)."""


def deviation_figure(verdicts: Sequence[Verdict]) -> "Figure":
    """The deviations of means and decoys, in percent of the theory."""
    formulas = style.decoy_formulas(verdicts)
    edges = _edges(verdicts)
    names = style.varying(verdicts)
    rows = [_row_label(verdict, _distinguishing(verdict, verdicts, names)) for verdict in verdicts]
    label = _axis_label(verdicts, names, room=min(_WIDEST, _SHARED - max(map(len, rows))))
    figure = style.new_figure(_FRAME + _ROW * len(verdicts) + _LINE * (len(formulas) + label.count("\n")))
    axes = figure.add_subplot()
    for row, verdict in enumerate(verdicts):
        _draw_decoys(axes, row, verdict, formulas, edges)
        _draw_estimate(axes, row, verdict, edges)
    _write_margin(axes, verdicts)
    axes.axvline(0, **style.THEORY)
    axes.set(xlim=edges, ylim=(len(verdicts) - 0.4, -0.6), xlabel=label)
    axes.xaxis.set_major_formatter(lambda share, _: _signed(share) or style.reference_name(verdicts[0]))
    crowded = max(map(len, rows)) >= _ROOM
    axes.locator_params(axis="x", nbins=3 if crowded else 6)
    axes.set_yticks(range(len(verdicts)), rows)
    style.despine(axes)
    style.verdict_legend(axes, verdicts, formulas, DECOY_LETTERS)
    return figure


def relative(mean: float, expected: float) -> float:
    """(mean − expected)/|expected|: a mean below a bound lies to its left, whatever the sign of the bound.

    >>> relative(-3.0, -4.0), relative(0.5, 0.0)
    (0.25, 0.5)
    """
    return (mean - expected) / (abs(expected) or 1.0)  # a theory of 0 has no scale of its own


def relative_bar(verdict: Verdict) -> float:
    """The length of an error bar on one side, in units of the theory."""
    return style.BARS * verdict.estimate.standard_error / (abs(verdict.expected) or 1.0)


def clipped(deviation: float, edges: _Edges) -> _Place:
    """A deviation moved onto the axis, and the arrow that marks one which lies farther out.

    >>> clipped(0.5, (-1.0, 1.0)), clipped(7.0, (-1.0, 1.0))
    ((0.5, ''), (1.0, '>'))
    """
    left, right = edges
    if deviation < left:
        return left, "<"
    if deviation > right:
        return right, ">"
    return deviation, ""


def _edges(verdicts: Sequence[Verdict]) -> _Edges:
    """The ends of the axis: all that is drawn, as far as `_FARTHEST`."""
    deviations = [-_NEAREST, _NEAREST]
    for verdict in verdicts:
        mean = relative(verdict.estimate.mean, verdict.expected)
        deviations += [mean - relative_bar(verdict), mean + relative_bar(verdict)]
        decoys = [decoy for decoy in verdict.decoys if style.has_own_value(decoy, verdict)]
        deviations += [relative(decoy.expected, verdict.expected) for decoy in decoys]
    left = min(deviations)
    right = max(deviations)
    margin = 0.1 * (min(right, _FARTHEST) - max(left, -_FARTHEST))
    return max(left - margin, -_FARTHEST), min(right + margin, _FARTHEST)


def _draw_estimate(axes: "Axes", row: int, verdict: Verdict, edges: _Edges) -> None:
    x, arrow = clipped(relative(verdict.estimate.mean, verdict.expected), edges)
    look = style.estimate(verdict.law)
    if arrow:
        axes.plot(x, row, marker=arrow, color=look["color"], clip_on=False)
    else:
        axes.errorbar(x, row, xerr=relative_bar(verdict), **look)


def _write_margin(axes: "Axes", verdicts: Sequence[Verdict]) -> None:
    """Right of each row what its draws say; the head says that it is a distance, or each row where only some are."""
    look: dict[str, Any] = {"fontsize": style.SMALL, "color": style.INK}
    look |= {
        "xytext": (_MARGIN, 0),
        "textcoords": "offset points",
    }  # on a narrow axis too it clears the arrow at the end
    headed = all(verdict.has_z_score for verdict in verdicts)
    if headed:
        axes.annotate("distance", (1.0, 1.0), xycoords="axes fraction", va="bottom", **look)
    for row, verdict in enumerate(verdicts):
        name = "distance " if verdict.has_z_score and not headed else ""
        text = f"{name}{verdict.strength} {MARKS[verdict.status]}"
        axes.annotate(text, (1.0, row), xycoords=("axes fraction", "data"), va="center", **look)


def _draw_decoys(axes: "Axes", row: int, verdict: Verdict, formulas: Sequence[str], edges: _Edges) -> None:
    letters: dict[_Place, str] = {}
    for decoy in verdict.decoys:
        if not style.has_own_value(decoy, verdict):
            continue
        x, arrow = place = clipped(relative(decoy.expected, verdict.expected), edges)
        if arrow:
            axes.plot(x, row, marker=arrow, color=style.GREY, clip_on=False)
        else:
            axes.plot([x, x], [row - 0.38, row + 0.38], **style.decoy(decoy.statement, formulas))
        letters[place] = letters.get(place, "") + DECOY_LETTERS[formulas.index(decoy.statement)]
    for place, text in _apart(letters, _NEAR * (edges[1] - edges[0])).items():
        _annotate_decoys(axes, row, place, text)


def _annotate_decoys(axes: "Axes", row: int, place: _Place, text: str) -> None:
    """Letters on the side away from the theory, unless the end of the axis is there."""
    x, arrow = place
    look: dict[str, Any] = {"fontsize": style.SMALL, "color": style.GREY, "va": "center"}
    distance = 3 + 3 * bool(arrow)  # points
    if (x > 0) != bool(arrow):
        axes.annotate(text, (x, row), (distance, 0), textcoords="offset points", ha="left", **look)
    else:
        axes.annotate(text, (x, row), (-distance, 0), textcoords="offset points", ha="right", **look)


def _apart(letters: dict[_Place, str], near: float) -> dict[_Place, str]:
    """The letters of decoys that lie near each other run together, in their order, at the one farthest from theory.

    >>> _apart({(0.5, ""): "a", (0.52, ""): "b", (-0.5, ""): "c"}, near=0.1)
    {(-0.5, ''): 'c', (0.52, ''): 'ab'}
    >>> _apart({(-0.5, ""): "a", (-0.52, ""): "b"}, near=0.1)
    {(-0.52, ''): 'ba'}
    """
    groups: dict[_Place, str] = {}
    for place in sorted(letters):
        before = max(groups, default=(-math.inf, ""))
        if place[0] - before[0] > near or place[0] * before[0] < 0:
            groups[place] = letters[place]
        else:
            outer = place if place[0] > 0 else before
            groups[outer] = groups.pop(before) + letters[place]
    return groups


def _signed(share: float) -> str:
    """
    >>> _signed(0.5), _signed(-0.02), _signed(0.0)
    ('+50 %', '−2.0 %', '')
    """
    if abs(share) <= 1e-12:
        return ""
    sign = "+" if share > 0 else "−"
    return f"{sign}{percent_text(abs(share))}"


def _distinguishing(verdict: Verdict, verdicts: Sequence[Verdict], names: Sequence[str]) -> list[str]:
    """Of the parameters that vary, its words, and the numbers that vary among the verdicts with these words."""
    words = {name: verdict.parameters[name] for name in names if isinstance(verdict.parameters.get(name), str)}
    alike = [other for other in verdicts if words.items() <= other.parameters.items()]
    return [name for name in names if name in words or name in style.varying(alike)]


def _row_label(verdict: Verdict, names: Sequence[str]) -> str:
    """The law, what else varies from row to row (a word needs no name), and ≤ at a bound."""
    words = [verdict.law]
    for name in names:
        value = verdict.parameters.get(name)
        if isinstance(value, str):
            words.append(value)
        elif value is not None:
            words.append(setting({name: value}))
    if verdict.relation == "<=":
        words[-1] += " ≤"
    return ", ".join(words)


def _axis_label(verdicts: Sequence[Verdict], names: Sequence[str], room: int) -> str:
    fixed = setting({name: value for name, value in verdicts[0].parameters.items() if name not in names})
    subject = f"deviation of the mean from the {style.reference_name(verdicts[0])}"
    if not fixed:
        return subject
    if len(subject) + len(f"at {fixed}") > room:
        subject += ",\n"
    else:
        subject += ", "
    return f"{subject}at {fixed}"
