"""What a run says of its loss is true of losses whose gradient, curvature and rounding are known."""

import math

import pytest
import torch
from torch import nn

from mezo_lab.optim import Diagnostics, MeZO
from mezo_lab.optim.diagnostics import spacing
from mezo_lab.sampling import LAWS, Estimate, RunningMoments

DIM = 60


def quadratic(curvature: float):
    """L = gᵀθ + ½θᵀHθ around θ = 0, with H full: its loss, ‖g‖ and tr H."""
    generator = torch.Generator().manual_seed(0)
    g = torch.randn(DIM, generator=generator, dtype=torch.float64)
    a = torch.randn(DIM, DIM, generator=generator, dtype=torch.float64)
    h = curvature * (a @ a.T / DIM + torch.diag(torch.arange(1.0, DIM + 1, dtype=torch.float64)))
    theta = nn.Parameter(torch.zeros(DIM, dtype=torch.float64))
    return theta, lambda: float(g @ theta + theta @ h @ theta / 2), float(g.norm()), float(h.trace())


def standing(curvature=1.0, steps=30, **kinds):
    """Steps so short that θ stays where ‖g‖ and tr H are known."""
    theta, loss, norm, trace = quadratic(curvature)
    opt = MeZO([theta], lr=1e-15, seed=2, **kinds)
    for _ in range(steps):
        opt.step(loss)
    opt.flush()
    assert theta.norm() < 1e-9
    return opt, norm, trace


@pytest.mark.parametrize("law", LAWS)
def test_the_mean_square_of_the_slopes_is_that_of_the_gradient(law):
    """90 probes, each with pg² of relative deviation √2 or so: 7 % of the norm."""
    opt, norm, _ = standing(law=law, probes=3)
    found = opt.diagnostics.gradient_norm()
    assert found.count == 90
    assert abs(found.z_score(norm)) < 5
    assert abs(found.z_score(2 * norm)) > 5 and abs(found.z_score(norm / 2)) > 5  # the control


@pytest.mark.slow
def test_it_is_not_the_mean_of_their_sizes():
    """800 probes tell √(mean pg²) from mean |pg|, which is √(2/π) of it for normal directions."""
    opt, norm, _ = standing(probes=4, steps=200)
    found = opt.diagnostics.gradient_norm()
    assert abs(found.z_score(norm)) < 5
    assert abs(found.z_score(math.sqrt(2 / math.pi) * norm)) > 5


@pytest.mark.parametrize("law", ["gaussian", "rademacher", "uniform", "sphere"])
def test_second_differences_are_the_trace(law):
    opt, _, trace = standing(centre=True, law=law, fused=law == "gaussian", steps=60)
    found = opt.diagnostics.trace()
    assert found.count == 60
    assert abs(found.z_score(trace)) < 5
    assert abs(found.z_score(2 * trace)) > 5  # the decoy


def test_the_trace_averages_over_the_probes_of_a_step():
    one, _, trace = standing(centre=True, steps=30)
    four, _, _ = standing(centre=True, steps=30, probes=4)
    assert abs(four.diagnostics.trace().z_score(trace)) < 5
    errors = [opt.diagnostics.trace().standard_error for opt in (one, four)]
    assert errors[0] / errors[1] == pytest.approx(2, rel=0.5)  # √4; each error is itself known to 1/√60 = 13 %


def test_the_trace_needs_the_centre():
    opt = standing(steps=2)[0]
    with pytest.raises(ValueError, match=r"`trace` needs the loss at θ itself, .*: set centre=True"):
        opt.diagnostics.trace()


def test_a_share_of_probes_sees_nothing():
    """Losses by script: of ten probes three are level."""
    pairs = [(1.0, 1.0)] * 3 + [(1.0, 2.0)] * 7
    losses = iter([loss for pair in pairs for loss in pair])
    opt = MeZO([nn.Parameter(torch.zeros(3))], lr=1e-3, probes=2, check_closure=False)
    assert opt.diagnostics.zero_rate() == 0.0
    for _ in range(5):
        opt.step(lambda: next(losses))
    assert opt.diagnostics.zero_rate() == 0.3


