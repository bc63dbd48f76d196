"""Where the weights stand through the sweeps of a step: a panel for each way to write the step, beside each other."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from mezo_lab.report.figures import style
from mezo_lab.report.labels import joined

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["walk_alt_text", "walk_figure"]

_HEIGHT = 2.9  # inches
# the laws whose markers tell the z of the steps apart
_LAWS = ("gaussian", "rademacher", "uniform", "sphere")

Walk = Sequence[Mapping[int, float] | None]
"""What a program does, in order: a sweep, as seed → distance along the z of that seed in units of ε; None, a loss."""


def walk_figure(walks: Mapping[str, Walk]) -> "Figure":
    """The distance along the z of each step against the sweeps, with filled markers where a loss is evaluated.

    The dashed lines are where the first program arrives, which every other must reach too.

    Args: walks: name of a program → its sweeps and losses; all have the same seeds.
    Returns: a matplotlib `Figure` that needs no display. Raises: ValueError when there is no sweep to draw.
    """
    paths = _paths(walks)
    figure = style.new_figure(_HEIGHT)
    panels = figure.subplots(1, len(walks), sharey=True, squeeze=False).flatten().tolist()
    ends = [path[-1] for path in next(iter(paths.values())).values()]
    for axes, (name, walk) in zip(panels, walks.items(), strict=True):
        for end in ends:
            axes.axhline(end, **style.THEORY)
        _draw_walk(axes, paths[name], _evaluated(walk))
        axes.set_title(name, fontsize=style.SMALL + 1, color=style.INK)
        axes.set_xlabel("sweeps")
        axes.xaxis.get_major_locator().set_params(integer=True)
        style.despine(axes)
    panels[0].set_ylabel("distance from θ along z, in ε")
    panels[0].plot([], [], label="where the printed algorithm arrives", **style.THEORY)
    panels[0].plot([], [], "o", color=style.GREY, label="filled: a loss is evaluated there")
    handles, _ = panels[0].get_legend_handles_labels()
    style.figure_legend(figure, columns=2, handles=handles)
    return figure


def walk_alt_text(walks: Mapping[str, Walk]) -> str:
    """What the figure shows, for those who do not see it.

    Raises: ValueError when there is no sweep to describe.

    >>> four = [{7: 1.0}, None, {7: -2.0}, None, {7: 1.0}, {7: -0.5}]
    >>> print(walk_alt_text({"as printed": four}))
    Chart of where the weights stand along the z of each step, in units of ε, against the sweeps. as printed: 4 sweeps \
with 2 losses, along the z of step 1 at 0, 1, −1, 0, −0.5. Dashed lines: where the first program arrives.
    """
    told = []
    for name, paths in _paths(walks).items():
        places = []
        for step, path in enumerate(paths.values(), start=1):
            stations = ", ".join(f"{place:.2g}".replace("-", "−") for place in path)
            places.append(f"along the z of step {step} at {stations}")
        sweeps = sum(event is not None for event in walks[name])
        told.append(f"{name}: {sweeps} sweeps with {list(walks[name]).count(None)} losses, {joined(places)}.")
    about = "Chart of where the weights stand along the z of each step, in units of ε, against the sweeps."
    return f"{about} {' '.join(told)} Dashed lines: where the first program arrives."


def _paths(walks: Mapping[str, Walk]) -> dict[str, dict[int, list[float]]]:
    """Of each program: seed → where the weights stand along its z, at the start and after each sweep."""
    found = {}
    for name, walk in walks.items():
        sweeps = [event for event in walk if event is not None]
        seeds = dict.fromkeys(seed for sweep in sweeps for seed in sweep)
        paths: dict[int, list[float]] = {seed: [0.0] for seed in seeds}
        for sweep in sweeps:
            for seed, path in paths.items():
                place = path[-1] + sweep.get(seed, 0.0)
                path.append(round(place, 9) + 0.0)  # what rounding leaves of a way back is no distance
        found[name] = paths
    if not found or not all(found.values()):
        raise ValueError("`walks` must hold at least one program, each with a sweep: run one first.")
    return found


def _evaluated(walk: Walk) -> dict[int, list[int]]:
    """Seed → the numbers of the sweeps after which a loss is evaluated; a loss belongs to the z that was moved last.

    >>> _evaluated([{7: 1.0}, None, {7: -2.0}, None, {7: 1.0, 8: 1.0}, None])
    {7: [1, 2], 8: [3]}
    """
    places: dict[int, list[int]] = {}
    moved: list[int] = []
    for event in walk:
        if event is None:
            places.setdefault(moved[-1], []).append(len(moved))
        else:
            moved.append(list(event)[-1])
    return places


def _draw_walk(axes: "Axes", paths: Mapping[int, Sequence[float]], evaluated: Mapping[int, Sequence[int]]) -> None:
    for step, (seed, path) in enumerate(paths.items()):
        marker, colour = style.LAW_STYLES[_LAWS[step % len(_LAWS)]]
        look: dict[str, Any] = {"color": colour, "marker": marker, "markersize": 5, "linewidth": 1.2}
        axes.plot(range(len(path)), path, markerfacecolor="white", label=f"along the z of step {step + 1}", **look)
        sweeps = evaluated.get(seed, [])
        dots: dict[str, Any] = look | {"linestyle": "none"}
        axes.plot(sweeps, [path[sweep] for sweep in sweeps], **dots)
