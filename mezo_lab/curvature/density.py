"""The spectrum of a Hessian that is never formed, as a density at the Ritz values of Lanczos' iteration."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from mezo_lab.curvature.lanczos import hessian_products, ritz_pairs, tridiagonal, unit_vector
from mezo_lab.curvature.vectors import Loss
from mezo_lab.sampling import Progress

__all__ = ["LanczosSpectrum", "lanczos_spectrum"]

_APART = 1e-3  # of the largest value: closer ones are taken as copies of one


@dataclass(frozen=True)
class LanczosSpectrum:
    """A spectrum in few numbers.

    >>> LanczosSpectrum(values=[-1.0, 4.0], weights=[0.75, 0.25])
    LanczosSpectrum(values=[-1.0, 4.0], weights=[0.75, 0.25])
    """

    values: list[float]
    """The Ritz values, ascending."""
    weights: list[float]
    """About the share of all eigenvalues that lies near each of them; the sum is 1."""


def lanczos_spectrum(
    parameters: Iterable[Tensor], loss: Loss, *, products: int, seed: int = 0, progress: Progress | None = None
) -> LanczosSpectrum:
    """The density of eigenvalues of H, from one random start.

    Source: Golub and Meurant (1994); Ghorbani, Krishnan and Xiao (2019) for networks.
    Formula: with the eigenvalues λ_k of T and the squares w_k of the first entries of its eigenvectors, for every
    m < 2·products, Σ w_k λ_k^m = vᵀHᵐv (Gauss quadrature), whose mean over random unit vectors v is tr(Hᵐ)/d. The
    weight of a single eigenvalue scatters like a squared normal: it tells the order of magnitude.
    Without reorthogonalisation one eigenvalue comes back as several Ritz values; copies within 0.1 % of the largest are
    put together.
    Cost: 1 forward pass, 1 backward pass and `products` Hessian-vector products, as long as 3 + 6·products forward
    passes; memory for the graph of a gradient, and for four vectors.

    Args:
        parameters, loss: as in `hessian_products`.
        products: of H with a vector, at most: at an invariant subspace the iteration is complete.
        seed: fixes the start.
        progress: called with (products done, products).

    Returns: a LanczosSpectrum. Raises: ValueError.

    >>> import torch
    >>> eigenvalues = torch.tensor([5.0, 3.0, 1.0])
    >>> theta = torch.ones(3, requires_grad=True)
    >>> found = lanczos_spectrum([theta], lambda: (eigenvalues * theta**2).sum() / 2, products=3)
    >>> [round(value, 3) for value in found.values]
    [1.0, 3.0, 5.0]
    """
    if products < 1:
        raise ValueError(f"`products` must be at least 1, got {products}: each finds one value of the spectrum.")
    parameters = list(parameters)
    largest = 0.0
    for alphas, betas in tridiagonal(hessian_products(parameters, loss), unit_vector(parameters, seed), products):
        if progress is not None:
            progress(len(alphas), products)
        largest = max(largest, abs(alphas[-1]), betas[-1])
        if betas[-1] <= 1e-6 * largest:  # the space is invariant under H: nothing is left but rounding
            break
    values, vectors = ritz_pairs(alphas, betas[:-1])
    rounding = torch.finfo(parameters[0].dtype).eps ** 2
    return _without_copies(values.tolist(), vectors[0].square().tolist(), rounding)


def _without_copies(values: Sequence[float], weights: Sequence[float], rounding: float) -> LanczosSpectrum:
    """Copies of one value, which lost orthogonality makes, put together; weights of no more than rounding are left out.

    >>> _without_copies([0.0, 2.0, 9.999, 10.0], [0.6, 1e-20, 0.3, 0.1], rounding=1e-14)
    LanczosSpectrum(values=[0.0, 9.999], weights=[0.6, 0.4])
    """
    apart = _APART * max(map(abs, values))
    groups: list[list[tuple[float, float]]] = []  # of (weight, value)
    for value, weight in zip(values, weights, strict=True):
        if weight <= rounding:
            continue
        if groups and value - groups[-1][-1][1] <= apart:
            groups[-1].append((weight, value))
        else:
            groups.append([(weight, value)])
    return LanczosSpectrum([max(group)[1] for group in groups], [sum(w for w, _ in group) for group in groups])
