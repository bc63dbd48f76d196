"""Section A, first part: the moments of the plain estimator. A0 to A6."""

import torch
from torch import Tensor

from mezo_lab import theory
from mezo_lab.claims.claim import Decoy, Experiment, claim, grid
from mezo_lab.claims.controls import TIED_COORDINATES
from mezo_lab.claims.problems import (
    curved,
    fixed_estimate,
    regression,
    sampled,
    symbols_of,
    unit_direction,
    unit_gradient,
)
from mezo_lab.claims.sentences import paper
from mezo_lab.sampling import (
    Coordinate,
    Iid,
    Linear,
    Orthogonal,
    ProbeScalars,
    Quadratic,
    frame_of,
    sign_search,
    two_point,
)


def _gradient_estimate(g: Tensor, z: Tensor) -> Tensor:
    """ĝ of the linear loss gᵀθ, on which every finite difference is exact. z (count, n, d) → (count, d)"""
    return two_point(Linear(g), torch.zeros_like(g), z, epsilon=1.0)


@claim(
    "A0",
    "random-search",
    r"\mathbb{E}[L(\theta \pm \delta)] - L(\theta) = -\sigma\sqrt{2/\pi}\,\|g\| + \frac{1}{2}\sigma^2\,\mathrm{tr}\,H",
    source="the notes, first method",
    laws=["gaussian"],
    default=grid(dim=[20], curvature=[0, 5]),
    fast=grid(dim=[8], curvature=[0, 5]),
)
def random_search(law, dim, curvature):
    g = unit_gradient(dim)
    sigma = 0.01  # σ·tr H ≪ ‖g‖, so the O(σ³) left out is 0.04 % of the change
    trace = float(curvature)
    matrix = curved(dim)
    matrix = matrix * (trace / matrix.trace())

    theta = torch.zeros_like(g)

    def loss(theta):
        return Linear(g)(theta) + Quadratic(matrix)(theta)

    def draw(count, generator):
        z = law.sample(count, 1, dim, generator)[:, 0]  # (count, d)
        return loss(sign_search(loss, theta, sigma * z)) - loss(theta)

    return Experiment(
        expected=theory.random_search_change(sigma, 1.0, trace),
        draw=draw,
        numbers_per_draw=dim,
        symbols=symbols_of(law, dim, 1, sigma=sigma, g=1.0, trH=trace),
        formula="sigma**2*trH/2 - sigma*(2/pi)**0.5*g",
        decoys=(Decoy("sigma**2*trH/2 - sigma*g"), Decoy("-sigma*(2/pi)**0.5*g")),
    )


@claim(
    "A1",
    "unbiased",
    r"\mathbb{E}[\hat g] = g",
    source="paper, Definition 1",
    default=grid(dim=[20], probes=[2]),
    fast=grid(dim=[8], probes=[2]),
)
def unbiased(law, dim, probes):
    """Assumes: ε → 0, or a loss for which the difference is exact, as a quadratic is."""
    g = unit_gradient(dim)
    v = unit_direction(dim, power=0.25)

    def along_v(law):
        return lambda count, generator: _gradient_estimate(g, law.sample(count, probes, dim, generator)) @ v

    return Experiment(
        expected=float(v @ g),
        draw=along_v(law),
        numbers_per_draw=dim * probes,
        symbols=symbols_of(law, dim, probes, vg=float(v @ g)),
        formula="vg",
        decoys=(Decoy("z with tied coordinates", draw=along_v(TIED_COORDINATES)),),
        deterministic=fixed_estimate(law, dim, probes),
    )


