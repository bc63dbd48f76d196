"""Each run is drawn with the edge that theory predicts where it is, and with that of gradient descent."""

import pytest

from mezo_lab.report.figures import EdgeRun, edge_training_alt_text, edge_training_figure

STEPS = [0, 10, 20, 30]
BELOW = EdgeRun(0.1, STEPS, [4.0, 2.0, 1.0, 0.5], [5.0, 6.0, 7.0, 8.0], [1.0] * 4, [0.2] * 4, False)
ABOVE = EdgeRun(0.3, STEPS, [4.0, 1.0, 2.0, 9.0], [5.0, 6.0, 7.0, 8.0], [2.0] * 4, [0.4, 0.3, 0.25, 0.2], True)


@pytest.fixture(scope="module")
def panels():
    figure = edge_training_figure([BELOW, ABOVE])
    figure.draw_without_rendering()
    return figure.axes


def drawn(axes, style, colour=None):
    lines = [line for line in axes.lines if line.get_linestyle() == style and len(line.get_ydata())]
    return [list(line.get_ydata()) for line in lines if colour in (None, line.get_color())]


def test_every_run_is_drawn_as_its_rate_times_its_trace(panels):
    assert drawn(panels[0], "-") == [pytest.approx([0.5, 0.6, 0.7, 0.8]), pytest.approx([1.5, 1.8, 2.1, 2.4])]
    assert drawn(panels[1], "-") == [BELOW.losses, ABOVE.losses]


def test_the_predicted_edge_of_each_run_is_dashed(panels):
    assert drawn(panels[0], "--", "#1c1c1c") == [pytest.approx([1, 1.2, 1.4, 1.6]), pytest.approx([2, 1.8, 1.75, 1.6])]


def test_the_edge_of_gradient_descent_is_dotted(panels):
    grey = [
        list(line.get_ydata()) for line in panels[0].lines if line.get_color() == "#757575" and len(line.get_ydata())
    ]
    assert grey == [[10.0, 12.0, 14.0, 16.0], [5.0, 6.0, 7.0, 8.0]]


def test_the_least_loss_is_circled(panels):
    circles = [line for line in panels[1].lines if line.get_fillstyle() == "none"]
    assert [(list(c.get_xdata()), list(c.get_ydata())) for c in circles] == [([30], [0.5]), ([10], [1.0])]


def test_the_words_say_which_runs_diverge_and_how_near_the_edge_they_turned():
    told = edge_training_alt_text([BELOW, ABOVE])
    assert "η = 0.1 trains, at 0.50 times the predicted edge at most." in told
    assert "η = 0.3 diverges; its loss is least at 1.00 times the predicted edge." in told


@pytest.mark.parametrize("draw", [edge_training_figure, edge_training_alt_text])
@pytest.mark.parametrize("runs", [[], [EdgeRun(0.1, [], [], [], [], [], False)]])
def test_nothing_to_draw_is_told(draw, runs):
    with pytest.raises(ValueError, match="`runs` must hold at least one run, each with a finite loss"):
        draw(runs)


def test_the_least_loss_of_a_run_is_a_finite_one():
    assert EdgeRun(0.3, [0, 10], [float("nan"), 0.5], [5.0, 6.0], [2.0] * 2, [0.4, 0.3], True).turn == 1
    never = EdgeRun(0.3, [0, 10], [float("nan")] * 2, [5.0, 6.0], [2.0] * 2, [0.4, 0.3], True)
    for draw in (edge_training_figure, edge_training_alt_text):
        with pytest.raises(ValueError, match="`runs` must hold at least one run, each with a finite loss"):
            draw([never])
