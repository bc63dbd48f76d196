"""Section B: what a step along ĝ does to the loss, and how long the step may be.

The step is written as s = ηℓ, learning rate times smoothness, which has no units.
"""

import math
from collections.abc import Callable

from mezo_lab.theory.estimator import Moments, Number, second_moment


def descent_bound(lr: Number, smoothness: Number, grad_sq: Number, estimator_sq: Number) -> Number:
    """The largest E[L(θ − ηĝ)] − L(θ) that an ℓ-smooth loss allows; attained when H = ℓI.

    Source: paper, Lemma 1. Formula: −η‖g‖² + ½·η²·ℓ·E‖ĝ‖².

    Args: lr: η. smoothness: ℓ = ‖H‖_op. grad_sq: ‖g‖². estimator_sq: E‖ĝ‖².

    >>> descent_bound(0.5, 1.0, 1.0, 3.0)
    -0.125
    """
    return -lr * grad_sq + lr**2 * smoothness * estimator_sq / 2


def effective_rank_factor(rank: Number, probes: Number, moments: Moments) -> Number:
    """γ, which replaces the norm factor when the Hessian is ℓ times a projector of rank r: d is gone.

    Source: paper, Theorem 2 (Gaussian, (r+n+1)/n) and the proof of Theorem 1 (sphere, (dr+d−2)/(n(d+2)) + 1).
    Assumes: H = ℓ·P_r; for laws with coincidence ≠ 0, P_r aligned with the coordinates. At r = d it is `norm_factor`.
    Formula: `second_moment` at W = P_r with P_r·g = g.

    Args: rank: r = tr(H)/‖H‖_op. probes: n. moments: of the law, at the full dimension.

    >>> effective_rank_factor(10, 1, Moments(1, 0))  # Gaussian, whatever the dimension
    12.0
    """
    return second_moment(1, rank, 1, probes=probes, moments=moments)


def contraction(step: Number, factor: Number) -> Number:
    """E[L(θ⁺)]/L(θ) on L = ½·ℓ·‖P_r θ‖², for one step.

    Source: derived; the equality case of the paper's Theorems 1 and 2. Formula: 1 − 2s + s²·γ, s = ηℓ. Least at
    s = 1/γ, where it is 1 − 1/γ; back to 1 at s = 2/γ, where stability ends.

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


def progress_per_pair(rank: Number, probes: Number, *, log: Callable[[Number], Number] = math.log) -> Number:
    """Best decrease of log E[L] per pair of forward passes: decreasing in n, so one probe is best.

    Source: derived; the paper's Table 6 sees it. Assumes: z Gaussian, H = ℓ·P_r.
    Formula: (1/n)·log(1 + n/(r+1)) = −(1/n)·log(1 − 1/γ).

    >>> round(progress_per_pair(10, 1), 4), round(progress_per_pair(10, 8), 4)
    (0.087, 0.0683)
    """
    return log(1 + probes / (rank + 1)) / probes


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


def chi_square_tail(dim: Number, excess: Number) -> Number:
    """A bound on Pr[Z ≥ k + u] for Z ~ χ²_k: how seldom a Gaussian probe is much longer than √k.

    Source: paper, Lemma 6. Formula: exp(−min(u²/(16k), u/16)).

    Args: dim: k. excess: u.

    >>> round(chi_square_tail(10, 16), 4)
    0.3679
    """
    return math.exp(-min(excess**2 / (16 * dim), excess / 16))
