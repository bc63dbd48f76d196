"""Both readings of a probe agree, on directions that are independent, and the model is given back as it was."""

import math

import numpy
import pytest
import torch

from mezo_lab.curvature import agreement, gradient, projected_gradients, projections
from mezo_lab.finetune import task_loss
from mezo_lab.optim import MeZO
from mezo_lab.optim.noise import COORDINATES
from mezo_lab.optim.sweeps import Term, noise_field
from mezo_lab.sampling import RunningMoments

LAWS = list(COORDINATES)
SQUARE = (100, 100)


@pytest.fixture
def theta():
    """Three parameters in float64: one of more than a block of every law, a small one, and a transposed one."""
    draw = torch.Generator().manual_seed(0)
    shapes = (30, 7), (5,), (11, 8)
    drawn = [torch.randn(shape, generator=draw, dtype=torch.float64) for shape in shapes]
    return [part.requires_grad_() for part in (*drawn[:2], drawn[2].T)]


def quadratic(theta):
    return lambda: sum((index + 1) * part.square().sum() for index, part in enumerate(theta)) / 2


def both(theta, loss, slopes=None, *, epsilon=0.1, **z):
    """(pg, zᵀg), taken separately."""
    z = {"count": 4, "seed": 0, **z}
    along = projections(theta, slopes or gradient(theta, loss), **z)
    return projected_gradients(theta, loss, epsilon=epsilon, **z), along


def directions(law, *, count=2, seed=0, shape=SQUARE):
    """The z's themselves, (count, parameter, size), of two equal parameters: at θ₀ = 0 and ε = 1 the loss sees ±z."""
    theta, seen = [torch.zeros(shape, requires_grad=True) for _ in range(2)], []

    def loss():
        seen.append(torch.stack([part.detach().flatten().clone() for part in theta]))
        return torch.zeros(())

    projected_gradients(theta, loss, count=count, epsilon=1.0, law=law, seed=seed)
    assert torch.equal(torch.stack(seen[::2]), -torch.stack(seen[1::2]))
    return torch.stack(seen[::2])


def z_score(products):
    """How many standard errors the mean of products of independent unit coordinates lies from 0."""
    return float(products.double().sum()) / math.sqrt(products.numel())


@pytest.mark.parametrize("law", LAWS)
def test_on_a_quadratic_the_difference_is_the_gradient_along_z(theta, law):
    projected, along = both(theta, quadratic(theta), law=law)
    torch.testing.assert_close(projected, along, rtol=1e-10, atol=1e-10)
    assert projected.dtype == along.dtype == torch.float64
    assert along.abs().min() > 1e-3


@pytest.mark.parametrize("law", LAWS)
def test_one_seed_is_one_z_for_both_and_another_seed_is_another(theta, law):
    projected, along = both(theta, quadratic(theta), count=60, law=law)
    other = projections(theta, gradient(theta, quadratic(theta)), count=60, law=law, seed=1)
    same, apart = (float(torch.corrcoef(torch.stack([projected, reading]))[0, 1]) for reading in (along, other))
    assert same == pytest.approx(1)
    assert abs(apart) * math.sqrt(60) < 5


@pytest.mark.parametrize("law", LAWS)
def test_a_projection_is_the_inner_product_with_the_z_that_the_loss_sees(law):
    z = directions(law, count=3).double()
    vectors = torch.randn(2, *SQUARE, generator=torch.Generator().manual_seed(1))
    expected = torch.einsum("kpi,pi->k", z, vectors.flatten(1).double())
    turned = [vector.T.contiguous().T for vector in vectors]  # the same numbers, stored by columns
    for given in (vectors, turned):
        found = projections(vectors, given, count=3, law=law, seed=0)
        torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-4)  # float32 products, ‖v‖ = 141
    assert (found - expected.roll(1)).abs().min() > 1


