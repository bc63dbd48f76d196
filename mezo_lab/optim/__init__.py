"""`MeZO`, an optimizer that needs forward passes only; it knows nothing of any model.

`mezo` holds Algorithm 1, `reference` the same algorithm out of place, for comparisons. A step uses, in this order,
`closure` (evaluation of the loss), `stencils` (points and projected gradients), `rules` (the update), `engine` and
`displacement` (moves of the weights), `sweeps` and `noise` (θ += scale·z), and `log` if it writes a run log.
"""

from mezo_lab.optim.diagnostics import Diagnostics, update_over_spacing
from mezo_lab.optim.drift import DriftMeter
from mezo_lab.optim.log import RunLog, replay
from mezo_lab.optim.mezo import MeZO
from mezo_lab.optim.reference import ReferenceMeZO
from mezo_lab.optim.rules import SGD, Adam, Momentum, Normalised, Record, Rule, Sign

__all__ = [
    "SGD",
    "Adam",
    "Diagnostics",
    "DriftMeter",
    "MeZO",
    "Momentum",
    "Normalised",
    "Record",
    "ReferenceMeZO",
    "Rule",
    "RunLog",
    "Sign",
    "replay",
    "update_over_spacing",
]
