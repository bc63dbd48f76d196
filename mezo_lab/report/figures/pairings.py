"""Isserlis' theorem as a diagram: the ways to pair the legs of a product of z's, and what each of them gives."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from mezo_lab.report.figures import style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from mezo_lab.proofs.wick import Leg, Pattern, Piece

__all__ = ["pairings_alt_text", "pairings_figure"]

_HEIGHT = 1.5  # inches
_ARC = 0.42  # how high an arc rises, for each place between its ends
_BRACKET = -0.28  # below the legs


def pairings_figure(pieces: "Sequence[Piece]") -> "Figure":
    """A diagram for each pairing: legs in a row, an arc over each pair, a bracket under the legs of one matrix.

    Args: pieces: vectors and matrices of `mezo_lab.proofs.wick`, in the order of their product, with four legs at most.
    Returns: a matplotlib `Figure` that needs no display. Raises: ValueError for another number of legs.

    >>> from mezo_lab.proofs.wick import matrix, vector
    >>> len(pairings_figure([vector("u"), matrix("I"), vector("v")]).axes)
    3
    """
    found = _pairs(pieces)
    figure = style.new_figure(_HEIGHT)
    legs = _legs(pieces)
    for axes, (pairs, pattern) in zip(figure.subplots(1, len(found), squeeze=False)[0], found, strict=True):
        _draw_legs(axes, pieces, legs)
        for pair in pairs:
            _draw_arc(axes, *sorted(legs.index(leg) for leg in pair))
        axes.set_title(_value(pattern), y=-0.22, fontsize=style.SMALL + 2, color=style.INK)
        axes.set(xlim=(-0.5, len(legs) - 0.5), ylim=(-0.75, _ARC * (len(legs) - 1) + 0.1))
        axes.set_axis_off()
    return figure


def pairings_alt_text(pieces: "Sequence[Piece]") -> str:
    """What the diagrams show, for those who do not see them. Raises: ValueError as for the figure.

    >>> from mezo_lab.proofs.wick import matrix, vector
    >>> pairings_alt_text([vector("u"), matrix("I"), vector("v")]).split(": ", 1)[1]
    'u with I and I with v, uᵀv; u with I and I with v, uᵀv; u with v and I with I, d·uᵀv.'
    """
    legs = _legs(pieces)
    told = []
    for pairs, pattern in _pairs(pieces):
        ends = [sorted(pair, key=legs.index) for pair in sorted(pairs, key=lambda pair: min(map(legs.index, pair)))]
        joined = " and ".join(f"{pieces[one].name} with {pieces[other].name}" for (one, _), (other, _) in ends)
        told.append(f"{joined}, {_value(pattern)}")
    row = ", ".join(pieces[piece].name for piece, _ in legs)
    return f"Diagrams of the pairings of the legs {row}: {'; '.join(told)}."


def _legs(pieces: "Sequence[Piece]") -> "list[Leg]":
    """(which piece, which of its slots), from left to right."""
    legs = [(piece, slot) for piece, (_, probes) in enumerate(pieces) for slot in range(len(probes))]
    if len(legs) not in (2, 4):
        raise ValueError(f"`pieces` must have 2 or 4 legs, got {len(legs)}: a vector has one, a matrix two.")
    return legs


def _pairs(pieces: "Sequence[Piece]") -> "list[tuple[tuple, Pattern]]":
    """Each pairing with the scalar that it gives, the values in the order of their letters."""
    from mezo_lab.proofs.wick import pairings, patterns  # loads sympy

    legs = _legs(pieces)
    # `patterns` has the pairings in the same order, and after them the coincidence of all legs
    found = list(zip(pairings(legs), patterns(pieces), strict=False))
    return sorted(found, key=lambda each: len(_value(each[1])))


def _value(pattern: "Pattern") -> str:
    from mezo_lab.proofs.printing import plain

    return plain(pattern.value)


def _draw_legs(axes: "Axes", pieces: "Sequence[Piece]", legs: "Sequence[Leg]") -> None:
    for place, (piece, _) in enumerate(legs):
        axes.plot(place, 0, marker="o", markersize=4, color=style.INK, zorder=3)
        look: dict[str, Any] = {"ha": "center", "va": "top", "fontsize": style.SMALL + 1, "color": style.INK}
        axes.annotate(pieces[piece].name, (place, _BRACKET - 0.06), **look)
    for piece, (_, probes) in enumerate(pieces):
        if len(probes) > 1:
            first = legs.index((piece, 0))
            last = legs.index((piece, len(probes) - 1))
            corners = [(first, -0.1), (first, _BRACKET), (last, _BRACKET), (last, -0.1)]
            axes.plot(*zip(*corners, strict=True), color=style.GREY, linewidth=1.6)


def _draw_arc(axes: "Axes", left: int, right: int) -> None:
    """A half ellipse over two legs."""
    steps = [math.pi * step / 40 for step in range(41)]
    middle = (left + right) / 2
    radius = (right - left) / 2
    x = [middle + radius * math.cos(step) for step in steps]
    y = [_ARC * (right - left) * math.sin(step) for step in steps]
    axes.plot(x, y, color=style.LAW_STYLES["gaussian"][1], linewidth=1.8)
