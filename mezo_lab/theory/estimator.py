"""Section A: the moments of the zeroth-order estimator ĝ = (1/n) Σ_k z_k z_kᵀ g.

A law of z enters through its `Moments` alone. Everything below follows from one formula, `second_moment`; the famous
(d+n±1)/n is its trace.
"""

import math

from mezo_lab.theory.moments import GAUSSIAN, HALF, Moments, Number, cross_moment, fourth_moment


def second_moment(outer: Number, trace: Number, diagonal: Number, *, probes: Number, moments: Moments) -> Number:
    """E⟨W, ĝĝᵀ⟩ for any fixed symmetric matrix W: every second moment of ĝ.

    Source: paper, eq. (7) (sphere) and eq. (8) (Gaussian), traced against W; i.i.d. and orthogonal laws derived.
    Assumes: ε → 0, or a loss for which the difference is exact.

        E⟨W, ĝĝᵀ⟩ = (1/n)·[pair·(2·outer + trace) + coincidence·diagonal]
                  + ((n−1)/n)·[across·outer + swap·(outer + trace)]

    Args:
        outer: gᵀWg.
        trace: tr(W)·‖g‖².
        diagonal: Σ_i W_ii g_i².
        probes: n.
        moments: of the law of z.

    Returns: a number in the units of the loss squared.

    >>> second_moment(1, 50, 1, probes=4, moments=Moments(1, 0))  # W = I, ‖g‖ = 1: (d+n+1)/n
    13.75
    """
    same = moments.pair * (2 * outer + trace) + moments.coincidence * diagonal
    cross = moments.across * outer + moments.swap * (outer + trace)
    return (same + (probes - 1) * cross) / probes


def norm_factor(dim: Number, probes: Number, moments: Moments) -> Number:
    """E‖ĝ‖²/‖g‖², the factor by which the estimator is longer than the gradient.

    Source: paper, Lemma 2 (sphere: (d+n−1)/n); the Gaussian (d+n+1)/n is the trace of its eq. (8).
    Assumes: as `second_moment`.
    Formula: (c + (n−1)·x)/n with c = `fourth_moment`, x = `cross_moment`; that is `second_moment` at W = I.

    >>> norm_factor(50, 4, Moments(1, 0)), norm_factor(50, 4, Moments(50 / 52, 0))  # Gaussian, sphere
    (13.75, 13.25)
    """
    return second_moment(1, dim, 1, probes=probes, moments=moments)


def variance_factor(dim: Number, probes: Number, moments: Moments) -> Number:
    """E‖ĝ − g‖²/‖g‖².

    Source: derived, since E[ĝ] = g. Assumes: as `second_moment`. Formula: `norm_factor` − 1.

    >>> variance_factor(50, 4, Moments(1, 0))
    12.75
    """
    return norm_factor(dim, probes, moments) - 1


def capture(dim: Number, probes: Number) -> Number:
    """E‖Pg‖²/‖g‖² = n/d: the share of the gradient that n probes can see, P projecting on their span.

    Source: derived. Assumes: directions uniform on the sphere (any length), n ≤ d; for n = 1, any isotropic law with a
    fixed ‖z‖ as well. (That its coordinates may be exchanged is not enough: ±(1, …, 1) sees (Σ g_i)²/d.) For n = 1 this
    is E[cos²(ĝ, g)].

    >>> capture(50, 4)
    0.08
    """
    return probes / dim


def minibatch_shared(grad_sq: Number, noise: Number, dim: Number, probes: Number, moments: Moments) -> Number:
    """E‖ĝ‖² when all n probes of a step look at one minibatch.

    Source: paper, Lemma 2. Assumes: z independent of the minibatch. Formula: factor·(‖g‖² + tr Σ/B).

    Args: grad_sq: ‖g‖². noise: the trace of the covariance of the minibatch gradient: tr Σ/B for B examples of N drawn
    with replacement, and (N − B)/(N − 1) times that without.

    >>> minibatch_shared(1, 3, 50, 4, Moments(1, 0))
    55.0
    """
    return norm_factor(dim, probes, moments) * (grad_sq + noise)


def minibatch_fresh(grad_sq: Number, noise: Number, dim: Number, probes: Number, moments: Moments) -> Number:
    """E‖ĝ‖² when every probe draws its own minibatch: smaller, as the noise is averaged too.

    Source: paper, Algorithm 2 as printed; derived. Assumes: minibatches independent of each other and of z; those of
    one pass through shuffled data are not quite. Formula: (c/n)·(‖g‖² + tr Σ/B) + ((n−1)/n)·x·‖g‖².

    >>> minibatch_fresh(1, 3, 50, 4, Moments(1, 0))
    52.75
    """
    same = fourth_moment(dim, moments) * (grad_sq + noise)
    cross = cross_moment(dim, moments) * grad_sq
    return (same + (probes - 1) * cross) / probes


