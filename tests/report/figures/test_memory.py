"""The figure of memory stacks what a method holds, marks the cards, and says which method fits where."""

import pytest

from mezo_lab.report.figures import MemoryBar, memory_alt_text, memory_figure
from mezo_lab.report.figures.style import INK

BARS = [MemoryBar("MeZO", 2.0, 0.0, 0.0, 1.0), MemoryBar("Adam", 4.0, 4.0, 8.0, 3.0)]
CARDS = {"8 GB": 8.0, "24 GB": 24.0}


@pytest.fixture(scope="module")
def axes():
    figure = memory_figure(BARS, CARDS)
    figure.draw_without_rendering()
    return figure.axes[0]


def test_each_part_begins_where_the_last_one_ends(axes):
    adam = [container[1] for container in axes.containers]
    assert [(part.get_x(), part.get_width()) for part in adam] == [(0, 4), (4, 4), (8, 8), (16, 3)]


def test_parts_are_told_apart_without_colour(axes):
    assert len({container[0].get_hatch() for container in axes.containers}) == len(axes.containers)


def test_every_card_is_a_dashed_line_with_its_name(axes):
    dashed = [line for line in axes.lines if line.get_linestyle() == "--"]
    assert [line.get_xdata()[0] for line in dashed] == [8, 24]
    assert {line.get_color() for line in dashed} == {INK}
    assert {"8 GB", "24 GB", "19.0"} <= {text.get_text() for text in axes.texts}


def test_no_line_of_a_card_runs_through_a_sum(axes):
    sums = [text.get_window_extent() for text in axes.texts if text.get_text() in {"3.0", "19.0"}]
    lines = [axes.transData.transform((size, 0))[0] for size in CARDS.values()]
    assert len(sums) == len(BARS)
    assert not [line for line in lines for box in sums if box.x0 <= line <= box.x1]


def test_without_cards_there_is_no_line_and_no_word_of_them():
    assert not [line for line in memory_figure(BARS[:1], {}).axes[0].lines if line.get_linestyle() == "--"]
    assert memory_alt_text(BARS[:1], {}).endswith("optimizer, activations: MeZO 3.0 GiB.")


def test_a_part_that_nobody_holds_is_not_explained():
    (legend,) = memory_figure(BARS[:1], CARDS).legends
    assert [text.get_text() for text in legend.get_texts()] == ["weights", "activations"]


def test_words_say_what_fits():
    words = memory_alt_text(BARS, CARDS)
    assert "MeZO 3.0 GiB, fits 8 GB and 24 GB; Adam 19.0 GiB, fits 24 GB." in words
    assert "Adam 19.0 GiB, fits no card." in memory_alt_text(BARS, {"8 GB": 8.0})


@pytest.mark.parametrize("draw", [memory_figure, memory_alt_text])
def test_nothing_cannot_be_drawn(draw):
    with pytest.raises(ValueError, match="`bars` must hold at least one method, got none: predict"):
        draw([], CARDS)
