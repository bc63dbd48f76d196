"""Section E, after MeZO: what its successors say of whole runs. E10 and E11."""

import math

import torch
from torch import Tensor

from mezo_lab import theory
from mezo_lab.claims.claim import Decoy, Experiment, claim, grid
from mezo_lab.claims.problems import (
    BRUTE_FORCE_DIM,
    PAPER,
    at_most_dim,
    examples_around,
    far_decoys,
    fixed_estimate,
    sampled,
    symbols_of,
    unit_gradient,
)
from mezo_lab.claims.sentences import paper, successors
from mezo_lab.sampling import Linear, LowRankQuadratic, Orthogonal, ProbeScalars, two_point

_LEFT = 1e-4  # of the start of a run, when its steps begin to count
_MOST_SETTLING = 400  # steps that do not count
_COUNTED = 40  # steps after them, of which a draw is the mean
_RUNS = 10_000  # draws, each of them a run
_MOST_NUMBERS = 1 << 33  # random numbers of all runs, minutes


@claim(
    "E10",
    "wandering",
    r"\mathbb{E}\|\theta_T - \theta_0\|^2 = \eta^2\|g\|^2\,T\,(T - 1 + f), \quad f = \frac{n-1+c}{n}, \quad"
    r" \mathrm{of\ which\ the\ share}\ \frac{T}{T - 1 + f}\ \mathrm{is\ signal}",
    source="derived; on the forgetting of evolution strategies, arXiv 2601.20861 and 2604.01499",
    laws=PAPER,
    default=grid(dim=[8], steps=[12], probes=[1], moment=["share"])
    + grid(dim=[8], steps=[4], probes=[1], moment=["norm"])
    + grid(dim=[134_515_008], steps=[3], probes=[1], moment=["share"]),  # SmolLM2's weights
    fast=grid(dim=[6], steps=[4], probes=[1], moment=["norm", "share"]),
    suits=lambda law, p: law.rotation_invariant or p["dim"] <= BRUTE_FORCE_DIM,
    published=[successors.WALK_LENGTH],
)
def wandering(law, dim, steps, probes, moment):
    moments = law.moments(dim)
    factor = float(theory.norm_factor(dim, probes, moments))
    lr = 0.1

    def brute(z: Tensor) -> Tensor:
        loss = Linear(unit_gradient(dim))
        # the T·n probes of a run as T estimates of n each, (count, T, n, d); the gradient is the same everywhere
        estimates = two_point(loss, loss.slope, z.unflatten(1, (steps, probes)), epsilon=1.0)
        return (lr * estimates.sum(1)).square().sum(-1)

    def scalars(frame: ProbeScalars) -> Tensor:
        return (lr * steps) ** 2 * frame.length_sq()  # probes of different steps are as independent as those of one

    formula = "steps*(steps - 1 + (n-1+c)/n)"
    symbols = symbols_of(law, dim, probes, steps=steps, eta=lr, g2=1.0)
    drawn = sampled(law, dim, steps * probes, brute=brute, scalars=scalars)
    drawn["deterministic"] = fixed_estimate(law, dim, probes)
    if moment == "norm":
        length = float(theory.walk_norm(steps, factor, lr=lr))
        return Experiment(
            expected=length,
            symbols=symbols,
            formula=f"eta**2*g2*{formula}",
            # all of it is signal; none of it, nearly true in a large d
            decoys=far_decoys(length, symbols, "eta**2*g2*steps**2", "eta**2*g2*steps*(n-1+c)/n"),
            **drawn,
        )
    signal = (lr * steps) ** 2
    return Experiment(
        expected=float(theory.signal_share(steps, factor)),
        symbols=symbols,
        formula=f"steps**2/({formula})",
        decoys=(Decoy("1"), Decoy("n/(n-1+c)")),  # all of it is signal; as much as of one step
        transform=lambda norm: signal / norm,
        **drawn,
    )


