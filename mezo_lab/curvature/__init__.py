"""Curvature of a loss: trace, largest eigenvalue, effective rank; exact when small, with an error when large."""

from mezo_lab.curvature.exact import effective_rank, hessian, largest_eigenvalue, random_spectrum
from mezo_lab.curvature.lanczos import Eigenvalue, hessian_products, largest_eigenvalue_iterated
from mezo_lab.curvature.stochastic import gradient, restored, second_differences, trace_estimate, trace_square_estimate

__all__ = [
    "Eigenvalue",
    "effective_rank",
    "gradient",
    "hessian",
    "hessian_products",
    "largest_eigenvalue",
    "largest_eigenvalue_iterated",
    "random_spectrum",
    "restored",
    "second_differences",
    "trace_estimate",
    "trace_square_estimate",
]
