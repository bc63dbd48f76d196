"""Section E, directions in a subspace of a matrix of weights: E2 and E3."""

import math
from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from mezo_lab import theory
from mezo_lab.claims.claim import Decoy, Experiment, claim, grid
from mezo_lab.claims.problems import (
    BRUTE_FORCE_DIM,
    at_most_weights,
    far_decoys,
    symbols_of,
    unit_direction,
    unit_gradient,
)
from mezo_lab.claims.sentences import successors
from mezo_lab.sampling import (
    Law,
    Linear,
    LowRankQuadratic,
    gaussian,
    gram_schmidt,
    random_share,
    reduced_frame,
    two_point,
)


@claim(
    "E2",
    "fixed-subspace",
    r"z = \sqrt{q/k}\,\mathrm{vec}(UV^\top): \ \mathbb{E}[\hat g\,|\,V] = \frac{q}{k}\,GVV^\top, \quad"
    r" \frac{\mathbb{E}[L(\theta_T)]}{L(\theta_0)} = 1 - \frac{k}{q}\left(1 - (1 - 1/\gamma)^T\right)"
    r" \geq (1 - 1/\gamma_{pq})^T",
    source="derived; a V kept for T steps, as in LOZO (arXiv 2410.07698) and SubZero (arXiv 2410.08989)",
    laws=["gaussian", "sphere"],
    default=grid(p=[4], q=[3], k=[2], probes=[1], steps=[1], moment=["mean"])
    + grid(p=[3], q=[3], k=[1], probes=[1], steps=[4], moment=["loss"]),
    fast=grid(p=[2], q=[3], k=[1], probes=[1], steps=[1], moment=["mean"])
    + grid(p=[2], q=[3], k=[1], probes=[1], steps=[4], moment=["loss"]),
    published=[successors.RANDOM_SUBSPACE_GRADIENT, successors.RANDOM_SUBSPACE_VARIANCE],
)
def fixed_subspace(law, p, q, k, probes, steps, moment):
    _sizes(p, q, k)
    if moment == "mean" and steps > 1:
        raise ValueError(f"`steps` must be 1 for the mean, got {steps}: it is that of one estimate.")
    dim = p * q
    inside = p * k

    if moment == "mean":
        at_most_weights(p, q)
        g = unit_gradient(dim)
        v = unit_direction(dim, power=-0.25)
        basis = _basis(unit_direction(q * k, power=-0.75).view(k, q) + torch.eye(k, q, dtype=torch.float64))
        kept = float(v @ (g.view(p, q) @ basis @ basis.T).flatten())

        def draw(count, generator):
            z = (q / k) ** 0.5 * _in_subspace(law, basis, count, probes, p, generator)
            return two_point(Linear(g), torch.zeros_like(g), z, epsilon=1.0) @ v

        return Experiment(
            expected=theory.subspace_mean(kept, q, k),
            draw=draw,
            symbols=symbols_of(law, dim, probes, p=p, q=q, k=k, vg=float(v @ g), vPg=kept),
            formula="q/k*vPg",
            decoys=(Decoy("vg"), Decoy("vPg")),
            numbers_per_draw=probes * dim,
        )

    gamma = float(theory.norm_factor(inside, probes, law.moments(inside)))
    reduced = _too_long(dim)
    if not reduced:
        loss = LowRankQuadratic(smoothness=1.0, rank=dim)
        start = unit_gradient(dim)

    def left(count, generator):
        if reduced:
            ratios = _step_inside(law, count * steps, probes, inside, gamma, generator).view(count, steps)
            return 1 - random_share(count, q, k, generator) * (1 - ratios.prod(1))
        basis = _random_basis(count, q, k, generator)
        theta = start.expand(count, 1, dim)
        for _ in range(steps):
            z = _in_subspace(law, basis, count, probes, p, generator)  # of length √(pk): its best step is 1/γ
            theta = theta - two_point(loss, theta, z, epsilon=1.0).unsqueeze(1) / gamma
        return loss(theta)[:, 0] / loss(start)

    expected = -math.log(theory.subspace_loss(k / q, steps, gamma)) / (probes * steps)
    whole = float(theory.progress_per_pair(dim, probes, law.moments(dim)))
    symbols = symbols_of(law, dim, probes, p=p, q=q, k=k, steps=steps, gamma=gamma, whole=whole)
    return Experiment(
        expected=expected,
        draw=left,
        symbols=symbols,
        formula="-log(1 - k/q*(1 - (1-1/gamma)**steps))/(n*steps)",
        decoys=far_decoys(expected, symbols, "q/k*whole", "whole"),  # q/k times fewer steps; as many
        transform=lambda ratio: -math.log(ratio) / (probes * steps),
        sampler="reduced" if reduced else "brute force",
        numbers_per_draw=steps * 5 * probes * (probes + 3) if reduced else steps * probes * dim,
    )


