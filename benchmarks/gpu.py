"""What MeZO does on a GPU, in at most eight minutes: whether it is right there, what it costs, and what it waits for.

In this order, so that what counts most is there when time runs out: the tests of the optimizer that want a GPU; z of
tensors beyond 2³¹ coordinates; a log of the CPU replayed; sweeps against `add_` and `copy_`; steps on models of known
shapes with random weights, in float32 and in bfloat16, against their two forward passes; the first step of a process;
the tests of the claims. The record is written again after each part; a part that fails, or that has no room or no
time, says so in its place.

It needs torch with CUDA and Triton, numpy, transformers and pytest, and no network. In a checkout of this repository,
installed or not:

    PYTHONPATH=. python benchmarks/gpu.py
"""

import argparse
import gc
import importlib.util
import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from gpu_parts.beds import LONG
from gpu_parts.correctness import of_indices, of_replay, of_tests
from gpu_parts.first_step import of_first_steps, print_first_steps
from gpu_parts.setting import ROOT, LeftOut, Part, Setting, reason
from gpu_parts.speed import of_steps, of_sweeps
from step.beds import LENGTH

from mezo_lab.environment.machine import machine

SECONDS = 480
ROUNDS = 7


def steps(model: str, dtype: str, length: int, share: float) -> Part:
    name = f"steps, {model}, {dtype}, 16 × {length} tokens"
    return Part(name, "steps", share, partial(of_steps, model=model, dtype=dtype, length=length))


PARTS = [
    Part("tests of the optimizer", "tests", 45, partial(of_tests, folder="optim")),
    Part("indices, rademacher", "indices", 8, partial(of_indices, law="rademacher", dtype="bfloat16")),
    Part("indices, gaussian", "indices", 8, partial(of_indices, law="gaussian", dtype="float32")),
    Part("replay, rademacher", "replay", 8, partial(of_replay, law="rademacher", dtype="float32")),
    Part("replay, rademacher, exact", "replay", 8, partial(of_replay, law="rademacher", dtype="bfloat16", exact=True)),
    Part(
        "replay, rademacher, decay",
        "replay",
        8,
        partial(of_replay, law="rademacher", dtype="float32", weight_decay=0.1),
    ),
    Part("replay, gaussian", "replay", 8, partial(of_replay, law="gaussian", dtype="float32")),
    Part("sweeps, float32", "sweeps", 35, partial(of_sweeps, dtype="float32")),
    Part("sweeps, bfloat16", "sweeps", 30, partial(of_sweeps, dtype="bfloat16")),
    Part("sweeps, bfloat16, exact", "sweeps", 20, partial(of_sweeps, dtype="bfloat16", exact=True)),
    steps("SmolLM2-135M", "float32", LENGTH, share=40),
    Part("sweeps, SmolLM2-135M", "sweeps", 15, partial(of_sweeps, dtype="float32", model="SmolLM2-135M")),
    steps("Llama-3.2-1B", "bfloat16", LENGTH, share=25),
    steps("Llama-3.1-8B", "bfloat16", LENGTH, share=40),
    steps("Llama-3.2-1B", "bfloat16", LONG, share=20),
    steps("Llama-3.1-8B", "bfloat16", LONG, share=25),
    Part("first step, nothing cached", "first step", 55, partial(of_first_steps, cache="first")),
    Part("first step, cached", "first step", 20, partial(of_first_steps, cache="first")),
    Part("tests of the claims", "tests", 62, partial(of_tests, folder="claims")),
]


def measured(
    parts: Iterable[Part], setting: Setting, seconds: float, write: Callable[[dict[str, Any]], None]
) -> dict[str, Any]:
    """The record of all parts. Args: seconds: for all of them. write: takes the record as it is so far."""
    parts = list(parts)
    record: dict[str, Any] = {
        "machine": machine() | {"device": device_name(setting.device)},
        "packages": packages(),
        "toy": setting.toy,
        "seconds_allowed": seconds,
        "rounds": setting.rounds,
        "parts": {},
    }
    begin = time.monotonic()
    shares = sum(part.share for part in parts)
    share = 0.0
    for part in parts:
        share += part.share  # time that the parts before it did not use is its own
        record["parts"][part.name] = {"kind": part.kind, "status": "running"}
        write(record)
        record["parts"][part.name] = {"kind": part.kind} | outcome(part, setting, begin + seconds * share / shares)
        record["seconds"] = time.monotonic() - begin
        write(record)
    return record


