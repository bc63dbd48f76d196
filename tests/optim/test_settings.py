"""Every argument of `MeZO`, and every number that a later step reads, is kept by a checkpoint and by a run log."""

import copy
import inspect
import json
import warnings

import numpy as np
import pytest
import torch
from torch import nn

from mezo_lab.optim import Adam, MeZO, Momentum, Rule, RunLog, replay
from mezo_lab.optim.checkpoint import ELSEWHERE, setting_names, settings
from mezo_lab.optim.log import LogError, read_log

# for every argument values other than its default, with what they need beside them
VALUES = {
    "epsilon": [{"epsilon": 1e-2}],
    "probes": [{"probes": 3}],
    "law": [{"law": "rademacher"}, {"law": "sphere", "probes": 2}, {"law": "orthogonal", "probes": 2}],
    "rank": [{"law": "low-rank", "rank": 2}],
    "seed": [{"seed": 2**64 - 1}],
    "estimator": [{"estimator": "one-sided"}, {"estimator": "residual-feedback", "lr": 1e-3}],
    "baseline": [{"estimator": "population", "probes": 3, "baseline": "leave-one-out"}],
    "shaping": [{"estimator": "population", "probes": 3, "shaping": "rank"}],
    "rule": [
        {"rule": Momentum(0.5, window=4)},
        {"rule": Adam(0.5, 0.75, delta=1e-6, window=5)},
        {"rule": "sign", "lr": 0.01},
        {"rule": "normalised"},
    ],
    "modified": [{"modified": "variance"}, {"modified": "expectation", "probes": 2}],
    "clip": [{"clip": 0.05}],
    "fused": [{"fused": True}, {"fused": True, "exact": True}],
    "exact": [{"exact": True}],
    "centre": [{"centre": True}],
    "fresh_batches": [{"fresh_batches": True, "probes": 2}],
    "common_random_numbers": [{"common_random_numbers": True}],
}
CASES = {f"{name} {k}": case for name, cases in VALUES.items() for k, case in enumerate(cases)}
CASES |= {"the usual": {}, "weight decay": {"weight_decay": 0.1}, "bfloat16": {"exact": True}}


def model_of(dtype=torch.float32):
    generator = torch.Generator().manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Dropout(0.5), nn.Linear(4, 2))
    for parameter in model.parameters():
        parameter.data = (torch.randn(parameter.shape, generator=generator) * 0.5).to(dtype)
    return model


def groups_of(model, case):
    """Two groups with settings of their own."""
    named = list(model.named_parameters())
    first = {"params": named[:2], "scale": 2.0 if "modified" in case else 1.0}
    return [first, {"params": named[2:], "weight_decay": 0.2, "lr": 0.3 * case.get("lr", 0.1)}]


def built(model, case):
    return MeZO(groups_of(model, case), **({"lr": 0.1, "seed": 3, "compiled": False} | case))


def make(opt, model, steps, scheduler=None):
    x = torch.linspace(-1, 1, 12).view(4, 3)
    model.train(opt.common_random_numbers)

    def loss(part=slice(None)):
        return model(x[part].to(next(model.parameters()).dtype)).float().square().mean()

    for _ in range(steps):
        torch.manual_seed(opt.steps)  # of the dropout, which is the caller's
        opt.step(loss, [slice(0, 2), slice(2, 4)] if opt.fresh_batches else ())
        if scheduler is not None:
            scheduler.step()


def dtype_of(name):
    return torch.bfloat16 if name == "bfloat16" else torch.float32


def same(one, other):
    return all(torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True))


def rates(opt):
    return [group["lr"] for group in opt.param_groups]


def test_every_argument_is_a_setting_or_kept_elsewhere_and_has_a_case_here():
    given = set(inspect.signature(MeZO.__init__).parameters) - {"self"}
    assert given == set(VALUES) | set(ELSEWHERE)
    assert set(settings(built(model_of(), {}))) == set(VALUES) == set(setting_names(MeZO))


