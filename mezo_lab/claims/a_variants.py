"""Section A, second part: finite ε, what a probe reveals of the loss, and variants of the estimator. A7 to A14."""

import math
from itertools import pairwise

import torch
from torch import Tensor

from mezo_lab import theory
from mezo_lab.claims.claim import Decoy, Experiment, claim, grid
from mezo_lab.claims.problems import curved, fixed_estimate, symbols_of, unit_direction, unit_gradient
from mezo_lab.claims.sentences import paper, successors
from mezo_lab.sampling import (
    Cubic,
    Linear,
    Quadratic,
    expectation_modified,
    one_sided,
    projected_gradient,
    residual_feedback,
    second_difference,
    two_point,
    variance_modified,
)

_GAUSSIAN = ["gaussian"]
_SETTLED = 4  # steps after which E‖ĝ‖² of a run is constant to seven digits: the rest falls by (η‖g‖/ε)² a step


def _moment_of(estimate: Tensor, moment: str, v: Tensor) -> Tensor:
    """‖ĝ‖² for the moment "norm", vᵀĝ for "mean". estimate (count, d) → (count,)"""
    if moment == "norm":
        return estimate.square().sum(-1)
    return estimate @ v


@claim(
    "A7",
    "smoothing",
    r"\mathbb{E}[\hat g_\varepsilon] = g + \frac{\varepsilon^2}{2}\nabla(\Delta L)",
    source="Nesterov and Spokoiny (2017); paper, section 2.2",
    laws=_GAUSSIAN,
    default=grid(dim=[20], probes=[4]),
    fast=grid(dim=[8], probes=[4]),
)
def smoothing(law, dim, probes):
    epsilon = 1.0
    theta = unit_direction(dim, power=0.0)
    v = unit_direction(dim, power=0.25)
    loss = Cubic(third=2 * unit_direction(dim, power=-0.3), slope=unit_gradient(dim))
    vg = float(v @ loss.gradient(theta))
    va = float(v @ loss.laplacian_gradient())

    def draw(count, generator):
        return two_point(loss, theta, law.sample(count, probes, dim, generator), epsilon) @ v

    return Experiment(
        expected=vg + theory.smoothing_bias(epsilon, va),
        draw=draw,
        numbers_per_draw=dim * probes,
        symbols=symbols_of(law, dim, probes, eps=epsilon, vg=vg, va=va),
        formula="vg + eps**2*va/2",
        decoys=(Decoy("vg + eps**2*va"), Decoy("vg")),
    )


@claim(
    "A8",
    "one-sided",
    r"\mathbb{E}\|\hat g\|^2 = (d+2)\|g\|^2"
    r" + \frac{\varepsilon^2}{4}(d+4)\left(\mathrm{tr}(H)^2 + 2\,\mathrm{tr}(H^2)\right)",
    source="derived",
    laws=_GAUSSIAN,
    default=grid(dim=[12]),
    fast=grid(dim=[6]),
)
def one_sided_norm(law, dim):
    matrix = curved(dim)
    epsilon = 4 / dim
    loss = Quadratic(matrix)
    theta = torch.linalg.solve(matrix, unit_gradient(dim))  # so that Hθ = g
    trace = float(matrix.trace())
    trace_sq = float(matrix.square().sum())

    def draw(count, generator):
        return one_sided(loss, theta, law.sample(count, 1, dim, generator), epsilon).square().sum(-1)

    return Experiment(
        expected=theory.one_sided_norm(dim, 1.0, trace, trace_sq, epsilon),
        draw=draw,
        numbers_per_draw=dim,
        symbols=symbols_of(law, dim, 1, eps=epsilon, g2=1.0, trH=trace, trH2=trace_sq),
        formula="(d+2)*g2 + eps**2/4*(d+4)*(trH**2 + 2*trH2)",
        decoys=(Decoy("(d+2)*g2"),),
    )


@claim(
    "A9",
    "norm-probe",
    r"\mathbb{E}[(z^\top g)^2] = \|g\|^2, \quad \mathbb{E}|z^\top g| = \sqrt{2/\pi}\,\|g\|",
    source="paper, Proposition 1, corrected",
    laws=_GAUSSIAN,
    default=grid(dim=[20], average=["square", "magnitude"]),
    fast=grid(dim=[8], average=["square", "magnitude"]),
    published=[paper.NORM_PROBE_MAGNITUDE],
)
def norm_probe(law, dim, average):
    loss = Linear(unit_gradient(dim))
    theta = torch.zeros(dim, dtype=torch.float64)
    observe = {"square": torch.square, "magnitude": torch.abs}[average]

    def draw(count, generator):
        return observe(projected_gradient(loss, theta, law.sample(count, 1, dim, generator)[:, 0], epsilon=1.0))

    return Experiment(
        expected={"square": 1.0, "magnitude": theory.probe_magnitude(1.0)}[average],
        draw=draw,
        numbers_per_draw=dim,
        symbols=symbols_of(law, dim, 1, g=1.0, g2=1.0),
        formula={"square": "g2", "magnitude": "(2/pi)**0.5*g"}[average],
        decoys={"square": (Decoy("g"), Decoy("2/pi*g2")), "magnitude": (Decoy("g"),)}[average],
    )


