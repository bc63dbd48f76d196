"""What else a user gives or sets: what is of another kind is refused by name, and no setting is dropped in silence."""

import copy
import io
import math
from collections import UserDict
from decimal import Decimal
from fractions import Fraction

import numpy
import pytest
import torch
from torch import nn

from mezo_lab.optim import Adam, MeZO, Momentum, RunLog, replay


def start(**kinds):
    theta = nn.Parameter(torch.linspace(-1, 1, 12))
    return theta, MeZO([("w", theta)], **{"lr": 0.01, "seed": 3, "check_closure": False} | kinds)


def bowl(theta):
    return lambda: float((theta.detach().double() - 0.3).square().sum())


HALVES = [numpy.float32(0.5), numpy.array(0.5), torch.tensor(0.5), Fraction(1, 2), Decimal("0.5")]
THREES = [numpy.int64(3), torch.tensor(3), numpy.array(3)]


@pytest.mark.parametrize("rule", [*map(Momentum, HALVES), *(Adam(half, half, half) for half in HALVES)], ids=str)
def test_a_number_of_a_rule_is_the_python_number_and_its_run_is_saved_and_logged(rule, tmp_path):
    assert {type(value) for value in vars(rule).values()} == {float, int}
    assert rule == type(rule)(*([0.5] * (len(vars(rule)) - 1)))
    theta, opt = start(rule=rule)
    first = theta.detach().clone()
    with RunLog(opt, tmp_path / "run.mezo"):
        opt.step(bowl(theta))
    file = io.BytesIO()
    torch.save(opt.state_dict(), file)
    file.seek(0)
    start(rule=rule)[1].load_state_dict(torch.load(file, weights_only=True))
    other = nn.Parameter(first)
    assert replay([("w", other)], tmp_path / "run.mezo").rule == rule and torch.equal(other, theta)


@pytest.mark.parametrize("window", THREES, ids=str)
def test_a_window_of_any_library_is_the_python_number(window):
    for rule in (Momentum(0.5, window), Adam(0.5, 0.5, window=window)):
        assert type(rule.window) is int and rule.window == 3


@pytest.mark.parametrize("value", ["a", None, [0.9], 1j, True])
def test_a_part_of_a_rule_that_is_no_number_is_refused_by_name(value):
    for name, make in {"beta": Momentum, "beta1": Adam, "beta2": Adam, "delta": Adam}.items():
        with pytest.raises(ValueError, match=f"`{name}` must be a number, got "):
            make(**{name: value})


@pytest.mark.parametrize("window", [math.inf, "5", 2.5, -1, True])
def test_a_window_that_is_no_whole_number_is_refused_by_name(window):
    for make in (Momentum, Adam):
        with pytest.raises(ValueError, match=r"`window` must be a whole number, at least 1, got .*: leave it out"):
            make(window=window)


@pytest.mark.parametrize("name", ["lr", "weight_decay", "epsilon"])
def test_a_number_beyond_all_floats_is_refused_by_name(name):
    for huge in (10**400, -(10**400), Fraction(10**400)):
        with pytest.raises(ValueError, match=f"`{name}` must "):
            start(**{name: huge})


BUILT = {
    "law": ("sphere", {}),
    "rank": (2, {"law": "low-rank"}),
    "seed": (4, {}),
    "estimator": ("one-sided", {}),
    "rule": ("adam", {}),
    "a rule itself": (Momentum(0.5), {}),
    "baseline": ("mean", {"estimator": "population", "probes": 2}),
    "shaping": ("rank", {"estimator": "population", "probes": 2}),
    "modified": ("variance", {}),
    "exact": (True, {}),
}


@pytest.mark.parametrize("split", [False, True])
@pytest.mark.parametrize("kind", BUILT)
def test_a_setting_that_no_later_step_would_heed_is_refused_where_it_is_changed(kind, split):
    value, kinds = BUILT[kind]
    name = "rule" if kind == "a rule itself" else kind
    theta, opt = start(**kinds)
    opt.step(bowl(theta))
    before, was = theta.detach().clone(), getattr(opt, name)
    setattr(opt, name, value)
    with pytest.raises(
        ValueError, match=f"`{name}` was .* when the optimizer was built, and is .*: build another MeZO"
    ):
        opt.probe(bowl(theta)) if split else opt.step(bowl(theta))
    assert torch.equal(theta, before)
    setattr(opt, name, was)
    opt.step(bowl(theta))
    assert opt.steps == 2


@pytest.mark.parametrize("name, value", [("epsilon", 0.1), ("clip", 1.0), ("centre", True), ("probes", 3)])
def test_a_setting_that_the_next_step_heeds_may_change_between_two_steps(name, value):  # the control
    theta, opt = start()
    opt.step(bowl(theta))
    setattr(opt, name, value)
    opt.step(bowl(theta))
    assert copy.deepcopy(opt).steps == opt.steps == 2


@pytest.mark.parametrize("mode", [{}, {"exact": True}, {"fused": True}], ids=str)
@pytest.mark.parametrize("name, value", [("epsilon", 0.5), ("probes", 3), ("seed", 5), ("clip", 0.1)])
def test_a_setting_that_changes_inside_a_closure_ends_the_step_and_leaves_the_weights(name, value, mode):
    theta, opt = start(**mode)
    before, was = theta.detach().clone(), getattr(opt, name)

    def closure():
        setattr(opt, name, value)
        return 0.0

    with pytest.raises(RuntimeError, match=f"`{name}` must not change inside a closure"):
        opt.step(closure)
    assert torch.allclose(theta, before, rtol=0, atol=1e-6) and opt.steps == 0
    setattr(opt, name, was)
    opt.step(bowl(theta))


