"""Section E: what MeZO's successors compute from the same probes: a scaled step, a curvature, a walk, a control."""

import math
from collections.abc import Callable

from mezo_lab.theory.moments import HALF, Moments, Number


def _half_step(x: float) -> float:
    """Γ(x)/Γ(x + ½), through logarithms, as Γ itself overflows."""
    return math.exp(math.lgamma(x) - math.lgamma(x + 0.5))


def inverse_spread(probes: Number, *, half_step: Callable[[Number], Number] = _half_step) -> Number:
    """E[ε‖g‖/s], s being the sample standard deviation of the losses at n points θ + εz.

    The sample variance s² is ε²‖g‖² on average, and yet 1/s is more than 1/(ε‖g‖) on average, by Jensen's inequality.

    Source: derived; claim E8, on FZOO (arXiv 2506.09034). Assumes: z Gaussian, a linear loss, n ≥ 3. With signs it is
    nearly so for large d, where the losses are nearly normal.
    Formula: √((n−1)/2)·Γ((n−2)/2)/Γ((n−1)/2).

    Args: probes: n. half_step: x → Γ(x)/Γ(x + ½), sympy's in a proof.

    >>> round(inverse_spread(8), 4), round(inverse_spread(1000), 4)
    (1.1259, 1.0008)
    """
    return ((probes - 1) * HALF) ** HALF * half_step((probes - 2) * HALF)


def spread_scaled_mean(probes: Number, *, half_step: Callable[[Number], Number] = _half_step) -> Number:
    """E[ε·uᵀĝ/s], u = g/‖g‖: how far a step ĝ = (1/(nε)) Σ_k [L(θ+εz_k) − L(θ)]·z_k divided by s goes along g.

    A normalised gradient goes 1. This is 1 − 1/(4n) but for terms of 1/n², nearer to 1 than `inverse_spread`: where the
    losses scatter little by chance, ĝ is short too.

    Source: derived; claim E8. Assumes: as `inverse_spread`. Formula: `inverse_spread`·(n−1)/n.

    Args: as `inverse_spread`.

    >>> round(spread_scaled_mean(8), 4)
    0.9851
    """
    return inverse_spread(probes, half_step=half_step) * (probes - 1) / probes


def spread_scaled_norm(dim: Number, probes: Number) -> Number:
    """E‖εĝ/s‖² for the same step: dividing by the spread normalises the mean step, and not the step.

    A normalised gradient has 1. This is nearly the (d+n+1)/n of ĝ itself, in units of ‖g‖.

    Source: derived; claim E8. Assumes: as `inverse_spread`, n ≥ 4. Formula: (n−1)(n−2)(d+n−1)/(n²(n−3)).

    Args: dim: d. probes: n.

    >>> spread_scaled_norm(100, 8)
    14.04375
    """
    return (probes - 1) * (probes - 2) * (dim + probes - 1) / (probes**2 * (probes - 3))


def curvature_diagonal(entry: Number, trace: Number, moments: Moments) -> Number:
    """E[½·zᵀHz·(z_i² − 1)]: for Gaussian probes the i-th diagonal entry of H, for signs 0 in every draw.

    Source: derived; claim E9, on HiZOO (arXiv 2402.15173). Assumes: a loss that is quadratic along the probe.
    Formula: ½·[(pair − 1)·tr H + (2·pair + coincidence)·H_ii]. For i.i.d. coordinates that is ½(κ−1)·H_ii, and on the
    sphere (d·H_ii − tr H)/(d + 2). Without the −1, as in HiZOO's code, it is ½·tr H more.

    Args: entry: H_ii. trace: tr H. moments: of the law of z.

    >>> curvature_diagonal(3, 10, Moments(1, 0)), curvature_diagonal(3, 10, Moments(1, -2))  # Gaussian, signs
    (3.0, 0.0)
    """
    return ((moments.pair - 1) * trace + (2 * moments.pair + moments.coincidence) * entry) / 2


_DENSITY = math.exp(-0.5) / math.sqrt(2 * math.pi)  # of a normal number, at 1
_INSIDE = math.erf(math.sqrt(0.5))  # the probability that it lies between −1 and 1


