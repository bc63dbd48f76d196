"""Section E, after MeZO: what its successors claim. E1 and E4 to E7."""

import math

import torch
from torch import Tensor

from mezo_lab import theory
from mezo_lab.claims.claim import Decoy, Experiment, claim, grid
from mezo_lab.claims.problems import (
    BRUTE_FORCE_DIM,
    PAPER,
    at_most_dim,
    at_most_weights,
    far_decoys,
    one_step,
    symbols_of,
    unit_direction,
    unit_gradient,
)
from mezo_lab.claims.sentences import paper, projects, successors
from mezo_lab.curvature import spectrum
from mezo_lab.sampling import Iid, Linear, LowRank, LowRankQuadratic, Orthogonal, low_rank_frame, population, two_point
from mezo_lab.theory import momentum_lr, own_and_shared, stability_limit

_DRAWS = 4_000_000  # of one low-rank direction of rank one: a standard error of 0.1 to 0.2 % of its norm factor


@claim(
    "E1",
    "low-rank-direction",
    r"z = \mathrm{vec}(UV^\top)/\sqrt{k}: \ \mathbb{E}\|\hat g\|^2 = \frac{n-1+c}{n}\|g\|^2, \quad"
    r" c = d + 2 + \frac{(\kappa-1)(p+q+\kappa-1) - 2}{k}, \ d = pq; \quad \mathbb{E}\cos^2(\hat g, g) = 1/d",
    source="derived; the law of LOZO (arXiv 2410.07698) and EGGROLL (arXiv 2511.16652)",
    laws=["gaussian", "rademacher"],
    default=grid(p=[5], q=[3], k=[1, 4], probes=[1], moment=["norm", "cosine"])
    + grid(p=[5], q=[3], k=[1], probes=[2], moment=["norm"]),
    fast=grid(p=[4], q=[3], k=[1, 2], probes=[1], moment=["norm", "cosine"]),
    # signs of an even rank may cancel to z = 0, which has no angle
    suits=lambda law, p: law.name == "gaussian" or p["moment"] == "norm",
    published=[projects.LOW_RANK_VARIANCE, successors.LOW_RANK_CAPTURE],
)
def low_rank_direction(law, p, q, k, probes, moment):
    """Assumes: as `low_rank_fourth_moment`; a linear loss, or ε → 0."""
    if moment == "cosine" and probes > 1:
        raise ValueError(f"`probes` must be 1 for the cosine, got {probes}: it is that of one direction.")
    if moment == "cosine" and isinstance(law, Iid) and law.kurtosis == 1 and k % 2 == 0:
        raise ValueError(f"`k` must be odd for the cosine with signs, got {k}: their terms may cancel to z = 0.")
    dim = p * q
    if dim == 1:
        raise ValueError("`p` times `q` must be at least 2, got 1: all directions of a single weight are one.")
    whole = LowRank("low-rank", rank=k, shape=(p, q), factors=law)
    c = float(whole.fourth_moment(dim))
    reduced = law.rotation_invariant and dim > BRUTE_FORCE_DIM

    shared = {
        "numbers_per_draw": 5 * (probes * k) ** 2 if reduced else probes * max(dim, k * (p + q)),
        "symbols": symbols_of(law, dim, probes, p=p, q=q, k=k, c=c),
        "sampler": "reduced" if reduced else "brute force",
    }
    if not reduced:
        at_most_weights(p, q)
        g = unit_gradient(dim)

    def cosine(count, generator):
        if reduced:
            frame = low_rank_frame(count, 1, (p, q), k, generator)
            return frame.along[:, 0].square() / frame.gram[:, 0, 0]
        z = whole.sample(count, probes, dim, generator)
        return (z @ g).square()[:, 0] / z.square().sum(-1)[:, 0]

    # of a Gaussian the mean of ‖ĝ‖² over a gradient along each coordinate in turn: Σ_ij (z_iᵀz_j)²/(n²d)
    def norm(count, generator):
        if reduced:
            return low_rank_frame(count, probes, (p, q), k, generator).gram.square().sum((1, 2)) / (probes**2 * dim)
        z = whole.sample(count, probes, dim, generator)
        if law.name == "rademacher":  # at rank one their length does not vary, and neither would that mean
            return two_point(Linear(g), torch.zeros_like(g), z, epsilon=1.0).square().sum(-1)
        pairs = (z[:, i] * z[:, j] for i in range(probes) for j in range(probes))
        return sum(pair.sum(-1).square() for pair in pairs) / (probes**2 * dim)

    if moment == "cosine":
        return Experiment(expected=1 / dim, draw=cosine, formula="1/d", decoys=(Decoy("1/(k*(p+q))"),), **shared)
    if law.name == "gaussian":  # a square of eight Gaussian factors has tails that a pilot seldom shows whole
        shared |= {"draws": _DRAWS // (k * probes), "resolution": 0.02}
    believed = "k*(p+q) + 2"  # the variance of as many Gaussian coordinates as numbers are drawn
    expected = (probes - 1 + c) / probes
    return Experiment(
        expected=expected,
        draw=norm,
        formula="(n-1+c)/n",
        decoys=far_decoys(expected, shared["symbols"], "(n+1+d)/n", f"(n-1 + {believed})/n"),
        **shared,
    )


@claim(
    "E4",
    "orthogonal-probes",
    r"-\frac{1}{n}\log\frac{\mathbb{E}[L(\theta^+)]}{L(\theta)} = \frac{1}{n}\log\frac{\gamma}{\gamma - 1}, \quad"
    r" \gamma = \frac{d}{n} - (d - r)\,b, \quad b = \frac{d(d-n)}{n(d+2)(d-1)}",
    source="derived; Lin, Song and Xu (2025), arXiv 2509.15552",
    laws=["orthogonal"],
    default=grid(dim=[12], probes=[2, 6, 10], rank=[12]) + grid(dim=[12], probes=[6, 10], rank=[3]),
    fast=grid(dim=[6], probes=[2, 4, 5], rank=[5]),
    sweep="probes",
    published=[paper.ONE_DIRECTION_IS_BEST],
)
def orthogonal_probes(law, dim, probes, rank):
    at_most_dim(rank, dim)
    _fewer_than_dim(law, probes, dim)
    moments = law.moments(dim)
    gamma = float(theory.effective_rank_factor(rank, probes, moments))
    return Experiment(
        expected=float(theory.progress_per_pair(rank, probes, moments)),
        symbols=symbols_of(
            law,
            dim,
            probes,
            r=rank,
            gamma=gamma,
            p1=float(theory.progress_per_pair(rank, 1, moments)),
            wash=theory.progress_per_pair(rank, probes),
        ),
        formula="log(gamma/(gamma-1))/n",
        decoys=(Decoy("wash"), Decoy("p1")),  # as for independent probes; constant in n
        transform=lambda ratio: -math.log(ratio) / probes,
        **one_step(law, dim, probes, rank, step=1 / gamma),
    )


@claim(
    "E5",
    "momentum",
    r"m \leftarrow \beta m + (1-\beta)\hat g, \ \theta \leftarrow \theta - \eta m \ \mathrm{on}\ H = \ell P_r:\ "
    r"\eta_{\max} = \frac{2}{\ell\left(\gamma - 2\beta/(1+\beta)\right)}",
    source="derived; for every spectrum Song et al. (2026), arXiv 2604.14669",
    laws=[*PAPER, "orthogonal"],
    default=grid(dim=[10], probes=[1], rank=[5], beta=[0.5, 0.9]) + grid(dim=[10], probes=[4], rank=[5], beta=[0.9]),
    fast=grid(dim=[8], probes=[1], rank=[3], beta=[0.9]) + grid(dim=[8], probes=[3], rank=[3], beta=[0.9]),
    # one orthogonal probe is one of the sphere
    suits=lambda law, p: (p["probes"] > 1) == (law.name == "orthogonal"),
    published=[projects.MOMENTUM_AGAINST_NOISE],
)
def momentum(law, dim, probes, rank, beta):
    at_most_dim(rank, dim)
    if rank < 2:
        raise ValueError(f"`rank` must be at least 2 here, got {rank}: θ and m settle at an angle; raise --rank.")
    if not 0 <= beta < 1:
        raise ValueError(f"`beta` must lie in [0, 1), got {beta}: m is an average.")
    if isinstance(law, Orthogonal):
        _fewer_than_dim(law, probes, dim)
    gamma = float(theory.effective_rank_factor(rank, probes, law.moments(dim)))
    lr = momentum_lr(1.0, gamma, beta)
    loss = LowRankQuadratic(smoothness=1.0, rank=rank)
    theta, average = _settled_with_momentum(dim, rank, lr, beta)
    fall = lr * float(average @ average) / 2  # θᵀm after the step, on average

    def draw(count, generator):
        estimate = two_point(loss, theta, law.sample(count, probes, dim, generator), epsilon=1.0)
        return loss(theta - lr * (beta * average + (1 - beta) * estimate)) / loss(theta)

    def stable_lr(ratio: float) -> float:
        # L⁺/L = 1 − 2·fall·η + curvature·η²: the draws at one rate decide for all others
        curvature = (ratio - 1 + 2 * fall * lr) / lr**2
        return 2 * fall / curvature

    return Experiment(
        expected=lr,
        draw=draw,
        numbers_per_draw=dim * probes,
        symbols=symbols_of(law, dim, probes, r=rank, ell=1.0, gamma=gamma, beta=beta),
        formula="2/((gamma - 2*beta/(1+beta))*ell)",
        decoys=(
            Decoy("2*(1+beta)/((1-beta)*gamma*ell)"),  # first-order intuition
            Decoy("2/(gamma*ell)"),  # without momentum
            Decoy("2*(1-beta)/((gamma - 2*beta/(1+beta))*ell)"),  # the heavy ball's
        ),
        transform=stable_lr,
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
    published=[paper.RATE_PROPORTIONAL_TO_PROBES],
)
def edge(law, dim, probes, spectrum):
    moments = law.moments(dim)
    if dim == probes == 1 and law.name == "three-point":
        raise ValueError("`dim` must be at least 2 for three-point here, got 1: no step at the edge changes the loss.")
    eigenvalues = _falling(spectrum, dim)
    if isinstance(law, Orthogonal):
        _fewer_than_dim(law, probes, dim)
    lr = stability_limit(eigenvalues, probes, moments)

    def loss(theta: Tensor) -> Tensor:
        return theta.square() @ eigenvalues / 2

    theta = _settled(eigenvalues, lr, probes, moments)
    gradient = eigenvalues * theta
    value = float(loss(theta))
    slope = float(gradient @ gradient)
    trace = float(eigenvalues.sum())
    norm = float(eigenvalues.max())

    def draw(count, generator):
        z = law.sample(count, probes, dim, generator)
        return loss(theta - lr * two_point(loss, theta, z, epsilon=1.0)) / value

    def stable_lr(ratio: float) -> float:
        # L⁺/L = 1 − slope·η/L + curvature·η²: the draws at one rate decide for all others
        curvature = (ratio - 1 + lr * slope / value) / lr**2
        return slope / value / curvature

    gamma = float(theory.effective_rank_factor(trace / norm, probes, moments))
    # one probe of signs has L⁺ = L − η·pg²·(1 − ½η·tr H): at its edge no draw changes the loss at all
    mirror = probes == 1 and isinstance(law, Iid) and law.kurtosis == 1
    return Experiment(
        expected=lr,
        draw=draw,
        numbers_per_draw=dim * probes,
        symbols=symbols_of(law, dim, probes, trH=trace, ell=norm, trH2=float(eigenvalues @ eigenvalues), gamma=gamma),
        decoys=(
            Decoy("2/ell"),  # the edge of first-order descent
            Decoy("2*n/trH"),
            Decoy("2/(ell*gamma)"),  # B6's edge, exact on a flat spectrum alone
        ),
        formula="2/trH" if mirror else None,  # else the root of an equation
        deterministic=mirror or (dim == probes == 1 and law.name == "sphere"),
        transform=stable_lr,
    )


@claim(
    "E7",
    "baseline",
    r"\mathbb{E}\left[\frac{1}{N}\sum_k (L(\theta+\varepsilon z_k) - b_k)\frac{z_k}{\varepsilon}\right] ="
    r" \frac{N-1}{N}\,g \ \mathrm{for}\ b_k\ \mathrm{the\ mean\ of\ all},"
    r" \ g \ \mathrm{for\ that\ of\ the\ others}",
    source="derived; evolution strategies such as es-at-scale, and RLOO",
    laws=["gaussian", "rademacher", "sphere"],
    default=grid(dim=[10], probes=[2, 8], baseline=["mean", "leave-one-out"]),
    fast=grid(dim=[6], probes=[2], baseline=["mean", "leave-one-out"]),
    published=[projects.BASELINE_OWN_MEAN],
)
def baseline_of_a_population(law, dim, probes, baseline):
    if probes < 2:
        raise ValueError(f"`probes` must be at least 2 here, got {probes}: a loss alone has no other to compare with.")
    g = unit_gradient(dim)
    v = unit_direction(dim, power=-0.25)
    loss = Linear(g)
    theta = unit_direction(dim, power=0.0)  # where the loss is not 0
    vg = float(v @ g)

    def draw(count, generator):
        return population(loss, theta, law.sample(count, probes, dim, generator), 1.0, baseline=baseline) @ v

    share = {"mean": theory.own_mean_share(probes), "leave-one-out": 1.0}
    formulas = {"mean": "(n-1)/n*vg", "leave-one-out": "vg"}
    return Experiment(
        expected=share[baseline] * vg,
        draw=draw,
        numbers_per_draw=dim * probes,
        symbols=symbols_of(law, dim, probes, vg=vg),
        formula=formulas.pop(baseline),
        decoys=tuple(map(Decoy, formulas.values())),
    )


def _fewer_than_dim(law: Orthogonal, probes: int, dim: int) -> None:
    law.fits(probes, dim)
    if probes == dim:
        raise ValueError(
            f"`probes` must be below `dim` here, got {probes} for {dim}: so many orthogonal probes return g itself, "
            "and nothing is left to measure; lower --probes or raise --dim."
        )


def _falling(name: str, dim: int) -> Tensor:
    """A spectrum that is not flat, (d,)."""
    if name == "exponential":
        return spectrum(name, dim, max(1, dim // 4))
    return spectrum(name, dim)


def _settled(eigenvalues: Tensor, lr: float, probes: int, moments: theory.Moments) -> Tensor:
    """The θ whose squares one step at the edge leaves as they are, on average: θ_i² ∝ 1/(λ_i(2 − Aηλ_i))."""
    own = float(own_and_shared(probes, moments)[0])
    return (eigenvalues * (2 - own * lr * eigenvalues)).rsqrt()


def _settled_with_momentum(dim: int, rank: int, lr: float, beta: float) -> tuple[Tensor, Tensor]:
    """θ and m whose squares and product one step at the edge leaves as they are, on average, ℓ = 1 and ‖θ‖ = 1.

    From E[θ⁺ᵀm⁺] = θᵀm and E‖θ⁺‖² = ‖θ‖²: θᵀm = −η‖m‖²/2 and ‖m‖² = 2(1−β)/(η(1+β)); E‖m⁺‖² = ‖m‖² then gives the edge.
    """
    length_sq = 2 * (1 - beta) / (lr * (1 + beta))
    along = -lr * length_sq / 2
    theta = torch.zeros(dim, dtype=torch.float64)
    average = torch.zeros(dim, dtype=torch.float64)
    theta[0] = 1.0
    average[0] = along
    average[1:rank] = ((length_sq - along**2) / (rank - 1)) ** 0.5
    return theta, average
