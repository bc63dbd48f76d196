"""The figure of a step's cost shows time and memory of every method, and says them in words."""

from dataclasses import replace

import pytest

from mezo_lab.report.figures import StepCost, step_alt_text, step_figure
from mezo_lab.report.figures.style import GREY, INK, LAW_STYLES

COSTS = [
    StepCost("ours", 1.10, 1.08, 1.13, memory=3.0, law="rademacher", floor=1.05),
    StepCost("published", 6.0, 5.5, 7.0, memory=330.0),
    StepCost("unweighed", 2.0, 1.9, 2.1),
]


@pytest.fixture(scope="module")
def panels():
    figure = step_figure(COSTS)
    figure.draw_without_rendering()
    return figure.axes


def points(axes) -> list[tuple[float, float]]:
    """(x, y) of the markers, those of the legend left out."""
    lines = [container.lines[0] for container in axes.containers]
    return [(float(line.get_xdata()[0]), float(line.get_ydata()[0])) for line in lines if len(line.get_xdata())]


def words(axes) -> list[str]:
    return [text.get_text() for text in axes.texts]


def test_every_method_is_a_row_of_both_panels(panels):
    for axes in panels:
        assert [label.get_text() for label in axes.get_yticklabels()] == [cost.method for cost in COSTS]


def test_time_is_drawn_at_its_ratio_with_its_spread(panels):
    times, _ = panels
    assert points(times) == [(1.10, 0), (6.0, 1), (2.0, 2)]
    ends = [x for bar in times.containers[:3] for x in bar.lines[2][0].get_segments()[0][:, 0]]
    assert ends == pytest.approx([1.08, 1.13, 5.5, 7.0, 1.9, 2.1])
    assert words(times) == ["1.10", "6.00", "2.00"]


def test_memory_that_was_not_taken_is_unknown_and_not_nothing(panels):
    _, memories = panels
    assert points(memories) == [(3.0, 0), (330.0, 1)]
    assert words(memories) == ["3.0", "330", "unknown"]


def test_what_must_be_paid_is_black_and_dashed_and_a_floor_is_marked_where_there_is_one(panels):
    for axes, least in zip(panels, (1, 0), strict=True):
        (line,) = [line for line in axes.lines if line.get_linestyle() == "--" and len(line.get_xdata())]
        assert line.get_color() == INK and set(line.get_xdata()) == {least}
    floors = [line for line in panels[0].lines if list(line.get_xdata()) == [1.05, 1.05]]
    assert len(floors) == 1 and floors[0].get_ydata().mean() == 0


def test_ours_and_others_differ_in_shape_and_filling_too(panels):
    ours, published, _ = [container.lines[0] for container in panels[0].containers[:3]]
    assert ours.get_marker() == LAW_STYLES["rademacher"][0] and ours.get_markerfacecolor() != "white"
    assert published.get_marker() == "o" and published.get_markerfacecolor() == "white"
    assert published.get_color() == GREY


@pytest.mark.parametrize("largest", [{"memory": 2_400.0}, {"memory": 45_000.0}, {"largest": 60.0}])
def test_all_that_is_written_lies_inside_the_figure(largest):
    figure = step_figure([*COSTS, replace(COSTS[1], **largest)])
    figure.draw_without_rendering()
    width, height = figure.bbox.width, figure.bbox.height
    texts = [text for axes in figure.axes for text in (*axes.texts, axes.xaxis.label, *axes.get_yticklabels())]
    for text in texts:
        box = text.get_window_extent()
        assert box.x0 >= 0 and box.x1 <= width and box.y0 >= 0 and box.y1 <= height, text.get_text()


def test_the_alt_text_says_every_number():
    told = step_alt_text(COSTS)
    assert "ours 1.10 times, 3.0 MiB more; published 6.00 times, 330 MiB more; unweighed 2.00 times." in told


@pytest.mark.parametrize("show", [step_figure, step_alt_text])
def test_nothing_to_show_is_refused(show):
    with pytest.raises(ValueError, match="`costs` must hold at least one method, got none: measure one"):
        show([])
