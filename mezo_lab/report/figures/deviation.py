"""How far each sampled mean lies from its theory: a row per law and parameter set."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from mezo_lab.claims import Status, Verdict
from mezo_lab.claims.wording import percent, strength
from mezo_lab.report.figures import style
from mezo_lab.report.labels import setting

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

ROW, FRAME, LINE = 0.26, 0.95, 0.17  # inches
FARTHEST, NEAREST = 1.2, 0.02  # a larger deviation is an arrow at the edge; the axis is never shorter than the smaller
WIDEST, ROOM = 68, 22  # letters: of an axis label that fits a figure, of row labels that leave room for ticks
MARKS = {Status.CONSISTENT: "✓", Status.REFUTED: "✗", Status.UNDERPOWERED: "?"}
NEAR = 0.08  # of the axis: letters that are no farther apart would overlap
LETTERS = "abcdef"  # one for each of a claim's decoys

Edges = tuple[float, float]


def figure(verdicts: Sequence[Verdict]) -> "Figure":
    """Deviations in percent of the theory, those of the decoys too."""
    formulas, edges, names = style.decoy_formulas(verdicts), reach(verdicts), style.varying(verdicts)
    label = axis_label(verdicts, names)
    drawn = style.blank(FRAME + ROW * len(verdicts) + LINE * (len(formulas) + label.count("\n")))
    axes = drawn.add_subplot()
    for row, verdict in enumerate(verdicts):
        draw_decoys(axes, row, verdict, formulas, edges)
        draw_estimate(axes, row, verdict, edges)
    axes.axvline(0, **style.THEORY)
    axes.set(xlim=edges, ylim=(len(verdicts) - 0.4, -0.6), xlabel=label)
    axes.xaxis.set_major_formatter(lambda share, _: signed(share) or style.stated_by(verdicts[0]))
    rows = [row_label(verdict, names) for verdict in verdicts]
    axes.locator_params(axis="x", nbins=6 if max(map(len, rows)) < ROOM else 3)
    axes.set_yticks(range(len(verdicts)), rows)
    style.quiet(axes)
    style.legend(axes, verdicts, formulas, LETTERS)
    return drawn


def relative(mean: float, expected: float) -> float:
    """(mean − expected)/|expected|: what is below a bound is left of it, whatever its sign.

    >>> relative(-3.0, -4.0), relative(0.5, 0.0)
    (0.25, 0.5)
    """
    return (mean - expected) / (abs(expected) or 1.0)  # a theory of 0 has no scale of its own


def reach(verdicts: Sequence[Verdict]) -> Edges:
    """The ends of the axis: all that is drawn, as far as `FARTHEST`."""
    decoys = [relative(d.expected, v.expected) for v in verdicts for d in v.decoys if style.is_drawn(d, v)]
    means = [relative(v.estimate.mean, v.expected) for v in verdicts]
    bars = [mean + side * bar(verdict) for mean, verdict in zip(means, verdicts, strict=True) for side in (-1, 1)]
    left, right = min(-NEAREST, *decoys, *bars), max(NEAREST, *decoys, *bars)
    margin = 0.1 * (min(right, FARTHEST) - max(left, -FARTHEST))
    return max(left - margin, -FARTHEST), min(right + margin, FARTHEST)


def bar(verdict: Verdict) -> float:
    return style.BARS * verdict.estimate.standard_error / (abs(verdict.expected) or 1.0)


def draw_estimate(axes: "Axes", row: int, verdict: Verdict, edges: Edges) -> None:
    at, arrow = within(relative(verdict.estimate.mean, verdict.expected), edges)
    look = style.estimate(verdict.law)
    if arrow:
        axes.plot(at, row, marker=arrow, color=look["color"], clip_on=False)
    else:
        axes.errorbar(at, row, xerr=bar(verdict), **look)
    place: dict[str, Any] = {"xycoords": ("axes fraction", "data"), "va": "center"}
    told = f"{strength(verdict)} {MARKS[verdict.status]}"
    axes.annotate(told, (1.03, row), fontsize=style.SMALL, color=style.INK, **place)


def draw_decoys(axes: "Axes", row: int, verdict: Verdict, formulas: Sequence[str], edges: Edges) -> None:
    letters: dict[tuple[float, str], str] = {}  # (place, arrow) → which decoys are there
    for decoy in (decoy for decoy in verdict.decoys if style.is_drawn(decoy, verdict)):
        at, arrow = within(relative(decoy.expected, verdict.expected), edges)
        if arrow:
            axes.plot(at, row, marker=arrow, color=style.GREY, clip_on=False)
        else:
            axes.plot([at, at], [row - 0.38, row + 0.38], **style.decoy(decoy.statement, formulas))
        letters[at, arrow] = letters.get((at, arrow), "") + LETTERS[formulas.index(decoy.statement)]
    for (at, arrow), told in apart(letters, NEAR * (edges[1] - edges[0])).items():
        # letters look away from the theory, unless the end of the axis is there
        outwards = (at > 0) != bool(arrow)
        place: dict[str, Any] = {"textcoords": "offset points", "va": "center", "ha": "left" if outwards else "right"}
        shift = (3 if outwards else -3) * (2 if arrow else 1)
        axes.annotate(told, (at, row), (shift, 0), fontsize=style.SMALL, color=style.GREY, **place)


def apart(letters: dict[tuple[float, str], str], near: float) -> dict[tuple[float, str], str]:
    """The letters of decoys that lie near each other run together, in their order, at the one farthest from theory.

    >>> apart({(0.5, ""): "a", (0.52, ""): "b", (-0.5, ""): "c"}, near=0.1)
    {(-0.5, ''): 'c', (0.52, ''): 'ab'}
    >>> apart({(-0.5, ""): "a", (-0.52, ""): "b"}, near=0.1)
    {(-0.52, ''): 'ba'}
    """
    told: dict[tuple[float, str], str] = {}
    for place in sorted(letters):
        before = max(told, default=(-math.inf, ""))
        if place[0] - before[0] > near or place[0] * before[0] < 0:
            told[place] = letters[place]
        else:
            outer = place if place[0] > 0 else before
            told[outer] = told.pop(before) + letters[place]
    return told


def within(deviation: float, edges: Edges) -> tuple[float, str]:
    """Where to draw it, and the arrow that says it lies farther out.

    >>> within(0.5, (-1.0, 1.0)), within(7.0, (-1.0, 1.0))
    ((0.5, ''), (1.0, '>'))
    """
    left, right = edges
    return (left, "<") if deviation < left else (right, ">") if deviation > right else (deviation, "")


def signed(share: float) -> str:
    return f"{'+' if share > 0 else '−'}{percent(abs(share))}" if abs(share) > 1e-12 else ""


def row_label(verdict: Verdict, names: Sequence[str]) -> str:
    """The law, what else varies from row to row (a word needs no name), and ≤ at a bound."""
    given = {name: verdict.parameters[name] for name in names if name in verdict.parameters}
    words = [value if isinstance(value, str) else setting({name: value}) for name, value in given.items()]
    return ", ".join([verdict.law, *words]) + (" ≤" if verdict.relation == "<=" else "")


def axis_label(verdicts: Sequence[Verdict], names: Sequence[str]) -> str:
    fixed = setting({name: given for name, given in verdicts[0].parameters.items() if name not in names})
    subject = f"deviation of the mean from the {style.stated_by(verdicts[0])}"
    where = f"at {fixed}" if fixed else ""
    long = len(subject) + len(where) > WIDEST
    return (",\n" if long else ", ").join(filter(None, [subject, where]))
