"""mezo_lab: the mathematics of zeroth-order fine-tuning (MeZO), as claims that run.

A name loads its room when it is first used: `import mezo_lab` alone loads nothing, and `mezo_lab.theory` and
`mezo_lab.proofs` need no torch. `mezo_lab.proofs` (sympy), `mezo_lab.report.figures` and `mezo_lab.report` (matplotlib,
rich) and `mezo_lab.finetune` (transformers) load when they are imported by name.
"""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mezo_lab.claims import (
        REGISTRY,
        Claim,
        Decoy,
        Experiment,
        Published,
        Status,
        Verdict,
        check,
        claim,
        claim_named,
        grid,
    )
    from mezo_lab.optim import MeZO
    from mezo_lab.sampling import (
        LAWS,
        Estimate,
        Iid,
        Law,
        LawCheck,
        check_law,
        law_named,
        one_sided,
        projected_gradient,
        sample,
        second_difference,
        two_point,
    )

__version__ = "0.2.0"

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
    "one_sided",
    "projected_gradient",
    "second_difference",
    "two_point",
    # claims
    "REGISTRY",
    "Claim",
    "Decoy",
    "Experiment",
    "Published",
    "Status",
    "Verdict",
    "check",
    "claim",
    "claim_named",
    "grid",
]

_SAMPLING = (
    "LAWS Iid Law LawCheck check_law law_named Estimate sample one_sided projected_gradient second_difference two_point"
)
_CLAIMS = "REGISTRY Claim Decoy Experiment Published Status Verdict check claim claim_named grid"
_HOME_OF = {
    "MeZO": "mezo_lab.optim",
    **dict.fromkeys(_SAMPLING.split(), "mezo_lab.sampling"),
    **dict.fromkeys(_CLAIMS.split(), "mezo_lab.claims"),
}


def __getattr__(name: str) -> object:
    """Load a name on its first use: `import mezo_lab` alone loads no torch."""
    if name not in _HOME_OF:
        raise AttributeError(f"module 'mezo_lab' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOME_OF[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
