"""Directions in the span of a layer's inputs: the gains that are predicted and those that were measured."""

import json
import math
from pathlib import Path
from typing import Any

from aligning.cases import gains
from aligning.model import KS, WHOLE, Kind, predictions, step_gain

from blocks.figures import save
from mezo_lab.report.figures import StepGain, gains_alt_text, gains_figure
from mezo_lab.sampling import Estimate

LAYER = "docs/figures/aligned_layer.svg"
MODEL = "docs/figures/aligned_model.svg"
T_975 = {1: 12.71, 2: 4.303, 3: 3.182, 4: 2.776, 5: 2.571}  # of Student's t, by degrees of freedom
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


def model(root: Path) -> str:
    """The real model: what V captures, what that predicts, and the steps that were taken."""
    found = record(root).get("model", {})
    if not trained(found):
        return "Not measured yet: `python benchmarks/aligned.py` does it."
    chart = f"![{gains_alt_text(model_gains(found))}](figures/aligned_model.svg)"
    parts = [setting(found), shares_table(found), gains_table(found), answer(found), chart, rates(found)]
    return "\n\n".join(parts)


def setting(found: dict[str, Any]) -> str:
    of = found["setting"]
    low, high = of["ranks"]
    return (
        f"SmolLM2-135M, sentiment of Rotten Tomatoes, {of['rows']} reviews of at most {of['characters']} characters in"
        f" {of['tokens']} tokens. Its {of['layers']} linear layers are trained, {of['weights']:,} weights. The inputs"
        f" of a layer span {low} to {high} directions. The share of ‖g‖² in the first k of them, of all layers together"
        " (of the middle layer; of the least):"
    )


def shares_table(found: dict[str, Any]) -> str:
    lengths = {"short": f"{found['setting']['rows']} short", "long": f"{found['setting']['long_rows']} of any length"}
    lines = ["| reviews | V from | " + " | ".join(width(k) for k in KS) + " |", "|---|---|" + "--:|" * len(KS)]
    for batch, name in lengths.items():
        for kind, source in (("same", "the same batch"), ("other", "another batch")):
            rows = [row for row in found["shares"] if (row["batch"], row["directions"]) == (batch, kind)]
            cells = ["{:.2f} ({:.2f}; {:.2f})".format(*row["share"]) for row in rows]
            lines.append(f"| {name} | {source} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def gains_table(found: dict[str, Any]) -> str:
    lines = [
        "| V | share of ‖g‖² | of the curvature | V, MiB | gain by the cosine | by gradient and curvature"
        " | the same, fresh batch | measured |",
        "|---|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for row in predictions(found["seen"]):
        fresh = f"{row['fresh']:.2f}" if "fresh" in row else ""
        steps = step_gain(found["runs"], Kind(row["directions"], row["k"]))
        kept = "" if row["directions"] == "random" else f"{4 * row['kept'] / 2**20:.1f}"  # these come from a seed
        lines.append(
            f"| {kind_name(row)} | {row['share']:.3f} | {row['trace_share']:.3f} | {kept} |"
            f" {row['by_cosine']:.3g} | {row['by_curvature']:.2f} | {fresh} | {interval(steps) if steps else ''} |"
        )
    return "\n".join(lines)


def answer(found: dict[str, Any]) -> str:
    """The answer to the question of the page, from the numbers."""
    rows = trained(found)
    promised = [f"{row['by_cosine']:.3g}" for row, _ in rows if row["directions"] != "random"]
    held = [abs(math.log(gain.mean / row["by_curvature"])) < half_width(gain) for row, gain in rows]
    missed = [abs(math.log(gain.mean / row["by_cosine"])) > half_width(gain) for row, gain in rows]
    by_width = sorted((gain for _, gain in rows), key=half_width)
    return (
        f"**Does the captured share predict the gain in steps? By the cosine, no:** it promises {', '.join(promised)}"
        f" times fewer steps in the rows of aligned directions, and {sum(missed)} of the {len(rows)} measured intervals"
        f" leave its value out. The share of the gradient over the share of the curvature lies in {sum(held)} of them."
        f" Intervals are of 95 %, over {rows[0][1].count} seeds; the narrowest is {interval(by_width[0])}, the"
        f" widest {interval(by_width[-1])}."
    )


def trained(found: dict[str, Any]) -> list[tuple[dict[str, Any], Estimate]]:
    """The predictions of the kinds that were trained, with the gains that were measured."""
    rows = predictions(found["seen"]) if "runs" in found else ()
    steps = [(row, step_gain(found["runs"], Kind(row["directions"], row["k"]))) for row in rows]
    return [(row, gain) for row, gain in steps if gain is not None]


def half_width(gain: Estimate) -> float:
    """Half of the interval of 95 % of the logarithm."""
    return T_975[gain.count - 1] * gain.standard_error / gain.mean


def interval(gain: Estimate) -> str:
    """
    >>> interval(Estimate(1.0, 0.1, 4))
    '1.00 (0.73 to 1.37)'
    """
    factor = math.exp(half_width(gain))
    return f"{gain.mean:.2f} ({gain.mean / factor:.2f} to {gain.mean * factor:.2f})"


def rates(found: dict[str, Any]) -> str:
    """The last losses of one seed at other rates, where there are any."""
    rows = [run for run in found["runs"] if run["seed"] == 0]
    lines = ["| directions | " + " | ".join(f"{factor:g}/(tr PH + 2ρ)" for factor in factors(rows)) + " |"]
    lines.append("|---|" + "--:|" * len(factors(rows)))
    for kind in dict.fromkeys(Kind(run["directions"], run["k"]) for run in rows):
        own = {run["factor"]: run for run in rows if Kind(run["directions"], run["k"]) == kind}
        cells = [f"{own[factor]['losses'][-1]:.3f}" if factor in own else "" for factor in factors(rows)]
        lines.append(f"| {kind_name(kind._asdict())} | " + " | ".join(cells) + " |")
    steps = max(len(run["losses"]) for run in rows)
    first = rows[0]["losses"][0]
    title = f"The last of {steps} losses, from {first:.3f}, of seed 0, by the rate:"
    held = [f"{run['share_at_end']:.2f} in the {kind_name(run)}" for run in rows if "share_at_end" in run]
    drift = f"At the end of these runs the V of their start holds this share of ‖g‖²: {', '.join(held)}."
    return "\n\n".join([title, "\n".join(lines), drift])


def factors(rows: list[dict[str, Any]]) -> list[float]:
    return sorted({run["factor"] for run in rows})


def kind_name(row: dict[str, Any]) -> str:
    """
    >>> kind_name({"directions": "other", "k": 16}), kind_name({"directions": "same", "k": WHOLE})
    ('first 16 of another batch', 'span of the batch')
    """
    if row["directions"] == "all":
        return "all directions"
    if row["directions"] == "random":
        return f"random {row['k']}"
    source = "another batch" if row["directions"] == "other" else "the batch"
    return f"span of {source}" if row["k"] == WHOLE else f"first {row['k']} of {source}"


def width(k: int) -> str:
    return "all" if k == WHOLE else f"k = {k}"


def model_gains(found: dict[str, Any]) -> list[StepGain]:
    """The rows of the figure."""
    return [
        StepGain(kind_name(row), row["by_curvature"], row["by_cosine"], gain.mean, gain.standard_error)
        for row, gain in trained(found)
    ]


def draw(root: Path) -> None:
    if not (root / "results/aligned.json").exists():
        return
    save(gains_figure(layer_gains(root)), root / LAYER)
    if chart := model_gains(record(root).get("model", {})):
        save(gains_figure(chart), root / MODEL)
