"""How much of the walk of the recorded runs was signal (claim E10), and what it did to another task meanwhile.

From a run log alone: E‖θ_T − θ_0‖² = d·Σ η²pg² for signs, and T/(T − 1 + factor), the most that the signal can be of
the sum of signal and noise on any loss. From the weights: the length itself, and how far the walk went along a gradient
of the training loss that a backward pass measured before the first step, so that its mean over the z is the signal's.
Beside it the walk of Adam on the same examples, made again. Then IMDb reviews, which no run has seen, under the prompt
of the run: accuracy, and the loss of the text itself as a language model, before, behind each run, and behind its steps
with their signs tossed, which is a walk of the same length without signal.

Results are written as they come, and what is there is not measured again.

    nice python benchmarks/wandering.py      # about 30 minutes of one core
"""

import argparse
import gc
import json
import math
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import records  # beside this file, as the next
import torch
from walks.gains import compared
from walks.meters import Meter, Reading
from walks.path import Walk, along_of, effective_steps, followed, inner, mean_square, steps_of, tossed
from walks.training import Bed, bed, by_kind, copied, loss_and_gradient, path_sums, placed, walk_by_backpropagation

from mezo_lab.environment.machine import machine
from mezo_lab.finetune import load_rows, read_run_config, rebuild_model
from mezo_lab.finetune.evaluation.scores import Z95
from mezo_lab.finetune.run_folder import LOG
from mezo_lab.optim.log import read_log
from mezo_lab.sampling import law_named
from mezo_lab.theory import norm_factor, signal_share

ROOT = Path(__file__).resolve().parents[1]
RUNS = ROOT / "results/runs"
OUT = ROOT / "out/wandering"
PLAIN, SENTIMENT = "rotten-tomatoes", "rotten-tomatoes-sentiment"  # the prompts of the runs


@dataclass(frozen=True)
class Sizes:
    """How much is read."""

    rows: int = 64
    """Training rows of a gradient, where there are as many."""
    held_out: int = 96
    """Rows of the training's task."""
    reviews: int = 160
    """Of IMDb."""
    tokens: int = 48
    """Of a review: its last ones."""
    pieces: int = 20
    """Of a walk."""


@dataclass(frozen=True)
class State:
    """Weights to read: a run after some of its steps; its steps with tossed signs; or, without a run, the start."""

    prompt: str
    run: str = ""
    steps: int = 0
    tossed: bool = False


@dataclass(frozen=True)
class Plan:
    """What is measured."""

    sizes: Sizes
    parts: tuple[tuple[str, Any], ...]
    """In this order, each with its part of the record: "walks" of a run of MeZO on all weights, "adam" of one with
    Adam and how many of its steps, "states" of weights, "path" of a run whose gradient is cheap and the steps after
    which it is measured. The walk of Adam comes before what is compared with it."""


_SMALL, _LARGE = f"{PLAIN}-16-mezo-full-seed0", f"{PLAIN}-512-mezo-full-seed0"
_LONG = f"{PLAIN}-512-mezo-full-20000-seed0"
_ACCURACY = f"{PLAIN}-512-mezo-full-accuracy-seed0"
_ADAM = f"{PLAIN}-512-adam-full-seed0"
_SENTIMENT = f"{SENTIMENT}-512-mezo-full-seed0"
WHOLE = Plan(
    Sizes(),
    (
        ("walks", _SMALL),
        ("adam", (_ADAM, 30)),
        ("walks", _LARGE),
        ("states", State(PLAIN)),
        ("states", State(PLAIN, _LARGE, 450)),
        ("states", State(PLAIN, _LARGE, 450, tossed=True)),
        ("states", State(PLAIN, _ADAM, 30)),
        ("walks", _LONG),
        ("states", State(PLAIN, _LONG, 1000)),
        ("states", State(PLAIN, _SMALL, 200)),
        ("states", State(PLAIN, _SMALL, 200, tossed=True)),
        ("path", (_SMALL, (1, 2, 4, 8, 14, 22, 32, 50, 80, 120, 160, 200))),
        ("states", State(PLAIN, f"{PLAIN}-512-mezo-lora-seed0", 200)),
        ("states", State(SENTIMENT)),
        ("states", State(SENTIMENT, _SENTIMENT, 450)),
        ("walks", _SENTIMENT),
        ("states", State(PLAIN, _ACCURACY, 100)),
    ),
)
QUICK = Plan(
    Sizes(rows=16, held_out=4, reviews=4, tokens=16, pieces=4),
    (
        ("walks", _ACCURACY),
        ("states", State(PLAIN)),
        ("states", State(PLAIN, _ACCURACY, 5)),
        ("states", State(PLAIN, _ACCURACY, 5, tossed=True)),
    ),
)


