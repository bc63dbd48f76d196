"""The laws of z: how a probe direction is drawn, and its exact moments.

Every law here is isotropic, E[z zᵀ] = I, so ĝ is unbiased for each of them. They differ in the fourth moments
(`Law.moments`), and that alone decides whether the norm factor reads (d+n+1)/n or (d+n−1)/n.

The samplers here draw from a torch generator, for Monte Carlo. `mezo_lab.optim.noise.coordinates` samples the four laws
of independent coordinates a second time, on purpose: there a coordinate is a function of its address.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from mezo_lab.theory import (
    KURTOSIS,
    Moments,
    Number,
    coordinate_moments,
    fourth_moment,
    independent_moments,
    low_rank_fourth_moment,
    orthogonal_moments,
    sphere_moments,
)
from mezo_lab.validation import one_of

Draw = Callable[[tuple[int, ...], Generator], Tensor]


@dataclass(frozen=True)
class Law:
    """A law of z: E[z zᵀ] = I.

    Two-sided estimates need no more: pg·z is the same for z and −z, so that E[z] does not matter. One-sided ones are
    unbiased only where third moments are 0, as they are for every law of the library.

    `rotation_invariant` says that z and Rz have one law for every rotation R; such laws can be sampled through a
    handful of scalars at any dimension (`mezo_lab.sampling.reduced`).
    """

    name: str
    rotation_invariant: bool = False

    def moments(self, dim: Number) -> Moments:
        """The law's fourth moments at dimension `dim`, a number or a symbol."""
        raise NotImplementedError

    def fourth_moment(self, dim: Number) -> Number:
        """The c in E[‖z‖² z zᵀ] = c·I."""
        return fourth_moment(dim, self.moments(dim))

    def sample(self, count: int, probes: int, dim: int, generator: Generator) -> Tensor:
        """Draw `count` independent sets of `probes` directions; the private generator fixes values and device.

        Args: count, probes, dim: positive integers. generator: a torch generator; the global one is never touched.
        Returns: float64 tensor of shape (count, probes, dim).
        Raises: ValueError when the law has no such set.

        >>> z = LAWS["sphere"].sample(3, 2, 5, torch.Generator().manual_seed(0))
        >>> z.shape, bool(torch.allclose(z.square().sum(-1), torch.tensor(5.0).double()))
        (torch.Size([3, 2, 5]), True)
        """
        raise NotImplementedError

    def streams(self) -> str:
        """The law of the keyed coordinates (`mezo_lab.optim.noise`) that its z are made of.

        Raises: ValueError when the law has none.
        """
        raise NotImplementedError

    def mixing(self, gram: Tensor) -> Tensor | None:
        """C in z_k = √d Σ_j C_kj x_j, for the streams x_j of one step; None where z_k is x_k itself.

        Args: gram: x_jᵀx_k, float64 (n, n). Returns: float64 (n, n).
        """
        return None

    @property
    def mixes(self) -> bool:
        """Whether `mixing` is needed, which costs a pass over all coordinates."""
        return type(self).mixing is not Law.mixing


@dataclass(frozen=True)
class Iid(Law):
    """Independent coordinates of zero mean, unit variance and kurtosis κ = E[z_i⁴]: bring your own sampler.

    Args:
        name: of the law.
        draw: (shape, generator) → tensor of that shape.
        kurtosis: κ ≥ 1, a number (a `Fraction` keeps the proofs exact).

    Raises: ValueError without a sampler, or for an impossible kurtosis.

    >>> coin = Iid("coin", draw=signs, kurtosis=1)
    >>> coin.fourth_moment(10)
    10
    """

    draw: Draw | None = None
    kurtosis: Number = 3

    def __post_init__(self):
        if self.draw is None:
            raise ValueError(f"`draw` of law {self.name!r} must be a function (shape, generator) -> tensor; got None.")
        if self.kurtosis < 1:
            raise ValueError(f"`kurtosis` is E[z⁴] ≥ (E[z²])² = 1, got {self.kurtosis}: no law has that; recompute it.")

    def moments(self, dim: Number) -> Moments:
        return independent_moments(self.kurtosis)

    def sample(self, count, probes, dim, generator):
        assert self.draw is not None
        z = self.draw((count, probes, dim), generator)
        if not isinstance(z, Tensor) or z.shape != (count, probes, dim):
            returned = f"shape {tuple(z.shape)}" if isinstance(z, Tensor) else type(z).__name__
            raise ValueError(
                f"`draw` of law {self.name!r} must return a tensor of the shape it is given, {(count, probes, dim)}; "
                f"got {returned}: draw one number for each place of `shape`."
            )
        return z.double()

    def streams(self):
        if self.name not in KURTOSIS:
            known = ", ".join(KURTOSIS)
            raise ValueError(f"`law` {self.name!r} has no keyed coordinates, only a sampler: choose one of {known}.")
        return self.name


