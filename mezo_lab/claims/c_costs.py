"""Section C, fourth part: what a run of `MeZO` writes to the disk, and the memory that a step needs. C5 and C6."""

import math
import random
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Generator, Tensor
from torch.nn import Parameter

from mezo_lab.claims import controls
from mezo_lab.claims.c_noise import flat, noise_settings, random_models, seed_from
from mezo_lab.claims.claim import Decoy, Experiment, claim, grid
from mezo_lab.claims.decision import excluded_by
from mezo_lab.claims.problems import CONSTANTS, PAPER, at_most_coordinates, symbols_of
from mezo_lab.claims.sentences import paper
from mezo_lab.environment.storages import LiveStorages
from mezo_lab.optim import MeZO, RunLog, replay
from mezo_lab.optim.log import LogError
from mezo_lab.optim.stencils import BASELINES
from mezo_lab.optim.sweeps import CHUNK
from mezo_lab.sampling import Law, LowRank
from mezo_lab.sampling.montecarlo import CHUNK_NUMBERS, Draws

_MOST_BYTES = 100_000  # 0.1 MB
BYTES_PER_COORDINATE = 40  # of a chunk: words, partial results, z and the chunk before; at most 36 was measured
MEBIBYTE = 1 << 20
_COLUMNS = 1_000  # of a matrix of weights
_PROBES = {"two-sided": 1, "population": 3}
_MOST_WEIGHTS = 1 << 27  # half a GiB, and three times that in the decoy


@claim(
    "C5",
    "replay",
    r"\mathrm{Pr}[\mathrm{replay}(\theta_0, (pg_t, \eta_t)_{t \leq T}) = \theta_T \ \mathrm{bit\ for\ bit}] = 1,"
    r" \quad T = 20000 \ \mathrm{steps\ in\ at\ most}\ 10^5 \ \mathrm{bytes}",
    source="paper, section 2.1 and footnote 3 (there 2 bytes a step, without learning rates and checksums)",
    laws=[*PAPER, "low-rank"],
    # 299 runs exclude that one in 100 would fail; a run takes 30 ms
    default=grid(measure=["rebuilt"], steps=[2], runs=[299]) + grid(measure=["bytes"], steps=[20_000]),
    fast=grid(measure=["rebuilt"], steps=[3], runs=[4]) + grid(measure=["bytes"], steps=[20_000]),
    suits=lambda law, p: p["measure"] == "rebuilt" or law.name == "gaussian",  # a log is the same for all laws
)
def replay_of_a_log(law, measure, steps, runs=4):
    """A third of the runs are of a population, whose log has n projected gradients a step, as that of n probes has."""
    if measure == "bytes":
        return _size(law, steps)
    return _rebuilt(law, steps, runs)


def _rebuilt(law: Law, steps: int, runs: int) -> Experiment:
    """1 for a run whose log rebuilds its weights, else 0."""

    def share(flip: bool) -> Draws:
        def draw(count: int, generator: Generator) -> Tensor:
            return torch.tensor([float(_rebuilds(law, steps, seed_from(generator), flip)) for _ in range(count)])

        return draw

    return Experiment(
        expected=1.0,
        draw=share(flip=False),
        numbers_per_draw=CHUNK_NUMBERS // 4,
        symbols=CONSTANTS | {"steps": float(steps)},
        formula="1",
        decoys=(Decoy("a log with one flipped bit", draw=share(flip=True), count=lambda draws: 8),),
        share=True,
        draws=runs,
        resolution=excluded_by(runs),
    )


def _rebuilds(law: Law, steps: int, seed: int, flip: bool) -> bool:
    """Whether the log of a run on a random layout leads to the weights of the run; a refused log does not."""
    rng = random.Random(seed)
    model = random_models(rng, 1, most=2)
    again = random_models(random.Random(seed), 1, most=2)
    settings: dict[str, Any] = {"exact": rng.random() < 0.5, "fused": rng.random() < 0.5, "probes": rng.randint(1, 2)}
    if rng.random() < 1 / 3:
        settings |= {"estimator": "population", "baseline": rng.choice(BASELINES), "probes": rng.randint(2, 3)}
    opt = MeZO(list(model.items()), lr=0.01, weight_decay=0.1, **settings, **noise_settings(law, seed))
    with tempfile.TemporaryDirectory() as folder:
        with RunLog(opt, log := Path(folder) / "run.log"):
            for _ in range(steps):
                opt.step(lambda: (flat(model) - 1).square().sum())
        if flip:
            controls.flip_bit(log, rng)
        try:
            replay(list(again.items()), log)
        except LogError:
            return False
    return all(torch.equal(model[name], again[name]) for name in model)


