"""Quadratic losses of known spectrum, one number per eigenvalue: the Hessian lies along the coordinates."""

from collections.abc import Callable

import torch
from torch import Tensor

from mezo_lab.validation import one_of, whole

SPECTRA: dict[str, Callable[[Tensor, int], Tensor]] = {
    "flat": lambda index, rank: (index < rank).double(),
    "exponential": lambda index, rank: torch.exp(-index / rank),
    "power": lambda index, rank: 1 / (index + 1),
    "isotropic": lambda index, rank: torch.ones_like(index),
}
"""The shapes of a spectrum, by name: (index i = 0, 1, …, d − 1 in float64, rank) → eigenvalues, the largest is 1."""
RANKED = ("flat", "exponential")
MOST = 1 << 24  # coordinates of one θ, 128 MiB


def spectrum(name: str, dim: int, rank: int | None = None) -> Tensor:
    """d eigenvalues, the largest of them 1.

    flat: `rank` ones, the others 0. exponential: exp(−i/rank), i from 0. power: 1/i, i from 1. isotropic: all 1.

    Args: dim: d. rank: for flat and exponential, at most dim; default 50, or dim where that is less.
    Returns: float64, (d,). Raises: ValueError.

    >>> spectrum("flat", 4, 2), spectrum("power", 3).sum()
    (tensor([1., 1., 0., 0.], dtype=torch.float64), tensor(1.8333, dtype=torch.float64))
    """
    one_of("spectrum", name, SPECTRA)
    dim = whole("dim", dim, "a loss has parameters")
    if dim > MOST:
        raise ValueError(
            f"`dim` must be at most {MOST:,}, got {dim:,}, as θ is held in memory: take a smaller one, as the "
            "learning rate depends on tr H and λ_max, not on d."
        )
    if rank is not None and name not in RANKED:
        raise ValueError(f"`rank` is no parameter of the {name} spectrum, got {rank}: leave it out.")
    if rank is None:
        rank = min(50, dim)
    if not 1 <= rank <= dim:
        raise ValueError(f"`rank` must lie between 1 and `dim`, got {rank} for dim = {dim:,}: lower the rank.")
    return SPECTRA[name](torch.arange(dim, dtype=torch.float64), rank)


def bowl(eigenvalues: Tensor, seed: int = 0) -> tuple[Tensor, Callable[[], Tensor]]:
    """A parameter θ and the loss ½·Σ_i λ_i θ_i² of its present value, differentiable.

    Args: eigenvalues (d,). seed: of the start, θ_i ~ N(0, 1). Returns: (θ, () → loss).

    >>> theta, loss = bowl(torch.tensor([2.0, 1.0]).double())
    >>> bool(loss() == theta[0] ** 2 + theta[1] ** 2 / 2)
    True
    """
    start = torch.randn(len(eigenvalues), generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    theta = start.requires_grad_()
    return theta, lambda: torch.dot(eigenvalues * theta, theta) / 2
