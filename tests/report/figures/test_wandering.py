"""The figures of a walk: its length and its signal against the steps; and the gains on another task."""

from dataclasses import replace

import pytest

from mezo_lab.report.figures import (
    TransferRow,
    WalkPoint,
    transfer_alt_text,
    transfer_figure,
    wandering_alt_text,
    wandering_figure,
)

POINTS = [
    WalkPoint(steps, 2.0 * steps, 2.0 * steps, steps / 1e6, 1e-3 * steps, 1e-3 * steps**0.5) for steps in (10, 100)
]
ROWS = [
    TransferRow("It was", "MeZO", (0.2, 0.1, 0.3), (0.01, 0.0, 0.02)),
    TransferRow("It was", "tossed", (-0.01, -0.1, 0.08), (0.03, 0.02, 0.04), tossed=True),
    TransferRow("Sentiment:", "Adam", (0.05, 0.0, 0.1), (0.5, 0.4, 0.6)),
]


def line(axes, label: str):
    (found,) = [each for each in axes.get_lines() if each.get_label() == label]
    return list(found.get_ydata())


def test_noise_grows_as_the_steps_and_what_could_be_signal_as_their_square():
    (axes,) = wandering_figure(POINTS).axes
    assert line(axes, "theory: from the log alone") == [20, 200]
    assert line(axes, "theory: signal at most") == pytest.approx([20e-5, 200e-4])
    assert line(axes, "decoy: all of it is signal") == [20, 2000]


def test_a_component_against_the_gradient_is_not_drawn_as_a_signal():
    points = [POINTS[0], replace(POINTS[1], component=-0.1)]
    (axes,) = wandering_figure(points).axes
    (signal,) = [each for each in axes.containers if "gradient" in each.get_label()]
    assert list(signal.lines[0].get_xdata()) == [10]


def test_the_words_of_a_walk_are_those_of_its_end():
    words = wandering_alt_text(POINTS)
    assert "After 100 steps it is 200" in words and "0.01 (0.0065 to 0.014), of at most 0.02" in words


def test_each_prompt_has_a_pair_of_panels_with_its_rows():
    figure = transfer_figure(ROWS)
    figure.draw_without_rendering()
    assert [len(axes.containers) for axes in figure.axes] == [2 + 2, 2, 1, 1]  # the legend's two in the first
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == ["MeZO", "tossed"]
    assert figure.axes[0].containers[0].lines[0].get_xdata()[0] == 20  # in points
    assert figure.axes[3].containers[0].lines[0].get_xdata()[0] == 0.5  # in nats


def test_the_control_is_hollow():
    trained, tossed = (each.lines[0] for each in transfer_figure(ROWS).axes[0].containers[:2])
    assert tossed.get_markerfacecolor() == "white" != trained.get_markerfacecolor()


def test_the_words_of_the_gains_name_every_row():
    words = transfer_alt_text(ROWS)
    assert "It was, tossed -1 points (-10 to +8) and +0.030 nats" in words and "Sentiment:, Adam +5" in words


@pytest.mark.parametrize(
    ("draw", "argument"),
    [
        (wandering_figure, "points"),
        (wandering_alt_text, "points"),
        (transfer_figure, "rows"),
        (transfer_alt_text, "rows"),
    ],
)
def test_nothing_to_draw_is_refused(draw, argument):
    with pytest.raises(ValueError, match=f"`{argument}` must hold at least one, got none: measure"):
        draw([])


@pytest.mark.parametrize("change", [{"steps": 0}, {"sq_length": 0.0}, {"expected": float("nan")}])
def test_a_point_that_has_not_walked_is_refused(change):
    point = WalkPoint(steps=1, sq_length=1.0, expected=1.0, share=0.1, component=0.1, error=0.1)
    for draw in (wandering_figure, wandering_alt_text):
        with pytest.raises(ValueError, match="`points` must have walked, and to a finite distance"):
            draw([replace(point, **change)])
