"""`state_dict` and back: the run goes on bit for bit, from a file that holds no pickled code."""

import copy

import pytest
import torch

from mezo_lab.optim import Adam, MeZO, Momentum

STEPS = 4
KINDS = {
    "plain": {},
    "weight decay": {"weight_decay": 0.1, "probes": 2},
    "momentum": {"rule": Momentum(0.5)},
    "adam": {"rule": Adam(0.5, 0.75)},
    "normalised": {"rule": "normalised"},
    "residual feedback": {"estimator": "residual-feedback", "lr": 1e-3},
    "one-sided": {"estimator": "one-sided"},
    "sphere": {"law": "sphere", "rule": Momentum(0.5)},
    "orthogonal": {"law": "orthogonal", "probes": 2},
    "coordinate": {"law": "coordinate"},
    "population": {"estimator": "population", "baseline": "leave-one-out", "probes": 3, "epsilon": 0.1, "lr": 0.01},
    "low-rank": {"law": "low-rank", "rank": 2},
    "modified": {"modified": "variance", "clip": 10.0},
}
MODES = {
    "in place": {},
    "fused": {"fused": True},
    "exact": {"exact": True},
    "exact, fused": {"exact": True, "fused": True},
}


def start(weights, kinds, dtype=torch.float32):
    theta = weights(dtype)
    return theta, MeZO(theta.items(), **{"lr": 0.05, "seed": 5} | kinds)


def run(theta, opt, wave, steps):
    for _ in range(steps):
        opt.step(lambda: wave(list(theta.values())))


def through_disk(thing, path):
    torch.save(thing, path)
    return torch.load(path, weights_only=True)


@pytest.mark.parametrize(
    "kind, mode",
    [(kind, mode) for kind in KINDS for mode in ("in place", "exact, fused")]
    + [("plain", "fused"), ("plain", "exact")],
)
def test_a_resumed_run_is_the_uninterrupted_one(weights, wave, equal, tmp_path, kind, mode):
    kinds = KINDS[kind] | MODES[mode]
    whole, broken, resumed = (
        start(weights, kinds, torch.bfloat16 if "exact" in mode else torch.float32) for _ in "abc"
    )
    run(*whole, wave, STEPS)
    whole[1].state_dict()  # it flushes, so the run that is compared takes it too
    run(*whole, wave, STEPS)
    run(*broken, wave, STEPS)
    saved = {"optimizer": broken[1].state_dict(), "model": {name: t.detach() for name, t in broken[0].items()}}
    saved = through_disk(saved, tmp_path / "checkpoint.pt")
    run(*resumed, wave, 1)  # it was somewhere else
    for name, tensor in resumed[0].items():
        tensor.data.copy_(saved["model"][name])
    resumed[1].load_state_dict(saved["optimizer"])
    run(*resumed, wave, STEPS)
    for _, opt in (whole, resumed):
        opt.flush()
    assert equal(whole[0].values(), resumed[0].values())
    assert resumed[1].steps == 2 * STEPS
    assert not equal(whole[0].values(), broken[0].values())


def test_without_the_optimizers_state_the_run_is_another(weights, wave, equal):
    """The control: the weights alone do not carry the step's number or the momentum."""
    kinds = {"rule": Momentum(0.5)}
    whole, other = start(weights, kinds), start(weights, kinds)
    run(*whole, wave, STEPS)
    for a, b in zip(other[0].values(), whole[0].values(), strict=True):
        a.data.copy_(b)
    run(*whole, wave, STEPS)
    run(*other, wave, STEPS)
    assert not equal(whole[0].values(), other[0].values())


def test_the_exact_mode_keeps_what_the_weights_cannot_hold(weights, wave, equal, tmp_path):
    """θ itself is in the checkpoint: its bfloat16 weights would have lost it."""
    theta, opt = start(weights, {"exact": True}, torch.bfloat16)
    run(theta, opt, wave, STEPS)
    masters = through_disk(opt.state_dict(), tmp_path / "checkpoint.pt")["mezo"]["masters"]
    assert [master.dtype for master in masters] == [torch.float32] * len(theta)
    assert equal(theta.values(), [master.bfloat16() for master in masters])
    assert not equal([t.float() for t in theta.values()], masters)


def test_weights_loaded_after_the_optimizer_are_the_same_weights(weights, wave, equal):
    """The order of the two loads must not cost the exact mode its θ."""
    kinds = {"exact": True}
    whole, first, second = (start(weights, kinds, torch.bfloat16) for _ in "abc")
    run(*whole, wave, 2 * STEPS)
    run(*first, wave, STEPS)
    saved = copy.deepcopy(first[1].state_dict())
    second[1].load_state_dict(saved)
    with torch.no_grad():
        for a, b in zip(second[0].values(), first[0].values(), strict=True):
            a.copy_(b)
    run(*second, wave, STEPS)
    assert equal(whole[0].values(), second[0].values())


