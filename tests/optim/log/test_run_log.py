"""The log of a run rebuilds its weights, goes on with the run, and refuses what is not its own."""

import copy
import math
import sys

import pytest
import torch
from torch import nn

from mezo_lab.optim import Adam, MeZO, Momentum, RunLog, replay
from mezo_lab.optim.log import LogError, read_log


def small_model(dtype=torch.float32, seed=0):
    generator = torch.Generator().manual_seed(seed)
    model = nn.Sequential(nn.Linear(3, 5), nn.Tanh(), nn.Linear(5, 2))
    for parameter in model.parameters():
        parameter.data = (torch.randn(parameter.shape, generator=generator) * 0.3).to(dtype)
    return model


def loss_of(model):
    x = torch.linspace(-1, 1, 12).view(4, 3)
    return lambda: model(x.to(next(model.parameters()).dtype)).float().square().mean()


def weights(model):
    return [parameter.detach().clone() for parameter in model.parameters()]


def same(a, b):
    return all(torch.equal(x, y) for x, y in zip(a, b, strict=True))


def run(model, path, steps=20, between=None, **kinds):
    """A logged run; `between(opt, k)` may meddle before step k."""
    opt = MeZO(model.named_parameters(), **{"lr": 0.1, "seed": 3} | kinds)
    with RunLog(opt, path):
        for k in range(steps):
            if between:
                between(opt, k)
            opt.step(loss_of(model))
    return opt


