"""Claims that run: the registry, and `check`, which tests one of them."""

# the decorator `claim` enters each claim in the registry while its module is imported
from mezo_lab.claims import (  # noqa: F401
    a_estimator,
    a_variants,
    b_assumptions,
    b_descent,
    b_rates,
    c_costs,
    c_factor,
    c_rounding,
    c_steps,
    d_models,
    e_estimators,
    e_quantised,
    e_runs,
    e_smoothing,
    e_subspaces,
    e_successors,
)
from mezo_lab.claims.claim import REGISTRY, SYMBOLS, Claim, Decoy, Experiment, claim, claim_named, grid
from mezo_lab.claims.decision import Status
from mezo_lab.claims.published import Published
from mezo_lab.claims.trial import check
from mezo_lab.claims.verdict import DecoyVerdict, Verdict

__all__ = [
    "REGISTRY",
    "SYMBOLS",
    "Claim",
    "Decoy",
    "DecoyVerdict",
    "Experiment",
    "Published",
    "Status",
    "Verdict",
    "check",
    "claim",
    "claim_named",
    "grid",
]
