"""The reduced sampler has the distribution of brute force, at every law, dimension, number of probes and rank."""

import itertools
import math

import pytest
import torch
from scipy import stats

from mezo_lab import theory
from mezo_lab.sampling import LAWS, Estimate, RunningMoments
from mezo_lab.sampling.reduced import ProbeScalars, frame_of, reduced_frame, wishart

COUNT = 20_000
LAW_NAMES = ["gaussian", "sphere", "orthogonal"]
SIZES = [(4, 1, 4), (4, 2, 1), (6, 3, 2), (12, 4, 12), (40, 2, 5)]  # d, n, r
CASES = list(itertools.product(LAW_NAMES, SIZES))
OBSERVABLES = {"length_sq": ProbeScalars.length_sq, "overlap": ProbeScalars.overlap, "captured": ProbeScalars.captured}
ALARM = stats.norm.isf(1e-6 / (2 * 10 * len(CASES)))  # standard errors; at most ten comparisons a case: about 6.4
LEAST_P = 1e-6 / len(CASES)  # for Kolmogorov and Smirnov's test


def generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def brute(law: str, dim: int, probes: int, rank: int, seed: int = 1) -> ProbeScalars:
    gradient = torch.zeros(dim).double()
    gradient[:rank] = torch.arange(1, rank + 1).double()  # any gradient within the first r coordinates
    return frame_of(LAWS[law].sample(COUNT, probes, dim, generator(seed)), gradient, rank)


def reduced(law: str, dim: int, probes: int, rank: int, seed: int = 2) -> ProbeScalars:
    return reduced_frame(LAWS[law], COUNT, probes, dim, generator(seed), rank)


def estimate(values: torch.Tensor) -> Estimate:
    running = RunningMoments()
    running.add(values)
    return running.estimate()


def variance(values: torch.Tensor) -> Estimate:
    return estimate((values - values.mean()).square())


def difference(a: Estimate, b: Estimate) -> float:
    """|z| of the difference of two independent estimates."""
    return abs(Estimate(a.mean, math.hypot(a.standard_error, b.standard_error), a.count).z_score(b.mean))


def seen(dim: int, rank: int) -> dict:
    return {name: read for name, read in OBSERVABLES.items() if name != "captured" or rank == dim}


@pytest.mark.parametrize(("law", "size"), CASES)
def test_the_two_samplers_agree_in_mean_and_variance(law, size):
    drawn, scalars = brute(law, *size), reduced(law, *size)
    for read in seen(size[0], size[2]).values():
        assert difference(estimate(read(drawn)), estimate(read(scalars))) < ALARM
        assert difference(variance(read(drawn)), variance(read(scalars))) < ALARM


@pytest.mark.parametrize(("law", "size"), CASES)
def test_the_two_samplers_agree_in_the_whole_distribution_of_the_length(law, size):
    assert stats.ks_2samp(brute(law, *size).length_sq(), reduced(law, *size).length_sq()).pvalue > LEAST_P


@pytest.mark.parametrize(("law", "size"), CASES)
def test_the_reduced_sampler_agrees_with_the_theory(law, size):
    dim, probes, rank = size
    frame = reduced(law, *size)
    factor = theory.effective_rank_factor(rank, probes, LAWS[law].moments(dim))
    assert abs(estimate(frame.length_sq()).z_score(factor)) < ALARM
    assert abs(estimate(frame.overlap()).z_score(1)) < ALARM
    if rank == dim:
        assert abs(estimate(frame.captured()).z_score(probes / dim)) < ALARM


@pytest.mark.parametrize("law", LAW_NAMES)
def test_the_gram_matrix_and_the_projections_agree_as_well(law):
    drawn, scalars = brute(law, 6, 3, 2), reduced(law, 6, 3, 2)
    entries = [(0, 0), (1, 0), (2, 2)]
    for i, j in entries:
        assert difference(estimate(drawn.gram[:, i, j]), estimate(scalars.gram[:, i, j])) < ALARM
        # whether a_i and the Gram matrix belong together
        joint = [frame.gram[:, i, j] * frame.along[:, i] * frame.along[:, j] for frame in (drawn, scalars)]
        assert difference(estimate(joint[0]), estimate(joint[1])) < ALARM


@pytest.mark.parametrize(("law", "another"), [("sphere", "gaussian"), ("gaussian", "sphere"), ("orthogonal", "sphere")])
def test_the_laws_are_told_apart_at_a_small_dimension(law, another):
    scalars, drawn = reduced(law, 4, 2, 4).length_sq(), brute(another, 4, 2, 4).length_sq()
    assert difference(estimate(scalars), estimate(drawn)) > 2 * ALARM
    assert stats.ks_2samp(scalars, drawn).pvalue < LEAST_P**2


def test_a_wrong_rank_is_caught():
    scalars, drawn = reduced("gaussian", 6, 3, 5).length_sq(), brute("gaussian", 6, 3, 2).length_sq()
    assert difference(estimate(scalars), estimate(drawn)) > 2 * ALARM


