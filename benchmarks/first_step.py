"""What a process waits for at its first step of MeZO: with an empty cache, with a warm one, and without a C compiler.

Every reading is of a process of its own, in turn with the others. Its clock starts when the model is loaded and has
made two forward passes, and is read after the import of mezo_lab and the optimizer, the first step, and the second.
"""

import argparse
import itertools
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import records
import torch
from quiet import quiet
from torch import Tensor, nn

ROOT = Path(__file__).resolve().parents[1]
COLD, WARM, WITHOUT = "empty cache", "warm cache", "no C compiler"
STATES = (COLD, WARM, WITHOUT)
READINGS = ("made", "first", "second", "added")
MOST = 3.0  # seconds that the first step may add to a later one, with an empty cache

_Bed = tuple[nn.Module, Callable[[], Tensor], str]


def perceptron() -> _Bed:
    """The MLP of benchmarks/step, by torch alone: mezo_lab is still to be imported."""
    model = nn.Sequential(nn.Linear(784, 512), nn.ReLU(), nn.Linear(512, 512), nn.ReLU(), nn.Linear(512, 10))
    inputs = torch.randn(128, 784)
    labels = torch.arange(128) % 10
    return model, lambda: nn.functional.cross_entropy(model(inputs), labels), "MLP 784–512–512–10"


def language_model() -> _Bed:
    """SmolLM2's shape with random weights on 512 random tokens; mezo_lab is imported with it."""
    from gpu_parts.beds import LABELS, SHAPES, random_llama
    from step.beds import BATCH, LENGTH, causal

    shape = SHAPES["SmolLM2-135M"]
    model = random_llama(shape, torch.float32, "cpu")
    tokens = torch.randint(shape["vocab_size"], (BATCH, LENGTH))
    bed = causal("SmolLM2-135M's shape", model, tokens, torch.arange(BATCH) % 2, LABELS, {})
    return bed.model, bed.loss, bed.facts["model"]


MODELS: dict[str, Callable[[], _Bed]] = {"mlp": perceptron, "smollm2": language_model}


def steps(name: str) -> dict[str, Any]:
    """The work of one process: the model, and seconds for what stands in `READINGS`."""
    model, loss, title = MODELS[name]()
    with torch.no_grad():
        loss()
        loss()
    marks = [time.perf_counter()]
    from mezo_lab import MeZO

    opt = MeZO(model.named_parameters(), lr=1e-6, check_closure=False)  # or the first step has one pass more
    marks.append(time.perf_counter())
    for _ in range(2):
        opt.step(loss)
        marks.append(time.perf_counter())
    made, first, second = (end - start for start, end in itertools.pairwise(marks))
    numel = sum(parameter.numel() for parameter in model.parameters())
    seconds = {"made": made, "first": first, "second": second, "added": made + first - second}
    return {"model": title, "parameters": numel, "seconds": seconds}


def in_a_process_of_its_own(name: str, state: str, warm: Path) -> dict[str, Any]:
    """What `steps` says, and the lines that the process said. Args: warm: a cache that was used before."""
    with tempfile.TemporaryDirectory() as empty:
        variables = {"MEZO_LAB_CACHE": str(warm) if state == WARM else empty, "PYTHONPATH": str(ROOT)}
        if state == WITHOUT:
            variables["CC"] = "no-such-compiler"
        command = [sys.executable, __file__, "--steps", name]
        ran = subprocess.run(command, env=os.environ | variables, capture_output=True, text=True, check=True)
    return json.loads(ran.stdout.splitlines()[-1]) | {"said": ran.stderr.splitlines()}


def measured(names: list[str], rounds: int) -> dict[str, Any]:
    """Everything: medians of the rounds."""
    from mezo_lab.environment.machine import machine

    about = machine()
    turns = [(name, state) for name in names for state in STATES]
    found: dict[tuple[str, str], list[dict[str, Any]]] = {turn: [] for turn in turns}
    with tempfile.TemporaryDirectory() as warm:
        in_a_process_of_its_own(names[0], WARM, Path(warm))  # which makes it warm
        for number in range(rounds):
            start = number % len(turns)
            for turn in turns[start:] + turns[:start]:
                found[turn].append(in_a_process_of_its_own(*turn, Path(warm)))
    rows = [row(state, found[name, state]) for name, state in turns]
    return {"machine": about, "rounds": rounds, "most": MOST, "rows": rows}


def row(state: str, found: list[dict[str, Any]]) -> dict[str, Any]:
    """One line of the table, from the processes of one model and state."""
    readings = {name: statistics.median(one["seconds"][name] for one in found) for name in READINGS}
    ratio = statistics.median(one["seconds"]["first"] / one["seconds"]["second"] for one in found)
    about = {"model": found[0]["model"], "parameters": found[0]["parameters"], "state": state}
    return about | readings | {"ratio": ratio, "said": found[0]["said"]}


def table(record: dict[str, Any]) -> str:
    """The record as a table to read."""
    lines = [f"{'':37}" + "".join(f"{name:>9}" for name in (*READINGS, "ratio"))]
    for row in record["rows"]:
        cells = "".join(f"{row[name]:9.3f}" for name in (*READINGS, "ratio"))
        lines += [f"{row['model']:22} {row['state']:14}{cells}", *(f"  {line}" for line in row["said"])]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    records.add_options(parser, quick="one round of the MLP")
    parser.add_argument("--steps", choices=MODELS, help="the work of one process, and no more")
    arguments = parser.parse_args()
    if arguments.steps:
        print(json.dumps(steps(arguments.steps)))
        return
    names = list(MODELS)
    rounds = arguments.rounds
    if arguments.quick:
        names = ["mlp"]
        rounds = 1
    with quiet():
        record = measured(names, rounds)
    records.write(record, arguments, "first_step")
    print(table(record))


if __name__ == "__main__":
    main()
