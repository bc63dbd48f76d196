"""The epsilon scan: a U whose arms and minimum are where theory puts them, for each precision."""

import math
from itertools import pairwise

import pytest
import torch

from mezo_lab.curvature import epsilon_scan, unit_in_last_place
from mezo_lab.sampling import Cubic

PROBES = 100
SPREAD = 5 / math.sqrt(2 * PROBES)  # five standard errors of an rms over the probes, relative
EPSILONS = [10.0 ** (k / 2) for k in range(-9, 1)]


def bed(dtype: torch.dtype, loss_dtype: torch.dtype = torch.float64):
    """A cubic loss computed in float64, on parameters of any precision."""
    rng = torch.Generator().manual_seed(0)
    third, slope = torch.randn(2, 500, generator=rng, dtype=torch.float64)
    theta = (torch.randn(500, generator=rng, dtype=torch.float64) * 0.3).to(dtype)
    cubic = Cubic(third, slope)
    parameters = [theta[:200].clone().requires_grad_(), theta[200:].clone().reshape(20, 15).requires_grad_()]
    gradient = cubic.gradient(theta.double()).split([200, 300])
    loss = lambda: cubic(torch.cat([p.flatten() for p in parameters]).double()).to(loss_dtype)  # noqa: E731
    return parameters, loss, [gradient[0], gradient[1].reshape(20, 15)], third


@pytest.fixture(scope="module", params=[torch.bfloat16, torch.float16], ids=str)
def coarse(request):
    parameters, loss, gradient, _ = bed(request.param)
    return epsilon_scan(parameters, loss, EPSILONS, gradient=gradient, probes=PROBES)


def test_the_left_arm_is_the_rounding_of_the_weights(coarse):
    rows = [row for row in coarse.rows if 10 * row.truncation < row.rounding < 0.1]  # else z itself is rounded away
    assert len(rows) >= 2
    for row in rows:
        assert row.error == pytest.approx(row.rounding, rel=SPREAD)


def test_the_right_arm_is_the_truncation_and_grows_as_epsilon_squared(coarse):
    rows = [row for row in coarse.rows if row.truncation > 10 * row.rounding]
    assert len(rows) >= 2
    for row in rows:
        assert row.error == pytest.approx(row.truncation, rel=0.1)


def test_the_minimum_is_where_theory_puts_it(coarse):
    assert abs(math.log10(coarse.best.epsilon / coarse.predicted)) <= 0.5  # the neighbouring ε
    assert coarse.rows[0].error > 5 * coarse.best.error < coarse.rows[-1].error


def test_a_finer_precision_takes_a_smaller_epsilon_and_errs_less():
    scans = []
    for dtype in (torch.bfloat16, torch.float16, torch.float32, torch.float64):
        parameters, loss, gradient, _ = bed(dtype)
        epsilons = [10.0**k for k in range(-7, 1)]
        scans.append(epsilon_scan(parameters, loss, epsilons, gradient=gradient, probes=20))
    assert [scan.rows[0].dtype for scan in scans] == ["bfloat16", "float16", "float32", "float64"]
    assert all(a.predicted > b.predicted and a.best.error > b.best.error for a, b in pairwise(scans))


def test_a_coarse_loss_rounds_what_fine_weights_do_not():
    parameters, loss, gradient, _ = bed(torch.float64, torch.float32)
    for row in epsilon_scan(parameters, loss, [1e-5, 1e-4], gradient=gradient, probes=PROBES).rows:
        # the two losses may mirror each other about L(θ), which moves their part by up to √2
        assert row.rounding / math.sqrt(2) * (1 - SPREAD) < row.error < row.rounding * math.sqrt(2) * (1 + SPREAD)
    parameters, loss, gradient, _ = bed(torch.float64)
    fine = epsilon_scan(parameters, loss, [1e-5, 1e-4], gradient=gradient, probes=PROBES)
    assert fine.rows[0].rounding < 1e-7 * row.rounding


def test_the_truncation_of_a_cubic_is_its_third_derivative():
    parameters, loss, gradient, third = bed(torch.float64)
    scan = epsilon_scan(parameters, loss, [0.1, 1.0], gradient=gradient, probes=PROBES)
    norm = math.sqrt(sum(float(slope.square().sum()) for slope in gradient))
    expected = math.sqrt(15 * float(third.square().sum())) / 6 / norm  # E(Σ a_i z_i³/6)² = 15·Σ a_i²/36
    for row in scan.rows:
        assert row.error == pytest.approx(expected * row.epsilon**2, rel=2 * SPREAD)  # z³ has heavy tails
        assert abs(row.error / (expected * row.epsilon**2 * 3) - 1) > 0.5  # ½ in place of 1/6


