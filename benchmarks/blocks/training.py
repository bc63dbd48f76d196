"""Where training diverges beside the prediction, and what fine-tuning reaches."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from mezo_lab.report.figures.divergence import RateRun, divergence_alt_text, divergence_figure

PERCENT = 100
SHOTS = (16, 512)
METHODS = {  # (method, tuning) → its name in the table, in the table's order
    ("zero-shot", ""): "zero-shot",
    ("icl", ""): "in-context learning, 32 examples",
    ("linear-probe", ""): "linear probe",
    ("mezo", "full"): "**MeZO**, all parameters",
    ("mezo", "lora"): "**MeZO**, LoRA",
    ("mezo", "prefix"): "**MeZO**, prefix",
    ("adam", "full"): "Adam, backpropagation",
}
PROMPTS = {
    "rotten-tomatoes": "With the paper's prompt, `{text} It was`, terrible or great:",
    "rotten-tomatoes/sentiment": r"With `Review: {text}\nSentiment:`, negative or positive:",
}


def divergence_of(root: Path) -> tuple[list[RateRun], float, float]:
    record = json.loads((root / "results/divergence.json").read_text())
    runs = [RateRun(run["lr"], run["losses"], run["diverged"]) for run in record["runs"]]
    return (runs, *record["curvature"]["lr"])


def divergence(root: Path) -> str:
    """The curvature of the real loss, the rate predicted from it, and where runs diverged."""
    record = json.loads((root / "results/divergence.json").read_text())
    found = {name: plus_minus(*record["curvature"][name]) for name in ("trace", "norm", "effective_rank", "lr")}
    told = (
        f"tr H = {found['trace']}, λ_max = {found['norm']}, effective rank r = {found['effective_rank']}: the largest"
        f" stable learning rate is predicted to be {found['lr']}."
    )
    steps = max(len(run["losses"]) for run in record["runs"])
    ends = [
        f"| {run['multiple']:g} × | {run['lr']:.2g} | {run['losses'][0]:.3f} | {run['losses'][-1]:.3f} |"
        f" {'diverged at step ' + str(len(run['losses'])) if run['diverged'] else 'trains'} |"
        for run in record["runs"]
    ]
    heads = [
        f"| of the predicted | learning rate | first loss | last, {steps} steps at most | |",
        "|--:|--:|--:|--:|---|",
    ]
    figure = f"![{divergence_alt_text(*divergence_of(root))}](docs/figures/divergence.svg)"
    return "\n\n".join([told, "\n".join([*heads, *ends]), figure])


def plus_minus(value: float, error: float) -> str:
    """
    >>> plus_minus(3328.3, 242.6), plus_minus(3.837e-4, 3.8e-5)
    ('3,330 ± 240', '3.84e-04 ± 3.8e-05')
    """
    if value < 1e-2:
        return f"{value:.2e} ± {error:.1e}"
    return f"{rounded(value, 3)} ± {rounded(error, 2)}"


def rounded(value: float, digits: int) -> str:
    """
    >>> rounded(3328.3, 3), rounded(2.7702, 3)
    ('3,330', '2.77')
    """
    return f"{float(f'{value:.{digits}g}'):,g}"


def finetuned(root: Path) -> str:
    """A table for each prompt: every method at both sizes, with intervals, gains and costs."""
    file = root / "results/finetune.json"
    rows = json.loads(file.read_text())["rows"] if file.exists() else []
    if not rows:
        return "Not measured yet: `make accuracy` does it."
    plain = [row for row in rows if row["objective"] == "loss" and not row["scratch"]]
    parts = [part for prompt, told in PROMPTS.items() for part in (told, table(plain, prompt))]
    return "\n\n".join(filter(None, [*parts, ablations(rows), machine(rows)]))


def table(rows: Iterable[dict[str, Any]], prompt: str) -> str:
    heads = ["16 per class, %", "gain", "512 per class, %", "gain", "learning rate", "forward (backward) passes"]
    lines = ["| | " + " | ".join([*heads, "minutes", "MiB"]) + " |", "|---|" + 8 * "--:|"]
    for kind, name in METHODS.items():
        own = [row for row in rows if row["prompt"] == prompt and (row["method"], row["tuning"]) == kind]
        if not own:
            continue
        sizes = [[row for row in own if row["shots"] == shots or kind[0] == "zero-shot"] for shots in SHOTS]
        cells = [told for sized in sizes for told in (each(sized, accuracy), each(sized, gain))]
        columns = zip(*(costs(sized) for sized in sizes if sized), strict=True)
        lines.append("| " + " | ".join([name, *cells, *map(both, columns)]) + " |")
    return "\n".join(lines)


def each(rows: Iterable[dict[str, Any]], told) -> str:
    """A line for each seed."""
    return "<br>".join(told(row) for row in sorted(rows, key=lambda row: row["seed"])) or "–"


def accuracy(row: dict[str, Any]) -> str:
    return f"{PERCENT * row['test']:.1f} ({PERCENT * row['low']:.1f}–{PERCENT * row['high']:.1f})"


def gain(row: dict[str, Any]) -> str:
    if "gain" not in row:
        return "–"
    mean, low, high = (PERCENT * value for value in row["gain"])
    return f"{mean:+.1f} ({low:+.1f} to {high:+.1f})"


def costs(rows: list[dict[str, Any]]) -> list[str]:
    """Of one method at one size: rate, passes over a batch while training, the longest run and the highest peak."""
    row = rows[0]
    passes = f"{row['forward_passes']:,} ({row['backward_passes']:,})" if row["method"] in ("mezo", "adam") else "–"
    return [
        f"{row['lr']:g}" if row["lr"] else "–",
        passes,
        f"{max(row['seconds'] for row in rows) / 60:.1f}",
        f"{max(row['peak_mebibytes'] for row in rows):,.0f}",
    ]


def both(told: Iterable[str]) -> str:
    """What both sizes have, once where it is the same.

    >>> both(("400 (0)", "1,200 (0)")), both(("–", "–"))
    ('400 (0) / 1,200 (0)', '–')
    """
    return " / ".join(dict.fromkeys(told))


def ablations(rows: Iterable[dict[str, Any]]) -> str:
    """What is left of MeZO without a gradient to follow, a prompt, or pretraining."""
    kinds = {
        "accuracy itself as the objective, `It was`": lambda row: (
            row["objective"] == "accuracy" and row["prompt"] == "rotten-tomatoes"
        ),
        "no prompt, the same words as `It was`": lambda row: (
            row["prompt"].endswith("no-prompt") and row["method"] == "mezo"
        ),
        "from random weights, `It was`": lambda row: row["scratch"] and row["method"] == "mezo",
    }
    lines = [
        "| MeZO, all parameters | per class | steps | test, % | gain | probes that saw no difference |",
        "|---|--:|--:|--:|--:|--:|",
    ]
    for name, chosen in kinds.items():
        for row in filter(chosen, rows):
            size = f"{row['shots']} | {row['steps']}"
            lines.append(f"| {name} | {size} | {accuracy(row)} | {gain(row)} | {row['zero_gradients']:.0%} |")
    return "\n".join(lines) if len(lines) > 2 else ""


def machine(rows: list[dict[str, Any]]) -> str:
    where, seeds = rows[0]["machine"], len({row["seed"] for row in rows})
    return (
        f"{'One seed' if seeds == 1 else f'{seeds} seeds, a line each'}. What has a / is of 16 and of 512 per class."
        " 1,000 held-out reviews, the same for all; 95 % intervals (Wilson; gains over zero-shot, paired). Minutes"
        f" include loading and the test ({where['processor']}, {where['threads']} threads, not always idle);"
        " MiB: peak of the process, of a training while it loads its best checkpoint."
    )


def draw(root: Path) -> None:
    """The figure of the diverging runs, beside their record."""
    from matplotlib import rc_context

    file = root / "results/divergence.json"
    if file.exists():
        with rc_context({"svg.fonttype": "none", "svg.hashsalt": "curvature"}):
            place = root / "docs/figures/divergence.svg"
            place.parent.mkdir(parents=True, exist_ok=True)
            divergence_figure(*divergence_of(root)).savefig(place, metadata={"Date": None})
