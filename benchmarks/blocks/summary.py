"""What was found, in the five lines that the README has room for, from the committed records."""

import json
from pathlib import Path
from typing import Any


def findings(root: Path) -> str:
    """Five findings, each with the page that has the measurements."""
    return "\n".join(f"- {line}" for line in (formulas(root), cost(root), rates(root), accuracy(root), price(root)))


def formulas(root: Path) -> str:
    rows = {
        row["law"]: row
        for row in record(root, "verify")["verdicts"]
        if row["id"] == "A2" and row["parameters"]["probes"] == 1
    }
    gaussian, sphere = (
        f"{rows[law]['mean']:.2f} ± {rows[law]['standard_error']:.2f}" for law in ("gaussian", "sphere")
    )
    return (
        f"Both formulas are right, each for its law: {gaussian} for Gaussian z, {sphere} on the sphere, at d = 20"
        " ([every verdict](docs/results.md))."
    )


def cost(root: Path) -> str:
    rows = {row["method"]: row for row in record(root, "step_cost")["beds"][0]["rows"]}
    default, signs = (rows[f"MeZO {law}, 3 sweeps"]["ratio"] for law in ("gaussian", "rademacher"))
    most = max(row["memory"]["over_forward"] for method, row in rows.items() if method.startswith("MeZO "))
    return (
        f"A step of `MeZO` on a language model takes {default:.2f} times as long as its two forward passes with"
        f' Gaussian z, the default, and {signs:.2f} times with random signs (`law="rademacher"`); its peak memory is'
        f" at most {most:.0f} MiB above theirs ([costs](docs/costs.md))."
    )


def rates(root: Path) -> str:
    own = record(root, "divergence")
    first = min(run["multiple"] for run in own["runs"] if run["diverged"])
    return (
        f"Curvature predicts the largest stable learning rate; on a real loss training diverged from {first:g} times"
        " that rate upwards, so begin at a tenth of it ([learning rates](docs/learning-rate.md))."
    )


def accuracy(root: Path) -> str:
    shared = {"prompt": "rotten-tomatoes", "shots": 16, "objective": "loss", "scratch": False}
    rows = [
        row for row in record(root, "finetune")["rows"] if (shared | {"tuning": row["tuning"]}).items() <= row.items()
    ]
    test = {(row["method"], row["tuning"]): 100 * row["test"] for row in rows}
    start = test["zero-shot", ""]
    return (
        f"Accuracy on held-out film reviews, with 16 examples of each class: MeZO takes SmolLM2-135M from {start:.1f} %"
        f" to {test['mezo', 'full']:.1f} % by all parameters and {test['mezo', 'lora']:.1f} % by LoRA; Adam reaches"
        f" {test['adam', 'full']:.1f} %, and the same examples in the prompt, without any training,"
        f" {test['icl', '']:.1f} % ([fine-tuning](docs/finetuning.md#what-it-reaches))."
    )


def price(root: Path) -> str:
    rows = {
        (row["method"], row["tuning"]): row
        for row in record(root, "finetune")["rows"]
        if row["prompt"] == "rotten-tomatoes"
        and row["shots"] == 16
        and row["objective"] == "loss"
        and not row["scratch"]
    }
    mezo = rows["mezo", "full"]
    adam = rows["adam", "full"]
    return (
        f"The gain is memory, {mezo['peak_mebibytes']:,.0f} MiB where Adam took {adam['peak_mebibytes']:,.0f}, and the"
        f" price is time: {mezo['steps']:,} steps where Adam took {adam['steps']:,}"
        " ([fine-tuning](docs/finetuning.md#what-it-reaches)). Choose MeZO where backpropagation does not fit"
        " ([when not](docs/costs.md#memory))."
    )


def record(root: Path, name: str) -> Any:
    return json.loads((root / f"results/{name}.json").read_text())
