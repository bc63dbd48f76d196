"""Directions in the span of a layer's inputs: the gains that are predicted and those that were measured."""

import json
from pathlib import Path
from typing import Any

from aligning.cases import gains

from blocks.figures import save
from mezo_lab.report.figures import StepGain, gains_alt_text, gains_figure
from mezo_lab.sampling import Estimate

LAYER = "docs/figures/aligned_layer.svg"
INPUTS = {
    "span": "one batch, inputs in {span} directions",
    "decay": "one batch, λ_i = 1/i",
    "batch": "fresh batches of {tokens}, λ_i = 1",
    "batch, decay": "fresh batches of {tokens}, λ_i = 1/i",
}


def record(root: Path) -> dict[str, Any]:
    return json.loads((root / "results/aligned.json").read_text(encoding="utf-8"))


def layer(root: Path) -> str:
    """One linear layer: what was predicted, and the steps that were taken."""
    rows = record(root)["layer"]
    heads = [
        "| inputs | m × n | V | loss falls to | ‖GV‖²/‖G‖² | gain by the cosine | by gradient and curvature"
        " | measured |",
        "|---|---|---|--:|--:|--:|--:|--:|",
    ]
    lines = [
        f"| {inputs(row)} | {row['rows']} × {row['columns']} | {directions(row)} | {row['goal']:g} |"
        f" {row['share']:.2f} | {row['by_cosine']:.3g} | {row['by_curvature']:.3g} | {measured(row)} |"
        for row in gains(rows)
    ]
    chart = layer_gains(root)
    setting = f"{rows[0]['runs']} runs for each kind of directions, at the best of its own rates."
    return "\n\n".join([setting, "\n".join([*heads, *lines]), f"![{gains_alt_text(chart)}](figures/aligned_layer.svg)"])


def layer_gains(root: Path) -> list[StepGain]:
    """The rows of the figure."""
    found = []
    for row in gains(record(root)["layer"]):
        value, error = row["measured"] or (None, 0.0)
        name = f"{inputs(row)}:\n{directions(row)}, to {row['goal']:g}"
        found.append(StepGain(name, row["by_curvature"], row["by_cosine"], value, error))
    return found


def inputs(row: dict[str, Any]) -> str:
    return INPUTS[row["inputs"]].format(span=row["k"], tokens=row["tokens"])


def directions(row: dict[str, Any]) -> str:
    """
    >>> directions({"directions": "top", "inputs": "decay", "k": 4}), directions({"directions": "random", "k": 16})
    ('first 4', 'random 16')
    """
    if row["directions"] == "random":
        return f"random {row['k']}"
    if row["directions"] == "span" or row["inputs"] == "span":
        return "span of the inputs"
    return f"first {row['k']}"


def measured(row: dict[str, Any]) -> str:
    """
    >>> measured({"measured": [1.0031, 0.0041]}), measured({"measured": None})
    ('1.0031 ± 0.0041', 'never arrives')
    """
    if row["measured"] is None:
        return "never arrives"
    return str(Estimate(*row["measured"], count=1))


def draw(root: Path) -> None:
    if (root / "results/aligned.json").exists():
        save(gains_figure(layer_gains(root)), root / LAYER)
