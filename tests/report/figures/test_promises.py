"""Verdicts stand along any of their parameters: theory dashed, beliefs dotted, a marker for each series."""

import pytest

from mezo_lab.claims import REGISTRY, check
from mezo_lab.report.figures import PromisePanel, promises_alt_text, promises_figure
from mezo_lab.report.figures.style import BARS
from mezo_lab.sampling import LAWS

BELIEFS = {"vg": "all of g"}
DRAWN = "(n-1 + k*(p+q) + 2)/n"


def verdicts(name: str, *parameters: dict) -> list:
    return [check(REGISTRY[name], LAWS["gaussian"], each, resolution=0.05) for each in parameters]


@pytest.fixture(scope="module")
def population() -> PromisePanel:
    sets = [{"dim": 6, "probes": n, "baseline": name} for name in ("mean", "leave-one-out") for n in (8, 2)]
    return PromisePanel(verdicts("baseline", *sets), "probes", "vᵀE[ĝ]", BELIEFS)


@pytest.fixture(scope="module")
def ranks() -> PromisePanel:
    sets = [{"p": 4, "q": 3, "k": k, "probes": 1, "moment": "norm"} for k in (1, 4)]
    return PromisePanel(verdicts("low-rank-direction", *sets), "k", "E‖ĝ‖²/‖g‖²")


@pytest.fixture(scope="module")
def figure(population, ranks):
    drawn = promises_figure([population, ranks])
    drawn.draw_without_rendering()
    return drawn


def test_series_that_differ_in_another_parameter_have_markers_of_their_own(figure, population):
    means, others = figure.axes[0].containers
    assert [list(each.lines[0].get_xdata()) for each in (means, others)] == [[2, 8], [2, 8]]  # in order
    assert means.lines[0].get_marker() != others.lines[0].get_marker()
    for container, name in ((means, "mean"), (others, "leave-one-out")):
        assert container.get_label() == f"baseline = {name} ± {BARS:g} standard errors"


def test_theory_is_dashed_and_every_belief_is_dotted_in_words_or_as_its_formula(figure):
    looks = {line.get_label(): line.get_linestyle() for axes in figure.axes for line in axes.lines}
    assert looks["theory"] == "--"
    believed = {label for label in looks if label.startswith("believed")}
    assert believed == {"believed: all of g", "believed: (n+1+d)/n", "believed: (n−1 + k·(p+q) + 2)/n"}


def test_the_legend_has_what_is_true_first_and_each_name_once(figure):
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert labels[0] == "theory" and len(labels) == len(set(labels))
    assert [label.startswith("believed") for label in labels] == sorted(
        label.startswith("believed") for label in labels
    )


def test_every_value_of_the_parameter_is_a_tick_and_the_axis_says_what_it_is(figure):
    axes = figure.axes[1]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["1", "4"]
    assert [each.get_xlabel() for each in figure.axes] == ["n: probes per step", "k: rank of a direction"]


def test_the_words_hold_the_ends_of_each_series_and_of_each_belief(population):
    told = promises_alt_text([population])
    first, last = (each.estimate.mean for each in sorted(population.verdicts[:2], key=lambda v: v.parameters["probes"]))
    assert f"baseline = mean goes from {first:.3g} at 2 to {last:.3g} at 8" in told
    assert "Dotted: all of g from" in told


def test_nothing_to_draw_and_a_belief_that_is_no_decoy_are_refused(ranks):
    with pytest.raises(ValueError, match="`panels` must hold at least one panel, each with a verdict: verify"):
        promises_figure([])
    with pytest.raises(ValueError, match="`parameter` must have a number in each verdict of its panel, got 'rank'"):
        promises_figure([PromisePanel(ranks.verdicts, "rank", "y")])
    with pytest.raises(ValueError, match=r"`parameter` must have a number .*, got 'moment'"):
        promises_alt_text([PromisePanel(ranks.verdicts, "moment", "y")])
    wrong = PromisePanel(ranks.verdicts, "k", "y", {"d + 3": "a slip"})
    with pytest.raises(ValueError, match=r"`believed` must name decoys of the verdicts, .*; got d \+ 3\."):
        promises_alt_text([wrong])