@pytest.mark.parametrize("law", LAW_NAMES)
def test_thirteen_billion_dimensions_have_the_norm_factor_they_should(law):
    dim, probes = 13_000_000_000, 4
    found = estimate(reduced(law, dim, probes, dim).length_sq())
    assert abs(found.z_score(theory.norm_factor(dim, probes, LAWS[law].moments(dim)))) < ALARM
    assert found.standard_error < 0.01 * found.mean
    assert abs(found.z_score(dim / (probes + 1))) > 2 * ALARM  # another n would be seen


@pytest.mark.parametrize("law", LAW_NAMES)
def test_thirteen_billion_dimensions_of_rank_five_step_as_a_hundred_do(law):
    found = estimate(reduced(law, 13_000_000_000, 2, 5).length_sq())
    assert abs(found.z_score(theory.effective_rank_factor(5, 2, LAWS["gaussian"].moments(100)))) < ALARM


def test_probes_of_the_sphere_keep_their_length_and_orthogonal_ones_their_angles():
    sphere, orthogonal = reduced("sphere", 9, 3, 9).gram, reduced("orthogonal", 9, 3, 9).gram
    assert torch.allclose(sphere.diagonal(dim1=1, dim2=2), torch.tensor(9.0).double(), rtol=1e-9)
    assert torch.allclose(orthogonal, 9 * torch.eye(3).double(), rtol=0, atol=1e-9)


def test_a_frame_reads_the_estimators_length_overlap_and_reach():
    z, g = LAWS["gaussian"].sample(50, 3, 7, generator(0)), torch.linspace(1, 2, 7).double()
    frame, estimates = frame_of(z, g), torch.einsum("cki,ckj,j->ci", z, z, g) / 3
    basis = torch.linalg.qr(z.mT).Q
    assert torch.allclose(frame.length_sq(), estimates.square().sum(-1) / (g @ g), rtol=1e-10)
    assert torch.allclose(frame.overlap(), estimates @ g / (g @ g), rtol=1e-10)
    assert torch.allclose(frame.captured(), (g @ basis).square().sum(-1) / (g @ g), rtol=1e-8)


@pytest.mark.parametrize(("probes", "freedom"), [(1, 1), (1, 7), (3, 1), (3, 2), (3, 3), (3, 7), (5, 4)])
def test_wishart_matrices_have_the_moments_of_gram_matrices(probes, freedom):
    gram = wishart(COUNT, probes, freedom, generator(3))
    for i, j in itertools.product(range(probes), repeat=2):
        assert abs(estimate(gram[:, i, j]).z_score(freedom if i == j else 0)) < ALARM
        assert abs(variance(gram[:, i, j]).z_score(2 * freedom if i == j else freedom)) < ALARM
    assert bool((torch.linalg.matrix_rank(gram[:100], hermitian=True) == min(probes, freedom)).all())


def test_one_degree_of_freedom_too_many_is_caught():
    assert abs(estimate(wishart(COUNT, 3, 8, generator(3))[:, 2, 2]).z_score(7)) > 2 * ALARM


def test_no_freedom_leaves_nothing():
    assert not wishart(5, 3, 0, generator(0)).any()


@pytest.mark.parametrize("law", LAW_NAMES)
def test_the_generators_seed_alone_decides_a_frame(law):
    global_state = torch.random.get_rng_state()
    first, again, other = (reduced_frame(LAWS[law], 10, 3, 99, generator(seed)) for seed in (1, 1, 2))
    assert torch.equal(first.gram, again.gram) and torch.equal(first.along, again.along)
    assert not torch.allclose(first.gram, other.gram, rtol=1e-6, atol=1e-6) or law == "orthogonal"
    assert not torch.allclose(first.along, other.along)
    assert torch.equal(global_state, torch.random.get_rng_state())


@pytest.mark.parametrize("law", LAW_NAMES)
def test_the_generator_decides_where_a_frame_is_drawn(law):
    with torch.device("meta"):  # a default device that holds no numbers at all
        frame = reduced_frame(LAWS[law], 3, 2, 10, generator(0), rank=4)
    assert frame.gram.device.type == frame.along.device.type == "cpu"


@pytest.mark.parametrize("law", [name for name in LAWS if name not in LAW_NAMES])
def test_a_law_with_preferred_coordinates_is_refused(law):
    with pytest.raises(ValueError, match=rf"`law` must be rotation-invariant .* got '{law}': choose gaussian, sphere"):
        reduced_frame(LAWS[law], 1, 1, 10, generator(0))


def test_a_rank_above_the_dimension_is_refused():
    with pytest.raises(ValueError, match=r"`rank` must be at most `dim`, got 11 > 10: raise `dim` to 11 or more"):
        reduced_frame(LAWS["gaussian"], 1, 1, 10, generator(0), rank=11)


def test_more_orthogonal_probes_than_dimensions_are_refused():
    with pytest.raises(ValueError, match=r"`probes` must be at most `dim` for the orthogonal law, got 11 > 10"):
        reduced_frame(LAWS["orthogonal"], 1, 11, 10, generator(0))
