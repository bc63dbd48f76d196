"""A law's probes lie where they were drawn, on one scale; a matrix stands over that of its formula."""

import pytest
import torch

from mezo_lab.report.figures import clouds_alt_text, clouds_figure, matrices_alt_text, matrices_figure

CLOUDS = {"rademacher": torch.tensor([[1.0, -1.0], [1.0, 1.0]]), "gaussian": torch.tensor([[0.5, 0.0], [0.0, 2.0]])}
MEASURED = {"sphere": torch.tensor([[1.0, -0.002], [0.25, 2.0]]), "uniform": torch.eye(2)}
THEORY = {"sphere": torch.tensor([[1.0, 0.0], [0.25, 1.5]]), "uniform": torch.eye(2)}


def test_each_probe_is_a_dot_and_all_panels_have_one_scale():
    axes = clouds_figure(CLOUDS).axes
    assert [each.get_title() for each in axes] == list(CLOUDS)
    assert [each.collections[0].get_offsets().tolist() for each in axes] == [z.tolist() for z in CLOUDS.values()]
    assert len({each.get_xlim() + each.get_ylim() for each in axes}) == 1
    assert [each.patches[0].radius for each in axes] == [2**0.5] * 2


def test_the_words_give_the_shortest_and_the_longest_probe():
    assert "rademacher, from 1.41 to 1.41; gaussian, from 0.50 to 2.00." in clouds_alt_text(CLOUDS)


def test_numbers_stand_in_their_cells_measured_above_the_formula():
    axes = matrices_figure(MEASURED, THEORY).axes
    numbers = [{text.xy: text.get_text() for text in each.texts} for each in axes]
    assert [each.get_title() for each in axes] == ["sphere", "uniform", "", ""]
    assert numbers[0] == {(0, 0): "1.00", (1, 0): "0.00", (0, 1): "0.25", (1, 1): "2.00"}
    assert numbers[2][1, 1] == "1.50"
    assert {each.images[0].get_clim() for each in axes} == {(0, axes[0].images[0].get_clim()[1])}  # one scale of grey


def test_the_words_give_the_diagonals_and_the_largest_difference():
    told = matrices_alt_text(MEASURED, THEORY)
    assert "sphere, diagonal 1.00, 2.00, formula 1.00, 1.50, largest difference of an entry 0.50" in told


@pytest.mark.parametrize("draws", [{}, {"sphere": torch.ones(4, 3)}])
def test_only_probes_in_two_dimensions_are_drawn(draws):
    for drawn in (clouds_figure, clouds_alt_text):
        with pytest.raises(ValueError, match=r"`draws` must hold probes of the shape \(count, 2\), got (none|\{)"):
            drawn(draws)


@pytest.mark.parametrize("theory", [{"sphere": torch.eye(2)}, {**THEORY, "uniform": torch.eye(3)}])
def test_a_formula_of_other_laws_or_shapes_is_refused(theory):
    for drawn in (matrices_figure, matrices_alt_text):
        with pytest.raises(ValueError, match="`measured` and `theory` must hold the same laws and shapes, got"):
            drawn(MEASURED, theory)