@claim(
    "A2",
    "norm-factor",
    r"\mathbb{E}\|\hat g\|^2 = f\,\|g\|^2, \quad f = \frac{n - 1 + c}{n} \ (\mathrm{orthogonal:}\ \frac{d}{n})",
    source="paper, Lemma 2 (sphere); the notes (Gaussian); general form derived",
    default=grid(dim=[20], probes=[1, 4]),
    fast=grid(dim=[6], probes=[2]),
    full=grid(dim=[20, 100], probes=[1, 4]),
    published=[paper.NORM_FACTOR_LAW, paper.NORM_FACTOR_NOTE],
)
def norm_factor(law, dim, probes):
    return Experiment(
        expected=float(theory.norm_factor(dim, probes, law.moments(dim))),
        symbols=symbols_of(law, dim, probes),
        formula="(c + (n-1)*cross)/n",
        decoys=(Decoy("(d+n-1)/n"), Decoy("(d+n+1)/n")),
        deterministic=fixed_estimate(law, dim, probes),
        **sampled(
            law,
            dim,
            probes,
            brute=lambda z: _gradient_estimate(unit_gradient(dim), z).square().sum(-1),
            scalars=ProbeScalars.length_sq,
        ),
    )


@claim(
    "A3",
    "second-moment",
    r"\mathbb{E}[\hat g\hat g^\top] = \frac{n-1}{n}gg^\top + \frac{1}{n}M, \quad"
    r" M = 2gg^\top + \|g\|^2 I + (\kappa-3)\,\mathrm{diag}(g \circ g) \quad \mathrm{(i.i.d.)}",
    source="paper, eq. (7) (sphere) and eq. (8) (Gaussian); the others derived",
    default=grid(dim=[10], probes=[2]),
    fast=grid(dim=[6], probes=[2]),
)
def second_moment(law, dim, probes):
    g = unit_gradient(dim)
    u = unit_direction(dim, power=-1.0)
    v = unit_direction(dim, power=-0.7)
    ug, vg, uv, uvgg = (float(x) for x in (u @ g, v @ g, u @ v, (u * v * g * g).sum()))
    gaussian = "((n+1)*ug*vg + uv)/n"
    sphere = "((n-1)*ug*vg + d/(d+2)*(2*ug*vg + uv))/n"
    formula = sphere
    if isinstance(law, Iid):
        formula = "((n+1)*ug*vg + uv + (kappa-3)*uvgg)/n"
    elif isinstance(law, Coordinate):
        formula = "((n-1)*ug*vg + d*uvgg)/n"
    elif isinstance(law, Orthogonal) and probes > 1:
        formula = "(d/(d+2)*(2*ug*vg + uv) + (n-1)*(d**2*ug*vg - d*uv)/((d+2)*(d-1)))/n"

    def draw(count, generator):
        estimate = _gradient_estimate(g, law.sample(count, probes, dim, generator))
        return (estimate @ u) * (estimate @ v)  # uᵀ ĝĝᵀ v

    return Experiment(
        expected=float(theory.second_moment(ug * vg, uv, uvgg, probes=probes, moments=law.moments(dim))),
        draw=draw,
        numbers_per_draw=dim * probes,
        symbols=symbols_of(law, dim, probes, ug=ug, vg=vg, uv=uv, uvgg=uvgg),
        # the Gaussian's, in which the (κ−3) term is missing; for κ = 3, where that is right, the sphere's
        formula=formula,
        decoys=(Decoy(sphere if law.moments(dim)[:2] == (1, 0) else gaussian),),
        deterministic=fixed_estimate(law, dim, probes),
    )


@claim(
    "A4",
    "variance",
    r"\mathbb{E}\|\hat g - g\|^2 = (f - 1)\,\|g\|^2, \quad f \ \mathrm{as\ in\ A2}",
    source="derived",
    default=grid(dim=[20], probes=[4]),
    fast=grid(dim=[6], probes=[2]),
)
def variance(law, dim, probes):
    return Experiment(
        expected=float(theory.variance_factor(dim, probes, law.moments(dim))),
        symbols=symbols_of(law, dim, probes),
        formula="(c + (n-1)*cross)/n - 1",
        decoys=(Decoy("(c + (n-1)*cross)/n"),),
        **sampled(
            law,
            dim,
            probes,
            brute=lambda z: (_gradient_estimate(unit_gradient(dim), z) - unit_gradient(dim)).square().sum(-1),
            scalars=lambda frame: frame.length_sq() - 2 * frame.overlap() + 1,
        ),
    )