@dataclass(frozen=True)
class Sphere(Law):
    """Uniform on the sphere of radius √d: the convention of the paper's section 4."""

    def moments(self, dim: Number) -> Moments:
        return sphere_moments(dim)

    def sample(self, count, probes, dim, generator):
        x = gaussian((count, probes, dim), generator).double()
        return x * (dim**0.5 / x.norm(dim=-1, keepdim=True))

    def streams(self):
        return "gaussian"

    def mixing(self, gram):
        return torch.diag(gram.diagonal().rsqrt())


@dataclass(frozen=True)
class Coordinate(Law):
    """±√d·e_i with i uniform: one coordinate at a time."""

    def moments(self, dim: Number) -> Moments:
        return coordinate_moments(dim)

    def sample(self, count, probes, dim, generator):
        index = torch.randint(dim, (count, probes, 1), generator=generator, device=generator.device)
        sign = signs((count, probes, 1), generator).double()
        z = torch.zeros(count, probes, dim, dtype=torch.float64, device=generator.device)
        return z.scatter_(-1, index, sign * dim**0.5)

    def streams(self):
        return "coordinate"


@dataclass(frozen=True)
class Orthogonal(Law):
    """n ≤ d Haar-orthonormal directions, each scaled by √d: within a step no direction is probed twice."""

    def moments(self, dim: Number) -> Moments:
        return orthogonal_moments(dim)

    def sample(self, count, probes, dim, generator):
        self.fits(probes, dim)
        x = gaussian((count, probes, dim), generator).double()
        return dim**0.5 * gram_schmidt(x)

    def streams(self):
        return "gaussian"

    def mixing(self, gram):
        return torch.linalg.inv(torch.linalg.cholesky(gram))  # rows of L⁻¹X are orthonormal, as XXᵀ = LLᵀ

    def fits(self, probes: int, dim: int) -> None:
        """Raises ValueError when there is no room for so many orthogonal directions."""
        if probes > dim:
            raise ValueError(
                f"`probes` must be at most `dim` for the orthogonal law, got {probes} > {dim}: "
                f"only {dim} directions can be orthogonal; lower --probes or raise --dim."
            )


@dataclass(frozen=True)
class LowRank(Law):
    """z = UVᵀ/√k on one m×n matrix of weights, d = mn, U (m, k) and V (n, k) of independent coordinates.

    The law of LOZO (arXiv 2410.07698) and EGGROLL (2511.16652). E[z zᵀ] = I, and so ĝ is unbiased. Its fourth moments
    distinguish rows from columns, which `Moments` cannot; `fourth_moment` gives the c of the norm factor, by
    `theory.low_rank_fourth_moment`.

    Args:
        name: as `MeZO` and the registry know the law.
        rank: k.
        shape: (m, n), which a sample needs; `MeZO` takes that of each parameter.
        factors: the law of the coordinates of U and V; None for the Gaussian, which `MeZO` uses.

    >>> z = LowRank("low-rank", rank=2, shape=(4, 3)).sample(1, 1, 12, torch.Generator().manual_seed(0))
    >>> z.shape, int(torch.linalg.matrix_rank(z.view(4, 3)))
    (torch.Size([1, 1, 12]), 2)
    """

    rank: int = 1
    shape: tuple[int, int] | None = None
    factors: Iid | None = None

    def fourth_moment(self, dim: Number) -> Number:
        rows, columns = self._matrix(dim)
        return low_rank_fourth_moment(rows, columns, self.rank, self._factors.kurtosis)

    def sample(self, count, probes, dim, generator):
        rows, columns = self._matrix(dim)
        draw = self._factors.draw
        assert draw is not None
        u = draw((self.rank, count, probes, rows), generator).double()
        v = draw((self.rank, count, probes, columns), generator).double()
        z = u[0, ..., None] * v[0, ..., None, :]
        for a in range(1, self.rank):  # products of many small matrices would take several times as long
            z += u[a, ..., None] * v[a, ..., None, :]
        return z.flatten(2) / self.rank**0.5

    def streams(self):
        return "low-rank"

    @property
    def _factors(self) -> Iid:
        return self.factors or _GAUSSIAN

    def _matrix(self, dim: Number) -> tuple[int, int]:
        if self.shape is None or self.shape[0] * self.shape[1] != dim:
            raise ValueError(
                f"`shape` must be that of a matrix of {dim} weights, got {self.shape}: give (rows, columns)."
            )
        return self.shape


