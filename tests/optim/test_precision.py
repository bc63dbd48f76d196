"""Weights of few bits: the exact mode loses neither θ nor a step to rounding, and the plain mode does, as known."""

import pytest
import torch
from torch import nn

from mezo_lab.optim import MeZO

DIM = 4096
LOW = [torch.bfloat16, torch.float16, torch.float32]
# share of the weights' rms after 1000 cycles at ε = 1e-3, weights of s.d. 0.02: claim C4, and for float16 the same
# sum in numpy; it grows as the root of the cycles
DRIFT = {torch.bfloat16: 0.121, torch.float16: 0.015, torch.float32: 1.9e-6}


def start(dtype):
    """Weights of standard deviation 0.02, usual for a language model."""
    generator = torch.Generator().manual_seed(0)
    theta = nn.Parameter((0.02 * torch.randn(DIM, generator=generator)).to(dtype))
    return theta, theta.detach().clone()


def cycle(theta, count, **kinds):
    """Steps on a flat loss: to +ε, to −ε, and back."""
    opt = MeZO([theta], lr=1e-6, seed=1, **{"exact": False} | kinds)
    for _ in range(count):
        opt.step(lambda: 0.0)
    opt.flush()


def drift(theta, origin):
    """rms(θ − θ₀)/rms(θ₀)."""
    return float((theta.detach().double() - origin.double()).norm() / origin.double().norm())


@pytest.mark.parametrize("cycles", [50, pytest.param(1000, marks=pytest.mark.slow)])
@pytest.mark.parametrize("fused", [False, True])
@pytest.mark.parametrize("dtype", LOW)
def test_probes_leave_no_trace_in_the_exact_mode(dtype, fused, cycles):
    theta, origin = start(dtype)
    cycle(theta, cycles, exact=True, fused=fused)
    assert torch.equal(theta, origin)


@pytest.mark.parametrize("cycles", [50, pytest.param(1000, marks=pytest.mark.slow)])
@pytest.mark.parametrize("dtype", LOW)
def test_probes_drift_in_the_plain_mode(dtype, cycles):
    theta, origin = start(dtype)
    cycle(theta, cycles)
    # the rms over 4096 weights has a standard error of 1 %; that of another set of weights and ulps is 5 %
    assert drift(theta, origin) == pytest.approx(DRIFT[dtype] * (cycles / 1000) ** 0.5, rel=0.1)


def test_a_fused_step_rounds_less_often():
    """Two sweeps instead of three leave less behind, in the plain mode."""
    ends = []
    for fused in (False, True):
        theta, origin = start(torch.bfloat16)
        cycle(theta, 50, fused=fused)
        ends.append(drift(theta, origin))
    assert 0 < ends[1] < 0.9 * ends[0]


def scripted(theta, steps, lr, **kinds):
    """Steps with pg = 1, whatever θ: a walk of known size. Returns: how far each weight went."""
    before = theta.detach().double().clone()
    opt = MeZO([theta], lr=lr, law="rademacher", seed=1, **{"exact": False} | kinds)
    for _ in range(steps):
        losses = iter([opt.epsilon, -opt.epsilon])
        opt.step(lambda losses=losses: next(losses))
    opt.flush()
    return theta.detach().double() - before


@pytest.mark.parametrize("fused", [False, True])
@pytest.mark.parametrize("dtype, half_spacing", [(torch.bfloat16, 2**-8), (torch.float16, 2**-11)])
def test_steps_below_the_spacing_add_up_in_the_exact_mode(dtype, half_spacing, fused):
    """Each step is a sixth of what the weights could hold; in the end each is the number nearest to float32's."""
    fine, coarse = (nn.Parameter(torch.ones(DIM, dtype=kind)) for kind in (torch.float32, dtype))
    expected = scripted(fine, 36, half_spacing / 6)
    found = scripted(coarse, 36, half_spacing / 6, exact=True, fused=fused)
    # the rms of 36 steps of ±1/6; weights from 1 to 2 are a spacing apart, the float32 run rounds by 108·6e-8
    assert float(expected.square().mean().sqrt()) == pytest.approx(half_spacing, rel=0.1)
    assert (found - expected).abs().max() <= half_spacing + 2e-5


@pytest.mark.parametrize("dtype, half_spacing", [(torch.bfloat16, 2**-8), (torch.float16, 2**-11)])
def test_steps_below_the_spacing_are_lost_in_the_plain_mode(dtype, half_spacing):
    """The control, with a probe that is as small, so that nothing but the step could move a weight."""
    theta = nn.Parameter(torch.ones(DIM, dtype=dtype))
    assert not scripted(theta, 36, half_spacing / 6, epsilon=half_spacing / 10).any()


def test_the_exact_mode_follows_a_slope_that_the_plain_mode_blurs():
    """80 steps of 1.6e-5 on bfloat16 weights of 0.02 with a real ε, compared with a float32 run on the same loss."""
    slope = torch.randn(DIM, generator=torch.Generator().manual_seed(3), dtype=torch.float64) / DIM**0.5
    moved = {}
    for name, dtype, kinds in (
        ("float32", torch.float32, {}),
        ("exact", torch.bfloat16, {"exact": True}),
        ("plain", torch.bfloat16, {}),
    ):
        theta = nn.Parameter(start(torch.bfloat16)[0].detach().to(dtype))
        before = theta.detach().double().clone()
        opt = MeZO([theta], lr=1.6e-5, law="rademacher", seed=1, **{"exact": False} | kinds)
        for _ in range(80):
            opt.step(lambda t=theta: float(t.detach().double() @ slope))
        moved[name] = theta.detach().double() - before
    mistake = {name: float((moved[name] - moved["float32"]).norm() / moved["float32"].norm()) for name in moved}
    # the way is √80·1.6e-5 = 1.4e-4 long; a bfloat16 of 0.02 is rounded by 1.2e-4/√12, a quarter of that
    assert mistake["exact"] < 0.3 and mistake["plain"] > 1
