"""The figures of curvature show what was measured, and the theory beside it."""

import pytest

from mezo_lab.report.figures import (
    slopes_alt_text,
    slopes_figure,
    spectrum_alt_text,
    spectrum_figure,
    valley_alt_text,
    valley_figure,
)

VALUES = [-2.0, 0.0, 50.0, 400.0]
WEIGHTS = [0.2, 0.79, 0.007, 0.003]


def dashed(axes) -> list:
    return [line for line in axes.lines if line.get_linestyle() == "--"]


def test_probes_stand_at_their_own_slope_and_the_control_at_anothers():
    (axes,) = slopes_figure([0.5, -1.0, 2.0], [0.4, -1.1, 2.2]).axes
    own, control = (line for line in axes.lines if line.get_marker() in ("s", "x"))
    assert list(own.get_xdata()) == [0.4, -1.1, 2.2] and list(control.get_xdata()) == [-1.1, 2.2, 0.4]
    assert list(own.get_ydata()) == list(control.get_ydata()) == [0.5, -1.0, 2.0]
    assert [line.get_slope() for line in dashed(axes)] == [1]


def test_the_spectrum_counts_directions_and_marks_the_effective_rank():
    figure = spectrum_figure(VALUES, WEIGHTS, parameters=1000, trace=1200.0)
    figure.draw_without_rendering()
    (axes,) = figure.axes
    (marks,) = (container.lines[0] for container in axes.containers)
    assert list(marks.get_xdata()) == VALUES
    assert list(marks.get_ydata()) == pytest.approx([200, 790, 7, 3])
    (rank,) = dashed(axes)
    assert set(rank.get_ydata()) == {3.0}  # 1200/400
    assert "effective rank tr H/λ_max = 3" in rank.get_label()


def test_the_words_of_a_spectrum_tell_its_top_and_its_bulk():
    told = spectrum_alt_text(VALUES, WEIGHTS, parameters=1000, trace=1200.0)
    assert "The largest eigenvalue is 400, with about 3 directions" in told and "about 790, lie near 0" in told


def test_the_valley_has_its_errors_and_two_powers_through_its_ends():
    missed = {1e-4: (0.4, 0.1), 1e-3: (0.01, 0.001), 1e-2: (0.2, 0.05)}
    (axes,) = valley_figure(missed).axes
    falling, rising = dashed(axes)
    assert list(falling.get_ydata()) == pytest.approx([0.4, 0.4e-2, 0.4e-4])
    assert list(rising.get_ydata()) == pytest.approx([0.2e-4, 0.2e-2, 0.2])
    (points,) = (container.lines[0] for container in axes.containers)
    assert list(points.get_ydata()) == [0.4, 0.01, 0.2]
    assert "its least, 0.01, at 0.001" in valley_alt_text(missed)


@pytest.mark.parametrize("of", [slopes_figure, slopes_alt_text])
def test_one_probe_has_no_other(of):
    with pytest.raises(ValueError, match=r"`along` must hold a number for each of two or more probes, got 1: draw"):
        of([1.0], [1.0])


@pytest.mark.parametrize("of", [spectrum_figure, spectrum_alt_text])
def test_each_value_has_a_weight(of):
    with pytest.raises(ValueError, match=r"`weights` must hold one for each of the values, got 1 for 2"):
        of([1.0, 2.0], [1.0], 10, 3.0)


@pytest.mark.parametrize("of", [valley_figure, valley_alt_text])
def test_a_valley_has_two_ends(of):
    with pytest.raises(ValueError, match=r"`missed` must hold at least two values of ε, got 1: measure more"):
        of({1e-3: (0.1, 0.1)})
