"""A Lanczos spectrum has the moments of H along its start, finds the ends, and is exact where it is complete."""

import pytest
import torch

from mezo_lab.curvature import lanczos_spectrum


def bowl(eigenvalues: torch.Tensor):
    theta = torch.ones_like(eigenvalues, requires_grad=True)
    return [theta], lambda: (eigenvalues * theta**2).sum() / 2


def test_weights_sum_to_one_and_the_moments_are_those_of_the_start():
    """Σ w λ^m = Σ_i v_i² λ_i^m: for m = 0, 1, … of a start v, more of them with more products."""
    parameters, loss = bowl(torch.linspace(-1, 3, 200, dtype=torch.float64))
    few, many = (lanczos_spectrum(parameters, loss, products=k) for k in (4, 12))
    for moment in range(8):
        one, other = (sum(w * x**moment for x, w in zip(f.values, f.weights, strict=True)) for f in (few, many))
        assert one == pytest.approx(other, rel=1e-8)
    assert sum(few.weights) == pytest.approx(1)
    beyond = [sum(w * x**8 for x, w in zip(f.values, f.weights, strict=True)) for f in (few, many)]
    assert beyond[0] != pytest.approx(beyond[1], rel=1e-8)  # four products do not know the eighth moment


def test_the_weight_times_the_dimension_counts_eigenvalues():
    parameters, loss = bowl(torch.tensor([0.0] * 3000 + [1.0] * 1000, dtype=torch.float64))
    found = lanczos_spectrum(parameters, loss, products=10)
    assert found.values == pytest.approx([0, 1], abs=1e-9)  # and it stops there
    assert 4000 * found.weights[1] == pytest.approx(1000, rel=0.15)  # 5 standard deviations, √(2/1000)·√(3/4)


def test_no_product_is_no_spectrum():
    with pytest.raises(ValueError, match=r"`products` must be at least 1, got 0"):
        lanczos_spectrum(*bowl(torch.ones(2)), products=0)