@claim(
    "E3",
    "aligned-subspace",
    r"G = \Delta X^\top, \ V = \mathrm{span}\,X: \ \mathbb{E}\cos^2(\hat g, g) = \frac{1}{pk}"
    r" \ \mathrm{in\ place\ of}\ \frac{1}{pq}; \quad"
    r" \gamma = \frac{pk+n+1}{n} \ \mathrm{in\ place\ of}\ \frac{pk + h\,p(q-k) + n + 1}{n}"
    r" \ \mathrm{on}\ H = P + h(I - P) \ \mathrm{(Gaussian)}",
    source="derived; the subspace of AGZO (arXiv 2601.17261)",
    laws=["gaussian", "sphere"],
    default=grid(p=[4], q=[4], k=[1], probes=[1], outside=[1.0], subspace=["aligned", "random"], moment=["cosine"])
    + grid(p=[3], q=[4], k=[2], probes=[1], outside=[0.0, 1.0], subspace=["aligned"], moment=["progress"]),
    fast=grid(p=[2], q=[3], k=[1], probes=[1], outside=[1.0], subspace=["aligned", "random"], moment=["cosine"])
    + grid(p=[2], q=[3], k=[1], probes=[1], outside=[0.0, 1.0], subspace=["aligned"], moment=["progress"]),
    published=[successors.ALIGNED_COSINE],
)
def aligned_subspace(law, p, q, k, probes, outside, subspace, moment):
    _sizes(p, q, k)
    if p * k == 1:
        raise ValueError("`p` times `k` must be at least 2: the one direction of the subspace would be the gradient's.")
    if moment == "cosine" and probes > 1:
        raise ValueError(f"`probes` must be 1 for the cosine, got {probes}: it is that of one direction.")
    if moment == "progress" and subspace == "random":
        raise ValueError("`subspace` must be aligned for the progress: that in a random one is claim fixed-subspace.")
    if not 0 <= outside <= 1:
        raise ValueError(f"`outside` must be from 0 to 1, got {outside}: the curvature outside is at most that inside.")
    dim = p * q
    inside = p * k
    reduced = _too_long(dim)
    shared = {
        "sampler": "reduced" if reduced else "brute force",
        "numbers_per_draw": 5 * probes * (probes + 3) if reduced else probes * dim,
    }
    if not reduced:
        inputs = _basis(torch.eye(k, q, dtype=torch.float64) + unit_direction(q * k, power=-0.5).view(k, q))
        # of a linear layer that met k tokens: a sum of k outer products
        g = (unit_gradient(inside).view(p, k) @ inputs.T).flatten()
        loss = _Layer(inputs, outside)

    if moment == "cosine":

        def draw(count, generator):
            if reduced:
                frame = reduced_frame(law, count, 1, inside, generator)
                share = 1.0 if subspace == "aligned" else random_share(count, q, k, generator)
                return share * frame.along[:, 0].square() / frame.gram[:, 0, 0]
            basis = inputs if subspace == "aligned" else _random_basis(count, q, k, generator)
            z = _in_subspace(law, basis, count, 1, p, generator)[:, 0]
            return (z @ g).square() / z.square().sum(-1)

        share = {"aligned": 1.0, "random": k / q}[subspace]
        return Experiment(
            expected=theory.subspace_cosine(share, p, k),
            draw=draw,
            symbols=symbols_of(law, dim, probes, p=p, q=q, k=k, share=share),
            formula="share/(p*k)",
            decoys=(Decoy("1/d"), Decoy("1/(p*k)")),  # no subspace gains; each one gains
            **shared,
        )

    gamma = float(theory.norm_factor(inside, probes, law.moments(inside)))
    trace = inside + outside * p * (q - k)

    def ratio(count, generator):
        if reduced:
            return _step_inside(law, count, probes, inside, gamma, generator)
        z = _in_subspace(law, inputs, count, probes, p, generator)
        return loss(g - two_point(loss, g, z, epsilon=1.0) / gamma) / loss(g)

    expected = float(theory.progress_per_pair(inside, probes, law.moments(inside)))
    whole = float(theory.progress_per_pair(trace, probes, law.moments(dim)))
    symbols = symbols_of(law, dim, probes, p=p, q=q, k=k, gamma=gamma, trH=trace, whole=whole)
    return Experiment(
        expected=expected,
        draw=ratio,
        symbols=symbols,
        formula="log(gamma/(gamma-1))/n",
        # the gain in cos² is one in steps, nearly true for h = 1; nothing is gained, true for h = 0
        decoys=far_decoys(expected, symbols, "q/k*whole", "whole"),
        transform=lambda ratio: -math.log(ratio) / probes,
        **shared,
    )