def test_they_are_the_projected_gradients_of_the_optimizers_first_step(theta):
    loss = quadratic(theta)
    same, other = (projected_gradients(theta, loss, count=4, epsilon=0.1, seed=seed).tolist() for seed in (0, 1))
    opt = MeZO(theta, lr=1.0, epsilon=0.1, probes=4, seed=0)
    opt.probe(loss)
    assert opt.projected_gradients == pytest.approx(same, rel=1e-6)
    assert opt.projected_gradients != pytest.approx(other, rel=0.01)


@pytest.mark.parametrize("law", LAWS)
def test_where_c_moves_the_parameters_the_projections_are_along_the_same_z(law):
    theta = [torch.linspace(-1, 1, 5_003, dtype=torch.float64, requires_grad=True)]
    assert noise_field.NoiseField(agreement._keyed(theta), law, seed=0).native == [0]
    projected, along = both(theta, quadratic(theta), law=law)
    torch.testing.assert_close(projected, along, rtol=1e-5, atol=1e-5)


def remainder(model, loss, slopes, epsilon, law):
    projected, along = both(list(model.parameters()), loss, slopes, count=16, epsilon=epsilon, law=law)
    return float((projected - along).norm())


@pytest.mark.parametrize("law", LAWS)
def test_on_a_language_model_what_remains_falls_as_epsilon_squared(model, tokenizer, batch, law):
    loss = task_loss(model, tokenizer, batch)
    slopes = gradient(model.parameters(), loss)
    wide, narrow = (remainder(model, loss, slopes, epsilon, law) for epsilon in (1e-2, 5e-3))
    assert wide / narrow == pytest.approx(4, rel=0.05)


def test_a_gradient_that_is_wrong_by_a_tenth_is_caught(model, tokenizer, batch):
    loss = task_loss(model, tokenizer, batch)
    slopes = [1.1 * slope for slope in gradient(model.parameters(), loss)]
    wide, narrow = (remainder(model, loss, slopes, epsilon, "gaussian") for epsilon in (1e-2, 5e-3))
    assert wide / narrow < 2


@pytest.mark.parametrize("law", LAWS)
def test_directions_have_mean_0_and_unit_variance(law):
    z = directions(law)
    assert abs(z_score(z)) < 5
    assert abs(float((z.double().square() - 1).mean())) <= 5 * math.sqrt(2 / z.numel())


@pytest.mark.parametrize("law", LAWS)
def test_parameters_of_one_shape_get_unrelated_directions(law):
    z = directions(law)
    assert abs(z_score(z[:, 0] * z[:, 1])) < 5


def test_parameters_that_would_move_alike_are_refused(monkeypatch, theta):
    monkeypatch.setattr(agreement, "tensor_key", lambda position: 0)
    with pytest.raises(ValueError, match="`parameters` must have different keys, or they move alike"):
        both(theta, quadratic(theta), theta)


@pytest.mark.parametrize("law", LAWS)
def test_consecutive_probes_get_unrelated_directions(law):
    z = directions(law)
    assert abs(z_score(z[0] * z[1])) < 5


@pytest.mark.parametrize("law", LAWS)
def test_a_z_that_is_the_same_for_each_probe_is_caught(monkeypatch, law):
    monkeypatch.setattr(agreement, "Term", lambda step, probe, scales: Term(step, 0, scales))
    z = directions(law)
    assert abs(z_score(z[0] * z[1])) > 10


@pytest.mark.parametrize("law", LAWS)
def test_the_seed_fixes_every_direction(law):
    assert torch.equal(directions(law, seed=1), directions(law, seed=1))
    assert abs(z_score(directions(law, seed=1) * directions(law, seed=2))) < 5


def test_the_mean_square_of_pg_is_the_squared_norm_of_the_gradient():
    slope = torch.randn(40, generator=torch.Generator().manual_seed(0))
    theta, squares, grad_sq = torch.zeros(40), RunningMoments(), float(slope @ slope)
    squares.add(projected_gradients([theta], lambda: theta @ slope, count=2000, epsilon=1.0, seed=0).square())
    assert abs(squares.estimate().z_score(grad_sq)) < 5
    assert abs(squares.estimate().z_score(2 / math.pi * grad_sq)) > 10


