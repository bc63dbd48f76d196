"""Section E, weights on a grid: what rounding leaves of a run. E13."""

import tempfile
from pathlib import Path

import torch
from torch import Generator, Tensor
from torch.nn import Parameter

from mezo_lab import theory
from mezo_lab.claims.c_noise import seed_from
from mezo_lab.claims.claim import Decoy, Experiment, claim, grid
from mezo_lab.claims.decision import excluded_by
from mezo_lab.claims.problems import far_decoys, symbols_of
from mezo_lab.claims.sentences import successors
from mezo_lab.optim import MeZO, RunLog, replay
from mezo_lab.sampling import Law, Linear, two_point
from mezo_lab.sampling.montecarlo import CHUNK_NUMBERS, Draws

_GAP = 0.5 + 1e-9  # of a spacing: the largest distance from a grid, and what rounding adds to it
_CELL = 2.0**-6  # the spacing of the grid of a run of `MeZO`
_MOST_DIM = 2000  # beyond it the sum is no double
_DECAY = 0.9  # of the residual in the published program
_OF_SIGNS = ("nearest", "scatter")  # measures whose formula is that of signs


@claim(
    "E13",
    "quantised",
    r"\mathrm{nearest:}\ \Delta\theta_i = 0 \ \mathrm{for}\ |\eta\hat g_i| < \Delta/2; \quad"
    r" \mathrm{stochastic:}\ \mathbb{E}[\Delta\theta] = -\eta\hat g,\ "
    r" \mathbb{E}\|\Delta\theta\|^2 = \Delta\,\eta\,\mathbb{E}\|\hat g\|_1; \quad \mathrm{error\ feedback:}\ "
    r" |\theta_T - \theta_0 + \eta\Sigma_t\hat g_t|_i \leq \Delta/2",
    source="derived; Xu et al. (2026), arXiv 2602.03120 (error feedback); Zhou et al. (2025), arXiv 2502.12346"
    " (stochastic rounding)",
    laws=["rademacher", "gaussian"],
    default=grid(measure=["feedback"], dim=[16], spacing=[4.5], steps=[64], runs=[299])
    + grid(measure=["log"], dim=[16], spacing=[4.5], steps=[12], runs=[30])
    + grid(measure=["nearest"], dim=[16], spacing=[2.4, 3.4, 4.4])
    + grid(measure=["stochastic", "scatter"], dim=[16], spacing=[4.5]),
    fast=grid(measure=["feedback"], dim=[9], spacing=[3.5], steps=[32], runs=[24])
    + grid(measure=["log"], dim=[9], spacing=[3.5], steps=[8], runs=[4])
    + grid(measure=["nearest"], dim=[9], spacing=[2.2])
    + grid(measure=["stochastic", "scatter"], dim=[9], spacing=[3.5]),
    sweep="spacing",
    suits=lambda law, p: law.name == "rademacher" or p["measure"] not in _OF_SIGNS,
    published=[successors.TEMPORAL_EQUIVALENCE],
)
def quantised(law, measure, dim, spacing, steps=1, runs=4):
    """A linear loss with ‖g‖ = 1 and η = 1, all coordinates of g equal; spacing = Δ/(η‖g‖)."""
    if not 0 < spacing <= 100:
        raise ValueError(f"`spacing` must lie in (0, 100], got {spacing}: it is Δ over η‖g‖.")
    if measure in _OF_SIGNS and law.name != "rademacher":
        raise ValueError(
            f"`law` must be rademacher for the measure {measure!r}, got {law.name}: choose another measure."
        )
    if measure == "log":
        return _residual_of_a_log(law, dim, spacing, steps, runs)
    if measure == "feedback":
        return _gap(law, dim, spacing, steps, runs)
    return _one_step(law, measure, dim, spacing)


def to_nearest(values: Tensor, spacing: float) -> Tensor:
    """The nearest points of the grid."""
    return (values / spacing).round() * spacing


def at_random(values: Tensor, spacing: float, generator: Generator) -> Tensor:
    """The point of the grid below or above, so that the mean is the value."""
    cells = values / spacing
    below = cells.floor()
    chance = torch.rand(values.shape, generator=generator, dtype=values.dtype)
    return (below + (chance < cells - below)) * spacing


def _one_step(law: Law, measure: str, dim: int, spacing: float) -> Experiment:
    """The descent of a step that was rounded, or its square length."""
    if dim > _MOST_DIM:
        raise ValueError(
            f"`dim` must be at most {_MOST_DIM:,} here, got {dim:,}: |pg| is summed term by term; lower it."
        )
    if measure == "scatter" and spacing < dim**0.5:
        raise ValueError(f"`spacing` must be at least √d = {dim**0.5:.2f} here, got {spacing}: no step may be longer.")
    if dim == 1 and law.name == "rademacher":
        raise ValueError("`dim` must be at least 2 for signs, got 1: all their steps have one length; raise --dim.")
    g = torch.full((dim,), dim**-0.5, dtype=torch.float64)

    def step(count: int, generator: Generator) -> Tensor:
        return two_point(Linear(g), torch.zeros_like(g), law.sample(count, 1, dim, generator), epsilon=1.0)

    def nearest(count: int, generator: Generator) -> Tensor:
        return to_nearest(step(count, generator), spacing) @ g

    def stochastic(count: int, generator: Generator) -> Tensor:
        return at_random(step(count, generator), spacing, generator) @ g

    def scatter(count: int, generator: Generator) -> Tensor:
        return at_random(step(count, generator), spacing, generator).square().sum(-1)

    magnitude = theory.sign_magnitude(dim)
    share = theory.nearest_share(spacing, dim)  # of signs
    symbols = symbols_of(law, dim, 1, D=spacing, m=magnitude)
    draw, expected, formula, wrong = {
        "nearest": (nearest, share, None, ("1", "0")),  # it keeps up; nothing moves
        "stochastic": (stochastic, 1.0, "1", ()),
        # as without rounding; with the error of rounding to nearest, uniform in a cell
        "scatter": (scatter, theory.stochastic_norm(dim, spacing, magnitude), "d*D*m", ("d", "d + d*D**2/12")),
    }[measure]
    decoys = far_decoys(expected, symbols, *wrong)
    fine = abs(share - 1) < 0.01 if law.name == "rademacher" else spacing < 1  # there rounding to nearest loses nothing
    if measure == "stochastic" and not fine:
        decoys += (Decoy("rounding to nearest", draw=nearest),)
    return Experiment(
        expected=expected,
        draw=draw,
        numbers_per_draw=2 * dim,
        symbols=symbols,
        formula=formula,
        decoys=decoys,
        resolution=0.03,
    )


