"""What a sentence promises and what was measured: verdicts along one of their parameters, whatever the claim's own."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from mezo_lab.claims import SYMBOLS, Verdict
from mezo_lab.report.figures import style
from mezo_lab.report.labels import PARAMETER_LETTERS, joined, setting, typographic
from mezo_lab.theory import printed

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["PromisePanel", "promises_alt_text", "promises_figure"]

_PANEL = 2.0  # inches
_LINE = 0.17  # inches for a line of the legend
_LOG_SPAN = 30  # largest over smallest value, from which on an axis is logarithmic
_DOUBLING = 4  # the same for the parameter, whose values are ticks
_ROOM = 0.1  # of the span of a linear axis, above and below


@dataclass(frozen=True)
class PromisePanel:
    """One pair of axes."""

    verdicts: Sequence[Verdict]
    """Of one claim; those that differ in more than the parameter are series of their own."""
    parameter: str
    ylabel: str
    believed: Mapping[str, str] = field(default_factory=dict)
    """Decoy → what it says in words; others are left out. None: every decoy, as a formula."""


def promises_figure(panels: Sequence[PromisePanel]) -> "Figure":
    """Means against a parameter: theory as a dashed line, what is believed, the decoys, as dotted ones.

    Args: panels: at least one, each with two values of its parameter or more; they stand side by side.
    Returns: a matplotlib `Figure` that needs no display. Raises: ValueError when there is nothing to draw.
    """
    _check_panels(panels)
    formulas = list(dict.fromkeys(formula for panel in panels for formula in _believed(panel)))
    figure = style.new_figure(_PANEL + _LINE * (2 + len(formulas)))
    drawn = figure.subplots(1, len(panels), squeeze=False).flatten().tolist()
    for axes, panel in zip(drawn, panels, strict=True):
        _draw_panel(axes, panel, formulas)
    handles: dict[str, Any] = {}
    for axes in drawn:
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True):
            handles.setdefault(label, handle)
    handles = dict(sorted(handles.items(), key=lambda item: item[0].startswith("believed")))  # what is true comes first
    style.figure_legend(figure, handles=list(handles.values()), labels=list(handles), handlelength=2.6)
    return figure


def promises_alt_text(panels: Sequence[PromisePanel]) -> str:
    """What the figure shows, for those who do not see it. Raises: ValueError when there is nothing to describe."""
    _check_panels(panels)
    return " ".join(map(_in_words, panels))


def _check_panels(panels: Sequence[PromisePanel]) -> None:
    if not panels or not all(panel.verdicts for panel in panels):
        raise ValueError("`panels` must hold at least one panel, each with a verdict: verify a claim first.")
    for panel in panels:
        values = [verdict.parameters.get(panel.parameter) for verdict in panel.verdicts]
        if not all(isinstance(value, int | float) for value in values):
            raise ValueError(
                f"`parameter` must have a number in each verdict of its panel, got {panel.parameter!r}: choose one of "
                "those that vary."
            )
        known = style.decoy_formulas(panel.verdicts)
        if unknown := [formula for formula in panel.believed if formula not in known]:
            raise ValueError(f"`believed` must name decoys of the verdicts, {joined(known)}; got {unknown[0]}.")


def _series(panel: PromisePanel) -> dict[str, list[Verdict]]:
    """Name → the verdicts that differ in the parameter alone, in its order; one series has no name."""
    others = [name for name in style.varying(panel.verdicts) if name != panel.parameter]
    laws = {verdict.law for verdict in panel.verdicts}
    found: dict[str, list[Verdict]] = {}
    for verdict in sorted(panel.verdicts, key=lambda verdict: verdict.parameters[panel.parameter]):
        named = setting({name: verdict.parameters[name] for name in others if name in verdict.parameters})
        law = verdict.law if len(laws) > 1 else ""
        found.setdefault(", ".join(filter(None, [law, named])), []).append(verdict)
    return found


def _believed(panel: PromisePanel) -> dict[str, str]:
    """Decoy → its name in the legend."""
    return dict(panel.believed) or {formula: typographic(formula) for formula in style.decoy_formulas(panel.verdicts)}


def _letter(parameter: str) -> str:
    return PARAMETER_LETTERS.get(parameter, printed(parameter))


def _draw_panel(axes: "Axes", panel: PromisePanel, formulas: Sequence[str]) -> None:
    names = _believed(panel)
    looks = list(style.LAW_STYLES)
    seen: list[float] = []
    for (name, verdicts), look in zip(_series(panel).items(), looks, strict=False):
        x = [verdict.parameters[panel.parameter] for verdict in verdicts]
        theory = [verdict.expected for verdict in verdicts]
        axes.plot(x, theory, label="theory", **style.THEORY)
        bars = [style.BARS * verdict.estimate.standard_error for verdict in verdicts]
        label = f"{name or 'mean'} ± {style.BARS:g} standard errors"
        axes.errorbar(x, [verdict.estimate.mean for verdict in verdicts], bars, label=label, **style.estimate(look))
        seen += theory
        for formula in names:
            points = [
                (verdict.parameters[panel.parameter], decoy.expected)
                for verdict in verdicts
                for decoy in verdict.decoys
                if decoy.statement == formula and style.has_own_value(decoy, verdict)
            ]
            if points:
                label = f"believed: {names[formula]}"
                axes.plot(*zip(*points, strict=True), label=label, **style.decoy(formula, formulas))
                seen += [value for _, value in points]
    _scale(axes, panel, seen)
    letter = _letter(panel.parameter)
    meaning = SYMBOLS.get(letter, SYMBOLS.get(panel.parameter, ""))
    axes.set(xlabel=meaning if meaning.startswith(letter) else f"{letter}: {meaning}", ylabel=panel.ylabel)
    style.despine(axes)


def _scale(axes: "Axes", panel: PromisePanel, seen: Sequence[float]) -> None:
    """A logarithmic axis for values of different sizes; each value of the parameter is a tick."""
    low = min(seen)
    high = max(seen)
    if low > 0 and high > _LOG_SPAN * low:
        axes.set_yscale("log")
    else:
        room = _ROOM * (high - low or abs(high))
        axes.set_ylim(low - room, high + room)
    values = sorted({verdict.parameters[panel.parameter] for verdict in panel.verdicts})
    if values[0] > 0 and values[-1] > _DOUBLING * values[0]:
        axes.set_xscale("log")
    axes.minorticks_off()
    axes.set_xticks(values, [f"{value:g}" for value in values])


def _in_words(panel: PromisePanel) -> str:
    told = []
    for name, verdicts in _series(panel).items():
        ends = [verdicts[0], verdicts[-1]]
        means = " to ".join(
            f"{verdict.estimate.mean:.3g} at {verdict.parameters[panel.parameter]:g}" for verdict in ends
        )
        told.append(f"{name or 'the mean'} goes from {means}, on the dashed line of the theory")
    believed = []
    for formula, name in _believed(panel).items():
        values = [
            decoy.expected for verdict in panel.verdicts for decoy in verdict.decoys if decoy.statement == formula
        ]
        believed.append(f"{name} from {min(values):.3g} to {max(values):.3g}")
    words = f"Chart of {panel.ylabel} against {_letter(panel.parameter)}: {'; '.join(told)}."
    return f"{words} Dotted: {joined(believed)}." if believed else words
