"""What a step does beside its sweeps and its losses: nothing that could be done once. No clock is read."""

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from mezo_lab.optim import MeZO, Rule, RunLog, checkpoint
from mezo_lab.optim.sweeps import NoiseField

KINDS = {"plain": {}, "fused": {"fused": True}, "one-sided": {"estimator": "one-sided"}, "centre": {"centre": True}}


def numbers(**kinds):
    """Twenty tensors of one number, and their optimizer after two steps."""
    theta = [torch.nn.Parameter(torch.zeros(1)) for _ in range(20)]
    opt = MeZO(theta, lr=1e-3, check_closure=False, **kinds)
    for _ in range(2):
        opt.step(lambda: float(opt.steps))
    return opt


@pytest.fixture
def described(monkeypatch):
    """The settings that were described since."""
    seen = []
    whole = checkpoint.described
    monkeypatch.setattr(checkpoint, "described", lambda value: seen.append(value) or whole(value))
    return seen


@pytest.mark.parametrize("kind", KINDS)
def test_settings_that_nobody_changed_are_not_described(kind, described):
    opt = numbers(**KINDS[kind])
    described.clear()
    opt.step(lambda: 0.0)
    assert described == []
    opt.epsilon = 0.5
    opt.step(lambda: 0.0)
    assert 0.5 in described


def test_a_rule_of_one_s_own_is_described_at_every_loss_as_it_may_change_inside(described):
    class Mine(Rule):
        def __init__(self):
            self.length = [1.0]

    opt = numbers(rule=Mine())
    described.clear()
    opt.step(lambda: 0.0)
    assert opt.rule in described
    with pytest.raises(RuntimeError, match="`rule` must not change inside a closure"):
        opt.step(lambda: opt.rule.length.append(2.0) or 0.0)


def test_a_setting_that_is_set_to_an_equal_one_in_a_closure_is_no_change():
    opt = numbers()
    opt.step(lambda: setattr(opt, "epsilon", float(str(opt.epsilon))) or 0.0)
    assert opt.steps == 3


def test_a_run_log_describes_the_settings_that_may_change_alone(described, tmp_path):
    opt = numbers()
    with RunLog(opt, tmp_path / "run.mezo"):
        opt.step(lambda: 0.0)
        described.clear()
        opt.step(lambda: 0.0)
        assert len(described) == len(checkpoint.CHANGEABLE)


class Operations(TorchDispatchMode):
    """The operations of torch that are called."""

    def __init__(self):
        super().__init__()
        self.names = []

    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        if not operation._schema.name.startswith("profiler::"):  # with which torch frames the step of any optimizer
            self.names.append(operation._schema.name)
        return operation(*args, **(kwargs or {}))


@pytest.mark.parametrize("kind", KINDS)
def test_beside_its_sweeps_a_step_calls_no_operation_of_torch(kind, monkeypatch):
    opt = numbers(**KINDS[kind])
    monkeypatch.setattr(NoiseField, "sweep", lambda *arguments: None)
    with Operations() as called:
        opt.step(lambda: 1.0)
    assert called.names == []
    with Operations() as called:  # the control
        opt.step(lambda: torch.ones(1).sum())
    assert "aten::sum" in called.names