def test_an_accuracy_is_level_more_often_for_a_smaller_epsilon():
    rates = []
    for epsilon in (1e-3, 1.0):
        theta = nn.Parameter(torch.zeros(20))
        points = torch.randn(50, 20, generator=torch.Generator().manual_seed(1))
        opt = MeZO([theta], lr=1e-6, epsilon=epsilon)
        for _ in range(50):
            opt.step(lambda t=theta, points=points: float(((points @ t + 0.5) > 0).float().mean()))
        rates.append(opt.diagnostics.zero_rate())
    assert rates[0] == 1.0 and rates[1] < 0.5


def test_rounding_of_a_projected_gradient_is_what_signal_to_noise_says():
    """Its denominator, measured: the losses are rounded to float32, and differences compared with exact ones."""
    theta, loss, _, _ = quadratic(1.0)  # curved, as else L(θ ± εz) would mirror each other and round alike
    exact, rounded = [], []

    def closure():
        exact.append(1.5 + loss())
        rounded.append(float(torch.tensor(exact[-1], dtype=torch.float32)))
        return rounded[-1]

    opt, errors = MeZO([theta], lr=1e-15, epsilon=1e-3, probes=10, check_closure=False), RunningMoments()
    for _ in range(20):
        opt.step(closure)
    pairs = torch.tensor([exact, rounded], dtype=torch.float64).view(2, -1, 2).diff(dim=-1)[..., 0] / (2 * opt.epsilon)
    errors.add((pairs[1] - pairs[0]).square())
    signal = math.sqrt(opt.diagnostics.squares.mean)
    noise = signal / opt.diagnostics.signal_to_noise(opt.epsilon)
    assert abs(errors.estimate().z_score(noise**2)) < 5
    assert abs(errors.estimate().z_score(noise**2 * 2)) > 5  # the decoy: the rounding of one loss twice


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16, torch.float16])
def test_signal_to_noise_goes_with_the_unit_of_the_dtype(dtype):
    found = Diagnostics()
    found.update(1.0, [2.0, -2.0], None)
    ulp = torch.finfo(dtype).eps  # from 1 to 2
    assert found.signal_to_noise(1e-3, dtype) == pytest.approx(2.0 / (ulp / 2e-3 * math.sqrt(1 / 6)))


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16, torch.float16])
def test_the_spacing_of_weights_is_that_of_their_dtype(dtype):
    assert spacing(torch.full((5, 2), -1.5, dtype=dtype)) == torch.finfo(dtype).eps


def test_before_a_probe_there_is_nothing_to_tell():
    found = Diagnostics()
    for needs, tell in ((2, found.gradient_norm), (1, lambda: found.signal_to_noise(1e-3))):
        with pytest.raises(ValueError, match=f"needs at least {needs} probes, got 0: make more steps"):
            tell()
    with pytest.raises(ValueError, match="`trace` needs"):
        found.trace()


def test_two_probes_of_which_one_saw_nothing_have_a_norm():
    """The mean is then as large as its error, and rounding must not make a root of less than nothing."""
    for size in torch.linspace(0.1, 1, 50, dtype=torch.float64).tolist():
        found = Diagnostics()
        found.update(1.0, [0.0, size], None)
        assert found.gradient_norm().mean == pytest.approx(size / 2**0.5)


def test_what_was_seen_can_be_forgotten():
    opt = standing(steps=3, centre=True)[0]
    opt.diagnostics.clear()
    assert math.isnan(opt.diagnostics.last_loss)
    assert opt.diagnostics.steps == opt.diagnostics.squares.count == opt.diagnostics.curvatures.count == 0


def test_an_estimate_prints_in_one_line():
    found = standing(steps=5)[0].diagnostics.gradient_norm()
    assert isinstance(found, Estimate) and "±" in str(found) and "\n" not in str(found)