@claim(
    "A5",
    "capture",
    r"\mathbb{E}\|Pg\|^2 = \frac{n}{d}\,\|g\|^2, \quad P \ \mathrm{on\ the\ span\ of}\ n \leq d\ "
    r" \mathrm{uniform\ directions;}\ n = 1:\ \mathrm{any\ isotropic\ law\ of\ fixed}\ \|z\|",
    source="derived",
    laws=["gaussian", "sphere", "orthogonal", "rademacher"],
    default=grid(dim=[20], probes=[1, 4]),
    fast=grid(dim=[6], probes=[1, 2]),
    suits=lambda law, p: law.name != "rademacher" or p["probes"] == 1,
)
def capture(law, dim, probes):
    if law.name == "rademacher" and probes > 1:
        raise ValueError(f"`probes` must be 1 for the rademacher law here, got {probes}: signs may span less than n.")
    if probes > dim:
        raise ValueError(f"`probes` must be at most `dim` to span n directions, got {probes} > {dim}: lower --probes.")
    return Experiment(
        expected=theory.capture(dim, probes),
        symbols=symbols_of(law, dim, probes),
        formula="n/d",
        decoys=(Decoy("n/(d+2)"),),
        deterministic=probes == dim,
        **sampled(
            law,
            dim,
            probes,
            brute=lambda z: frame_of(z, unit_gradient(dim)).captured(),
            scalars=ProbeScalars.captured,
        ),
    )


@claim(
    "A6",
    "minibatch",
    r"\mathrm{one\ batch:}\ \mathbb{E}\|\hat g\|^2 = f\left(\|g\|^2 + \frac{\mathrm{tr}\,\Sigma}{B}\right), \quad"
    r" \mathrm{independent\ ones:}\ "
    r" \frac{c}{n}\left(\|g\|^2 + \frac{\mathrm{tr}\,\Sigma}{B}\right) + \frac{n-1}{n}\|g\|^2",
    source="paper, Lemma 2 (one batch) and Algorithm 2 as printed (a fresh, independent batch per probe); derived;"
    " batches drawn with replacement",
    default=grid(dim=[10], probes=[3], batch=[4], sharing=["shared", "fresh"]),
    fast=grid(dim=[8], probes=[3], batch=[4], sharing=["shared", "fresh"]),  # fewer draws than at d = 6
    suits=lambda law, p: p["sharing"] == "shared" or law.name in ("gaussian", "sphere", "rademacher", "orthogonal"),
    published=[paper.FRESH_BATCHES],
)
def minibatch(law, dim, probes, batch, sharing):
    loss, theta = regression(dim)
    batches = {"shared": 1, "fresh": probes}[sharing]  # how many a step draws
    noise = loss.noise(theta) / batch
    shared = "(c + (n-1)*cross)/n*(g2 + S/B)"
    fresh = "(c*(g2 + S/B) + (n-1)*cross*g2)/n"

    def draw(count, generator):
        z = law.sample(count, probes, dim, generator)
        examples = torch.randint(len(loss.targets), (count, batches, batch), generator=generator)
        on_batch = loss.on(examples.expand(count, probes, batch))
        return two_point(on_batch, theta, z, epsilon=1.0).square().sum(-1)

    formula = {"shared": theory.minibatch_shared, "fresh": theory.minibatch_fresh}[sharing]
    return Experiment(
        expected=float(formula(1.0, noise, dim, probes, law.moments(dim))),
        draw=draw,
        numbers_per_draw=probes * max(dim, len(loss.targets)) * max(1, batch // 4),
        symbols=symbols_of(law, dim, probes, B=batch, S=noise * batch, g2=1.0),
        formula={"shared": shared, "fresh": fresh}[sharing],
        decoys=(
            Decoy(shared),
            Decoy(fresh),
            Decoy("(c + (n-1)*cross)/n*g2"),  # the noise forgotten
        ),
    )
