"""A claim along one of its parameters: the sampled mean against it, a panel per law."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Any

import numpy

from mezo_lab.claims import SYMBOLS, Claim, Verdict
from mezo_lab.report.figures import style
from mezo_lab.report.labels import LETTERS, setting
from mezo_lab.sampling import LAWS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLUMNS = 3
PANEL, FRAME, LINE = 2.1, 0.9, 0.17  # inches
DENSE = 49  # points of a curve
LOG_SPAN = 50  # largest over smallest value, from which on the axis is logarithmic


@dataclass(frozen=True)
class Point:
    """Theory and decoys at one value of the parameter."""

    x: float
    theory: float
    decoys: dict[str, float]


def suits(verdicts: Sequence[Verdict], claim: Claim) -> bool:
    """Whether the claim names a parameter, and the verdicts hold several values of it."""
    return claim.sweep is not None and len({verdict.parameters[claim.sweep] for verdict in verdicts}) > 1


def figure(verdicts: Sequence[Verdict], claim: Claim) -> "Figure":
    """Means, theory and decoys against the parameter of the sweep; between the points the claim's own formulas."""
    sweep, formulas = str(claim.sweep), style.decoy_formulas(verdicts)
    others = [name for name in style.varying(verdicts) if name != sweep]
    laws = list(dict.fromkeys(verdict.law for verdict in verdicts))
    columns = min(len(laws), COLUMNS)
    rows = -(-len(laws) // columns)
    drawn = style.blank(FRAME + PANEL * rows + LINE * len(formulas))
    panels = drawn.subplots(rows, columns, sharex=True, sharey=True, squeeze=False).flatten().tolist()
    for axes, law in zip(panels, laws, strict=False):
        for line in lines([verdict for verdict in verdicts if verdict.law == law], sweep):
            draw_line(axes, line, sweep, formulas)
            name_line(axes, line, sweep, others)
        axes.set_title(law, fontsize=style.SMALL + 1, color=style.INK)
        style.quiet(axes)
    for axes in panels[len(laws) :]:
        axes.remove()
    scale(panels[0], verdicts, sweep)
    name_axes(panels[: len(laws)], columns, LETTERS.get(sweep, sweep))
    style.legend(panels[0], verdicts, formulas)
    return drawn


def name_axes(panels: Sequence["Axes"], columns: int, letter: str) -> None:
    """Numbers under the lowest panel of each column, the parameter's name under the middle of the last row."""
    for axes in panels[-columns:]:
        axes.tick_params(labelbottom=True)
    last_row = panels[(len(panels) - 1) // columns * columns :]
    last_row[len(last_row) // 2].set_xlabel(f"{letter}: {SYMBOLS.get(letter, letter)}")
    panels[0].set_ylabel("mean of the draws")


def lines(verdicts: Sequence[Verdict], sweep: str) -> Iterator[list[Verdict]]:
    """The verdicts that differ in the swept parameter only, in its order."""

    def others(verdict: Verdict) -> str:
        return setting({name: given for name, given in verdict.parameters.items() if name != sweep})

    ordered = sorted(verdicts, key=lambda verdict: (others(verdict), verdict.parameters[sweep]))
    return (list(line) for _, line in groupby(ordered, key=others))


def draw_line(axes: "Axes", line: list[Verdict], sweep: str, formulas: Sequence[str]) -> None:
    curve = dense(line, sweep)
    for formula in formulas:
        known = [point for point in curve if formula in point.decoys]
        values = [point.decoys[formula] for point in known]
        axes.plot([point.x for point in known], values, **style.decoy(formula, formulas) | alone(known))
    axes.plot([point.x for point in curve], [point.theory for point in curve], **style.THEORY | alone(curve))
    x, means = [v.parameters[sweep] for v in line], [v.estimate.mean for v in line]
    axes.errorbar(x, means, yerr=[bar(verdict) for verdict in line], **style.estimate(line[0].law))


def alone(points: Sequence[Point]) -> dict[str, Any]:
    """A stroke where a single point would be a line of no length."""
    return {"marker": "_", "markersize": 16} if len(points) == 1 else {}


def bar(verdict: Verdict) -> float:
    return style.BARS * verdict.estimate.standard_error


def name_line(axes: "Axes", line: list[Verdict], sweep: str, names: Sequence[str]) -> None:
    """What tells this line from the others of its panel: under its last point, or beside its only one."""
    last = line[-1]
    told = setting({name: last.parameters[name] for name in names if name in last.parameters})
    at, shift = (last.parameters[sweep], last.estimate.mean), (0, -10) if len(line) > 1 else (10, 0)
    place: dict[str, Any] = {"textcoords": "offset points", "va": "center", "ha": "center" if len(line) > 1 else "left"}
    axes.annotate(told, at, shift, fontsize=style.SMALL, color=style.INK, **place)


def dense(line: list[Verdict], sweep: str) -> list[Point]:
    """The claim's formulas between the sampled values, where it can be asked for them; else at those values only."""
    first, law = line[0], LAWS.get(line[0].law)
    if len(line) == 1 or law is None or first.formula or first.claim.real:
        return [Point(v.parameters[sweep], v.expected, drawn_decoys(v)) for v in line]
    parameters = {name: given for name, given in first.parameters.items() if name != "sampler"}
    values = between([verdict.parameters[sweep] for verdict in line])
    experiments = {x: first.claim.experiment(law, **parameters | {sweep: x}) for x in values}
    return [
        Point(x, at.expected, {decoy.statement: decoy.expected(at) for decoy in at.decoys if not decoy.draw})
        for x, at in experiments.items()
    ]


def drawn_decoys(verdict: Verdict) -> dict[str, float]:
    return {decoy.statement: decoy.expected for decoy in verdict.decoys if style.is_drawn(decoy, verdict)}


def between(values: Sequence[float]) -> list[float]:
    """The values and what lies between them, evenly on their axis; whole numbers stay whole.

    >>> between([2, 5])
    [2, 3, 4, 5]
    """
    space = numpy.geomspace if is_log(values) else numpy.linspace
    filled = space(min(values), max(values), DENSE).tolist()
    whole = all(isinstance(given, int) for given in values)
    return sorted({*values, *(map(round, filled) if whole else filled)})


def nearest_decoys(verdicts: Sequence[Verdict], centre: float) -> list[float]:
    """Of each law the decoy's value that lies nearest to the middle of what is drawn."""
    by_law: dict[str, list[float]] = {}
    for verdict in verdicts:
        by_law.setdefault(verdict.law, []).extend(drawn_decoys(verdict).values())
    return [min(values, key=lambda y: abs(y - centre)) for values in by_law.values() if values]


def is_log(values: Sequence[float]) -> bool:
    return min(values) > 0 and max(values) >= LOG_SPAN * min(values)


def scale(axes: "Axes", verdicts: Sequence[Verdict], sweep: str) -> None:
    """Axes that show every mean, and of the decoys what lies near: a dotted line that leaves the frame is far off.

    Of each law at least the nearest decoy is shown.
    """
    ends = [v.estimate.mean + side * bar(v) for v in verdicts for side in (-1, 1)] + [v.expected for v in verdicts]
    low, high = min(ends), max(ends)
    span = high - low or abs(high) or 1.0
    decoys = [min(max(y, low - span), high + span) for v in verdicts for y in drawn_decoys(v).values()]
    decoys += nearest_decoys(verdicts, (low + high) / 2)
    low, high = min([low, *decoys]), max([high, *decoys])
    axes.set_ylim(low - 0.14 * (high - low), high + 0.06 * (high - low))
    values = sorted({verdict.parameters[sweep] for verdict in verdicts})
    if is_log(values):
        axes.set_xscale("log")
    else:
        axes.set_xticks(values, [f"{given:g}" for given in values])
