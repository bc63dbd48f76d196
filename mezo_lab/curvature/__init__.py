"""Curvature of a loss around θ: trace, largest eigenvalue, effective rank, largest stable learning rate, best ε.

Exact where the Hessian fits in memory; where it does not, from forward passes, with an error. A function of a loss
states its cost in forward passes, by its arguments; a result holds a `PassCount` of those that were made.
"""

from mezo_lab.curvature.agreement import projected_gradients, projections
from mezo_lab.curvature.density import LanczosSpectrum, lanczos_spectrum
from mezo_lab.curvature.divergence import Divergence, divergence, growth_passes, growth_rate, steps_for
from mezo_lab.curvature.epsilon_scan import EpsilonScan, ScanRow, epsilon_scan, unit_in_last_place
from mezo_lab.curvature.exact import effective_rank, hessian, largest_eigenvalue, random_spectrum
from mezo_lab.curvature.lanczos import Eigenvalue, hessian_products, largest_eigenvalue_iterated
from mezo_lab.curvature.passes import PassCount
from mezo_lab.curvature.spectra import SPECTRA, bowl, spectrum
from mezo_lab.curvature.stable_lr import StableLearningRate, predict_stable_lr, prediction_passes
from mezo_lab.curvature.stochastic import (
    gaussian_direction,
    second_differences,
    trace_estimate,
    trace_square_estimate,
)
from mezo_lab.curvature.vectors import gradient, inner_product, restored, vector_norm

__all__ = [
    "SPECTRA",
    "Divergence",
    "Eigenvalue",
    "EpsilonScan",
    "LanczosSpectrum",
    "PassCount",
    "ScanRow",
    "StableLearningRate",
    "bowl",
    "divergence",
    "effective_rank",
    "epsilon_scan",
    "gaussian_direction",
    "gradient",
    "growth_passes",
    "growth_rate",
    "hessian",
    "hessian_products",
    "inner_product",
    "lanczos_spectrum",
    "largest_eigenvalue",
    "largest_eigenvalue_iterated",
    "predict_stable_lr",
    "prediction_passes",
    "projected_gradients",
    "projections",
    "random_spectrum",
    "restored",
    "second_differences",
    "spectrum",
    "steps_for",
    "trace_estimate",
    "trace_square_estimate",
    "unit_in_last_place",
    "vector_norm",
]
