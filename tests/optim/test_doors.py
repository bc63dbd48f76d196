"""What a user brings to a step, or does with the optimizer beside it: the right behaviour, or one clear error."""

import copy
import math
import pickle
import warnings

import pytest
import torch
from torch import nn

from mezo_lab.optim import Adam, MeZO, Momentum, update_over_spacing
from mezo_lab.optim.testing import noise_field
from mezo_lab.sampling import LAWS


def start(**kinds):
    theta = nn.Parameter(torch.linspace(-1, 1, 12, dtype=kinds.pop("dtype", torch.float32)))
    return theta, MeZO([("w", theta)], **{"lr": 0.01, "seed": 3, "check_closure": False} | kinds)


def bowl(theta):
    return lambda: float((theta.detach().double() - 0.3).square().sum())


INSIDE = {
    "step": lambda opt: opt.step(lambda: 0.0),
    "probe": lambda opt: opt.probe(lambda: 0.0),
    "flush": lambda opt: opt.flush(),
    "state_dict": lambda opt: opt.state_dict(),
    "load_state_dict": lambda opt: opt.load_state_dict({}),
    "add_param_group": lambda opt: opt.add_param_group({"params": [nn.Parameter(torch.ones(2))]}),
}


@pytest.mark.parametrize("mode", [{}, {"exact": True}, {"fused": True}], ids=str)
@pytest.mark.parametrize("call", INSIDE)
def test_inside_a_closure_the_optimizer_refuses_by_name(call, mode):
    theta, opt = start(**mode)

    def closure():
        INSIDE[call](opt)
        return 0.0

    before = theta.detach().clone()
    with pytest.raises(
        RuntimeError, match=f"`{call}` must not be called inside a closure, which only evaluates the loss"
    ):
        opt.step(closure)
    assert torch.allclose(theta, before, rtol=0, atol=1e-6) and opt.steps == 0
    opt.step(bowl(theta))
    assert opt.steps == 1


def test_a_closure_may_ask_what_moves_nothing():
    opt = start()[1]
    opt.step(lambda: opt.zero_grad() or float(opt.cost.sweeps) * 0 + len(repr(opt)) * 0)
    assert opt.steps == 1


KINDS = {
    "plain": {},
    "fused": {"fused": True},
    "exact": {"exact": True},
    "momentum": {"rule": Momentum(0.5), "weight_decay": 0.1},
    "adam, fused": {"rule": Adam(0.5, 0.75), "fused": True},
    "residual feedback": {"estimator": "residual-feedback"},
    "orthogonal": {"law": "orthogonal", "probes": 2},
    "low-rank": {"law": "low-rank", "rank": 2},
}


