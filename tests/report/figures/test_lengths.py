"""A law of one length is a line, others are histograms; the scatter's groups lie on the parabola ‖z‖⁴/d."""

import pytest
import torch

from mezo_lab.report.figures import (
    ProbeLengths,
    length_scatter,
    length_scatter_alt_text,
    lengths_alt_text,
    lengths_figure,
)
from mezo_lab.report.figures.style import BARS
from mezo_lab.sampling import LAWS, frame_of

DIM = 20


def drawn(law: str):
    z = LAWS[law].sample(20_000, 1, DIM, torch.Generator().manual_seed(0))
    return z.square().sum(-1)[:, 0], frame_of(z, torch.ones(DIM, dtype=z.dtype)).length_sq()


DRAWS = {law: drawn(law) for law in ("gaussian", "sphere")}
PANELS = [ProbeLengths(DIM, {law: lengths for law, (lengths, _) in DRAWS.items()})]


def test_a_law_of_one_length_is_a_line_at_one_and_the_other_a_histogram_around_it():
    (axes,) = lengths_figure(PANELS).axes
    (line,) = axes.lines
    assert line.get_xdata() == pytest.approx([1, 1])
    (histogram,) = axes.patches
    x = histogram.get_xy()[:, 0]
    assert x.min() < 1 < x.max()


def test_the_words_give_mean_and_deviation_of_each_law():
    assert lengths_alt_text(PANELS) == "Histograms of ‖z‖²/d. At d = 20: gaussian 1.00 ± 0.32 and sphere 1.00 ± 0.00."


def test_every_group_of_draws_lies_on_the_parabola_and_the_means_of_the_laws_two_apart():
    (axes,) = length_scatter(DIM, DRAWS).axes
    for container, groups in zip(axes.containers, (8, 1), strict=True):
        data, _, (bars,) = container.lines
        assert len(data.get_xdata()) == groups
        for x, y, bar in zip(*data.get_data(), bars.get_segments(), strict=True):
            error = (bar[1, 1] - bar[0, 1]) / 2 / BARS
            assert abs(y - x**2 / DIM) < BARS * error
    gaussian, sphere = (float(norms.mean()) for _, norms in DRAWS.values())
    assert gaussian - sphere == pytest.approx(2, abs=1)
    shown = [text.get_text() for text in axes.figure.legends[0].get_texts()]
    assert f"gaussian: mean of all draws {gaussian:.1f}" in shown
    assert f"sphere, ‖z‖² from 20 to 20, mean {sphere:.3g}" in length_scatter_alt_text(DIM, DRAWS)


@pytest.mark.parametrize("panels", [[], [ProbeLengths(3, {})]])
def test_no_panel_is_refused(panels):
    for shown in (lengths_figure, lengths_alt_text):
        with pytest.raises(ValueError, match="`panels` must hold at least one panel, each with a law, got none"):
            shown(panels)


def test_no_draws_are_refused():
    for shown in (length_scatter, length_scatter_alt_text):
        with pytest.raises(ValueError, match="`draws` must hold at least one law, got none: draw some probes first"):
            shown(3, {})
