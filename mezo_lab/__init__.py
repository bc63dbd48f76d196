"""mezo_lab: the mathematics of zeroth-order fine-tuning (MeZO), as claims that run.

Importing it loads torch and numpy only. `mezo_lab.proofs` (sympy), `mezo_lab.plots` and `mezo_lab.report` (matplotlib,
rich) and `mezo_lab.finetune` (transformers) load when they are imported by name.
"""

from mezo_lab.claims import REGISTRY, Claim, Decoy, Experiment, Status, Verdict, check, claim, claim_named, grid
from mezo_lab.directions import LAWS, Iid, Law, law_named
from mezo_lab.estimators import curvature, one_sided, projected_gradient, two_point
from mezo_lab.law_check import LawCheck, check_law
from mezo_lab.montecarlo import Estimate, sample
from mezo_lab.optim import MeZO

__version__ = "0.1.0"

__all__ = [  # noqa: RUF022  grouped by room, lowest floor first
    # the optimizer
    "MeZO",
    # laws of z
    "LAWS",
    "Iid",
    "Law",
    "LawCheck",
    "check_law",
    "law_named",
    # sampling
    "Estimate",
    "sample",
    # estimators
    "curvature",
    "one_sided",
    "projected_gradient",
    "two_point",
    # claims
    "REGISTRY",
    "Claim",
    "Decoy",
    "Experiment",
    "Status",
    "Verdict",
    "check",
    "claim",
    "claim_named",
    "grid",
]
