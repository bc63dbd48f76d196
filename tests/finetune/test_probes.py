"""Both readings of a probe agree, on directions that are independent, and the model is given back as it was."""

import math

import numpy
import pytest
import torch

from mezo_lab.finetune import classification_loss, gradient, paired_probes, probes
from mezo_lab.montecarlo import Running, generator_for

LAWS = ("gaussian", "rademacher")
SQUARE = (100, 100)


@pytest.fixture
def theta():
    """Two parameters of different shapes, in float64."""
    draw = torch.Generator().manual_seed(0)
    return [torch.randn(shape, generator=draw, dtype=torch.float64, requires_grad=True) for shape in ((7, 3), (5,))]


def quadratic(theta):
    return lambda: sum((index + 1) * part.square().sum() for index, part in enumerate(theta)) / 2


def probe(theta, loss, **options):
    return paired_probes(theta, loss, gradient(theta, loss), **{"count": 4, "seed": 0, **options})


def directions(law, *, count=2, seed=0):
    """The z's themselves, (count, parameter, size), of two square parameters: at θ₀ = 0 and ε = 1 the loss sees ±z."""
    theta, seen = [torch.zeros(SQUARE, requires_grad=True) for _ in range(2)], []

    def loss():
        seen.append(torch.stack([part.detach().flatten().clone() for part in theta]))
        return torch.zeros(())

    paired_probes(theta, loss, [torch.zeros(SQUARE)] * 2, count=count, epsilon=1.0, law=law, seed=seed)
    assert torch.equal(torch.stack(seen[::2]), -torch.stack(seen[1::2]))
    return torch.stack(seen[::2])


def z_score(products):
    """How many standard errors the mean of products of independent unit coordinates lies from 0."""
    return float(products.double().sum()) / math.sqrt(products.numel())


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize("chunk", [1 << 20, 4])
def test_on_a_quadratic_the_difference_is_the_gradient_along_z(monkeypatch, theta, law, chunk):
    monkeypatch.setattr(probes, "CHUNK", chunk)
    found = probe(theta, quadratic(theta), law=law, epsilon=0.1)
    torch.testing.assert_close(found.projected, found.along, rtol=1e-10, atol=1e-10)
    assert found.along.abs().min() > 1e-3
    assert found.grad_sq == pytest.approx(sum(float(g.square().sum()) for g in gradient(theta, quadratic(theta))))


def remainder(model, loss, slopes, epsilon, law):
    found = paired_probes(model.parameters(), loss, slopes, count=16, epsilon=epsilon, law=law, seed=0)
    return float((found.projected - found.along).norm())


@pytest.mark.parametrize("law", LAWS)
def test_on_a_language_model_what_remains_falls_as_epsilon_squared(model, tokenizer, batch, law):
    loss = classification_loss(model, tokenizer, batch)
    slopes = gradient(model.parameters(), loss)
    wide, narrow = (remainder(model, loss, slopes, epsilon, law) for epsilon in (1e-2, 5e-3))
    assert wide / narrow == pytest.approx(4, rel=0.05)


def test_a_gradient_that_is_wrong_by_a_tenth_is_caught(model, tokenizer, batch):
    loss = classification_loss(model, tokenizer, batch)
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


@pytest.mark.parametrize("law", LAWS)
def test_a_draw_that_seeds_itself_anew_for_each_parameter_is_caught(monkeypatch, law):
    draw = probes.DRAWS[law]
    monkeypatch.setitem(probes.DRAWS, law, lambda shape, generator: draw(shape, generator.manual_seed(0)))
    z = directions(law)
    assert abs(z_score(z[:, 0] * z[:, 1])) > 10


@pytest.mark.parametrize("law", LAWS)
def test_consecutive_probes_get_unrelated_directions(law):
    z = directions(law)
    assert abs(z_score(z[0] * z[1])) < 5


@pytest.mark.parametrize("law", LAWS)
def test_seeds_that_collide_between_probes_are_caught(monkeypatch, law):
    monkeypatch.setattr(probes, "generator_for", lambda seed, stream, k, device: generator_for(seed, stream, 0, device))
    z = directions(law)
    assert abs(z_score(z[0] * z[1])) > 10


@pytest.mark.parametrize("law", LAWS)
def test_the_seed_fixes_every_direction(law):
    assert torch.equal(directions(law, seed=1), directions(law, seed=1))
    assert abs(z_score(directions(law, seed=1) * directions(law, seed=2))) < 5


def worst_bit(z):
    """The largest |z-score| among the 64 bits of a word, each of which has its own coordinates."""
    sums = z.view(32, -1, 2).sum(1)  # (place, half of the word)
    return float(sums.abs().max()) / math.sqrt(z.numel() / 64)


