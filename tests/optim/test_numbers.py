"""The numbers that a user brings to `MeZO`, at its door and later: the Python number, or one clear error."""

import math
from decimal import Decimal
from fractions import Fraction

import numpy
import pytest
import torch
from torch import nn

from mezo_lab.optim import MeZO, Momentum


def start(**kinds):
    theta = nn.Parameter(torch.linspace(-1, 1, 12, dtype=kinds.pop("dtype", torch.float32)))
    return theta, MeZO([("w", theta)], **{"lr": 0.01, "seed": 3, "check_closure": False} | kinds)


def bowl(theta):
    return lambda: float((theta.detach().double() - 0.3).square().sum())


NUMBERS = [numpy.float64, numpy.float32, numpy.float16, lambda x: numpy.array(x), torch.tensor, Fraction, Decimal]


@pytest.mark.parametrize("kind", NUMBERS)
@pytest.mark.parametrize("name", ["epsilon", "clip", "weight_decay", "lr"])
def test_a_number_of_any_library_is_the_python_number(name, kind):
    opt = start(**{name: kind(0.25)})[1]
    found = getattr(opt, name) if hasattr(opt, name) else opt.param_groups[0][name]
    assert found == 0.25
    if name != "lr" or kind is not torch.tensor:  # a rate that is a tensor stays one
        assert type(found) is float


@pytest.mark.parametrize("kind", [numpy.int64, numpy.uint8, torch.tensor, lambda x: numpy.array(x)])
@pytest.mark.parametrize("name", ["probes", "seed", "check_replicas_every"])
def test_a_whole_number_of_any_library_is_the_python_number(name, kind):
    assert type(getattr(start(**{name: kind(2)})[1], name)) is int


@pytest.mark.parametrize("name", ["fused", "exact", "centre", "common_random_numbers", "compiled", "check_closure"])
def test_a_truth_of_numpy_is_the_python_one(name):
    assert getattr(start(**{name: numpy.bool_(False)})[1], name) is False
    with pytest.raises(ValueError, match=f"`{name}` must be True or False, got 'no'"):
        start(**{name: "no"})


@pytest.mark.parametrize("name", ["epsilon", "lr", "weight_decay", "clip"])
@pytest.mark.parametrize("value", ["1e-3", True, [0.1], 1j, numpy.array([0.1, 0.2]), numpy.bool_(True), object()])
def test_what_is_no_number_is_refused_by_name(name, value):
    with pytest.raises(ValueError, match=f"`{name}` must be a number, got "):
        start(**{name: value})


@pytest.mark.parametrize("name, value", [("epsilon", None), ("lr", None), ("weight_decay", None), ("law", None)])
def test_nothing_is_refused_by_name(name, value):
    with pytest.raises(ValueError, match=f"`{name}` must be .*got None"):
        start(**{name: value})


@pytest.mark.parametrize("name", ["lr", "weight_decay", "scale"])
def test_numbers_of_a_group_that_is_added_are_python_numbers(name):
    opt = start()[1]
    opt.add_param_group({"params": [("v", nn.Parameter(torch.ones(3)))], name: numpy.float32(0.5)})
    assert type(opt.param_groups[1][name]) is float
    with pytest.raises(ValueError, match=f"`{name}` must be a number, got '1'"):
        opt.add_param_group({"params": [("u", nn.Parameter(torch.ones(3)))], name: "1"})


