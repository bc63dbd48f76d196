"""One look for every figure; nothing is told by colour alone."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from mezo_lab.claims import DecoyVerdict, Verdict
from mezo_lab.claims.arithmetic import ALARM
from mezo_lab.report.labels import typographic

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTH = 4.6  # inches: narrow, so that the labels are legible on a phone
INK, GREY = "#1c1c1c", "#757575"
SMALL = 8.5  # points
BARS = ALARM  # standard errors
# markers, and colours of middle lightness: at least 3:1 against white and against near-black
LAW_STYLES = {
    "gaussian": ("o", "#2878c8"),
    "rademacher": ("s", "#c8550f"),
    "uniform": ("D", "#8a5fc8"),
    "three-point": ("^", "#0f8a96"),
    "sphere": ("v", "#248a50"),
    "coordinate": ("P", "#c8467f"),
    "orthogonal": ("X", "#8f6f14"),
}
OTHER_STYLE = ("*", "#66758a")
THEORY: dict[str, Any] = {"color": INK, "linestyle": "--", "linewidth": 1.3, "zorder": 2}
DOTS = ((0, (1, 1.3)), (0, (1, 3.2)), (0, (4, 1.5, 1, 1.5)))  # one pattern for each of a claim's decoys


def blank(height: float) -> "Figure":
    from matplotlib.figure import Figure

    return Figure(figsize=(WIDTH, height), layout="constrained")


def estimate(law: str, colour: str | None = None) -> dict[str, Any]:
    marker, own_colour = LAW_STYLES.get(law, OTHER_STYLE)
    bars = {"elinewidth": 1.4, "capsize": 2.5, "zorder": 3}
    return {"fmt": marker, "markersize": 5, "color": colour or own_colour} | bars


def decoy(statement: str, formulas: Sequence[str]) -> dict[str, Any]:
    pattern = DOTS[formulas.index(statement) % len(DOTS)]
    return {"color": GREY, "linestyle": pattern, "linewidth": 1.5, "zorder": 1}


def quiet(axes: "Axes") -> None:
    """No frame but the axes that carry numbers."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(GREY)
    axes.tick_params(colors=INK, which="both", labelsize=SMALL)
    axes.xaxis.label.set(color=INK, fontsize=SMALL + 0.5)
    axes.yaxis.label.set(color=INK, fontsize=SMALL + 0.5)


def legend(axes: "Axes", verdicts: Sequence[Verdict], formulas: Sequence[str], letters: str = "") -> None:
    """What the lines are, a row each, under the figure."""
    formula = verdicts[0].formula
    stated = f"formula {typographic(formula)}" if formula else "theory"
    bound = "; a bound from above where marked ≤" if any(v.relation == "<=" for v in verdicts) else ""
    mean = f"mean of the draws ± {BARS:g} standard errors"
    handles: list[Any] = [
        axes.plot([], [], label=stated + bound, **THEORY)[0],
        axes.errorbar([], [], xerr=[], label=mean, **estimate("gaussian", INK)),
    ]
    for k, statement in enumerate(formulas):
        label = f"{f'decoy {letters[k]}' if letters else 'decoy'}: {typographic(statement)}"
        handles += axes.plot([], [], label=label, **decoy(statement, formulas))
    key(axes.figure, handles=handles, handlelength=2.6)


def key(figure: Any, columns: int = 1, **chosen: Any) -> None:
    """What the labelled lines are, or those `chosen` as for `legend` of matplotlib, under the figure."""
    place: dict[str, Any] = {"loc": "outside lower left", "frameon": False, "fontsize": SMALL, "labelcolor": INK}
    figure.legend(ncols=columns, **place, **chosen)


def stated_by(verdict: Verdict) -> str:
    """Whose value the means are held against."""
    return "formula" if verdict.formula else "theory"


def is_drawn(decoy: DecoyVerdict, verdict: Verdict) -> bool:
    """A wrong formula has a value to draw; a wrong experiment is held against the theory's own, and has none."""
    return decoy.expected != verdict.expected


def decoy_formulas(verdicts: Iterable[Verdict]) -> list[str]:
    """The wrong formulas among the decoys, each once, in the order met."""
    found = (decoy.statement for verdict in verdicts for decoy in verdict.decoys if is_drawn(decoy, verdict))
    return list(dict.fromkeys(found))


def varying(verdicts: Iterable[Verdict]) -> list[str]:
    """The parameters that do not have one value throughout."""
    sets = [verdict.parameters for verdict in verdicts]
    names = dict.fromkeys(name for parameters in sets for name in parameters if name != "sampler")
    return [name for name in names if len({parameters.get(name) for parameters in sets}) > 1]
