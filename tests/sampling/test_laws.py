"""The laws of z have the moments they state; draws come from the private generator alone."""

from itertools import combinations_with_replacement, product

import pytest
import torch
from scipy import stats

from mezo_lab.claims.controls import TIED_COORDINATES
from mezo_lab.sampling import LAWS, Iid, LowRank, RunningMoments, gram_schmidt, law_named, signs
from mezo_lab.theory import Moments

COUNT, DIM = 100_000, 3
PAIRS = list(combinations_with_replacement(range(DIM), 2))
FALSE_ALARM = 1e-6  # of the whole file


def laplace_draw(shape, generator):
    return torch.empty(shape).exponential_(generator=generator) * signs(shape, generator) / 2**0.5


LAPLACE = Iid("laplace", draw=laplace_draw, kurtosis=6)
EVERY = {**LAWS, "laplace": LAPLACE}
COMPARISONS = len(EVERY) * (DIM + len(PAIRS) + DIM**2 + 2 * len(PAIRS) ** 2)
ALARM = stats.norm.isf(FALSE_ALARM / (2 * COMPARISONS))  # about 6.1 standard errors


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def delta(*indices: int) -> bool:
    return len(set(indices)) == 1


def z_score(values: torch.Tensor, expected: float) -> float:
    running = RunningMoments()
    running.add(values)
    return abs(running.estimate().z_score(float(expected)))


def first_and_second_moments(law) -> float:
    """The largest |z| among E[z_i] = 0, E[z_i z_j] = δ_ij and E[z_i z′_j] = 0, z′ another probe of the step."""
    z, other = law.sample(COUNT, 2, DIM, generator()).unbind(1)
    means = [z_score(z[:, i], 0) for i in range(DIM)]
    within = [z_score(z[:, i] * z[:, j], delta(i, j)) for i, j in PAIRS]
    between = [z_score(z[:, i] * other[:, j], 0) for i, j in product(range(DIM), repeat=2)]
    return max(means + within + between)


def fourth_moments(law, moments: Moments) -> float:
    """The largest |z| among the entries of the two fourth-order tensors of `Moments`."""
    z, other = law.sample(COUNT, 2, DIM, generator()).unbind(1)
    largest = 0.0
    for (i, j), (k, m) in product(PAIRS, repeat=2):
        swapped = delta(i, k) * delta(j, m) + delta(i, m) * delta(j, k)
        straight = delta(i, j) * delta(k, m)
        within = moments.pair * (straight + swapped) + moments.coincidence * delta(i, j, k, m)
        between = moments.across * straight + moments.swap * swapped
        product_ij = z[:, i] * z[:, j]
        largest = max(largest, z_score(product_ij * z[:, k] * z[:, m], within))
        largest = max(largest, z_score(product_ij * other[:, k] * other[:, m], between))
    return largest


@pytest.mark.parametrize("name", EVERY)
def test_every_law_has_zero_mean_and_identity_covariance(name):
    assert first_and_second_moments(EVERY[name]) < ALARM


def test_a_law_with_tied_coordinates_is_caught():
    assert first_and_second_moments(TIED_COORDINATES) > 2 * ALARM


def test_a_law_with_a_mean_is_caught():
    shifted = Iid("shifted", draw=lambda shape, generator: signs(shape, generator) + 0.05)
    assert first_and_second_moments(shifted) > 2 * ALARM


@pytest.mark.parametrize("name", EVERY)
def test_every_law_has_the_fourth_moments_it_states(name):
    assert fourth_moments(EVERY[name], EVERY[name].moments(DIM)) < ALARM


@pytest.mark.parametrize(
    ("name", "another"),
    [
        ("gaussian", "sphere"),
        ("sphere", "gaussian"),
        ("rademacher", "uniform"),
        ("uniform", "gaussian"),
        ("three-point", "rademacher"),
        ("coordinate", "sphere"),
        ("orthogonal", "sphere"),
        ("laplace", "gaussian"),
    ],
)
def test_the_fourth_moments_of_another_law_are_caught(name, another):
    assert fourth_moments(EVERY[name], EVERY[another].moments(DIM)) > 2 * ALARM


def test_a_kurtosis_ten_percent_wrong_is_caught():
    assert fourth_moments(LAWS["uniform"], Iid("wrong", draw=signs, kurtosis=1.8 * 1.1).moments(DIM)) > 2 * ALARM


def test_a_law_that_looks_the_same_from_every_side_treats_no_coordinate_alone():
    assert all(law.moments(DIM).coincidence == 0 for law in LAWS.values() if law.rotation_invariant)
    assert LAWS["rademacher"].moments(DIM).coincidence != 0 and not LAWS["rademacher"].rotation_invariant


