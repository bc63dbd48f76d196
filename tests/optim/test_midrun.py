"""What happens to the parameters in the middle of a run: frozen, added, loaded, moved to another dtype."""

import pytest
import torch

from mezo_lab.optim import MeZO

MODES = {
    "plain": {"exact": False},
    "fused": {"fused": True, "exact": False},
    "exact": {"exact": True},
    "exact, fused": {"exact": True, "fused": True},
}
ROUNDING = 1e-14  # see test_twin
CHANGED = r"the parameters changed in the middle of a step: call `flush\(\)` first, and then change them again"


def run(opt, theta, wave, steps):
    for _ in range(steps):
        opt.step(lambda: wave(list(theta.values())))


def follow(reference, steps):
    for _ in range(steps):
        reference.step()


def go_on(twin, theta, moved, before):
    """A twin of the parameters `moved` that goes on from where `before` is; the others are as in `theta`."""
    now = {name: t for name, t in zip(before.names, before.weights, strict=True) if name in moved}

    def loss(tensors):
        everything = {name: t.detach() for name, t in theta.items()} | dict(zip(now, tensors, strict=True))
        return before.loss([everything[name] for name in theta])

    return twin(now, loss, seed=5, lr=before.lr, steps=before.steps)


@pytest.mark.parametrize("mode", MODES)
def test_a_parameter_may_be_frozen_in_the_middle_of_a_run(weights, wave, twin, apart, equal, mode):
    theta = weights()
    opt, reference = MeZO(theta.items(), lr=0.1, seed=5, **MODES[mode]), twin(theta, seed=5)
    run(opt, theta, wave, 2)
    follow(reference, 2)
    opt.flush()
    theta["embed"].requires_grad_(False)
    frozen = theta["embed"].detach().clone()
    rest = go_on(twin, theta, set(theta) - {"embed"}, reference)
    run(opt, theta, wave, 2)
    follow(rest, 2)
    opt.flush()
    assert torch.equal(theta["embed"], frozen)
    assert apart([theta[name] for name in rest.names], rest.weights) < ROUNDING
    theta["embed"].requires_grad_(True)
    run(opt, theta, wave, 1)
    opt.flush()
    assert not equal([theta["embed"]], [frozen])


@pytest.mark.parametrize("mode", MODES)
def test_a_group_may_be_added_in_the_middle_of_a_run(weights, wave, twin, apart, mode):
    """`add_param_group` flushes by itself."""
    theta = weights()
    later = {name: theta[name] for name in ("twin.weight", "scale")}
    first = {name: t for name, t in theta.items() if name not in later}
    opt = MeZO(first.items(), lr=0.1, seed=5, **MODES[mode])
    start = twin(theta, seed=5)
    reference = go_on(twin, theta, set(first), start)
    run(opt, theta, wave, 2)
    follow(reference, 2)
    opt.add_param_group({"params": list(later.items()), "lr": 0.2, "weight_decay": 0.3})
    assert apart([theta[name] for name in first], reference.weights) < ROUNDING
    everything = dict(zip(first, reference.weights, strict=True)) | later
    whole = twin(everything, seed=5, lr=[0.1, 0.1, 0.1, 0.2, 0.2], weight_decay=[0.0, 0.0, 0.0, 0.3, 0.3], steps=2)
    run(opt, theta, wave, 2)
    follow(whole, 2)
    opt.flush()
    assert apart(theta.values(), whole.weights) < ROUNDING


@pytest.mark.parametrize("group, said", [({"lr": -1.0}, "`lr` must be"), ({"scale": 0.0}, "`scale` must be")])
def test_a_group_that_is_added_is_checked(weights, group, said):
    theta = weights()
    opt = MeZO(list(theta.items())[:2], lr=0.1)
    with pytest.raises(ValueError, match=said):
        opt.add_param_group({"params": list(theta.items())[2:]} | group)


@pytest.mark.parametrize("mode", MODES)
def test_weights_that_are_loaded_are_theta_from_then_on(weights, wave, twin, apart, mode):
    theta, loaded = weights(), weights(seed=1)
    opt = MeZO(theta.items(), lr=0.1, seed=5, **MODES[mode])
    run(opt, theta, wave, 2)
    opt.flush()
    with torch.no_grad():
        for name, tensor in theta.items():
            tensor.copy_(loaded[name])
    reference = twin(loaded, seed=5, steps=2)
    run(opt, theta, wave, 2)
    follow(reference, 2)
    opt.flush()
    assert apart(theta.values(), reference.weights) < ROUNDING