KINDS = {
    "plain": {},
    "bfloat16": {"exact": False},
    "exact bfloat16": {"exact": True},
    "fused": {"fused": True},
    "fused exact": {"fused": True, "exact": True},
    "three probes": {"probes": 3, "law": "rademacher"},
    "orthogonal": {"probes": 2, "law": "orthogonal"},
    "population": {"estimator": "population", "shaping": "rank", "probes": 3, "rule": "momentum"},
    "low-rank": {"probes": 2, "law": "low-rank", "rank": 2},
    "one-sided": {"estimator": "one-sided", "lr": 0.01},
    "residual feedback": {"estimator": "residual-feedback", "lr": 1e-4},
    "weight decay": {"weight_decay": 0.1},
    "momentum": {"rule": Momentum(0.5, window=4)},
    "adam": {"rule": Adam(0.5, 0.9, window=4), "lr": 0.01},
    "sign": {"rule": "sign", "lr": 0.01},
    "centre": {"centre": True, "fused": True},
    "modified": {"modified": "variance"},
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_log_rebuilds_the_weights_bit_for_bit(kind, tmp_path):
    model = small_model(torch.bfloat16 if "bfloat16" in kind else torch.float32)
    start = copy.deepcopy(model)
    run(model, tmp_path / "run.mezo", **KINDS[kind])
    assert not same(weights(start), weights(model))
    replay(start, tmp_path / "run.mezo")
    assert same(weights(start), weights(model))


def test_the_log_knows_what_happened_between_the_steps(tmp_path):
    def between(opt, k):
        group = opt.param_groups[0]
        if k == 5:
            group["weight_decay"] = 0.2
        if k == 9:
            opt.epsilon = 1e-2
        if k == 12:
            opt.flush()
        group["lr"] *= 0.9

    model = small_model()
    start = copy.deepcopy(model)
    run(model, tmp_path / "run.mezo", between=between, fused=True)
    replay(start, tmp_path / "run.mezo")
    assert same(weights(start), weights(model))
    assert [item.kind for item in read_log(tmp_path / "run.mezo") if hasattr(item, "kind")] == [
        "settings",
        "settings",
        "flush",
        "flush",
        "settings",  # of the end, with what a later step reads
        "hash",
    ]


def test_a_step_that_was_not_made_is_not_made_again(tmp_path):
    model = small_model()
    start, loss = copy.deepcopy(model), loss_of(model)
    opt = MeZO(model.named_parameters(), lr=0.1)
    with RunLog(opt, tmp_path / "run.mezo"):
        for k in range(6):
            if k == 3:
                with pytest.warns(RuntimeWarning, match="not finite"):
                    opt.step(lambda: math.nan)
            else:
                opt.step(loss)
    replay(start, tmp_path / "run.mezo")
    assert same(weights(start), weights(model))


@pytest.mark.parametrize("kinds", [{}, {"exact": True}, {"rule": Momentum(0.5, window=4)}])
def test_a_run_goes_on_from_its_log_alone_as_if_it_had_not_stopped(kinds, tmp_path):
    whole, start = small_model(), small_model()
    run(whole, tmp_path / "whole.mezo", steps=20, **kinds)
    first = copy.deepcopy(start)
    run(first, tmp_path / "cut.mezo", steps=8, **kinds)
    opt = replay(start, tmp_path / "cut.mezo")
    with RunLog(opt, tmp_path / "cut.mezo", append=True):
        for _ in range(12):
            opt.step(loss_of(start))
    assert same(weights(start), weights(whole))
    again = small_model()
    assert replay(again, tmp_path / "cut.mezo").steps == 20
    assert same(weights(again), weights(whole))


def test_a_log_longer_than_the_checkpoint_is_cut_to_it(tmp_path):
    model = small_model()
    opt = MeZO(model.named_parameters(), lr=0.1, seed=3)
    checkpoint = None
    with RunLog(opt, tmp_path / "run.mezo"):
        for k in range(20):
            if k == 10:
                checkpoint = copy.deepcopy((model.state_dict(), opt.state_dict()))
            opt.step(loss_of(model))
    end = weights(model)
    model.load_state_dict(checkpoint[0])
    opt = MeZO(model.named_parameters(), lr=0.1, seed=3)
    opt.load_state_dict(checkpoint[1])
    with RunLog(opt, tmp_path / "run.mezo", append=True):
        for _ in range(10):
            opt.step(loss_of(model))
    assert same(weights(model), end)
    assert read_log(tmp_path / "run.mezo").steps == 20


def test_a_replay_stops_where_it_is_told(tmp_path):
    model, start = small_model(), small_model()
    middle = {}
    run(model, tmp_path / "run.mezo", between=lambda opt, k: middle.update({k: weights(model)}))
    replay(start, tmp_path / "run.mezo", until=7)
    assert same(weights(start), middle[7])


def test_twenty_thousand_steps_fit_in_a_tenth_of_a_megabyte(tmp_path):
    theta = nn.Parameter(torch.ones(2))
    opt = MeZO([theta], lr=1e-3)
    with RunLog(opt, tmp_path / "run.mezo") as log:
        for k in range(20_000):  # what a step tells its run log, without the passes
            for point in (0, 1):
                log._before_move(point)
            opt.steps += 1
            log._after_step([float(torch.tensor(math.sin(k)))], [float(torch.tensor(1e-3 * (1 - k / 20_000)))])
    assert (tmp_path / "run.mezo").stat().st_size <= 100_000


def test_another_model_is_refused(tmp_path):
    run(small_model(), tmp_path / "run.mezo")
    with pytest.raises(LogError, match="param"):
        replay(nn.Linear(3, 5), tmp_path / "run.mezo")


def test_other_starting_weights_are_refused(tmp_path):
    run(small_model(), tmp_path / "run.mezo")
    with pytest.raises(LogError, match="starts from other weights"):
        replay(small_model(seed=1), tmp_path / "run.mezo")


def test_a_log_that_leads_elsewhere_is_refused(tmp_path, monkeypatch):
    model = small_model()
    start = copy.deepcopy(model)
    run(model, tmp_path / "run.mezo")
    monkeypatch.setitem(sys.modules["mezo_lab.optim.sweeps.native"].LAWS, "gaussian", 2)  # another under the same name
    with pytest.raises(LogError, match="does not lead to the weights"):
        replay(start, tmp_path / "run.mezo")


def test_a_flipped_bit_is_refused_before_anything_moves(tmp_path):
    model = small_model()
    start = copy.deepcopy(model)
    run(model, tmp_path / "run.mezo")
    data = bytearray((tmp_path / "run.mezo").read_bytes())
    data[len(data) // 2] ^= 4
    (tmp_path / "run.mezo").write_bytes(data)
    before = weights(start)
    with pytest.raises(LogError):
        replay(start, tmp_path / "run.mezo")
    assert same(weights(start), before)


def written_with(noise, law, tmp_path, monkeypatch):
    """A log that names another noise, and the model before it and after it."""
    model = small_model()
    start = copy.deepcopy(model)
    monkeypatch.setattr(sys.modules["mezo_lab.optim.log.run_log"], "NOISE", noise)
    run(model, tmp_path / "run.mezo", law=law)
    return start, model


def test_the_noise_of_a_later_version_is_refused(tmp_path, monkeypatch):
    start, _ = written_with("threefry2x32-20/3", "rademacher", tmp_path, monkeypatch)
    with pytest.raises(LogError, match=r"made with noise 'threefry2x32-20/3'.*: use the version that wrote it"):
        replay(start, tmp_path / "run.mezo")


def test_the_signs_of_the_former_version_are_those_of_this_one(tmp_path, monkeypatch):
    start, end = written_with("threefry2x32-20/1", "rademacher", tmp_path, monkeypatch)
    opt = replay(start, tmp_path / "run.mezo")
    assert same(weights(start), weights(end))
    RunLog(opt, tmp_path / "run.mezo", append=True).close()


def test_the_normals_of_the_former_version_are_rebuilt_to_rounding(tmp_path, monkeypatch):
    start, end = written_with("threefry2x32-20/1", "gaussian", tmp_path, monkeypatch)
    with pytest.raises(LogError, match=r"check=False.*, whose normals differ in their last digit"):
        replay(copy.deepcopy(start), tmp_path / "run.mezo")
    replay(start, tmp_path / "run.mezo", check=False)
    assert same(weights(start), weights(end))  # as both were written by this version


@pytest.mark.parametrize("kinds", [{}, {"probes": 3}, {"fused": True}, {"exact": True}])
@pytest.mark.parametrize("trouble", ["exception", "second probe", "flush before the step", "probe without a step"])
def test_a_walk_that_was_broken_off_is_walked_again(trouble, kinds, tmp_path):
    model = small_model()
    start, loss, calls = copy.deepcopy(model), loss_of(model), iter(range(1000))

    def failing():
        if next(calls) == 1:
            raise OSError("no data")
        return loss()

    opt = MeZO(model.named_parameters(), lr=0.1, **kinds)
    with RunLog(opt, tmp_path / "run.mezo"):
        opt.step(loss)
        if trouble == "exception":
            with pytest.raises(OSError, match="no data"):
                opt.step(failing)
        else:
            opt.probe(loss)
        if trouble == "flush before the step":
            opt.flush()
            opt.step()
        if trouble != "probe without a step":
            opt.step(loss)
    replay(start, tmp_path / "run.mezo")
    assert same(weights(start), weights(model))


def test_replay_draws_no_forward_pass_and_leaves_the_generators_alone(tmp_path):
    model = small_model()
    start = copy.deepcopy(model)
    run(model, tmp_path / "run.mezo")
    start.forward = lambda *_: pytest.fail("a replay needs no forward pass")
    state = torch.get_rng_state()
    replay(start, tmp_path / "run.mezo")
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("end", ["a step", "the end"])
@pytest.mark.parametrize("fused", [False, True])
@pytest.mark.parametrize("name, value", [("epsilon", 2e-2), ("centre", True), ("clip", 3.0)])
def test_a_walk_that_was_broken_off_is_replayed_with_the_settings_that_it_had(name, value, fused, end, tmp_path):
    model = small_model()
    start = copy.deepcopy(model)
    opt = MeZO(model.named_parameters(), lr=0.1, epsilon=1e-2, fused=fused)
    with RunLog(opt, tmp_path / "run.mezo"):
        opt.step(loss_of(model))
        before = weights(model)
        with pytest.raises(ZeroDivisionError):
            opt.step(lambda: 1 / 0)
        assert not same(before, weights(model))  # the walk has left its rounding
        setattr(opt, name, value)
        if end == "a step":
            opt.step(loss_of(model))
    replay(start, tmp_path / "run.mezo")
    assert same(weights(start), weights(model))
    for _ in range(2):
        opt.step(loss_of(model))
    opt.flush()
    resumed = replay(again := small_model(), tmp_path / "run.mezo")
    with RunLog(resumed, tmp_path / "run.mezo", append=True):
        for _ in range(2):
            resumed.step(loss_of(again))
    assert same(weights(again), weights(model))
    replay(last := small_model(), tmp_path / "run.mezo")
    assert same(weights(last), weights(model))


@pytest.mark.parametrize("kinds", [{}, {"fused": True}, {"probes": 3, "law": "rademacher"}, {"weight_decay": 0.01}])
def test_with_a_tolerance_the_updates_alone_are_summed(kinds, tmp_path):
    model = small_model()
    start = copy.deepcopy(model)
    run(model, tmp_path / "run.mezo", **kinds)
    exact = copy.deepcopy(start)
    replay(exact, tmp_path / "run.mezo")
    opt = replay(start, tmp_path / "run.mezo", tolerance=1e-4)
    assert same(weights(exact), weights(model))
    furthest = max(float((a - b).abs().max()) for a, b in zip(weights(start), weights(model), strict=True))
    assert 0 < furthest < 1e-5  # the control: rounded otherwise, so the probes were left out
    assert opt.cost.sweeps <= 20


def test_a_tolerance_below_the_rounding_of_the_run_is_refused(tmp_path):
    run(small_model(), tmp_path / "run.mezo")
    with pytest.raises(
        ValueError, match=r"`tolerance` must be at least .*, the rounding of the run's 60 moves, got 1e-09"
    ):
        replay(small_model(), tmp_path / "run.mezo", tolerance=1e-9)
    with pytest.raises(ValueError, match=r"`tolerance` must be"):
        replay(small_model(), tmp_path / "run.mezo", tolerance=-1)


def test_a_tolerance_is_refused_in_half_precision_and_needless_for_an_exact_run(tmp_path):
    model = small_model().bfloat16()
    start = copy.deepcopy(model)
    run(model, tmp_path / "run.mezo", exact=False)
    with pytest.raises(ValueError, match="`tolerance` must be None for a run of half precision"):
        replay(copy.deepcopy(start), tmp_path / "run.mezo", tolerance=1.0)
    model = copy.deepcopy(start)
    run(model, tmp_path / "exact.mezo", exact=True)
    replay(start, tmp_path / "exact.mezo", tolerance=1e-3)
    assert same(weights(start), weights(model))


@pytest.mark.parametrize("kinds", [{}, {"exact": True}, {"rule": "sign"}, {"rule": "sign", "exact": True}])
def test_the_progress_of_a_replay_grows_to_the_last_step(kinds, tmp_path):
    model = small_model()
    start = copy.deepcopy(model)
    run(model, tmp_path / "run.mezo", **kinds)
    seen = []
    replay(start, tmp_path / "run.mezo", progress=lambda done, total: seen.append((done, total)))
    assert seen == sorted(seen) and seen[-1] == (20, 20)
