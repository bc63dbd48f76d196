"""The figure of prices draws each training against its minutes and its memory, and says them in words."""

from dataclasses import replace

import pytest

from mezo_lab.report.figures import TrainingPrice, price_alt_text, price_figure

PRICES = [
    TrainingPrice("It was", "MeZO", 0.7, 0.6, 0.8, 12.0, 1_600),
    TrainingPrice("It was", "Adam", 0.8, 0.75, 0.85, 7.0, 3_800, many=True),
    TrainingPrice("Sentiment:", "MeZO", 0.75, 0.65, 0.85, 11.0, 1_620),
]
NAMES = {"few": "16 reviews", "many": "512 reviews"}


@pytest.fixture(scope="module")
def panels():
    figure = price_figure(PRICES, **NAMES)
    figure.draw_without_rendering()
    return figure.axes


def points(axes) -> list[tuple[float, float]]:
    marks = [container.lines[0] for container in axes.containers]
    return [(float(mark.get_xdata()[0]), float(mark.get_ydata()[0])) for mark in marks if len(mark.get_xdata())]


def test_an_accuracy_stands_at_its_minutes_and_at_its_memory(panels):
    assert points(panels[0]) == [(12, 70), (7, 80)]
    assert points(panels[1]) == [(1_600, 70), (3_800, 80)]
    assert points(panels[2]) == [(11, 75)]


def test_methods_differ_by_their_markers_and_many_examples_are_hollow(panels):
    mezo, adam = (container.lines[0] for container in panels[1].containers)
    assert mezo.get_marker() != adam.get_marker()
    assert (mezo.get_markerfacecolor() == "white", adam.get_markerfacecolor() == "white") == (False, True)


def test_a_method_has_one_marker_in_all_panels(panels):
    above, below = (panels[k].containers[0].lines[0] for k in (0, 2))
    assert above.get_marker() == below.get_marker()


def test_every_mark_is_explained(panels):
    (legend,) = panels[0].figure.legends
    assert [text.get_text() for text in legend.get_texts()] == [
        "MeZO",
        "Adam",
        "filled: 16 reviews",
        "hollow: 512 reviews",
    ]


def test_words_name_every_training():
    words = price_alt_text(PRICES, **NAMES)
    assert "It was, MeZO, 16 reviews, 70 % in 12 minutes with 1,600 MiB;" in words
    assert "It was, Adam, 512 reviews, 80 % in 7 minutes with 3,800 MiB; Sentiment:," in words


@pytest.mark.parametrize("draw", [price_figure, price_alt_text])
def test_nothing_cannot_be_drawn(draw):
    with pytest.raises(ValueError, match="`prices` must hold at least one training, got none: read results"):
        draw([], **NAMES)


def test_more_methods_than_markers_are_refused():
    prices = [replace(PRICES[0], method=f"method {number}") for number in range(20)]
    with pytest.raises(ValueError, match=r"`prices` must have \d+ methods at most, got 20: draw a few at a time"):
        price_figure(prices, **NAMES)
