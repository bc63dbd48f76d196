"""Section E, after MeZO: what its successors estimate from the same probes. E8, E9 and E14."""

from typing import NamedTuple

import torch
from torch import Tensor

from mezo_lab import theory
from mezo_lab.claims.claim import Decoy, Experiment, claim, grid
from mezo_lab.claims.problems import (
    curved,
    fixed_estimate,
    regression,
    sampled,
    symbols_of,
    unit_direction,
    unit_gradient,
)
from mezo_lab.claims.sentences import projects, successors
from mezo_lab.sampling import (
    Iid,
    LeastSquares,
    Linear,
    ProbeScalars,
    Quadratic,
    one_sided,
    second_difference,
    two_point,
)

_MOST_CURVATURE_NUMBERS = 1 << 31  # random numbers of one run of E9, half a minute
_ANCHOR_DISTANCE = 0.3  # of E14's anchor from θ, in units in which ‖g‖ = 1
# the laws of the rows of E9: a mean that is not 0, and a magnitude that has a formula
_CURVATURE_ROWS = {
    "centred": ("gaussian", "uniform", "three-point", "sphere"),
    "raw": ("gaussian", "rademacher"),
    "magnitude": ("gaussian",),
}


@claim(
    "E8",
    "self-normalised",
    r"s\ \mathrm{the\ spread\ of\ the}\ n\ \mathrm{losses}\ L(\theta+\varepsilon z_k):\ "
    r"\mathbb{E}\left[\frac{\varepsilon\|g\|}{s}\right] = \kappa_n = \sqrt{\frac{n-1}{2}}\,"
    r"\frac{\Gamma((n-2)/2)}{\Gamma((n-1)/2)}, \quad"
    r" \mathbb{E}\left[\frac{\varepsilon\,\hat g}{s}\right] = \frac{n-1}{n}\,\kappa_n\,\frac{g}{\|g\|}, \quad"
    r" \mathbb{E}\left[\frac{\varepsilon^2\|\hat g\|^2}{s^2}\right] = \frac{(n-1)(n-2)(d+n-1)}{n^2(n-3)}",
    source="derived; the step of FZOO, Dang et al. (2025), arXiv 2506.09034",
    laws=["gaussian"],
    default=grid(dim=[20], probes=[8, 16], moment=["scale", "step"])
    + grid(dim=[20], probes=[16], moment=["norm"])
    + grid(dim=[13_000_000_000], probes=[16], moment=["norm"]),
    fast=grid(dim=[6], probes=[8], moment=["scale", "step"]) + grid(dim=[6], probes=[12], moment=["norm"]),
    published=[successors.SPREAD_NORMALISED],
)
def self_normalised(law, dim, probes, moment):
    least = {"scale": 6, "step": 6, "norm": 10}  # of fewer, the error bar of a mean of 1/s or 1/s² is not to be trusted
    if probes < least[moment]:
        raise ValueError(
            f"`probes` must be at least {least[moment]} here, got {probes}: of few losses the spread is often nearly "
            "0, and its inverse has no error bar; raise --probes."
        )

    def brute(z):
        g = unit_gradient(dim)
        losses = Linear(g)(z)  # at θ = 0 and ε = 1, (count, n)
        spread = losses.std(-1)
        if moment == "scale":
            return 1 / spread
        estimate = one_sided(Linear(g), torch.zeros_like(g), z, epsilon=1.0)
        if moment == "step":
            return estimate @ g / spread
        return estimate.square().sum(-1) / spread.square()

    def scalars(frame: ProbeScalars):
        spread = frame.along.std(-1)
        values = {"scale": 1 / spread, "step": frame.overlap() / spread, "norm": frame.length_sq() / spread.square()}
        return values[moment]

    expected = {
        "scale": theory.inverse_spread(probes),
        "step": theory.spread_scaled_mean(probes),
        "norm": theory.spread_scaled_norm(dim, probes),
    }
    decoys = {
        "scale": (Decoy("1"), Decoy("sqrt((n-1)/(n-3))")),  # 1/√E[s²], and √E[1/s²]
        "step": (Decoy("1"), Decoy("(n-1)/n")),
        "norm": (Decoy("1"), Decoy("(d+n+1)/n")),  # a normalised gradient; ĝ without the division
    }
    return Experiment(
        expected=expected[moment],
        symbols=symbols_of(law, dim, probes),
        formula="(n-1)*(n-2)*(d+n-1)/(n**2*(n-3))" if moment == "norm" else None,  # the others need Γ
        decoys=decoys[moment],
        **sampled(law, dim, probes, brute=brute, scalars=scalars),
    )