def test_what_is_not_loaded_keeps_its_theta(weights, wave, equal):
    """In the exact mode θ is finer than its weights: a load of one tensor, or a freeze, costs the others nothing."""
    whole, touched = weights(torch.bfloat16), weights(torch.bfloat16)
    first, second = (MeZO(t.items(), lr=0.01, seed=5, exact=True) for t in (whole, touched))
    run(first, whole, wave, 3)
    run(second, touched, wave, 3)
    masters = [master.clone() for master in first._engine.weights.masters]
    assert not equal(masters, [t.float() for t in whole.values()])
    with torch.no_grad():
        touched["embed"].copy_(torch.zeros(13, 7))
    assert equal(second._current_engine().weights.masters, [torch.zeros(13, 7), *masters[1:]])
    touched["layer.bias"].requires_grad_(False)
    assert equal(second._current_engine().weights.masters, [torch.zeros(13, 7), masters[1], *masters[3:]])


@pytest.mark.parametrize("fused", [False, True])
def test_other_steps_on_the_same_weights_are_seen(weights, wave, twin, apart, fused):
    """As of an optimizer that takes turns."""
    theta = weights()
    opt = MeZO(theta.items(), lr=0.1, seed=5, exact=True, fused=fused)
    run(opt, theta, wave, 2)
    opt.flush()
    other = torch.optim.SGD(theta.values(), lr=0.1)
    sum(t.sum() for t in theta.values()).backward()
    before = [t.detach().clone() for t in theta.values()]
    other.step()
    other.zero_grad()
    assert apart(theta.values(), before) == pytest.approx(0.1)
    reference = twin(theta, seed=5, steps=2)
    run(opt, theta, wave, 1)
    follow(reference, 1)
    opt.flush()
    assert apart(theta.values(), reference.weights) < ROUNDING


@pytest.mark.parametrize("mode", ["plain", "exact"])
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
def test_a_model_may_be_moved_to_another_dtype(weights, wave, twin, apart, dtype, mode):
    theta = weights()
    opt = MeZO(theta.items(), lr=0.1, seed=5, **MODES[mode])
    run(opt, theta, wave, 2)
    for tensor in theta.values():
        tensor.data = tensor.data.to(dtype)  # as `model.to(dtype)` does
    reference = twin(theta, seed=5, steps=2)
    run(opt, theta, wave, 2)
    follow(reference, 2)
    assert all(t.dtype is dtype for t in theta.values())
    # weights below 2: six roundings by half a unit in the last place, and a loss that has seen them
    assert apart(theta.values(), reference.weights) < 10 * torch.finfo(dtype).eps


def load(theta):
    with torch.no_grad():
        theta["embed"].zero_()


def swap(theta):
    theta["embed"].data = torch.zeros(13, 7, dtype=torch.float64)


def move(theta):
    for tensor in theta.values():
        tensor.data = tensor.data.float()


def freeze(theta):
    theta["embed"].requires_grad_(False)


@pytest.mark.parametrize("change", [load, swap, move, freeze])
@pytest.mark.parametrize("mode", ["fused", "exact, fused"])
def test_a_change_in_the_middle_of_a_step_is_refused(weights, wave, change, mode):
    """Where the weights are not θ, a change of them cannot be told from the displacement."""
    theta = weights()
    opt = MeZO(theta.items(), lr=0.1, seed=5, **MODES[mode])
    run(opt, theta, wave, 2)
    change(theta)
    with pytest.raises(RuntimeError, match=CHANGED):
        run(opt, theta, wave, 1)
    change(theta)
    run(opt, theta, wave, 1)


@pytest.mark.parametrize("mode", MODES)
def test_a_load_between_probe_and_step_is_refused(weights, wave, mode):
    theta = weights()
    opt = MeZO(theta.items(), lr=0.1, seed=5, **MODES[mode])
    opt.probe(lambda: wave(list(theta.values())))
    load(theta)
    with pytest.raises(RuntimeError, match=CHANGED):
        opt.step()


@pytest.mark.parametrize("mode", ["fused", "exact, fused"])
def test_a_load_before_the_flush_is_told_of_and_can_be_made_again(weights, wave, twin, apart, mode):
    theta = weights()
    opt, reference = MeZO(theta.items(), lr=0.1, seed=5, **MODES[mode]), twin(theta, seed=5)
    run(opt, theta, wave, 2)
    follow(reference, 2)
    load(theta)
    with pytest.raises(RuntimeError, match=CHANGED):
        opt.flush()
    load(theta)
    opt.flush()
    reference.weights[0].zero_()
    assert apart(theta.values(), reference.weights) < ROUNDING
    run(opt, theta, wave, 2)
    follow(reference, 2)
    opt.flush()
    assert apart(theta.values(), reference.weights) < ROUNDING


def test_all_parameters_frozen_is_an_error_when_it_happens(weights, wave):
    theta = weights()
    opt = MeZO(theta.items(), lr=0.1)
    for tensor in theta.values():
        tensor.requires_grad_(False)
    with pytest.raises(ValueError, match="`params` must hold a parameter with requires_grad=True, got none: unfreeze"):
        run(opt, theta, wave, 1)
