"""Section C, first part: the z of `MeZO`, read off the optimizer itself. C1 and C2."""

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Generator, Tensor
from torch.nn import Parameter

from mezo_lab.claims import c_noise, controls
from mezo_lab.claims.c_noise import seed_from
from mezo_lab.claims.claim import Decoy, Experiment, claim, grid
from mezo_lab.claims.decision import excluded_by
from mezo_lab.claims.problems import CONSTANTS, symbols_of
from mezo_lab.claims.sentences import projects
from mezo_lab.optim import MeZO
from mezo_lab.sampling import KEYED_LAWS, Law, LowRank
from mezo_lab.sampling.montecarlo import CHUNK_NUMBERS, Draws

_IID = ["gaussian", "rademacher", "uniform", "three-point"]
_ROW_BY_ROW = "z drawn row by row in the update", controls.row_by_row
# measure → (whether z is one there, the name of a program that loses it, that program)
SAME_Z = {
    "step": (c_noise.one_z_per_step, *_ROW_BY_ROW),
    "population": (c_noise.one_z_of_a_population, *_ROW_BY_ROW),
    "names": (c_noise.one_z_per_name, "z from one generator for all tensors", controls.one_generator),
    "chunks": (c_noise.one_z_per_chunk, *_ROW_BY_ROW),
    "large": (c_noise.one_z_of_large_tensors, *_ROW_BY_ROW),
    "compiled": (c_noise.one_z_compiled, *_ROW_BY_ROW),
}
_OF_A_STEP = {"step", "population"}  # the other measures are about z alone, which no estimator changes
_BY_ADDRESS = [*_IID, "low-rank"]  # laws whose z depends on the address alone, and not on all that moves
_ONE_BY_ONE = {"large", "compiled"}  # measures of one model a draw; "large" takes a second, so that two exclude little
_OPTIMIZERS = 12  # at least so many, each with its own settings and seed, share the layouts
_OF_POPULATIONS = ("gaussian", "rademacher", "orthogonal", "low-rank")  # they draw z as pairs do, whatever the law
_ENOUGH = 299  # layouts without a failure exclude a failure in 100


@claim(
    "C1",
    "same-z",
    r"\mathrm{Pr}[z_{\mathrm{probe}} = z_{\mathrm{flip}} = z_{\mathrm{restore}} = z_{\mathrm{update}}"
    r" = z_{\mathrm{replay}}] = 1, \quad z_i = z(\mathrm{seed, step, probe, name}, i)"
    r" \ \mathrm{for\ every\ layout\ of\ the\ parameters}",
    source="paper, Algorithm 1 and footnote 3",
    laws=KEYED_LAWS,
    default=grid(measure=["step", "population", "names", "chunks"], layouts=[_ENOUGH]),
    fast=grid(measure=["step", "names"], layouts=[24]),
    full=grid(measure=["step", "population", "names", "chunks", "compiled"], layouts=[_ENOUGH])
    + grid(measure=["large"], layouts=[2]),
    suits=lambda law, p: (
        law.name in _OF_POPULATIONS
        if p["measure"] == "population"
        else law.name in _BY_ADDRESS or p["measure"] in _OF_A_STEP
    ),
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


_BLOCKS = 256  # of one pair of matrices, whose size is the square of that


@claim(
    "C2",
    "isotropic",
    r"\mathbb{E}[(u^\top z)^2] = \|u\|^2 = 1, \quad"
    r" z = (z_{t,k,w}), \ \mathrm{two\ steps}\ t, \ \mathrm{two\ probes}\ k, \ \mathrm{two\ tensors}\ w",
    source="paper, Definition 1: z is N(0, I) over all parameters",
    laws=[*_IID, "sphere", "low-rank"],
    default=[{}],
    fast=[{}],
    published=[projects.SEED_IN_THE_LOOP, projects.SEEDS_THAT_MEET],
)
def isotropic(law):
    """The claim is about z alone, which no estimator changes: it is the same for a population.

    Factors of a low-rank z that are kept from step to step would pass it: with a U of its own, each step is
    uncorrelated with the others. They are the subject of claim E2.
    """
    if isinstance(law, LowRank):
        sizes: dict[str, Any] = {"numbers_per_draw": CHUNK_NUMBERS // _BLOCKS, "resolution": 0.1}
        spans = _spans_of_blocks
        faults = _FAULTS | {"U and V from the same numbers": controls.one_factor}
        most = 3_072  # draws of a decoy, which are dear here
    else:
        sizes = {"numbers_per_draw": 8, "resolution": 0.03}
        spans = _spans
        faults = _FAULTS
        most = 16_384

    def decoy(statement: str, fault: _Fault) -> Decoy:
        return Decoy(statement, draw=spans(law, fault), count=lambda draws: min(draws, most))

    return Experiment(
        expected=1.0,
        draw=spans(law),
        symbols=symbols_of(law, 2, 2),
        formula="1",
        decoys=tuple(decoy(statement, fault) for statement, fault in faults.items()),
        **sizes,
    )


_Fault = Callable[[MeZO], None]  # what a control does to an optimizer
_FAULTS: dict[str, _Fault] = {
    "seeds anew for every tensor": partial(controls.replace_streams, streams=controls.same_for_tensors),
    "seeds anew for every probe": partial(controls.replace_streams, streams=controls.same_for_probes),
    "seed + step + probe as the seed": partial(controls.replace_streams, streams=controls.same_for_steps),
}


def _spans(law: Law, fault: _Fault | None = None) -> Draws:
    """(uᵀz)² for the u with equal entries at one index of two tensors, two probes and two steps: a u for each index."""

    def draw(count: int, generator: Generator) -> Tensor:
        z = torch.cat(_z_of_two_steps(law, torch.zeros(2, count), generator, fault))
        return z.sum(0).square() / len(z)  # of (steps·probes·tensors = 8, count)

    return draw


def _spans_of_blocks(law: Law, fault: _Fault | None = None) -> Draws:
    """The same with a 2×2 block of each of two matrices: blocks along the diagonal share neither rows nor columns."""

    def draw(count: int, generator: Generator) -> Tensor:
        points = _z_of_two_steps(law, torch.zeros(2, 2 * count, 2 * count), generator, fault)
        blocks = [z.view(2, count, 2, count, 2).diagonal(dim1=1, dim2=3).flatten(0, 2) for z in points]
        z = torch.cat(blocks)
        return z.sum(0).square() / len(z)  # of (steps·probes·tensors·4 = 32, count)

    return draw


def _z_of_two_steps(law: Law, theta: Tensor, generator: Generator, fault: _Fault | None) -> list[Tensor]:
    """z of two probes of two steps, like θ. Args: theta: zeros; each of its parts is a parameter."""
    points: list[Tensor] = []
    settings: dict[str, Any] = {"probes": 2, "law": law.name, "seed": seed_from(generator)}
    # every call of the closure is recorded as a point, so none may be repeated as a check
    opt = MeZO([Parameter(part) for part in theta], lr=1.0, epsilon=1.0, check_closure=False, **settings)
    if fault is not None:
        fault(opt)

    def closure() -> float:
        points.append(theta.clone())  # from θ = 0 with ε = 1 the weights are z, then −z
        return 0.0

    for _ in range(2):
        opt.step(closure)
    return points[0::2]
