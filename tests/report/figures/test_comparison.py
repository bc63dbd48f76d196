"""The figure of refuted formulas shows the measured mean, what holds, and the wrong value, in the same units."""

from dataclasses import replace

import pytest

from mezo_lab import LAWS, check, claim_named
from mezo_lab.report.figures import comparison_alt_text, comparison_figure
from mezo_lab.report.figures.style import INK


@pytest.fixture(scope="module")
def verdict():
    return check(claim_named("norm-factor"), LAWS["gaussian"], {"dim": 6, "probes": 1}, draws=20_000)


@pytest.fixture(scope="module")
def rows(verdict):
    far = replace(verdict.decoys[0], expected=5 * verdict.expected)
    return {"a decoy": verdict, "far off": replace(verdict, decoys=(far,))}


@pytest.fixture(scope="module")
def axes(rows):
    figure = comparison_figure(rows)
    figure.draw_without_rendering()
    return figure.axes[0]


def test_a_mean_lies_on_what_holds_within_its_bars(axes, rows, verdict):
    means = [container.lines[0].get_xdata()[0] for container in axes.containers if len(container.lines[0].get_xdata())]
    assert means == pytest.approx([verdict.estimate.mean / verdict.expected - 1] * len(rows))


def test_the_wrong_value_is_a_dotted_line_and_an_arrow_at_the_edge_where_it_lies_beyond(axes, verdict):
    dotted = [line for line in axes.lines if line.get_color() != INK and len(line.get_xdata()) == 2]
    places = [line.get_xdata()[0] for line in dotted if line.get_linestyle() != "None"]
    assert places == pytest.approx([verdict.decoys[0].expected / verdict.expected - 1, 1.0])
    assert [line.get_marker() for line in axes.lines].count(">") == 1


def test_the_words_give_both_deviations(rows):
    assert "far off: measured " in comparison_alt_text(rows) and "wrong formula +400.0 %" in comparison_alt_text(rows)


def test_a_verdict_without_a_decoy_is_refused(verdict):
    with pytest.raises(ValueError, match="each with a decoy: check a claim that has one"):
        comparison_figure({"none": replace(verdict, decoys=())})