def _gap(law: Law, dim: int, spacing: float, steps: int, runs: int) -> Experiment:
    """1 for a run that ends within half a spacing of the run without a grid, in every coordinate, else 0."""
    if steps < 2:
        raise ValueError(f"`steps` must be at least 2 here, got {steps}: the first has no error to feed back.")
    g = torch.full((dim,), dim**-0.5, dtype=torch.float64)

    def ends_near(decay: float | None) -> Draws:
        def draw(count: int, generator: Generator) -> Tensor:
            z = law.sample(count, steps, dim, generator)
            moved = whole = residual = torch.zeros(count, dim, dtype=torch.float64)
            for probe in z.unbind(1):
                update = -(probe @ g)[:, None] * probe
                wanted = update + (decay or 0.0) * residual
                rounded = to_nearest(wanted, spacing)
                residual = wanted - rounded
                moved = moved + rounded
                whole = whole + update
            return ((moved - whole).abs().amax(-1) <= _GAP * spacing).double()

        return draw

    return Experiment(
        expected=1.0,
        draw=ends_near(decay=1.0),
        numbers_per_draw=steps * dim,
        symbols=symbols_of(law, dim, 1, D=spacing, steps=steps),
        formula="1",
        decoys=(
            Decoy("rounding to nearest", draw=ends_near(decay=None), count=lambda draws: 40),
            Decoy(f"a residual that decays by {_DECAY} a step", draw=ends_near(_DECAY), count=lambda draws: 40),
        ),
        share=True,
        draws=runs,
        resolution=excluded_by(runs),
    )


def _residual_of_a_log(law: Law, dim: int, spacing: float, steps: int, runs: int) -> Experiment:
    """1 for a run of `MeZO` on a grid whose log gives its residual back, else 0."""

    def share(window: int | None) -> Draws:
        def draw(count: int, generator: Generator) -> Tensor:
            seeds = [seed_from(generator) for _ in range(count)]
            return torch.tensor([float(_rebuilds(law, dim, spacing, steps, seed, window=window)) for seed in seeds])

        return draw

    return Experiment(
        expected=1.0,
        draw=share(window=None),
        numbers_per_draw=CHUNK_NUMBERS // 4,
        symbols=symbols_of(law, dim, 1, D=spacing, steps=steps),
        formula="1",
        decoys=(Decoy("the last half of the log alone", draw=share(window=steps // 2), count=lambda draws: 8),),
        share=True,
        draws=runs,
        resolution=excluded_by(runs),
    )


def _rebuilds(law: Law, dim: int, spacing: float, steps: int, seed: int, *, window: int | None = None) -> bool:
    """Whether the log of a run on a grid gives back the residual of its error feedback, and its weights.

    Args: window: only so many of its last steps are summed; None, all.
    """
    lr = _CELL / (spacing * dim**0.5)  # η‖g‖ is 1/spacing of a cell where the run starts
    theta = Parameter(torch.zeros(dim, dtype=torch.float64))
    again = Parameter(theta.detach().clone())
    before_window = Parameter(theta.detach().clone())
    opt = MeZO([theta], lr=lr, law=law.name, seed=seed)
    with tempfile.TemporaryDirectory() as folder:
        with RunLog(opt, log := Path(folder) / "run.log"):
            weights, residual = _run_on_a_grid(opt, theta, steps)
        # the log knows nothing of the grid: its replay sums the updates as they were before rounding
        replay([again], log)
        if window is not None:
            replay([before_window], log, until=steps - window)
    whole = again.detach() - before_window.detach()
    rounded = to_nearest(whole, _CELL)
    same_residual = (whole - rounded - residual).abs().amax() < 1e-6 * _CELL
    return bool(same_residual) and (window is not None or torch.equal(rounded, weights))


@torch.no_grad()
def _run_on_a_grid(opt: MeZO, theta: Parameter, steps: int) -> tuple[Tensor, Tensor]:
    """Weights on the grid, of which an update moves what rounds to it, and the residual that waits; both (d,).

    The optimizer keeps its own sum of all updates, θ, which stands for nothing but its log: the loss is taken at the
    weights on the grid, θ less the residual, displaced as each probe displaces θ.
    """
    weights = theta.clone()
    residual = torch.zeros_like(theta)
    for _ in range(steps):
        before = theta.clone()
        opt.step(lambda residual=residual: (theta - residual - 1).square().sum() / 2)
        wanted = theta - before + residual
        rounded = to_nearest(wanted, _CELL)
        residual = wanted - rounded
        weights += rounded
    return weights, residual