@pytest.mark.parametrize("law", LAWS)
def test_the_parameters_and_vectors_are_bitwise_the_same_afterwards(model, tokenizer, batch, law):
    theta, loss = list(model.parameters()), task_loss(model, tokenizer, batch)
    slopes = gradient(theta, loss)
    before = [tensor.detach().clone() for tensor in (*theta, *slopes)]
    both(theta, loss, slopes, law=law)
    assert all(map(torch.equal, (*theta, *slopes), before))


def test_the_plain_sequence_of_steps_would_not_give_it_back():
    z = torch.randn(10_000, generator=torch.Generator().manual_seed(0))
    theta = z.clone().add_(z, alpha=1e-4).add_(z, alpha=-2e-4).add_(z, alpha=1e-4)
    assert not torch.equal(theta, z)


@pytest.mark.parametrize("fault", [RuntimeError, KeyboardInterrupt])
@pytest.mark.parametrize("call", [1, 2, 3])
def test_the_model_is_bitwise_the_same_after_an_exception(model, tokenizer, batch, fault, call):
    theta, plain, calls = list(model.parameters()), task_loss(model, tokenizer, batch), []
    before = [parameter.detach().clone() for parameter in theta]

    def loss():
        calls.append(plain())
        if len(calls) == call:
            assert not any(map(torch.equal, theta, before))
            raise fault
        return calls[-1]

    with pytest.raises(fault):
        projected_gradients(theta, loss, count=4, seed=0)
    assert all(map(torch.equal, theta, before))


def test_the_global_generators_are_not_touched(theta):
    before, numpy_before = torch.get_rng_state(), numpy.random.get_state()[1].copy()  # noqa: NPY002  the one to guard
    for law in LAWS:
        both(theta, quadratic(theta), law=law)
    assert torch.equal(torch.get_rng_state(), before)
    assert (numpy.random.get_state()[1] == numpy_before).all()  # noqa: NPY002


def test_progress_is_told_after_each_probe(theta):
    told = []
    projected_gradients(theta, quadratic(theta), count=3, seed=0, progress=lambda *done: told.append(done))
    assert told == [(1, 3), (2, 3), (3, 3)]


def test_the_gradient_leaves_grad_alone_and_is_0_where_the_loss_does_not_look(theta):
    with torch.no_grad():
        used, *unused = gradient(theta, lambda: theta[0].square().sum() / 2)
    assert torch.equal(used, theta[0])
    assert all(map(torch.equal, unused, map(torch.zeros_like, theta[1:])))
    assert [part.grad for part in theta] == [None] * 3


COUNT = "`count` must be a whole number, at least 1, got 0: ask for one probe or more"
LAW = "`law` must be one of gaussian, rademacher, uniform, three-point; got 'sphere'"
NOTHING = "`parameters` must hold at least one tensor, got none"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"count": 0}, COUNT),
        ({"epsilon": 0.0}, r"`epsilon` must be positive, got 0\.0: 5e-05 suits a float32 model"),
        ({"epsilon": math.nan}, "`epsilon` must be positive, got nan"),
        ({"law": "sphere"}, LAW),
        ({"parameters": []}, NOTHING),
    ],
)
def test_a_wrong_argument_of_projected_gradients_is_named(change, message):
    valid = {"parameters": [torch.zeros(3)], "loss": lambda: torch.zeros(()), "count": 1, "seed": 0}
    with pytest.raises(ValueError, match=message):
        projected_gradients(**{**valid, **change})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"count": 0}, COUNT),
        ({"law": "sphere"}, LAW),
        ({"parameters": [], "vectors": []}, NOTHING),
        ({"vectors": [torch.zeros(2)]}, "`vectors` must hold one tensor per parameter, of its shape"),
        ({"vectors": [torch.zeros(3)] * 2}, "`vectors` must hold one tensor per parameter, of its shape"),
    ],
)
def test_a_wrong_argument_of_projections_is_named(change, message):
    valid = {"parameters": [torch.zeros(3)], "vectors": [torch.zeros(3)], "count": 1, "seed": 0}
    with pytest.raises(ValueError, match=message):
        projections(**{**valid, **change})
