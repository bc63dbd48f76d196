"""Directions in a subspace of a matrix of weights: what a kept one costs, and what one that fits the gradient gains.

The weights are a matrix Θ of p rows and q columns, G is its gradient, V (q, k) is orthonormal and the directions are
z = vec(UVᵀ), with U (p, k) of any isotropic law: pk numbers in place of pq. P = VVᵀ projects on the subspace.
"""

from mezo_lab.theory.moments import Number


def subspace_mean(inside: Number, columns: Number, rank: Number) -> Number:
    """E[ĝ] for a V that is kept: ĝ is blind outside the subspace, and q/k times too long inside it.

    Source: derived; the V that LOZO (arXiv 2410.07698) keeps for some steps, and SubZero's (2410.08989).
    Assumes: z = √(q/k)·vec(UVᵀ), isotropic on average over V. Formula: (q/k)·GP.

    Args: inside: GP, or its projection on any matrix. columns: q. rank: k.

    >>> subspace_mean(0.25, 4, 1)
    1.0
    """
    return columns / rank * inside


def subspace_loss(share: Number, steps: Number, factor: Number) -> Number:
    """E[L]/L(θ₀) after some steps with one V: the part of the loss outside the subspace stays.

    With dimension pk the steps may be longer, 1/γ(pk) in place of 1/γ(pq), but they work on a share of the loss, k/q on
    average over V. The two cancel at first, and (1 − x)^T is convex, so the next steps do less: no forward pass is
    saved, for any T.

    Source: derived. Assumes: L = ½·ℓ·‖Θ‖², the best step for dimension pk. Formula: 1 − share·(1 − (1 − 1/γ)^T).

    Args: share: ‖GP‖²/‖G‖², or its mean k/q over V. steps: T. factor: γ = `norm_factor` at dimension pk.

    >>> subspace_loss(1 / 4, 1, 8.0) > 1 - 1 / 26  # p = 6, q = 4, k = 1, Gaussian: all 24 dimensions, γ = 26, do better
    True
    """
    return 1 - share * (1 - (1 - 1 / factor) ** steps)


def subspace_cosine(share: Number, rows: Number, rank: Number) -> Number:
    """E[cos²(z, G)] of one direction: the captured share of the gradient, spread over pk dimensions.

    Source: derived. Assumes: U uniform in direction (any length), or isotropic of a fixed length.
    Formula: share/(pk). A random V captures k/q on average, which gives 1/(pq), as of directions in all dimensions; a V
    that spans the inputs of a linear layer captures 1, as G = Σ_t δ_t x_tᵀ over its tokens (AGZO, arXiv 2601.17261).

    Args: share: ‖GP‖²/‖G‖². rows: p. rank: k.

    >>> subspace_cosine(1.0, 6, 2), subspace_cosine(2 / 4, 6, 2) == 1 / 24
    (0.08333333333333333, True)
    """
    return share / (rows * rank)


def subspace_gain(share: Number, whole: Number, inside: Number) -> Number:
    """How many times fewer steps directions in a subspace need than directions in all dimensions, at the best rates.

    The best step removes (gᵀE[ĝ])²/(2·E[ĝᵀHĝ]) of the loss. With one Gaussian probe E[ĝᵀHĝ] is
    tr(H)·‖g‖² + 2·gᵀHg, and in the subspace the same with g and H inside it; where the traces are large, the gain is
    the captured share of the gradient over the captured share of the curvature. For a random V these are both k/q, and
    nothing is gained. For the inputs of a linear layer the first is 1; but the curvature of the layer's loss on the
    same examples lies in the same span, and where there is no other, nothing is gained either.

    Source: derived. Assumes: a quadratic loss, one step. Formula: share²·whole/inside.

    Args: share: ‖GP‖²/‖G‖². whole: E[ĝᵀHĝ] of directions in all dimensions. inside: that of z = vec(UVᵀ).

    >>> subspace_gain(1.0, 24 + 2, 6 + 2), subspace_gain(1.0, 6 + 2, 6 + 2)  # H = I; H = P, with pk = 6
    (3.25, 1.0)
    """
    return share**2 * whole / inside
