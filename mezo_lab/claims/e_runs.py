"""Section E, after MeZO: what its successors say of whole runs. E10."""

from torch import Tensor

from mezo_lab import theory
from mezo_lab.claims.claim import Decoy, Experiment, claim, grid
from mezo_lab.claims.problems import BRUTE_FORCE_DIM, PAPER, sampled, symbols_of, unit_gradient
from mezo_lab.sampling import Linear, ProbeScalars, two_point


@claim(
    "E10",
    "wandering",
    r"\mathbb{E}\|\theta_T - \theta_0\|^2 = \eta^2\|g\|^2\,T\,(T - 1 + f), \quad f = \frac{n-1+c}{n}, \quad"
    r" \mathrm{of\ which\ the\ share}\ \frac{T}{T - 1 + f}\ \mathrm{is\ signal}",
    source="derived; on the forgetting of evolution strategies, arXiv 2601.20861 and 2604.01499",
    laws=PAPER,
    default=grid(dim=[8], steps=[4, 16], probes=[1], moment=["share"])
    + grid(dim=[8], steps=[4], probes=[2], moment=["norm"])
    + grid(dim=[134_515_008], steps=[3], probes=[1], moment=["share"]),  # SmolLM2's weights
    fast=grid(dim=[6], steps=[4], probes=[1], moment=["norm", "share"]),
    sweep="steps",
    suits=lambda law, p: law.rotation_invariant or p["dim"] <= BRUTE_FORCE_DIM,
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
    if moment == "norm":
        return Experiment(
            expected=float(theory.walk_norm(steps, factor, lr=lr)),
            symbols=symbols,
            formula=f"eta**2*g2*{formula}",
            decoys=(
                Decoy("eta**2*g2*steps**2"),  # all of it is signal
                Decoy("eta**2*g2*steps*(n-1+c)/n"),  # none of it
            ),
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
