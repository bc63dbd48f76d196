"""Section B: what a step along ĝ does to the loss, and how long the step may be.

The step is written as s = ηℓ, learning rate times smoothness, which has no units.
"""

import math
from collections.abc import Callable
from numbers import Real

from mezo_lab.theory.estimator import second_moment
from mezo_lab.theory.moments import GAUSSIAN, Moments, Number

ROUNDING = 1e-12  # of γ in floats: d orthogonal probes have γ = 1


def descent_bound(lr: Number, smoothness: Number, grad_sq: Number, estimator_sq: Number) -> Number:
    """The largest E[L(θ − ηĝ)] − L(θ) that an ℓ-smooth loss allows; attained when H = ℓI.

    Source: paper, Lemma 1. Assumes: ∇²L ⪯ ℓI all the way from θ to θ⁺, and an unbiased ĝ.
    Formula: −η‖g‖² + ½·η²·ℓ·E‖ĝ‖².

    Args: lr: η. smoothness: ℓ = ‖H‖_op. grad_sq: ‖g‖². estimator_sq: E‖ĝ‖².

    >>> descent_bound(0.5, 1.0, 1.0, 3.0)
    -0.125
    """
    return -lr * grad_sq + lr**2 * smoothness * estimator_sq / 2


def effective_rank_factor(rank: Number, probes: Number, moments: Moments) -> Number:
    """γ, which replaces the norm factor when the Hessian is ℓ times a projector of rank r: d is gone.

    Source: paper, Theorem 2 (Gaussian, (r+n+1)/n) and the proof of Theorem 1 (sphere, (dr+d−2)/(n(d+2)) + 1).
    Assumes: H = ℓ·P_r, with P_r along the coordinates where E[z_i⁴] ≠ 3·E[z_i²z_j²]. In general directions pass the
    moments of `rotation_average`. At r = d it is `norm_factor`. The paper's γ = Θ(r/n) holds for n = O(r) alone: no
    number of independent probes takes γ below 1.
    Formula: `second_moment` at W = P_r with P_r·g = g; for independent probes 1 + (γ₁ − 1)/n, γ₁ that of one probe.

    Args: rank: r = tr(H)/‖H‖_op. probes: n. moments: of the law, at the full dimension.

    >>> effective_rank_factor(10, 1, Moments(1, 0))  # Gaussian, whatever the dimension
    12.0
    """
    return second_moment(1, rank, 1, probes=probes, moments=moments)


def contraction(step: Number, factor: Number) -> Number:
    """E[L(θ⁺)]/L(θ) on L = ½·ℓ·‖P_r θ‖², for one step.

    Source: derived; the equality case of the paper's Theorems 1 and 2. Assumes: ĝ unbiased, E[ĝᵀHĝ] = ℓγ‖g‖².
    Formula: 1 − 2s + s²·γ, s = ηℓ. Least at s = 1/γ, where it is 1 − 1/γ; back to 1 at s = 2/γ, where stability ends.
    Both are of the mean, which rare bad steps carry: where r is small, a typical run does best at longer steps (about
    1.8/γ at r = 1, 1.3/γ at r = 2).

    >>> contraction(0.25, 4.0), contraction(0.5, 4.0)
    (0.75, 1.0)
    """
    return 1 - 2 * step + step**2 * factor


def largest_stable_lr(smoothness: Number, factor: Number) -> Number:
    """The learning rate at which E[L] stops falling.

    Source: paper, eq. (3). Formula: 2/(ℓ·factor); SGD's is 2/ℓ, so η_ZO = η_SGD/factor = O(1/d), or O(1/r).

    >>> largest_stable_lr(2.0, 13.75)
    0.07272727272727272
    """
    return 2 / (smoothness * factor)


def progress_per_pair(
    rank: Number,
    probes: Number,
    moments: Moments = GAUSSIAN,
    *,
    log: Callable[[Number], Number] = math.log,
) -> Number:
    """Best decrease of log E[L] per pair of forward passes.

    For independent probes, whatever their law, it falls with n: one probe is best. Orthogonal probes see no direction
    twice, and it rises with n where r is more than about d/2, or n near d: d of them return the gradient itself.

    Source: derived; the paper's Table 6 sees the former. Lin, Song and Xu, "The Multi-Query Paradox in Zeroth-Order
    Optimization" (2025, arXiv 2509.15552), prove both for general losses. Assumes: H = ℓ·P_r, as
    claim B3 does.
    Formula: (1/n)·log(γ/(γ−1)); for the Gaussian (1/n)·log(1 + n/(r+1)).

    Args: rank: r. probes: n. moments: of the law, at the full dimension; the default is the Gaussian's.
    Returns: a number; infinity where γ = 1, as the best step then ends at the minimum.

    >>> round(progress_per_pair(10, 1), 4), round(progress_per_pair(10, 8), 4)
    (0.087, 0.0683)
    >>> from mezo_lab.theory.moments import MOMENTS
    >>> orthogonal = MOMENTS["orthogonal"](12)
    >>> round(progress_per_pair(10, 1, orthogonal), 4), round(progress_per_pair(10, 8, orthogonal), 4)
    (0.1023, 0.1518)
    """
    factor = effective_rank_factor(rank, probes, moments)
    # a symbol has no value to compare; only numbers can reach γ = 1
    if isinstance(factor, Real) and float(factor) - 1 < ROUNDING:
        return math.inf
    return log(factor / (factor - 1)) / probes