@pytest.mark.parametrize("name", ["epsilon", "probes", "rule", "clip", "law", "exact", "estimator"])
def test_a_group_that_sets_what_holds_for_all_is_refused_by_name(name):
    group = {"params": [nn.Parameter(torch.ones(3))], name: 1}
    said = f"`{name}` holds for all groups, and one group sets it: give it to MeZO"
    with pytest.raises(ValueError, match=said):
        MeZO([group], lr=0.1)
    opt = start()[1]
    with pytest.raises(ValueError, match=said):
        opt.add_param_group({"params": [("v", group["params"][0])], name: 1})


@pytest.mark.parametrize("closure", [torch.tensor(1.0), 1.0, "loss", nn.Parameter(torch.ones(())), []])
def test_a_loss_in_place_of_a_closure_is_named(closure):
    for call in (MeZO.step, MeZO.probe):
        with pytest.raises(TypeError, match=r"`closure` must be a function that returns the loss, got .*give lambda"):
            call(start()[1], closure)


@pytest.mark.parametrize(
    "batches",
    [{"x": 1}, UserDict(x=1), torch.ones(2, 2), iter([1, 2]), 3, "ab", {1, 2}, numpy.ones(3)],
    ids=lambda batches: type(batches).__name__,
)
def test_batches_that_are_no_list_are_named(batches):
    with pytest.raises(TypeError, match=r"`batches` must be a list of batches, got .*: give \[batch\] for one"):
        start()[1].step(lambda batch: 1.0, batches)


def test_a_loss_is_one_number_of_any_library():
    for loss, found in ((numpy.array([2.0]), 2.0), (numpy.array(2), 2.0), (Fraction(1, 2), 0.5)):
        assert start()[1].step(lambda: loss) == found  # noqa: B023
    with pytest.raises(ValueError, match=r"`closure` must return one number, got an array of shape \(2,\): average it"):
        start()[1].step(lambda: numpy.ones(2))
    for huge, found in ((10**400, math.inf), (-(10**400), -math.inf)):
        with pytest.warns(RuntimeWarning, match="step 0 has a loss that is not finite"):
            assert start()[1].step(lambda: huge) == found  # noqa: B023


@pytest.mark.parametrize("params", [None, 3, "abc", {"w": nn.Parameter(torch.ones(2))}, nn.Linear(2, 1).state_dict()])
def test_parameters_of_another_kind_are_named(params, tmp_path):
    with pytest.raises(TypeError, match=r"`params` must be model.named_parameters\(\), got "):
        MeZO(params, lr=0.1)


@pytest.mark.parametrize("opt", [torch.optim.SGD([nn.Parameter(torch.ones(1))], lr=0.1), "run.mezo", None])
def test_a_run_log_of_what_is_no_mezo_is_named(opt, tmp_path):
    with pytest.raises(TypeError, match=r"`opt` must be a MeZO, got .*: RunLog\(opt, path\) takes it first"):
        RunLog(opt, tmp_path / "run.mezo")


def places(found, before=()):
    for key in found if isinstance(found, dict) else range(len(found)):
        yield (*before, key)
        if isinstance(found[key], dict | list | tuple):
            yield from places(found[key], (*before, key))


WRONG = [None, "x", -1, 1.5, [], {}, torch.ones(2), math.nan, 2**70, [1], {"a": 1}]


@pytest.mark.parametrize(
    "kinds", [{"rule": Momentum(0.5)}, {"exact": True}, {"estimator": "residual-feedback"}], ids=str
)
def test_a_state_that_is_not_whole_is_refused_in_one_line_or_loaded_and_never_by_half(kinds):
    theta, opt = start(**kinds)
    for _ in range(2):
        opt.step(bowl(theta))
    whole, before = opt.state_dict(), repr(opt.state_dict())
    refused = 0
    for place in places({key: whole[key] for key in ("state", "mezo")}):
        for value in WRONG:
            forged = copy.deepcopy(whole)
            inner = forged
            for key in place[:-1]:
                inner[key] = list(inner[key]) if isinstance(inner[key], tuple) else inner[key]
                inner = inner[key]
            inner[place[-1]] = value
            try:
                opt.load_state_dict(forged)
            except ValueError as error:
                refused += 1
                assert str(error).startswith("`") and "\n" not in str(error), (place, value)
                assert repr(opt.state_dict()) == before, (place, value)
            else:
                opt.load_state_dict(whole)
    assert refused > 100
    opt.load_state_dict(whole)
    opt.step(bowl(theta))
    assert opt.steps == 3


@pytest.mark.parametrize(
    "state",
    [None, [1], "a", {}, {"mezo": {}}, {"mezo": None}, torch.optim.Adam([nn.Parameter(torch.ones(1))]).state_dict()],
)
def test_what_is_no_state_of_an_optimizer_is_refused_by_name(state):
    with pytest.raises(ValueError, match=r"`state_dict` must .*: load another file"):
        start()[1].load_state_dict(state)
