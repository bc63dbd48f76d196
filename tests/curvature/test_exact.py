"""The Hessian as a matrix: exact on losses whose Hessian is known, and test matrices with the spectrum they promise."""

import math

import pytest
import torch
from scipy import stats

from mezo_lab.curvature import effective_rank, hessian, largest_eigenvalue, random_spectrum
from mezo_lab.sampling import Cubic, LowRankQuadratic, Quadratic, RunningMoments

SPECTRUM = torch.tensor([4.0, 2.0, 1.0, 0.5, -0.25], dtype=torch.float64)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize(
    "loss",
    [
        Quadratic(random_spectrum(SPECTRUM, generator())),
        LowRankQuadratic(smoothness=3.0, rank=2),
        Cubic(third=SPECTRUM, slope=SPECTRUM.flip(0)),
    ],
    ids=["quadratic", "low rank", "cubic"],
)
def test_the_hessian_by_differentiation_is_the_one_the_loss_knows(loss):
    theta = torch.linspace(-1, 2, 5, dtype=torch.float64)
    assert torch.allclose(hessian(loss, theta), loss.hessian(theta), rtol=1e-12)


def test_a_hessian_is_exactly_symmetric():
    matrix = hessian(lambda theta: (theta.outer(theta).sin() ** 3).sum(), torch.linspace(0.1, 1, 6))
    assert torch.equal(matrix, matrix.T)


def test_the_largest_eigenvalue_counts_by_magnitude():
    assert largest_eigenvalue(random_spectrum(SPECTRUM, generator())) == pytest.approx(4, rel=1e-12)
    assert largest_eigenvalue(random_spectrum(-SPECTRUM, generator())) == pytest.approx(4, rel=1e-12)


def test_a_matrix_that_is_not_symmetric_is_refused():
    with pytest.raises(ValueError, match=r"`matrix` must be symmetric, as a Hessian is: pass \(H \+ H\.T\) / 2"):
        largest_eigenvalue(torch.tensor([[1.0, 2.0], [0.0, 1.0]]))


@pytest.mark.parametrize("rank", [1, 3, 7])
def test_the_effective_rank_of_a_projector_is_its_rank(rank):
    assert effective_rank(LowRankQuadratic(smoothness=0.3, rank=rank).hessian(torch.zeros(7))) == pytest.approx(rank)


def test_the_effective_rank_is_the_trace_over_the_norm():
    spectrum = SPECTRUM.abs()
    assert effective_rank(random_spectrum(spectrum, generator())) == pytest.approx(7.75 / 4, rel=1e-12)
    assert effective_rank(random_spectrum(10 * spectrum, generator())) == pytest.approx(7.75 / 4, rel=1e-12)


def test_a_zero_matrix_has_no_effective_rank():
    with pytest.raises(ValueError, match=r"`matrix` must not be zero, as .*: choose a curved loss"):
        effective_rank(torch.zeros(3, 3))


def test_a_random_spectrum_has_the_eigenvalues_asked_for():
    matrix = random_spectrum(SPECTRUM, generator())
    assert torch.allclose(torch.linalg.eigvalsh(matrix), SPECTRUM.sort().values, rtol=1e-12)
    assert torch.equal(matrix, matrix.T)
    assert not torch.allclose(matrix, torch.diag(SPECTRUM), atol=0.1)


def test_the_seed_decides_the_directions():
    assert torch.equal(random_spectrum(SPECTRUM, generator(1)), random_spectrum(SPECTRUM, generator(1)))
    assert not torch.allclose(random_spectrum(SPECTRUM, generator(1)), random_spectrum(SPECTRUM, generator(2)))


def uniformity(matrices: torch.Tensor) -> float:
    """The largest |z| among the entries of the mean matrix, which Haar directions make (tr H/d)·I. (count, d, d)"""
    expected = SPECTRUM.mean() * torch.eye(5).double()
    scores = []
    for entries, mean in zip(matrices.flatten(1).T, expected.flatten(), strict=True):
        running = RunningMoments()
        running.add(entries)
        scores.append(abs(running.estimate().z_score(float(mean))))
    return max(scores)


def test_no_direction_is_preferred():
    rng = generator()
    matrices = torch.stack([random_spectrum(SPECTRUM, rng) for _ in range(2_000)])
    alarm = stats.norm.isf(1e-6 / 50)  # 25 entries, two sides
    assert uniformity(matrices) < alarm
    near = torch.eye(5) + 0.3 * torch.randn(2_000, 5, 5, generator=rng)
    basis = torch.linalg.qr(near.double()).Q  # rotations that stay near the axes
    assert uniformity(basis @ torch.diag(SPECTRUM) @ basis.mT) > 2 * alarm


def test_the_generator_decides_where_the_matrix_is_drawn():
    with torch.device("meta"):  # a default device that holds no numbers at all
        assert math.isfinite(float(random_spectrum(SPECTRUM, generator()).trace()))