@claim(
    "A10",
    "curvature-probe",
    r"\mathbb{E}\left[\frac{L(\theta+\varepsilon z) + L(\theta-\varepsilon z) - 2L(\theta)}{\varepsilon^2}\right]"
    r" = \mathrm{tr}\,H",
    source="Hutchinson's estimator; derived",
    default=grid(dim=[20], probes=[2]),
    fast=grid(dim=[8], probes=[2]),
)
def curvature_probe(law, dim, probes):
    """Assumes: a loss that is cubic along the probe; for others the mean has further terms, from ε² on."""
    loss = Quadratic(curved(dim))
    theta = unit_gradient(dim)
    trace = float(loss.matrix.trace())

    def draw(count, generator):
        return second_difference(loss, theta, law.sample(count, probes, dim, generator), epsilon=1.0)

    return Experiment(
        expected=trace,
        draw=draw,
        numbers_per_draw=dim * probes,
        symbols=symbols_of(law, dim, probes, trH=trace),
        formula="trH",
        decoys=(Decoy("2*trH"),),
        deterministic=fixed_estimate(law, dim, probes),
    )


@claim(
    "A11",
    "variance-modified",
    r"\mathbb{E}\|\hat g\|^2 = \mathrm{tr}(D^2)\,\|D^{-1}g\|^2 + 2\|g\|^2",
    source="paper, Definition 6, with the correction that D = |g| gains nothing",
    laws=_GAUSSIAN,
    default=grid(dim=[20], scale=["|g|", "sqrt|g|"], moment=["norm", "mean"]),
    fast=grid(dim=[8], scale=["|g|", "sqrt|g|"], moment=["norm", "mean"]),
    published=[paper.VARIANCE_BY_GRADIENT_NORM],
)
def variance_modified_norm(law, dim, scale, moment):
    g = unit_gradient(dim)
    v = unit_direction(dim, power=0.25)
    diagonal = {"|g|": g.abs(), "sqrt|g|": g.abs().sqrt()}[scale]  # D
    loss = Linear(g)
    theta = torch.zeros_like(g)
    scale_sq = float(diagonal.square().sum())
    scaled_grad_sq = float((g / diagonal).square().sum())
    expected = {"norm": theory.variance_modified_norm(scale_sq, scaled_grad_sq, 1.0), "mean": float(v @ g)}[moment]
    symbols = symbols_of(law, dim, 1, l1=float(g.abs().sum()), trD2=scale_sq, Dg2=scaled_grad_sq, g2=1.0)

    def draw(count, generator):
        estimate = variance_modified(loss, theta, law.sample(count, 1, dim, generator), 1.0, diagonal)
        return _moment_of(estimate, moment, v)

    return Experiment(
        expected=expected,
        draw=draw,
        numbers_per_draw=dim,
        symbols=symbols | {"vg": float(v @ g), "vDg": float(v @ (g / diagonal))},
        formula={"norm": "trD2*Dg2 + 2*g2", "mean": "vg"}[moment],
        # D = |g| would be better than none, D = √|g| would not
        decoys={"norm": (Decoy("l1**2 + 2*g2"), Decoy("(d+2)*g2")), "mean": (Decoy("vDg"),)}[moment],
    )


@claim(
    "A12",
    "expectation-modified",
    r"\mathbb{E}[\tilde g] = D^{-1}g",
    source="paper, Definition 7",
    laws=_GAUSSIAN,
    default=grid(dim=[20]),
    fast=grid(dim=[8]),
)
def expectation_modified_mean(law, dim):
    """Assumes: ε → 0, or a loss for which the difference is exact; D diagonal and positive."""
    g = unit_gradient(dim)
    v = unit_direction(dim, power=0.25)
    loss = Linear(g)
    theta = torch.zeros_like(g)
    diagonal = g.sqrt()

    def draw(count, generator):
        return expectation_modified(loss, theta, law.sample(count, 1, dim, generator), 1.0, diagonal) @ v

    return Experiment(
        expected=float(v @ (g / diagonal)),
        draw=draw,
        numbers_per_draw=dim,
        symbols=symbols_of(law, dim, 1, vg=float(v @ g), vDg=float(v @ (g / diagonal))),
        formula="vDg",
        decoys=(Decoy("vg"),),
    )


