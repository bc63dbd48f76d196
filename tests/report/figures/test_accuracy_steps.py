"""The figures of an accuracy show its steps with the two points of a probe, and how often the points agree."""

import pytest

from mezo_lab.report.figures import StepProbe, ZeroShare, steps_alt_text, steps_figure, zeros_alt_text, zeros_figure
from mezo_lab.report.figures.style import BARS, GREY, INK

LINE = ([-1.0, 0.0, 1.0], [0.5, 0.5, 0.25], {"smoothed, ε = 0.1": [0.5, 0.45, 0.3], "smoothed, ε = 1": [0.4, 0.4, 0.4]})
PROBES = [StepProbe("a narrow probe", -0.1, 0.1, 0.5, 0.5), StepProbe("a wide probe", -1.0, 1.0, 0.5, 0.25)]
SERIES = [
    ZeroShare("B = 4", [0.01, 0.1, 1.0], [0.9, 0.5, 0.2], [0.01, 0.02, 0.01], [0.91, 0.52, 0.21]),
    ZeroShare("B = 16", [0.01, 0.1, 1.0], [0.8, 0.3, 0.1], [0.01, 0.02, 0.01], [0.81, 0.31, 0.11]),
]
DECOY = ZeroShare("nothing flips", [0.01, 0.1, 1.0], [], [], [0.8, 0.1, 0.0])


@pytest.fixture(scope="module")
def steps():
    figure = steps_figure(*LINE, PROBES)
    figure.draw_without_rendering()
    return figure.axes[0]


@pytest.fixture(scope="module")
def zeros():
    figure = zeros_figure(SERIES, DECOY)
    figure.draw_without_rendering()
    return figure.axes[0]


def test_the_error_rate_is_drawn_in_steps_and_its_smoothings_are_dashed_each_in_its_way(steps):
    rate, *smoothed = steps.lines[:3]
    assert rate.get_drawstyle() == "steps-mid" and list(rate.get_ydata()) == [50, 50, 25]
    assert [line.is_dashed() for line in (rate, *smoothed)] == [False, True, True]
    assert smoothed[0]._unscaled_dash_pattern != smoothed[1]._unscaled_dash_pattern
    assert [list(line.get_ydata()) for line in smoothed] == [pytest.approx([50, 45, 30]), [40, 40, 40]]


def test_a_probe_is_two_points_at_the_rates_that_it_sees(steps):
    narrow, wide = steps.lines[3:5]
    assert list(narrow.get_xdata()) == [-0.1, 0.1] and list(narrow.get_ydata()) == [50, 50]
    assert list(wide.get_ydata()) == [50, 25]
    assert narrow.get_marker() != wide.get_marker()


def test_words_say_what_each_probe_sees():
    words = steps_alt_text(*LINE, PROBES)
    assert "a narrow probe sees 50 % and 50 %; a wide probe sees 50 % and 25 %." in words
    assert "smoothed, ε = 0.1, smoothed, ε = 1" in words


def test_shares_stand_in_per_cent_with_their_bars_beside_the_theory(zeros):
    first, second = zeros.containers
    assert list(first.lines[0].get_ydata()) == [90, 50, 20]
    (bars,) = first.lines[2]
    assert [float(end) for end in bars.get_segments()[1][:, 1]] == pytest.approx([50 - 2 * BARS, 50 + 2 * BARS])
    assert first.lines[0].get_marker() != second.lines[0].get_marker()
    dashed = [list(line.get_ydata()) for line in zeros.lines if line.get_color() == INK and len(line.get_xdata())]
    assert dashed == [pytest.approx([91, 52, 21]), pytest.approx([81, 31, 11])]
    assert zeros.get_xscale() == "log"


def test_the_decoy_is_grey_and_dotted(zeros):
    assert [80, 10, 0] in [list(line.get_ydata()) for line in zeros.lines if line.get_color() == GREY]
    assert "The decoy, nothing flips, falls from 80 % to 0 %." in zeros_alt_text(SERIES, DECOY)
    assert "decoy" not in zeros_alt_text(SERIES)


def test_words_name_every_series():
    words = zeros_alt_text(SERIES)
    assert "B = 16 from 80 % at ε = 0.01 to 10 % at 1, theory 81 % and 11 %." in words


@pytest.mark.parametrize("draw", [steps_figure, steps_alt_text])
def test_without_places_there_is_no_line(draw):
    with pytest.raises(ValueError, match="`places` must hold at least one, got none: evaluate"):
        draw([], [], {}, PROBES)


@pytest.mark.parametrize("draw", [zeros_figure, zeros_alt_text])
def test_without_a_series_there_is_nothing_to_draw(draw):
    with pytest.raises(ValueError, match="`series` must hold at least one, got none: measure"):
        draw([])


def test_what_has_no_look_of_its_own_is_not_left_out_in_silence():
    places, rates, smoothed = LINE
    with pytest.raises(ValueError, match="`smoothed` must hold 3 at most, got 4: draw the others in another figure"):
        steps_figure(places, rates, {f"{k}": rates for k in range(4)}, PROBES)
    with pytest.raises(ValueError, match="`probes` must hold 4 at most, got 5"):
        steps_figure(places, rates, smoothed, [PROBES[0]] * 5)
    with pytest.raises(ValueError, match="`series` must hold 4 at most, got 5"):
        zeros_figure([SERIES[0]] * 5)


def test_one_epsilon_is_told_too():
    one = ZeroShare("B = 4", [0.5], [0.9], [0.01], [0.91])
    assert "B = 4 from 90 % at ε = 0.5 to 90 % at 0.5, theory 91 % and 91 %." in zeros_alt_text([one])
