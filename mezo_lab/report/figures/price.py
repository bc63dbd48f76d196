"""What accuracy costs: that of several trainings against their minutes, and against their memory."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mezo_lab.report.figures import style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["TrainingPrice", "price_alt_text", "price_figure"]

_PANEL = 1.8  # inches
_FRAME = 1.2  # inches for labels and legend
_COLUMNS = {"minutes": "minutes", "mebibytes": "peak memory, MiB"}


@dataclass(frozen=True)
class TrainingPrice:
    """One tested model, and what it took."""

    prompt: str
    method: str
    value: float
    """The test accuracy, with the ends of its interval:"""
    low: float
    high: float
    minutes: float
    mebibytes: float
    many: bool = False
    """Whether it had many examples, which is a hollow marker in place of a filled one."""


def price_figure(prices: Sequence[TrainingPrice], few: str, many: str) -> "Figure":
    """Accuracies with their intervals against minutes at the left and memory at the right, a row for each prompt.

    Args:
        prices: at least one; their methods have a marker each.
        few, many: what filled and hollow markers stand for.
    Returns: a matplotlib `Figure` that needs no display.
    Raises: ValueError when there is nothing to draw, or more methods than markers.
    """
    _check_prices(prices)
    prompts = list(dict.fromkeys(price.prompt for price in prices))
    looks = _looks(prices)
    figure = style.new_figure(_FRAME + _PANEL * len(prompts))
    panels = figure.subplots(len(prompts), len(_COLUMNS), sharex="col", sharey="row", squeeze=False)
    for row, prompt in zip(panels, prompts, strict=True):
        here = [price for price in prices if price.prompt == prompt]
        for axes, cost in zip(row, _COLUMNS, strict=True):
            _draw(axes, here, cost, looks)
        row[0].set_title(f"prompt {prompt}", fontsize=style.SMALL + 1, loc="left")
        row[0].set_ylabel("test accuracy, %", fontsize=style.SMALL)
    for axes, label in zip(panels[-1], _COLUMNS.values(), strict=True):
        axes.set_xlabel(label)
    _add_legend(panels[0, 0], looks, few, many)
    return figure


def price_alt_text(prices: Sequence[TrainingPrice], few: str, many: str) -> str:
    """What the figure shows, for those who do not see it.

    Raises: ValueError when there is nothing to describe.

    >>> prices = [TrainingPrice("It was", "MeZO", 0.7, 0.6, 0.8, 12.4, 1_600)]
    >>> price_alt_text(prices, "16 reviews", "512 reviews").split(": ")[1]
    'It was, MeZO, 16 reviews, 70 % in 12 minutes with 1,600 MiB.'
    """
    _check_prices(prices)
    told = (
        f"{each.prompt}, {each.method}, {many if each.many else few}, {100 * each.value:.0f} % in {each.minutes:.0f} "
        f"minutes with {each.mebibytes:,.0f} MiB"
        for each in prices
    )
    return (
        f"Scatter of test accuracy against minutes and against peak memory, a row for each prompt: {'; '.join(told)}."
    )


def _check_prices(prices: Sequence[TrainingPrice]) -> None:
    if not prices:
        raise ValueError("`prices` must hold at least one training, got none: read results/finetune.json first.")


def _looks(prices: Sequence[TrainingPrice]) -> dict[str, dict[str, Any]]:
    """Method → how it is drawn; each has a marker of its own."""
    methods = dict.fromkeys(price.method for price in prices)
    laws = [*style.LAW_STYLES, ""]
    if len(methods) > len(laws):
        raise ValueError(f"`prices` must have {len(laws)} methods at most, got {len(methods)}: draw a few at a time.")
    return {method: style.estimate(law) for method, law in zip(methods, laws, strict=False)}


def _draw(axes: "Axes", prices: Sequence[TrainingPrice], cost: str, looks: dict[str, dict[str, Any]]) -> None:
    for price in prices:
        ends = [[100 * (price.value - price.low)], [100 * (price.high - price.value)]]
        look: dict[str, Any] = dict(looks[price.method])
        if price.many:
            look["markerfacecolor"] = "white"
        axes.errorbar(getattr(price, cost), 100 * price.value, yerr=ends, **look)
    axes.set_xlim(left=0)
    style.despine(axes)


def _add_legend(axes: "Axes", looks: dict[str, dict[str, Any]], few: str, many: str) -> None:
    handles: list[Any] = [axes.errorbar([], [], yerr=[], label=name, **look) for name, look in looks.items()]
    sizes = {"filled": (few, style.GREY), "hollow": (many, "white")}
    for name, (meaning, face) in sizes.items():
        mark: dict[str, Any] = {"color": style.GREY, "marker": "o", "linestyle": "", "markerfacecolor": face}
        handles += axes.plot([], [], label=f"{name}: {meaning}", **mark)
    style.figure_legend(axes.figure, handles=handles, columns=3)
