"""The fourth moments of every law of z, as plain arithmetic: no torch, so that proofs and browsers have them too.

A law enters every formula of section A through `Moments` alone. For laws of independent coordinates they follow from
the kurtosis κ = E[z_i⁴]; for the others from the dimension d.
"""

from collections.abc import Callable
from fractions import Fraction

from mezo_lab.theory.estimator import Moments, Number

KURTOSIS: dict[str, Number] = {"gaussian": 3, "rademacher": 1, "uniform": Fraction(9, 5), "three-point": 3}


def independent_moments(kurtosis: Number) -> Moments:
    """Independent coordinates of kurtosis κ: E[z_i⁴] = κ exceeds the Gaussian 3 by the coincidence κ − 3.

    >>> independent_moments(3)
    Moments(pair=1, coincidence=0, across=1, swap=0)
    """
    return Moments(pair=1, coincidence=kurtosis - 3)


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
    """√d times orthonormal directions: each is uniform on the sphere, and two of a step see one another.

    z ⟂ z′ and ‖z‖² = d give across·d + 2·swap = d and across + (d+1)·swap = 0; d = 1 has no second probe.

    >>> m = orthogonal_moments(Fraction(4))
    >>> m.across * 4 + 2 * m.swap, m.across + 5 * m.swap
    (Fraction(4, 1), Fraction(0, 1))
    """
    if dim == 1:
        return sphere_moments(dim)
    span = (dim + 2) * (dim - 1)
    return Moments(pair=dim / (dim + 2), coincidence=0, across=dim * (dim + 1) / span, swap=-dim / span)


def _independent(name: str) -> Callable[[Number], Moments]:
    return lambda dim: independent_moments(KURTOSIS[name])


MOMENTS: dict[str, Callable[[Number], Moments]] = {
    **{name: _independent(name) for name in KURTOSIS},
    "sphere": sphere_moments,
    "coordinate": coordinate_moments,
    "orthogonal": orthogonal_moments,
}
