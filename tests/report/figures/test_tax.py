"""What scales with d stands on two logarithmic axes: points with bars, theory dashed, decoys dotted."""

import pytest

from mezo_lab.report.figures import ScalingLine, ScalingSeries, scaling_alt_text, scaling_figure
from mezo_lab.report.figures.style import BARS

DIMS = [5, 1000, 10**9]
GAMMA = ScalingSeries("Gaussian", DIMS, [7.0, 7.1, 6.9], [0.1, 0.2, 0.1])
SPHERE = ScalingSeries("sphere", DIMS, [5.0, 6.9, 7.0], [0.1, 0.2, 0.1], law="sphere")
THEORY = [ScalingLine("γ of each law", DIMS, [7, 7, 7]), ScalingLine("γ of each law", DIMS, [5, 6.97, 7])]
DECOYS = [ScalingLine("d + 2", DIMS, [7, 1002, 10**9 + 2]), ScalingLine("r", DIMS, [5, 5, 5])]


@pytest.fixture(scope="module")
def figure():
    drawn = scaling_figure([GAMMA, SPHERE], THEORY, DECOYS, ylabel="γ")
    drawn.draw_without_rendering()
    return drawn


def test_a_power_of_d_is_a_line(figure):
    (axes,) = figure.axes
    assert axes.get_xscale() == axes.get_yscale() == "log"


def test_every_point_has_a_bar_of_five_standard_errors(figure):
    for container, series in zip(figure.axes[0].containers, [GAMMA, SPHERE], strict=True):
        assert list(container.lines[0].get_ydata()) == series.values
        ends = [tuple(segment[:, 1]) for segment in container.lines[2][0].get_segments()]
        expected = zip(series.values, series.errors, strict=True)
        assert ends == [pytest.approx((value - BARS * error, value + BARS * error)) for value, error in expected]


def test_theory_is_dashed_and_decoys_are_in_patterns_of_their_own(figure):
    looks = {line.get_label(): line.get_linestyle() for line in figure.axes[0].lines}
    assert looks["theory: γ of each law"] == "--"
    assert len({str(line._dash_pattern) for line in figure.axes[0].lines if line.get_label().startswith("decoy")}) == 2


def test_a_name_is_explained_once(figure):
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert labels.count("theory: γ of each law") == 1 and len(labels) == len(set(labels)) == 5


def test_a_short_axis_has_a_tick_at_each_size():
    near = ScalingSeries("rate", [100, 1000], [0.1, 0.2], [0.01, 0.01])
    (axes,) = scaling_figure([near], [], ylabel="η").axes
    assert [label.get_text() for label in axes.get_xticklabels()] == ["100", "1,000"]


def test_both_axes_may_be_linear():
    near = ScalingSeries("slope", [0.1, 1.0], [0.9, 0.6], [0.01, 0.01])
    (axes,) = scaling_figure([near], [], ylabel="slope", scale="linear").axes
    assert axes.get_xscale() == axes.get_yscale() == "linear"
    assert scaling_alt_text([near], [], ylabel="slope", scale="linear").startswith("Chart of slope")


def test_the_words_hold_the_ends_of_points_and_decoys():
    told = scaling_alt_text([GAMMA], THEORY[:1], DECOYS[:1], ylabel="γ")
    assert "Gaussian, from 7 at 5 to 6.9 at 1,000,000,000" in told and "decoy d + 2 from 7 to 1e+09" in told


@pytest.mark.parametrize("draw", [scaling_figure, scaling_alt_text])
def test_nothing_to_draw_is_told(draw):
    with pytest.raises(ValueError, match="`series` must hold at least one series"):
        draw([], [], ylabel="γ")
