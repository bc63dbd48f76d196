"""How much of the walk of the recorded runs was signal (claim E10), and what it did to another task meanwhile.

From a run log alone: E‖θ_T − θ_0‖² = d·Σ η²pg² for signs, and the most that a signal can be of it on any loss,
T/(T − 1 + factor). From the weights: the length itself, and how far the walk went along a gradient of the training loss
that a backward pass measured before the first step, so that its mean over the z is the signal's. Beside it the walk of
Adam on the same examples, made again. Then IMDb reviews, which no run has seen, under the prompt of the run: accuracy,
and the loss of the text itself as a language model, before, behind each run, and behind its steps with their signs
tossed, which is a walk of the same length without signal.

Results are written as they come, and what is there is not measured again.

    nice python benchmarks/wandering.py      # about 30 minutes of one core
"""

import argparse
import gc
import json
import math
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import records  # beside this file, as the next
import torch
from walks.meters import Meter, Reading
from walks.path import Walk, along_of, effective_steps, followed, inner, mean_square, steps_of, tossed
from walks.training import Bed, bed, by_kind, copied, loss_and_gradient, path_sums, placed, walk_by_backpropagation

from mezo_lab.environment.machine import machine
from mezo_lab.finetune import difference, load_rows, mean_score, rebuild_model
from mezo_lab.finetune.evaluation.scores import Z95, Score
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

    rows: int = 128
    """Training rows of a gradient, where there are as many."""
    held_out: int = 128
    """Rows of the training's task."""
    reviews: int = 192
    """Of IMDb."""
    tokens: int = 64
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
    states: tuple[State, ...]
    walks: tuple[str, ...]
    """Runs of MeZO on all weights."""
    adams: tuple[str, ...] = ()
    """Runs of Adam, of which so many steps are made again as their state has."""
    path: tuple[tuple[str, int], ...] = ()
    """Runs whose gradient is cheap, with the steps between two gradients."""


_SMALL, _LARGE = f"{PLAIN}-16-mezo-full-seed0", f"{PLAIN}-512-mezo-full-seed0"
_LONG = f"{PLAIN}-512-mezo-full-20000-seed0"
_ACCURACY = f"{PLAIN}-512-mezo-full-accuracy-seed0"
_ADAM = f"{PLAIN}-512-adam-full-seed0"
_SENTIMENT = f"{SENTIMENT}-512-mezo-full-seed0"
WHOLE = Plan(
    Sizes(),
    states=(
        State(PLAIN),
        State(PLAIN, _LARGE, 450),
        State(PLAIN, _LARGE, 450, tossed=True),
        State(PLAIN, _ADAM, 30),
        State(PLAIN, _LONG, 1000),
        State(PLAIN, _SMALL, 200),
        State(PLAIN, _SMALL, 200, tossed=True),
        State(PLAIN, f"{PLAIN}-512-mezo-lora-seed0", 200),
        State(PLAIN, _ACCURACY, 100),
        State(SENTIMENT),
        State(SENTIMENT, _SENTIMENT, 450),
    ),
    walks=(_SMALL, _LARGE, _LONG, _SENTIMENT),
    adams=(_ADAM,),
    path=((_SMALL, 20),),
)
QUICK = Plan(
    Sizes(rows=16, held_out=4, reviews=4, tokens=16, pieces=4),
    states=(State(PLAIN), State(PLAIN, _ACCURACY, 5), State(PLAIN, _ACCURACY, 5, tossed=True)),
    walks=(_ACCURACY,),
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
    found = along_of(points, direction)
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
    recorded = [loss for _, loss in json.loads((folder / "result.json").read_text())["losses"]]
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
        "losses_differ_by": max(abs(a - b) for a, b in zip(walk.losses, recorded, strict=False)),
        "kinds": {"walk": by_kind(run.named, walk.displacement)},
    }


def path(name: str, every: int, sizes: Sizes) -> dict[str, Any]:
    """The gradient along the walk of a run."""
    folder = RUNS / name
    run, header = bed(folder), read_log(folder / LOG).header
    walk = Walk(run.named, header["law"], header["seed"])
    return {"run": name} | path_sums(run, walk, steps_of(folder / LOG), every, sizes.rows)


