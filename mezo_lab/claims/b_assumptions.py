"""Section B, third part: the theorems on losses that are not quadratic everywhere. B11 and B12.

Assumption 1 wants a small trace of the Hessian within ηdG of the weights, and Assumption 2 within 2ηdG. A typical step
has the length η·abs(pg)·√d, which is √d times less: the ball is so large because it must hold the longest step.
"""

import torch
from torch import Generator, Tensor

from mezo_lab import theory
from mezo_lab.claims.claim import Decoy, Experiment, claim, grid
from mezo_lab.claims.decision import excluded_by
from mezo_lab.claims.problems import PAPER, at_most_dim, fixed_estimate, one_neuron, sampled, symbols_of, unit_gradient
from mezo_lab.claims.sentences import paper
from mezo_lab.curvature import effective_rank, largest_eigenvalue
from mezo_lab.sampling import LAWS, Law, Linear, LowRankQuadratic, Orthogonal, ProbeScalars, two_point
from mezo_lab.sampling.montecarlo import Draws

_INSIDE = 1 + 1e-12  # of a radius: rounding
_STEPS_INSIDE = 10_000  # of signs, the sphere or orthogonal probes, none of which may leave the ball
_RUNS = 4_000  # of B12: their mean has an error of half a percent


@claim(
    "B11",
    "local-ball",
    r"\|\Delta\theta\| \leq \eta dG \ \mathrm{for}\ \|z\|^2 = d; \quad"
    r" \mathrm{Pr}[\|\Delta\theta\| > 2\eta dG] \leq e^{-nd/16} \ \mathrm{(Gaussian)}; \quad"
    r" \mathbb{E}\|\Delta\theta\|^2 = \eta^2 f\,\|g\|^2; \quad \nabla^2L \preceq \ell P_r \ \mathrm{for}\ "
    r" \|\Delta\theta\| \leq 2\eta dG \Rightarrow \mathbb{E}[L(\theta^+)] - L \leq -\eta\|g\|^2"
    r" + \frac{1}{2}\eta^2\ell\gamma\|g\|^2 + \eta^2\ell G^2 e^{-\Omega(nd)}",
    source="paper, Assumptions 1 and 2, Theorems 1 and 2",
    laws=[*PAPER, "orthogonal"],
    default=grid(measure=["descent"], dim=[400], probes=[1], rank=[2])
    + grid(measure=["tail"], dim=[2], probes=[1, 2])
    + grid(measure=["length"], dim=[16], probes=[2])
    + grid(measure=["inside"], dim=[4], probes=[2]),
    fast=grid(measure=["descent"], dim=[300], probes=[1], rank=[2])
    + grid(measure=["tail"], dim=[2], probes=[1])
    + grid(measure=["length"], dim=[8], probes=[2])
    + grid(measure=["inside"], dim=[4], probes=[2]),
    suits=lambda law, p: law.name in _LAWS_OF[p["measure"]],
    published=[paper.LOCAL_BALL],
)
def local_ball(law, measure, dim, probes, rank=1):
    if law.name not in _LAWS_OF[measure]:
        raise ValueError(
            f"`law` must be one of {', '.join(_LAWS_OF[measure])} for the measure {measure!r}, got {law.name}: "
            "choose one of them, or another measure."
        )
    if isinstance(law, Orthogonal):
        law.fits(probes, dim)
    if measure == "descent":
        return _descent_in_a_ball(law, dim, probes, rank)
    symbols = symbols_of(law, dim, probes)
    if measure == "length":
        square = float(dim) ** 2  # a tensor takes no whole number beyond 2⁶³
        return Experiment(
            expected=float(theory.norm_factor(dim, probes, law.moments(dim))) / square,
            symbols=symbols,
            formula="(c + (n-1)*cross)/(n*d**2)",
            decoys=(Decoy("1"),),  # as long as the radius of the ball
            deterministic=fixed_estimate(law, dim, probes),
            **sampled(
                law,
                dim,
                probes,
                brute=lambda z: _step(z).square() / square,
                scalars=lambda frame: ProbeScalars.length_sq(frame) / square,
            ),
        )
    if measure == "tail":
        return Experiment(
            expected=theory.chi_square_tail(dim * probes, dim * probes),
            draw=_share_beyond(law, dim, probes, 2.0 * dim),
            numbers_per_draw=dim * probes,
            symbols=symbols,
            formula="e**(-n*d/16)",
            decoys=(Decoy("e**(-2*n*d)"),),  # rarer than it is
            relation="<=",
            share=True,
        )
    never_beyond = _share_beyond(law, dim, probes, _INSIDE * dim)
    gaussian = _share_beyond(LAWS["gaussian"], dim, probes, _INSIDE * dim)
    return Experiment(
        expected=1.0,
        draw=lambda count, rng: 1 - never_beyond(count, rng),
        numbers_per_draw=dim * probes,
        symbols=symbols,
        formula="1",
        decoys=(Decoy("Gaussian steps", draw=lambda count, rng: 1 - gaussian(count, rng)),),
        share=True,
        draws=_STEPS_INSIDE,
        resolution=excluded_by(_STEPS_INSIDE),
    )


_LAWS_OF = {
    "descent": ("gaussian",),
    "tail": ("gaussian",),
    "length": (*PAPER, "orthogonal"),
    "inside": ("sphere", "rademacher", "orthogonal"),
}


