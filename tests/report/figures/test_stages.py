"""The figure of a run's stages shows the share of each, told apart without colour, and says them in words."""

import pytest

from mezo_lab.report.figures import RunStages, stages_alt_text, stages_figure

RUNS = [
    RunStages("long", {"loading": 1.0, "forward passes": 70.0, "sweeps": 28.8, "other": 0.2}),
    RunStages("short", {"loading": 6.0, "forward passes": 4.0}),
]


@pytest.fixture(scope="module")
def axes():
    figure = stages_figure(RUNS)
    figure.draw_without_rendering()
    return figure.axes[0]


def bars(axes, row: int):
    """The bars of a run, from the left."""
    own = [bar for bar in axes.patches if bar.get_width() and round(bar.get_y() + bar.get_height() / 2) == row]
    return sorted(own, key=lambda bar: bar.get_x())


def test_each_bar_is_as_long_as_its_share_and_begins_where_the_last_one_ends(axes):
    assert [bar.get_width() for bar in bars(axes, 0)] == pytest.approx([0.01, 0.7, 0.288])  # the rest is not seen
    assert [bar.get_x() for bar in bars(axes, 1)] == pytest.approx([0, 0.6])
    assert [text.get_text() for text in axes.texts] == ["70 %", "29 %", "60 %", "40 %"]


def test_stages_differ_in_hatch_or_lightness_and_are_the_same_in_every_run(axes):
    looks = [(bar.get_hatch(), bar.get_facecolor()) for bar in bars(axes, 0)]
    assert len(set(looks)) == 3
    assert [(bar.get_hatch(), bar.get_facecolor()) for bar in bars(axes, 1)] == looks[:2]
    assert {red == green == blue for _, (red, green, blue, _) in looks} == {True}


def test_the_legend_names_the_stages_that_are_seen_and_the_axis_the_runs(axes):
    (legend,) = axes.figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["loading", "forward passes", "sweeps"]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["long\n2 min", "short\n10 s"]


def test_the_alternative_text_says_what_is_drawn():
    assert stages_alt_text(RUNS) == (
        "Bars of the time of fine-tuning runs by stage: long, 2 min: loading 1 %, forward passes 70 %, sweeps 29 %; "
        "short, 10 s: loading 60 %, forward passes 40 %."
    )


@pytest.mark.parametrize("drawn", [stages_figure, stages_alt_text])
def test_no_run_is_refused(drawn):
    with pytest.raises(ValueError, match="`runs` must hold at least one run, got none: make one first"):
        drawn([])
