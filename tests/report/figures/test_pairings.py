"""Each pairing of four legs is a diagram of its own, with two arcs and the value that the proof counts."""

import pytest
import sympy

from mezo_lab.proofs.wick import gaussian_mean, matrix, vector
from mezo_lab.report.figures import pairings_alt_text, pairings_figure

PIECES = [vector("u"), matrix("I"), vector("v")]


def arcs(axes) -> set[tuple[float, float]]:
    """The places of the legs that an arc joins; a curve of many points is one."""
    curves = [line for line in axes.lines if len(line.get_xdata()) > 4]
    return {(round(min(curve.get_xdata())), round(max(curve.get_xdata()))) for curve in curves}


def test_the_three_pairings_are_three_diagrams():
    found = [arcs(axes) for axes in pairings_figure(PIECES).axes]
    assert sorted(map(sorted, found)) == [[(0, 1), (2, 3)], [(0, 2), (1, 3)], [(0, 3), (1, 2)]]


def test_arcs_and_values_lie_inside_the_frame():
    for axes in pairings_figure(PIECES).axes:
        bottom, top = axes.get_ylim()
        assert all(bottom <= y <= top for line in axes.lines for y in line.get_ydata())


def test_the_values_below_add_up_to_the_mean():
    values = [axes.get_title() for axes in pairings_figure(PIECES).axes]
    assert values == ["uᵀv", "uᵀv", "d·uᵀv"]
    d, product = sympy.symbols("d uᵀv")
    assert str(gaussian_mean(*PIECES)) == str(sympy.expand((1 + 1 + d) * product))


def test_the_words_say_who_is_paired_with_whom():
    assert "u with v and I with I, d·uᵀv." in pairings_alt_text(PIECES)


def test_six_legs_are_refused():
    for drawn in (pairings_figure, pairings_alt_text):
        with pytest.raises(ValueError, match="`pieces` must have 2 or 4 legs, got 6: a vector has one, a matrix two"):
            drawn([*PIECES, matrix("H")])
