"""The largest stable learning rate of MeZO: predicted from measured curvature, and where a run really diverges."""

from mezo_lab.curvature.stability.divergence import Divergence, divergence, growth_rate
from mezo_lab.curvature.stability.prediction import StableStep, predict
from mezo_lab.curvature.stability.spectra import SPECTRA, bowl, spectrum

__all__ = [
    "SPECTRA",
    "Divergence",
    "StableStep",
    "bowl",
    "divergence",
    "growth_rate",
    "predict",
    "spectrum",
]
