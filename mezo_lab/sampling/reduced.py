"""The second way to sample: the effect of n probes on a step, from a handful of scalars, at any dimension.

For a rotation-invariant law everything that ‖ĝ‖² or the loss after a step needs is in two objects: a_k = z_kᵀg/‖g‖ and
the Gram matrix of the probes, as seen in a subspace of dimension r that contains g (r = d: the whole space). For
Gaussian probes these are normal and χ² draws, by Bartlett's decomposition of the Wishart law: exact in distribution,
and their cost does not depend on d. So the norm factor can be measured at d = 13 billion.
"""

from typing import NamedTuple

import numpy
import torch
from torch import Generator, Tensor

from mezo_lab.sampling.laws import Law, Orthogonal, Sphere


class ProbeScalars(NamedTuple):
    """The scalars of n probes that decide a step, from the gradient's side."""

    along: Tensor
    """z_kᵀg/‖g‖, (count, n)."""
    gram: Tensor
    """(P_r z_j)ᵀ(P_r z_k), (count, n, n), P_r a projector with P_r g = g."""

    def length_sq(self) -> Tensor:
        """‖P_r ĝ‖²/‖g‖² = aᵀGa/n², shape (count,)."""
        return torch.einsum("cj,cjk,ck->c", self.along, self.gram, self.along) / self.along.shape[-1] ** 2

    def overlap(self) -> Tensor:
        """gᵀĝ/‖g‖² = Σ a_k²/n, shape (count,)."""
        return self.along.square().mean(-1)

    def captured(self) -> Tensor:
        """‖P g‖²/‖g‖² = aᵀG⁻¹a with P on the span of the probes (r = d), shape (count,)."""
        solved = torch.linalg.solve(self.gram, self.along[..., None])[..., 0]
        return (self.along * solved).sum(-1)


def frame_of(z: Tensor, gradient: Tensor, rank: int | None = None) -> ProbeScalars:
    """The frame of directions that were drawn: z (count, n, d), gradient (d,) in the first `rank` coordinates.

    >>> frame_of(torch.tensor([[[3.0, 4.0]]]), torch.tensor([2.0, 0.0]))
    ProbeScalars(along=tensor([[3.]]), gram=tensor([[[25.]]]))
    """
    projected = z[..., :rank]  # P_r z, (count, n, r)
    return ProbeScalars(z @ (gradient / gradient.norm()), projected @ projected.mT)


def reduced_frame(
    law: Law, count: int, probes: int, dim: int, generator: Generator, rank: int | None = None
) -> ProbeScalars:
    """The same frame in distribution, for any dimension, without drawing z.

    Source: Bartlett (1933); derived. Assumes: a rotation-invariant law.
    Cost: n(n+3) normal and gamma draws per frame, whatever d.

    Args: count, probes n, dim d; rank r ≤ d (default d). Returns: Frame of float64 tensors.
    Raises: ValueError for a law that is not rotation-invariant, a rank above dim, or more orthogonal probes than dim.

    >>> from mezo_lab.sampling.laws import LAWS
    >>> frame = reduced_frame(LAWS["sphere"], 2, 4, 13_000_000_000, torch.Generator().manual_seed(0))
    >>> length_sq = frame.gram.diagonal(dim1=1, dim2=2)
    >>> length_sq.shape, bool(((length_sq / 13_000_000_000 - 1).abs() < 1e-12).all())  # ‖z‖² = d on the sphere
    (torch.Size([2, 4]), True)
    """
    if not law.rotation_invariant:
        raise ValueError(
            f"`law` must be rotation-invariant for the reduced sampler, got {law.name!r}: "
            "choose gaussian, sphere or orthogonal, or a dimension small enough to draw z itself."
        )
    if rank is None:
        rank = dim
    if rank > dim:
        raise ValueError(f"`rank` must be at most `dim`, got {rank} > {dim}: raise `dim` to {rank} or more.")
    if isinstance(law, Orthogonal):
        law.fits(probes, dim)
    along = _normal((count, probes), generator)
    gram = along[:, :, None] * along[:, None, :] + wishart(count, probes, rank - 1, generator)
    whole = gram + wishart(count, probes, dim - rank, generator)
    match law:
        case Sphere():  # divide each Gaussian probe by its length
            return _rescaled(along, gram, torch.diag_embed(whole.diagonal(dim1=1, dim2=2).sqrt()), dim)
        case Orthogonal():  # multiply the Gaussian probes by the inverse Cholesky factor of their Gram matrix
            return _rescaled(along, gram, torch.linalg.cholesky(whole), dim)
    return ProbeScalars(along, gram)