def logged(folder: Path) -> dict[str, Any]:
    """What the log of a run says by itself."""
    log = read_log(folder / LOG)
    steps = steps_of(folder / LOG)
    dim = int(log.header["fingerprint"].split(" tensors, ")[1].split()[0])
    factor = norm_factor(dim, 1, law_named(log.header["law"]).moments(dim))
    return {
        "run": folder.name,
        "law": log.header["law"],
        "steps": len(steps),
        "effective_steps": effective_steps(steps),
        "dim": dim,
        "rms": math.sqrt(math.fsum(step.projected**2 for step in steps) / len(steps)),
        "sq_length": dim * mean_square(steps),
        "most": signal_share(len(steps), factor),
        "constant": signal_share(effective_steps(steps), factor),
    }


def walked(folder: Path, sizes: Sizes) -> dict[str, Any]:
    """The walk of a run on all weights, along a gradient at its start and, where it was kept, the walk of Adam."""
    run = bed(folder)
    header, steps = read_log(folder / LOG).header, steps_of(folder / LOG)
    loss, slope = loss_and_gradient(run, sizes.rows)
    directions, names = [slope], ["gradient"]
    adam = _adam_file(folder.name)
    if adam is not None:
        directions.append([-part for part in torch.load(adam)])
        names.append("adam")
    walk = Walk(run.named, header["law"], header["seed"])
    points = followed(walk, steps, directions, sizes.pieces)
    origin = copied(run)
    rebuilt = dict(_rebuilt(folder, len(steps)).named_parameters())
    ends = [rebuilt[name].detach() - start for (name, _), start in zip(run.named, origin, strict=True)]
    gap = max(float((a - b).abs().max()) for a, b in zip(ends, walk.displacement, strict=True))
    return {
        "run": folder.name,
        "steps": len(steps),
        "rows": min(sizes.rows, len(run.context.examples)),
        "loss": loss,
        "sq_gradient": inner(slope, slope),
        "sq_start": inner(origin, origin),
        "sq_length": inner(ends, ends),
        "predicted": sum(part.numel() for part in ends) * mean_square(steps),
        "gap": gap,
        "points": points,
        "along": {name: _shares(points, index) for index, name in enumerate(names)},
        "kinds": {
            "parameters": by_kind(run.named, [torch.ones_like(part) for part in ends]),
            "walk": by_kind(run.named, ends),
            "gradient": by_kind(run.named, slope),
        },
    }


def _shares(points: list[dict], direction: int) -> dict[str, Any]:
    """The component along a direction, and its share of the squared length with a 95 % interval."""
    found = along_of(points[-1], direction)
    shares = [found.share(), found.share(-Z95), found.share(Z95)]
    return {"value": found.value, "error": found.error, "share": shares}


def _adam_file(name: str) -> Path | None:
    """The walk of Adam on the same examples, if it was made."""
    file = OUT / f"{name.split('-mezo')[0]}-adam-full-seed0.pt"
    return file if file.exists() else None


def _rebuilt(folder: Path, steps: int) -> Any:
    return rebuild_model(folder, steps)[0]


def adam_walked(folder: Path, steps: int, sizes: Sizes) -> dict[str, Any]:
    """The walk of a run with Adam, made again; its displacement is kept under out/."""
    run = bed(folder)
    _, slope = loss_and_gradient(run, sizes.rows)
    start = inner(copied(run), copied(run))
    walk = walk_by_backpropagation(run, steps)
    OUT.mkdir(parents=True, exist_ok=True)
    torch.save(walk.displacement, OUT / f"{folder.name}.pt")
    recorded = json.loads((folder / "result.json").read_text())["losses"]
    square = inner(walk.displacement, walk.displacement)

    def share(vector: Any) -> float:
        return inner(walk.displacement, vector) ** 2 / (square * inner(vector, vector))

    return {
        "run": folder.name,
        "steps": steps,
        "sq_start": start,
        "sq_length": square,
        "share_gradient": share(slope),
        "share_pull": share(walk.pull),
        "losses_differ_by": gap_of_losses(walk.losses, recorded),
        "kinds": {"walk": by_kind(run.named, walk.displacement)},
    }


def gap_of_losses(losses: Sequence[float], recorded: Sequence[Sequence[float]]) -> float:
    """The largest difference from a record. Args: recorded: (step, mean loss since the entry before) of each entry.

    >>> gap_of_losses([1.0, 2.0, 3.0], [(2, 1.5), (4, 9.0)])
    0.0
    """
    gaps = []
    begin = 0
    for end, mean in recorded:
        own = losses[begin:end]
        if len(own) == end - begin:
            gaps.append(abs(math.fsum(own) / len(own) - mean))
        begin = end
    return max(gaps)


def path(name: str, edges: Sequence[int], sizes: Sizes) -> dict[str, Any]:
    """The gradient along the walk of a run. Args: edges: the steps after which it is measured, increasing."""
    folder = RUNS / name
    run, header = bed(folder), read_log(folder / LOG).header
    walk = Walk(run.named, header["law"], header["seed"])
    steps = steps_of(folder / LOG, edges[-1])
    pieces = [steps[start:end] for start, end in pairwise((0, *edges))]
    return {"run": name, "edges": list(edges)} | path_sums(run, walk, pieces, sizes.rows)


