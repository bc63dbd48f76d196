"""The cost of a measurement is the one that its docstring states, counted by a loss that counts its evaluations."""

import inspect
import math
import sys

import pytest
import torch

from mezo_lab import curvature
from mezo_lab.curvature import (
    PassCount,
    bowl,
    divergence,
    epsilon_scan,
    gradient,
    growth_passes,
    growth_rate,
    hessian,
    largest_eigenvalue_iterated,
    predict_stable_lr,
    prediction_passes,
    projected_gradients,
    second_differences,
    spectrum,
)
from mezo_lab.curvature.passes import CountedLoss


@pytest.fixture
def counted():
    """A quadratic in 30 parameters, 20 of them curved: the parameters, and a loss that counts."""
    theta, loss = bowl(spectrum("flat", 30, 20))
    return [theta], CountedLoss(loss)


@pytest.fixture
def backward(monkeypatch) -> list[int]:
    """One entry for each gradient and Hessian-vector product."""
    calls: list[int] = []
    grad = torch.autograd.grad
    monkeypatch.setattr(torch.autograd, "grad", lambda *args, **options: calls.append(1) or grad(*args, **options))
    return calls


@pytest.mark.parametrize("draws", [2, 7, 40])
def test_second_differences_take_two_passes_a_draw_and_one(counted, draws):
    parameters, loss = counted
    second_differences(parameters, loss, draws=draws)
    assert loss.passes == 2 * draws + 1


@pytest.mark.parametrize("count", [1, 6])
def test_projected_gradients_take_two_passes_each(counted, count):
    parameters, loss = counted
    projected_gradients(parameters, loss, count=count, seed=0)
    assert loss.passes == 2 * count


@pytest.mark.parametrize(("probes", "epsilons"), [(1, [1e-3]), (4, [1e-4, 1e-2, 1e-1])])
@pytest.mark.parametrize("given", [True, False])
def test_a_scan_of_epsilon_takes_two_passes_for_each_probe_and_epsilon(counted, probes, epsilons, given):
    parameters, loss = counted
    slopes = gradient(parameters, loss) if given else None
    before = loss.passes
    scan = epsilon_scan(parameters, loss, epsilons, gradient=slopes, probes=probes)
    own = 0 if given else 1
    assert scan.passes == PassCount(2 * probes * len(epsilons) + 1 + own, backward=own)
    assert loss.passes - before == scan.passes.forward


@pytest.mark.parametrize("most", [1, 3, 100])
def test_an_eigenvalue_takes_one_gradient_and_its_products(counted, backward, most):
    parameters, loss = counted
    top = largest_eigenvalue_iterated(parameters, loss, most=most, tolerance=1e-30)
    assert top.products <= most and top.passes == PassCount(1, backward=1, products=top.products)
    assert loss.passes == 1 and len(backward) == 1 + top.products


@pytest.mark.parametrize(("draws", "products"), [(100, 1), (200, 2), (400, 100)])
def test_a_prediction_takes_what_was_planned_and_fewer_products_where_it_is_done_sooner(
    counted, backward, draws, products
):
    parameters, loss = counted
    found = predict_stable_lr(parameters, loss, draws=draws, products=products)
    planned = prediction_passes(draws, products)
    assert loss.passes == found.passes.forward == planned.forward == 2 * draws + 2
    assert found.passes.backward == planned.backward == 1
    assert len(backward) - 1 == found.passes.products <= planned.products == products
    assert planned.equivalent == 2 * draws + 4 + 6 * products


@pytest.fixture
def counted_bowls(monkeypatch) -> list[CountedLoss]:
    """The losses of all runs of `growth_rate`."""
    losses = []

    def counted_bowl(eigenvalues, seed=0):
        theta, loss = bowl(eigenvalues, seed)
        losses.append(CountedLoss(loss))
        return theta, losses[-1]

    monkeypatch.setattr(sys.modules[growth_rate.__module__], "bowl", counted_bowl)
    return losses


@pytest.mark.parametrize(("steps", "probes"), [(25, 1), (26, 3), (100, 2)])
def test_a_run_takes_two_passes_for_each_probe_of_its_steps_and_one(counted_bowls, steps, probes):
    growth_rate(spectrum("flat", 10, 5), 0.01, probes=probes, steps=steps)
    (loss,) = counted_bowls
    assert loss.passes == growth_passes(steps, probes).forward == 56 * math.ceil(steps / 25) * probes + 1


def test_a_divergence_records_the_passes_of_all_its_runs(counted_bowls):
    found = divergence(spectrum("isotropic", 20), 0.05, law="rademacher", steps=25)  # a bad guess: more than four runs
    assert len(found.trials) == len(counted_bowls) > 4
    assert found.passes.forward == sum(loss.passes for loss in counted_bowls)


def test_a_hessian_takes_one_forward_pass():
    loss = CountedLoss(lambda: theta.square().sum())
    theta = torch.zeros(3)

    def evaluated(vector):
        nonlocal theta
        theta = vector
        return loss()

    hessian(evaluated, torch.ones(3))
    assert loss.passes == 1


def test_every_function_of_a_loss_states_its_cost_in_forward_passes():
    functions = {name: getattr(curvature, name) for name in curvature.__all__}
    measuring = {
        name: function
        for name, function in functions.items()
        if inspect.isfunction(function) and "loss" in inspect.signature(function).parameters
    }
    assert {"predict_stable_lr", "second_differences", "gradient", "hessian", "epsilon_scan"} <= measuring.keys()
    for name, function in {**measuring, "growth_rate": growth_rate, "divergence": divergence}.items():
        cost = (inspect.getdoc(function) or "").partition("Cost:")[2].partition("\n\n")[0]
        assert "forward pass" in " ".join(cost.split()), name


def test_equivalents_pay_a_backward_pass_as_two_forward_ones_and_a_product_as_six():
    assert PassCount(10, 3, 4).equivalent == 10 + 2 * 3 + 6 * 4
    assert str(PassCount(1)) == "1 forward pass" and str(PassCount()) == "0 forward passes"
