"""The Hessian as a matrix, for small d: its largest eigenvalue and effective rank, and test matrices."""

from collections.abc import Callable

import torch
from torch import Tensor


def hessian(loss: Callable[[Tensor], Tensor], theta: Tensor) -> Tensor:
    """∇²L(θ) by automatic differentiation.

    Cost: 1 forward pass and 1 backward pass, then d more through the graph of both; memory for d² numbers.

    Args: theta (d,). Returns: (d, d), symmetric.

    >>> hessian(lambda theta: (theta**3).sum(), torch.tensor([1.0, 2.0]))
    tensor([[ 6.,  0.],
            [ 0., 12.]])
    """
    matrix = torch.autograd.functional.hessian(loss, theta)
    return (matrix + matrix.T) / 2  # type: ignore[operator]  # one input gives one tensor


def largest_eigenvalue(matrix: Tensor) -> float:
    """ℓ = ‖H‖_op of a symmetric matrix (d, d).

    Formula: max_i |λ_i|. Raises: ValueError when the matrix is not symmetric.

    >>> largest_eigenvalue(torch.diag(torch.tensor([1.0, -3.0])))
    3.0
    """
    if not torch.allclose(matrix, matrix.T):
        raise ValueError("`matrix` must be symmetric, as a Hessian is: pass (H + H.T) / 2.")
    return float(torch.linalg.eigvalsh(matrix).abs().max())


def effective_rank(matrix: Tensor) -> float:
    """r = tr(H)/‖H‖_op: how many directions the curvature really has.

    Source: paper, Assumption 1. Assumes: H ⪰ 0. Returns: between 1 and d; of an indefinite H tr(H)/‖H‖_op still, which
    counts no directions, may be below 1 or negative, and is an effective rank no longer.
    Raises: ValueError for a zero matrix, which has no rank to speak of.

    >>> effective_rank(torch.diag(torch.tensor([4.0, 2.0, 1.0, 1.0])))
    2.0
    """
    norm = largest_eigenvalue(matrix)
    if norm == 0:
        raise ValueError("`matrix` must not be zero, as r = tr(H)/‖H‖ divides by its norm: choose a curved loss.")
    return float(matrix.trace()) / norm


def random_spectrum(eigenvalues: Tensor, generator: torch.Generator) -> Tensor:
    """A symmetric matrix with the given eigenvalues (d,) in Haar-random directions, (d, d).

    >>> matrix = random_spectrum(torch.tensor([3.0, 1.0]), torch.Generator().manual_seed(0))
    >>> round(largest_eigenvalue(matrix), 4), round(effective_rank(matrix), 4)
    (3.0, 1.3333)
    """
    square = (len(eigenvalues), len(eigenvalues))
    basis, _ = torch.linalg.qr(torch.randn(square, generator=generator, device=generator.device).to(eigenvalues))
    matrix = (basis * eigenvalues) @ basis.T
    return (matrix + matrix.T) / 2
