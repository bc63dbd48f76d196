"""What cannot be right is refused in one sentence: the argument, the rule, the value, the remedy."""

import math

import numpy
import pytest
import torch
from torch import nn

from mezo_lab.optim import MeZO
from mezo_lab.sampling import Iid, law_named


def theta(*shape, dtype=torch.float32, **kinds):
    return nn.Parameter(torch.ones(*(shape or (3,)), dtype=dtype), **kinds)


ARGUMENTS = [
    ({"lr": 0.0}, r"`lr` must be positive, got 0.0: 1e-6 is usual"),
    ({"lr": -0.1}, r"`lr` must be positive, got -0.1"),
    ({"lr": math.nan}, r"`lr` must be positive, got nan"),
    ({"lr": math.inf}, r"`lr` must be finite, got inf: 1e-6 is usual"),
    ({"epsilon": 0.0}, r"`epsilon` must be positive, got 0.0: 1e-3 suits"),
    ({"epsilon": -1}, r"`epsilon` must be positive, got -1: 1e-3 suits"),
    ({"epsilon": math.nan}, r"`epsilon` must be positive, got nan"),
    ({"epsilon": math.inf}, r"`epsilon` must be finite, got inf"),
    (
        {"probes": 0},
        r"`probes` must be a whole number, at least 1, got 0: 1 is usual; `mezo-lab list` shows .*orthogonal-probes",
    ),
    ({"probes": -2}, r"`probes` must be a whole number, at least 1, got -2"),
    ({"probes": 1.5}, r"`probes` must be a whole number, at least 1, got 1.5"),
    ({"probes": math.nan}, r"`probes` must be a whole number, at least 1, got nan"),
    ({"seed": -1}, r"`seed` must be a whole number in \[0, 2\*\*64\), got -1: any such number will do"),
    ({"seed": 2**64}, r"`seed` must be a whole number in .*got 18446744073709551616"),
    ({"seed": 0.5}, r"`seed` must be a whole number .*got 0.5"),
    ({"weight_decay": -0.1}, r"`weight_decay` must not be negative, got -0.1: 0 switches it off"),
    ({"weight_decay": math.nan}, r"`weight_decay` must not be negative, got nan"),
    ({"clip": 0.0}, r"`clip` must be positive or None, got 0.0: it bounds the projected gradient"),
    ({"clip": -1.0}, r"`clip` must be positive or None, got -1.0"),
    ({"clip": math.nan}, r"`clip` must be positive or None, got nan"),
    ({"law": "gausian"}, r"`law` must be one of gaussian, .*; got 'gausian'. Nearest: gaussian"),
    ({"law": ""}, r"`law` must be one of gaussian, .*; got ''"),
    ({"estimator": "two-side"}, r"`estimator` must be one of two-sided, .*; got 'two-side'. Nearest: two-sided"),
    ({"estimator": None}, r"`estimator` must be one of .*; got None"),
    ({"rule": "adma"}, r"`rule` must be one of sgd, .*; got 'adma'. Nearest: adam"),
    ({"rule": torch.optim.SGD}, r"`rule` must be one of sgd, .*got <class"),
    ({"modified": "var"}, r"`modified` must be one of None, variance, expectation; got 'var'"),
    ({"parallel": "ring"}, r"`parallel` must be one of .*; got 'ring'"),
    ({"estimator": "residual-feedback", "probes": 2}, r"`probes` must be 1 for residual feedback, got 2: it compares"),
    (
        {"estimator": "one-sided", "fresh_batches": True},
        r"`fresh_batches` needs both sides .*got estimator='one-sided'",
    ),
    ({"check_replicas_every": 0}, r"`check_replicas_every` must be a whole number, at least 1, got 0: 100"),
    ({"law": "orthogonal", "probes": 4}, r"`probes` must be at most .*orthogonal law, got 4 > 3"),
]


@pytest.mark.parametrize("kinds, said", ARGUMENTS, ids=lambda value: value if isinstance(value, dict) else "")
def test_an_argument_that_cannot_be_right(kinds, said):
    with pytest.raises(ValueError, match=said):
        MeZO([theta()], **{"lr": 0.1} | kinds)


GROUPS = [
    ({"lr": 0.0}, "`lr` must be positive, got 0.0"),
    ({"weight_decay": -1.0}, "`weight_decay` must not be negative, got -1.0"),
    ({"scale": 0.0}, "`scale` must be positive, got 0.0: it divides the probes; 1 changes nothing"),
    ({"scale": -2.0}, "`scale` must be positive, got -2.0"),
    ({"scale": math.nan}, "`scale` must be positive, got nan"),
]


