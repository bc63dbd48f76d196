"""What a probe sees of an accuracy: the steps along a line and their smoothing, and how often two points agree."""

from collections.abc import Mapping, Sequence, Sized
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mezo_lab.report.figures import style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["StepProbe", "ZeroShare", "steps_alt_text", "steps_figure", "zeros_alt_text", "zeros_figure"]

_HEIGHT = 3.8  # inches
_LAWS = ("gaussian", "rademacher", "sphere", "uniform")  # each lends a probe or a series its marker
_DASHES = ((0, (5, 1.5)), (0, (2, 1)), (0, (6, 1.5, 1, 1.5)))  # of the smoothings, the first the finest


@dataclass(frozen=True)
class StepProbe:
    """The two points of a probe."""

    name: str
    left: float
    right: float
    """Where the points lie,"""
    rate_left: float
    rate_right: float
    """and the error rates there."""


@dataclass(frozen=True)
class ZeroShare:
    """How often probes saw no difference, by ε."""

    name: str
    epsilons: Sequence[float]
    shares: Sequence[float]
    errors: Sequence[float]
    """Standard errors."""
    theory: Sequence[float]


def steps_figure(
    places: Sequence[float],
    rates: Sequence[float],
    smoothed: Mapping[str, Sequence[float]],
    probes: Sequence[StepProbe],
) -> "Figure":
    """The error rate along a line, a function of steps; its smoothings, dashed; and probes, two points each.

    Args:
        places: along the line.
        rates: the error rate at each place.
        smoothed: name → the smoothed error rate at each place; three at most.
        probes: drawn in this order; four at most.
    Returns: a matplotlib `Figure` that needs no display.
    Raises: ValueError when there is nothing to draw, or more than there are looks for.
    """
    _check("places", places, "evaluate the error rate along a line")
    _check_most("smoothed", smoothed, len(_DASHES))
    _check_most("probes", probes, len(_LAWS))
    figure = style.new_figure(_HEIGHT)
    axes = figure.add_subplot()
    axes.step(places, [100 * rate for rate in rates], where="mid", color=style.GREY, linewidth=2.2, label="error rate")
    for (name, values), dash in zip(smoothed.items(), _DASHES, strict=False):
        look: dict[str, Any] = {**style.THEORY, "linestyle": dash, "label": name}
        axes.plot(places, [100 * value for value in values], **look)
    for probe, law in zip(probes, _LAWS, strict=False):
        marker: dict[str, Any] = style.estimate(law)
        look = {"marker": marker["fmt"], "markersize": 8, "color": marker["color"], "linewidth": 1.8, "zorder": 4}
        ends = [100 * probe.rate_left, 100 * probe.rate_right]
        axes.plot([probe.left, probe.right], ends, label=probe.name, **look)
    axes.set(xlabel="distance from θ along z", ylabel="error rate, %")
    style.despine(axes)
    style.figure_legend(figure, columns=2, handlelength=3)
    return figure


def steps_alt_text(
    places: Sequence[float],
    rates: Sequence[float],
    smoothed: Mapping[str, Sequence[float]],
    probes: Sequence[StepProbe],
) -> str:
    """What the figure shows, for those who do not see it.

    Raises: ValueError when there is nothing to describe.

    >>> probe = StepProbe("ε = 1", -1, 1, 0.5, 0.25)
    >>> print(steps_alt_text([-1, 0, 1], [0.5, 0.5, 0.25], {"smoothed": [0.5, 0.4, 0.3]}, [probe]))
    Error rate along a line, a function of steps from 50 % to 25 %, with smooth dashed curves through it: smoothed. \
Probes: ε = 1 sees 50 % and 25 %.
    """
    _check("places", places, "evaluate the error rate along a line")
    told = "; ".join(map(_seen, probes))
    return (
        f"Error rate along a line, a function of steps from {100 * rates[0]:.0f} % to {100 * rates[-1]:.0f} %, with "
        f"smooth dashed curves through it: {', '.join(smoothed)}. Probes: {told}."
    )


def zeros_figure(series: Sequence[ZeroShare], decoy: ZeroShare | None = None) -> "Figure":
    """The shares of probes without a difference against ε on a logarithmic axis, with theory dashed.

    Args:
        series: one to four.
        decoy: a wrong formula, whose theory is drawn dotted.
    Returns: a matplotlib `Figure` that needs no display.
    Raises: ValueError when there is nothing to draw, or more than there are markers for.
    """
    _check("series", series, "measure one")
    _check_most("series", series, len(_LAWS))
    figure = style.new_figure(_HEIGHT)
    axes = figure.add_subplot()
    for each, law in zip(series, _LAWS, strict=False):
        _draw_share(axes, each, law)
    axes.plot([], [], label="theory", **style.THEORY)
    if decoy is not None:
        axes.plot(decoy.epsilons, _percent(decoy.theory), label=f"decoy: {decoy.name}", **style.decoy("", [""]))
    axes.set(xscale="log", xlabel="ε, where ‖θ‖ = 1")
    axes.set_ylabel(f"probes without a difference, %\n± {style.BARS:g} standard errors")
    style.despine(axes)
    style.figure_legend(figure, columns=2)
    return figure


def zeros_alt_text(series: Sequence[ZeroShare], decoy: ZeroShare | None = None) -> str:
    """What the figure shows, for those who do not see it.

    Raises: ValueError when there is nothing to describe.

    >>> print(zeros_alt_text([ZeroShare("B = 4", [0.01, 1], [0.9, 0.2], [0.01, 0.01], [0.91, 0.21])]))
    Shares of probes without a difference against ε: B = 4 from 90 % at ε = 0.01 to 20 % at 1, theory 91 % and 21 %.
    """
    _check("series", series, "measure one")
    told = "; ".join(map(_in_words, series))
    words = f"Shares of probes without a difference against ε: {told}."
    if decoy is not None:
        shares = _percent(decoy.theory)
        words += f" The decoy, {decoy.name}, falls from {shares[0]:.0f} % to {shares[-1]:.0f} %."
    return words


def _check(name: str, things: Sequence[Any], remedy: str) -> None:
    if len(things) == 0:
        raise ValueError(f"`{name}` must hold at least one, got none: {remedy} first.")


def _check_most(name: str, things: Sized, most: int) -> None:
    if len(things) > most:
        raise ValueError(f"`{name}` must hold {most} at most, got {len(things)}: draw the others in another figure.")


def _seen(probe: StepProbe) -> str:
    return f"{probe.name} sees {100 * probe.rate_left:.0f} % and {100 * probe.rate_right:.0f} %"


def _percent(shares: Sequence[float]) -> list[float]:
    return [100 * share for share in shares]


def _draw_share(axes: "Axes", each: ZeroShare, law: str) -> None:
    axes.plot(each.epsilons, _percent(each.theory), **style.THEORY)
    bars = [100 * style.BARS * error for error in each.errors]
    axes.errorbar(each.epsilons, _percent(each.shares), yerr=bars, label=each.name, **style.estimate(law))


def _in_words(each: ZeroShare) -> str:
    shares = _percent(each.shares)
    theory = _percent(each.theory)
    return (
        f"{each.name} from {shares[0]:.0f} % at ε = {each.epsilons[0]:g} to {shares[-1]:.0f} % at "
        f"{each.epsilons[-1]:g}, theory {theory[0]:.0f} % and {theory[-1]:.0f} %"
    )
