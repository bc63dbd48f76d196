"""The fourth moments of every law of z, as plain arithmetic: no torch, so that proofs and browsers have them too.

Four numbers describe all that a law contributes to second moments of ĝ (`Moments`). For laws of independent coordinates
they follow from the kurtosis κ = E[z_i⁴]; for the others from the dimension d.
"""

from collections.abc import Callable
from fractions import Fraction
from typing import Any, NamedTuple

Number = Any
"""An int, float, Fraction or sympy expression: only + - * / ** are used."""
HALF = Fraction(1, 2)  # an exponent that leaves symbols exact


class Moments(NamedTuple):
    """The two fourth-order tensors of an isotropic law, z and z′ being two probes of one step.

    Source: Isserlis' theorem for the Gaussian; the others derived in `mezo_lab.proofs`.

        E[z_i z_j z_k z_l]   = pair · (δ_ij δ_kl + δ_ik δ_jl + δ_il δ_jk) + coincidence · δ_ijkl
        E[z_i z_j z′_k z′_l] = across · δ_ij δ_kl + swap · (δ_ik δ_jl + δ_il δ_jk)

    Independent probes have across = 1 and swap = 0, the defaults; only orthogonal probes differ.

    >>> Moments(pair=1, coincidence=0)  # the Gaussian
    Moments(pair=1, coincidence=0, across=1, swap=0)
    """

    pair: Number
    coincidence: Number
    across: Number = 1
    swap: Number = 0


def fourth_moment(dim: Number, moments: Moments) -> Number:
    """The c in E[‖z‖² z zᵀ] = c·I.

    Source: derived for each law in `mezo_lab.proofs`. Formula: c = pair·(d + 2) + coincidence.

    Args: dim: d. moments: of the law.
    Returns: c; d + 2 for the Gaussian, d for the sphere and for signs.

    >>> fourth_moment(10, Moments(1, 0)), fourth_moment(10, Moments(1, -2))  # Gaussian, signs
    (12, 10)
    """
    return moments.pair * (dim + 2) + moments.coincidence


def rotation_average(dim: Number, moments: Moments) -> Moments:
    """The moments that a law has on average over all rotations of the loss: what it sees in general directions.

    Signs have their small γ, r at n = 1, only where H lies along the coordinates. In general directions they have
    neither that nor the Gaussian's r + 2: a law whose length is fixed becomes the sphere, γ = d(r+2)/(d+2), about
    r + 2 − 2r/d. For r ≪ d that is the Gaussian's; at r = d it is the signs' own.

    Source: derived; the mean of δ_ijkl over rotations is (δ_ij δ_kl + δ_ik δ_jl + δ_il δ_jk)/(d + 2), the one symmetric
    tensor that no rotation changes and that has the same trace. Formula: pair + coincidence/(d + 2), and coincidence 0.
    Assumes: probes that are independent, or a law that no rotation changes.

    Args: dim: d. moments: of the law.
    Returns: moments without coincidence, of the same c = `fourth_moment`.

    >>> rotation_average(18, Moments(1, -2))  # signs: the sphere's d/(d+2)
    Moments(pair=0.9, coincidence=0, across=1, swap=0)
    """
    return moments._replace(pair=moments.pair + moments.coincidence / (dim + 2), coincidence=0)


def low_rank_fourth_moment(rows: Number, columns: Number, rank: Number, kurtosis: Number = 3) -> Number:
    """The c in E[‖z‖² z zᵀ] = c·I for z = vec(UVᵀ)/√k, U (m, k) and V (n, k) of independent coordinates.

    Drawing k(m+n) numbers in place of mn does not reduce the variance. With Gaussian coordinates c is above the d + 2
    of a Gaussian z, and falls to it as k grows. With signs c is d at k = 1, as of a z of signs, and rises to d + 2.

    Source: derived; the law of LOZO (arXiv 2410.07698) and EGGROLL (2511.16652).
    Assumes: coordinates that are symmetric about 0, of variance 1.
    Formula: d + 2 + ((κ−1)(m+n+κ−1) − 2)/k with d = mn; Gaussian d + 2 + 2(m+n+1)/k, at k = 1 (m+2)(n+2); signs
    d + 2 − 2/k.

    Args: rows: m. columns: n. rank: k. kurtosis: κ of the coordinates of U and V.

    >>> low_rank_fourth_moment(6, 4, 1), low_rank_fourth_moment(6, 4, 2), low_rank_fourth_moment(6, 4, 1, kurtosis=1)
    (48.0, 37.0, 24.0)
    """
    own = (kurtosis - 1) * (rows + columns + kurtosis - 1) - 2
    return rows * columns + 2 + own / rank


def cross_moment(dim: Number, moments: Moments) -> Number:
    """The x in E[z zᵀ z′ z′ᵀ] = x·I for two probes of one step: 1 when independent, 0 when orthogonal.

    Source: derived. Formula: x = across + swap·(d + 1).

    >>> cross_moment(10, Moments(1, 0))
    1
    """
    return moments.across + moments.swap * (dim + 1)


KURTOSIS: dict[str, Number] = {"gaussian": 3, "rademacher": 1, "uniform": Fraction(9, 5), "three-point": 3}
"""κ = E[z_i⁴] of the laws with independent coordinates of unit variance, by name."""


def independent_moments(kurtosis: Number) -> Moments:
    """Independent coordinates of kurtosis κ: E[z_i⁴] = κ exceeds the Gaussian 3 by the coincidence κ − 3.

    >>> independent_moments(3)
    Moments(pair=1, coincidence=0, across=1, swap=0)
    """
    return Moments(pair=1, coincidence=kurtosis - 3)


GAUSSIAN = independent_moments(3)
"""The moments of independent Gaussian probes, at every dimension."""


def sphere_moments(dim: Number) -> Moments:
    """Uniform on the sphere of radius √d: E[z_i²z_j²] = d/(d+2).

    >>> sphere_moments(Fraction(4)).pair
    Fraction(2, 3)
    """
    return Moments(pair=dim / (dim + 2), coincidence=0)


def coordinate_moments(dim: Number) -> Moments:
    """±√d·e_i: two coordinates never meet, and E[z_i⁴] = d.

    >>> coordinate_moments(10).coincidence
    10
    """
    return Moments(pair=0, coincidence=dim)


def orthogonal_moments(dim: Number) -> Moments:
    """√d times orthonormal directions: each is uniform on the sphere, and two probes of a step depend on each other.

    z ⟂ z′ and ‖z‖² = d give across·d + 2·swap = d and across + (d+1)·swap = 0; d = 1 has no second probe.

    >>> moments = orthogonal_moments(Fraction(4))
    >>> moments.across * 4 + 2 * moments.swap, moments.across + 5 * moments.swap
    (Fraction(4, 1), Fraction(0, 1))
    """
    if dim == 1:
        return sphere_moments(dim)
    across = dim * (dim + 1) / ((dim + 2) * (dim - 1))
    swap = -dim / ((dim + 2) * (dim - 1))
    return Moments(pair=dim / (dim + 2), coincidence=0, across=across, swap=swap)


MOMENTS: dict[str, Callable[[Number], Moments]] = {
    **{name: lambda dim, kurtosis=kurtosis: independent_moments(kurtosis) for name, kurtosis in KURTOSIS.items()},
    "sphere": sphere_moments,
    "coordinate": coordinate_moments,
    "orthogonal": orthogonal_moments,
}
"""The moments of each law, by name, as functions of the dimension d: a number or a symbol."""