@pytest.mark.parametrize("group, said", GROUPS, ids=str)
def test_a_group_that_cannot_be_right(group, said):
    with pytest.raises(ValueError, match=said):
        MeZO([{"params": [theta()]}, {"params": [theta()]} | group], lr=0.1)


PARAMETERS = [
    ([theta(requires_grad=False)], "`params` must hold a parameter with requires_grad=True, got none: unfreeze"),
    ([nn.Parameter(torch.zeros(3, dtype=torch.int64), requires_grad=False)], "`params` must hold a parameter"),
    ([theta(0)], "`params` must hold a parameter"),
    (
        [theta(), theta(dtype=torch.complex64)],
        "`params` must be real floating point numbers, got torch.complex64 for 1",
    ),
    ([("w", theta(dtype=torch.complex128))], "`params` must be real .*got torch.complex128 for 'w': freeze it"),
    ([], "`params` must hold a parameter with requires_grad=True, got none: .*as of a quantized model"),
]


@pytest.mark.parametrize("params, said", PARAMETERS, ids=lambda value: value if isinstance(value, str) else "")
def test_parameters_that_cannot_be_moved(params, said):
    with pytest.raises(ValueError, match=said):
        MeZO(params, lr=0.1)


def test_frozen_integers_are_left_alone():
    integers = nn.Parameter(torch.arange(3), requires_grad=False)
    free = theta()
    MeZO([integers, free], lr=0.1).step(lambda: float(free.detach().sum()))
    assert integers.tolist() == [0, 1, 2] and not torch.equal(free, theta())


def test_a_law_with_a_sampler_only_has_no_keyed_coordinates(monkeypatch):
    coin = Iid("coin", draw=lambda shape, generator: torch.ones(shape), kurtosis=1)
    monkeypatch.setattr("mezo_lab.optim.mezo.law_of", lambda name, rank: coin if name == "coin" else law_named(name))
    with pytest.raises(
        ValueError, match="`law` 'coin' has no keyed coordinates, only a sampler: choose one of gaussian"
    ):
        MeZO([theta()], lr=0.1, law="coin")


LOSSES = [
    (lambda t: t * 1.0, ValueError, r"`closure` must return one number, got a tensor of shape \(3,\): average it"),
    (lambda t: torch.zeros(0), ValueError, r"`closure` must return one number, got a tensor of shape \(0,\)"),
    (lambda t: None, TypeError, "`closure` must return the loss, one number; got NoneType"),
    (lambda t: "0.5", TypeError, "`closure` must return the loss, one number; got str"),
    (lambda t: [0.5], TypeError, "`closure` must return the loss, one number; got list"),
    (lambda t: {"loss": 0.5}, TypeError, "`closure` must return the loss, one number; got dict"),
    (lambda t: 1j, TypeError, "`closure` must return the loss, one number; got complex"),
    (lambda t: torch.tensor(1j), TypeError, "`closure` must return a real number, got torch.complex64"),
]


@pytest.mark.parametrize("loss, kind, said", LOSSES, ids=lambda value: value if isinstance(value, str) else "")
def test_a_closure_that_returns_no_loss(loss, kind, said):
    free = theta()
    with pytest.raises(kind, match=said):
        MeZO([free], lr=0.1, exact=True).step(lambda: loss(free))
    assert torch.equal(free, theta())


def test_a_closure_that_builds_a_graph():
    free = theta()

    def closure():
        with torch.enable_grad():
            return free.sum()

    with pytest.raises(ValueError, match=r"`closure` must not build a graph, .*leave out enable_grad\(\)"):
        MeZO([free], lr=0.1).step(closure)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_a_loss_of_few_bits_is_warned_of(dtype):
    free = theta(dtype=dtype)
    with pytest.warns(RuntimeWarning, match=f"`closure` returned a {dtype} loss, too coarse .*in float32"):
        MeZO([free], lr=0.1, exact=False).step(lambda: free.sum())


NUMBERS = [
    0.5,
    1,
    True,
    numpy.float64(0.5),
    numpy.float32(0.5),
    numpy.array(0.5),
    torch.tensor(0.5),
    torch.tensor([[0.5]]),
]
NUMBERS += [torch.tensor(3), torch.tensor(0.5, dtype=torch.float64)]


@pytest.mark.parametrize("loss", NUMBERS, ids=repr)
def test_a_loss_may_be_any_kind_of_number(loss):
    assert MeZO([theta()], lr=0.1).step(lambda: loss) == float(loss)


def test_the_closure_runs_without_grad_and_leaves_no_grad():
    free, seen = theta(), []
    opt = MeZO([free], lr=0.1)
    for _ in range(2):
        opt.step(lambda: seen.append(torch.is_grad_enabled()) or (free * 2).sum())
    opt.probe(lambda: seen.append(torch.is_grad_enabled()) or (free * 2).sum())
    assert seen == [False] * 7 and torch.is_grad_enabled()
    assert free.grad is None and free.requires_grad and free.is_leaf
    opt.step()
    free.sum().backward()  # the weights are as fit for a gradient as before
    assert free.grad is not None