class Reader:
    """Reads states, each prompt with its own meter."""

    def __init__(self, sizes: Sizes):
        self.sizes = sizes
        self.reviews = load_rows("imdb")
        self.meters: dict[str, Meter] = {}

    def read(self, state: State) -> dict[str, Any]:
        """The record of a state, but for its differences from the start."""
        run = bed(RUNS / (state.run or f"{state.prompt}-16-mezo-full-seed0"))
        if state.prompt not in self.meters:
            own = run.context.splits.test[: self.sizes.held_out]
            others = sample(self.reviews, self.sizes.reviews)
            tokenizer = run.context.pretrained.tokenizer
            self.meters[state.prompt] = Meter(run.context.task, tokenizer, own, others, self.sizes.tokens)
        model, sq_length = weights_of(run, state)
        reading = self.meters[state.prompt].read(model)
        return vars(state) | {"sq_length": sq_length} | described(reading)


def sample(rows: list[Any], count: int) -> list[Any]:
    """Rows of both classes in turn, spread over a list that is sorted by class."""
    classes = [[row for row in rows if row["label"] == label] for label in (0, 1)]
    half = count // 2
    return [own[index * (len(own) // half)] for index in range(half) for own in classes]


def weights_of(run: Bed, state: State) -> tuple[Any, float]:
    """The model in a state, and ‖θ − θ_0‖² of what is trained."""
    if not state.run:
        return run.model, 0.0
    origin = copied(run)
    folder = RUNS / state.run
    kept = OUT / f"{state.run}.pt"
    if kept.exists():
        displacement = torch.load(kept)
    elif state.tossed:
        header = read_log(folder / LOG).header
        walk = Walk(run.named, header["law"], header["seed"])
        walk.advance(tossed(steps_of(folder / LOG, state.steps)))
        displacement = walk.displacement
    else:
        rebuilt = dict(_rebuilt(folder, state.steps).named_parameters())
        displacement = [rebuilt[name].detach() - start for (name, _), start in zip(run.named, origin, strict=True)]
    placed(run, origin, displacement)
    return run.model, inner(displacement, displacement)


def described(reading: Reading) -> dict[str, Any]:
    """A reading for the record."""
    bits = {name: "".join(str(int(value)) for value in getattr(reading, name)) for name in ("own", "other")}
    return bits | {"text": [round(value, 4) for value in reading.text]}


def compared(state: dict[str, Any], start: dict[str, Any]) -> dict[str, Any]:
    """The gains of a state over the start on the same texts: [mean, low, high] of a paired 95 % interval."""
    gains = {name: list(difference(_score(state[name]), _score(start[name]))) for name in ("own", "other")}
    gaps = torch.tensor(state["text"], dtype=torch.float64) - torch.tensor(start["text"], dtype=torch.float64)
    half = Z95 * float(gaps.std()) / math.sqrt(len(gaps))
    return {**gains, "text": [float(gaps.mean()) - half * sign for sign in (0, 1, -1)]}


def _score(bits: str) -> Score:
    return mean_score("accuracy", [float(bit) for bit in bits])


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
    for name in plan.adams:
        steps = next(state.steps for state in plan.states if state.run == name)
        record.gain("adam", name, lambda name=name, steps=steps: adam_walked(RUNS / name, steps, plan.sizes))
    for name in plan.walks:
        record.gain("walks", name, lambda name=name: walked(RUNS / name, plan.sizes))
    reader = Reader(plan.sizes)
    for state in plan.states:
        own = record.gain("states", key_of(state), lambda state=state: reader.read(state))
        start = record.parts["states"][key_of(State(state.prompt))]
        record.gain("gains", key_of(state), lambda own=own, start=start: compared(own, start) | agreement(own))
    for name, every in plan.path:
        record.gain("path", name, lambda name=name, every=every: path(name, every, plan.sizes))


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