def test_a_state_taken_between_probe_and_step_is_that_of_the_step_before(weights, wave, equal):
    kinds = {"estimator": "residual-feedback", "lr": 1e-3}
    whole, broken, resumed = (start(weights, kinds, torch.float64) for _ in "abc")
    run(*whole, wave, STEPS)
    run(*broken, wave, STEPS)
    broken[1].probe(lambda: wave(list(broken[0].values())))
    saved = copy.deepcopy(broken[1].state_dict())
    assert saved["mezo"]["steps"] == STEPS
    assert saved["mezo"]["before"] == whole[1].state_dict()["mezo"]["before"]
    for a, b in zip(resumed[0].values(), whole[0].values(), strict=True):
        a.data.copy_(b)
    resumed[1].load_state_dict(saved)
    run(*whole, wave, 2)
    run(*resumed, wave, 2)
    assert equal(whole[0].values(), resumed[0].values())


def test_a_state_flushes_first(weights, wave, twin, apart):
    theta, opt = start(weights, {"fused": True}, torch.float64)
    reference = twin(theta, seed=5, lr=0.05)
    run(theta, opt, wave, 2)
    for _ in range(2):
        reference.step()
    assert apart(theta.values(), reference.weights) > 1e-4  # still displaced
    opt.state_dict()
    assert apart(theta.values(), reference.weights) < 1e-14


@pytest.mark.parametrize("name, other, said", [
    ("epsilon", 1e-2, r"`epsilon` was 0.001 when the state was saved, and is 0.01: build it as it was"),
    ("probes", 2, r"`probes` was 1 when"),
    ("seed", 6, r"`seed` was 5 when the state was saved, and is 6"),
    ("law", "sphere", r"`law` was 'gaussian' when the state was saved, and is 'sphere'"),
    ("estimator", "one-sided", r"`estimator` was 'two-sided' when"),
    ("rule", "sign", r"`rule` was {'name': 'sgd'} when the state was saved, and is {'name': 'sign'}"),
    ("modified", "variance", r"`modified` was None when"),
    ("fused", True, r"`fused` was False when"),
    ("exact", True, r"`exact` was False when"),
    ("clip", 1.0, r"`clip` was None when"),
])  # fmt: skip
def test_a_run_does_not_go_on_with_other_settings(weights, wave, name, other, said):
    theta, opt = start(weights, {})
    run(theta, opt, wave, 2)
    _other_theta, other_opt = start(weights, {name: other, "lr": 0.5})
    with pytest.raises(ValueError, match=said):
        other_opt.load_state_dict(opt.state_dict())
    assert other_opt.param_groups[0]["lr"] == 0.5 and other_opt.steps == 0  # nothing of it was taken


def test_a_run_does_not_go_on_with_its_parameters_in_another_order(weights, wave):
    """torch would hand the names, and the exact mode θ itself, to the wrong tensors."""
    theta, opt = start(weights, {"exact": True})
    run(theta, opt, wave, 2)
    turned = MeZO(reversed(weights(torch.float32).items()), lr=0.05, seed=5, exact=True)
    with pytest.raises(ValueError, match=r"`params` .* 'embed' .* 'scale'.* same order"):
        turned.load_state_dict(opt.state_dict())


def test_the_exact_mode_does_not_go_on_with_others_frozen(weights, wave):
    theta, opt = start(weights, {"exact": True})
    theta["embed"].requires_grad_(False)
    run(theta, opt, wave, 1)
    with pytest.raises(ValueError, match=r"`params` that require gradients had shapes \[\(7, 7\).*freeze what was"):
        start(weights, {"exact": True})[1].load_state_dict(opt.state_dict())


def test_the_state_of_another_optimizer_is_refused(weights):
    theta, opt = start(weights, {})
    other = torch.optim.SGD(theta.values(), lr=0.1)
    with pytest.raises(ValueError, match=r"`state_dict` must come from MeZO.state_dict\(\), and holds no 'mezo'"):
        opt.load_state_dict(other.state_dict())


def test_a_state_of_other_parameters_is_refused(weights):
    theta, opt = start(weights, {})
    fewer = MeZO(list(theta.items())[:2], lr=0.05, seed=5)
    with pytest.raises(ValueError, match="doesn't match the size of optimizer's group"):
        opt.load_state_dict(fewer.state_dict())


def test_the_rates_of_the_groups_are_in_the_state(weights):
    opt = start(weights, {})[1]
    opt.param_groups[0]["lr"] = 0.01
    other = start(weights, {"lr": 0.7})[1]
    other.load_state_dict(opt.state_dict())
    assert other.param_groups[0]["lr"] == 0.01
