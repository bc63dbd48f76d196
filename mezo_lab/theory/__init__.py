"""The closed forms, as plain arithmetic on whatever numbers they are given: floats, fractions or sympy symbols.

`theory.estimator` holds section A (what ĝ is like), `theory.descent` section B (what a step along it does). Nothing
here imports torch or sympy, so one function serves the Monte Carlo run, the proof and the figure, and no second
transcription of a formula can drift from the first.
"""

from mezo_lab.theory.descent import (
    chi_square_tail,
    contraction,
    descent_bound,
    effective_rank_factor,
    largest_stable_lr,
    pl_contraction,
    progress_per_pair,
    sgd_rate,
)
from mezo_lab.theory.estimator import (
    Moments,
    Number,
    capture,
    cross_moment,
    fourth_moment,
    low_rank_fourth_moment,
    minibatch_fresh,
    minibatch_shared,
    norm_factor,
    one_sided_norm,
    own_mean_share,
    probe_magnitude,
    random_search_change,
    residual_feedback_norm,
    residual_feedback_run_norm,
    second_moment,
    smoothing_bias,
    turned,
    variance_factor,
    variance_modified_norm,
)

__all__ = [
    "Moments",
    "Number",
    "capture",
    "chi_square_tail",
    "contraction",
    "cross_moment",
    "descent_bound",
    "effective_rank_factor",
    "fourth_moment",
    "largest_stable_lr",
    "low_rank_fourth_moment",
    "minibatch_fresh",
    "minibatch_shared",
    "norm_factor",
    "one_sided_norm",
    "own_mean_share",
    "pl_contraction",
    "probe_magnitude",
    "progress_per_pair",
    "random_search_change",
    "residual_feedback_norm",
    "residual_feedback_run_norm",
    "second_moment",
    "sgd_rate",
    "smoothing_bias",
    "turned",
    "variance_factor",
    "variance_modified_norm",
]