class Reader:
    """Reads states, each prompt with its own meter; states of all weights take turns on one model."""

    def __init__(self, sizes: Sizes):
        self.sizes = sizes
        self.reviews: list[Any] = []
        self.meters: dict[str, Meter] = {}
        self.kept: tuple[str, Bed, Any] | None = None

    def read(self, state: State) -> dict[str, Any]:
        """The record of a state, but for its differences from the start."""
        run, origin = self._bed(state)
        if state.prompt not in self.meters:
            own = run.context.splits.test[: self.sizes.held_out]
            self.reviews = self.reviews or sample(load_rows("imdb"), self.sizes.reviews)
            tokenizer = run.context.pretrained.tokenizer
            self.meters[state.prompt] = Meter(run.context.task, tokenizer, own, self.reviews, self.sizes.tokens)
        displacement = displaced(run, state)
        placed(run, origin, displacement)
        reading = self.meters[state.prompt].read(run.model)
        return vars(state) | {"sq_length": inner(displacement, displacement)} | described(reading)

    def _bed(self, state: State) -> tuple[Bed, Any]:
        """A bed of the state's prompt and tuning, and its weights at the start."""
        folder = RUNS / (state.run or f"{state.prompt}-16-mezo-full-seed0")
        kind = f"{state.prompt} {read_run_config(folder).tuning}"
        if self.kept is None or self.kept[0] != kind:
            self.kept = None
            run = bed(folder)
            self.kept = kind, run, copied(run)
        return self.kept[1:]


def sample(rows: list[Any], count: int) -> list[Any]:
    """Rows of both classes in turn, spread over a list that is sorted by class."""
    classes = [[row for row in rows if row["label"] == label] for label in (0, 1)]
    half = count // 2
    return [own[index * (len(own) // half)] for index in range(half) for own in classes]


def displaced(run: Bed, state: State) -> Any:
    """θ − θ_0 of what is trained."""
    if not state.run:
        return [torch.zeros_like(weights, requires_grad=False) for _, weights in run.named]
    kept = OUT / f"{state.run}.pt"
    if kept.exists():
        return torch.load(kept)
    log = RUNS / state.run / LOG
    header, steps = read_log(log).header, steps_of(log, state.steps)
    walk = Walk(run.named, header["law"], header["seed"])
    walk.advance(tossed(steps) if state.tossed else steps)
    return walk.displacement


def described(reading: Reading) -> dict[str, Any]:
    """A reading for the record."""
    bits = {name: "".join(str(int(value)) for value in getattr(reading, name)) for name in ("own", "other")}
    return bits | {"text": [round(value, 4) for value in reading.text]}


def agreement(state: dict[str, Any]) -> dict[str, float]:
    """The share of held-out rows on which rebuilt weights answer as the run's own record has it, at its best step."""
    file = RUNS / state["run"] / "result.json"
    if not state["run"] or state["tossed"] or not file.exists():
        return {}
    result = json.loads(file.read_text())
    if result["best_step"] != state["steps"]:
        return {}
    same = [a == b for a, b in zip(state["own"], result["test"]["each"], strict=False)]
    return {"agrees": sum(same) / len(same)}


class Record:
    """The record, written after every part that it gains."""

    def __init__(self, file: Path, sizes: Sizes):
        self.file = file
        self.parts: dict[str, Any] = {"machine": machine(), "sizes": vars(sizes)}
        if file.exists():
            self.parts = json.loads(file.read_text())

    def gain(self, part: str, key: str, measure: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """A row of a part, measured where it is not there."""
        rows = self.parts.setdefault(part, {})
        if key not in rows:
            rows[key] = measure()
            gc.collect()
            self.file.write_text(json.dumps(self.parts, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
            print(f"{part} {key}", flush=True)
        return rows[key]


def key_of(state: State) -> str:
    """The name of a state in the record."""
    name = state.run or f"{state.prompt}-start"
    return f"{name}@{state.steps}" + "-tossed" * state.tossed


def measured(file: Path, plan: Plan) -> None:
    """Fill in the record."""
    record = Record(file, plan.sizes)
    for folder in sorted(RUNS.iterdir()):
        if (folder / LOG).exists():
            record.gain("logs", folder.name, lambda folder=folder: logged(folder))
    reader = Reader(plan.sizes)
    for part, what in plan.parts:
        if part == "walks":
            record.gain(part, what, lambda name=what: walked(RUNS / name, plan.sizes))
        elif part == "adam":
            record.gain(part, what[0], lambda what=what: adam_walked(RUNS / what[0], what[1], plan.sizes))
        elif part == "path":
            record.gain(part, what[0], lambda what=what: path(*what, plan.sizes))
        else:
            state = record.gain(part, key_of(what), lambda what=what: reader.read(what))
            start = record.parts[part][key_of(State(what.prompt))]
            record.gain(
                "gains", key_of(what), lambda state=state, start=start: compared(state, start) | agreement(state)
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    records.add_options(parser, quick="a few steps and rows of one run")
    arguments = parser.parse_args()
    if arguments.quick:
        with tempfile.TemporaryDirectory() as folder:
            measured(arguments.json or Path(folder, "wandering.json"), QUICK)
    else:
        measured(arguments.json or records.RESULTS / "wandering.json", WHOLE)


if __name__ == "__main__":
    main()
