"""The figure of diverging runs shows each at its rate, and the predicted rate through them."""

import pytest

from mezo_lab.report.figures import RateRun, divergence_alt_text, divergence_figure
from mezo_lab.report.figures.style import GREY, INK

RUNS = [RateRun(1e-5, [0.6, 0.5, 0.4], False), RateRun(1e-3, [0.6, 9.0], True)]


@pytest.fixture(scope="module")
def panels():
    figure = divergence_figure(RUNS, lr=2e-4, error=5e-5)
    figure.draw_without_rendering()
    return figure.axes


def test_every_run_is_a_line_by_step_that_is_dotted_where_it_diverged(panels):
    along, _ = panels
    assert [list(line.get_ydata()) for line in along.lines] == [run.losses for run in RUNS]
    assert [line.get_linestyle() for line in along.lines] == ["-", ":"]
    assert [text.get_text() for text in along.texts] == ["0.05 ×", "5 ×"]


def test_last_losses_stand_at_their_rates_and_a_cross_tells_divergence_without_colour(panels):
    _, last = panels
    marks = [container.lines[0] for container in last.containers if len(container.lines[0].get_xdata())]
    assert [(float(m.get_xdata()[0]), float(m.get_ydata()[0]), m.get_marker()) for m in marks] == [
        (1e-5, 0.4, "s"),
        (1e-3, 9.0, "x"),
    ]
    assert marks[1].get_color() == GREY


def test_the_predicted_rate_is_black_and_dashed_within_its_error(panels):
    _, last = panels
    (theory,) = [line for line in last.lines if line.get_linestyle() == "--" and len(line.get_xdata())]
    assert theory.get_color() == INK and set(theory.get_xdata()) == {2e-4}
    (band,) = last.patches
    assert (band.get_x(), band.get_x() + band.get_width()) == pytest.approx((1.5e-4, 2.5e-4))


def test_the_words_tell_what_the_figure_shows():
    told = divergence_alt_text(RUNS, 2e-4, 5e-5)
    assert (
        "0.0002 ± 5e-05" in told
        and "at 0.05 × that the loss falls from 0.6 to 0.4; at 5 × that the loss diverges" in told
    )


@pytest.mark.parametrize("of", [divergence_figure, divergence_alt_text])
def test_nothing_is_not_drawn(of):
    with pytest.raises(ValueError, match=r"`runs` must hold at least one run, got none: measure one first"):
        of([], 1.0, 0.1)
