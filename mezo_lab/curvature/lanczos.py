"""The largest eigenvalue of a Hessian that is never formed, from products with vectors.

Lanczos' iteration with four vectors and no reorthogonalisation: lost orthogonality repeats eigenvalues, it moves none.
Library solvers (ARPACK behind scipy's `eigsh`, which the tests compare with) keep a basis of twenty or more vectors in
the host's memory: 11 GB for a model of 135 million parameters.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel

from mezo_lab.curvature.passes import PassCount
from mezo_lab.curvature.vectors import Loss, Vector, inner_product, plus, scaled
from mezo_lab.sampling import Estimate, Progress, generator_for

STREAM = 4  # generator_for's second word: apart from the other draws of the same seed


@dataclass(frozen=True)
class Eigenvalue:
    """An eigenvalue with a bound on its error: some eigenvalue of H lies within `residual` = ‖Hv − λv‖ of it.

    >>> Eigenvalue(value=7.1234, residual=0.02, products=12)
    7.123 ± 0.020 (12 products)
    """

    value: float
    residual: float
    products: int

    @property
    def passes(self) -> PassCount:
        """What it took: a gradient, whose graph is kept, and the products."""
        return PassCount(forward=1, backward=1, products=self.products)

    def __repr__(self) -> str:
        return f"{Estimate(self.value, self.residual, self.products)} ({self.products:,} products)"


def hessian_products(parameters: Iterable[Tensor], loss: Loss) -> Callable[[Vector], list[Tensor]]:
    """v ↦ Hv at the present θ, exactly, by differentiating the gradient.

    Source: Pearlmutter (1994). Assumes: θ stays where it is while the products are used.
    Cost: 1 forward and 1 backward pass, whose graph is kept; then a backward pass through both for each product, as
    long as 6 forward passes.

    Args:
        parameters: with requires_grad. loss: () → a differentiable scalar.

    Returns: a function of vectors. Raises: ValueError.

    >>> theta = torch.tensor([1.0, 2.0], requires_grad=True)
    >>> product = hessian_products([theta], lambda: (theta**3).sum())  # H = diag(6θ)
    >>> product([torch.tensor([1.0, -1.0])])
    [tensor([  6., -12.])]
    """
    parameters = list(parameters)
    if not parameters or not all(parameter.requires_grad for parameter in parameters):
        raise ValueError("`parameters` must hold tensors that require grad: call .requires_grad_() on each.")
    # the fused attention kernels have no second derivative
    with torch.enable_grad(), sdpa_kernel(SDPBackend.MATH):
        slopes = torch.autograd.grad(loss(), parameters, create_graph=True, allow_unused=True, materialize_grads=True)
    curved = [i for i, slope in enumerate(slopes) if slope.requires_grad]  # the loss is linear in the others

    def product(vector: Vector) -> list[Tensor]:
        if not curved:
            return [torch.zeros_like(parameter) for parameter in parameters]
        return list(
            torch.autograd.grad(
                [slopes[i] for i in curved],
                parameters,
                [vector[i] for i in curved],
                retain_graph=True,
                allow_unused=True,
                materialize_grads=True,
            )
        )

    return product


def largest_eigenvalue_iterated(
    parameters: Iterable[Tensor],
    loss: Loss,
    *,
    tolerance: float = 1e-2,
    most: int = 100,
    seed: int = 0,
    progress: Progress | None = None,
) -> Eigenvalue:
    """λ_max(H), the largest eigenvalue (of H ⪰ 0 it is ‖H‖), by Lanczos' iteration from a random start.

    Source: Lanczos (1950); without reorthogonalisation the bound holds up to rounding (Paige 1980).
    Formula: the largest eigenvalue θ of the k × k tridiagonal T = VᵀHV; with s its unit eigenvector, the Ritz vector
    y = Vs has ‖Hy − θy‖ = β_k·abs(s_k). θ = yᵀHy never exceeds λ_max, and where a gap parts λ_max from the next
    eigenvalue the error is no more than residual²/gap.
    Cost: 1 forward pass, 1 backward pass and at most `most` Hessian-vector products, as long as 3 + 6·most forward
    passes; memory for the graph of a gradient, and for four vectors.

    Args:
        parameters, loss: as in `hessian_products`.
        tolerance: stop at this residual, relative to the eigenvalue. most: products at most.
        seed: fixes the start. progress: called with (products done, most).

    Returns: an Eigenvalue, whose residual shows when `most` products were too few. Raises: ValueError.

    >>> eigenvalues = torch.tensor([5.0, 3.0, 1.0])
    >>> theta = torch.ones(3, requires_grad=True)
    >>> top = largest_eigenvalue_iterated([theta], lambda: (eigenvalues * theta**2).sum() / 2)
    >>> abs(top.value - 5.0) <= top.residual + 1e-5, top.products
    (True, 3)
    """
    if not tolerance > 0 or most < 1:
        raise ValueError(f"`tolerance` must be positive and `most` at least 1, got {tolerance} and {most}.")
    parameters = list(parameters)
    product = hessian_products(parameters, loss)
    for alphas, betas in tridiagonal(product, unit_vector(parameters, seed), most):
        value, residual = _top_ritz_pair(alphas, betas[:-1], betas[-1])
        if progress is not None:
            progress(len(alphas), most)
        if residual <= tolerance * abs(value):
            break
    return Eigenvalue(value, residual, len(alphas))


def tridiagonal(
    product: Callable[[Vector], list[Tensor]], v: Vector, most: int
) -> Iterator[tuple[list[float], list[float]]]:
    """The diagonal and the off-diagonal of T = VᵀHV after each of `most` products, the next β last; v is a unit vector.

    Raises: ValueError for an Hv that is not finite.
    """
    v_before = v
    alphas: list[float] = []
    betas: list[float] = []
    for _ in range(most):
        w = plus(product(v), v_before, -betas[-1] if betas else 0.0)
        alphas.append(inner_product(w, v))
        w = plus(w, v, -alphas[-1])
        beta = inner_product(w, w) ** 0.5
        if not math.isfinite(beta):
            raise ValueError(f"`loss` must have a finite Hessian here, got {beta} in Hv: lower it where it overflows.")
        betas.append(beta)
        yield alphas, betas
        v_before = v
        v = scaled(w, 1 / beta)


def _top_ritz_pair(alphas: list[float], betas: list[float], beta: float) -> tuple[float, float]:
    """The largest eigenvalue of the tridiagonal matrix, and the residual of its Ritz vector.

    >>> value, residual = _top_ritz_pair([2.0, 2.0], [1.0], beta=0.5)  # eigenvector (1, 1)/√2
    >>> round(value, 6), round(residual, 6)
    (3.0, 0.353553)
    """
    values, vectors = ritz_pairs(alphas, betas)
    return float(values[-1]), beta * abs(float(vectors[-1, -1]))


def ritz_pairs(alphas: Sequence[float], betas: Sequence[float]) -> tuple[Tensor, Tensor]:
    """Eigenvalues, ascending, and eigenvectors of the tridiagonal matrix, in float64; betas: one fewer than alphas."""
    matrix = torch.diag(torch.tensor(alphas, dtype=torch.float64))
    if betas:
        off = torch.tensor(betas, dtype=torch.float64)
        matrix += torch.diag(off, 1) + torch.diag(off, -1)
    values, vectors = torch.linalg.eigh(matrix)
    return values, vectors


def unit_vector(parameters: Sequence[Tensor], seed: int) -> list[Tensor]:
    generator = generator_for(seed, STREAM, 0, str(parameters[0].device))
    vector = [
        torch.randn(parameter.shape, generator=generator, dtype=parameter.dtype, device=parameter.device)
        for parameter in parameters
    ]
    return scaled(vector, inner_product(vector, vector) ** -0.5)
