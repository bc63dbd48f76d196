"""The built-in quadratics have the spectrum and the loss that they promise."""

import pytest
import torch

from mezo_lab.curvature import SPECTRA, bowl, hessian, spectrum
from mezo_lab.curvature.spectra import RANKED


@pytest.mark.parametrize("name", SPECTRA)
def test_a_spectrum_falls_from_1(name):
    eigenvalues = spectrum(name, 100)
    assert eigenvalues.shape == (100,) and eigenvalues[0] == 1 and bool((eigenvalues >= 0).all())
    assert bool((eigenvalues.diff() <= 0).all())


@pytest.mark.parametrize(
    ("name", "dim", "rank", "expected"),
    [
        ("flat", 1000, 7, 7),
        ("isotropic", 1000, None, 1000),
        ("power", 3, None, 11 / 6),
        ("exponential", 10_000, 100, 100.5),
    ],
)
def test_the_effective_rank_is_the_one_meant(name, dim, rank, expected):
    assert float(spectrum(name, dim, rank).sum()) == pytest.approx(expected, rel=1e-4)


def test_the_rank_is_50_or_all_there_is():
    assert int(spectrum("flat", 1000).sum()) == 50 and int(spectrum("flat", 8).sum()) == 8


@pytest.mark.parametrize("name", SPECTRA)
def test_the_loss_has_the_spectrum_for_its_hessian(name):
    eigenvalues = spectrum(name, 6, 2 if name in RANKED else None)
    theta, loss = bowl(eigenvalues)
    slope = torch.autograd.grad(loss(), theta)[0]
    assert torch.allclose(slope, eigenvalues * theta)
    assert torch.allclose(
        hessian(lambda point: (eigenvalues * point.square()).sum() / 2, theta.detach()), torch.diag(eigenvalues)
    )
    assert float(loss().detach()) == pytest.approx(float(eigenvalues @ theta.detach().square()) / 2)


def test_the_seed_decides_the_start():
    eigenvalues = spectrum("isotropic", 5)
    assert torch.equal(bowl(eigenvalues, 1)[0], bowl(eigenvalues, 1)[0])
    assert not torch.equal(bowl(eigenvalues, 1)[0], bowl(eigenvalues, 2)[0])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("steep", 10), "`spectrum` must be one of flat, exponential, power, isotropic; got 'steep'"),
        (("flat", 0), "`dim` must be a whole number, at least 1, got 0"),
        (("flat", 13_000_000_000), "`dim` must be at most 16,777,216, got 13,000,000,000, as θ is held in memory"),
        (("flat", 10, 11), "`rank` must lie between 1 and `dim`, got 11 for dim = 10: lower the rank"),
        (("exponential", 10, 0), "`rank` must lie between 1 and `dim`, got 0"),
        (("power", 10, 3), "`rank` is no parameter of the power spectrum, got 3: leave it out"),
    ],
)
def test_bad_input_is_told(arguments, message):
    with pytest.raises(ValueError, match=message):
        spectrum(*arguments)