@dataclass(frozen=True)
class _Layer:
    """½·⟨Θ, ΘP⟩ + ½·h·⟨Θ, Θ(I−P)⟩, P the projector on a layer's inputs; at h = 0 its least squares on these alone."""

    inputs: Tensor  # (q, k), orthonormal
    outside: float

    def __call__(self, theta: Tensor) -> Tensor:
        whole = theta.square().sum(-1)
        met = (theta.unflatten(-1, (-1, len(self.inputs))) @ self.inputs).square().sum((-2, -1))
        return (self.outside * whole + (1 - self.outside) * met) / 2


def _too_long(dim: int) -> bool:
    """Whether the scalars of a direction must stand for it; both laws of this file are rotation-invariant."""
    return dim > BRUTE_FORCE_DIM


def _step_inside(law: Law, count: int, probes: int, inside: int, gamma: float, generator: Generator) -> Tensor:
    """What a step 1/γ with pk dimensions leaves of ½‖ΘV‖², from its scalars, (count,)."""
    frame = reduced_frame(law, count, probes, inside, generator)
    return 1 - 2 / gamma * frame.overlap() + frame.length_sq() / gamma**2


def _sizes(p: int, q: int, k: int) -> None:
    if k >= q:
        raise ValueError(f"`k` must be below `q`, got {k} for {q}: a subspace of all columns leaves nothing out.")


def _basis(rows: Tensor) -> Tensor:
    """Orthonormal columns of the span of the rows, (…, k, q) → (…, q, k)."""
    return gram_schmidt(rows).transpose(-1, -2)


def _random_basis(count: int, q: int, k: int, generator: Generator) -> Tensor:
    """A uniform V for each draw, (count, 1, q, k)."""
    return _basis(gaussian((count, 1, k, q), generator).double())


def _in_subspace(law: Law, basis: Tensor, count: int, probes: int, p: int, generator: Generator) -> Tensor:
    """vec(UVᵀ) with U of the law, (count, n, p·q)."""
    u = law.sample(count, probes, p * basis.shape[-1], generator).unflatten(-1, (p, -1))
    columns = ((u[..., a, None] * basis[..., None, :, a]) for a in range(u.shape[-1]))
    return sum(columns, torch.zeros(())).flatten(-2)  # products of many small matrices would take several times as long
