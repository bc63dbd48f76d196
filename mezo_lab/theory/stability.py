"""Where MeZO stops being stable on a quadratic of any spectrum, from its eigenvalues or from a few numbers of them.

In the eigenbasis of H the second moments s_i = E[θ_i²] of a step θ⁺ = θ − ηĝ obey, by A3,

    s_i⁺ = (1 − 2ηλ_i + A·η²λ_i²)·s_i + B·η²·Σ_j λ_j²s_j,    E[ĝ_i²] = A·g_i² + B·‖g‖²;

A = (n+1)/n and B = 1/n for the Gaussian. The matrix of this map has no negative entry, so it contracts until its
largest eigenvalue is 1, and that is the case at the smallest η with F(η) = Σ_j Bηλ_j/(2 − Aηλ_j) = 1
(`stability_limit`). There V = Σ_j λ_jθ_j²/(2 − Aηλ_j) is a fair game, for E[V⁺] = V + η‖g‖²·(F(η) − 1) at every θ.

Source: derived here; published first, with momentum and Adam, by Song et al., "Zeroth-Order Optimization at the Edge of
Stability" (2026, arXiv 2604.14669), who find full-batch training of deep networks to stay near this edge.

Assumes throughout: H ⪰ 0, as along a negative eigenvalue no step is stable, and an H along the coordinates where
E[z_i⁴] ≠ 3·E[z_i²z_j²], as in B3. For an H in general directions pass `theory.rotation_average(d, moments)`, right for
one step on average over rotations: signs see the sphere there, which is the Gaussian only where tr H/λ_max ≪ d.

For the mean of the loss the limit is exact. A single run outlives it where few eigenvalues matter, since rare long
steps carry the mean: for H = ℓ·P_r and one Gaussian probe it diverges at a step about 1 + 12/r² times as long when r is
large, but 3.6 times when r = 1.

With momentum the second moments of θ_i and m_i and their mixed one obey three such equations for each eigenvalue.
Eliminating two of them leaves F with A − 2β/(1+β) in place of A, so that every formula here holds with it. As γ grows,
2/(ℓ(γ − 2β/(1+β))) differs less and less from 2/(ℓγ): momentum buys no larger step.
"""

from mezo_lab.theory.descent import effective_rank_factor
from mezo_lab.theory.moments import HALF, Moments, Number


def own_and_shared(probes: Number, moments: Moments) -> tuple[Number, Number]:
    """(A, B) in E[ĝ_i²] = A·g_i² + B·‖g‖².

    Source: A3, `second_moment` at W = e_i·e_iᵀ. Formula: γ of rank r is A + r·B.

    >>> own_and_shared(4, Moments(1, 0))  # Gaussian: (n+1)/n and 1/n
    (1.25, 0.25)
    """
    own = effective_rank_factor(0, probes, moments)
    return own, effective_rank_factor(1, probes, moments) - own


def momentum_relief(beta: Number) -> Number:
    """What momentum takes off γ in the largest stable learning rate.

    Source: derived. Assumes: m ← βm + (1−β)ĝ and θ ← θ − ηm. Formula: 2β/(1+β), which stays below 1.

    Args: beta: β in [0, 1).

    >>> momentum_relief(0.0), momentum_relief(1.0)
    (0.0, 1.0)
    """
    return 2 * beta / (1 + beta)


def momentum_lr(smoothness: Number, factor: Number, beta: Number) -> Number:
    """The largest stable learning rate of MeZO's own momentum, m ← βm + (1−β)ĝ, on H = ℓ·P_r.

    Source: derived. For the full spectrum of SGD: Song et al., arXiv 2604.14669.
    Assumes: as this file does, and an average over all steps. `optim.rules.Momentum` keeps all but a thousandth.
    Formula: 2/(ℓ(γ − 2β/(1+β))). β = 0 gives `largest_stable_lr`; γ = 1, the true gradient, gives 2(1+β)/((1−β)ℓ).

    Args: smoothness: ℓ. factor: γ. beta: β.

    >>> momentum_lr(1.0, 4.0, 0.0), momentum_lr(1.0, 7.0, 0.9) < 1.2 * 2 / 7
    (0.5, True)
    """
    return 2 / (smoothness * (factor - momentum_relief(beta)))


def heavy_ball_lr(smoothness: Number, factor: Number, beta: Number) -> Number:
    """The largest stable learning rate of the heavy ball, m ← βm + ĝ, as `torch.optim.SGD(momentum=β)` has it.

    Its m is 1/(1−β) times the averaged one, so its learning rate must be (1−β) times that of `momentum_lr`.
    Source: derived. Assumes: as `momentum_lr`. Formula: 2(1−β)/(ℓ(γ − 2β/(1+β))).

    >>> round(heavy_ball_lr(1.0, 1.0, 0.9), 6)  # the true gradient: 2(1+β)/ℓ
    3.8
    """
    return (1 - beta) * momentum_lr(smoothness, factor, beta)