@pytest.mark.parametrize("name", EVERY)
def test_draws_are_doubles_of_shape_count_probes_dim(name):
    z = EVERY[name].sample(5, 2, 7, generator())
    assert z.shape == (5, 2, 7) and z.dtype == torch.float64


@pytest.mark.parametrize("name", ["sphere", "coordinate", "orthogonal"])
def test_probes_of_fixed_length_lie_on_the_sphere_of_radius_root_d(name):
    z = LAWS[name].sample(1000, 3, 7, generator())
    assert torch.allclose(z.square().sum(-1), torch.tensor(7.0).double(), rtol=1e-12)


@pytest.mark.parametrize(("probes", "dim"), [(1, 1), (2, 2), (4, 9), (50, 50)])
def test_orthogonal_probes_are_orthogonal(probes, dim):
    z = LAWS["orthogonal"].sample(20, probes, dim, generator())
    assert torch.allclose(z @ z.mT, dim * torch.eye(probes).double(), rtol=0, atol=1e-12 * dim)


def test_probes_of_the_sphere_are_not_orthogonal():
    z = LAWS["sphere"].sample(20, 4, 9, generator())
    assert not torch.allclose(z @ z.mT, 9 * torch.eye(4).double(), rtol=0, atol=0.1)


def test_gram_schmidt_is_accurate_for_nearly_parallel_rows():
    x = torch.ones(4, 6).double() + 1e-7 * torch.randn(4, 6, generator=generator()).double()
    q = gram_schmidt(x)
    assert torch.allclose(q @ q.T, torch.eye(4).double(), rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", EVERY)
def test_the_generators_seed_alone_decides_z(name):
    draw = EVERY[name].sample
    torch.rand(3)  # what else happened in the process does not matter
    assert torch.equal(draw(50, 2, 3, generator(1)), draw(50, 2, 3, generator(1)))
    assert not torch.equal(draw(50, 2, 3, generator(1)), draw(50, 2, 3, generator(2)))


def moves_the_global_state(law) -> bool:
    before = torch.random.get_rng_state()
    law.sample(5, 2, 3, generator())
    return not torch.equal(before, torch.random.get_rng_state())


@pytest.mark.parametrize("name", EVERY)
def test_drawing_leaves_the_global_generator_untouched(name):
    assert not moves_the_global_state(EVERY[name])


def test_a_law_that_draws_from_the_global_generator_is_caught():
    assert moves_the_global_state(Iid("careless", draw=lambda shape, generator: torch.randn(shape)))


def test_more_orthogonal_probes_than_dimensions_are_refused():
    with pytest.raises(
        ValueError, match=r"`probes` must be at most `dim` .* got 4 > 3: .* lower --probes or raise --dim"
    ):
        LAWS["orthogonal"].sample(1, 4, 3, generator())


def test_a_law_without_a_sampler_is_refused():
    with pytest.raises(ValueError, match=r"`draw` of law 'mine' must be a function .* got None"):
        Iid("mine")


def test_a_kurtosis_below_one_is_refused():
    with pytest.raises(ValueError, match=r"`kurtosis` is .* ≥ .* 1, got 0\.9: no law has that; recompute it"):
        Iid("mine", draw=signs, kurtosis=0.9)


def test_an_unknown_law_names_the_nearest():
    with pytest.raises(ValueError, match=r"`law` must be one of .* got 'gausian'\. Nearest: gaussian"):
        law_named("gausian")


@pytest.mark.parametrize("factors", [None, LAWS["rademacher"]])
@pytest.mark.parametrize("rank", [1, 3])
def test_the_low_rank_law_is_isotropic_with_the_c_it_states(rank, factors):
    law, dim, count = LowRank("low-rank", rank=rank, shape=(6, 4), factors=factors), 24, 40_000
    z = law.sample(count, 1, dim, torch.Generator().manual_seed(0))[:, 0]
    c = float(law.fourth_moment(dim))
    assert float((z.T @ z / count - torch.eye(dim)).abs().max()) < 5 * (c / count) ** 0.5
    running = RunningMoments()
    running.add(z.square().sum(1) * z[:, 3].square())
    assert abs(running.estimate().z_score(c)) < 5
    others = LowRank("low-rank", rank=rank, shape=(6, 4), factors=None if factors else LAWS["rademacher"])
    assert abs(running.estimate().z_score(float(others.fourth_moment(dim)))) > 5  # the control


def test_a_low_rank_law_without_its_matrix_says_what_it_needs():
    with pytest.raises(ValueError, match=r"`shape` must be that of a matrix of 24 weights, got None: give \(rows"):
        LowRank("low-rank", rank=1).sample(1, 1, 24, torch.Generator())
    with pytest.raises(ValueError, match=r"`shape` must be that of a matrix of 25 weights, got \(6, 4\)"):
        LowRank("low-rank", shape=(6, 4)).fourth_moment(25)