def low_rank_frame(count: int, probes: int, shape: tuple[int, int], rank: int, generator: Generator) -> ProbeScalars:
    """The frame of the directions vec(UVᵀ)/√k, for a gradient of rank one, without drawing U or V.

    Source: derived. zᵀg is a sum of k products of normals, and the Gram matrix of the z's, which needs no gradient, the
    sum of the k×k blocks of the product, entry by entry, of the Gram matrices of all columns of U and of all of V.
    Assumes: Gaussian U and V. Cost: two Wishart matrices of size nk, whatever the shape.

    Args: count, probes n, shape (rows, columns) of the matrix of weights, rank k of a direction.
    Returns: the frame; r = d, the whole space.

    >>> frame = low_rank_frame(2, 3, (576, 1536), 1, torch.Generator().manual_seed(0))
    >>> frame.along.shape, bool(((frame.gram.diagonal(dim1=1, dim2=2) / (576 * 1536) - 1).abs() < 0.5).all())
    (torch.Size([2, 3]), True)
    """
    columns = probes * rank
    slopes = torch.ones(count, columns, dtype=torch.float64)
    products = torch.ones(count, columns, columns, dtype=torch.float64)
    for size in shape:
        along = _normal((count, columns), generator)
        slopes = slopes * along
        products = products * (along[:, :, None] * along[:, None, :] + wishart(count, columns, size - 1, generator))
    blocks = products.unflatten(2, (probes, rank)).unflatten(1, (probes, rank))  # (count, n, k, n, k)
    return ProbeScalars(slopes.unflatten(1, (probes, rank)).sum(-1) / rank**0.5, blocks.sum((2, 4)) / rank)


def random_share(count: int, dim: int, rank: int, generator: Generator) -> Tensor:
    """‖Px‖²/‖x‖² for a projector P on a random subspace, (count,): a beta variable, whatever the dimension.

    Source: the ratio of χ²_k to χ²_k + χ²_{d−k}. Args: count, dim d, rank k < d of P.

    >>> random_share(3, 13_000_000_000, 1, torch.Generator().manual_seed(0)).max() < 1e-6
    tensor(True)
    """
    inside, outside = (wishart(count, 1, freedom, generator)[:, 0, 0] for freedom in (rank, dim - rank))
    return inside / (inside + outside)


def _rescaled(along: Tensor, gram: Tensor, lower: Tensor, dim: int) -> ProbeScalars:
    # the frame of √d·L⁻¹z in place of z
    half = torch.linalg.solve_triangular(lower, gram, upper=False)
    return ProbeScalars(
        along=dim**0.5 * torch.linalg.solve_triangular(lower, along[..., None], upper=False)[..., 0],
        gram=dim * torch.linalg.solve_triangular(lower, half.mT, upper=False),
    )


def wishart(count: int, probes: int, freedom: int, generator: Generator) -> Tensor:
    """Gram matrices of n standard Gaussian vectors in `freedom` dimensions, (count, n, n): L Lᵀ, Bartlett's L."""
    if freedom < probes:  # too few dimensions for a full-rank L: draw the vectors themselves
        x = _normal((count, probes, freedom), generator)
        return x @ x.mT
    lower = _normal((count, probes, probes), generator).tril(-1)
    word = torch.randint(2**62, (1,), generator=generator, device=generator.device)
    rng = numpy.random.default_rng(int(word))  # torch draws no χ²
    chi_square = torch.from_numpy(rng.chisquare(freedom - numpy.arange(probes), (count, probes)))
    lower.diagonal(dim1=1, dim2=2).copy_(chi_square.sqrt())
    return lower @ lower.mT


def _normal(shape: tuple[int, ...], generator: Generator) -> Tensor:
    return torch.randn(shape, generator=generator, device=generator.device, dtype=torch.float64)
