"""Scores and their intervals, against scipy and by counting."""

import pytest
import torch
from scipy.stats import binomtest

from mezo_lab.finetune.evaluation.scores import difference, exact_match, f1, mean_score


@pytest.mark.parametrize(("hits", "count"), [(0, 10), (7, 10), (670, 1_000), (1_000, 1_000)])
def test_the_interval_of_hits_and_misses_is_wilsons(hits, count):
    found = mean_score("accuracy", [1.0] * hits + [0.0] * (count - hits))
    expected = binomtest(hits, count).proportion_ci(method="wilson")
    assert found.value == hits / count
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=1e-6)


def test_the_interval_holds_the_true_rate_in_95_of_100_runs():
    # 2,000 runs of 50 draws: the share that holds it has a standard error of 0.005
    draws = torch.rand(2_000, 50, generator=torch.Generator().manual_seed(0)) < 0.7
    intervals = [mean_score("accuracy", row.double().tolist()) for row in draws]
    share = sum(found.low <= 0.7 <= found.high for found in intervals) / 2_000
    assert 0.92 < share < 0.98
    assert sum(found.low <= 0.8 <= found.high for found in intervals) / 2_000 < 0.8  # another rate is left out


def test_a_mean_of_f1_has_the_normal_interval():
    each = [0.0, 0.5, 1.0, 0.25]
    found = mean_score("f1", each)
    spread = 1.96 * float(torch.tensor(each).std()) / 2
    assert (found.low, found.high) == pytest.approx((0.4375 - spread, min(1, 0.4375 + spread)), abs=1e-4)


def test_no_example_has_no_score():
    with pytest.raises(ValueError, match="`each` must hold at least one example, got none"):
        mean_score("accuracy", [])


def test_a_difference_is_paired():
    one, other = (mean_score("accuracy", each) for each in ([1.0, 1.0, 0.0, 1.0] * 50, [1.0, 0.0, 0.0, 1.0] * 50))
    mean, low, high = difference(one, other)
    assert mean == 0.25 and 0 < low < mean < high
    unpaired = (0.75 * 0.25 / 200 + 0.5 * 0.5 / 200) ** 0.5 * 1.96
    assert high - mean < unpaired


@pytest.mark.parametrize("gap", [-1, 0, 1])
def test_a_difference_without_scatter_is_no_certainty(gap):
    """Its interval is the one that would leave no other outcome in 2.5 of 100 samples, by counting."""
    one, other = mean_score("accuracy", [float(gap > 0)] * 20), mean_score("accuracy", [float(gap < 0)] * 20)
    mean, low, high = difference(one, other)
    assert mean == gap and -1 <= low <= mean <= high <= 1 and high - low > 0.1
    least = binomtest(0, 20).proportion_ci().high  # of another outcome, at most
    assert max(high - mean, mean - low) == pytest.approx(least * (1 + abs(gap)))
    many = difference(mean_score("accuracy", [1.0] * 10_000), mean_score("accuracy", [1.0] * 10_000))
    assert many[2] - many[1] < 1e-3


def test_answers_are_compared_as_squad_compares_them():
    assert exact_match("The Eiffel-Tower ", ["eiffeltower"]) == 1.0 and exact_match("a tower", ["Eiffel tower"]) == 0.0
    assert f1("Eiffel tower in Paris", ["the Eiffel Tower", "Paris"]) == pytest.approx(2 * 2 / (4 + 2))
    assert f1("", [""]) == 1.0 and f1("", ["Paris"]) == 0.0 and f1("Rome", ["Paris"]) == 0.0
