"""A claim along one of its parameters: the sampled mean against it, a panel per law."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Any

import numpy

from mezo_lab.claims import SYMBOLS, Claim, Verdict
from mezo_lab.report.figures import style
from mezo_lab.report.labels import PARAMETER_LETTERS, setting
from mezo_lab.sampling import LAWS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["has_sweep", "sweep_figure"]

_COLUMNS = 3
_NAMED_COLUMNS = 2  # where the names of lines stand in the panels
_PANEL = 2.1  # inches for a row of panels
_FRAME = 0.9  # inches for axes and labels
_LINE = 0.17  # inches for a line of the legend
_DENSE = 49  # points of a curve
_LOG_SPAN = 50  # largest over smallest value, from which on the axis is logarithmic


@dataclass(frozen=True)
class _Point:
    """Theory and decoys at one value of the parameter."""

    x: float
    theory: float
    decoys: dict[str, float]


def has_sweep(verdicts: Sequence[Verdict], claim: Claim) -> bool:
    """Whether the claim names a parameter, and the verdicts hold several values of it and one observable.

    Where a parameter is a word that differs, as of what is measured, the means have no axis in common.
    """
    if claim.sweep is None:
        return False
    words = {name for verdict in verdicts for name, value in verdict.parameters.items() if isinstance(value, str)}
    return words.isdisjoint(style.varying(verdicts)) and len({v.parameters[claim.sweep] for v in verdicts}) > 1


def sweep_figure(verdicts: Sequence[Verdict], claim: Claim) -> "Figure":
    """Means, theory and decoys against the parameter of the sweep; between the points the claim's own formulas."""
    sweep = str(claim.sweep)
    formulas = style.decoy_formulas(verdicts)
    others = [name for name in style.varying(verdicts) if name != sweep]
    laws = list(dict.fromkeys(verdict.law for verdict in verdicts))
    columns = min(len(laws), _NAMED_COLUMNS if others else _COLUMNS)
    rows = -(-len(laws) // columns)
    figure = style.new_figure(_FRAME + _PANEL * rows + _LINE * len(formulas))
    panels = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False).flatten().tolist()
    for axes, law in zip(panels, laws, strict=False):
        for line in _lines([verdict for verdict in verdicts if verdict.law == law], sweep):
            _draw_line(axes, line, sweep, formulas)
            _name_line(axes, line, sweep, others)
        axes.set_title(law, fontsize=style.SMALL + 1, color=style.INK)
        style.despine(axes)
    for axes in panels[len(laws) :]:
        axes.remove()
    _scale_axes(panels[0], verdicts, sweep)
    _label_axes(panels[: len(laws)], columns, PARAMETER_LETTERS.get(sweep, sweep))
    style.verdict_legend(panels[0], verdicts, formulas)
    return figure


