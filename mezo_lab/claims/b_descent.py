"""Section B, first part: what a step does to the loss. B1 to B4, and B10."""

import torch

from mezo_lab import theory
from mezo_lab.claims.claim import Decoy, Experiment, claim, grid
from mezo_lab.claims.problems import (
    BRUTE_FORCE_DIM,
    MOST_ROWS,
    PAPER,
    at_most_coordinates,
    at_most_dim,
    curved,
    fixed_estimate,
    one_step,
    symbols_of,
    unit_gradient,
)
from mezo_lab.claims.sentences import paper
from mezo_lab.curvature import effective_rank, largest_eigenvalue
from mezo_lab.sampling import Iid, Orthogonal, Quadratic, gaussian, gram_schmidt, two_point


@claim(
    "B1",
    "descent-lemma",
    r"\mathbb{E}[L(\theta^+)] - L(\theta) \leq -\eta\|g\|^2 + \frac{1}{2}\eta^2\ell\,\mathbb{E}\|\hat g\|^2"
    r" \ \mathrm{for}\ \nabla^2L \preceq \ell I,\ \mathbb{E}[\hat g] = g;\ \mathrm{equal\ for}\ H = \ell I",
    source="paper, Lemma 1",
    laws=[*PAPER, "orthogonal"],
    default=grid(dim=[12], probes=[2], spectrum=["flat", "falling"]),
    fast=grid(dim=[6], probes=[2], spectrum=["flat", "falling"]),
)
def descent_lemma(law, dim, probes, spectrum):
    matrix = curved(dim, lowest={"flat": 1.0, "falling": 0.5}[spectrum])
    loss = Quadratic(matrix)
    theta = torch.linalg.solve(matrix, unit_gradient(dim))  # so that Hθ = g
    smoothness = largest_eigenvalue(matrix)
    estimator_sq = float(theory.norm_factor(dim, probes, law.moments(dim)))
    lr = 0.5 / (smoothness * estimator_sq)

    decoys = [Decoy("-eta*g2 + eta**2*ell*G2/4")]
    if spectrum == "flat":  # elsewhere it is only a looser bound
        decoys.append(Decoy("-eta*g2 + eta**2*ell*G2"))

    def draw(count, generator):
        z = law.sample(count, probes, dim, generator)
        return loss(theta - lr * two_point(loss, theta, z, epsilon=1.0)) - loss(theta)

    return Experiment(
        expected=theory.descent_bound(lr, smoothness, 1.0, estimator_sq),
        draw=draw,
        numbers_per_draw=dim * probes,
        symbols=symbols_of(law, dim, probes, eta=lr, ell=smoothness, g2=1.0, G2=estimator_sq),
        formula="-eta*g2 + eta**2*ell*G2/2",
        deterministic=fixed_estimate(law, dim, probes),
        decoys=tuple(decoys),
        relation="==" if spectrum == "flat" else "<=",
    )


@claim(
    "B2",
    "dimension-tax",
    r"\mathbb{E}[L(\theta^+)]/L(\theta) = 1 - 2\eta\ell + \eta^2\ell^2 f, \quad f \ \mathrm{as\ in\ A2}",
    source="paper, eq. (3); the notes",
    default=grid(dim=[20], probes=[2], t=[1.0, 2.0]),
    fast=grid(dim=[6], probes=[2], t=[1.0, 2.0]),
    full=grid(dim=[10, 20, 40, 80], probes=[2], t=[1.0, 2.0]),
)
def dimension_tax(law, dim, probes, t):
    factor = float(theory.norm_factor(dim, probes, law.moments(dim)))
    step = t / factor  # t = 1: the best; t = 2: η = 2/(ℓ·factor), the largest stable one
    return Experiment(
        expected=theory.contraction(step, factor),
        symbols=symbols_of(law, dim, probes, t=t, s=step),
        formula="1 - 2*s + s**2*(c + (n-1)*cross)/n",
        decoys=(Decoy("(1-s)**2"),),  # SGD's own, for which η_SGD = 2/ℓ is the edge
        **one_step(law, dim, probes, rank=dim, step=step),
    )


@claim(
    "B3",
    "low-rank",
    r"\mathbb{E}[L(\theta^+)]/L(\theta) = 1 - 2\eta\ell + \eta^2\ell^2\gamma, \quad"
    r" \gamma = \frac{r+n+1}{n}\ \mathrm{(Gaussian)},"
    r" \ \frac{dr+d-2}{n(d+2)} + 1\ \mathrm{(sphere)}, \ \frac{r+n-1}{n}\ \mathrm{(signs),\ orthogonal\ as\ in\ E4}",
    source="paper, Theorems 1 and 2, Corollary 1; equality derived",
    laws=[*PAPER, "orthogonal"],
    default=grid(dim=[10, 100, 1000], probes=[1], rank=[5])
    + grid(dim=[10], probes=[4], rank=[5])
    + grid(dim=[13_000_000_000], probes=[1], rank=[5])
    + grid(dim=[100], probes=[1], rank=[10, 30]),
    fast=grid(dim=[8, 64], probes=[1], rank=[4])
    + grid(dim=[13_000_000_000], probes=[1], rank=[4])
    + grid(dim=[64], probes=[1], rank=[8]),
    sweep="dim",
    suits=lambda law, p: law.rotation_invariant or p["dim"] <= BRUTE_FORCE_DIM,
    published=[paper.RANK_OVER_PROBES],
)
def low_rank(law, dim, probes, rank):
    at_most_dim(rank, dim)
    moments = law.moments(dim)
    gamma = float(theory.effective_rank_factor(rank, probes, moments))
    step = 0.1
    decoys = [Decoy("1 - 2*s + s**2*(n-1+c)/n")]
    if dim <= 20:  # only at small d is the sphere's γ far from the Gaussian's
        decoys.append(Decoy("1 - 2*s + s**2*(r+n+1)/n"))
    return Experiment(
        expected=theory.contraction(step, gamma),
        symbols=symbols_of(law, dim, probes, r=rank, s=step, gamma=gamma),
        formula="1 - 2*s + s**2*gamma",
        decoys=tuple(decoys),
        **one_step(law, dim, probes, rank, step),
    )


