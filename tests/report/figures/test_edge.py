"""The loss of each run is drawn beside the mean that the theory predicts, and said in words."""

import pytest

from mezo_lab.report.figures import LossPath, loss_alt_text, loss_figure

BELOW = LossPath("half of the edge", [[2.0, 1.0, 0.5], [2.0, 0.6, 0.4]], 0.5)
ABOVE = LossPath("twice the edge", [[2.0, 40.0, 1e300]], 9.0)


@pytest.fixture(scope="module")
def axes():
    figure = loss_figure([BELOW, ABOVE])
    figure.draw_without_rendering()
    return figure.axes[0]


def test_every_run_is_drawn_as_a_share_of_its_first_loss(axes):
    drawn = [list(line.get_ydata()) for line in axes.lines if line.get_linestyle() == "-"]
    assert drawn == [[1.0, 0.5, 0.25], [1.0, 0.3, 0.2], [1.0, 20.0, 1e6]]


def test_the_theory_is_dashed_and_multiplies_by_its_factor_at_each_step(axes):
    below, above, _ = [list(line.get_ydata()) for line in axes.lines if line.get_linestyle() == "--"]
    assert below == pytest.approx([1, 0.5, 0.25])
    assert above == pytest.approx([1, 9, 81])


def test_the_rates_differ_in_their_markers(axes):
    markers = {line.get_label(): line.get_marker() for line in axes.lines if line.get_label()[0] != "_"}
    assert markers["half of the edge"] != markers["twice the edge"]


def test_a_run_that_diverges_leaves_the_frame_and_spoils_no_other(axes):
    low, high = axes.get_ylim()
    assert low < 0.2 and high < 1e5


def test_a_long_run_above_the_edge_does_not_overflow():
    loss_figure([LossPath("far above", [[1.0] * 500], 1e6)]).draw_without_rendering()


def test_the_words_say_where_each_rate_ends():
    told = loss_alt_text([BELOW])
    assert "half of the edge: after 2 steps 0.2 to 0.25 times the first" in told


@pytest.mark.parametrize("paths", [[], [LossPath("no run", [], 0.5)]])
@pytest.mark.parametrize("draw", [loss_figure, loss_alt_text])
def test_nothing_to_draw_is_told(draw, paths):
    with pytest.raises(ValueError, match="`paths` must hold at least one path with a run"):
        draw(paths)