def test_a_new_argument_is_a_setting_without_being_named():
    """The control of the test above: what a release adds is saved, compared and logged before anybody thinks of it."""

    class Derived(MeZO):
        def __init__(self, params, **kinds):
            super().__init__(params, **kinds)

    assert setting_names(Derived) == setting_names(MeZO)
    later = type("MeZO", (MeZO,), {"__init__": lambda self, params, lr, temperature=1.0: None})
    assert setting_names(later) == ("temperature",)


@pytest.mark.parametrize("name", CASES)
def test_what_a_replay_returns_goes_on_as_the_run_would_have(name, tmp_path):
    case = CASES[name]
    whole, cut, again = (model_of(dtype_of(name)) for _ in range(3))
    opt, first = built(whole, case), built(cut, case)
    with RunLog(opt, tmp_path / "whole.mezo"):
        make(opt, whole, 5)
    with RunLog(first, tmp_path / "cut.mezo"):
        make(first, cut, 5)
    found = replay(groups_of(again, case), tmp_path / "cut.mezo")
    assert settings(found) == settings(opt)
    assert rates(found) == rates(opt) and found.diagnostics == opt.diagnostics
    with RunLog(found, tmp_path / "cut.mezo", append=True):
        make(found, again, 5)
    make(opt, whole, 5)
    opt.flush()
    assert same(again, whole)
    assert found.diagnostics == opt.diagnostics and opt.diagnostics.steps == 10
    last = model_of(dtype_of(name))
    replay(groups_of(last, case), tmp_path / "cut.mezo")
    assert same(last, whole)


@pytest.mark.parametrize("name", CASES)
def test_what_a_checkpoint_loads_goes_on_as_the_run_would_have(name, tmp_path):
    case = CASES[name]
    whole, resumed = (model_of(dtype_of(name)) for _ in range(2))
    opt, other = built(whole, case), built(resumed, case)
    make(opt, whole, 5)
    torch.save([opt.state_dict(), whole.state_dict()], tmp_path / "checkpoint.pt")
    state, weights = torch.load(tmp_path / "checkpoint.pt", weights_only=True)
    resumed.load_state_dict(weights)
    other.load_state_dict(state)
    make(opt, whole, 5)
    make(other, resumed, 5)
    opt.flush()
    other.flush()
    assert same(resumed, whole)
    assert other.diagnostics == opt.diagnostics and opt.diagnostics.steps == 10


@pytest.mark.parametrize("name", [name for name in CASES if name.split()[0] in VALUES])
def test_a_state_is_not_loaded_into_an_optimizer_built_otherwise(name):
    argument, case = name.split()[0], CASES[name]
    theirs, mine = model_of(), model_of()
    there, here = built(theirs, case), built(mine, case)
    make(there, theirs, 1)
    usual = inspect.signature(MeZO).parameters[argument].default
    was = settings(there)[argument]
    setattr(here, argument, getattr(built(model_of(), {argument: usual}), argument))
    now = settings(here)[argument]
    assert was != now
    with pytest.raises(ValueError) as caught:
        here.load_state_dict(there.state_dict())
    assert str(caught.value).startswith(f"`{argument}` was {was!r} when the state was saved, and is {now!r}: build it")


@pytest.mark.parametrize("name", [name for name in CASES if name.split()[0] in VALUES])
def test_a_log_is_not_gone_on_with_by_an_optimizer_built_otherwise(name, tmp_path):
    """Or it writes down the change, where the setting is one that may change between two steps."""
    argument, case = name.split()[0], CASES[name]
    model = model_of()
    opt = built(model, case)
    with RunLog(opt, tmp_path / "run.mezo"):
        make(opt, model, 2)
    kinds = {key: value for key, value in case.items() if key == "lr" or (key == "probes" and argument != "probes")}
    other = built(model, kinds)
    other.steps = 2
    try:
        with RunLog(other, tmp_path / "run.mezo", append=True):
            make(other, model, 2)
    except LogError as error:
        assert "is the log of another run" in str(error) and "header[" in str(error)
        return
    again = model_of()
    found = replay(groups_of(again, kinds), tmp_path / "run.mezo")
    assert same(again, model) and settings(found) == settings(other)