def test_one_backward_pass_is_as_good_as_a_given_gradient():
    parameters, loss, gradient, _ = bed(torch.float64)
    given = epsilon_scan(parameters, loss, EPSILONS, gradient=gradient, probes=3)
    own = epsilon_scan(parameters, loss, EPSILONS, probes=3)
    assert own.best.epsilon == given.best.epsilon and parameters[0].grad is None
    assert [row.error for row in own.rows] == pytest.approx([row.error for row in given.rows], rel=1e-2)


def test_a_wrong_gradient_shows_as_an_error_that_no_epsilon_removes():
    parameters, loss, gradient, _ = bed(torch.float64)
    scan = epsilon_scan(parameters, loss, EPSILONS, gradient=[1.5 * slope for slope in gradient], probes=PROBES)
    assert scan.best.error > 0.2


def test_the_seed_and_the_law_decide_the_directions():
    parameters, loss, gradient, _ = bed(torch.float64)
    kinds = [{}, {}, {"seed": 1}, {"law": "rademacher"}]
    errors = [
        epsilon_scan(parameters, loss, [0.1], gradient=gradient, probes=2, **kind).rows[0].error for kind in kinds
    ]
    assert errors[0] == errors[1] and len(set(errors)) == 3


@pytest.mark.parametrize("fails", [False, True])
@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_theta_is_bitwise_what_it_was(dtype, fails):
    parameters, loss, gradient, _ = bed(dtype)
    before, calls = [parameter.detach().clone() for parameter in parameters], []

    def counted():
        calls.append(parameters[0].detach().clone())
        if fails and len(calls) == 4:
            raise RuntimeError("no memory")
        return loss()

    try:
        epsilon_scan(parameters, counted, [0.1, 1.0], gradient=gradient, probes=2)
    except RuntimeError:
        assert fails
    assert any(not torch.equal(seen, before[0]) for seen in calls)
    assert all(torch.equal(*pair) for pair in zip(parameters, before, strict=True))


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16, torch.bfloat16])
def test_the_spacing_is_the_distance_to_the_next_number(dtype):
    numbers = torch.tensor([1e-3, 0.75, 1.0, 1.5, 3.0, 100.0], dtype=dtype)
    bits = {8: torch.int64, 4: torch.int32, 2: torch.int16}[dtype.itemsize]
    following = (numbers.view(bits) + 1).view(dtype)
    assert torch.equal(unit_in_last_place(numbers), following.double() - numbers.double())
    assert (
        torch.equal(unit_in_last_place(-numbers), unit_in_last_place(numbers))
        and float(unit_in_last_place(torch.zeros(1, dtype=dtype))) > 0
    )


def test_a_row_is_one_line():
    parameters, loss, gradient, _ = bed(torch.float32)
    scan = epsilon_scan(parameters, loss, [1e-3, 1e-1], gradient=gradient, probes=2)
    first, second = str(scan).split("\n")
    assert first.startswith("float32  ε = 1.0e-03  error ") and "rounding" in first and "truncation" in second


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"parameters": []}, "`parameters` must hold at least one tensor, got none"),
        ({"epsilons": [1e-3, 0.0]}, "`epsilons` must be positive, and at least one, got"),
        ({"epsilons": []}, "`epsilons` must be positive, and at least one, got"),
        ({"probes": 0}, "`probes` must be a whole number, at least 1, got 0"),
        ({"law": "sphere"}, "`law` must be one of gaussian, rademacher, uniform, three-point; got 'sphere'"),
        ({"gradient": [torch.zeros(200), torch.zeros(20, 15)]}, r"`gradient` must not vanish, got ‖g‖ = 0\.0"),
    ],
)
def test_bad_input_is_told(change, message):
    parameters, loss, gradient, _ = bed(torch.float64)
    arguments = {"parameters": parameters, "loss": loss, "epsilons": [1e-3], "gradient": gradient} | change
    with pytest.raises(ValueError, match=message):
        epsilon_scan(**arguments)
