"""Plain training loops on small models: it learns where it should, and does not where something is wrong."""

import warnings

import pytest
import torch
from torch import nn
from torch.optim import lr_scheduler

from mezo_lab.optim import Adam, MeZO, Momentum
from mezo_lab.sampling import LAWS

STEPS = 100


def two_moons(count: int = 200):
    """Two half circles that no line separates, (count, 2), and their classes."""
    generator = torch.Generator().manual_seed(0)
    angle = torch.rand(count, generator=generator) * torch.pi
    label = torch.arange(count) % 2
    x = torch.stack((angle.cos() + label, angle.sin() * (1 - 2 * label) + 0.4 * label), 1)
    return x + 0.1 * torch.randn(count, 2, generator=generator), label


def mlp() -> nn.Module:
    """Random features under a head of zeros: half of its answers are right."""
    generator = torch.Generator().manual_seed(0)
    model = nn.Sequential(nn.Linear(2, 16), nn.Tanh(), nn.Linear(16, 2))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator))
        model[2].weight.zero_()
        model[2].bias.zero_()
    return model


@torch.no_grad()
def accuracy(model) -> float:
    x, label = two_moons()
    return float((model(x).argmax(1) == label).float().mean())


def train(opt, model, steps=STEPS, scheduler=None):
    """The accuracy after so many steps."""
    x, label = two_moons()
    for _ in range(steps):
        opt.step(lambda: nn.functional.cross_entropy(model(x), label))
        if scheduler is not None:
            scheduler.step()
    opt.eval()
    return accuracy(model)


FAST = {
    "sgd": {"lr": 0.4},
    "fused": {"lr": 0.4, "fused": True},
    "exact": {"lr": 0.4, "exact": True},
    "one-sided": {"lr": 0.4, "estimator": "one-sided"},
    "normalised": {"lr": 0.05, "rule": "normalised"},
}
SLOW = {
    "momentum": {"lr": 0.4, "rule": Momentum(0.5)},
    "adam": {"lr": 0.05, "rule": Adam(0.5, 0.75)},
    "sign": {"lr": 0.02, "rule": "sign"},
    "three probes": {"lr": 0.4, "probes": 3},
} | {law: {"lr": 0.3, "law": law} for law in LAWS if law != "gaussian"}


@pytest.mark.parametrize("kind", [*FAST, *(pytest.param(kind, marks=pytest.mark.slow) for kind in SLOW)])
def test_a_small_model_learns(kind):
    model, steps = mlp(), 100 if kind in FAST else 300
    assert accuracy(model) == 0.5
    assert train(MeZO(model.named_parameters(), seed=0, **(FAST | SLOW)[kind]), model, steps) > 0.9


def test_it_learns_under_a_scheduler_and_in_groups_without_a_warning():
    model = mlp()
    body, head = model[0].named_parameters("body"), model[2].named_parameters("head")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        opt = MeZO([{"params": body}, {"params": head, "lr": 0.6, "weight_decay": 1e-4}], lr=0.4)
        scheduler = lr_scheduler.OneCycleLR(opt, [1.0, 1.0], total_steps=STEPS, cycle_momentum=False)
        assert train(opt, model, STEPS - 1, scheduler) > 0.9


def test_it_does_not_learn_when_the_sign_is_wrong():
    """The control of a step uphill."""
    model = mlp()
    opt, (x, label) = MeZO(model.named_parameters(), lr=0.4), two_moons()
    with torch.no_grad():
        first = float(nn.functional.cross_entropy(model(x), label))
    for _ in range(STEPS):
        opt.probe(lambda: nn.functional.cross_entropy(model(x), label))
        opt.projected_gradients = [-pg for pg in opt.projected_gradients]
        loss = opt.step()
    assert accuracy(model) < 0.6 and loss > 2 * first


def wander(seed: int, other: int, steps: int = 40) -> float:
    """Probe along the z of one seed, step along that of another. Returns: the accuracy after so many steps."""
    model, (x, label) = mlp(), two_moons()
    prober, walker = (MeZO(model.named_parameters(), lr=0.1, seed=s) for s in (seed, other))
    for _ in range(steps):
        prober.probe(lambda: nn.functional.cross_entropy(model(x), label))
        prober.flush()
        walker.projected_gradients = prober.projected_gradients
        prober.steps += 1
        walker.step()
    return accuracy(model)


def test_it_does_not_learn_when_the_step_takes_another_z():
    """As where the chunks of a tensor are drawn in another order: then half of the answers are right, on average."""
    assert wander(0, 0) > 0.85  # the control: the same z
    ends = torch.tensor([wander(seed, 100 + seed) for seed in range(4)])
    assert abs(ends.mean() - 0.5) < 5 * ends.std() / 2  # 4 walks, so a standard error is half their spread
    assert ends.mean() < 0.75


def test_it_trains_what_has_no_gradient():
    """The share of wrong answers, a loss in steps, with ε as large as they need."""
    model, (x, label) = mlp(), two_moons()
    opt = MeZO(model.named_parameters(), lr=0.1, epsilon=0.3, rule="normalised")
    for _ in range(STEPS):
        opt.step(lambda: (model(x).argmax(1) != label).float().mean())
    assert accuracy(model) > 0.75