SCHEDULES = {
    "exponential": lambda opt, last: torch.optim.lr_scheduler.ExponentialLR(opt, 0.9, last_epoch=last),
    "cosine": lambda opt, last: torch.optim.lr_scheduler.CosineAnnealingLR(opt, 10, last_epoch=last),
    "linear": lambda opt, last: torch.optim.lr_scheduler.LambdaLR(opt, lambda k: 1 - k / 30, last_epoch=last),
}


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_a_schedule_goes_on_from_the_rates_of_a_log_to_the_last_digit(schedule, tmp_path):
    """Which no float32 holds: a rate that was rounded would give others later."""
    whole, again = model_of(), model_of()
    opt = built(whole, {})
    scheduler = SCHEDULES[schedule](opt, -1)
    with RunLog(opt, tmp_path / "run.mezo"):
        make(opt, whole, 5, scheduler)
    found = replay(groups_of(again, {}), tmp_path / "run.mezo")
    assert rates(found) == rates(opt)
    later = SCHEDULES[schedule](found, 4)
    for group, rate in zip(found.param_groups, rates(opt), strict=True):
        group["lr"] = rate  # torch makes a step as it builds a scheduler
    later.load_state_dict(scheduler.state_dict())
    make(opt, whole, 5, scheduler)
    make(found, again, 5, later)
    assert same(again, whole) and rates(found) == rates(opt)


def test_a_group_that_is_added_after_a_replay_has_the_usual_rate_of_the_run(tmp_path):
    models = whole, again = model_of(), model_of()
    named = [list(model.named_parameters()) for model in models]
    opt = MeZO(named[0][:2], lr=0.07, weight_decay=0.3, compiled=False)
    with RunLog(opt, tmp_path / "run.mezo"):
        make(opt, whole, 3)
    found = replay(named[1][:2], tmp_path / "run.mezo")
    for one, names, model in ((opt, named[0], whole), (found, named[1], again)):
        one.add_param_group({"params": names[2:]})
        make(one, model, 3)
    assert found.param_groups[1]["lr"] == 0.07 and found.param_groups[1]["weight_decay"] == 0.3
    assert same(again, whole)


@pytest.mark.parametrize("name", ["rule 0", "rule 1", "estimator 1", "clip 0", "the usual"])
def test_a_log_that_begins_in_the_middle_of_a_run_holds_what_its_steps_read(name, tmp_path):
    case = CASES[name]
    model = model_of()
    opt = built(model, case)
    make(opt, model, 4)
    start = copy.deepcopy(model)
    with RunLog(opt, tmp_path / "run.mezo"):
        make(opt, model, 4)
    found = replay(groups_of(start, case), tmp_path / "run.mezo")
    assert same(start, model) and found.diagnostics == opt.diagnostics
    assert found.history == opt.history and found._previous_loss == opt._previous_loss


def test_a_log_does_not_begin_in_the_middle_of_a_run_whose_theta_no_weight_holds(tmp_path):
    model = model_of(torch.bfloat16)
    opt = built(model, {"exact": True})
    make(opt, model, 3)
    with pytest.raises(ValueError, match=r"`opt` holds a θ finer than its torch.bfloat16 weights.*before the first"):
        RunLog(opt, tmp_path / "run.mezo")
    assert opt.run_log is None and not (tmp_path / "run.mezo").exists()


