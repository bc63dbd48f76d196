"""The toy of notebook 12: its accuracy is that of a count, and MeZO raises it by the accuracy alone."""

import math

import pytest
import torch

from mezo_lab.course.classifier import angle, classifier_accuracy, train_classifier

BAR = 5  # standard errors


def error_rate(margins):
    return (margins < 0).double().mean(-1)


def test_its_accuracy_is_that_of_a_count():
    generator = torch.Generator().manual_seed(0)
    theta = torch.tensor([1.0, 0.7, -0.3], dtype=torch.float64)
    x = torch.randn(100_000, 3, generator=generator, dtype=torch.float64)
    right = float((x[:, 0].sign() == (x @ theta).sign()).double().mean())
    exact = float(classifier_accuracy(theta))
    assert abs(right - exact) < BAR * math.sqrt(exact * (1 - exact) / len(x))


def test_angles_of_a_batch():
    one = torch.tensor([[1.0, 0.0], [1.0, 1.0], [1.0, 0.0]])
    other = torch.tensor([[3.0, 0.0], [1.0, 0.0], [-1.0, 0.0]])
    assert angle(one, other).tolist() == pytest.approx([0, math.pi / 4, math.pi])


def test_an_accuracy_is_trained_at_a_wide_probe_and_not_at_a_narrow_one():
    wide, narrow = (train_classifier(error_rate, epsilon, steps=300) for epsilon in (0.3, 1e-6))
    assert narrow.zeros > 0.99 and wide.zeros < 0.5
    assert wide.accuracy.z_score(0.5) > BAR > abs(narrow.accuracy.z_score(0.5))  # a start is right half of the time
    error = math.hypot(wide.accuracy.standard_error, narrow.accuracy.standard_error)
    assert wide.accuracy.mean - narrow.accuracy.mean > BAR * error


def test_the_best_rate_is_kept():
    best = train_classifier(error_rate, 0.3, steps=100)
    alone = train_classifier(error_rate, 0.3, steps=100, rates=[best.lr])
    assert alone.accuracy.mean == pytest.approx(best.accuracy.mean)
    assert train_classifier(error_rate, 0.3, steps=100, rates=[1e-9]).accuracy.mean < best.accuracy.mean


def test_a_population_trains_as_well_as_pairs_at_equal_forward_passes_and_sees_fewer_zeros():
    pairs = train_classifier(error_rate, 0.3, steps=300)
    leaving = train_classifier(error_rate, 0.3, steps=75, probes=8, estimate="leave-one-out", rates=[0.1, 0.3, 1.0])
    assert leaving.zeros < pairs.zeros / 2
    error = math.hypot(pairs.accuracy.standard_error, leaving.accuracy.standard_error)
    assert abs(leaving.accuracy.mean - pairs.accuracy.mean) < BAR * error
    assert leaving.accuracy.z_score(0.5) > BAR


@pytest.mark.parametrize("estimate", ["leave-one-out", "rank"])
def test_a_population_moves_as_that_of_the_optimizer(estimate, monkeypatch):
    """One step from one start along the z of the toy, beside `Population`."""
    from mezo_lab.course import classifier
    from mezo_lab.optim.stencils import Population

    kinds = {"shaping": "rank"} if estimate == "rank" else {"baseline": estimate}
    generator = torch.Generator().manual_seed(0)
    theta = torch.randn(3, dtype=torch.float64, generator=generator)
    z = torch.randn(4, 3, dtype=torch.float64, generator=generator)
    loss = lambda points: (points[..., 0] > 0).double() + points[..., 1].round()  # noqa: E731  with equal losses
    found = classifier._projected(estimate, loss, theta, z, 0.5)
    shaped = Population(**kinds).shaped([float(each) for each in loss(theta + 0.5 * z)])
    assert found.tolist() == pytest.approx([weight / 0.5 for weight in shaped])


def test_a_population_of_one_and_an_unknown_estimate_are_refused():
    with pytest.raises(ValueError, match="`probes` must be at least 2 for a population, got 1"):
        train_classifier(error_rate, 0.3, steps=1, estimate="rank")
    with pytest.raises(ValueError, match="`estimate` must be one of two-sided, leave-one-out, rank; got 'ranks'"):
        train_classifier(error_rate, 0.3, steps=1, estimate="ranks")
