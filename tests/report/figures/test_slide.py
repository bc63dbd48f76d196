"""On a slide a figure is flat and its letters are large; panels and legend stand beside each other and are whole."""

import pytest

pytest.importorskip("matplotlib", reason="figures need the extra `verify`")

import torch

from mezo_lab import LAWS, check, claim_named
from mezo_lab.report.figures import (
    LossPath,
    MethodAccuracy,
    accuracy_figure,
    as_slide,
    claim_figure,
    landscape_figure,
    loss_figure,
    style,
)

LETTERS = 27  # pixels on a slide of 1,280
PICTURE = 1024  # pixels


def landscape():
    bowl = lambda points: points.square().sum(-1)  # noqa: E731
    return landscape_figure(bowl, {"SGD": torch.eye(2)}, torch.ones(2), {"SPSA": torch.eye(2)})


def accuracies():
    prompts = ("“… It was”", "“Sentiment:”", "no prompt")
    rows = [
        MethodAccuracy(prompt, name, 0.7, 0.6, 0.8) for prompt in prompts for name in ("in-context", "MeZO, prefix")
    ]
    return accuracy_figure(rows, few="16 per class", many="512 per class")


def losses():
    paths = [LossPath(f"η = 0.0833, {k} times the edge", [[1.0, 0.5, 0.2]], 0.5) for k in range(4)]
    return loss_figure(paths)


def verdicts():
    claim = claim_named("norm-factor")
    found = [check(claim, LAWS[law], {"dim": 6, "probes": 2}, resolution=0.1) for law in ("gaussian", "sphere")]
    return claim_figure(found, claim)


FIGURES = [landscape, accuracies, losses, verdicts]


def drawn(figure):
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return figure, canvas.get_renderer()


@pytest.mark.parametrize("make", FIGURES)
def test_a_figure_for_a_slide_leaves_room_for_its_words_and_has_large_letters(make):
    figure, renderer = drawn(as_slide(make()))
    width, height = figure.get_size_inches()
    assert height / width * PICTURE < 720 - 200  # a heading and two lines
    texts = [
        text for axes in figure.axes for text in (*axes.get_xticklabels(), *axes.get_yticklabels(), axes.xaxis.label)
    ]
    texts += [text for legend in figure.legends for text in legend.get_texts()]
    sizes = [text.get_fontsize() for text in texts if text.get_text()]
    assert min(sizes) / 72 / width * PICTURE >= LETTERS - 0.6
    whole = figure.bbox
    for text in [axes.xaxis.label for axes in figure.axes] + texts[-len(figure.legends[0].get_texts()) :]:
        box = text.get_window_extent(renderer)
        if text.get_text():
            assert box.x0 > whole.x0 - 3 and box.x1 < whole.x1 + 3 and box.y0 > whole.y0 - 3


@pytest.mark.parametrize("make", FIGURES)
def test_panels_and_legend_do_not_overlap(make):
    figure, renderer = drawn(as_slide(make()))
    boxes = [axes.get_window_extent(renderer) for axes in figure.axes]
    boxes += [axes.xaxis.label.get_window_extent(renderer) for axes in figure.axes if axes.get_xlabel()]
    boxes += [legend.get_window_extent(renderer) for legend in figure.legends]
    assert len(figure.legends) == 1
    for number, box in enumerate(boxes):
        assert not any(box.overlaps(other) for other in boxes[:number])


def test_panels_of_one_column_stand_beside_each_other_with_one_label_and_one_list_of_names():
    figure, _ = drawn(as_slide(accuracies()))
    left = [axes.get_position().x0 for axes in figure.axes]
    assert left == sorted(left) and len(set(left)) == 3
    assert [axes.get_xlabel() for axes in figure.axes] == ["", "test accuracy, %\n(95 % interval)", ""]
    named = [axes.yaxis.get_tick_params()["labelleft"] for axes in figure.axes]
    assert named == [True, False, False]


def test_the_legend_names_the_same_as_before():
    before = [text.get_text() for text in verdicts().legends[0].get_texts()]
    after = [text.get_text().replace("\n", " ") for text in as_slide(verdicts()).legends[0].get_texts()]
    assert after == before


def test_an_empty_figure_stays_empty():
    assert as_slide(style.new_figure(height=3)).axes == []