def own_mean_share(probes: Number) -> Number:
    """What a population's mean loss as its baseline leaves of the gradient: each loss is in what is taken off it.

    Source: derived; claim E7. Assumes: n one-sided losses along independent or orthogonal directions, ε → 0.
    Formula: (n−1)/n; with the mean of the others, 1.

    >>> own_mean_share(8)
    0.875
    """
    return (probes - 1) / probes


def leave_one_out_norm(dim: Number, probes: Number, fourth: Number) -> Number:
    """E‖ĝ‖²/‖g‖² of a population whose losses are taken relative to the mean of the others.

    ĝ is the sample covariance of z with the losses, Sg with S that of z, and E‖ĝ‖² = gᵀE[S²]g. For a Gaussian z the
    baseline costs one probe: the factor is that of n − 1 two-sided ones.

    Source: derived, from the second moments of a sample covariance; claim C3. Assumes: n ≥ 2 independent directions
    without third moments; ε → 0, or a linear loss, of whose value it does not depend.
    Formula: 1 + (d+1)/(n−1) + (c−d−2)/n; Gaussian (d+n)/(n−1).

    Args: fourth: c in E[‖z‖² z zᵀ] = c·I.

    >>> leave_one_out_norm(50, 5, 52), norm_factor(50, 4, Moments(1, 0))
    (13.75, 13.75)
    """
    return 1 + (dim + 1) / (probes - 1) + (fourth - dim - 2) / probes


def score_norm(dim: Number, probes: Number) -> Number:
    """ε²·E‖ĝ‖² of a population whose losses are shaped to z-scores: neither the loss nor its slope decides the step.

    Source: derived; claim C3. Across g the scores are independent of z, and Σ_k score_k² = n; along g, ĝ is their own
    standard deviation. Assumes: z Gaussian; n ≥ 2; ε → 0, or a linear loss. Formula: (d + n − 2)/n.

    >>> score_norm(50, 4)
    13.0
    """
    return (dim + probes - 2) / probes


def smoothing_bias(epsilon: Number, third: Number, diagonal: Number = 0, moments: Moments = GAUSSIAN) -> Number:
    """E[ĝ_ε] − g, exact for a cubic loss.

    For the Gaussian ĝ_ε is the unbiased gradient of the smoothed loss E_z[L(θ + εz)]. Under every isotropic law that
    loss has the Gaussian's bias, and ĝ_ε another: for the sphere that of the loss smoothed over the ball of radius
    ε√d; for signs a third of the Gaussian's where the three indices of ∇³L are equal, and all of it elsewhere.

    Source: Nesterov and Spokoiny (2017) and the paper, §2.2, for the Gaussian; other laws derived, claim E12.
    Assumes: ∇³L constant along the probe; where it is not, the bias has further terms, from ε⁴ on.
    Formula: (ε²/6)·(3·pair·∇(ΔL) + coincidence·∂_i³L); Gaussian (ε²/2)·∇(ΔL).

    Args: epsilon: ε. third: ∇(ΔL), or its projection on any vector. diagonal: the vector of ∂_i³L, likewise.
    moments: of the law of z.

    >>> round(smoothing_bias(0.1, 3), 6), round(smoothing_bias(0.1, 3, 3, Moments(1, -2)), 6)  # Σ_i θ_i³/2: signs
    (0.015, 0.005)
    """
    return epsilon**2 / 6 * (3 * moments.pair * third + moments.coincidence * diagonal)


def one_sided_norm(dim: Number, grad_sq: Number, trace: Number, trace_sq: Number, epsilon: Number) -> Number:
    """E‖ĝ‖² of the one-sided estimator [L(θ+εz) − L(θ)]·z/ε on a quadratic loss.

    Source: derived, by the sixth moments of the Gaussian. Assumes: z Gaussian, n = 1.
    Formula: (d+2)·‖g‖² + (ε²/4)·(d+4)·(tr(H)² + 2·tr(H²)).

    Args: trace: tr H. trace_sq: tr H².

    >>> one_sided_norm(10, 1, 0, 0, 0.1)  # no curvature: the two-sided value
    12.0
    """
    return (dim + 2) * grad_sq + epsilon**2 / 4 * (dim + 4) * (trace**2 + 2 * trace_sq)