def sgd_rate(pl: Number, smoothness: Number, noise: Number, batch: Number) -> Number:
    """What SGD removes of L − L* in one step at its own learning rate.

    Source: paper, Lemma 4. Assumes: μ-PL, tr Σ ≤ α(L − L*). Formula: min(μ/(2ℓ), μ²B/(2ℓα)).

    Args: pl: μ. smoothness: ℓ. noise: α. batch: B.

    >>> sgd_rate(1.0, 2.0, 8.0, 4)
    0.125
    """
    return min(pl / (2 * smoothness), pl**2 * batch / (2 * smoothness * noise))


def pl_contraction(factor: Number, pl: Number, smoothness: Number, noise: Number, batch: Number) -> Number:
    """The bound on E[L(θ⁺) − L*]/(L(θ) − L*) for zeroth-order SGD: γ times more steps than SGD needs.

    Source: paper, Lemma 3. Formula: 1 − (1/γ)·`sgd_rate`.

    >>> pl_contraction(4.0, 1.0, 2.0, 8.0, 4)
    0.96875
    """
    return 1 - sgd_rate(pl, smoothness, noise, batch) / factor


def noise_floor(step: Number, factor: Number, smoothness: Number, noise: Number, batch: Number) -> Number:
    """Where E[L − L*] ends when every step sees another minibatch and the learning rate stays as it is.

    A step multiplies E[L − L*] by 1 − 2s + s²γ, whatever the batch, and adds s²γ·tr Σ/(2ℓB). So a larger batch lowers
    the floor and does not quicken the descent to it; at the best step s = 1/γ the floor is tr Σ/(2ℓB).

    Source: derived, from the paper's Theorem 1 with its B; claim E11. For vanishing noise see `pl_contraction`.
    Assumes: H = ℓ·P_r and a noise whose covariance Σ is the same everywhere and lies in the range of P_r; one
    minibatch for all probes of a step, its examples drawn with replacement; sγ < 2.
    Formula: s·γ·tr Σ/(2ℓB·(2 − sγ)).

    Args: step: s = ηℓ. factor: γ. smoothness: ℓ. noise: tr Σ. batch: B.

    >>> noise_floor(0.25, 4.0, 1.0, 6.0, 3) == 6 / (2 * 3)  # at s = 1/γ
    True
    """
    return step * factor * noise / (2 * smoothness * batch * (2 - step * factor))


def progress_at_floor(floor: Number, factor: Number, smoothness: Number, noise: Number, batch: Number) -> Number:
    """What a step takes off the excess over the floor, at the learning rate that leads to this floor.

    Source: derived. Assumes: as `noise_floor`. Formula: 4qB/((1 + qB)²γ) with q = 2ℓ·floor/tr Σ: 1 − ρ of
    `contraction` at sγ = 2qB/(1 + qB). Divided by B, and for independent probes by nB, it falls with both: per forward
    pass of one example nothing is cheaper than a batch of one and a probe of one.

    Args: floor: the mean of L − L* to end at. factor: γ. smoothness: ℓ. noise: tr Σ. batch: B.

    >>> progress_at_floor(noise_floor(0.125, 4.0, 1.0, 6.0, 3), 4.0, 1.0, 6.0, 3) == 1 - contraction(0.125, 4.0)
    True
    """
    signal = 2 * smoothness * floor * batch / noise
    return 4 * signal / ((1 + signal) ** 2 * factor)


def chi_square_tail(dim: Number, excess: Number) -> Number:
    """A bound on Pr[Z ≥ k + u] for Z ~ χ²_k: how seldom a Gaussian probe is much longer than √k.

    Source: paper, Lemma 6. Assumes: u ≥ 0. Formula: exp(−min(u²/(16k), u/16)).

    Args: dim: k. excess: u.

    >>> round(chi_square_tail(10, 16), 4)
    0.3679
    """
    return math.exp(-min(excess**2 / (16 * dim), excess / 16))


def tail_excess(lr: Number, smoothness: Number, dim: int, probes: int, largest_gradient: Number) -> Number:
    """What Theorem 2 adds to the descent bound for Gaussian steps that leave the ball of its assumption.

    Source: paper, the proof of Theorem 2; claim B11. Pr[‖Δθ‖ > 2ηdG] ≤ exp(−nd/16) is `chi_square_tail` at
    k = u = nd, since ‖ĝ‖ ≤ G·Σ‖z_k‖²/n. It says little below a few hundred dimensions.
    Formula: η²·ℓ·105^(1/4)·(d + 6)·G²·exp(−nd/32).

    Args: lr: η. smoothness: ℓ, also outside the ball. dim: d. probes: n. largest_gradient: G, over single examples.

    >>> tail_excess(1.0, 1.0, 32, 1, 1.0) > 40 and tail_excess(1.0, 1.0, 1000, 1, 1.0) < 1e-9
    True
    """
    return lr**2 * smoothness * 105**0.25 * (dim + 6) * largest_gradient**2 * math.exp(-probes * dim / 32)


def stationarity_bound(steps: int, smoothness: Number, factor: Number, excess: Number) -> Number:
    """A bound on the least E‖∇L‖² among the points of a run on a loss that need not be convex.

    Source: derived from the paper's Theorem 1, as Ghadimi and Lan (2013; its abstract was read) do for SGD: at
    η = 1/(ℓγ) each step of the whole batch lowers E[L] by at least E‖g‖²/(2ℓγ), and all steps together by no more than
    L(θ_0) − L*. With the norm factor in the place of γ it is the rate that is usually quoted, O(d/T). Claim B12.
    Assumes: ∇²L ⪯ H at every point, ‖H‖ = ℓ and tr H = rℓ, r behind γ. Formula: 2ℓγ(L(θ_0) − L*)/T.

    Args: steps: T. smoothness: ℓ. factor: γ. excess: L(θ_0) − L*.

    >>> stationarity_bound(100, 2.0, 5.0, 0.5)
    0.1
    """
    return 2 * smoothness * factor * excess / steps