def gram_schmidt(x: Tensor) -> Tensor:
    """Orthonormalise the rows of x, twice for accuracy: Haar when x is Gaussian. Shapes (…, n, d) → (…, n, d)."""
    q = x.clone()
    for k in range(x.shape[-2]):
        row = q[..., k, :]  # (…, d)
        done = q[..., :k, :]  # (…, k, d)
        for _ in range(2):
            overlap = torch.einsum("...kd,...d->...k", done, row)
            row = row - torch.einsum("...k,...kd->...d", overlap, done)
        q[..., k, :] = row / row.norm(dim=-1, keepdim=True)
    return q


def gaussian(shape: tuple[int, ...], generator: Generator) -> Tensor:
    """Draw standard normal coordinates."""
    # float32 normals cost a fifth of float64 ones; their 24 bits are far below any Monte Carlo error
    return torch.randn(shape, generator=generator, device=generator.device)


def signs(shape: tuple[int, ...], generator: Generator) -> Tensor:
    """Draw −1 or +1 for each coordinate."""
    return torch.randint(2, shape, generator=generator, device=generator.device, dtype=torch.int8) * 2 - 1


def uniform(shape: tuple[int, ...], generator: Generator) -> Tensor:
    """Draw coordinates uniform in [−√3, √3), of unit variance."""
    return (torch.rand(shape, generator=generator, device=generator.device) * 2 - 1) * 3**0.5


def three_point(shape: tuple[int, ...], generator: Generator) -> Tensor:
    """Draw −√3, 0 or √3, with probabilities 1/6, 2/3 and 1/6: the kurtosis of the Gaussian in three values."""
    face = torch.randint(6, shape, generator=generator, device=generator.device, dtype=torch.int8)
    return ((face == 0).float() - (face == 1).float()) * 3**0.5


_GAUSSIAN = Iid("gaussian", rotation_invariant=True, draw=gaussian, kurtosis=KURTOSIS["gaussian"])
LAWS: dict[str, Law] = {
    law.name: law
    for law in (
        _GAUSSIAN,
        Iid("rademacher", draw=signs, kurtosis=KURTOSIS["rademacher"]),
        Iid("uniform", draw=uniform, kurtosis=KURTOSIS["uniform"]),
        Iid("three-point", draw=three_point, kurtosis=KURTOSIS["three-point"]),
        Sphere("sphere", rotation_invariant=True),
        Coordinate("coordinate"),
        Orthogonal("orthogonal", rotation_invariant=True),
    )
}
"""The laws of z, by name. Each has E[z zᵀ] = I."""

KEYED_LAWS: dict[str, Law] = LAWS | {"low-rank": LowRank("low-rank")}
"""The laws of the keyed coordinates, which `MeZO` takes: `LAWS`, and "low-rank" at rank one, whose fourth moments
depend on the shape of a matrix."""


def law_named(name: str, laws: Mapping[str, Law] = LAWS) -> Law:
    """The law of that name. Args: laws: those to choose from; `KEYED_LAWS` knows "low-rank" too.

    Raises: ValueError naming the nearest laws.

    >>> law_named("gaussian").fourth_moment(10)
    12
    """
    return laws[one_of("law", name, laws)]
