"""The figure of a step's sweeps: where the weights stand, where losses are evaluated, and where all must arrive."""

import pytest

from mezo_lab.report.figures import walk_alt_text, walk_figure
from mezo_lab.report.figures.style import INK

FOUR = [{7: 1.0}, None, {7: -2.0}, None, {7: 1.0}, {7: -0.5}, {8: 1.0}, None, {8: -2.0}, None, {8: 1.0}, {8: 0.25}]
TWO = [{7: 1.0}, None, {7: -2.0}, None, {7: 0.5, 8: 1.0}, None, {8: -2.0}, None, {8: 1.25}]
WALKS = {"four sweeps": FOUR, "two and a flush": TWO}


@pytest.fixture(scope="module")
def figure():
    drawn = walk_figure(WALKS)
    drawn.draw_without_rendering()
    return drawn


def lines(axes, label: str) -> list:
    return [line for line in axes.lines if line.get_label() == label]


def test_a_panel_for_each_program_shows_the_sum_of_its_moves(figure):
    assert [axes.get_title() for axes in figure.axes] == list(WALKS)
    first, second = (list(lines(figure.axes[0], f"along the z of step {k}")[0].get_ydata()) for k in (1, 2))
    assert first == [0, 1, -1, 0, -0.5, -0.5, -0.5, -0.5, -0.5]
    assert second == [0, 0, 0, 0, 0, 1, -1, 0, 0.25]


def test_a_filled_marker_stands_at_the_probes_of_each_step_and_nowhere_else(figure):
    for axes in figure.axes:
        filled = [line for line in axes.lines if line.get_linestyle() == "None" and len(line.get_xdata()) == 2]
        assert [list(line.get_ydata()) for line in filled] == [[1, -1], [1, -1]]


def test_every_program_ends_on_the_dashed_lines_of_the_first(figure):
    for axes in figure.axes:
        dashed = [line for line in axes.lines if line.get_linestyle() == "--"]
        theory = {line.get_ydata()[0] for line in dashed if len(line.get_xdata())}
        ends = {lines(axes, f"along the z of step {k}")[0].get_ydata()[-1] for k in (1, 2)}
        assert theory == ends == {-0.5, 0.25}
        assert all(line.get_color() == INK for line in dashed)


def test_a_program_that_forgets_the_way_back_misses_them():
    (right, wrong) = walk_figure({"right": FOUR, "wrong": [{7: 1.0}, None, {7: -2.0}, None, {7: -0.5}]}).axes
    assert lines(wrong, "along the z of step 1")[0].get_ydata()[-1] == -1.5
    assert lines(right, "along the z of step 1")[0].get_ydata()[-1] == -0.5


def test_the_words_count_sweeps_and_losses():
    words = walk_alt_text(WALKS)
    assert "four sweeps: 8 sweeps with 4 losses" in words and "two and a flush: 5 sweeps with 4 losses" in words
    assert "along the z of step 2 at 0, 0, 0, 1, −1, 0.25" in words


@pytest.mark.parametrize("walks", [{}, {"idle": [None]}])
def test_a_walk_without_a_sweep_is_refused(walks):
    with pytest.raises(ValueError, match="each with a sweep: run one first"):
        walk_figure(walks)
