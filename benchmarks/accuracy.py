"""What fine-tuning by forward passes reaches on real reviews, beside no training and beside backpropagation.

Each run is a process of its own and leaves its plan, result and log under results/runs. One that is done is made again
only when its plan has changed since; one that was cut goes on from its checkpoint. The summary of all that are done is
results/finetune.json.
"""

import argparse
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import long_run  # beside this file, as the next
import rates

from mezo_lab.finetune.config import TRAINED, RunConfig
from mezo_lab.finetune.evaluation.scores import difference, mean_score
from mezo_lab.finetune.run_folder import PLAN, RESULT, latest_checkpoint, read_run_config

ROOT = Path(__file__).resolve().parent.parent
RUNS, SUMMARY = ROOT / "results/runs", ROOT / "results/finetune.json"

PROMPTS = ("rotten-tomatoes", "rotten-tomatoes/sentiment")  # near chance, and four of five right, before any training
SHOTS = (16, 512)
SEEDS = (0, 1, 2)
STEPS = {"mezo": 200, "adam": 60}
# MeZO on all weights, where there are more examples to learn from: drift grows as lr·steps, what the noise of z leaves
# behind as lr·√steps, so of the two rates that results/rates.json does not tell apart it takes the smaller, with the
# schedule of the larger. That was decided after 200 steps at the larger had been tested.
LONG = {"steps": 600, "lr": 3e-5, "schedule": "linear"}
METHODS = ("zero-shot", "mezo full", "linear-probe", "icl", "adam full")
FEW_WEIGHTS = ("mezo lora", "mezo prefix")


def plan_of(kind: str, prompt: str, shots: int, seed: int, **more: Any) -> RunConfig:
    """A method, such as "mezo lora", on the examples that every method is given."""
    method, _, tuning = kind.partition(" ")
    settings: dict[str, Any] = {"tuning": tuning or "full", "validation": 2 * min(shots, 128)} | more
    if method in TRAINED:
        objective = settings.get("objective", "loss")
        # of accuracy as many as its rate was tried for: at that rate more destroy the model
        steps = (STEPS if objective == "loss" else rates.STEPS)[method]
        settings |= rates.chosen(f"{method} {settings['tuning']} {objective}") | {"steps": steps}
        if kind == "mezo full" and objective == "loss" and shots > SHOTS[0]:
            settings |= LONG
        settings["every"] = settings["steps"] // 4
    if method in TRAINED or settings.get("scratch"):
        settings["seed"] = seed
    return RunConfig(task=prompt, method=method, shots=shots, data_seed=seed, **settings)


def plans(seeds: Sequence[int]) -> Iterator[RunConfig]:
    """All runs, in the order in which they are worth having: each method everywhere before the next, seed by seed."""
    bare, scratch = f"{PROMPTS[0]}/no-prompt", {"scratch": True}
    for seed in seeds:
        yield from everywhere(METHODS, seed)
        yield plan_of("mezo full", PROMPTS[0], SHOTS[1], seed, objective="accuracy")
        for kind in ("zero-shot", "mezo full"):
            yield plan_of(kind, bare, SHOTS[0], seed)
            yield plan_of(kind, PROMPTS[0], SHOTS[0], seed, **scratch)
        yield from everywhere(FEW_WEIGHTS, seed)


def everywhere(kinds: Sequence[str], seed: int) -> Iterator[RunConfig]:
    """The methods on every prompt and number of shots; those without training once for each prompt."""
    for kind in kinds:
        for prompt, shots in product(PROMPTS, SHOTS[:1] if kind in ("zero-shot", "icl") else SHOTS):
            yield plan_of(kind, prompt, shots, seed)


def name_of(plan: RunConfig) -> str:
    """Zero-shot has neither examples nor, unless its weights are random, a seed."""
    untrained, tuning = plan.method == "zero-shot", plan.tuning if plan.method in TRAINED else ""
    parts = [plan.task.replace("/", "-"), "" if untrained else str(plan.shots), plan.method, tuning]
    parts += [plan.objective if plan.objective != "loss" else "", "scratch" if plan.scratch else ""]
    parts.append("" if untrained and not plan.scratch else f"seed{plan.data_seed}")
    return "-".join(filter(None, parts))


def given(plan: RunConfig) -> list[str]:
    """The plan as options of the command line, which refuses those without effect."""
    unused = plan.options_without_effect()
    changed = {name: value for name, value in vars(plan).items() if value != getattr(RunConfig(), name)}
    changed = {name: value for name, value in changed.items() if name not in unused}
    flags = {name: "--" + name.replace("_", "-") for name in changed}
    return [flags[name] if value is True else f"{flags[name]}={value}" for name, value in changed.items()]


def run(plan: RunConfig) -> None:
    """One run, unless it is done."""
    folder = RUNS / name_of(plan)
    same = (folder / PLAN).exists() and read_run_config(folder) == plan.resolve()
    if same and (folder / RESULT).exists():
        return
    resume = same and latest_checkpoint(folder)[0] is not None
    if not resume:
        shutil.rmtree(folder, ignore_errors=True)
    command = [sys.executable, "-m", "mezo_lab", "finetune", *given(plan), "--out", str(folder)]
    subprocess.run([*command, "--resume"] if resume else command, check=True)
    for checkpoint in folder.glob("checkpoint-*"):  # the log holds what they hold
        shutil.rmtree(checkpoint)


def summary() -> dict[str, Any]:
    """Every run that is done, with its gain over zero-shot on the same examples; the long one has a page of its own."""
    rows = []
    for folder in sorted(RUNS.iterdir()):
        if not (folder / RESULT).exists() or folder.name == long_run.NAME:
            continue
        plan, result = read_run_config(folder), json.loads((folder / RESULT).read_text())
        kept = ("trained", "steps", "best_step", "forward_passes", "backward_passes", "seconds", "peak_mebibytes")
        row = {"run": folder.name, "prompt": plan.task, "shots": plan.shots, "method": plan.method}
        row |= {"tuning": plan.tuning if plan.method in TRAINED else "", "seed": plan.data_seed, "lr": plan.lr}
        row |= {"objective": plan.objective, "scratch": plan.scratch}
        row |= {name: result.get(name) for name in (*kept, "zero_gradients")} | {"test": hits(result).value}
        row |= {"low": result["test"]["low"], "high": result["test"]["high"], "machine": result["machine"]}
        start = RUNS / name_of(replace(plan, method="zero-shot", objective="loss")) / RESULT
        if plan.method != "zero-shot" and start.exists():
            row["gain"] = difference(hits(result), hits(json.loads(start.read_text())))
        rows.append(row)
    return {"rows": rows}


def hits(result: dict[str, Any]):
    return mean_score(result["test"]["metric"], [float(each) for each in result["test"]["each"]])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", nargs="+", type=int, default=SEEDS, metavar="S")
    parser.add_argument("--summary", action="store_true", help="run nothing; write the summary of what is done")
    arguments = parser.parse_args()
    RUNS.mkdir(parents=True, exist_ok=True)
    for plan in () if arguments.summary else plans(arguments.seeds):
        run(plan)
        SUMMARY.write_text(json.dumps(summary(), indent=1) + "\n")
    SUMMARY.write_text(json.dumps(summary(), indent=1) + "\n")


if __name__ == "__main__":
    main()