def test_each_bit_of_a_word_is_a_fair_sign():
    z = probes.packed_signs((64 * 10_000,), torch.Generator().manual_seed(0))
    assert z.abs().unique().tolist() == [1.0]
    assert worst_bit(z) < 5


def test_a_bit_that_is_stuck_is_caught():
    z = probes.packed_signs((64 * 10_000,), torch.Generator().manual_seed(0))
    z.view(32, -1, 2)[31, :, 0] = 1
    assert worst_bit(z) > 10


@pytest.mark.parametrize("law", LAWS)
def test_the_mean_square_of_pg_is_the_squared_norm_of_the_gradient(law):
    slope = torch.randn(40, generator=torch.Generator().manual_seed(0))
    theta, squares = torch.zeros(40, requires_grad=True), Running()
    found = probe([theta], lambda: theta @ slope, count=2000, epsilon=1.0, law=law)
    squares.add(found.projected.square())
    assert abs(squares.estimate().z_score(found.grad_sq)) < 5
    assert abs(squares.estimate().z_score(2 / math.pi * found.grad_sq)) > 10


@pytest.mark.parametrize("law", LAWS)
def test_the_model_is_bitwise_the_same_afterwards(model, tokenizer, batch, law):
    before = [parameter.detach().clone() for parameter in model.parameters()]
    probe(list(model.parameters()), classification_loss(model, tokenizer, batch), law=law)
    assert all(map(torch.equal, model.parameters(), before))


def test_the_plain_sequence_of_steps_would_not_give_it_back():
    z = torch.randn(10_000, generator=torch.Generator().manual_seed(0))
    theta = z.clone().add_(z, alpha=1e-4).add_(z, alpha=-2e-4).add_(z, alpha=1e-4)
    assert not torch.equal(theta, z)


@pytest.mark.parametrize("fault", [RuntimeError, KeyboardInterrupt])
@pytest.mark.parametrize("call", [1, 2, 3])
def test_the_model_is_bitwise_the_same_after_an_exception(model, tokenizer, batch, fault, call):
    theta, plain, calls = list(model.parameters()), classification_loss(model, tokenizer, batch), []
    before, slopes = [parameter.detach().clone() for parameter in theta], gradient(theta, plain)

    def loss():
        calls.append(plain())
        if len(calls) == call:
            raise fault
        return calls[-1]

    with pytest.raises(fault):
        paired_probes(theta, loss, slopes, count=4, seed=0)
    assert all(map(torch.equal, theta, before))


def test_the_global_generators_are_not_touched(theta):
    before, numpy_before = torch.get_rng_state(), numpy.random.get_state()[1].copy()  # noqa: NPY002  the one to guard
    for law in LAWS:
        probe(theta, quadratic(theta), law=law)
    assert torch.equal(torch.get_rng_state(), before)
    assert (numpy.random.get_state()[1] == numpy_before).all()  # noqa: NPY002


def test_progress_is_told_after_each_probe(theta):
    told = []
    probe(theta, quadratic(theta), count=3, progress=lambda *done: told.append(done))
    assert told == [(1, 3), (2, 3), (3, 3)]


def test_the_gradient_leaves_grad_alone_and_is_0_where_the_loss_does_not_look(theta):
    with torch.no_grad():
        used, unused = gradient(theta, lambda: theta[0].square().sum() / 2)
    assert torch.equal(used, theta[0])
    assert torch.equal(unused, torch.zeros_like(theta[1]))
    assert [part.grad for part in theta] == [None, None]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"count": 0}, "`count` must be at least 1, got 0"),
        ({"epsilon": 0.0}, r"`epsilon` must be positive, got 0\.0"),
        ({"epsilon": math.nan}, "`epsilon` must be positive, got nan"),
        ({"law": "sphere"}, "`law` must be one of gaussian, rademacher; got 'sphere'"),
        ({"gradient": [torch.zeros(2)]}, "`gradient` must hold one tensor per parameter, of its shape"),
        ({"parameters": [], "gradient": []}, "`parameters` must hold at least one tensor"),
        ({"parameters": [torch.zeros(2, 3).T], "gradient": [torch.zeros(3, 2)]}, "`parameters` must be contiguous"),
    ],
)
def test_a_wrong_argument_is_named(change, message):
    valid = {"parameters": [torch.zeros(3)], "gradient": [torch.zeros(3)], "count": 1, "seed": 0}
    with pytest.raises(ValueError, match=message):
        paired_probes(**{"loss": lambda: torch.zeros(()), **valid, **change})
