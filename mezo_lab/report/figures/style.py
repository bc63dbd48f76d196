"""One look for every figure; colour alone never carries meaning."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from mezo_lab.claims import DecoyVerdict, Verdict
from mezo_lab.claims.decision import ALARM
from mezo_lab.report.labels import typographic

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = [
    "BARS",
    "DOTS",
    "GREY",
    "INK",
    "LAW_STYLES",
    "SMALL",
    "THEORY",
    "decoy",
    "despine",
    "estimate",
    "figure_legend",
    "new_figure",
]

WIDTH = 4.6  # inches: narrow, so that the labels are legible on a phone
INK = "#1c1c1c"
"""The colour of theory and of text."""
GREY = "#757575"
"""The colour of decoys, and of what stays in the background."""
SMALL = 8.5
"""The size of small letters, in points."""
BARS = ALARM
"""Standard errors on each side of a mean that its error bar shows."""
LAW_STYLES = {
    "gaussian": ("o", "#2878c8"),
    "rademacher": ("s", "#c8550f"),
    "uniform": ("D", "#8a5fc8"),
    "three-point": ("^", "#0f8a96"),
    "sphere": ("v", "#248a50"),
    "coordinate": ("P", "#c8467f"),
    "orthogonal": ("X", "#8f6f14"),
}
"""The marker and the colour of each law: of middle lightness, at least 3:1 against white and against near-black."""
_OTHER_STYLE = ("*", "#66758a")
THEORY: dict[str, Any] = {"color": INK, "linestyle": "--", "linewidth": 1.3, "zorder": 2}
"""The line of a theory: black and dashed."""
DOTS = ((0, (1, 1.3)), (0, (1, 3.2)), (0, (4, 1.5, 1, 1.5)))
"""The patterns of dotted lines, one for each of a claim's decoys."""


def new_figure(height: float) -> "Figure":
    """An empty figure of this many inches, which needs no display."""
    from matplotlib.figure import Figure

    return Figure(figsize=(WIDTH, height), layout="constrained")


def estimate(law: str, colour: str | None = None) -> dict[str, Any]:
    """The arguments of `Axes.errorbar` for sampled means.

    Args:
        law: of z, whose marker is drawn.
        colour: in place of the law's own.
    """
    marker, law_colour = LAW_STYLES.get(law, _OTHER_STYLE)
    bars = {"elinewidth": 1.4, "capsize": 2.5, "zorder": 3}
    return {"fmt": marker, "markersize": 5, "color": colour or law_colour} | bars


def decoy(statement: str, formulas: Sequence[str]) -> dict[str, Any]:
    """The arguments of `Axes.plot` for a wrong formula: grey, dotted in a pattern of its own among `formulas`."""
    pattern = DOTS[formulas.index(statement) % len(DOTS)]
    return {"color": GREY, "linestyle": pattern, "linewidth": 1.5, "zorder": 1}


def despine(axes: "Axes") -> None:
    """Remove the frame, but for the two axes that carry numbers."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(GREY)
    axes.tick_params(colors=INK, which="both", labelsize=SMALL)
    axes.xaxis.label.set(color=INK, fontsize=SMALL + 0.5)
    axes.yaxis.label.set(color=INK, fontsize=SMALL + 0.5)


def figure_legend(figure: Any, columns: int = 1, **options: Any) -> None:
    """Add a legend of the labelled lines under the figure.

    Args:
        figure: of matplotlib.
        columns: of the legend.
        options: further arguments of `Figure.legend`, such as handles.
    """
    handles = options.pop("handles", None)
    if handles is None:
        handles = [handle for axes in figure.axes for handle in axes.get_legend_handles_labels()[0]]
    labels = list(options.pop("labels", None) or (handle.get_label() for handle in handles))
    look = {"frameon": False, "fontsize": SMALL, "labelcolor": INK} | options
    legend = figure.legend(list(handles), labels, ncols=columns, loc="outside lower left", **look)
    legend.mezo_lab_entries = list(zip(handles, labels, strict=True))


def legend_entries(legend: Any) -> list[tuple[Any, str]]:
    """(handle, label) of a legend that `figure_legend` made, for drawing it again elsewhere."""
    return legend.mezo_lab_entries


def verdict_legend(axes: "Axes", verdicts: Sequence[Verdict], formulas: Sequence[str], letters: str = "") -> None:
    """Add the legend of a claim's figure: theory, means and decoys, a row each."""
    reference = reference_name(verdicts[0])
    if formula := verdicts[0].formula:
        reference += f" {typographic(formula)}"
    if any(verdict.relation == "<=" for verdict in verdicts):
        reference += "; a bound from above where marked ≤"
    mean = f"mean of the draws ± {BARS:g} standard errors"
    handles: list[Any] = [
        axes.plot([], [], label=reference, **THEORY)[0],
        axes.errorbar([], [], xerr=[], label=mean, **estimate("gaussian", INK)),
    ]
    for k, statement in enumerate(formulas):
        name = f"decoy {letters[k : k + 1]}".rstrip()
        handles += axes.plot([], [], label=f"{name}: {typographic(statement)}", **decoy(statement, formulas))
    figure_legend(axes.figure, handles=handles, handlelength=2.6)


def reference_name(verdict: Verdict) -> str:
    """What the means are compared with: the theory, or the user's own formula."""
    return "formula" if verdict.formula else "theory"


def has_own_value(decoy: DecoyVerdict, verdict: Verdict) -> bool:
    """A wrong formula has a value to draw; a wrong experiment is compared with the theory's own value."""
    return decoy.expected != verdict.expected


def decoy_formulas(verdicts: Iterable[Verdict]) -> list[str]:
    """The wrong formulas among the decoys, each once, in the order of their first verdict."""
    decoys = (decoy.statement for verdict in verdicts for decoy in verdict.decoys if has_own_value(decoy, verdict))
    return list(dict.fromkeys(decoys))


def varying(verdicts: Iterable[Verdict]) -> list[str]:
    """The parameters that do not have one value throughout."""
    sets = [verdict.parameters for verdict in verdicts]
    names = dict.fromkeys(name for parameters in sets for name in parameters if name != "sampler")
    return [name for name in names if len({parameters.get(name) for parameters in sets}) > 1]
