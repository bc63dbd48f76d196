"""The figure of test accuracies has a panel for each prompt and a row for each method, and says them in words."""

import pytest

from mezo_lab.report.figures import MethodAccuracy, accuracy_alt_text, accuracy_figure

ROWS = [
    MethodAccuracy("It was", "", 0.5, 0.4, 0.6),
    MethodAccuracy("It was", "MeZO", 0.7, 0.6, 0.8),
    MethodAccuracy("It was", "Adam", 0.8, 0.7, 0.9, many=True),
    MethodAccuracy("Sentiment:", "MeZO", 0.75, 0.65, 0.85),
]
NAMES = {"few": "16 reviews", "many": "512 reviews"}


@pytest.fixture(scope="module")
def panels():
    figure = accuracy_figure(ROWS, **NAMES)
    figure.draw_without_rendering()
    return figure.axes


def test_a_panel_is_titled_by_its_prompt_and_has_a_row_for_each_method(panels):
    assert [axes.get_title() for axes in panels] == ["It was", "Sentiment:"]
    for axes in panels:
        assert [label.get_text() for label in axes.get_yticklabels()] == ["MeZO", "Adam"]


def test_few_and_many_examples_differ_by_their_markers(panels):
    few, many = (container.lines[0] for container in panels[0].containers[:2])
    assert few.get_xdata()[0] == pytest.approx(70) and many.get_xdata()[0] == pytest.approx(80)
    assert few.get_marker() != many.get_marker()


def test_words_name_every_row():
    words = accuracy_alt_text(ROWS, **NAMES)
    assert "It was, zero-shot 50 % (40 to 60)" in words
    assert "It was, Adam, 512 reviews 80 % (70 to 90); Sentiment:, MeZO, 16 reviews 75 % (65 to 85)." in words


@pytest.mark.parametrize("draw", [accuracy_figure, accuracy_alt_text])
def test_nothing_cannot_be_drawn(draw):
    with pytest.raises(ValueError, match="`accuracies` must hold at least one, got none: read results"):
        draw([], **NAMES)
