"""Learning rates of fine-tuning SmolLM2-135M, compared on validation examples alone.

One short run for each rate and schedule of a grid, on 512 reviews of each class with the paper's prompt; no test
example is read. Results are written as they come to results/rates.json, and runs that are there are not made again.
"""

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any

from mezo_lab.environment.machine import machine
from mezo_lab.finetune.config import RunConfig
from mezo_lab.finetune.endings import Interrupts
from mezo_lab.finetune.prepare import build_model, prepare_run
from mezo_lab.finetune.training import task_trainer

RECORD = Path(__file__).resolve().parent.parent / "results/rates.json"
# full: a tenth and a third of the largest stable rate that benchmarks/divergence.py predicts, which for accuracy is no
# bound; the others: from the largest of Tables 15 and 16 upwards, as this model is a hundredth of the paper's, to where
# a run soon diverges
GRIDS = {
    "mezo full loss": [(3e-5, "constant"), (1e-4, "constant"), (1e-4, "linear")],
    "mezo full accuracy": [(3e-5, "linear"), (1e-4, "linear"), (3e-4, "linear")],
    "adam full loss": [(1e-5, "linear"), (3e-5, "linear")],
    "mezo lora loss": [(1e-3, "linear"), (3e-3, "linear")],
    "mezo prefix loss": [(3e-2, "linear"), (1e-1, "linear")],
}
EPSILON = {"mezo full accuracy": 1e-2}  # at the usual 1e-3 nearly all probes see no answer change
STEPS = {"mezo": 100, "adam": 40}
SIZES: dict[str, Any] = {"shots": 512, "validation": 256}


def tried(kind: str, lr: float, schedule: str) -> dict[str, Any]:
    """The validation accuracies of a short run."""
    method, tuning, objective = kind.split()
    steps = STEPS[method]
    changed: dict[str, Any] = {"method": method, "tuning": tuning, "objective": objective}
    changed |= {"lr": lr, "schedule": schedule, "epsilon": EPSILON.get(kind)}
    plan = RunConfig(steps=steps, every=steps // 4, **changed, **SIZES).resolve()
    ready = prepare_run(plan)
    with tempfile.TemporaryDirectory() as folder:
        facts = task_trainer.train_model(
            ready, build_model(ready), Path(folder), report=print, interrupts=Interrupts(print)
        )
    curve = [[point["step"], point["value"]] for point in facts["validation"]]
    return changed | {"epsilon": plan.epsilon, "validation": curve}


def chosen(kind: str) -> dict[str, Any]:
    """The rate and schedule whose last two validation accuracies have the best mean, of equal ones the smaller; and ε.

    Args: kind: method, tuning and objective, such as "mezo full loss".
    Raises: LookupError where no rate was tried.
    """
    rows = json.loads(RECORD.read_text())["rows"] if RECORD.exists() else []
    own = [row for row in rows if kind_of(row) == kind]
    if not own:
        raise LookupError(f"results/rates.json has no rate for {kind}: run benchmarks/rates.py first.")
    best = max(own, key=lambda row: (late(row["validation"]), -row["lr"]))
    return {name: best[name] for name in ("lr", "schedule", "epsilon")}


def kind_of(row: dict[str, Any]) -> str:
    return f"{row['method']} {row['tuning']} {row['objective']}"


def late(curve: list[list[float]]) -> float:
    """The mean of the last two accuracies, as one alone is noisy.

    >>> late([[30, 0.9], [60, 0.5], [90, 0.6], [120, 0.8]])
    0.7
    """
    return (curve[-2][1] + curve[-1][1]) / 2


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kinds", nargs="*", metavar="KIND", help=f"of {', '.join(GRIDS)}; none: all of them")
    kinds = parser.parse_args().kinds or list(GRIDS)
    record = json.loads(RECORD.read_text()) if RECORD.exists() else {"machine": machine(), "rows": []}
    done = {(kind_of(row), row["lr"], row["schedule"]) for row in record["rows"]}
    for kind in kinds:
        for rate in (rate for rate in GRIDS[kind] if (kind, *rate) not in done):
            record["rows"].append(row := tried(kind, *rate))
            RECORD.write_text(json.dumps(record, indent=1) + "\n")
            print(f"{kind} {rate[0]:g} {rate[1]}: {row['validation']}", flush=True)


if __name__ == "__main__":
    main()
