"""Section B, second part: the best step, the edge of stability, and what probes and batches buy. B5 to B9."""

import math

import torch

from mezo_lab import theory
from mezo_lab.claims.claim import Decoy, Experiment, claim, grid
from mezo_lab.claims.problems import PAPER, at_most_dim, fitted_regression, one_step, symbols_of
from mezo_lab.curvature import effective_rank, largest_eigenvalue
from mezo_lab.sampling import two_point


@claim(
    "B5",
    "same-object",
    r"\gamma(r = d) = f, \quad f \ \mathrm{as\ in\ A2}",
    source="derived",
    laws=PAPER,
    default=grid(dim=[10], probes=[2]),
    fast=grid(dim=[6], probes=[2]),
)
def same_object(law, dim, probes):
    factor = float(theory.norm_factor(dim, probes, law.moments(dim)))
    step = 0.3
    return Experiment(
        expected=factor,
        symbols=symbols_of(law, dim, probes, r=dim, s=step),
        formula="(c + (n-1)*cross)/n",
        decoys=(Decoy("(r+n)/n"),),
        transform=lambda ratio: (ratio - 1 + 2 * step) / step**2,  # the γ that the loss shows
        **one_step(law, dim, probes, rank=dim, step=step),
    )


@claim(
    "B6",
    "best-step",
    r"\mathbb{E}[L(\theta^+)]/L(\theta) = 1 - \frac{2t - t^2}{\gamma}, \quad t = \eta\ell\gamma",
    source="derived",
    laws=[*PAPER, "orthogonal"],
    default=grid(dim=[20], probes=[2], rank=[3], t=[0.5, 1.0, 1.5, 2.0]),
    fast=grid(dim=[6], probes=[2], rank=[3], t=[1.0, 2.0]),
    sweep="t",
)
def best_step(law, dim, probes, rank, t):
    at_most_dim(rank, dim)
    gamma = float(theory.effective_rank_factor(rank, probes, law.moments(dim)))
    return Experiment(
        expected=theory.contraction(t / gamma, gamma),
        symbols=symbols_of(law, dim, probes, r=rank, t=t, gamma=gamma),
        formula="1 - (2*t - t**2)/gamma",
        decoys=(Decoy("1 - (4*t - 4*t**2)/gamma"),),  # stability at 1/γ
        **one_step(law, dim, probes, rank, step=t / gamma),
    )


@claim(
    "B7",
    "probes-are-a-wash",
    r"-\frac{1}{n}\log\frac{\mathbb{E}[L(\theta^+)]}{L(\theta)} = \frac{1}{n}\log\left(1 + \frac{n}{r+1}\right)"
    r" \ \mathrm{for\ independent\ probes}",
    source="derived; seen in the paper's Table 6; Lin, Song and Xu (2025), arXiv 2509.15552",
    laws=["gaussian"],
    default=grid(dim=[20], probes=[2, 4, 8], rank=[5]),
    fast=grid(dim=[6], probes=[2, 4, 8], rank=[5]),
    sweep="probes",
)
def probes_are_a_wash(law, dim, probes, rank):
    at_most_dim(rank, dim)
    gamma = float(theory.effective_rank_factor(rank, probes, law.moments(dim)))
    return Experiment(
        expected=theory.progress_per_pair(rank, probes),
        symbols=symbols_of(law, dim, probes, r=rank, p1=theory.progress_per_pair(rank, 1)),
        formula="log(1 + n/(r+1))/n",
        decoys=(Decoy("p1"),),  # constant in n
        transform=lambda ratio: -math.log(ratio) / probes,
        **one_step(law, dim, probes, rank, step=1 / gamma),
    )


@claim(
    "B8",
    "pl-rate",
    r"\frac{\mathbb{E}[L(\theta^+)] - L^*}{L(\theta) - L^*} \leq"
    r" 1 - \frac{1}{\gamma}\min\left(\frac{\mu}{2\ell}, \frac{\mu^2B}{2\ell\alpha}\right)",
    source="paper, Lemmas 3 and 4",
    laws=["gaussian", "sphere"],
    default=grid(dim=[20], probes=[1], batch=[2, 64]),
    fast=grid(dim=[8], probes=[1], batch=[2, 64]),
)
def pl_rate(law, dim, probes, batch):
    loss, theta = fitted_regression(dim)
    matrix = loss.hessian(theta)
    noise = loss.noise_ratio
    smoothness = largest_eigenvalue(matrix)
    pl = float(torch.linalg.eigvalsh(matrix)[-min(dim, len(loss.targets))])  # the smallest eigenvalue that the data see
    gamma = float(theory.effective_rank_factor(effective_rank(matrix), probes, law.moments(dim)))
    lr = min(1 / smoothness, pl * batch / (smoothness * noise)) / gamma

    def draw(count, generator):
        z = law.sample(count, probes, dim, generator)
        examples = torch.randint(len(loss.targets), (count, 1, batch), generator=generator).expand(-1, probes, -1)
        return loss(theta - lr * two_point(loss.on(examples), theta, z, epsilon=1.0)) / loss(theta)

    progress = "mu/(2*ell)"
    if theory.sgd_rate(pl, smoothness, noise, batch) < pl / (2 * smoothness):  # a batch so small that it decides
        progress = "mu**2*B/(2*ell*alpha)"
    return Experiment(
        expected=theory.pl_contraction(gamma, pl, smoothness, noise, batch),
        draw=draw,
        numbers_per_draw=dim * probes + batch,
        symbols=symbols_of(law, dim, probes, B=batch, mu=pl, ell=smoothness, alpha=noise, gamma=gamma),
        formula=f"1 - {progress}/gamma",
        decoys=(Decoy(f"1 - {progress}"),),
        relation="<=",
    )


@claim(
    "B9",
    "tail",
    r"\mathrm{Pr}[Z \geq k+u] \leq \exp\left(-\min\left(\frac{u^2}{16k}, \frac{u}{16}\right)\right)"
    r", \quad Z \sim \chi^2_k",
    source="paper, Lemma 6",
    laws=["gaussian"],
    default=grid(dim=[40], u=[20]) + grid(dim=[10], u=[20]),
    fast=grid(dim=[40], u=[20]) + grid(dim=[10], u=[20]),
)
def tail(law, dim, u):
    formula = "e**(-u/16)"
    if u < dim:
        formula = "e**(-u**2/(16*d))"

    def draw(count, generator):
        return (law.sample(count, 1, dim, generator).square().sum((-2, -1)) >= dim + u).double()

    return Experiment(
        expected=theory.chi_square_tail(dim, u),
        draw=draw,
        numbers_per_draw=dim,
        symbols=symbols_of(law, dim, 1, u=u),
        formula=formula,
        decoys=(Decoy(formula.replace("16", "2")),),  # 1/2 in place of 1/16
        relation="<=",
        share=True,
    )
