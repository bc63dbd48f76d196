"""Section C, first part: the z of `MeZO`, and what its steps do. C1 to C3, measured on the optimizer itself."""

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Generator, Tensor
from torch.nn import Parameter

from mezo_lab import theory
from mezo_lab.claims import c_noise, controls
from mezo_lab.claims.c_noise import seed_from
from mezo_lab.claims.claim import Decoy, Experiment, Parameters, claim, grid
from mezo_lab.claims.decision import excluded_by
from mezo_lab.claims.problems import CONSTANTS, at_most_dim, symbols_of, unit_gradient
from mezo_lab.claims.sentences import projects
from mezo_lab.optim import MeZO
from mezo_lab.sampling import Law, Linear, LowRankQuadratic
from mezo_lab.sampling.montecarlo import CHUNK_NUMBERS, Draws

_IID = ["gaussian", "rademacher", "uniform", "three-point"]
_ROW_BY_ROW = "z drawn row by row in the update", controls.row_by_row
# measure → (whether z is one there, the name of a program that loses it, that program)
SAME_Z = {
    "step": (c_noise.one_z_per_step, *_ROW_BY_ROW),
    "names": (c_noise.one_z_per_name, "z from one generator for all tensors", controls.one_generator),
    "chunks": (c_noise.one_z_per_chunk, *_ROW_BY_ROW),
    "large": (c_noise.one_z_of_large_tensors, *_ROW_BY_ROW),
    "compiled": (c_noise.one_z_compiled, *_ROW_BY_ROW),
}
_ONE_BY_ONE = {"large", "compiled"}  # measures of one model a draw; "large" takes a second, so that two exclude little
_OPTIMIZERS = 12  # at least so many, each with its own settings and seed, share the layouts
_ENOUGH = 299  # layouts without a failure exclude a failure in 100


@claim(
    "C1",
    "same-z",
    r"\mathrm{Pr}[z_{\mathrm{probe}} = z_{\mathrm{flip}} = z_{\mathrm{restore}} = z_{\mathrm{update}}"
    r" = z_{\mathrm{replay}}] = 1, \quad z_i = z(\mathrm{seed, step, probe, name}, i)"
    r" \ \mathrm{for\ every\ layout\ of\ the\ parameters}",
    source="paper, Algorithm 1 and footnote 3",
    default=grid(measure=["step", "names", "chunks"], layouts=[_ENOUGH]),
    fast=grid(measure=["step", "names"], layouts=[24]),
    full=grid(measure=["step", "names", "chunks", "compiled"], layouts=[_ENOUGH])
    + grid(measure=["large"], layouts=[2]),
    suits=lambda law, p: law.name in _IID or p["measure"] == "step",  # the others' z depends on all that moves
    published=[projects.ROW_BY_ROW],
)
def same_z(law, measure, layouts=24):
    agreement, wrong, without = SAME_Z[measure]

    def one_by_one(agreement: Callable[[Law, int], bool]) -> Draws:
        return lambda count, rng: torch.tensor([float(agreement(law, seed_from(rng))) for _ in range(count)])

    def side_by_side(count: int, rng: Generator) -> Tensor:
        return torch.tensor(agreement(law, seed_from(rng), count)).double()

    draw = side_by_side
    if measure in _ONE_BY_ONE:
        draw = one_by_one(agreement)

    return Experiment(
        expected=1.0,
        draw=draw,
        numbers_per_draw=CHUNK_NUMBERS // max(1, layouts // _OPTIMIZERS),
        symbols=CONSTANTS,
        formula="1",
        decoys=(Decoy(wrong, draw=one_by_one(without), count=lambda draws: 20),),
        share=True,
        draws=layouts,
        resolution=excluded_by(layouts),
    )


@claim(
    "C2",
    "isotropic",
    r"\mathbb{E}[(u^\top z)^2] = \|u\|^2 = 1, \quad"
    r" z = (z_{t,k,w}), \ \mathrm{two\ steps}\ t, \ \mathrm{two\ probes}\ k, \ \mathrm{two\ tensors}\ w",
    source="paper, Definition 1: z is N(0, I) over all parameters",
    laws=[*_IID, "sphere"],
    default=[{}],
    fast=[{}],
    published=[projects.SEED_IN_THE_LOOP, projects.SEEDS_THAT_MEET],
)
def isotropic(law):
    return Experiment(
        expected=1.0,
        draw=_spans(law),
        numbers_per_draw=8,
        symbols=symbols_of(law, 2, 2),
        formula="1",
        decoys=(
            Decoy("seeds anew for every tensor", draw=_spans(law, controls.same_for_tensors)),
            Decoy("seeds anew for every probe", draw=_spans(law, controls.same_for_probes)),
            Decoy("seed + step + probe as the seed", draw=_spans(law, controls.same_for_steps)),
        ),
        resolution=0.03,
    )


def _spans(law: Law, streams: controls.Streams | None = None) -> Draws:
    """(uᵀz)² for the u with equal entries at one index of two tensors, two probes and two steps: a u for each index."""

    def draw(count: int, generator: Generator) -> Tensor:
        theta = torch.zeros(2, count)
        points: list[Tensor] = []
        settings = {"probes": 2, "law": law.name, "seed": seed_from(generator)}
        # every call of the closure is recorded as a point, so none may be repeated as a check
        opt = MeZO([Parameter(half) for half in theta], lr=1.0, epsilon=1.0, check_closure=False, **settings)
        if streams is not None:
            controls.replace_streams(opt, streams)

        def closure() -> float:
            points.append(theta.clone())  # from θ = 0 with ε = 1 the weights are z, then −z
            return 0.0

        for _ in range(2):
            opt.step(closure)
        z = torch.cat(points[0::2])  # (steps·probes·tensors = 8, count)
        return z.sum(0).square() / len(z)

    return draw