@claim(
    "A13",
    "adam-blind",
    r"\mathbb{E}[\hat g_i^2] = \|g\|^2 + 2g_i^2",
    source="derived",
    laws=_GAUSSIAN,
    default=grid(dim=[20]),
    fast=grid(dim=[8]),
    published=[successors.ADAM_PER_COORDINATE],
)
def adam_blind(law, dim):
    g = unit_gradient(dim)
    g1 = float(g[0])

    def draw(count, generator):
        z = law.sample(count, 1, dim, generator)
        return two_point(Linear(g), torch.zeros_like(g), z, epsilon=1.0)[:, 0].square()

    return Experiment(
        expected=float(theory.second_moment(g1**2, 1.0, g1**2, probes=1, moments=law.moments(dim))),
        draw=draw,
        numbers_per_draw=dim,
        symbols=symbols_of(law, dim, 1, g1=g1, g2=1.0),
        formula="g2 + 2*g1**2",
        decoys=(Decoy("(d+2)*g1**2"),),
    )


@claim(
    "A14",
    "residual-feedback",
    r"\mathbb{E}\|\hat g\|^2 = (2d+2)\|g\|^2 + d\,\frac{\Delta^2}{\varepsilon^2}"
    r" \ \mathrm{for}\ \Delta\ \mathrm{independent\ of}\ z_{t-1}; \quad \mathrm{in\ a\ run}\ "
    r" \frac{2d\,\eta^2\|g\|^4}{\varepsilon^2}\ \mathrm{less\ than\ with}\ \mathbb{E}[\Delta^2];"
    r" \quad \mathbb{E}[\hat g] = g",
    source="paper, Definition 8, with the factor z that its print lacks; derived",
    laws=_GAUSSIAN,
    default=grid(dim=[20], moment=["norm", "mean"]) + grid(dim=[8], moment=["run"]),
    fast=grid(dim=[8], moment=["norm", "mean", "run"]),
    published=[paper.ONE_POINT_DIRECTION, paper.ONE_POINT_SIMILAR],
)
def residual_feedback_norm(law, dim, moment):
    if moment == "run":
        return _residual_feedback_run(law, dim)
    g = unit_gradient(dim)
    v = unit_direction(dim, power=0.25)
    epsilon = 0.1
    loss = Linear(g)
    theta = torch.zeros_like(g)
    before = theta - epsilon * g  # so that Δ = ε
    change = float(loss(theta) - loss(before))

    def draw(count, generator):
        z, z_before = law.sample(count, 2, dim, generator).split(1, dim=1)
        estimate = residual_feedback(loss, theta, z, before, z_before, epsilon)
        return _moment_of(estimate, moment, v)

    expected = {"norm": theory.residual_feedback_norm(dim, 1.0, change, epsilon), "mean": float(v @ g)}[moment]
    return Experiment(
        expected=expected,
        draw=draw,
        numbers_per_draw=2 * dim,
        symbols=symbols_of(law, dim, 1, eps=epsilon, delta=change, g2=1.0, vg=float(v @ g)),
        formula={"norm": "(2*d+2)*g2 + d*delta**2/eps**2", "mean": "vg"}[moment],
        decoys={"norm": (Decoy("(d+2)*g2"), Decoy("(2*d+2)*g2")), "mean": (Decoy("2*vg"),)}[moment],
    )


def _residual_feedback_run(law, dim) -> Experiment:
    """E‖ĝ‖² after some steps of a run, where Δ depends on the probe before; the decoy is the formula with E[Δ²]."""
    g = unit_gradient(dim)
    lr = 0.02
    epsilon = 0.1
    loss = Linear(g)
    start = torch.zeros_like(g)

    def draw(count, generator):
        z = law.sample(count, _SETTLED + 2, dim, generator).split(1, dim=1)  # of each (count, 1, d)
        before = theta = start.expand(count, 1, -1)
        estimate = theta[:, 0]
        for previous, probe in pairwise(z):
            estimate = residual_feedback(loss, theta, probe, before, previous, epsilon)  # (count, d)
            before = theta
            theta = theta - lr * estimate[:, None]
        return estimate.square().sum(-1)

    expected = theory.residual_feedback_run_norm(dim, 1.0, lr, epsilon)
    # E‖ĝ‖² = (d+2)‖g‖² + d·E[R²], and so E[Δ²] = η²(3‖g‖⁴ + ‖g‖²·E[R²])
    change = lr * math.sqrt(3 + (expected - dim - 2) / dim)
    return Experiment(
        expected=expected,
        draw=draw,
        numbers_per_draw=(_SETTLED + 2) * dim,
        symbols=symbols_of(law, dim, 1, eps=epsilon, eta=lr, delta=change, g2=1.0),
        formula="(d+2)*g2 + d*g2*(1 + (eta/eps)**2*g2)/(1 - (eta/eps)**2*g2)",
        decoys=(Decoy("(2*d+2)*g2 + d*delta**2/eps**2"), Decoy("(d+2)*g2")),
    )
