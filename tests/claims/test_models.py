"""The experiments of D1 and D2 on losses that are known; the real model runs them under `mezo-lab verify`."""

import math

import pytest
import torch

from mezo_lab.claims import REGISTRY, Status, check, d_models
from mezo_lab.curvature import hessian_products
from mezo_lab.sampling import LAWS

CLAIM = REGISTRY["projected-gradient"]
SLOPE = LAWS["gaussian"], {"batch": 16, "measure": "slope"}
NORM = LAWS["rademacher"], {"batch": 2, "measure": "norm"}


def small_model(scale: float):
    """Two parameters with a quadratic loss, and a gradient that is `scale` times the right one."""
    parameters = [torch.linspace(1, 2, 40), torch.linspace(-1, 3, 50).reshape(5, 10)]

    def loss():
        return sum(parameter.double().square().sum() for parameter in parameters) / 2

    return parameters, loss, [scale * parameter for parameter in parameters]


@pytest.fixture(params=[1.0])
def model(request, monkeypatch):
    *bed, wrong = small_model(request.param)
    monkeypatch.setattr(d_models, "language_model", lambda batch, short: bed)
    monkeypatch.setattr(d_models, "gradient", lambda parameters, loss: wrong)


def test_pg_has_slope_1_on_zTg_and_slope_0_on_that_of_other_seeds(model):
    verdict = check(CLAIM, *SLOPE)
    assert verdict.passed and verdict.estimate.count == d_models.SLOPE_PROBES
    assert verdict.estimate.mean == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize("model", [0.5, 1.1], indirect=True)
def test_a_gradient_that_is_not_the_losss_own_is_refuted(model):
    assert check(CLAIM, *SLOPE).status is not Status.CONSISTENT
    assert check(CLAIM, *SLOPE, draws=400).status is Status.REFUTED


def test_the_mean_of_pg_squared_is_the_squared_norm_and_not_two_over_pi_of_it(model):
    verdict = check(CLAIM, *NORM)
    assert verdict.passed and verdict.decoys[0].expected == 2 / math.pi
    assert verdict.estimate.count == d_models.NORM_PROBES
    assert verdict.resolution == 1 - 2 / math.pi  # what it promises to see is its decoy


def test_the_norm_is_measured_without_zTg_and_the_slope_with_it(model, monkeypatch):
    def asked(*arguments, **options):
        raise AssertionError("zᵀg was asked for")

    monkeypatch.setattr(d_models, "projections", asked)
    assert len(CLAIM.experiment(NORM[0], **NORM[1]).draw(2, torch.Generator().manual_seed(0))) == 2
    with pytest.raises(AssertionError, match="zᵀg was asked for"):
        CLAIM.experiment(SLOPE[0], **SLOPE[1]).draw(2, torch.Generator().manual_seed(0))


@pytest.mark.parametrize("model", [1.5], indirect=True)
def test_a_norm_that_is_not_the_losss_own_is_refuted(model):
    assert check(CLAIM, *NORM).status is Status.REFUTED


def test_fewer_draws_use_fewer_products_in_the_control(model):
    assert check(CLAIM, *SLOPE, draws=10).estimate.count == 10


def test_the_parameters_are_back_where_they_were():
    parameters, loss, gradient = small_model(1.0)
    before = [parameter.clone() for parameter in parameters]
    d_models.slope(LAWS["gaussian"], parameters, loss, gradient).draw(3, torch.Generator().manual_seed(0))
    assert all(torch.equal(*pair) for pair in zip(parameters, before, strict=True))


CURVATURE = REGISTRY["curvature-of-a-model"]


def curved(monkeypatch, scale: float = 1.0) -> None:
    """H = diag(1, …, 2) ⊕ diag(0.5, …, 3); Hessian-vector products are those of `scale`·H."""
    parameters = [torch.linspace(1, 2, 40).double(), torch.linspace(0.5, 3, 50).double().reshape(5, 10)]
    weights = [parameter.clone() for parameter in parameters]
    for parameter in parameters:
        parameter.requires_grad_()

    def loss():
        return sum((w * p.square()).sum() for w, p in zip(weights, parameters, strict=True)) / 2

    monkeypatch.setattr(d_models, "language_model", lambda batch, task: (parameters, loss))
    monkeypatch.setattr(d_models, "hessian_products", lambda *_: hessian_products(parameters, lambda: scale * loss()))


def test_second_differences_have_slope_1_on_what_hessian_products_give(monkeypatch):
    curved(monkeypatch)
    verdict = check(CURVATURE, LAWS["gaussian"], {"batch": 16})
    assert verdict.passed and verdict.estimate.count == d_models.CURVATURES
    assert verdict.estimate.mean == pytest.approx(1, abs=1e-6)
    assert [decoy.expected for decoy in verdict.decoys] == [0.5, 2.0]


@pytest.mark.parametrize("scale", [0.5, 2.0])
def test_a_curvature_that_is_half_or_twice_the_losss_own_is_refuted(monkeypatch, scale):
    curved(monkeypatch, scale)
    assert check(CURVATURE, LAWS["gaussian"], {"batch": 16}).status is Status.REFUTED