CHANGES = [
    ("lr", math.nan, "`lr` must not be negative, got nan"),
    ("lr", math.inf, "`lr` must be finite, got inf"),
    ("lr", -0.1, "`lr` must not be negative, got -0.1"),
    ("lr", 1e40, "`lr` must be a number that float32 can hold, got 1e"),
    ("lr", "fast", "`lr` must be a number, got 'fast'"),
    ("weight_decay", -1.0, "`weight_decay` must not be negative"),
    ("weight_decay", math.inf, "`weight_decay` must be finite"),
    ("weight_decay", 1e300, "`weight_decay` times `lr` must be a number that float32 can hold"),
    ("scale", 0.0, "`scale` must be positive"),
    ("epsilon", 0, "`epsilon` must be positive, got 0"),
    ("epsilon", math.nan, "`epsilon` must be positive, got nan"),
    ("epsilon", 1e39, "`epsilon` must be a length that float32 weights can move, got 1e.39, which is infinite there"),
    ("epsilon", 1e30, "`epsilon` must be below 8e.06 for float32 weights, got 1e.30"),
    ("epsilon", 1e-60, "`epsilon` must be a length that float32 weights can move, got 1e-60, which is 0 there"),
    ("probes", 0, "`probes` must be a whole number, at least 1"),
    ("probes", True, "`probes` must be a whole number"),
    ("clip", -1.0, "`clip` must be positive or None"),
    ("seed", -1, "`seed` was 3 when the optimizer was built, and is -1: build another MeZO"),
    ("fused", "yes", "`fused` must be True or False"),
]


@pytest.mark.parametrize("split", [False, True])
@pytest.mark.parametrize("name, value, said", CHANGES)
def test_a_setting_that_is_changed_to_what_cannot_be_ends_the_next_step_before_it_moves(name, value, said, split):
    theta, opt = start()
    opt.step(bowl(theta))
    before = theta.detach().clone()
    if name in opt.param_groups[0]:
        opt.param_groups[0][name] = value
    else:
        setattr(opt, name, value)
    with pytest.raises(ValueError, match=said):
        opt.probe(bowl(theta)) if split else opt.step(bowl(theta))
    assert torch.equal(theta, before) and opt.steps == 1


def test_a_rate_that_goes_wrong_between_probe_and_step_is_refused():
    theta, opt = start(exact=True)
    before = theta.detach().clone()
    opt.probe(bowl(theta))
    opt.param_groups[0]["lr"] = math.nan
    with pytest.raises(ValueError, match="`lr` must not be negative, got nan"):
        opt.step()
    assert torch.equal(theta, before)
    opt.param_groups[0]["lr"] = 0.01
    opt.step()
    assert opt.steps == 1


@pytest.mark.parametrize("wrong", [math.nan, math.inf])
def test_a_schedule_that_is_not_finite_is_refused_at_its_step(wrong):
    theta, opt = start()
    schedule = torch.optim.lr_scheduler.LambdaLR(opt, lambda step: 1.0 if step < 2 else wrong)
    for _ in range(2):
        opt.step(bowl(theta))
        schedule.step()
    before = theta.detach().clone()
    with pytest.raises(ValueError, match="`lr` must"):
        opt.step(bowl(theta))
    assert torch.equal(theta, before)


def test_a_rate_that_float32_cannot_hold_is_refused_at_the_door_and_told_of_later():
    for lr in (1e40, 1e-60):
        with pytest.raises(ValueError, match="`lr` must be a number that float32 can hold"):
            start(lr=lr)
    theta, opt = start()
    opt.param_groups[0]["lr"] = 1e-60
    with pytest.warns(RuntimeWarning, match="`lr` is 1e-60, which is 0 in float32, and moves nothing") as told:
        for _ in range(3):
            opt.step(bowl(theta))
    assert len(told) == 1


@pytest.mark.parametrize(
    "kinds", [{}, {"exact": True}, {"fused": True}, {"rule": "adam"}, {"rule": Momentum(0.5)}], ids=str
)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_a_step_beyond_the_range_of_the_weights_moves_nothing_and_is_told(kinds, dtype):
    theta, opt = start(**{"lr": 100.0, "epsilon": 0.01, "dtype": dtype, "exact": False} | kinds)
    before, sides = theta.detach().clone(), iter([1e34, -1e34])
    with pytest.warns(RuntimeWarning, match="step 0 leads out of the range of the weights' dtype, and moves nothing"):
        opt.step(lambda: next(sides))
    opt.flush()
    # a probe of 0.01 there and back rounds numbers below 1 four times
    assert (theta - before).abs().max() <= 4 * torch.finfo(dtype).eps and opt.diagnostics.skipped == 1
