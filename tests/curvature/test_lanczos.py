"""The largest eigenvalue without the matrix: right within the error it states, which a library's solver confirms."""

import pytest
import torch
from scipy.sparse.linalg import LinearOperator, eigsh
from torch.nn.functional import scaled_dot_product_attention

from mezo_lab.curvature import hessian, hessian_products, largest_eigenvalue_iterated, random_spectrum
from mezo_lab.sampling import Quadratic

POWER = 3.0 / torch.arange(1, 41, dtype=torch.float64)


def quadratic(eigenvalues):
    bowl = Quadratic(random_spectrum(eigenvalues, torch.Generator().manual_seed(0)))
    theta = torch.ones(len(eigenvalues), dtype=torch.float64, requires_grad=True)
    return [theta], lambda: bowl(theta)


def network():
    """A small network with a curved loss, its parameters in four tensors."""
    rng = torch.Generator().manual_seed(0)
    inputs, targets = torch.randn(20, 3, generator=rng).double(), torch.randn(20, generator=rng).double()
    shapes = (8, 3), (8,), (1, 8), (1,)
    parameters = [torch.randn(shape, generator=rng).double().requires_grad_() for shape in shapes]

    def loss():
        w1, b1, w2, b2 = parameters
        return (torch.tanh(inputs @ w1.T + b1) @ w2.T + b2 - targets[:, None]).square().mean()

    return parameters, loss


def exact_hessian(parameters, loss):
    """Row by row, one product each."""
    product, sizes = hessian_products(parameters, loss), [p.numel() for p in parameters]
    shapes = [p.shape for p in parameters]
    rows = [
        torch.cat(
            [part.flatten() for part in product([v.view(s) for v, s in zip(row.split(sizes), shapes, strict=True)])]
        )
        for row in torch.eye(sum(sizes), dtype=torch.float64)
    ]
    return torch.stack(rows)


@pytest.mark.parametrize("tolerance", [0.3, 0.03, 1e-6])
@pytest.mark.parametrize(
    "spectrum",
    [POWER, torch.cat([POWER, -POWER]), torch.linspace(1, 2, 40).double(), torch.exp(-POWER)],
    ids=["power", "indefinite", "even", "crowded"],
)
def test_an_eigenvalue_lies_within_the_stated_error(spectrum, tolerance):
    found = largest_eigenvalue_iterated(*quadratic(spectrum), tolerance=tolerance)
    assert (spectrum - found.value).abs().min() <= found.residual + 1e-12
    assert found.residual <= tolerance * found.value
    assert found.value <= spectrum.max() + 1e-12  # a Rayleigh quotient


def test_the_error_it_states_is_not_generous_by_orders_of_magnitude():
    found = largest_eigenvalue_iterated(*quadratic(POWER), tolerance=0.3)
    assert abs(found.value - 3) > 1e-3 * found.residual > 0


def test_too_few_products_are_told_by_the_residual():
    found = largest_eigenvalue_iterated(*quadratic(POWER), most=1)
    assert found.products == 1 and found.value < 1 and found.residual > 0.1 * found.value


def test_with_a_tight_tolerance_it_is_the_largest_and_arpack_agrees():
    parameters, loss = network()
    matrix = exact_hessian(parameters, loss)
    found = largest_eigenvalue_iterated(parameters, loss, tolerance=1e-8)
    operator = LinearOperator(matrix.shape, matvec=lambda v: (matrix @ torch.from_numpy(v)).numpy(), dtype=float)
    assert found.value == pytest.approx(float(eigsh(operator, k=1, which="LA")[0][0]), rel=1e-10)
    assert found.value == pytest.approx(float(torch.linalg.eigvalsh(matrix)[-1]), rel=1e-10)


def test_products_of_a_network_are_those_of_its_hessian_and_leave_it_alone():
    parameters, loss = network()
    before = [parameter.detach().clone() for parameter in parameters]
    matrix = exact_hessian(parameters, loss)
    assert torch.allclose(matrix, matrix.T, atol=1e-12) and float(matrix.abs().max()) > 0.1
    assert all(torch.equal(p, b) and p.grad is None for p, b in zip(parameters, before, strict=True))


def test_an_isotropic_hessian_takes_one_product():
    found = largest_eigenvalue_iterated(*quadratic(torch.full((30,), 0.7).double()))
    assert found.products == 1 and found.value == pytest.approx(0.7) and found.residual < 1e-12


def test_a_linear_loss_has_no_curvature():
    theta = torch.ones(3, requires_grad=True)
    found = largest_eigenvalue_iterated([theta], lambda: theta.sum())
    assert (found.value, found.residual) == (0.0, 0.0)


def test_a_parameter_without_curvature_does_no_harm():
    theta, slope, unused = (torch.ones(3, requires_grad=True) for _ in range(3))
    found = largest_eigenvalue_iterated([theta, slope, unused], lambda: theta.square().sum() + slope.sum())
    assert found.value == pytest.approx(2)


def test_the_seed_decides_the_start():
    values = [largest_eigenvalue_iterated(*quadratic(POWER), most=2, seed=seed).value for seed in (0, 0, 1)]
    assert values[0] == values[1] != values[2]


def attention():
    # (batch, heads, length, width): what the fused kernel of a CPU takes
    theta = torch.randn(1, 2, 4, 8, generator=torch.Generator().manual_seed(0)).requires_grad_()
    return theta, lambda point: scaled_dot_product_attention(point, point, point).square().sum()


def test_attention_can_be_differentiated_twice():
    theta, loss = attention()
    (row,) = hessian_products([theta], lambda: loss(theta))([torch.ones_like(theta)])
    with torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.MATH):
        matrix = hessian(lambda flat: loss(flat.view_as(theta)), theta.detach().flatten())
    assert torch.allclose(row.flatten(), matrix.sum(0), rtol=1e-3, atol=1e-4) and float(row.abs().max()) > 0.1


def test_the_fused_attention_kernel_could_not():
    theta, loss = attention()
    with pytest.raises(RuntimeError, match="not implemented"):
        (slope,) = torch.autograd.grad(loss(theta), theta, create_graph=True)
        torch.autograd.grad(slope.sum(), theta)


def test_progress_is_told():
    told = []
    largest_eigenvalue_iterated(*quadratic(POWER), most=3, tolerance=1e-9, progress=lambda *done: told.append(done))
    assert told == [(1, 3), (2, 3), (3, 3)]


def test_bad_input_is_told():
    theta = torch.ones(2, requires_grad=True)
    with pytest.raises(ValueError, match=r"`parameters` must hold tensors that require grad: call \.requires_grad_"):
        largest_eigenvalue_iterated([theta.detach()], lambda: theta.sum())
    with pytest.raises(ValueError, match=r"`tolerance` must be positive and `most` at least 1, got 0\.0 and 5"):
        largest_eigenvalue_iterated([theta], lambda: theta.sum(), tolerance=0.0, most=5)
    with pytest.raises(ValueError, match="`loss` must have a finite Hessian here, got nan in Hv"):
        largest_eigenvalue_iterated([theta], lambda: (theta - 1).square().sum().sqrt())