def probe_magnitude(grad_norm: Number, *, pi: Number = math.pi) -> Number:
    """E abs(zᵀg): the mean of abs(pg) is 20 % below the gradient's norm; the mean of pg² gives ‖g‖² itself.

    Source: paper, Proposition 1, corrected. Assumes: z Gaussian. Formula: √(2/π)·‖g‖.

    >>> round(probe_magnitude(1.0), 4)
    0.7979
    """
    return (2 / pi) ** HALF * grad_norm


def random_search_change(sigma: Number, grad_norm: Number, trace: Number, *, pi: Number = math.pi) -> Number:
    """Expected change of the loss by one sign search: step to θ+δ if that is lower, else to θ−δ, with δ = σz.

    Source: the notes, first method; derived. Assumes: z Gaussian; exact on a linear loss, else up to O(σ³).
    Formula: −σ·√(2/π)·‖g‖ + ½·σ²·tr H. It descends only while σ < 2√(2/π)·‖g‖/tr H.

    >>> random_search_change(0.1, 1.0, 0.0) == -0.1 * probe_magnitude(1.0)
    True
    """
    return -sigma * probe_magnitude(grad_norm, pi=pi) + sigma**2 * trace / 2


def variance_modified_norm(scale_sq: Number, scaled_grad_sq: Number, grad_sq: Number) -> Number:
    """E‖ĝ‖² when the probe is ε·D⁻¹z and the update is along Dz.

    Source: paper, Definition 6, with the correction that D_i = abs(g_i) gains nothing: the minimiser is
    D_i = √abs(g_i), with value ‖g‖₁² + 2‖g‖². Assumes: z Gaussian, n = 1, D diagonal and positive.
    Formula: tr(D²)·‖D⁻¹g‖² + 2·‖g‖².

    Args: scale_sq: tr D². scaled_grad_sq: ‖D⁻¹g‖². grad_sq: ‖g‖².

    >>> variance_modified_norm(10, 1, 1)  # D = I, d = 10: the plain (d+2)·‖g‖²
    12
    """
    return scale_sq * scaled_grad_sq + 2 * grad_sq


def residual_feedback_norm(dim: Number, grad_sq: Number, change: Number, epsilon: Number) -> Number:
    """E‖ĝ‖² of one-point residual feedback [L(θ_t+εz_t) − L(θ_{t−1}+εz_{t−1})]·z_t/ε on a linear loss.

    Source: paper, Definition 8, with the factor z_t that its print lacks (Zhang et al. 2022); derived.
    Assumes: z Gaussian; Δ independent of z_{t−1}, as for two points given beforehand. In a run it is not: see
    `residual_feedback_run_norm`. That E[ĝ] = g needs no such thing. Formula: (2d+2)·‖g‖² + d·Δ²/ε².

    Args: change: Δ = L(θ_t) − L(θ_{t−1}).

    >>> residual_feedback_norm(10, 1, 0, 0.1)
    22.0
    """
    return (2 * dim + 2) * grad_sq + dim * change**2 / epsilon**2


def residual_feedback_run_norm(dim: Number, grad_sq: Number, lr: Number, epsilon: Number) -> Number:
    """E‖ĝ‖² of residual feedback in the midst of a run θ_t = θ_{t−1} − ηĝ_{t−1} on a linear loss.

    There Δ_t = −η·pg_{t−1}·gᵀz_{t−1} depends on z_{t−1}, and E‖ĝ‖² is 2d·η²‖g‖⁴/ε² less than `residual_feedback_norm`
    with E[Δ²] in the place of Δ².

    Source: derived. With w_t = gᵀz_t and a = η/ε, pg_t = w_t − w_{t−1}·(1 + a·pg_{t−1}), whose second part R_t has
    E[R_t] = −a‖g‖² and E[R_t²] = ‖g‖² + a²‖g‖⁴ + a²‖g‖²·E[R_{t−1}²].
    Assumes: z Gaussian; a constant learning rate with η‖g‖ < ε, beyond which E[R_t²] grows without end; some steps
    behind it. Formula: (d+2)·‖g‖² + d·‖g‖²·(1 + a²‖g‖²)/(1 − a²‖g‖²).

    Args: lr: η. epsilon: ε.

    >>> round(residual_feedback_run_norm(20, 1, 0.2, 1), 2)
    43.67
    >>> change_sq = 0.2**2 * (3 + 1.04 / 0.96)  # E[Δ²] of this run
    >>> round(residual_feedback_norm(20, 1, change_sq**0.5, 1) - residual_feedback_run_norm(20, 1, 0.2, 1), 6)
    1.6
    """
    ratio = (lr / epsilon) ** 2 * grad_sq
    return (dim + 2) * grad_sq + dim * grad_sq * (1 + ratio) / (1 - ratio)
