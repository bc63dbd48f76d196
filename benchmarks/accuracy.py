"""What fine-tuning by forward passes reaches on real reviews, beside no training and beside backpropagation.

Each run is a process of its own and leaves its plan, result and log under results/runs; one that is done is not made
again, one that was cut goes on from its checkpoint. The summary of all that are done is results/finetune.json.
"""

import argparse
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from mezo_lab.finetune.plan import TRAINED, Plan, read_plan
from mezo_lab.finetune.scores import difference, score

ROOT = Path(__file__).resolve().parent.parent
RUNS, SUMMARY = ROOT / "results/runs", ROOT / "results/finetune.json"

PROMPTS = ("rotten-tomatoes", "rotten-tomatoes/sentiment")  # near chance, and four of five right, before any training
SHOTS = (16, 512)
SEEDS = (0, 1, 2)
# the largest of the paper's grid (Table 16), ten times that for full and LoRA, as the model is small; not tuned yet
TUNINGS = {
    "full": {"lr": 1e-5, "epsilon": 1e-3},
    "lora": {"lr": 1e-3, "epsilon": 1e-2},
    "prefix": {"lr": 1e-2, "epsilon": 1e-1},
}
STEPS, ADAM_STEPS = 400, 60


def plans(seed: int, shots: int, prompt: str) -> list[Plan]:
    """Every method on the same examples."""
    same: dict[str, Any] = {
        "task": prompt,
        "shots": shots,
        "data_seed": seed,
        "seed": seed,
        "validation": 2 * min(shots, 64),
    }
    untrained = [Plan(method=method, **same) for method in ("zero-shot", "icl", "linear-probe")]
    forward = [Plan(tuning=tuning, steps=STEPS, **rates, **same) for tuning, rates in TUNINGS.items()]
    return [*untrained, *forward, Plan(method="adam", lr=1e-5, steps=ADAM_STEPS, **same)]


def name_of(plan: Plan) -> str:
    tuning = f"-{plan.tuning}" if plan.method in TRAINED else ""
    return f"{plan.task.replace('/', '-')}-{plan.shots}-{plan.method}{tuning}-seed{plan.data_seed}"


def run(plan: Plan) -> None:
    """One run, unless it is done."""
    folder = RUNS / name_of(plan)
    if (folder / "result.json").exists():
        return
    resume = any(folder.glob("checkpoint-*"))
    if not resume:
        shutil.rmtree(folder, ignore_errors=True)
    given = [
        f"--{name.replace('_', '-')}={value}" for name, value in vars(plan).items() if value != getattr(Plan(), name)
    ]
    command = [sys.executable, "-m", "mezo_lab", "finetune", *given, "--out", str(folder)]
    subprocess.run([*command, "--resume"] if resume else command, check=True)
    for checkpoint in folder.glob("checkpoint-*"):  # the log holds what they hold
        shutil.rmtree(checkpoint)


def summary() -> dict[str, Any]:
    """Every run that is done, with its gain over zero-shot on the same examples."""
    rows = []
    for folder in sorted(RUNS.iterdir()):
        if not (folder / "result.json").exists():
            continue
        plan, result = read_plan(folder), json.loads((folder / "result.json").read_text())
        kept = ("trained", "steps", "best_step", "forward_passes", "backward_passes", "seconds", "peak_mebibytes")
        row = {"run": folder.name, "prompt": plan.task, "shots": plan.shots, "method": plan.method}
        row |= {"tuning": plan.tuning if plan.method in TRAINED else "", "seed": plan.data_seed, "lr": plan.lr}
        row |= {name: result.get(name) for name in kept} | {"test": hits(result).value}
        row |= {"low": result["test"]["low"], "high": result["test"]["high"], "machine": result["machine"]}
        start = RUNS / name_of(Plan(task=plan.task, shots=plan.shots, method="zero-shot", data_seed=plan.data_seed))
        if (start / "result.json").exists():
            row["gain"] = difference(hits(result), hits(json.loads((start / "result.json").read_text())))
        rows.append(row)
    return {"rows": rows}


def hits(result: dict[str, Any]):
    return score(result["test"]["metric"], [float(each) for each in result["test"]["each"]])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", nargs="+", type=int, default=SEEDS, metavar="S")
    parser.add_argument("--shots", nargs="+", type=int, default=SHOTS, metavar="K")
    parser.add_argument("--summary", action="store_true", help="run nothing; write the summary of what is done")
    arguments = parser.parse_args()
    RUNS.mkdir(parents=True, exist_ok=True)
    for seed in () if arguments.summary else arguments.seeds:
        for shots in arguments.shots:
            for plan in (plan for prompt in PROMPTS for plan in plans(seed, shots, prompt)):
                run(plan)
                SUMMARY.write_text(json.dumps(summary(), indent=1) + "\n")
    SUMMARY.write_text(json.dumps(summary(), indent=1) + "\n")


if __name__ == "__main__":
    main()