def _step(z: Tensor) -> Tensor:
    """‖Δθ‖/(ηG) of a step on a linear loss, where G = ‖g‖. z (count, n, d) → (count,)"""
    g = unit_gradient(z.shape[-1])
    return two_point(Linear(g), torch.zeros_like(g), z, epsilon=1.0).norm(dim=-1)


def _share_beyond(law: Law, dim: int, probes: int, radius: float) -> Draws:
    return lambda count, rng: (_step(law.sample(count, probes, dim, rng)) > radius).double()


def _descent_in_a_ball(law: Law, dim: int, probes: int, rank: int) -> Experiment:
    """(L⁺ − L)/‖g‖² at η = 1/(ℓγ), ℓ = 1, on a loss whose Hessian is P_r within a ball and ⪯ I outside."""
    at_most_dim(rank, dim - 1)
    g = unit_gradient(dim, rank)
    gamma = float(theory.effective_rank_factor(rank, probes, law.moments(dim)))
    lr = 1 / gamma
    bound = theory.descent_bound(lr, 1.0, 1.0, gamma) + theory.tail_excess(lr, 1.0, dim, probes, 1.0)
    if bound >= 0:
        raise ValueError(f"`dim` must be larger for the descent, got {dim}: the bound promises none; raise --dim.")

    def change(radius: float) -> Draws:
        def loss(delta: Tensor) -> Tensor:
            flat = delta[..., rank:].norm(dim=-1)  # the directions without curvature, up to the radius
            return Linear(g)(delta) + LowRankQuadratic(1.0, rank)(delta) + (flat - radius).clamp(min=0).square() / 2

        def draw(count: int, generator: Generator) -> Tensor:
            z = law.sample(count, probes, dim, generator)
            # ε → 0: the gradient at the centre is g, whatever happens outside
            return loss(-lr * two_point(Linear(g), torch.zeros_like(g), z, epsilon=1.0))

        return draw

    typical = lr * dim**0.5  # η|pg|√d for |pg| = ‖g‖
    return Experiment(
        expected=bound,
        draw=change(2 * lr * dim),
        numbers_per_draw=dim * probes,
        symbols=symbols_of(law, dim, probes, r=rank, eta=lr, ell=1.0, gamma=gamma, g2=1.0),
        formula="-eta*g2 + eta**2*ell*gamma*g2/2 + eta**2*ell*105**0.25*(d+6)*g2*e**(-n*d/32)",
        decoys=(
            Decoy("-eta*g2 + eta**2*ell*gamma*g2/4"),
            Decoy("a ball of half the length of a typical step", draw=change(typical / 2)),
        ),
        relation="<=",
        resolution=0.08,
    )


@claim(
    "B12",
    "stationarity",
    r"\min_{t<T}\mathbb{E}\|\nabla L(\theta_t)\|^2 \leq \frac{2\ell\gamma\,(L(\theta_0) - L^*)}{T}, \quad"
    r" \eta = \frac{1}{\ell\gamma},\ \nabla^2L \preceq H,\ \|H\| = \ell,\ \mathrm{tr}\,H = r\ell",
    source="derived from the paper's Theorem 1, as Ghadimi and Lan (2013; its abstract was read) do for SGD",
    laws=[*PAPER, "orthogonal"],
    default=grid(dim=[12], probes=[1], steps=[40, 80]),
    fast=grid(dim=[12], probes=[1], steps=[40]),
    sweep="steps",
)
def stationarity(law, dim, probes, steps):
    """The mean of ‖∇L‖² over a run, which is no smaller than the least E‖∇L‖² of its points."""
    if isinstance(law, Orthogonal):
        law.fits(probes, dim)
    loss, start = one_neuron(dim)
    matrix = loss.curvature_bound  # at every θ, and so honest wherever a run goes
    smoothness = largest_eigenvalue(matrix)
    # in general directions, where no coincidence helps
    gamma = float(
        theory.effective_rank_factor(effective_rank(matrix), probes, law.moments(dim)._replace(coincidence=0))
    )
    lr = 1 / (smoothness * gamma)
    excess = float(loss(start))  # L* ≥ 0

    def draw(count: int, generator: Generator) -> Tensor:
        theta = start.expand(count, dim)
        total = torch.zeros(count, dtype=torch.float64)
        for _ in range(steps):
            total += loss.gradient(theta).square().sum(-1)
            z = law.sample(count, probes, dim, generator)
            theta = theta - lr * two_point(loss, theta[:, None], z, epsilon=1e-4)
        return total / steps

    return Experiment(
        expected=theory.stationarity_bound(steps, smoothness, gamma, excess),
        draw=draw,
        numbers_per_draw=max(dim, len(loss.targets)) * probes,  # of a step: those of one are gone before the next
        symbols=symbols_of(law, dim, probes, steps=steps, ell=smoothness, gamma=gamma, L0=excess),
        formula="2*ell*gamma*L0/steps",
        decoys=(Decoy("2*ell*L0/steps"),),  # that of the gradient itself
        relation="<=",
        deterministic=steps == 1 or fixed_estimate(law, dim, probes),
        draws=_RUNS,
        resolution=0.1,
    )
