"""The grid of defects has a cross where a check alarms, and nowhere else."""

import math

import pytest

from mezo_lab.report.figures import defects_alt_text, defects_figure

FOUND = {
    "climbs": {"one z": math.inf, "scale": -219.6, "runs": 0.3},
    "no seed": {"one z": 0.0, "scale": -4.9, "runs": 99.2},
    "sound": {"one z": 0.0, "scale": 0.4, "runs": -1.0},
}


@pytest.fixture(scope="module")
def axes():
    (axes,) = defects_figure(FOUND).axes
    return axes


def test_a_cross_stands_for_each_alarm_and_a_dot_for_each_check_that_passes(axes):
    places: dict[str, set] = {"x": set(), ".": set()}
    for line in axes.lines:
        for x, y in zip(line.get_xdata(), line.get_ydata(), strict=True):
            places[line.get_marker()].add((round(x), y))
    assert places["x"] == {(0, 0), (1, 0), (2, 1)}
    assert len(places["x"] | places["."]) == 9 and not places["x"] & places["."]


def test_an_alarm_has_its_number_with_a_true_minus(axes):
    assert [text.get_text() for text in axes.texts] == ["other z", "−220", "99"]


def test_rows_and_columns_have_names(axes):
    assert [label.get_text() for label in axes.get_xticklabels()] == ["one z", "scale", "runs"]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["climbs", "no seed", "sound"]


def test_the_words_tell_each_alarm():
    told = defects_alt_text(FOUND)
    assert "climbs: one z (other z), scale (−220); no seed: runs (99); sound: no alarm." in told


@pytest.mark.parametrize("of", [defects_figure, defects_alt_text])
def test_nothing_is_not_drawn(of):
    with pytest.raises(ValueError, match=r"`deviations` must hold at least one generator, got none: check one first"):
        of({})
