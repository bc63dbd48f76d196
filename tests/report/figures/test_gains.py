"""The figure of gains shows each measurement between the two predictions, and says the same in words."""

import math

import pytest

from mezo_lab.report.figures import StepGain, gains_alt_text, gains_figure
from mezo_lab.report.figures.style import GREY, INK

GAINS = [
    StepGain("one batch:\nspan of the inputs", 1.0, 8.0, 1.25, 0.01),
    StepGain("one batch: first 4", 2.0, 14.0, None),
    StepGain("one batch: first 16", 2.0, 14.0, 1.0, 0.5),
]


@pytest.fixture(scope="module")
def axes():
    figure = gains_figure(GAINS)
    figure.draw_without_rendering()
    return figure.axes[0]


def test_a_row_has_the_prediction_dashed_and_that_of_the_cosine_dotted(axes):
    drawn = [line for line in axes.lines if len(line.get_xdata()) == 2 and not line.get_marker().startswith("|")]
    ticks = [(line.get_xdata()[0], line.get_color()) for line in drawn if line.get_color() in (INK, GREY)]
    assert ticks == [(8, GREY), (1, INK), (14, GREY), (2, INK), (14, GREY), (2, INK)]


def test_a_measurement_has_bars_of_five_errors_of_its_logarithm(axes):
    marks = [bars for bars in axes.containers if len(bars.lines[0].get_xdata())]
    assert [(float(bars.lines[0].get_xdata()[0]), float(bars.lines[0].get_ydata()[0])) for bars in marks] == [
        (1.25, 0.0),
        (1.0, 2.0),
    ]
    ends = [[float(x) for x, _ in bars.lines[2][0].get_segments()[0]] for bars in marks]
    assert ends == [
        pytest.approx([1.25 / math.exp(0.04), 1.25 * math.exp(0.04)]),
        pytest.approx([math.exp(-2.5), math.exp(2.5)]),
    ]


def test_where_no_run_arrives_the_row_says_so(axes):
    assert [(text.get_text(), text.xy) for text in axes.texts] == [("never arrives", (2.0, 1))]


def test_the_words_tell_what_the_figure_shows():
    told = gains_alt_text(GAINS)
    assert "one batch: span of the inputs, measured 1.25 ± 0.01, predicted 1, by the cosine 8;" in told
    assert "one batch: first 4, never arrives, predicted 2, by the cosine 14" in told


@pytest.mark.parametrize("of", [gains_figure, gains_alt_text])
def test_nothing_is_not_drawn(of):
    with pytest.raises(ValueError, match=r"`gains` must hold at least one gain, got none: measure one first"):
        of([])