@pytest.mark.parametrize("kinds", [{}, {"until": 3}])
def test_residual_feedback_does_not_go_on_from_a_log_without_the_loss_that_it_compares_with(kinds, tmp_path):
    case = CASES["estimator 1"]
    model, again = model_of(), model_of()
    opt = built(model, case)
    run_log = RunLog(opt, tmp_path / "run.mezo", seal_every=1)
    make(opt, model, 4)
    found = replay(groups_of(again, case), tmp_path / "run.mezo", **kinds)  # while the run writes on, as after a crash
    message = r"run.mezo does not hold the loss after step \d with which residual feedback compares.*load_state_dict"
    for use in (lambda: make(found, again, 1), found.state_dict, lambda: RunLog(found, tmp_path / "other.mezo")):
        with pytest.raises(RuntimeError, match=message):
            use()
    found.missing = None  # the other remedy
    before = copy.deepcopy(again)
    make(found, again, 1)
    assert found.history[-1].projected == (0.0,) and not same(again, model) and before is not again
    run_log.close()


NUMBERS = {
    "numpy float64": np.float64,
    "numpy float32": np.float32,
    "numpy 0-d": lambda x: np.array(x),
    "torch 0-d": torch.tensor,
}


@pytest.mark.parametrize("kind", NUMBERS)
@pytest.mark.parametrize("where", ["lr", "weight_decay", "epsilon", "clip", "later rate", "schedule"])
def test_numbers_of_numpy_and_torch_are_saved_as_numbers(kind, where, tmp_path):
    model, again, number = model_of(), model_of(), NUMBERS[kind]
    kinds = {where: number(0.03125)} if where in ("lr", "weight_decay", "epsilon", "clip") else {}
    opt = MeZO(model.named_parameters(), **({"lr": 0.1, "compiled": False} | kinds))
    if where == "later rate":
        opt.param_groups[0]["lr"] = number(0.03125)
    if where == "schedule":
        torch.optim.lr_scheduler.LambdaLR(opt, lambda k: number(0.5))
    with RunLog(opt, tmp_path / "run.mezo"):
        make(opt, model, 2)
        torch.save(opt.state_dict(), tmp_path / "state.pt")
    state = torch.load(tmp_path / "state.pt", weights_only=True)
    other = MeZO(model_of().named_parameters(), **({"lr": 0.1, "compiled": False} | kinds))
    other.load_state_dict(state)
    assert float(other.param_groups[0]["lr"]) == float(opt.param_groups[0]["lr"])
    found = replay(again, tmp_path / "run.mezo")
    assert same(again, model) and found.epsilon == pytest.approx(float(opt.epsilon))


class Halving(Rule):
    """A rule of a user's own."""


class Mine(Momentum):
    """One that is a rule of the house but for a word."""


@pytest.mark.parametrize("rule", [Halving(), Mine(0.5)])
def test_a_rule_of_one_s_own_is_refused_by_a_log_and_kept_by_a_checkpoint(rule, tmp_path):
    model, resumed = model_of(), model_of()
    opt = built(model, {"rule": rule})
    with pytest.raises(
        ValueError, match=r"`rule` must be one of sgd, .* for a run log, got .*(Halving|Mine).*state_dict"
    ):
        RunLog(opt, tmp_path / "run.mezo")
    assert opt.run_log is None and not (tmp_path / "run.mezo").exists()
    make(opt, model, 2)
    other = built(resumed, {"rule": rule})
    other.load_state_dict(opt.state_dict())
    assert other.steps == 2
    with pytest.raises(ValueError, match=r"`rule` was .*(Halving|Mine).* when the state was saved, and is .*sgd"):
        built(model_of(), {}).load_state_dict(opt.state_dict())


def test_the_header_of_a_log_is_strict_json_whatever_was_met(tmp_path):
    model = model_of()
    opt = built(model, {})
    with pytest.warns(RuntimeWarning):
        opt.step(lambda: float("nan"))
    make(opt, model, 2)
    with RunLog(opt, tmp_path / "run.mezo"), warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # which may be told once
        opt.step(lambda: float("inf"))
    log = read_log(tmp_path / "run.mezo")
    json.dumps(
        [log.header, *(item.data for item in log if isinstance(getattr(item, "data", None), dict))], allow_nan=False
    )
    assert opt.diagnostics.skipped == 2
