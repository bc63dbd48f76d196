"""The landscape shows each path from the common start and each cloud around the gradient, apart without colour."""

import pytest
import torch

from mezo_lab.report.figures import landscape_alt_text, landscape_figure

PATHS = {
    "descent": torch.tensor([[2.0, 1.0], [1.0, 0.5], [0.5, 0.25]]),
    "search": torch.tensor([[2.0, 1.0], [2.5, 1.0], [0.0, 0.0]]),
}
GRADIENT = torch.tensor([3.0, 4.0])
CLOUDS = {"one": torch.tensor([[3.0, 4.0], [3.0, 14.0]]), "four": torch.tensor([[3.0, 4.0], [3.0, 9.0]])}


def bowl(points):
    return points.square().sum(-1)


@pytest.fixture(scope="module")
def figure():
    return landscape_figure(bowl, PATHS, GRADIENT, CLOUDS)


def test_each_path_is_drawn_from_the_start_and_in_a_pattern_of_its_own(figure):
    lines = figure.axes[0].lines
    assert [line.get_xydata().tolist() for line in lines] == [path.tolist() for path in PATHS.values()]
    assert len({line.get_linestyle() for line in lines}) == len({line.get_marker() for line in lines}) == 2
    assert lines[0].get_linestyle() == "--"  # theory is dashed


def test_each_estimate_is_a_dot_and_the_gradient_an_arrow(figure):
    below = figure.axes[1]
    assert [dots.get_offsets().tolist() for dots in below.collections] == [cloud.tolist() for cloud in CLOUDS.values()]
    assert [text.xy for text in below.texts] == [(3.0, 4.0), (3.0, 4.0)]


def test_the_words_name_the_losses_at_both_ends_and_the_spread():
    told = landscape_alt_text(bowl, PATHS, GRADIENT, CLOUDS)
    assert "descent, from a loss of 5 to 0.31, search, from a loss of 5 to 0" in told
    assert "one by 1.4, four by 0.71" in told


@pytest.mark.parametrize(
    ("paths", "clouds", "told"),
    [
        ({}, CLOUDS, "`paths` must hold 1 to 4 entries, got 0"),
        (PATHS, {"flat": torch.ones(3)}, r"`clouds` must hold points of shape \(count, 2\), got \(3,\) for 'flat'"),
    ],
)
def test_what_cannot_be_drawn_is_refused(paths, clouds, told):
    for drawn in (landscape_figure, landscape_alt_text):
        with pytest.raises(ValueError, match=told):
            drawn(bowl, paths, GRADIENT, clouds)
