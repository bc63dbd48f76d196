"""Where the time of fine-tuning runs goes: a bar for each run, in its stages."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mezo_lab.report.figures import style
from mezo_lab.report.labels import duration

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["RunStages", "stages_alt_text", "stages_figure"]

_ROW = 0.42  # inches for a run
_FRAME = 1.9  # inches for the axis and the legend
_THICKNESS = 0.62  # of a row
_LABELLED = 0.08  # a share from which its bar has room for a number
_SHOWN = 0.005  # a share from which it has a word
# hatch and lightness of each stage in turn; neighbours differ in both, so that colour is not needed
_FILLS = (
    ("", "#ffffff"),
    ("xxxx", "#ffffff"),
    ("....", "#ffffff"),
    ("", "#b8b8b8"),
    ("////", "#ffffff"),
    ("", "#4d4d4d"),
    ("\\\\\\\\", "#ffffff"),
    ("----", "#ffffff"),
    ("++", "#e0e0e0"),
    ("oo", "#ffffff"),
)


@dataclass(frozen=True)
class RunStages:
    """One run, measured."""

    name: str
    seconds: Mapping[str, float]
    """Of each stage, in the order in which they are drawn."""

    @property
    def total(self) -> float:
        """The seconds of the whole run."""
        return sum(self.seconds.values())


def stages_figure(runs: Sequence[RunStages]) -> "Figure":
    """The share of each stage in the time of each run.

    Args: runs: at least one, drawn in this order from the top.
    Returns: a matplotlib `Figure` that needs no display.
    Raises: ValueError when there is nothing to draw.
    """
    stages = _all_stages(runs)
    figure = style.new_figure(_FRAME + _ROW * len(runs))
    axes = figure.subplots()
    for row, run in enumerate(runs):
        _draw_run(axes, row, run, stages)
    axes.set_yticks(range(len(runs)), [f"{run.name}\n{duration(run.total)}" for run in runs])
    axes.set(ylim=(len(runs) - 0.5, -0.5), xlim=(0, 1), xlabel="share of the time")
    axes.set_xticks([0, 0.25, 0.5, 0.75, 1], ["0", "25 %", "50 %", "75 %", "100 %"])
    style.despine(axes)
    handles = [axes.barh(0, 0, label=stage, **_fill(stage, stages)) for stage in stages]
    style.figure_legend(figure, columns=2, handles=handles, handlelength=2.6)
    return figure


def stages_alt_text(runs: Sequence[RunStages]) -> str:
    """What the figure shows, for those who do not see it.

    Raises: ValueError when there is nothing to describe.

    >>> print(stages_alt_text([RunStages("tiny", {"loading": 6.0, "sweeps": 4.0})]))
    Bars of the time of fine-tuning runs by stage: tiny, 10 s: loading 60 %, sweeps 40 %.
    """
    _all_stages(runs)
    return f"Bars of the time of fine-tuning runs by stage: {'; '.join(map(_in_words, runs))}."


def _in_words(run: RunStages) -> str:
    shares = {stage: own / run.total for stage, own in run.seconds.items()}
    words = ", ".join(f"{stage} {100 * share:.0f} %" for stage, share in shares.items() if share >= _SHOWN)
    return f"{run.name}, {duration(run.total)}: {words}"


def _all_stages(runs: Sequence[RunStages]) -> list[str]:
    """Each stage once, that is long enough to be seen in any run. Raises: ValueError for no runs."""
    if not runs:
        raise ValueError("`runs` must hold at least one run, got none: make one first.")
    order = dict.fromkeys(stage for run in runs for stage in run.seconds)
    return [stage for stage in order if any(run.seconds.get(stage, 0.0) >= _SHOWN * run.total for run in runs)]


def _draw_run(axes: "Axes", row: int, run: RunStages, stages: Sequence[str]) -> None:
    left = 0.0
    for stage in stages:
        share = run.seconds.get(stage, 0.0) / run.total
        axes.barh(row, share, _THICKNESS, left=left, **_fill(stage, stages))
        if share >= _LABELLED:
            box = {"facecolor": "white", "edgecolor": "none", "pad": 1.2}
            axes.text(
                left + share / 2,
                row,
                f"{100 * share:.0f} %",
                ha="center",
                va="center",
                fontsize=style.SMALL,
                color=style.INK,
                bbox=box,
            )
        left += share


def _fill(stage: str, stages: Sequence[str]) -> dict[str, Any]:
    """The look of a stage: its hatch and its lightness among all stages."""
    hatch, grey = _FILLS[list(stages).index(stage) % len(_FILLS)]
    return {"hatch": hatch, "facecolor": grey, "edgecolor": style.INK, "linewidth": 0.7}
