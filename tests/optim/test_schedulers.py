"""torch's learning-rate schedulers drive `MeZO` as any other optimizer, without a warning."""

import pytest
import torch
from torch.optim import lr_scheduler

from mezo_lab.optim import MeZO

STEPS = 8
SCHEDULERS = {
    "warm-up from zero": lambda opt: lr_scheduler.LambdaLR(opt, lambda k: k / 4),
    "lambda for each group": lambda opt: lr_scheduler.LambdaLR(opt, [lambda k: 1 / (1 + k), lambda k: 0.5**k]),
    "one cycle": lambda opt: lr_scheduler.OneCycleLR(opt, [0.1, 0.2], total_steps=STEPS + 1, cycle_momentum=False),
    "cosine": lambda opt: lr_scheduler.CosineAnnealingLR(opt, STEPS),
    "step": lambda opt: lr_scheduler.StepLR(opt, 3),
    "in a row": lambda opt: lr_scheduler.SequentialLR(
        opt, [lr_scheduler.LinearLR(opt, 0.1, total_iters=3), lr_scheduler.ExponentialLR(opt, 0.9)], [3]
    ),
}
MODES = {"plain": {}, "fused": {"fused": True}, "exact": {"exact": True}}


def two_groups(theta):
    names = list(theta)
    first, second = ([(name, theta[name]) for name in part] for part in (names[:2], names[2:]))
    return [{"params": first}, {"params": second, "lr": 0.2, "weight_decay": 0.1}]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", SCHEDULERS)
def test_every_step_takes_the_rates_that_the_scheduler_says(weights, wave, twin, apart, name, mode):
    theta = weights()
    opt = MeZO(two_groups(theta), lr=0.1, seed=5, **MODES[mode])
    scheduler, reference, used = (
        SCHEDULERS[name](opt),
        twin(theta, seed=5, weight_decay=[0.0, 0.0, 0.1, 0.1, 0.1]),
        set(),
    )
    for _ in range(STEPS):
        rates = scheduler.get_last_lr()
        used.add(tuple(rates))
        opt.step(lambda: wave(list(theta.values())))
        reference.lr = [rates[0]] * 2 + [rates[1]] * 3
        reference.step()
        scheduler.step()
    opt.flush()
    assert len(used) > 2
    assert apart(theta.values(), reference.weights) < 1e-14


def test_a_plateau_lowers_the_rate(weights, wave):
    theta = weights()
    opt = MeZO(theta.items(), lr=0.1, seed=5)
    scheduler = lr_scheduler.ReduceLROnPlateau(opt, factor=0.5, patience=1)
    for _ in range(6):
        opt.step(lambda: wave(list(theta.values())))
        scheduler.step(1.0)
    assert opt.param_groups[0]["lr"] == pytest.approx(0.1 * 0.5**2)


@pytest.mark.parametrize("fused", [False, True])
def test_a_rate_of_zero_moves_nothing(weights, wave, apart, fused):
    theta = weights()
    start = [t.detach().clone() for t in theta.values()]
    opt = MeZO(theta.items(), lr=0.1, weight_decay=0.5, fused=fused)
    opt.param_groups[0]["lr"] = 0.0
    opt.step(lambda: wave(list(theta.values())))
    opt.flush()
    assert apart(theta.values(), start) < 1e-15
    opt.param_groups[0]["lr"] = 0.1
    opt.step(lambda: wave(list(theta.values())))
    opt.flush()
    assert apart(theta.values(), start) > 1e-3


def test_a_rate_may_be_a_tensor(weights, wave, equal):
    """As `capturable` loops hold it."""
    ends = []
    for lr in (0.25, torch.tensor(0.25)):
        theta = weights()
        opt = MeZO(theta.items(), lr=lr)
        opt.step(lambda t=theta: wave(list(t.values())))
        ends.append(list(theta.values()))
    assert equal(*ends)


def test_a_scheduler_goes_on_from_its_checkpoint(weights, wave, equal):
    """Optimizer and scheduler saved together: the rates and the weights are those of the run without a break."""

    def start():
        theta = weights()
        opt = MeZO(theta.items(), lr=0.1)
        return theta, opt, lr_scheduler.CosineAnnealingLR(opt, 10)

    def run(theta, opt, scheduler, steps):
        for _ in range(steps):
            opt.step(lambda: wave(list(theta.values())))
            scheduler.step()

    whole, first, second = start(), start(), start()
    run(*whole, 6)
    run(*first, 3)
    for a, b in zip(second[0].values(), first[0].values(), strict=True):
        a.data.copy_(b)
    second[1].load_state_dict(first[1].state_dict())
    second[2].load_state_dict(first[2].state_dict())
    run(*second, 3)
    assert second[2].get_last_lr() == whole[2].get_last_lr()
    assert equal(second[0].values(), whole[0].values())