# steps, each a draw, by (measure, d, r, n): 1.4 times what puts the nearest decoy 10 standard errors away
_STEPS = {
    ("length", 2, 2, 1): {"rademacher": 130, "sphere": 80, "coordinate": 50},
    ("length", 4, 4, 1): {"rademacher": 760, "sphere": 560, "coordinate": 180},
    ("length", 4, 4, 3): {"orthogonal": 70},
    ("length", 3, 3, 1): {"gaussian": 5_600, "uniform": 8_900, "three-point": 3_600},
    ("contraction", 8, 1, 1): {"gaussian": 840, "uniform": 300, "three-point": 630},
    ("contraction", 8, 2, 1): {"gaussian": 1_100, "rademacher": 130, "uniform": 630, "three-point": 680, "sphere": 880},
}


def _steps(law: Law, measure: str, d: int, r: int, n: int) -> int | None:
    return _STEPS.get((measure, d, r, n), {}).get(law.name)


def _settings(*keys: tuple[str, int, int, int]) -> list[Parameters]:
    return [dict(zip(("measure", "d", "r", "n"), key, strict=True)) for key in keys]


@claim(
    "C3",
    "engine-factor",
    r"\mathbb{E}\|\Delta\theta\|^2 = \eta^2 f\,\|g\|^2 \ \mathrm{(linear)}, \quad"
    r" \mathbb{E}[L(\theta + \Delta\theta)]/L(\theta) = 1 - 2\eta\ell + \eta^2\ell^2\gamma \ (H = \ell P_r),"
    r" \quad f, \gamma \ \mathrm{as\ in\ A2, B3}",
    source="as A2 and B3",
    default=_settings(("length", 4, 4, 1), ("length", 4, 4, 3), ("contraction", 8, 2, 1)),
    fast=_settings(("length", 2, 2, 1), ("length", 4, 4, 3), ("contraction", 8, 1, 1)),
    full=_settings(("length", 4, 4, 1), ("length", 4, 4, 3), ("length", 3, 3, 1), ("contraction", 8, 2, 1)),
    suits=lambda law, p: _steps(law, **p) is not None,
)
def engine_factor(law, measure, d, r, n):
    at_most_dim(r, d)
    build = {"length": _length, "contraction": _contraction}[measure]
    symbols = symbols_of(law, d, n, r=r)
    experiment = build(
        law, d, r, n, symbols=symbols, numbers_per_draw=512, draws=_steps(law, measure, d, r, n) or 1_000
    )
    gap = min(abs(decoy.expected(experiment) - experiment.expected) for decoy in experiment.decoys)
    return replace(experiment, resolution=1.25 * gap / experiment.expected)  # it promises to see its nearest decoy


def _length(law: Law, dim: int, rank: int, probes: int, **more) -> Experiment:
    """‖Δθ‖²/η² of a step on a linear loss with ‖g‖ = 1, where every direction counts."""
    loss = Linear(unit_gradient(dim, rank))
    start = torch.zeros_like(loss.slope)
    return Experiment(
        expected=float(theory.norm_factor(dim, probes, law.moments(dim))),
        draw=_after_a_step(law, probes, loss, start, 1.0, lambda theta: theta.square().sum()),
        formula="(c + (n-1)*cross)/n",
        decoys=(Decoy("(d+n-1)/n"), Decoy("(d+n+1)/n")),
        **more,
    )


def _contraction(law: Law, dim: int, rank: int, probes: int, symbols: dict[str, float], **more) -> Experiment:
    """L after a step of the best length, over L before, where the Hessian is a projector of rank r."""
    loss = LowRankQuadratic(smoothness=1.0, rank=rank)
    start = unit_gradient(dim, rank)
    gamma = float(theory.effective_rank_factor(rank, probes, law.moments(dim)))
    other = "r+n-1"  # the γ of another law
    if law.moments(dim).coincidence:
        other = "r+n+1"
    return Experiment(
        expected=theory.contraction(1 / gamma, gamma),
        draw=_after_a_step(law, probes, loss, start, 1 / gamma, lambda theta: loss(theta) / loss(start)),
        formula="1 - 2*s + s**2*gamma",
        decoys=(Decoy("1 - 2*s + s**2*(n-1+c)/n"), Decoy(f"1 - 2*s + s**2*({other})/n")),
        symbols=symbols | {"s": 1 / gamma, "gamma": gamma},
        **more,
    )


_Observable = Callable[[Tensor], Tensor]  # θ (d,) → one number


def _after_a_step(law: Law, probes: int, loss: _Observable, start: Tensor, lr: float, observable: _Observable) -> Draws:
    """The observable after a step from `start`, with θ in two tensors: its first coordinate, and the others."""

    def draw(count: int, generator: Generator) -> Tensor:
        theta = start.clone()
        parts = [Parameter(part) for part in theta.tensor_split([1])]
        opt = MeZO(parts, lr=lr, epsilon=1.0, probes=probes, law=law.name, seed=seed_from(generator))
        values = []
        for _ in range(count):
            theta.copy_(start)
            opt.step(lambda: loss(theta))
            values.append(observable(theta))
        return torch.stack(values)

    return draw