@pytest.mark.parametrize(
    "copied", [copy.deepcopy, lambda pair: pickle.loads(pickle.dumps(pair))], ids=["deep", "pickle"]
)
@pytest.mark.parametrize("when", ["before", "after a step", "between probe and step"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_copy_goes_on_bitwise_and_shares_nothing(kind, when, copied):
    theta, opt = start(**KINDS[kind])
    if when != "before":
        opt.step(bowl(theta))
    if when == "between probe and step":
        opt.probe(bowl(theta))
    other_theta, other = copied((theta, opt))
    kept = other_theta.detach().clone()
    for each, weights in ((opt, theta), (other, other_theta)):
        if when == "between probe and step":
            each.step()
        each.step(bowl(weights))
        each.step(bowl(weights))
        each.flush()
        if each is opt:
            assert torch.equal(other_theta, kept)  # the copy stays where it was
    assert torch.equal(theta, other_theta) and opt.steps == other.steps
    assert opt.diagnostics.steps == other.diagnostics.steps and not torch.equal(theta, kept)


def test_a_copy_of_the_optimizer_alone_has_weights_of_its_own():
    theta, opt = start(exact=True)
    other = copy.deepcopy(opt)
    (weights,) = other.param_groups[0]["params"]
    before = theta.detach().clone()
    other.step(bowl(weights))
    assert torch.equal(theta, before) and not torch.equal(weights, before)


def test_a_copy_does_not_take_a_schedule_s_wrapper_along():
    theta, opt = start()
    torch.optim.lr_scheduler.StepLR(opt, 1)
    other_theta, other = copy.deepcopy((theta, opt))
    other.step(bowl(other_theta))
    assert (opt.steps, other.steps) == (0, 1)


def test_the_settings_stand_in_the_repr():
    found = repr(start(law="sphere", probes=3, rule="normalised", epsilon=0.002)[1])
    for line in (
        "epsilon: 0.002",
        "law: sphere",
        "probes: 3",
        "estimator: two-sided",
        "rule: Normalised()",
        "seed: 3",
        "lr: 0.01",
    ):
        assert f"    {line}\n" in found


def test_reading_the_cost_builds_nothing():
    opt = start()[1]
    assert (opt.cost.sweeps, opt.cost.words, opt.cost.bytes) == (0, 0, 0) and opt._engine is None


@pytest.mark.parametrize("law", [law for law in LAWS if not LAWS[law].mixes])
def test_laws_that_do_not_mix_build_no_matrix(law, monkeypatch):
    theta, opt = start(law=law, probes=8)
    monkeypatch.setattr(
        opt._current_engine(), "mixing", lambda *_: pytest.fail("a matrix of probes × probes was asked for")
    )
    opt.step(bowl(theta))
    assert opt.steps == 1


@pytest.mark.parametrize("law", ["gaussian", "rademacher", "coordinate"])
def test_the_streams_of_a_step_grow_as_its_probes(law):
    def streams(probes):
        theta, opt = start(law=law, probes=probes)
        seen, field = [0], noise_field(opt)
        sweep = field.sweep
        field.sweep = lambda terms, *rest: seen.append(len(terms)) or sweep(terms, *rest)
        opt.step(bowl(theta))
        return sum(seen)

    few, many = streams(8), streams(64)
    assert many <= 8 * few + 8  # 4n − 1: the first move has one, a later one at most two, the last n


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_without_exact_is_warned_of_once(dtype):
    theta, opt = start(dtype=dtype)
    with pytest.warns(RuntimeWarning, match=f"`params` are {str(dtype)[6:]}, .*exact=True keeps θ in float32") as told:
        for _ in range(3):
            opt.step(bowl(theta))
    assert len(told) == 1
    for kinds in ({"exact": True}, {"exact": False}, {"dtype": torch.float32}):  # the control: warnings are errors here
        theta, opt = start(**{"dtype": dtype} | kinds)
        opt.step(bowl(theta))


def test_probes_that_see_nothing_in_half_precision_are_told_of_once():
    theta = nn.Parameter(torch.ones(12, dtype=torch.float16))
    opt = MeZO([theta], lr=0.01, epsilon=1e-5)
    with pytest.warns(RuntimeWarning) as told:
        for _ in range(30):
            opt.step(bowl(theta))
    assert [str(each.message) for each in told if "saw no difference" in str(each.message)] == [
        "100% of the probes saw no difference: take a larger `epsilon`, or exact=True."
    ]


def test_losses_that_are_not_finite_are_warned_of_once_and_counted():
    opt = start()[1]
    with pytest.warns(RuntimeWarning, match="step 0 has a loss that is not finite") as told:
        for _ in range(5):
            opt.step(lambda: math.nan)
    assert len(told) == 1 and opt.diagnostics.skipped == 5


def test_a_warning_points_at_the_line_of_the_user():
    opt = start()[1]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        opt.step(lambda: math.nan)
    assert caught[0].filename == __file__


def test_diagnostics_count_steps_and_no_probe_that_no_step_came_of():
    theta, opt = start()
    opt.step(bowl(theta))
    last = opt.diagnostics.last_loss
    for _ in range(2):
        opt.probe(bowl(theta))
        opt.flush()
    assert (opt.diagnostics.steps, opt.diagnostics.squares.count, opt.diagnostics.last_loss) == (1, 1, last)
    opt.step()
    assert (opt.diagnostics.steps, opt.diagnostics.squares.count) == (2, 2) and opt.diagnostics.last_loss != last


def test_gradients_that_a_closure_leaves_are_told_of_once():
    theta, opt = start()

    def closure():
        with torch.enable_grad():
            loss = (theta * theta).sum()
            loss.backward()
        return loss.detach()

    with pytest.warns(
        RuntimeWarning, match=r"`closure` left gradients .*leave out backward\(\).*automatic_optimization"
    ) as told:
        for _ in range(3):
            opt.step(closure)
            theta.grad = None
    assert len(told) == 1


def test_gradients_that_were_there_before_are_no_fault():
    theta, opt = start()
    theta.grad = torch.zeros_like(theta)
    opt.step(bowl(theta))
    assert theta.grad is not None


def test_a_backward_pass_without_a_graph_is_named():
    theta, opt = start()
    with pytest.raises(RuntimeError, match=r"`closure` must only return the loss, and called backward\(\): leave out"):
        opt.step(lambda: (theta * theta).sum().backward())


def test_an_update_is_compared_with_the_spacing_only_where_there_is_one():
    theta, opt = start()
    with pytest.raises(ValueError, match="`update_over_spacing` needs an update, and none was made: make a step"):
        update_over_spacing(opt)
    opt.step(bowl(theta))
    assert update_over_spacing(opt) > 0
    for rule in ("sign", "adam"):
        theta, opt = start(rule=rule)
        opt.step(bowl(theta))
        with pytest.raises(ValueError, match="`rule` must be a sum of z, such as SGD, got "):
            update_over_spacing(opt)


def test_a_gradient_scaler_is_told_that_it_has_nothing_to_scale():
    opt = start()[1]
    scaler = torch.amp.GradScaler("cpu")
    scaler.scale(torch.ones(1))
    with pytest.raises(RuntimeError, match="a GradScaler has nothing to scale, as MeZO takes no gradient"):
        scaler.step(opt)


@pytest.mark.parametrize("kinds", [{}, {"exact": True}, {"fused": True}, {"exact": True, "rule": "adam"}], ids=str)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_steps_under_inference_mode_are_the_same_steps(kinds, dtype):
    ends = []
    for inference in (False, True):
        theta, opt = start(**{"dtype": dtype, "exact": False} | kinds)
        with torch.inference_mode(inference):
            for _ in range(3):
                opt.step(bowl(theta))
            opt.flush()
        opt.step(bowl(theta))
        opt.flush()
        ends.append(theta.detach().clone())
    assert torch.equal(*ends)
