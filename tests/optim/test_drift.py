"""What rounding does to the weights is measured, not guessed."""

import math

import pytest
import torch
from torch import nn

from mezo_lab.optim import DriftMeter, MeZO, update_over_spacing

DEVIATION = 0.02  # of the weights of a language model


def weights(dtype, dim=4096):
    return nn.Parameter((DEVIATION * torch.randn(dim, generator=torch.Generator().manual_seed(0))).to(dtype))


def drift_of(dtype, cycles, **kinds):
    """The drift after cycles of (+ε, −2ε, +ε) in which nothing should move."""
    opt = MeZO([weights(dtype)], lr=1e-6, **{"exact": False} | kinds)
    meter = DriftMeter(opt)
    for _ in range(cycles):
        opt.step(lambda: 0.0)
        meter.follow()
    return meter.drift()


@pytest.mark.parametrize(("dtype", "low", "high"), [(torch.bfloat16, 0.02, 0.08), (torch.float32, 1e-7, 2e-6)])
def test_the_plain_mode_drifts_as_the_square_root_of_the_cycles(dtype, low, high):
    few, many = drift_of(dtype, 25), drift_of(dtype, 100)
    assert low < many < high  # claim C4 has 3.9 % and 6e-7 after 100 cycles
    assert 1.5 < many / few < 2.7  # √4 = 2


def test_the_exact_mode_does_not_drift():
    assert drift_of(torch.bfloat16, 100, exact=True) == 0.0


def test_the_error_of_a_drift_is_about_how_far_it_scatters_over_seeds():
    found = []
    for seed in range(200):
        opt = MeZO([weights(torch.bfloat16, dim=20_000)], lr=1e-6, seed=seed, exact=False)
        meter = DriftMeter(opt, coordinates=200, seed=seed)
        opt.step(lambda: 0.0)
        meter.follow()
        found.append(meter.estimate())
        assert found[-1].mean == meter.drift()
    scatter = torch.tensor([each.mean for each in found]).std()
    error = sum(each.standard_error for each in found) / len(found)
    slack = 5 / math.sqrt(2 * (len(found) - 1))  # relative: five standard errors of the scatter
    assert scatter < (1 + slack) * error  # it is not understated
    assert scatter > (0.5 + slack) * error  # nor twice too large


@pytest.mark.parametrize("coordinates", [200, 150, 3])
def test_a_weight_is_followed_once_where_many_of_the_weights_are(coordinates):
    """An index that occurs twice would count as two weights, and make the error too small."""
    meter = DriftMeter(MeZO([weights(torch.bfloat16, dim=200)], lr=1e-6, exact=False), coordinates=coordinates)
    assert len(set(meter.places[0].tolist())) == len(meter.places[0]) == coordinates


@pytest.mark.parametrize("law", ["gaussian", "sphere", "uniform"])
def test_the_meter_follows_every_update(law):
    theta = nn.Parameter(torch.ones(30, 10, dtype=torch.float64).T)  # not contiguous
    opt = MeZO([theta], lr=1e-3, law=law, probes=2, weight_decay=0.1, fused=True, rule="momentum")
    meter = DriftMeter(opt, coordinates=100)
    for _ in range(10):
        opt.step(lambda: float(theta.detach().square().sum()))
        meter.follow()
    assert meter.drift() < 1e-12
    assert not torch.allclose(theta, torch.ones_like(theta), atol=1e-3)  # it had something to follow


def test_a_step_that_the_meter_missed_shows():
    theta = nn.Parameter(torch.ones(300, dtype=torch.float64))
    opt = MeZO([theta], lr=1e-3)
    meter = DriftMeter(opt)
    opt.step(lambda: float(theta.detach().square().sum()))
    assert meter.drift() > 1e-4


def test_a_rule_that_is_no_sum_of_z_cannot_be_followed():
    with pytest.raises(ValueError, match="`opt` must have a rule that is a sum of z, got Sign"):
        DriftMeter(MeZO([weights(torch.float32)], lr=1e-3, rule="sign"))


def test_the_rms_of_an_update_is_compared_with_the_spacing_of_the_weights():
    theta = nn.Parameter(torch.ones(1000))
    opt = MeZO([theta], lr=0.5, law="rademacher", epsilon=1.0)
    losses = iter([2.0, 0.0])
    opt.step(lambda: next(losses))  # pg = 1, so every weight moves by 0.5
    moved = theta.detach() - 1
    assert float(moved.square().mean().sqrt()) == pytest.approx(0.5)
    rms = theta.detach().square().mean().sqrt()
    gap = float(torch.nextafter(rms, torch.tensor(math.inf)) - rms)
    assert update_over_spacing(opt) == pytest.approx(0.5 / gap)
