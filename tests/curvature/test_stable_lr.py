"""The largest stable learning rate from measured curvature: right within the error that it states."""

import pytest
import torch

from mezo_lab.curvature import Eigenvalue, StableLearningRate, bowl, predict_stable_lr, spectrum
from mezo_lab.sampling import LAWS, Estimate
from mezo_lab.theory import Moments, largest_stable_step, stability_limit

GAUSSIAN = Moments(1, 0)
CASES = [("flat", 100, 20), ("exponential", 1_000, 20), ("power", 1_000, None), ("isotropic", 10_000, None)]


@pytest.mark.parametrize(("name", "dim", "rank"), CASES)
@pytest.mark.parametrize("probes", [1, 8])
def test_it_is_the_limit_of_the_spectrum_within_its_error(name, dim, rank, probes):
    eigenvalues = spectrum(name, dim, rank)
    theta, loss = bowl(eigenvalues)
    found = predict_stable_lr([theta], loss, probes=probes, draws=400)
    limit = stability_limit(eigenvalues, probes, GAUSSIAN)
    assert abs(found.lr - limit) < 5 * found.error
    assert found.error < (0.1 if probes == 1 else 0.2) * found.lr  # more is left open where n is about r
    assert 2 / eigenvalues.max() > found.lr + (5 if probes == 1 else 1) * found.error  # SGD's


@pytest.mark.parametrize("law", ["gaussian", "rademacher", "uniform", "sphere"])
def test_it_knows_the_law(law):
    eigenvalues, moments = spectrum("flat", 40, 6), LAWS[law].moments(40)
    theta, loss = bowl(eigenvalues)
    found = predict_stable_lr([theta], loss, moments=moments, draws=2_000)
    assert abs(found.lr - stability_limit(eigenvalues, 1, moments)) < 5 * found.error
    other = LAWS["gaussian" if law == "rademacher" else "rademacher"].moments(40)
    assert abs(found.lr - stability_limit(eigenvalues, 1, other)) > (5 * found.error if law == "gaussian" else 0)


def test_the_trace_and_the_norm_alone_would_miss_a_power_law():
    eigenvalues = spectrum("power", 1_000)
    theta, loss = bowl(eigenvalues)
    found = predict_stable_lr([theta], loss, draws=2_000)
    flat = largest_stable_step(found.trace.mean, found.norm.value, 1, GAUSSIAN)
    assert flat < found.lr - 5 * found.error
    assert flat < 0.87 * stability_limit(eigenvalues, 1, GAUSSIAN)


def step(trace=50.0, trace_sq=50.0, norm=1.0, errors=(0.0, 0.0, 0.0)):
    estimates = Estimate(trace, errors[0], 100), Estimate(trace_sq, errors[1], 100)
    return StableLearningRate(*estimates, Eigenvalue(norm, errors[2], 5), probes=1, moments=GAUSSIAN)


def test_without_any_error_a_flat_spectrum_leaves_none():
    assert step().lr == pytest.approx(2 / 52) and step().error == pytest.approx(0, abs=1e-12)
    assert step().effective_rank.mean == 50


@pytest.mark.parametrize("errors", [(1.0, 0.0, 0.0), (0.0, 5.0, 0.0), (0.0, 0.0, 0.1)])
def test_each_measured_error_adds_to_its_own(errors):
    assert step(trace_sq=20.0, errors=errors).error > 1.01 * step(trace_sq=20.0).error


def test_its_error_is_at_least_what_the_three_numbers_leave_open():
    low, high = step(trace_sq=5.0).bounds()
    assert low < high and step(trace_sq=5.0).error == pytest.approx((high - low) / 2)


@pytest.mark.parametrize(("trace", "trace_sq"), [(50.0, 90.0), (50.0, 0.1), (0.8, 1.0)])
def test_numbers_that_no_spectrum_has_are_brought_back(trace, trace_sq):
    low, high = step(trace, trace_sq).bounds()
    assert 0 < low <= high <= 2 / (max(trace, 1.0))


def test_it_is_one_line():
    assert str(step(errors=(1.0, 1.0, 0.0))) == "0.0385 ± 0.0007"


def test_a_loss_that_curves_downwards_has_no_stable_step():
    theta = torch.ones(20, dtype=torch.float64, requires_grad=True)
    with pytest.raises(ValueError, match=r"`loss` must curve upwards, got tr H = −\d.*: raise the draws; if it stays"):
        predict_stable_lr([theta], lambda: -theta.square().sum())


@pytest.mark.parametrize("value", [torch.nan, torch.inf, -torch.inf])
def test_a_loss_that_is_not_finite_is_not_told_as_one_that_curves_downwards(value):
    theta = torch.ones(20, dtype=torch.float64, requires_grad=True)
    with pytest.raises(ValueError, match=r"`loss` must be finite near the parameters, got tr H = .*: look for weights"):
        predict_stable_lr([theta], lambda: theta.sum() * value)


def test_bad_input_is_told():
    theta, loss = bowl(spectrum("flat", 5))
    with pytest.raises(
        ValueError, match="`probes` must be a whole number, at least 1, got 0: a step needs a direction"
    ):
        predict_stable_lr([theta], loss, probes=0)


def test_each_part_reports_its_progress():
    theta, loss = bowl(spectrum("flat", 100, 10))
    told: dict[str, list] = {}
    predict_stable_lr(
        [theta], loss, draws=3, progress=lambda part: lambda *done: told.setdefault(part, []).append(done)
    )
    assert told["tr H"] == [(1, 3), (2, 3), (3, 3)] and told["λ_max"][0] == (1, 100)