def _size(law: Law, steps: int) -> Experiment:
    """The bytes of a log whose learning rate falls with the cosine."""

    def draw(count: int, generator: Generator) -> Tensor:
        return torch.tensor(
            [written(torch.randn(steps, generator=generator, device=generator.device)) for _ in range(count)],
            dtype=torch.float64,
        )

    def written(projected: Tensor) -> int:
        rates = 1e-6 * (1 + torch.linspace(0, math.pi, steps, dtype=torch.float64).cos()) / 2
        with tempfile.TemporaryDirectory() as folder:
            log = Path(folder) / "run.log"
            opt = MeZO([Parameter(torch.zeros(1))], lr=1e-6, law=law.name)
            with RunLog(opt, log) as run_log:
                for pg, rate in zip(projected.tolist(), rates.float().tolist(), strict=True):
                    for point in (0, 1):  # all that a step reports to its run log, without the passes
                        run_log._before_move(point)
                    opt.steps += 1
                    run_log._after_step([pg], [rate])
            return log.stat().st_size

    return Experiment(
        expected=_MOST_BYTES,
        draw=draw,
        numbers_per_draw=steps,
        symbols=CONSTANTS | {"steps": float(steps)},
        formula="100000",
        deterministic=True,
        unit="bytes",
        decoys=(Decoy("2*steps"), Decoy("4*steps")),  # the paper's 2 bytes a step; a float32 and no more
        relation="<=",
        draws=2,
    )


@claim(
    "C6",
    "memory",
    r"\mathrm{peak\ of\ a\ step} - \mathrm{peak\ of\ its\ forward\ pass} \leq 40\ \mathrm{MiB},"
    r" \ \mathrm{a\ chunk,\ whatever}\ d",
    source="paper, Algorithm 1: in place, with the memory of inference",
    laws=["gaussian", "rademacher", "low-rank"],
    default=grid(d=[4_000_000, 8_000_000], estimator=["two-sided"]) + grid(d=[4_000_000], estimator=["population"]),
    fast=grid(d=[4_000_000], estimator=["two-sided", "population"]),
    full=grid(d=[4_000_000, 32_000_000], estimator=["two-sided", "population"]),
    # a population draws the same z, and Gaussian numbers are dear
    suits=lambda law, p: p["estimator"] == "two-sided" or law.name != "gaussian",
    published=[paper.LARGEST_MATRIX],
)
def memory(law, d, estimator="two-sided"):
    """Of a low-rank law the weights are matrices of 1,000 columns; one so thin that k(m + n) > mn gains nothing."""
    at_most_coordinates(d, _MOST_WEIGHTS)
    return Experiment(
        expected=BYTES_PER_COORDINATE * CHUNK / MEBIBYTE,
        draw=_over_forward(d, lambda model, loss: _in_place(model, loss, law, estimator), _columns(law, d)),
        numbers_per_draw=CHUNK_NUMBERS,
        symbols=symbols_of(law, d, 1),
        formula="40",
        deterministic=True,
        unit="MiB",
        decoys=(
            Decoy(
                "z and its multiples, a tensor at a time",
                draw=_over_forward(d, controls.out_of_place, _columns(law, d)),
                count=lambda _: 2,
            ),
        ),
        relation="<=",
        draws=2,
    )


_Step = Callable[[], object]
_Loss = Callable[[], Tensor]


def _columns(law: Law, dim: int) -> int:
    if isinstance(law, LowRank):
        return math.gcd(dim, _COLUMNS)
    return 1


def _over_forward(dim: int, stepping: Callable[[list[Parameter], _Loss], _Step], columns: int):
    """MiB by which the peak of a step exceeds that of its loss; one tensor has most of the weights.

    Args: columns: of the tensors; 1 for vectors.
    """

    def once() -> float:
        rows = dim // columns
        shape = (rows, columns) if columns > 1 else (rows,)
        parts = torch.zeros(shape).tensor_split([rows // 16, rows // 8])
        model = [Parameter(part) for part in parts]

        def loss() -> Tensor:
            flattened = (parameter.view(-1) for parameter in model)
            return sum((torch.dot(weights, weights) for weights in flattened), start=torch.zeros(()))

        step = stepping(model, loss)
        with torch.no_grad():
            return (_peak_bytes(step) - _peak_bytes(loss)) / MEBIBYTE

    return lambda count, generator: torch.tensor([once() for _ in range(count)], dtype=torch.float64)


def _in_place(model: list[Parameter], loss: _Loss, law: Law, estimator: str) -> _Step:
    opt = MeZO(model, lr=1e-6, law=law.name, estimator=estimator, probes=_PROBES[estimator], compiled=False)
    return lambda: opt.step(loss)


def _peak_bytes(run: _Step) -> int:
    """The largest number of bytes alive at once, of the tensors that a function makes."""
    with LiveStorages() as live:
        run()
    return live.peak
