"""Test accuracies of several methods with their intervals, a panel for each prompt."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mezo_lab.report.figures import style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["MethodAccuracy", "accuracy_alt_text", "accuracy_figure"]

_ROW = 0.3  # inches for a method
_FRAME = 1.9  # inches for axes, titles and legend
_BAND = "#e4e4e4"  # of the interval of zero-shot
_APART = 0.15  # of a row: between few and many examples


@dataclass(frozen=True)
class MethodAccuracy:
    """One tested model."""

    prompt: str
    method: str
    """An empty one is the model before training: a line in place of a row."""
    value: float
    low: float
    high: float
    many: bool = False
    """Whether it had many examples, which is a square in place of a circle."""


def accuracy_figure(accuracies: Sequence[MethodAccuracy], few: str, many: str) -> "Figure":
    """Accuracies with their intervals beside the line of the untrained model, a panel for each prompt.

    Args:
        accuracies: at least one.
        few, many: what the two kinds of markers stand for.
    Returns: a matplotlib `Figure` that needs no display.
    Raises: ValueError when there is nothing to draw.
    """
    _check_accuracies(accuracies)
    prompts = list(dict.fromkeys(each.prompt for each in accuracies))
    methods = list(dict.fromkeys(each.method for each in accuracies if each.method))
    figure = style.new_figure(_FRAME + _ROW * len(methods) * len(prompts))
    panels = figure.subplots(len(prompts), sharex=True, squeeze=False)[:, 0].tolist()
    for axes, prompt in zip(panels, prompts, strict=True):
        for each in accuracies:
            if each.prompt == prompt:
                _draw(axes, each, methods)
        axes.set_title(prompt, fontsize=style.SMALL + 1)
        axes.set_ylim(len(methods) - 0.5, -0.5)
        axes.set_yticks(range(len(methods)), methods)
        style.despine(axes)
    panels[-1].set_xlabel("test accuracy, % (95 % interval)")
    _add_legend(panels[0], few, many)
    return figure


def accuracy_alt_text(accuracies: Sequence[MethodAccuracy], few: str, many: str) -> str:
    """What the figure shows, for those who do not see it.

    Raises: ValueError when there is nothing to describe.

    >>> rows = [MethodAccuracy("It was", "", 0.5, 0.4, 0.6), MethodAccuracy("It was", "MeZO", 0.7, 0.6, 0.8, many=True)]
    >>> accuracy_alt_text(rows, "16 examples", "512 examples").split(": ")[1]
    'It was, zero-shot 50 % (40 to 60); It was, MeZO, 512 examples 70 % (60 to 80).'
    """
    _check_accuracies(accuracies)
    rows = "; ".join(_in_words(each, few, many) for each in accuracies)
    return f"A panel for each prompt, with test accuracies and their 95 % intervals: {rows}."


def _check_accuracies(accuracies: Sequence[MethodAccuracy]) -> None:
    if not accuracies:
        raise ValueError("`accuracies` must hold at least one, got none: read results/finetune.json first.")


def _in_words(each: MethodAccuracy, few: str, many: str) -> str:
    method = "zero-shot"
    if each.method:
        method = f"{each.method}, {many if each.many else few}"
    return f"{each.prompt}, {method} {100 * each.value:.0f} % ({100 * each.low:.0f} to {100 * each.high:.0f})"


def _draw(axes: "Axes", each: MethodAccuracy, methods: Sequence[str]) -> None:
    if not each.method:
        axes.axvspan(100 * each.low, 100 * each.high, color=_BAND, zorder=0, linewidth=0)
        axes.axvline(100 * each.value, color=style.GREY)
        return
    height = methods.index(each.method) + (_APART if each.many else -_APART)
    ends = [[100 * (each.value - each.low)], [100 * (each.high - each.value)]]
    axes.errorbar(100 * each.value, height, xerr=ends, **_marker(each.many))


def _marker(many: bool) -> dict[str, Any]:
    return style.estimate("rademacher" if many else "gaussian")


def _add_legend(axes: "Axes", few: str, many: str) -> None:
    handles: list[Any] = axes.plot([], [], label="zero-shot, and its interval", color=style.GREY)
    handles += [
        axes.errorbar([], [], xerr=[], label=few, **_marker(many=False)),
        axes.errorbar([], [], xerr=[], label=many, **_marker(many=True)),
    ]
    style.figure_legend(axes.figure, handles=handles)