def _label_axes(panels: Sequence["Axes"], columns: int, letter: str) -> None:
    """Numbers under the lowest panel of each column, the parameter's name under the middle of the last row."""
    for axes in panels[-columns:]:
        axes.tick_params(labelbottom=True)
    last_row = panels[(len(panels) - 1) // columns * columns :]
    last_row[len(last_row) // 2].set_xlabel(f"{letter}: {SYMBOLS.get(letter, letter)}")
    panels[0].set_ylabel("mean of the draws")


def _lines(verdicts: Sequence[Verdict], sweep: str) -> Iterator[list[Verdict]]:
    """The verdicts that differ in the swept parameter only, in its order."""

    def others(verdict: Verdict) -> str:
        return setting({name: value for name, value in verdict.parameters.items() if name != sweep})

    ordered = sorted(verdicts, key=lambda verdict: (others(verdict), verdict.parameters[sweep]))
    return (list(line) for _, line in groupby(ordered, key=others))


def _draw_line(axes: "Axes", line: list[Verdict], sweep: str, formulas: Sequence[str]) -> None:
    curve = _curve(line, sweep)
    for formula in formulas:
        points = [point for point in curve if formula in point.decoys]
        values = [point.decoys[formula] for point in points]
        axes.plot([point.x for point in points], values, **style.decoy(formula, formulas) | _stroke(points))
    axes.plot([point.x for point in curve], [point.theory for point in curve], **style.THEORY | _stroke(curve))
    x = [verdict.parameters[sweep] for verdict in line]
    means = [verdict.estimate.mean for verdict in line]
    axes.errorbar(x, means, yerr=[_bar(verdict) for verdict in line], **style.estimate(line[0].law))


def _stroke(points: Sequence[_Point]) -> dict[str, Any]:
    """A marker for a single point, which would be a line of no length."""
    return {"marker": "_", "markersize": 16} if len(points) == 1 else {}


def _bar(verdict: Verdict) -> float:
    return style.BARS * verdict.estimate.standard_error


def _name_line(axes: "Axes", line: list[Verdict], sweep: str, names: Sequence[str]) -> None:
    """The parameters in which lines of a panel differ: under the last point of the line, or beside its only one."""
    last = line[-1]
    text = setting({name: last.parameters[name] for name in names if name in last.parameters})
    place: dict[str, Any] = {"xytext": (10, 0), "ha": "left"}
    if len(line) > 1:
        place = {"xytext": (0, -10), "ha": "center"}
    place |= {"textcoords": "offset points", "va": "center", "fontsize": style.SMALL, "color": style.INK}
    axes.annotate(text, (last.parameters[sweep], last.estimate.mean), **place)


def _curve(line: list[Verdict], sweep: str) -> list[_Point]:
    """The claim's formulas between the sampled values, where they can be evaluated; else at those values only."""
    first = line[0]
    law = LAWS.get(first.law)
    if len(line) == 1 or law is None or first.formula or first.claim.real:
        return [_Point(v.parameters[sweep], v.expected, _decoy_values(v)) for v in line]
    parameters = {name: value for name, value in first.parameters.items() if name != "sampler"}
    curve = []
    for x in _between([verdict.parameters[sweep] for verdict in line]):
        experiment = first.claim.experiment(law, **parameters | {sweep: x})
        formulas = [decoy for decoy in experiment.decoys if not decoy.draw]
        decoys = {decoy.statement: decoy.expected(experiment) for decoy in formulas}
        curve.append(_Point(x, experiment.expected, decoys))
    return curve


def _decoy_values(verdict: Verdict) -> dict[str, float]:
    return {decoy.statement: decoy.expected for decoy in verdict.decoys if style.has_own_value(decoy, verdict)}


def _between(values: Sequence[float]) -> list[float]:
    """The values and what lies between them, evenly on their axis; whole numbers stay whole.

    >>> _between([2, 5])
    [2, 3, 4, 5]
    """
    if _is_log(values):
        grid = numpy.geomspace(min(values), max(values), _DENSE).tolist()
    else:
        grid = numpy.linspace(min(values), max(values), _DENSE).tolist()
    if all(isinstance(value, int) for value in values):
        grid = map(round, grid)
    return sorted({*values, *grid})


def _nearest_decoys(verdicts: Sequence[Verdict], centre: float) -> list[float]:
    """For each law, the decoy's value that lies nearest to the middle of the means."""
    by_law: dict[str, list[float]] = {}
    for verdict in verdicts:
        by_law.setdefault(verdict.law, []).extend(_decoy_values(verdict).values())
    return [min(values, key=lambda y: abs(y - centre)) for values in by_law.values() if values]


def _is_log(values: Sequence[float]) -> bool:
    return min(values) > 0 and max(values) >= _LOG_SPAN * min(values)


def _scale_axes(axes: "Axes", verdicts: Sequence[Verdict], sweep: str) -> None:
    """Axes that show every mean, and the decoys that lie near: a dotted line that leaves the frame is far off.

    For each law at least the nearest decoy is shown.
    """
    ends = [verdict.expected for verdict in verdicts]
    for verdict in verdicts:
        ends += [verdict.estimate.mean - _bar(verdict), verdict.estimate.mean + _bar(verdict)]
    low = min(ends)
    high = max(ends)
    span = high - low or abs(high) or 1.0
    decoys = [min(max(y, low - span), high + span) for v in verdicts for y in _decoy_values(v).values()]
    decoys += _nearest_decoys(verdicts, (low + high) / 2)
    low = min([low, *decoys])
    high = max([high, *decoys])
    axes.set_ylim(low - 0.14 * (high - low), high + 0.06 * (high - low))
    values = sorted({verdict.parameters[sweep] for verdict in verdicts})
    if _is_log(values):
        axes.set_xscale("log")
    else:
        axes.set_xticks(values, [f"{value:g}" for value in values])
