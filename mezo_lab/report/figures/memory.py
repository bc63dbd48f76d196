"""What fills the memory of a card: a stacked bar for each method, and a line for each card."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mezo_lab.report.figures import style

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["MemoryBar", "memory_alt_text", "memory_figure"]

_ROW = 0.36  # inches for a bar
_FRAME = 1.7  # inches for axes, cards and legend
# a part → its colour and its hatching, which tells it apart in grey
_PARTS = {
    "weights": ("#6ea3d8", ""),
    "gradients": ("#e8a36b", "////"),
    "optimizer": ("#b9a1dc", "...."),
    "activations": ("#d7dde3", "\\\\\\\\"),
}
_LABELS = {"optimizer": "states of the optimizer"}


@dataclass(frozen=True)
class MemoryBar:
    """What one method holds at the peak of a step, GiB."""

    name: str
    weights: float
    gradients: float
    optimizer: float
    activations: float

    @property
    def total(self) -> float:
        """All of it."""
        return self.weights + self.gradients + self.optimizer + self.activations


def memory_figure(bars: Sequence[MemoryBar], cards: Mapping[str, float]) -> "Figure":
    """Stacked bars of memory, their sums at the right, and a dashed line for each card, where a bar that fits must end.

    Args:
        bars: at least one, drawn in this order from the top.
        cards: name → GiB.
    Returns: a matplotlib `Figure` that needs no display.
    Raises: ValueError when there is nothing to draw.
    """
    _check_bars(bars)
    figure = style.new_figure(_FRAME + _ROW * len(bars))
    axes = figure.subplots()
    rows = range(len(bars))
    starts = [0.0] * len(bars)
    for part, (colour, hatch) in _PARTS.items():
        sizes = [getattr(bar, part) for bar in bars]
        if not any(sizes):
            continue
        look: dict[str, Any] = {"color": colour, "hatch": hatch, "edgecolor": style.INK, "linewidth": 0.4}
        axes.barh(rows, sizes, left=starts, height=0.62, label=_LABELS.get(part, part), **look)
        starts = [start + size for start, size in zip(starts, sizes, strict=True)]
    for row, total in enumerate(starts):  # in a column of its own, where no line of a card runs through it
        place: dict[str, Any] = {"xycoords": ("axes fraction", "data"), "textcoords": "offset points"}
        axes.annotate(f"{total:.1f}", (1, row), (4, 0), va="center", fontsize=style.SMALL, **place)
    for name, size in cards.items():
        axes.axvline(size, **style.THEORY)
        axes.annotate(
            name, (size, -0.5), (0, 3), textcoords="offset points", ha="center", va="bottom", fontsize=style.SMALL
        )
    axes.set(xlabel="memory at the peak of a step, GiB", ylim=(len(bars) - 0.5, -0.5))
    axes.set_xlim(0, 1.04 * max([*starts, *cards.values()]))
    axes.set_yticks(rows, [bar.name for bar in bars])
    style.despine(axes)
    style.figure_legend(figure, columns=2)
    return figure


def memory_alt_text(bars: Sequence[MemoryBar], cards: Mapping[str, float]) -> str:
    """What the figure shows, for those who do not see it.

    Raises: ValueError when there is nothing to describe.

    >>> bars = [MemoryBar("MeZO", 2, 0, 0, 1), MemoryBar("Adam", 4, 4, 8, 3)]
    >>> memory_alt_text(bars, {"a small card": 8}).split(": ")[1]
    'MeZO 3.0 GiB, fits a small card; Adam 19.0 GiB, fits no card.'
    """
    _check_bars(bars)
    rows = "; ".join(_in_words(bar, cards) for bar in bars)
    lines = ", with a line for each card" if cards else ""
    return f"Bars of memory, stacked of {', '.join(_PARTS)}{lines}: {rows}."


def _check_bars(bars: Sequence[MemoryBar]) -> None:
    if not bars:
        raise ValueError("`bars` must hold at least one method, got none: predict its memory first.")


def _in_words(bar: MemoryBar, cards: Mapping[str, float]) -> str:
    words = f"{bar.name} {bar.total:.1f} GiB"
    if cards:
        fits = " and ".join(name for name, size in cards.items() if bar.total <= size)
        words += f", fits {fits or 'no card'}"
    return words
