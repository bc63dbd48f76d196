"""`opt.cost` counts the sweeps, the words and the bytes of a step, and they are as few as promised."""

import pytest
import torch

from mezo_lab.optim import MeZO, Momentum
from mezo_lab.sampling.laws import LAWS

# settings → sweeps of a step: plain, fused, exact, exact and fused
SWEEPS = [
    ({}, 3, 2, 4, 3),
    ({"probes": 4}, 9, 8, 10, 9),
    ({"weight_decay": 0.1}, 3, 2, 4, 3),
    ({"estimator": "one-sided"}, 2, 2, 3, 3),  # θ itself is visited: an update cannot ride to the next probe
    ({"estimator": "one-sided", "probes": 3}, 4, 4, 5, 5),
    ({"estimator": "residual-feedback"}, 2, 1, 3, 2),
    ({"centre": True}, 3, 3, 4, 4),
    ({"law": "rademacher"}, 3, 2, 4, 3),
    ({"law": "coordinate", "probes": 2}, 5, 4, 6, 5),
    ({"law": "sphere"}, 4, 3, 5, 4),  # one more for the lengths of z
    ({"law": "orthogonal", "probes": 4}, 10, 9, 11, 10),
    ({"rule": "momentum"}, 3, 2, 4, 3),
    ({"rule": "normalised"}, 3, 2, 4, 3),
    ({"rule": "sign"}, 4, 4, 4, 4),  # not a sum of z: its update is a sweep of its own
    ({"rule": "adam"}, 4, 4, 4, 4),
    ({"modified": "variance"}, 3, 2, 4, 3),
    ({"clip": 1e-3}, 3, 2, 4, 3),
]
MODES = ({}, {"fused": True}, {"exact": True}, {"fused": True, "exact": True})


@pytest.mark.parametrize("kinds, expected", [(kinds, expected) for kinds, *expected in SWEEPS], ids=str)
def test_the_sweeps_of_a_step(weights, wave, kinds, expected):
    assert len(expected) == len(MODES)
    for mode, count in zip(MODES, expected, strict=True):
        theta = weights()
        opt = MeZO(theta.items(), lr=1e-3, **kinds, **mode)
        for _ in range(2):  # the first step has no update to take along, and residual feedback nothing to compare
            opt.step(lambda t=theta: wave(list(t.values())))
        before = opt.cost.sweeps
        for _ in range(2):
            opt.step(lambda t=theta: wave(list(t.values())))
        assert opt.cost.sweeps - before == 2 * count, mode


def test_a_flush_is_one_sweep_and_only_where_one_is_due(weights, wave):
    theta = weights()
    opt = MeZO(theta.items(), lr=1e-3, fused=True)
    opt.flush()
    assert opt.cost.sweeps == 0
    opt.step(lambda: wave(list(theta.values())))
    for _ in range(2):
        opt.flush()
        assert opt.cost.sweeps == 3


@pytest.mark.parametrize("few", [False, True])
@pytest.mark.parametrize("law", ["gaussian", "rademacher", "uniform", "three-point"])
def test_the_words_of_a_step(weights, wave, law, few):
    """Two words a block, of 4 normals, 64 signs or 2 others; a sweep draws each z of its sum, or torch keeps it."""
    per_block = {"gaussian": 4, "rademacher": 64}.get(law, 2)
    theta = weights()
    z = sum(2 * -(-t.numel() // per_block) for t in theta.values())
    kinds = ({}, 3, 1), ({"fused": True}, 3, 1), ({"probes": 2}, 1 + 1 + 2 + 1 + 2, 2), ({"exact": True}, 3, 2)
    for kind, draws, draws_of_few in kinds:
        opt = MeZO(theta.items(), lr=1e-3, law=law, compiled=not few, **kind)
        opt.step(lambda: wave(list(theta.values())))
        before = opt.cost.words
        opt.step(lambda: wave(list(theta.values())))
        assert opt.cost.words - before == (draws_of_few if few else draws) * z, kind


def test_signs_take_a_sixteenth_of_the_words_of_normals():
    theta = torch.nn.Parameter(torch.zeros(1 << 12))
    words = {}
    for law in ("gaussian", "rademacher"):
        opt = MeZO([theta], lr=1.0, law=law)
        opt.step(lambda: 0.0)
        words[law] = opt.cost.words
    assert words["gaussian"] == 16 * words["rademacher"]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_bytes_of_a_step(weights, wave, dtype):
    """Every sweep reads and writes every weight once."""
    theta = weights(dtype)
    opt = MeZO(theta.items(), lr=1e-3, exact=False)
    opt.step(lambda: wave(list(theta.values())))
    assert opt.cost.bytes == 3 * 2 * sum(t.numel() * t.element_size() for t in theta.values())


def test_a_window_of_momentum_costs_words_not_sweeps(weights, wave):
    costs = []
    for rule in ("sgd", Momentum(0.5, window=3)):
        theta = weights()
        opt = MeZO(theta.items(), lr=1e-3, rule=rule)
        for _ in range(5):
            opt.step(lambda t=theta: wave(list(t.values())))
        costs.append(opt.cost)
    assert costs[0].sweeps == costs[1].sweeps == 15
    z = costs[0].words // 15
    assert costs[1].words - costs[0].words == (0 + 1 + 2 + 2 + 2) * z


def test_the_count_goes_on_when_the_parameters_change(weights, wave):
    theta = weights()
    opt = MeZO(theta.items(), lr=1e-3)
    opt.step(lambda: wave(list(theta.values())))
    theta["embed"].requires_grad_(False)
    opt.step(lambda: wave(list(theta.values())))
    assert opt.cost.sweeps == 6


@pytest.mark.parametrize("fused", [False, True])
@pytest.mark.parametrize("estimator, probes, passes", [
    ("two-sided", 1, 2), ("two-sided", 3, 6), ("one-sided", 1, 2), ("one-sided", 3, 4), ("residual-feedback", 1, 1)
])  # fmt: skip
def test_the_forward_passes_of_a_step(weights, wave, estimator, probes, passes, fused):
    theta, calls = weights(), []
    opt = MeZO(theta.items(), lr=1e-3, probes=probes, estimator=estimator, fused=fused)
    for _ in range(3):
        opt.step(lambda: calls.append(0) or wave(list(theta.values())))
    assert len(calls) == 3 * passes + 1  # the first step asks twice at one point


@pytest.mark.parametrize("law", LAWS)
def test_no_memory_but_scalars(weights, wave, law):
    """`optimizer.state` stays empty, no gradient is made, and no tensor of the size of θ is kept."""
    theta = weights()
    opt = MeZO(theta.items(), lr=1e-3, law=law, probes=2, rule="momentum", fused=True)
    for _ in range(3):
        opt.step(lambda: wave(list(theta.values())))
    saved = opt.state_dict()
    assert opt.state == {} and saved["state"] == {} and saved["mezo"]["masters"] is None
    assert all(t.grad is None for t in theta.values())
    assert not any(isinstance(value, torch.Tensor) for value in vars(opt).values())
