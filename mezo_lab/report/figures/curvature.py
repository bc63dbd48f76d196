"""Curvature of a real model: slopes probe by probe, the spectrum of its Hessian, the valley of a second difference."""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from mezo_lab.report.figures import style

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = [
    "slopes_alt_text",
    "slopes_figure",
    "spectrum_alt_text",
    "spectrum_figure",
    "valley_alt_text",
    "valley_figure",
]

_LAW = "rademacher"  # whose marker and colour the slopes have
_LINEAR = 1e-3  # share of the largest eigenvalue, within which the axis of eigenvalues is linear


def slopes_figure(projected: Sequence[float], along: Sequence[float]) -> "Figure":
    """Projected gradients against zᵀg, each beside the zᵀg of another probe as a control; both in units of ‖g‖.

    Args: projected: pg/‖g‖, one for each probe. along: zᵀg/‖g‖ of the same probes.
    Returns: a matplotlib `Figure` that needs no display. Raises: ValueError for fewer than two probes.
    """
    _check_probes(projected, along)
    figure = style.new_figure(height=3.6)
    axes = figure.add_subplot()
    axes.axline((0, 0), slope=1, label="theory: slope 1", **style.THEORY)
    axes.plot(along, projected, "s", color=style.LAW_STYLES[_LAW][1], label="the probe's own zᵀg")
    others = [*along[1:], along[0]]
    axes.plot(others, projected, "x", color=style.GREY, label="control: another probe's zᵀg")
    axes.set(xlabel="zᵀg/‖g‖, from a backward pass", ylabel="pg/‖g‖, from two forward passes")
    style.despine(axes)
    style.figure_legend(figure)
    return figure


def slopes_alt_text(projected: Sequence[float], along: Sequence[float]) -> str:
    """What the figure shows, for those who do not see it.

    Raises: ValueError for fewer than two probes.

    >>> slopes_alt_text([0.5, -1.0], [0.5, -1.1]).split(": ")[1]
    'the 2 probes lie within 0.1 of the dashed line of slope 1, and the crosses of the control within 1.6.'
    """
    _check_probes(projected, along)
    own = max(abs(p - a) for p, a in zip(projected, along, strict=True))
    control = max(abs(p - a) for p, a in zip(projected, [*along[1:], along[0]], strict=True))
    return (
        "Scatter of the projected gradient against zᵀg, both over the norm of g: "
        f"the {len(along)} probes lie within {own:.2g} of the dashed line of slope 1, "
        f"and the crosses of the control within {control:.2g}."
    )


def _check_probes(projected: Sequence[float], along: Sequence[float]) -> None:
    if len(projected) != len(along) or len(along) < 2:
        raise ValueError(f"`along` must hold a number for each of two or more probes, got {len(along)}: draw more.")


def spectrum_figure(values: Sequence[float], weights: Sequence[float], parameters: int, trace: float) -> "Figure":
    """The Lanczos density: about how many eigenvalues lie near each Ritz value, and the flat spectrum of rank r.

    The effective rank r = tr H/λ_max is the number of directions of curvature λ_max that have the same trace together;
    it is the dashed line.

    Args:
        values: Ritz values, ascending.
        weights: of the values; their sum is 1.
        parameters: d, by which the weights are multiplied.
        trace: tr H.

    Returns: a matplotlib `Figure` that needs no display. Raises: ValueError for values without a weight each.
    """
    _check_spectrum(values, weights)
    largest = values[-1]
    counts = [parameters * weight for weight in weights]
    figure = style.new_figure(height=3.8)
    axes = figure.add_subplot()
    floor = min(*counts, trace / largest) / 3
    axes.vlines(values, floor, counts, color=style.LAW_STYLES["gaussian"][1], linewidth=1.4, zorder=2)
    marks: dict[str, Any] = style.estimate("gaussian") | {"label": "eigenvalues near each Ritz value, d·weight"}
    axes.errorbar(values, counts, **marks)
    axes.axhline(trace / largest, label=f"effective rank tr H/λ_max = {trace / largest:.2g}", **style.THEORY)
    axes.set_xscale("symlog", linthresh=_LINEAR * largest)
    axes.set(yscale="log", xlabel="eigenvalue λ of H", ylabel="how many directions", ylim=(floor, None))
    _set_few_ticks(axes, values)
    style.despine(axes)
    style.figure_legend(figure)
    return figure


