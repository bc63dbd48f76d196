"""What a window of past steps costs: more words a step until it is full, then no more, and that is told before."""

import logging
from itertools import pairwise

import pytest
import torch

from mezo_lab.optim import Adam, MeZO, Momentum, Rule
from mezo_lab.optim.rules import MANY_NUMBERS, window_cost

WINDOW = 4
RULES = {"momentum": Momentum(0.5, window=WINDOW), "adam": Adam(0.5, 0.75, window=WINDOW)}
MODES = {
    "plain": {},
    "fused": {"fused": True},
    "exact": {"exact": True},
    "two probes": {"probes": 2},
    "one-sided": {"estimator": "one-sided"},
}


def words_of_each_step(opt, steps):
    words = [0]
    for _ in range(steps):
        opt.step(lambda: float(opt.cost.words % 1009))
        words.append(opt.cost.words)
    return [after - before for before, after in pairwise(words)]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("rule", RULES)
def test_the_words_of_a_step_stop_growing_at_the_window(rule, mode):
    theta = torch.nn.Parameter(torch.zeros(64))
    opt = MeZO([theta], lr=1e-3, rule=RULES[rule], check_closure=False, **MODES[mode])
    words = words_of_each_step(opt, 3 * WINDOW)
    # the update of a fused step is made, and its z drawn, in the step after it
    full = WINDOW + (mode == "fused")
    assert words[1] < words[2] < words[full - 1]
    assert set(words[full:]) == {words[full]}


def test_a_window_that_is_longer_than_the_run_never_stops_growing():
    """The control."""
    theta = torch.nn.Parameter(torch.zeros(64))
    words = words_of_each_step(MeZO([theta], lr=1e-3, rule=Momentum(0.5, window=100), check_closure=False), 12)
    assert all(later > earlier for earlier, later in pairwise(words[1:]))


@pytest.mark.parametrize("rule, probes, told", [
    (Momentum(0.9), 1, "its last 66 steps again in every update: 66 z, as the sweeps of 22 steps with rule='sgd', once"
     " 66 steps are made, and fewer before. Momentum(beta=0.9, window=22) draws a third, and leaves out 9.8 % of the"
     " average, not 0.096 %."),
    (Adam(), 4, "its last 1,000 steps again in every update: 4,000 z, as the sweeps of 444 steps with rule='sgd', once"
     " 1,000 steps are made, and fewer before. Adam(beta1=0.9, beta2=0.999, delta=1e-08, window=334) draws a third, and"
     " leaves out 72 % of the average, not 37 %."),
])  # fmt: skip
def test_a_long_window_is_told_once_and_before_the_first_loss(rule, probes, told, caplog):
    theta = torch.nn.Parameter(torch.zeros(MANY_NUMBERS // 60))
    opt = MeZO([theta], lr=1e-3, law="rademacher", rule=rule, probes=probes, check_closure=False)
    heard = []
    with caplog.at_level(logging.WARNING, "mezo_lab.optim.notices"):
        for _ in range(2):
            opt.step(lambda: heard.append(len(caplog.records)) or 0.0)
    assert set(heard) == {1}
    assert caplog.messages == [f"rule={rule} draws z of {told}"]


@pytest.mark.parametrize("rule, numel", [
    (Momentum(0.9), MANY_NUMBERS // 66 - 1), (Momentum(0.9, window=20), 10**9), (Momentum(0.0), 10**9)
])  # fmt: skip
def test_a_window_of_little_cost_is_not_told(rule, numel):
    assert window_cost(rule, 1, numel) is None
    assert window_cost(Momentum(0.9), 1, MANY_NUMBERS) is not None


def test_a_window_of_a_thousand_z_is_told_however_small_the_model():
    assert window_cost(Adam(), 1, 50) is not None
    assert window_cost(Momentum(0.9), 1, 50) is None


def test_the_window_of_coordinates_is_not_told(caplog):
    """Whose z is one number."""
    theta = torch.nn.Parameter(torch.zeros(MANY_NUMBERS // 60))
    MeZO([theta], lr=1e-3, law="coordinate", rule="momentum", check_closure=False).step(lambda: 0.0)
    assert caplog.messages == []


def test_a_long_window_of_a_rule_of_one_s_own_is_told_without_another_rule():
    class Mine(Rule):
        window = 50

        def __repr__(self):
            return "Mine()"

    told = window_cost(Mine(), 1, 10**9)
    assert told is not None and told.startswith("rule=Mine() draws z of its last 50 steps")
    assert told.endswith("A smaller `window` draws fewer.")