@claim(
    "E11",
    "noise-floor",
    r"\mathbb{E}[L - L^*] \to \frac{s\gamma\,\mathrm{tr}\,\Sigma}{2\ell B(2 - s\gamma)}, \quad s = \eta\ell,"
    r" \ \mathrm{on}\ H = \ell P_r,\ \Sigma\ \mathrm{in\ its\ range}",
    source="derived; paper, Theorem 1 with its B",
    laws=[*PAPER, "orthogonal"],
    default=grid(dim=[4], probes=[3], rank=[2], batch=[1, 4], t=[0.5]),
    fast=grid(dim=[4], probes=[3], rank=[2], batch=[2], t=[0.5]),
    sweep="batch",
    published=[paper.LARGER_BATCH],
)
def noise_floor(law, dim, probes, rank, batch, t):
    """The loss of a run of its own in each draw, averaged over the steps after the first ones."""
    at_most_dim(rank, dim)
    if not 0 < t <= 1.5:
        raise ValueError(f"`t` must lie in (0, 1.5], got {t}: beyond, rare large losses carry the mean; lower --t.")
    if isinstance(law, Orthogonal):
        law.fits(probes, dim)
    gamma = float(theory.effective_rank_factor(rank, probes, law.moments(dim)))
    loss = LowRankQuadratic(smoothness=1.0, rank=rank)
    lr = t / gamma  # ℓ = 1, so that s = η
    settling = _settling(float(theory.contraction(lr, gamma)))
    numbers = dim * probes + batch  # of a step: those of one are gone before the next
    if _RUNS * (settling + _COUNTED) * numbers > _MOST_NUMBERS:
        raise ValueError(
            f"`dim` must be smaller here, got {dim:,}: the runs would take hours; lower --dim or --probes."
        )
    examples = examples_around(rank, dim)  # the loss of one is that of the distance from it
    noise = float(examples.square().sum(-1).mean())
    shared = symbols_of(law, dim, probes, r=rank, s=lr, t=t, gamma=gamma, ell=1.0, S=noise, B=batch)

    def draw(count, generator):
        theta = torch.zeros(count, 1, dim, dtype=torch.float64)
        total = torch.zeros(count, dtype=torch.float64)
        for step in range(settling + _COUNTED):
            chosen = torch.randint(len(examples), (count, 1, batch), generator=generator)
            centre = examples[chosen].mean(-2)  # the loss of a minibatch is that of this point, and a constant
            z = law.sample(count, probes, dim, generator)
            estimate = two_point(lambda point, centre=centre: loss(point - centre), theta, z, epsilon=1.0)
            theta = theta - lr * estimate[:, None]
            if step >= settling:
                total += loss(theta)[:, 0]
        return total / _COUNTED

    return Experiment(
        expected=theory.noise_floor(lr, gamma, 1.0, noise, batch),
        draw=draw,
        numbers_per_draw=numbers,
        symbols=shared,
        formula="s*gamma*S/(2*ell*B*(2 - s*gamma))",
        decoys=(
            Decoy("s*S/(2*ell*B*(2 - s))"),  # that of first-order SGD
            Decoy("s*gamma*S/(2*ell*B**2*(2 - s*gamma))"),
            Decoy("s*gamma*S/(2*ell*(2 - s*gamma))"),  # as if the batch did not matter
        ),
        draws=_RUNS,
        resolution=0.05,
    )


def _settling(contraction: float) -> int:
    """The steps after which a run that started at 0 is as near to its floor as `_LEFT`, being multiplied at each."""
    if contraction <= _LEFT:
        return 1
    steps = math.ceil(math.log(_LEFT) / math.log(contraction))
    if steps > _MOST_SETTLING:
        raise ValueError(
            f"`t` must be so large here that a run settles within {_MOST_SETTLING} steps, and it takes {steps:,}: "
            "raise --t or --probes, or lower --rank."
        )
    return steps