def _set_few_ticks(axes, values: Sequence[float]) -> None:  # type: ignore[no-untyped-def]
    """Zero, and every second power of ten between the smallest step of the axis and its ends."""
    top = math.floor(math.log10(values[-1]))
    powers = [10.0**power for power in range(top - 2, top + 1)]
    negative = [-power for power in powers if -power >= values[0] * 3 and values[0] < 0]
    axes.set_xticks([*sorted(negative), 0, *powers])


def spectrum_alt_text(values: Sequence[float], weights: Sequence[float], parameters: int, trace: float) -> str:
    """What the figure shows, for those who do not see it.

    Raises: ValueError for values without a weight each.

    >>> spectrum_alt_text([0.0, 10.0], [0.999, 0.001], parameters=1000, trace=20.0).split("; ")[1]
    'the most directions, about 999, lie near 0. A dashed line marks the effective rank 2.'
    """
    _check_spectrum(values, weights)
    most = max(range(len(values)), key=lambda k: weights[k])
    top = round(parameters * weights[-1])
    return (
        "Stem chart of the number of eigenvalues against their size, on logarithmic axes. "
        f"The largest eigenvalue is {values[-1]:.4g}, with about {top:,} direction{'s' * (top != 1)}; "
        f"the most directions, about {parameters * weights[most]:,.0f}, lie near {values[most]:.2g}. "
        f"A dashed line marks the effective rank {trace / values[-1]:.2g}."
    )


def _check_spectrum(values: Sequence[float], weights: Sequence[float]) -> None:
    if not values or len(values) != len(weights):
        raise ValueError(f"`weights` must hold one for each of the values, got {len(weights)} for {len(values)}.")


def valley_figure(missed: Mapping[float, tuple[float, float]]) -> "Figure":
    """The relative error of zᵀHz against ε, and the powers ε⁻² and ε² through its ends.

    Args: missed: ε, ascending → (relative error, its standard error).
    Returns: a matplotlib `Figure` that needs no display. Raises: ValueError for fewer than two sizes.
    """
    _check_sizes(missed)
    sizes = list(missed)
    errors = [error for error, _ in missed.values()]
    bars = [bar for _, bar in missed.values()]
    figure = style.new_figure(height=3.2)
    axes = figure.add_subplot()
    for power, anchor in ((-2, 0), (2, -1)):
        line = [errors[anchor] * (size / sizes[anchor]) ** power for size in sizes]
        axes.plot(
            sizes, line, label="theory: ∝ ε⁻² and ∝ ε², through the ends" if anchor == 0 else None, **style.THEORY
        )
    axes.errorbar(sizes, errors, bars, label="relative error of zᵀHz ± standard error", **style.estimate("gaussian"))
    axes.set(xscale="log", yscale="log", xlabel="ε", ylabel="relative error", ylim=(min(errors) / 3, None))
    style.despine(axes)
    style.figure_legend(figure)
    return figure


def valley_alt_text(missed: Mapping[float, tuple[float, float]]) -> str:
    """What the figure shows, for those who do not see it.

    Raises: ValueError for fewer than two sizes.

    >>> valley_alt_text({1e-4: (0.5, 0.1), 1e-3: (0.01, 0.002), 1e-2: (0.2, 0.1)}).split(": ")[1]
    'from 0.5 at 0.0001 to its least, 0.01, at 0.001, and 0.2 at 0.01; dashed lines of slope −2 and 2 pass the ends.'
    """
    _check_sizes(missed)
    sizes = list(missed)
    best = min(sizes, key=lambda size: missed[size][0])
    return (
        "Log-log chart of the relative error of zᵀHz against ε: "
        f"from {missed[sizes[0]][0]:.2g} at {sizes[0]:g} to its least, {missed[best][0]:.2g}, at {best:g}, "
        f"and {missed[sizes[-1]][0]:.2g} at {sizes[-1]:g}; dashed lines of slope −2 and 2 pass the ends."
    )


def _check_sizes(missed: Mapping[float, tuple[float, float]]) -> None:
    if len(missed) < 2:
        raise ValueError(f"`missed` must hold at least two values of ε, got {len(missed)}: measure more.")
