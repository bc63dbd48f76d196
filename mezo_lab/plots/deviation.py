"""How far each sampled mean lies from its theory: a row per law and parameter set."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from mezo_lab.claims import Status, Verdict
from mezo_lab.plots.labels import percent, score, setting
from mezo_lab.plots.style import BARS, GREY, INK, SMALL, THEORY, blank, decoy_formulas, decoy_style, estimate_style
from mezo_lab.plots.style import is_drawn, legend, quiet, stated_by, varying

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

ROW, FRAME, LINE = 0.26, 0.95, 0.17  # inches
FARTHEST = 1.2  # a larger deviation is an arrow at the edge
NEAREST = 0.02  # the least that is shown on either side
MARKS = {Status.CONSISTENT: "✓", Status.REFUTED: "✗", Status.UNDERPOWERED: "?"}
LETTERS = "abcdef"  # one for each of a claim's decoys


def figure(verdicts: Sequence[Verdict]) -> "Figure":
    """Deviations in percent of the theory, those of the decoys too."""
    formulas, edges = decoy_formulas(verdicts), reach(verdicts)
    drawn = blank(FRAME + ROW * len(verdicts) + LINE * len(formulas))
    axes = drawn.add_subplot()
    for row, verdict in enumerate(verdicts):
        draw_decoys(axes, row, verdict, formulas, edges)
        draw_estimate(axes, row, verdict, edges)
    axes.axvline(0, **THEORY)
    axes.set(xlim=edges, ylim=(len(verdicts) - 0.4, -0.6), xlabel=axis_label(verdicts))
    axes.xaxis.set_major_formatter(lambda share, _: signed(share) or stated_by(verdicts[0]))
    axes.locator_params(axis="x", nbins=6)
    axes.set_yticks(range(len(verdicts)), [row_label(verdict, varying(verdicts)) for verdict in verdicts])
    quiet(axes)
    legend(axes, verdicts, formulas, LETTERS)
    return drawn


def relative(mean: float, expected: float) -> float:
    """(mean − expected)/|expected|: what is below a bound is left of it, whatever its sign."""
    return (mean - expected) / (abs(expected) or 1.0)  # a theory of 0 has no scale of its own


def reach(verdicts: Sequence[Verdict]) -> tuple[float, float]:
    """The ends of the axis: all that is drawn, as far as `FARTHEST`."""
    decoys = [relative(d.expected, v.expected) for v in verdicts for d in v.decoys if is_drawn(d, v)]
    means = [relative(v.estimate.mean, v.expected) for v in verdicts]
    bars = [mean + side * bar(verdict) for mean, verdict in zip(means, verdicts, strict=True) for side in (-1, 1)]
    left, right = min(-NEAREST, *decoys, *bars), max(NEAREST, *decoys, *bars)
    margin = 0.1 * (min(right, FARTHEST) - max(left, -FARTHEST))
    return max(left - margin, -FARTHEST), min(right + margin, FARTHEST)


def bar(verdict: Verdict) -> float:
    return BARS * verdict.estimate.standard_error / (abs(verdict.expected) or 1.0)


def draw_estimate(axes: "Axes", row: int, verdict: Verdict, edges: tuple[float, float]) -> None:
    at, arrow = within(relative(verdict.estimate.mean, verdict.expected), edges)
    style = estimate_style(verdict.law)
    if arrow:
        axes.plot(at, row, marker=arrow, color=style["color"], clip_on=False)
    else:
        axes.errorbar(at, row, xerr=bar(verdict), **style)
    text = f"z = {score(verdict.z_score)} {MARKS[verdict.status]}"
    axes.annotate(text, (1.03, row), xycoords=("axes fraction", "data"), va="center", fontsize=SMALL, color=INK)


def draw_decoys(
    axes: "Axes", row: int, verdict: Verdict, formulas: Sequence[str], edges: tuple[float, float]
) -> None:
    for decoy in (decoy for decoy in verdict.decoys if is_drawn(decoy, verdict)):
        at, arrow = within(relative(decoy.expected, verdict.expected), edges)
        if arrow:
            axes.plot(at, row, marker=arrow, color=GREY, clip_on=False)
        else:
            axes.plot([at, at], [row - 0.38, row + 0.38], **decoy_style(decoy.statement, formulas))
        # the letter stands on the side of the line that looks away from the theory, unless the frame is there
        side = {">": "right", "<": "left"}.get(arrow, "left" if at > 0 else "right")
        shift, letter = {"left": 3, "right": -3}[side], LETTERS[formulas.index(decoy.statement)]
        place = {"textcoords": "offset points", "va": "center", "ha": side}
        axes.annotate(letter, (at, row), (2 * shift if arrow else shift, 0), fontsize=SMALL, color=GREY, **place)


def within(deviation: float, edges: tuple[float, float]) -> tuple[float, str]:
    """Where to draw it, and the arrow if that is not where it is."""
    left, right = edges
    return (left, "<") if deviation < left else (right, ">") if deviation > right else (deviation, "")


def signed(share: float) -> str:
    return f"{'+' if share > 0 else '−'}{percent(abs(share))}" if abs(share) > 1e-12 else ""


def row_label(verdict: Verdict, names: Sequence[str]) -> str:
    """The law, what else varies from row to row (a word needs no name), and ≤ at a bound."""
    given = {name: verdict.parameters[name] for name in names if name in verdict.parameters}
    words = [value if isinstance(value, str) else setting({name: value}) for name, value in given.items()]
    return ", ".join([verdict.law, *words]) + (" ≤" if verdict.relation == "<=" else "")


def axis_label(verdicts: Sequence[Verdict]) -> str:
    names = varying(verdicts)
    fixed = setting({name: given for name, given in verdicts[0].parameters.items() if name not in names})
    return f"deviation of the mean from the {stated_by(verdicts[0])}" + (f", at {fixed}" if fixed else "")
