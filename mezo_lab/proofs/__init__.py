"""Proofs with sympy, at every dimension d and number of probes n: each ends in `mezo_lab.theory`, called on symbols.

A proof counts moments: `wick` finds the patterns of equal indices, `laws` derives what a law of z gives to each, and
`forms` puts the two together; the other files do the claims. `brute` checks every proof without any of that: exact
means of polynomials, in rational numbers, on the small instances of `case`.
"""

from functools import cache

from mezo_lab.proofs.best_step import best_step, orthogonal_probes, probes_are_a_wash
from mezo_lab.proofs.descent import any_spectrum, descent_lemma
from mezo_lab.proofs.effective_rank import dimension_tax, general_directions, low_rank, same_object
from mezo_lab.proofs.estimator import curvature_probe, norm_factor, second_moment, unbiased, variance
from mezo_lab.proofs.finite_epsilon import one_sided, smoothing, smoothing_any_law
from mezo_lab.proofs.formula import law_formula, symbolic
from mezo_lab.proofs.laws import IID, SYMBOLIC_LAWS
from mezo_lab.proofs.low_rank_directions import low_rank_direction
from mezo_lab.proofs.minibatch import minibatch
from mezo_lab.proofs.notes import notes
from mezo_lab.proofs.preconditioned import adam_blind, variance_modified
from mezo_lab.proofs.proof import Conclusion, Proof
from mezo_lab.proofs.residual import residual_feedback
from mezo_lab.proofs.runs import momentum, noise_floor
from mezo_lab.proofs.spread import self_normalised
from mezo_lab.proofs.step import Step
from mezo_lab.proofs.subspaces import aligned_subspace, fixed_subspace
from mezo_lab.proofs.successors import baseline, control_variate, curvature_diagonal, wandering
from mezo_lab.theory import KURTOSIS
from mezo_lab.validation import nearest, one_of

__all__ = ["Conclusion", "Proof", "Step", "law_formula", "provable", "prove", "symbolic"]

_GAUSSIAN = ("gaussian",)
# claim → (the function that derives it, the laws of z for which it does)
_DERIVATIONS = {
    "unbiased": (unbiased, SYMBOLIC_LAWS),
    "norm-factor": (norm_factor, SYMBOLIC_LAWS),
    "notes": (notes, ("gaussian", "sphere")),
    "second-moment": (second_moment, SYMBOLIC_LAWS),
    "variance": (variance, SYMBOLIC_LAWS),
    "minibatch": (minibatch, SYMBOLIC_LAWS),
    "smoothing": (smoothing, _GAUSSIAN),
    "one-sided": (one_sided, _GAUSSIAN),
    "curvature-probe": (curvature_probe, SYMBOLIC_LAWS),
    "variance-modified": (variance_modified, _GAUSSIAN),
    "adam-blind": (adam_blind, _GAUSSIAN),
    "residual-feedback": (residual_feedback, _GAUSSIAN),
    "descent-lemma": (descent_lemma, SYMBOLIC_LAWS),
    "dimension-tax": (dimension_tax, SYMBOLIC_LAWS),
    "low-rank": (low_rank, SYMBOLIC_LAWS),
    "any-spectrum": (any_spectrum, SYMBOLIC_LAWS),
    "same-object": (same_object, SYMBOLIC_LAWS),
    "best-step": (best_step, SYMBOLIC_LAWS),
    "probes-are-a-wash": (probes_are_a_wash, _GAUSSIAN),
    "general-directions": (general_directions, (*IID, "sphere", "coordinate")),
    "low-rank-direction": (low_rank_direction, IID),
    "fixed-subspace": (fixed_subspace, (*KURTOSIS, "sphere")),
    "aligned-subspace": (aligned_subspace, ("gaussian", "sphere")),
    "orthogonal-probes": (orthogonal_probes, ("orthogonal",)),
    "momentum": (momentum, SYMBOLIC_LAWS),
    "baseline": (baseline, SYMBOLIC_LAWS),
    "self-normalised": (self_normalised, _GAUSSIAN),
    "curvature-diagonal": (curvature_diagonal, SYMBOLIC_LAWS),
    "wandering": (wandering, SYMBOLIC_LAWS),
    "noise-floor": (noise_floor, SYMBOLIC_LAWS),
    "smoothing-any-law": (smoothing_any_law, SYMBOLIC_LAWS),
    "control-variate": (control_variate, SYMBOLIC_LAWS),
}


@cache
def prove(claim: str, law: str) -> Proof:
    """Derive a claim for one law of z by counting moments, for every d and n at once.

    Source: the list of claims; "notes" is the original derivation, line by line. Cost: well under a second.

    Args:
        claim: a name out of `provable()`.
        law: the name of a law of z, or "iid" for a generic kurtosis κ.

    Returns: the proof; `print` it.
    Raises: ValueError naming what can be proved.

    >>> proof = prove("norm-factor", "gaussian")
    >>> proof.derived, proof.difference, proof.brute(dim=3, probes=2)
    (‖g‖²*(d + n + 1)/n, 0, 0)
    """
    derivation, laws = _DERIVATIONS[one_of("claim", claim, _DERIVATIONS)]
    if law not in laws:
        near = nearest(law, laws)
        remedy = f". Nearest: {', '.join(near)}." if near else ": choose one of these."
        raise ValueError(f"`law` must be one of {', '.join(laws)} for {claim}; got {law!r}{remedy}")
    return derivation(law)


def provable() -> tuple[tuple[str, str], ...]:
    """Every (claim, law) that `prove` accepts.

    >>> ("one-sided", "gaussian") in provable()
    True
    """
    return tuple((claim, law) for claim, (_, laws) in _DERIVATIONS.items() for law in laws)
