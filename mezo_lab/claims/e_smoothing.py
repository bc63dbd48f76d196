"""Section E, the mean of ĝ at finite ε under every law: E12."""

from dataclasses import dataclass

import torch
from torch import Tensor

from mezo_lab import theory
from mezo_lab.claims.claim import Decoy, Experiment, claim, grid
from mezo_lab.claims.problems import fixed_estimate, symbols_of, unit_direction, unit_gradient
from mezo_lab.sampling import Orthogonal, two_point


@claim(
    "E12",
    "smoothing-any-law",
    r"\mathbb{E}[\hat g_\varepsilon] = g + \frac{\varepsilon^2}{6}\left(3a\,\nabla(\Delta L) +"
    r" b\,(\partial_i^3 L)_i\right), \quad"
    r" \mathbb{E}[z_i z_j z_k z_l] = a(\delta_{ij}\delta_{kl} + \delta_{ik}\delta_{jl} + \delta_{il}\delta_{jk})"
    r" + b\,\delta_{ijkl}",
    source="derived; for the Gaussian Nesterov and Spokoiny (2017)",
    default=grid(dim=[5], probes=[2]),
    fast=grid(dim=[4], probes=[1]),
)
def smoothing_any_law(law, dim, probes):
    if isinstance(law, Orthogonal):
        law.fits(probes, dim)
    epsilon = 1.0
    v = unit_direction(dim, power=-0.25)
    loss = _TurnedCubic(unit_gradient(dim), 2 * unit_direction(dim, power=-0.3), 2 * unit_direction(dim, power=-0.1))
    theta = torch.zeros(dim, dtype=torch.float64)
    moments = law.moments(dim)
    vg = float(v @ loss.slope)
    va = float(v @ (loss.own + loss.direction * loss.direction.square().sum()))
    vt = float(v @ (loss.own + loss.direction**3))
    pair = float(moments.pair)
    coincidence = float(moments.coincidence)

    def draw(count, generator):
        return two_point(loss, theta, law.sample(count, probes, dim, generator), epsilon) @ v

    return Experiment(
        expected=vg + float(theory.smoothing_bias(epsilon, va, vt, moments)),
        draw=draw,
        numbers_per_draw=dim * probes,
        symbols=symbols_of(law, dim, probes, eps=epsilon, vg=vg, va=va, vt=vt, pair=pair, coincidence=coincidence),
        formula="vg + eps**2/6*(3*pair*va + coincidence*vt)",
        decoys=(Decoy("vg + eps**2/2*va"), Decoy("vg")),  # the Gaussian's, of the loss that z smooths; no bias
        deterministic=dim == 1 and fixed_estimate(law, dim, probes),  # ±1 is squared
    )


@dataclass(frozen=True)
class _TurnedCubic:
    """bᵀθ + (1/6)·Σ_i a_i θ_i³ + (1/6)·(wᵀθ)³: third derivatives along the coordinates, and across them."""

    slope: Tensor  # b, (d,)
    own: Tensor  # a, (d,)
    direction: Tensor  # w, (d,)

    def __call__(self, theta: Tensor) -> Tensor:
        return theta @ self.slope + (theta**3 @ self.own + (theta @ self.direction) ** 3) / 6