def outcome(part: Part, setting: Setting, deadline: float) -> dict[str, Any]:
    """The fields of one part, with its status: "done", "left out" or "failed", the latter two with their reason."""
    begin = time.monotonic()
    graphs = graphs_compiled()
    try:
        if begin > deadline:
            raise LeftOut("its time was spent before it began")
        fields = {"status": "done"} | part.run(setting, deadline)
    except LeftOut as error:
        fields = {"status": "left out", "reason": reason(error)}
    except Exception as error:  # whatever it is, the other parts go on
        fields = {"status": "failed", "reason": reason(error)}
    free_memory(setting.device)
    return fields | {"seconds": time.monotonic() - begin, "graphs_compiled": graphs_compiled() - graphs}


def free_memory(device: str) -> None:
    gc.collect()
    if device.startswith("cuda"):
        torch.cuda.empty_cache()


def graphs_compiled() -> int:
    """How many kernels and variants of kernels torch has compiled in this process."""
    dynamo = sys.modules.get("torch._dynamo.utils")
    return dynamo.counters["stats"]["unique_graphs"] if dynamo else 0


def device_name(device: str) -> str:
    return torch.cuda.get_device_name(device) if device.startswith("cuda") else device


def packages() -> dict[str, str]:
    """The versions of what the figures depend on; those that are absent are left out."""
    names = [name for name in ("triton", "transformers") if importlib.util.find_spec(name)]
    return {name: version(name) for name in names} | {"cuda": str(torch.version.cuda)}


def summary(record: dict[str, Any]) -> str:
    """A line for each part, to read while the script runs."""
    lines = []
    for name, part in record["parts"].items():
        said = part.get("reason", "")
        if "rows" in part:
            said = ", ".join(f"{row} {cell['ratio']:.2f} ×" for row, cell in part["rows"].items() if "ratio" in cell)
        lines.append(f"{name:55} {part['status']:9} {part.get('seconds', 0):6.1f} s  {said}")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda", choices=["cpu", "cuda"])
    parser.add_argument("--seconds", type=float, default=SECONDS, help="for everything (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="of all methods in turn (default: %(default)s)")
    parser.add_argument("--json", type=Path, default=ROOT / "results/gpu.json", help="default: results/gpu.json")
    parser.add_argument("--toy", action="store_true", help="tiny sizes: to try the script, not to measure with it")
    parser.add_argument("--first-steps", action="store_true", help="the first steps of a process, and no more")
    options = parser.parse_args()
    if options.device == "cuda" and not torch.cuda.is_available():
        parser.exit(1, "torch sees no GPU, and nothing was measured; --toy --device cpu --json FILE tries the script\n")
    if options.device == "cpu" and not options.toy:
        parser.error("--device cpu is for --toy: benchmarks/step_cost.py measures a CPU")
    if options.first_steps:
        print_first_steps(options.device, options.toy)
        return
    if options.toy and options.json == parser.get_default("json"):
        parser.error("--toy measures nothing: give it a --json elsewhere")

    def write(record: dict[str, Any]) -> None:
        # in one move, so that a script that is killed leaves a whole record
        unfinished = options.json.with_suffix(".part")
        unfinished.write_text(json.dumps(record, indent=1) + "\n")
        unfinished.replace(options.json)

    with tempfile.TemporaryDirectory() as cache:
        setting = Setting(options.device, options.toy, options.rounds, Path(cache))
        print(summary(measured(PARTS, setting, options.seconds, write)))


if __name__ == "__main__":
    main()
