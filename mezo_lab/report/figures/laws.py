"""Laws of z: where their probes lie in a plane, and the matrices of second moments that they make."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from torch import Tensor

from mezo_lab.report.figures import style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["clouds_alt_text", "clouds_figure", "matrices_alt_text", "matrices_figure"]

_CLOUD_HEIGHT = 1.25  # inches
_FEW = 20  # points, which lie on each other in every draw
_SIDE = 3.2  # of the square of the plane that is seen, from its middle
_MATRIX_HEIGHT = 2.3
_TITLE = style.SMALL + 0.5
_DARK = 0.55  # of the greyest cell


def clouds_figure(draws: Mapping[str, Tensor]) -> "Figure":
    """Probes in two dimensions, a panel for each law, all on one scale, with the circle of radius √2.

    Args: draws: law → (count, 2).
    Returns: a matplotlib `Figure` that needs no display. Raises: ValueError without draws, or for other shapes.

    >>> import torch
    >>> len(clouds_figure({"rademacher": torch.tensor([[1.0, -1.0], [1.0, 1.0]])}).axes)
    1
    """
    _check_clouds(draws)
    figure = style.new_figure(_CLOUD_HEIGHT)
    for axes, (law, z) in zip(figure.subplots(1, len(draws), squeeze=False)[0], draws.items(), strict=True):
        marker, colour = style.LAW_STYLES[law]
        alpha = 1.0 if len(z.unique(dim=0)) < _FEW else 0.25
        dots: dict[str, Any] = {"marker": marker, "s": 9, "alpha": alpha, "linewidths": 0, "color": colour}
        axes.scatter(z[:, 0].tolist(), z[:, 1].tolist(), **dots)
        _draw_circle(axes, 2**0.5)
        axes.set(xlim=(-_SIDE, _SIDE), ylim=(-_SIDE, _SIDE), xticks=[-2, 0, 2], yticks=[-2, 0, 2], aspect="equal")
        axes.set_title(law, fontsize=_TITLE, color=style.INK)
        style.despine(axes)
        if axes.get_subplotspec().colspan.start:
            axes.set_yticklabels([])
    return figure


def clouds_alt_text(draws: Mapping[str, Tensor]) -> str:
    """What the clouds show, for those who do not see them. Raises: ValueError as for the figure.

    >>> import torch
    >>> clouds_alt_text({"rademacher": torch.tensor([[1.0, -1.0], [1.0, 1.0]])}).split(": ", 1)[1]
    'rademacher, from 1.41 to 1.41.'
    """
    _check_clouds(draws)
    told = []
    for law, z in draws.items():
        lengths = z.norm(dim=-1)
        told.append(f"{law}, from {float(lengths.min()):.2f} to {float(lengths.max()):.2f}")
    return f"Probes in two dimensions around the circle of radius √2, with their lengths: {'; '.join(told)}."


def matrices_figure(measured: Mapping[str, Tensor], theory: Mapping[str, Tensor]) -> "Figure":
    """Matrices as squares of numbers, grey by their size: measured above, the formula's below, a column for each law.

    Args: measured: law → (d, d) of few dimensions. theory: the same laws and shapes.
    Returns: a matplotlib `Figure` that needs no display. Raises: ValueError for other laws or shapes.

    >>> import torch
    >>> len(matrices_figure({"sphere": torch.eye(2)}, {"sphere": torch.eye(2)}).axes)
    2
    """
    _check_matrices(measured, theory)
    figure = style.new_figure(_MATRIX_HEIGHT)
    largest = max(float(matrix.abs().max()) for matrix in (*measured.values(), *theory.values()))
    grid = figure.subplots(2, len(measured), squeeze=False)
    for row, (name, matrices) in zip(grid, (("measured", measured), ("formula", theory)), strict=True):
        for axes, (law, matrix) in zip(row, matrices.items(), strict=True):
            axes.imshow(matrix.abs().tolist(), cmap="Greys", vmin=0, vmax=largest / _DARK)
            _draw_numbers(axes, matrix)
            axes.set(xticks=[], yticks=[])
            axes.spines[:].set_color(style.GREY)
            if name == "measured":
                axes.set_title(law, fontsize=_TITLE, color=style.INK)
        row[0].set_ylabel(name, fontsize=_TITLE, color=style.INK)
    return figure


def matrices_alt_text(measured: Mapping[str, Tensor], theory: Mapping[str, Tensor]) -> str:
    """What the matrices show, for those who do not see them. Raises: ValueError as for the figure.

    >>> import torch
    >>> matrices_alt_text({"sphere": torch.eye(2)}, {"sphere": 1.1 * torch.eye(2)}).split(": ", 1)[1]
    'sphere, diagonal 1.00, 1.00, formula 1.10, 1.10, largest difference of an entry 0.10.'
    """
    _check_matrices(measured, theory)
    told = []
    for law, matrix in measured.items():
        found, formula = (", ".join(f"{x:.2f}" for x in each.diagonal().tolist()) for each in (matrix, theory[law]))
        apart = float((matrix - theory[law]).abs().max())
        told.append(f"{law}, diagonal {found}, formula {formula}, largest difference of an entry {apart:.2f}")
    return f"Matrices of second moments, measured and by formula: {'; '.join(told)}."


def _check_clouds(draws: Mapping[str, Tensor]) -> None:
    shapes = {law: tuple(z.shape) for law, z in draws.items() if z.ndim != 2 or z.shape[-1] != 2}
    if not draws or shapes:
        raise ValueError(
            f"`draws` must hold probes of the shape (count, 2), got {shapes or 'none'}: draw in two dimensions."
        )


def _check_matrices(measured: Mapping[str, Tensor], theory: Mapping[str, Tensor]) -> None:
    shapes = [{law: tuple(matrix.shape) for law, matrix in each.items()} for each in (measured, theory)]
    if not measured or shapes[0] != shapes[1]:
        raise ValueError(
            f"`measured` and `theory` must hold the same laws and shapes, got {shapes[0]} and {shapes[1]}: "
            "give a matrix of each for each law."
        )


def _draw_circle(axes: "Axes", radius: float) -> None:
    from matplotlib.patches import Circle

    axes.add_patch(Circle((0, 0), radius, fill=False, edgecolor=style.GREY, linestyle=(0, (2, 2)), linewidth=0.9))


def _draw_numbers(axes: "Axes", matrix: Tensor) -> None:
    look: dict[str, Any] = {"ha": "center", "va": "center", "fontsize": style.SMALL - 0.5, "color": style.INK}
    for i, row in enumerate(matrix.tolist()):
        for j, value in enumerate(row):
            text = f"{value:.2f}".replace("-0.00", "0.00").replace("-", "−")
            axes.annotate(text, (j, i), **look)
