"""Claims that run: the registry, and `check`, which tests one of them."""

from mezo_lab.claims import (  # noqa: F401  importing them fills the registry
    a_estimator,
    a_variants,
    b_descent,
    b_rates,
    c_costs,
    c_rounding,
    c_steps,
    d_models,
    e_successors,
)
from mezo_lab.claims.claim import REGISTRY, SYMBOLS, Claim, Decoy, Experiment, claim, claim_named, grid
from mezo_lab.claims.verdict import DecoyVerdict, Status, Verdict, check

__all__ = [
    "REGISTRY",
    "SYMBOLS",
    "Claim",
    "Decoy",
    "DecoyVerdict",
    "Experiment",
    "Status",
    "Verdict",
    "check",
    "claim",
    "claim_named",
    "grid",
]
