"""The figures of growth show every median with its rounds beside the theory, and say them in words."""

import pytest

from mezo_lab.report.figures import GrowthLine, GrowthPanel, GrowthSeries, growth_alt_text, growth_figure
from mezo_lab.report.figures.style import INK, LAW_STYLES

SIZES = [10, 1_000, 100_000]
SIGNS = GrowthSeries("signs", SIZES, [1.0, 2.0, 90.0], [0.5, 1.9, 80.0], [1.5, 2.1, 99.0], law="rademacher")
TORCH = GrowthSeries(
    "signs in torch", SIZES, [4.0, 8.0, 300.0], [3.0, 7.0, 290.0], [5.0, 9.0, 310.0], "rademacher", True
)
ADD = GrowthSeries("add_", SIZES, [0.01, 1.0, 100.0], [0.01, 1.0, 100.0], [0.01, 1.0, 100.0])
LINE = GrowthLine("slope one", SIZES, [0.01, 1.0, 100.0])
PANELS = [
    GrowthPanel("parameters", "seconds", [SIGNS, TORCH, ADD], [LINE]),
    GrowthPanel("probes", "seconds", [SIGNS], [LINE]),
]


@pytest.fixture(scope="module")
def figure():
    drawn = growth_figure(PANELS)
    drawn.draw_without_rendering()
    return drawn


def test_every_median_is_a_point_with_a_bar_from_the_least_to_the_largest_round(figure):
    for axes, panel in zip(figure.axes, PANELS, strict=True):
        drawn = [container for container in axes.containers if len(container.lines[0].get_xdata())]
        for container, series in zip(drawn, panel.series, strict=True):
            assert list(container.lines[0].get_xdata()) == series.sizes
            assert list(container.lines[0].get_ydata()) == series.medians
            ends = [tuple(segment[:, 1]) for segment in container.lines[2][0].get_segments()]
            assert ends == [pytest.approx(pair) for pair in zip(series.least, series.largest, strict=True)]


def test_both_axes_are_logarithmic_so_that_a_power_is_a_line(figure):
    assert all(axes.get_xscale() == axes.get_yscale() == "log" for axes in figure.axes)


def test_the_theory_is_black_and_dashed_and_joins_no_measured_points(figure):
    for axes in figure.axes:
        (theory,) = [line for line in axes.lines if line.get_linestyle() == "--" and len(line.get_xdata())]
        assert theory.get_color() == INK and list(theory.get_ydata()) == LINE.values


def test_series_differ_in_shape_or_filling_too(figure):
    signs, torch, add = [container.lines[0] for container in figure.axes[0].containers[:3]]
    assert signs.get_marker() == torch.get_marker() == LAW_STYLES["rademacher"][0] != add.get_marker()
    assert torch.get_markerfacecolor() == "white" != signs.get_markerfacecolor()
    assert add.get_color() == INK and add.get_marker() not in [marker for marker, _ in LAW_STYLES.values()]


def test_a_short_axis_has_a_tick_at_each_size_and_no_other():
    near = GrowthSeries("add_", [1, 2, 4], [1.0, 2.0, 3.0], [1.0, 2.0, 3.0], [1.0, 2.0, 3.0])
    (axes,) = growth_figure([GrowthPanel("processes", "seconds", [near], [])]).axes
    assert [label.get_text() for label in axes.get_xticklabels()] == ["1", "2", "4"]
    assert len(axes.get_xticks(minor=True)) == 0


def test_the_legend_explains_each_name_once_the_theory_first(figure):
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["theory: slope one", "signs", "signs in torch", "add_"]


def test_all_that_is_written_lies_inside_the_figure(figure):
    width = figure.bbox.width
    height = figure.bbox.height
    texts = [text for axes in figure.axes for text in (axes.xaxis.label, axes.yaxis.label)]
    for text in [*texts, *figure.legends[0].get_texts()]:
        box = text.get_window_extent()
        assert box.x0 >= 0 and box.x1 <= width and box.y0 >= 0 and box.y1 <= height, text.get_text()


def test_the_alt_text_says_where_each_series_begins_and_ends():
    told = growth_alt_text(PANELS)
    assert told.count("Chart of seconds against ") == 2
    for words in ("signs from 1 at 10 to 90 at 100,000", "theory, slope one, from 0.01 at 10 to 100 at 100,000"):
        assert told.count(words) == 2
    assert "signs in torch from 4 at 10 to 300 at 100,000" in told


@pytest.mark.parametrize("panels", [[], [GrowthPanel("n", "s", [], [LINE])]])
def test_nothing_to_draw_is_told(panels):
    for shown in (growth_figure, growth_alt_text):
        with pytest.raises(ValueError, match=r"`panels` must hold at least one panel, each with a series"):
            shown(panels)
