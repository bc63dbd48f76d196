"""The figure of recorded trainings shows each run against steps and against seconds, and says it in words."""

import pytest

from mezo_lab.report.figures import TrainingCurve, training_alt_text, training_figure
from mezo_lab.report.figures.style import GREY

MEZO = TrainingCurve("MeZO", "gaussian", 2.0, [(1, 0.9), (100, 0.5)], [(50, 0.6, 0.5, 0.7), (100, 0.7, 0.6, 0.8)])
ADAM = TrainingCurve("Adam", "rademacher", 5.0, [(1, 0.8), (20, 0.1)], [(20, 0.8, 0.7, 0.9)])


@pytest.fixture(scope="module")
def panels():
    figure = training_figure([MEZO, ADAM], reference=0.5)
    figure.draw_without_rendering()
    return figure.axes


def drawn(axes, colour: str) -> list[float]:
    lines = [line for line in axes.lines if line.get_color() == colour and line.get_marker() not in ("|", "_")]
    return [float(x) for line in lines for x in line.get_xdata()]


def test_a_second_of_training_is_a_step_times_its_seconds(panels):
    by_step, by_second = panels[:2]
    blue = by_step.lines[0].get_color()
    assert drawn(by_step, blue) == [1, 100] and drawn(by_second, blue) == [2, 200]


def test_accuracy_has_its_interval_in_per_cent(panels):
    (bars,) = panels[2].containers[0].lines[2]
    assert [end for segment in bars.get_segments() for end in segment[:, 1]] == pytest.approx([50, 70, 60, 80])


def test_the_accuracy_before_training_is_a_grey_line(panels):
    for axes in panels[2:]:
        assert [50, 50] in [list(line.get_ydata()) for line in axes.lines if line.get_color() == GREY]


def test_words_name_every_run():
    words = training_alt_text([MEZO, ADAM], reference=0.5)
    assert "MeZO: loss 0.90 to 0.50, best accuracy 70 % at step 100, after 200 seconds" in words
    assert "Adam: loss 0.80 to 0.10, best accuracy 80 % at step 20, after 100 seconds." in words


@pytest.mark.parametrize("draw", [training_figure, training_alt_text])
def test_nothing_cannot_be_drawn(draw):
    with pytest.raises(ValueError, match="`curves` must hold at least one training, got none: read one"):
        draw([], 0.5)


def test_a_slide_has_the_accuracies_alone():
    curve = TrainingCurve("MeZO", "gaussian", 2.0, [(1, 0.9), (50, 0.5)], [(50, 0.7, 0.6, 0.8)])
    labels = [axes.get_ylabel() for axes in training_figure([curve], 0.5, with_losses=False).axes]
    assert labels == ["validation accuracy, %", ""]