@claim(
    "E9",
    "curvature-diagonal",
    r"\mathbb{E}\left[\frac{1}{2}\,z^\top H z\,(z_i^2 - 1)\right] = H_{ii}\ \mathrm{for\ Gaussian}\ z, \quad"
    r" \frac{\kappa-1}{2}\,H_{ii}\ \mathrm{for\ i.i.d.\ coordinates}, \quad 0\ \mathrm{for\ signs}; \quad"
    r" \mathrm{without\ the}\ -1\ \mathrm{it\ is}\ \frac{1}{2}\mathrm{tr}\,H\ \mathrm{more}",
    source="derived; HiZOO, Zhao et al. (2024), arXiv 2402.15173",
    laws=["gaussian", "rademacher", "uniform", "three-point", "sphere"],
    default=grid(dim=[4, 6], probes=[1], moment=["centred", "raw", "magnitude"]),
    fast=grid(dim=[4], probes=[1], moment=["centred", "raw", "magnitude"]),
    suits=lambda law, p: law.name in _CURVATURE_ROWS[p["moment"]],
    published=[projects.RAW_CURVATURE],
)
def curvature_diagonal(law, dim, probes, moment):
    if moment == "centred" and isinstance(law, Iid) and law.kurtosis == 1:
        raise ValueError(
            "`law` must not be one of signs here: z_i² − 1 is 0 in every draw, so that signs see no diagonal at all; "
            "choose --law gaussian, or --set moment=raw."
        )
    if moment == "magnitude" and law.name != "gaussian":
        raise ValueError(f"`law` must be gaussian for the magnitude, got {law.name!r}: its formula is the Gaussian's.")
    matrix = curved(dim)
    i = int(matrix.diagonal().argmax())
    entry = float(matrix[i, i])
    trace = float(matrix.trace())
    loss = Quadratic(matrix)
    theta = unit_direction(dim, power=-0.5)
    moments = law.moments(dim)
    centre = 0.0 if moment == "raw" else 1.0

    def draw(count, generator):
        z = law.sample(count, probes, dim, generator)
        bend = second_difference(loss, theta, z[..., None, :], epsilon=1.0)  # zᵀHz of each probe, (count, n)
        estimates = bend * (z[..., i].square() - centre) / 2
        if moment == "magnitude":
            estimates = estimates.abs()
        return estimates.mean(-1)

    centred = float(theory.curvature_diagonal(entry, trace, moments))
    expected = {
        "centred": centred,
        "raw": centred + trace / 2,
        "magnitude": theory.curvature_magnitude(entry, trace),
    }
    formulas = {"centred": "(kappa-1)/2*Hii", "raw": "trH/2 + (kappa-1)/2*Hii", "magnitude": None}
    without_half = "(kappa-1)*Hii"
    if law.name == "sphere":
        formulas = {"centred": "(d*Hii - trH)/(d+2)", "raw": "d*(2*Hii + trH)/(2*(d+2))"}
        without_half = "2*(d*Hii - trH)/(d+2)"
    decoys = {
        "centred": (Decoy(without_half), Decoy("Hii")),  # the latter is the Gaussian's
        "raw": (Decoy("Hii"), Decoy("trH/2 + Hii")),
        "magnitude": (Decoy("Hii"),),
    }
    draws_of = {"centred": 100_000, "raw": 30_000, "magnitude": 30_000}  # times d²
    return Experiment(
        expected=expected[moment],
        draw=draw,
        numbers_per_draw=dim * probes,
        symbols=symbols_of(law, dim, probes, Hii=entry, trH=trace),
        formula=formulas[moment],
        decoys=decoys[moment],
        deterministic=fixed_estimate(law, dim, probes),  # z² = 1
        # the scatter of one draw is about d·H_ii and more: a planned run would take 40 million of them at d = 4
        draws=min(draws_of[moment] * dim**2, _MOST_CURVATURE_NUMBERS // dim) // probes,
        resolution=0.07,
    )


@claim(
    "E14",
    "control-variate",
    r"\min_c\, \mathbb{E}\|(\hat g - g) - c\,(\hat h - h)\|^2 = (1 - \rho^2)\,\mathbb{E}\|\hat g - g\|^2, \quad"
    r" \rho\ \mathrm{near}\ 1\ \mathrm{where}\ \hat h\ \mathrm{has\ the\ probes\ of}\ \hat g,\ \mathrm{of\ order}\ 1/f"
    r"\ \mathrm{where\ it\ has\ others}; \quad \mathrm{with\ forward\ passes\ in\ place\ of}\ h:\ "
    r" f\left(\|g\|^2 + (1-\rho^2)\frac{\mathrm{tr}\,\Sigma}{B}\right) - \|g\|^2",
    source="derived; on MeZO-SVRG, Gautam et al. (2024), arXiv 2404.08080",
    laws=["gaussian", "rademacher"],
    default=grid(dim=[10], probes=[2], batch=[8], anchor=["known", "own", "passes", "moving"]),
    fast=grid(dim=[6], probes=[1], batch=[8], anchor=["known", "own", "passes", "moving"]),
    published=[successors.CONTROL_OF_ESTIMATES, projects.ANCHOR_MOVES],
)
def control_variate(law, dim, probes, batch, anchor):
    pair = _anchored(dim, batch)
    loss, theta, kept = pair.loss, pair.theta, pair.kept
    factor = float(theory.norm_factor(dim, probes, law.moments(dim)))
    variance = theory.probe_covariance(pair.gg, pair.noise_g, factor)
    spread = (variance * theory.probe_covariance(pair.hh, pair.noise_h, factor)) ** 0.5
    rho1 = theory.probe_covariance(pair.gh, pair.common, factor) / spread
    own = pair.common / spread
    of_batches = pair.common / (pair.noise_g * pair.noise_h) ** 0.5
    best = variance / spread  # times ρ it is the best coefficient
    whole = "((n-1)*cross + c)/n"
    rho, c, expected, formula, decoys = {
        "known": (rho1, best * rho1, theory.control_variate(variance, rho1), "(1-rho**2)*V", ("V", "(1-rho)*V")),
        # as if its probes were the same
        "own": (own, best * own, theory.control_variate(variance, own), "(1-rho**2)*V", ("(1-rho1**2)*V",)),
        # what it takes off is the noise of the minibatch
        "passes": (
            of_batches,
            pair.common / pair.noise_h,
            theory.probe_covariance(pair.gg, theory.control_variate(pair.noise_g, of_batches), factor),
            f"V - rho**2*{whole}*S/B",
            ("(1-rho**2)*V", "(1-rho1**2)*V"),
        ),
        # twice what the probes scatter; neither no loss nor the gain of an anchor that stays
        "moving": (
            rho1,
            1.0,
            theory.moving_anchor_norm(pair.gg, pair.noise_g, factor),
            f"2*({whole} - 1)*(g2 + S/B)",
            ("V", "(1-rho1**2)*V"),
        ),
    }[anchor]

    def draw(count, generator):
        z = law.sample(count, probes, dim, generator)
        examples = torch.randint(len(loss.targets), (count, 1, batch), generator=generator).expand(-1, probes, -1)
        estimate = two_point(loss.on(examples), theta, z, epsilon=1.0)
        if anchor == "own" or anchor == "moving":
            z = law.sample(count, probes, dim, generator)
        at_anchor = two_point(loss.on(examples), theta if anchor == "moving" else kept, z, epsilon=1.0)
        mean = {"passes": two_point(loss, kept, z, epsilon=1.0), "moving": pair.g}.get(anchor, pair.h)
        return (estimate - pair.g - c * (at_anchor - mean)).square().sum(-1)

    return Experiment(
        expected=expected,
        draw=draw,
        numbers_per_draw=2 * probes * max(dim, len(loss.targets)) * max(1, batch // 4),
        symbols=symbols_of(
            law, dim, probes, B=batch, S=pair.noise_g * batch, g2=pair.gg, V=variance, rho=rho, rho1=rho1
        ),
        formula=formula,
        decoys=tuple(map(Decoy, decoys)),
        resolution=0.05,  # both the probes and the minibatch scatter: 1 % would take half a minute
    )


class _Anchored(NamedTuple):
    """A regression at θ and at an anchor near it: the gradients g and h, and what their noise has in common."""

    loss: LeastSquares
    theta: Tensor
    kept: Tensor
    g: Tensor
    h: Tensor
    noise_g: float
    """tr Σ/B at θ."""
    noise_h: float
    """tr Σ/B at the anchor."""
    common: float
    """tr C/B."""

    @property
    def gg(self) -> float:
        return float(self.g @ self.g)

    @property
    def hh(self) -> float:
        return float(self.h @ self.h)

    @property
    def gh(self) -> float:
        return float(self.g @ self.h)


def _anchored(dim: int, batch: int) -> _Anchored:
    loss, theta = regression(dim)
    kept = theta + _ANCHOR_DISTANCE * unit_direction(dim, power=0.0)
    g = loss.gradient(theta)
    h = loss.gradient(kept)
    products = loss.per_example_gradient(theta) * loss.per_example_gradient(kept)
    common = float(products.sum() / len(products) - g @ h)
    return _Anchored(loss, theta, kept, g, h, loss.noise(theta) / batch, loss.noise(kept) / batch, common / batch)
