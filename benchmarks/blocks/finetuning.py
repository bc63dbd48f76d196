"""What fine-tuning reaches on real reviews, method by method."""

import json
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

PERCENT = 100
SHOTS = (16, 512)
ABLATIONS = "Another objective, no prompt, random weights"  # the heading of their table
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


def finetuned(root: Path) -> str:
    """A table for each prompt: every method at both sizes, with intervals, gains and costs."""
    file = root / "results/finetune.json"
    rows = json.loads(file.read_text())["rows"] if file.exists() else []
    if not rows:
        return "Not measured yet: `make accuracy` does it."
    plain = [row for row in rows if row["objective"] == "loss" and not row["scratch"]]
    parts = [part for prompt, title in PROMPTS.items() for part in (title, table(plain, prompt))]
    return "\n\n".join(filter(None, [*parts, ablations(rows), machine(rows)]))


def table(rows: Iterable[dict[str, Any]], prompt: str) -> str:
    heads = ["16 per class, %", "gain", "512 per class, %", "gain", "learning rate", "forward (backward) passes"]
    lines = ["| | " + " | ".join([*heads, "minutes", "MiB"]) + " |", "|---|" + 8 * "--:|"]
    for kind, name in METHODS.items():
        own = [row for row in rows if row["prompt"] == prompt and (row["method"], row["tuning"]) == kind]
        if not own:
            continue
        sizes = [[row for row in own if row["shots"] == shots or kind[0] == "zero-shot"] for shots in SHOTS]
        cells = [cell for sized in sizes for cell in (line_per_seed(sized, accuracy), line_per_seed(sized, gain))]
        columns = zip(*(costs(sized) for sized in sizes if sized), strict=True)
        lines.append("| " + " | ".join([name, *cells, *map(merged, columns)]) + " |")
    return "\n".join(lines)


def line_per_seed(rows: Iterable[dict[str, Any]], column: Callable[[dict[str, Any]], str]) -> str:
    """A line for each seed."""
    return "<br>".join(column(row) for row in sorted(rows, key=lambda row: row["seed"])) or "–"


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


def merged(cells: Iterable[str]) -> str:
    """What both sizes have, once where it is the same.

    >>> merged(("400 (0)", "1,200 (0)")), merged(("–", "–"))
    ('400 (0) / 1,200 (0)', '–')
    """
    return " / ".join(dict.fromkeys(cells))


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
    return "\n".join([f"### {ABLATIONS}", "", *lines]) if len(lines) > 2 else ""


def ablation_claims(root: Path) -> str:
    """What the claims D4 and D5 say, with the numbers of the record."""
    rows = json.loads((root / "results/finetune.json").read_text())["rows"]
    address = re.sub(r"[^\w\- ]", "", ABLATIONS.lower()).replace(" ", "-")
    where = f"[fine-tuning: {ABLATIONS[0].lower()}{ABLATIONS[1:]}](finetuning.md#{address})"
    by_accuracy = only(rows, shots=512, objective="accuracy")
    by_loss = only(rows, shots=512)
    prompted = only(rows)
    unprompted = only(rows, prompt="rotten-tomatoes/no-prompt")
    from_random = only(rows, scratch=True)
    objective = (
        "An objective without a gradient trains too. With accuracy itself as the objective, MeZO reaches an accuracy of"
        f" {accuracy(by_accuracy)} % in {by_accuracy['steps']} steps; with the loss, {accuracy(by_loss)} % in"
        f" {by_loss['steps']}. No run with F1 is recorded ({where})."
    )
    start = (
        f"MeZO is a method for fine-tuning: from random weights its gain is {gain(from_random)} points, none that the"
        f" test can see. A prompt matters less to SmolLM2-135M: MeZO gains {gain(prompted)} points with it and"
        f" {gain(unprompted)} without, where the paper's RoBERTa-large stays near chance on SST-2 without a prompt"
        f" (paper, Table 5) ({where})."
    )
    return f"### D4 objective\n\n{objective}\n\n### D5 start\n\n{start}"


def only(rows: Iterable[dict[str, Any]], **settings: Any) -> dict[str, Any]:
    """The one run of MeZO on all parameters with these settings; those left out are the table's usual ones."""
    usual = {"prompt": "rotten-tomatoes", "shots": 16, "objective": "loss", "scratch": False}
    wanted = {"method": "mezo", "tuning": "full"} | usual | settings
    (row,) = [row for row in rows if row | wanted == row]
    return row


def machine(rows: list[dict[str, Any]]) -> str:
    where, seeds = rows[0]["machine"], len({row["seed"] for row in rows})
    return (
        f"{'One seed' if seeds == 1 else f'{seeds} seeds, a line each'}. What has a / is of 16 and of 512 per class."
        " 1,000 held-out reviews, the same for all; 95 % intervals (Wilson; gains over zero-shot, paired). Minutes"
        f" include loading and the test ({where['processor']}, {where['threads']} threads, not always idle);"
        " MiB: peak of the process, of a training while it loads its best checkpoint."
    )