@claim(
    "B4",
    "any-spectrum",
    r"\mathbb{E}[\hat g^\top H\hat g] = \frac{n-1}{n}g^\top Hg"
    r" + \frac{1}{n}\left(\mathrm{tr}(H)\|g\|^2 + 2g^\top Hg + (\kappa-3)\Sigma_i H_{ii}g_i^2\right)",
    source="derived from A3",
    laws=["gaussian", "rademacher", "uniform", "three-point", "sphere", "orthogonal"],
    default=grid(dim=[12], probes=[2]),
    fast=grid(dim=[6], probes=[2]),
)
def any_spectrum(law, dim, probes):
    matrix = curved(dim)
    g = unit_gradient(dim)
    loss = Quadratic(matrix)
    theta = torch.linalg.solve(matrix, g)
    trace = float(matrix.trace())
    curvature = float(g @ matrix @ g)
    diagonal = float(matrix.diagonal() @ g.square())
    moments = law.moments(dim)
    rank = effective_rank(matrix)
    # with the coincidence term γ bounds only an H along the coordinates; without it, any H for every κ ≤ 3
    gamma = float(theory.effective_rank_factor(rank, probes, moments._replace(coincidence=0)))

    formula = "((n-1)*gHg + d/(d+2)*(2*gHg + trH*g2))/n"  # the sphere's
    if isinstance(law, Iid):
        formula = "((n+1)*gHg + trH*g2 + (kappa-3)*Hgg)/n"
    elif isinstance(law, Orthogonal) and probes > 1:
        law.fits(probes, dim)
        formula = "(d/(d+2)*(2*gHg + trH*g2) + (n-1)*(d**2*gHg - d*trH*g2)/((d+2)*(d-1)))/n"

    def draw(count, generator):
        estimate = two_point(loss, theta, law.sample(count, probes, dim, generator), epsilon=1.0)
        return 2 * loss(estimate)  # ĝᵀHĝ

    return Experiment(
        expected=float(theory.second_moment(curvature, trace, diagonal, probes=probes, moments=moments)),
        draw=draw,
        numbers_per_draw=dim * probes,
        symbols=symbols_of(
            law, dim, probes, r=rank, ell=1.0, gamma=gamma, trH=trace, gHg=curvature, Hgg=diagonal, g2=1.0
        ),
        formula=formula,
        deterministic=fixed_estimate(law, dim, probes),
        decoys=(
            Decoy("ell*gamma*g2"),  # the bound, taken as an equality
            Decoy("((n+1)*gHg + trH*g2)/n"),  # the (κ−3) term dropped; true for κ = 3
        ),
    )


@claim(
    "B10",
    "general-directions",
    r"\gamma = 1 + \frac{1}{n}\left(c\,\frac{r+2}{d+2} - 1\right)\ \mathrm{for}\ H = \ell P\ "
    r"\mathrm{in\ random\ directions}",
    source="derived",
    laws=["rademacher", "uniform", "coordinate"],  # a law that no rotation changes has no special directions
    default=grid(dim=[8], probes=[1, 2], rank=[2]),
    fast=grid(dim=[6], probes=[1], rank=[2]),
    full=grid(dim=[8, 20], probes=[1], rank=[2, 4, 8]),
    sweep="rank",
)
def general_directions(law, dim, probes, rank):
    at_most_dim(rank, dim)
    at_most_coordinates(dim, MOST_ROWS)
    moments = law.moments(dim)

    def draw(count, generator):
        # a Haar basis of the range of P in each draw; g lies along its first vector
        basis = gram_schmidt(gaussian((count, rank, dim), generator).double())
        z = law.sample(count, probes, dim, generator)
        pg = z @ basis[:, 0, :, None]  # (count, n, 1)
        return (basis @ (pg * z).mean(1)[..., None]).square().sum((-2, -1))  # ‖Pĝ‖²/‖g‖²

    return Experiment(
        expected=float(theory.effective_rank_factor(rank, probes, theory.rotation_average(dim, moments))),
        draw=draw,
        numbers_per_draw=dim * (rank + probes),
        symbols=symbols_of(law, dim, probes, r=rank),
        formula="1 + (c*(r+2)/(d+2) - 1)/n",
        # signs along the axes; the Gaussian, which they are not either; the norm factor
        decoys=(Decoy("(r+n-1)/n"), Decoy("(r+n+1)/n"), Decoy("(c+n-1)/n")),
    )
