"""Section E, after MeZO: what its successors claim. E4 and E6."""

import math

import torch
from torch import Tensor

from mezo_lab import theory
from mezo_lab.claims.beds import at_most_dim, named, one_step
from mezo_lab.claims.claim import Decoy, Experiment, claim, grid
from mezo_lab.directions import Orthogonal
from mezo_lab.estimators import two_point
from mezo_lab.objectives import Quadratic
from mezo_lab.stability import spectrum
from mezo_lab.theory.stability import own_and_shared, stability_limit


@claim(
    "E4",
    "orthogonal-probes",
    r"-\frac{1}{n}\log\frac{\mathbb{E}[L(\theta^+)]}{L(\theta)} = \frac{1}{n}\log\frac{\gamma}{\gamma - 1}, \quad"
    r" \gamma = \frac{d}{n} - (d - r)\,b, \quad b = \frac{d(d-n)}{n(d+2)(d-1)}",
    source="derived; Lin, Song and Xu (2025), arXiv 2509.15552",
    laws=["orthogonal"],
    default=grid(dim=[20], probes=[2, 8, 16], rank=[20]) + grid(dim=[20], probes=[8, 16], rank=[5]),
    fast=grid(dim=[6], probes=[2, 4, 5], rank=[5]),
    sweep="probes",
)
def orthogonal_probes(law, dim, probes, rank):
    at_most_dim(rank, dim)
    fewer_than_dim(law, probes, dim)
    moments = law.moments(dim)
    gamma = float(theory.effective_rank_factor(rank, probes, moments))
    return Experiment(
        expected=float(theory.progress_per_pair(rank, probes, moments)),
        symbols=named(
            law,
            dim,
            probes,
            r=rank,
            gamma=gamma,
            p1=float(theory.progress_per_pair(rank, 1, moments)),
            wash=theory.progress_per_pair(rank, probes),
        ),
        decoys=(Decoy("wash"), Decoy("p1")),  # as for independent probes; constant in n
        transform=lambda ratio: -math.log(ratio) / probes,
        **one_step(law, dim, probes, rank, step=1 / gamma),
    )


@claim(
    "E6",
    "edge",
    r"\mathbb{E}[L(\theta^+)] = L(\theta)\ \mathrm{at\ the}\ \eta\ \mathrm{with}\ "
    r" \Sigma_j \frac{B\eta\lambda_j}{2 - A\eta\lambda_j} = 1, \quad"
    r" \mathbb{E}[\hat g_i^2] = A g_i^2 + B\|g\|^2",
    source="derived; Song et al. (2026), arXiv 2604.14669",
    laws=["gaussian", "rademacher", "uniform", "three-point", "sphere", "orthogonal"],
    default=grid(dim=[20], probes=[1, 4], spectrum=["power", "exponential"]),
    fast=grid(dim=[8], probes=[2], spectrum=["power"]),
)
def edge(law, dim, probes, spectrum):
    moments, eigenvalues = law.moments(dim), falling(spectrum, dim)
    if isinstance(law, Orthogonal):
        fewer_than_dim(law, probes, dim)
    lr = stability_limit(eigenvalues, probes, moments)
    loss, theta = Quadratic(torch.diag(eigenvalues)), settled(eigenvalues, lr, probes, moments)
    gradient = eigenvalues * theta
    value, slope = float(loss(theta)), float(gradient @ gradient)
    trace, norm = float(eigenvalues.sum()), float(eigenvalues.max())

    def draw(count, generator):
        z = law.sample(count, probes, dim, generator)
        return loss(theta - lr * two_point(loss, theta, z, epsilon=1.0)) / value

    def where_it_stands_still(ratio: float) -> float:
        # L⁺/L = 1 − slope·η/L + curvature·η²: what the draws at one rate say of all others
        curvature = (ratio - 1 + lr * slope / value) / lr**2
        return slope / value / curvature

    gamma = float(theory.effective_rank_factor(trace / norm, probes, moments))
    return Experiment(
        expected=lr,
        draw=draw,
        numbers_per_draw=dim * probes,
        symbols=named(law, dim, probes, trH=trace, ell=norm, trH2=float(eigenvalues @ eigenvalues), gamma=gamma),
        decoys=(
            Decoy("2/ell"),  # the edge of first-order descent
            Decoy("2*n/trH"),
            Decoy("2/(ell*gamma)"),  # B6's edge, exact on a flat spectrum alone
        ),
        transform=where_it_stands_still,
    )


def fewer_than_dim(law: Orthogonal, probes: int, dim: int) -> None:
    law.fits(probes, dim)
    if probes == dim:
        raise ValueError(
            f"`probes` must be below `dim` here, got {probes} for {dim}: so many orthogonal probes return g itself, "
            "and nothing is left to measure; lower --probes or raise --dim."
        )


def falling(name: str, dim: int) -> Tensor:
    """A spectrum that is not flat, (d,)."""
    return spectrum(name, dim, max(1, dim // 4) if name == "exponential" else None)


def settled(eigenvalues: Tensor, lr: float, probes: int, moments: theory.Moments) -> Tensor:
    """The θ whose squares one step at the edge leaves as they are, on average: θ_i² ∝ 1/(λ_i(2 − Aηλ_i))."""
    own = float(own_and_shared(probes, moments)[0])
    return (eigenvalues * (2 - own * lr * eigenvalues)).rsqrt()
