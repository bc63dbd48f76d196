"""The same means without any derivation: a polynomial in the components of z, averaged monomial by monomial.

This file knows the exact mean of one monomial under each law, from the law's density, and nothing of pairings, of
coincidences or of closed forms; so it can contradict a proof.
"""

from collections.abc import Callable
from functools import cache
from math import prod

import sympy
from sympy import QQ, Expr, Integer, Rational, gamma, pi
from sympy.polys.rings import PolyElement

from mezo_lab.proofs.notation import Scalar, kappa

skewness = Scalar("ζ")  # E[z₁³] of an i.i.d. law: no claim may depend on it
Row = tuple[int, ...]  # the exponents of one probe's components in a monomial

ONE_COORDINATE: dict[str, Callable[[int], Expr]] = {
    "gaussian": lambda k: sympy.factorial2(k - 1),
    "rademacher": lambda k: Integer(1),
    "uniform": lambda k: Rational(3 ** (k // 2), k + 1),
    "three-point": lambda k: Rational(3 ** (k // 2), 3),
}


@cache
def coordinate_moment(law: str, k: int) -> Expr:
    """E[z₁ᵏ] under an i.i.d. law."""
    if law == "iid":
        return {0: Integer(1), 1: Integer(0), 2: Integer(1), 3: skewness, 4: kappa}[k]
    if k == 0:
        return Integer(1)
    if k % 2:
        return Integer(0)
    return ONE_COORDINATE[law](k)


@cache
def sphere_moment(row: Row) -> Expr:
    """E[∏ zᵢ^aᵢ] on the sphere of radius √d.

    Source: Folland (2001), "How to integrate a polynomial over a sphere". Formula, for even aᵢ of sum a:
    d^(a/2)·Γ(d/2)·∏ Γ((aᵢ+1)/2) / (π^(d/2)·Γ((d+a)/2)).

    >>> sphere_moment((4,)), sphere_moment((2, 2))
    (1, 1/2)
    """
    if any(a % 2 for a in row):
        return Integer(0)
    dim = Integer(len(row))
    total = sum(row)
    gammas = prod((gamma(Rational(a + 1, 2)) for a in row), start=gamma(dim / 2))
    return dim ** (total // 2) * gammas / (pi ** (dim / 2) * gamma((dim + total) / 2))


def single_moment(law: str, row: Row) -> Expr:
    """The mean of a monomial in the components of one probe."""
    match law:
        case "sphere" | "orthogonal":
            return sphere_moment(row)
        case "coordinate":
            exponents = [a for a in row if a]
            if not exponents:
                return Integer(1)
            if len(exponents) > 1 or exponents[0] % 2:
                return Integer(0)
            return Rational(len(row) ** (exponents[0] // 2), len(row))
    return prod((coordinate_moment(law, a) for a in row), start=Integer(1))


def orthogonal_pair_moment(row: Row, other: Row) -> Expr:
    """The mean of a monomial in z and z′ ⟂ z, of degree two in z′.

    Given z, z′ is uniform on the sphere of radius √d within the complement of z, so E[z′z′ᵀ | z] = d/(d−1)·(I − zzᵀ/d).

    >>> orthogonal_pair_moment((2, 0), (0, 2))
    3/2
    """
    if sum(other) % 2 or sum(row) % 2:
        return Integer(0)  # one probe may be flipped without the other
    if sum(other) != 2:
        raise ValueError(f"`other` must be of degree 2 in the second probe, got exponents {other}: only that is exact.")
    dim = len(row)
    both = tuple(a + b for a, b in zip(row, other, strict=True))
    moment = -sphere_moment(both) / dim
    if 2 in other:
        moment += sphere_moment(row)
    return Rational(dim, dim - 1) * moment


@cache
def monomial_moment(law: str, rows: tuple[Row, ...]) -> Expr:
    """The mean of a monomial, given the exponents of each probe's components."""
    probes = sorted((row for row in rows if any(row)), key=sum, reverse=True)
    if law == "orthogonal" and len(probes) == 2:
        return orthogonal_pair_moment(*probes)
    if law == "orthogonal" and len(probes) > 2:
        raise ValueError(
            f"`rows` must hold at most two probes for the orthogonal law, got {len(probes)}: lower `probes`."
        )
    return prod((single_moment(law, row) for row in probes), start=Integer(1))


def mean(law: str, polynomial: PolyElement, dim: int) -> Expr:
    """The exact mean of a polynomial whose indeterminates are the components of the first probe, then of the second, …

    >>> from sympy import ring
    >>> _, z1, z2 = ring("z1, z2", QQ)
    >>> mean("gaussian", (z1**2 + z2**2) ** 2, dim=2)  # E‖z‖⁴ = d(d+2)
    8
    """
    total = Integer(0)
    for exponents, coefficient in polynomial.terms():
        # one row of exponents for each probe
        rows = tuple(exponents[k : k + dim] for k in range(0, len(exponents), dim))
        total += QQ.to_sympy(coefficient) * monomial_moment(law, rows)
    return sympy.expand(total)
