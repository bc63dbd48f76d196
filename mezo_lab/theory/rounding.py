"""Weights on a grid of spacing Δ: what rounding leaves of a step, for probes of signs.

A step of signs moves every coordinate by the same amount, η·abs(pg). So rounding to nearest moves all of them or none.
Throughout, the spacing is given in units of η‖g‖, and all coordinates of g are equal in size, so that pg/‖g‖ is a sum
of d independent signs over √d; for large d that is nearly normal.
"""

import math

from mezo_lab.theory.moments import Number


def nearest_share(spacing: float, dim: int) -> float:
    """What rounding to nearest leaves of the descent of a step of signs.

    Steps with η·abs(pg) < Δ/2 are lost; those above are rounded to whole spacings, so that for a coarse grid few and
    long steps remain. For large d and δ ≥ 2, δ being the spacing, it is about δ√(2/π)·exp(−δ²/8); for a fine grid it
    is 1.

    Source: derived; claim E13. Assumes: one probe of signs, all coordinates of g equal in size.
    Formula: Σ_k C(d, k)·2⁻ᵈ·w·δ·round(w/δ) with w = (2k − d)/√d and δ = Δ/(η‖g‖); a tie goes to the even neighbour.

    Args: spacing: δ > 0. dim: d.

    >>> nearest_share(0.01, 16).__round__(3), nearest_share(9.0, 16)
    (1.0, 0.0)
    """
    kept = 0.0
    for ones in range(dim + 1):
        slope = (2 * ones - dim) / math.sqrt(dim)
        kept += math.comb(dim, ones) / 2**dim * slope * spacing * round(slope / spacing)
    return kept


def sign_magnitude(dim: int) -> float:
    """E abs(pg)/‖g‖ for signs, where all coordinates of g are equal in size; √(2/π) as d grows.

    Source: the mean distance of a random walk from its start. Formula: √d·C(d−1, ⌊(d−1)/2⌋)/2^(d−1).

    Args: dim: d.

    >>> sign_magnitude(1), sign_magnitude(2) == 0.5**0.5
    (1.0, True)
    """
    chance = math.comb(dim - 1, (dim - 1) // 2) / 2 ** (dim - 1)  # of whole numbers, which may be beyond a float
    return math.sqrt(dim) * chance


def stochastic_norm(dim: Number, spacing: Number, magnitude: Number) -> Number:
    """E‖Δθ‖²/(η‖g‖)² of a step of signs that is rounded up or down at random, so that its mean stays.

    Unbiased, and long: a coordinate that is to move by u < Δ moves by Δ with probability u/Δ, so E[Δθ_i²] = Δ·u in
    place of u².

    Source: derived; claim E13. Assumes: no coordinate is to move by more than Δ. Formula: d·δ·E abs(pg)/‖g‖, where d
    is the value without rounding.

    Args: dim: d. spacing: δ = Δ/(η‖g‖). magnitude: E abs(pg)/‖g‖.

    >>> stochastic_norm(16, 4.0, 0.5)
    32.0
    """
    return dim * spacing * magnitude
