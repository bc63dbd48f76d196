"""`MeZO`, an optimizer that needs forward passes only; it knows nothing of any model."""

from mezo_lab.optim.diagnostics import Diagnostics
from mezo_lab.optim.drift import DriftMeter
from mezo_lab.optim.log.journal import Journal, replay
from mezo_lab.optim.mezo import MeZO
from mezo_lab.optim.rules import SGD, Adam, Momentum, Normalised, Rule, Sign

__all__ = [
    "SGD",
    "Adam",
    "Diagnostics",
    "DriftMeter",
    "Journal",
    "MeZO",
    "Momentum",
    "Normalised",
    "Rule",
    "Sign",
    "replay",
]