def largest_stable_step(trace: Number, curvature: Number, probes: Number, moments: Moments, beta: Number = 0) -> Number:
    """The largest stable learning rate of a flat spectrum: tr H/c eigenvalues c, all others 0.

    Source: B3, at r = tr H/c. Formula: 2/(c·γ) = 2/(B·tr H + A·c); Gaussian 2n/(tr H + (n+1)·c).

    On any other spectrum with this trace it is a bound, from below when c = λ_max, as x/(2 − Aηx) ≤ x/(2 − Aηλ_max),
    and from above when c = tr H²/tr H, by Jensen's inequality. The first lies at most a factor 1 + A·λ_max/(B·tr H)
    below the limit: 1 + 2/r for one Gaussian probe, r = tr H/λ_max. It errs most when much of the trace is in small
    eigenvalues.

    Args: trace: tr H. curvature: c. probes: n. moments: of the law. beta: β of the averaged momentum, 0 for none.

    >>> largest_stable_step(50.0, 1.0, 1, Moments(1, 0)) == 2 / 52
    True
    """
    return momentum_lr(curvature, effective_rank_factor(trace / curvature, probes, moments), beta)


def stability_bounds(
    trace: Number, trace_sq: Number, norm: Number, probes: Number, moments: Moments, beta: Number = 0
) -> tuple[Number, Number]:
    """Between which learning rates every spectrum with these three numbers has its limit; both ends are attained.

    Source: derived; the extreme measures of the moments (tr H, tr H²) on [0, λ_max], Gauss' and Lobatto's, as
    1/(2 − Aηx) is convex in x, whatever the sign of A. Song et al. have bounds from tr H and λ_max alone.
    Assumes: H ⪰ 0.
    Formula: above, `largest_stable_step` at c = tr H²/tr H; below, the limit of tr H²/λ_max² eigenvalues λ_max, with
    the rest of the trace in infinitesimal ones: 4/(S + √(S² − 4AB(λ_max·tr H − tr H²))), S = B·tr H + A·λ_max.

    Args: trace: tr H. trace_sq: tr H². norm: λ_max. beta: β of the averaged momentum.

    >>> low, high = stability_bounds(5.187, 1.635, 1.0, 1, Moments(1, 0))  # λ_i = 1/i, d = 100
    >>> round(low, 3), round(high, 3)
    (0.333, 0.344)
    """
    own, shared = own_and_shared(probes, moments)
    own = own - momentum_relief(beta)
    sum_ = shared * trace + own * norm
    low = 4 / (sum_ + (sum_**2 - 4 * own * shared * (norm * trace - trace_sq)) ** HALF)
    return low, largest_stable_step(trace, trace_sq / trace, probes, moments, beta)


def stability_limit(eigenvalues: Number, probes: int, moments: Moments, beta: float = 0.0) -> float:
    """The largest stable learning rate on a quadratic with these eigenvalues, for the mean of its loss.

    Source: derived; Song et al. (2026); see the head of this file. Claim E6.
    Formula: the root η of Σ_j Bηλ_j/(2 − Aηλ_j) = 1, by bisection.
    Cost: some fifty passes over the eigenvalues.

    Args: eigenvalues: a numpy array or torch tensor (d,), none negative. probes: n. moments: of the law.
        beta: β of the averaged momentum.
    Raises: ValueError for a negative eigenvalue, or when all are 0.

    >>> import numpy
    >>> round(stability_limit(1 / numpy.arange(1, 101), 1, Moments(1, 0)), 4)
    0.3369
    >>> stability_limit(numpy.ones(50), 1, Moments(1, 0)) == largest_stable_step(50, 1, 1, Moments(1, 0))
    True
    """
    norm = float(eigenvalues.max())
    trace = float(eigenvalues.sum())
    if float(eigenvalues.min()) < 0 or norm == 0:
        raise ValueError("`eigenvalues` must be at least 0 and not all 0: along a negative one every step diverges.")
    own, shared = (float(part) for part in own_and_shared(probes, moments))
    own -= momentum_relief(beta)
    flat = float(largest_stable_step(trace, norm, probes, moments, beta))
    infinitesimal = 2 / (shared * trace) if shared else flat  # the limit where all eigenvalues are
    low, high = sorted((flat, infinitesimal))  # the flat one lies above where A < 0
    if own > 0:
        high = min(high, 2 / (own * norm))
    # the sum rises with η from 0 to infinity, so halving the interval finds the only root
    while low < (middle := (low + high) / 2) < high:
        lost = float((shared * middle * eigenvalues / (2 - own * middle * eigenvalues)).sum())
        if lost < 1:
            low = middle
        else:
            high = middle
    return low