def test_a_step_needs_a_closure_or_a_probe():
    free = theta()
    opt = MeZO([free], lr=0.1)
    with pytest.raises(RuntimeError, match=r"`step` needs a closure, or a `probe\(closure\)` before it"):
        opt.step()
    opt.probe(lambda: free.sum())
    opt.step()
    with pytest.raises(RuntimeError, match="`step` needs a closure"):
        opt.step()  # a probe is good for one step


@pytest.mark.parametrize("mode", [{}, {"fused": True}, {"exact": True}], ids=str)
def test_probe_and_a_bare_step_are_a_step(weights, wave, equal, mode):
    ends = []
    for split in (False, True):
        free = weights()
        opt = MeZO(free.items(), lr=0.1, probes=2, **mode)
        losses = []
        for _ in range(3):
            if split:
                losses.append(opt.probe(lambda f=free: wave(list(f.values()))))
                assert opt.step() == losses[-1]
            else:
                losses.append(opt.step(lambda f=free: wave(list(f.values()))))
        opt.flush()
        ends.append((losses, list(free.values())))
    assert ends[0][0] == ends[1][0] and equal(ends[0][1], ends[1][1])


@pytest.mark.parametrize("mode", [{}, {"fused": True}, {"exact": True}], ids=str)
def test_a_flush_between_probe_and_step_changes_nothing_but_rounding(weights, wave, apart, mode):
    ends = []
    for flushed in (False, True):
        free = weights()
        opt = MeZO(free.items(), lr=0.1, weight_decay=0.1, **mode)
        for _ in range(2):
            opt.probe(lambda f=free: wave(list(f.values())))
            if flushed:
                before = [t.detach().clone() for t in free.values()]
                opt.eval()
                assert apart(free.values(), before) > 1e-3
            opt.train()
            opt.step()
        opt.flush()
        ends.append(list(free.values()))
    assert apart(*ends) < 1e-14


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"rank": 2}, "`rank` belongs to law='low-rank', got 2 for 'gaussian': leave it out"),
        ({"law": "rademacher", "rank": 1}, "`rank` belongs to law='low-rank', got 1 for 'rademacher'"),
        ({"law": "low-rank", "rank": 0}, r"`rank` must be a whole number in \[1, 2\*\*31\), got 0: 1 is the cheapest"),
        ({"law": "low-rank", "rank": 1.5}, "`rank` must be a whole number .*, got 1.5"),
        ({"law": "low-rank", "rank": -3}, "`rank` must be a whole number .*, got -3"),
        ({"law": "low-rank", "rank": 10**30}, "`rank` must be a whole number .*, got 10{30}"),
        ({"law": "lowrank"}, "`law` must be one of gaussian.*, low-rank; got 'lowrank'. Nearest: low-rank"),
    ],
)
def test_a_rank_is_a_whole_number_and_belongs_to_the_low_rank_law(settings, message):
    with pytest.raises(ValueError, match=message):
        MeZO([torch.nn.Parameter(torch.zeros(3, 3))], lr=0.1, **settings)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"baseline": "mean"},
            "`baseline` belongs to estimator='population', got 'mean' for 'two-sided': leave it out",
        ),
        ({"estimator": "one-sided", "shaping": "rank"}, "`shaping` belongs to estimator='population', got 'rank' for"),
        ({"baseline": "median"}, "`baseline` must be one of none, mean, leave-one-out; got 'median'. Nearest: mean"),
        ({"shaping": "ranks"}, "`shaping` must be one of none, z-score, rank; got 'ranks'. Nearest: rank"),
        ({"baseline": None}, "`baseline` must be one of none, mean, leave-one-out; got None"),
        ({"estimator": "population", "baseline": "mean"}, "`probes` must be at least 2 for a population with"),
        ({"estimator": "population", "shaping": "rank"}, "`probes` must be at least 2 .*, got 1: a single loss"),
        (
            {"estimator": "population", "probes": 4, "shaping": "z-score", "baseline": "mean"},
            "`baseline` changes nothing under shaping='z-score', which subtracts the mean itself; got 'mean'",
        ),
        (
            {"estimator": "population", "probes": 4, "fresh_batches": True},
            "`fresh_batches` needs both sides of a probe, got estimator='population'",
        ),
    ],
)
def test_baselines_and_shapings_belong_to_a_population_of_two_at_least(settings, message):
    with pytest.raises(ValueError, match=message):
        MeZO([theta()], lr=0.1, **settings)