def curvature_magnitude(
    entry: Number, trace: Number, *, density: Number = _DENSITY, inside: Number = _INSIDE
) -> Number:
    """E|½·zᵀHz·(z_i² − 1)| where H has no negative eigenvalue: what an absolute value makes of `curvature_diagonal`.

    It is at least abs(H_ii) for any H, by Jensen's inequality, and grows with the curvature of all other coordinates.

    Source: derived; claim E9. Assumes: z Gaussian, H ⪰ 0; then zᵀHz ≥ 0, and the sign is that of z_i² − 1.
    Formula: ½·[4φ·(tr H − H_ii) + (2 + 12φ − 4P)·H_ii], φ = e^(−½)/√(2π) the density of a normal number at 1, and P the
    probability that it lies between −1 and 1.

    Args: entry: H_ii. trace: tr H. density: φ, and inside: P, sympy's in a proof.

    >>> round(curvature_magnitude(1.0, 1.0), 3), round(curvature_magnitude(1.0, 100.0), 3)
    (1.086, 48.997)
    """
    return (4 * density * (trace - entry) + (2 + 12 * density - 4 * inside) * entry) / 2


def walk_norm(steps: Number, factor: Number, grad_sq: Number = 1, lr: Number = 1) -> Number:
    """E‖θ_T − θ_0‖² after T steps of MeZO on a linear loss.

    Source: derived; claim E10. Assumes: ĝ unbiased, steps with independent probes, one learning rate.
    Formula: η²‖g‖²·T·(T − 1 + f), of which η²‖g‖²·T² is the walk of gradient descent.

    Args: steps: T. factor: f = E‖ĝ‖²/‖g‖², `norm_factor`. grad_sq: ‖g‖². lr: η.

    >>> walk_norm(10, 102)
    1110
    """
    return lr**2 * grad_sq * steps * (steps - 1 + factor)


def signal_share(steps: Number, factor: Number) -> Number:
    """The part of `walk_norm` that gradient descent would have walked: T/(T − 1 + f).

    With a schedule of learning rates T is (Ση)²/Ση². Where gradients turn or shrink on their way, their sum is shorter,
    by Cauchy and Schwarz: then this bounds the part ‖Σ ηg_t‖² of the sum of signal and noise from above. It does not
    bound its part of ‖θ_T − θ_0‖², which a bowl makes less than that sum: later steps take earlier noise back.

    Source: derived; claim E10. Assumes: as `walk_norm`.

    Args: steps: T, whole or not. factor: f = E‖ĝ‖²/‖g‖².

    >>> signal_share(100, 1.0), round(signal_share(1000, 134_515_010), 8)  # gradient descent; 135 million weights
    (1.0, 7.43e-06)
    """
    return steps / (steps - 1 + factor)


def control_variate(variance: Number, correlation: Number) -> Number:
    """What a control variate leaves of a variance: E‖(ĝ − g) − c·(ĥ − E[ĥ])‖² at its best coefficient c.

    The best c is Cov/Var(ĥ). With any other c more is left, and it may be more than there was; so it is with c = 1 for
    estimates that have little in common.

    Source: derived; claim E14. Assumes: E[ĥ] known. Formula: (1 − ρ²)·Var(ĝ).

    Args: variance: E‖ĝ − g‖². correlation: ρ = Cov/√(Var(ĝ)·Var(ĥ)).

    >>> control_variate(10.0, 0.9)
    1.8999999999999995
    """
    return variance * (1 - correlation**2)


def probe_covariance(product: Number, noise: Number, factor: Number) -> Number:
    """E[ĝᵀĥ] − gᵀh for two gradients that are estimated along the same probes and on the same minibatch.

    With h = g it is the variance of ĝ. Along probes of their own the two share their minibatch alone, and `noise` is
    all that is left: their correlation falls with the factor, and so with the dimension.

    Source: derived; claim E14. Assumes: z independent of the minibatch. Formula: f·(gᵀh + tr C/B) − gᵀh.

    Args: product: gᵀh. noise: tr C/B, C being the covariance of one example's two gradients. factor: f of A2.

    >>> probe_covariance(1.0, 3.0, 13.75), probe_covariance(1.0, 3.0, 1.0)  # four Gaussian probes at d = 50; exact ones
    (54.0, 3.0)
    """
    return factor * (product + noise) - product


def moving_anchor_norm(grad_sq: Number, noise: Number, factor: Number) -> Number:
    """E‖ĝ − ĝ′‖² of two estimates of one minibatch's gradient, along different probes: what an anchor adds that moves.

    An anchor that moves with the weights is θ itself. The difference of the two estimates is 0 on average, so that a
    step is left with the stored gradient alone, and it scatters nearly twice as much as ĝ.

    Source: derived; claim E14. Formula: 2·(f − 1)·(‖g‖² + tr Σ/B).

    Args: grad_sq: ‖g‖². noise: tr Σ/B. factor: f of A2.

    >>> moving_anchor_norm(1.0, 0.0, 52.0)
    102.0
    """
    return 2 * (factor - 1) * (grad_sq + noise)
