"""Losses of several rules of MeZO, step by step, beside the mean that the theory predicts for one of them."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from mezo_lab.report.figures import style

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["rules_alt_text", "rules_figure"]

_LINES = ("-", "-.", (0, (3, 1, 1, 1, 1, 1)), (0, (5, 1)), "-")


def rules_figure(losses: Mapping[str, Sequence[float]], contraction: float) -> "Figure":
    """The loss of each rule on a logarithmic axis against the step.

    Args:
        losses: rule → its loss at the start and after each step.
        contraction: the factor by which a step of SGD lowers the mean loss; the dashed line.

    Returns: a matplotlib `Figure` that needs no display. Raises: ValueError when there is nothing to draw.
    """
    _check_losses(losses)
    figure = style.new_figure(height=3.6)
    axes = figure.add_subplot()
    for k, (name, course) in enumerate(losses.items()):
        marker, colour = list(style.LAW_STYLES.values())[k % len(style.LAW_STYLES)]
        look = {"color": colour, "marker": marker, "markersize": 5, "markevery": (3 * k, 15)}
        axes.plot(course, linestyle=_LINES[k % len(_LINES)], linewidth=1.5, label=name, **look)
    first = next(iter(losses.values()))
    mean = [first[0] * contraction**step for step in range(len(first))]
    axes.plot(mean, label="theory: mean of sgd, (1 − 1/γ)ᵗ", **style.THEORY)
    least = min(min(course) for course in losses.values())
    axes.set(yscale="log", xlabel="step", ylabel="loss", ylim=(max(least / 3, 1e-9), 10 * first[0]))
    style.despine(axes)
    style.figure_legend(figure, columns=2)
    return figure


def rules_alt_text(losses: Mapping[str, Sequence[float]], contraction: float) -> str:
    """What the figure shows, for those who do not see it.

    Raises: ValueError when there is nothing to describe.

    >>> print(rules_alt_text({"sgd": [2.0, 1.0, 0.5]}, contraction=0.5))
    Line chart of the loss on a log axis against the step: sgd from 2 to 0.5; the dashed mean of the theory ends at 0.5.
    """
    _check_losses(losses)
    told = "; ".join(f"{name} from {course[0]:.2g} to {course[-1]:.2g}" for name, course in losses.items())
    first = next(iter(losses.values()))
    end = first[0] * contraction ** (len(first) - 1)
    return (
        f"Line chart of the loss on a log axis against the step: {told}; "
        f"the dashed mean of the theory ends at {end:.2g}."
    )


def _check_losses(losses: Mapping[str, Sequence[float]]) -> None:
    if not losses:
        raise ValueError("`losses` must hold at least one rule, got none: run one first.")
