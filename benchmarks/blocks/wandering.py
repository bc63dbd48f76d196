"""How far the recorded runs walked, how much of it was signal, and what they do on IMDb."""

import json
import math
from pathlib import Path
from typing import Any

from walks.gains import compared

from blocks.figures import save
from blocks.tables import table
from mezo_lab.course.records import recorded_walk
from mezo_lab.report.figures import (
    TransferRow,
    transfer_alt_text,
    transfer_figure,
    wandering_alt_text,
    wandering_figure,
)

RECORD = "results/wandering.json"
WALK_FIGURE, TRANSFER_FIGURE = "docs/figures/wandering.svg", "docs/figures/transfer.svg"
MILLION = 1e6
PROMPTS = {"rotten-tomatoes": "It was", "rotten-tomatoes-sentiment": "Sentiment:", "rotten-tomatoes-no-prompt": "none"}


def wandering(root: Path) -> str:
    """The lengths, the shares of signal, the figure, and the walk against the loss."""
    record = read(root)
    if record is None:
        return NOT_MEASURED
    figure = f"![{wandering_alt_text(recorded_walk(record))}](figures/wandering.svg)"
    rows = record["sizes"]["rows"]
    read_rows = f"The gradient is that of {rows} training rows, or of all 32 of the runs with 16 per class."
    return "\n\n".join(filter(None, [lengths(record, root), read_rows, figure, adam(record), path(record)]))


def transfer(root: Path) -> str:
    """The gains on the task of the training, on IMDb, and in the loss of plain text."""
    record = read(root)
    if record is None:
        return NOT_MEASURED
    sizes = record["sizes"]
    texts = (
        f"{sizes['held_out']} held-out reviews of Rotten Tomatoes; {sizes['reviews']} of IMDb, half of them positive,"
        f" each cut to its last {sizes['tokens']} tokens. Paired 95 % intervals over the reviews."
        f" A run that made more steps stands at its checkpoint with the best validation accuracy: {kept_steps(record)}."
    )
    return "\n\n".join(
        [
            gains(record, root),
            texts,
            f"![{transfer_alt_text(rows(record, root))}](figures/transfer.svg)",
            over_coins(record, root),
        ]
    )


NOT_MEASURED = "Not measured yet: `python benchmarks/wandering.py`."


def read(root: Path) -> dict[str, Any] | None:
    """The record; None where there is none."""
    file = root / RECORD
    return json.loads(file.read_text(encoding="utf-8")) if file.exists() else None


def name_of(run: str, root: Path) -> str:
    """A run in words."""
    plan = json.loads((root / "results/runs" / run / "plan.json").read_text())
    if plan["method"] == "adam":
        return f"Adam, {plan['shots']} per class"
    parts = [
        {"full": "all parameters", "lora": "LoRA", "prefix": "prefix"}[plan["tuning"]],
        f"{plan['shots']} per class",
    ]
    if plan["steps"] == 20_000:
        parts.append("long run")
    if plan["scratch"]:
        parts.append("from random weights")
    if plan["objective"] != "loss":
        parts.append(f"objective {plan['objective']}")
    return ", ".join(parts)


def prompt_of(run: str, root: Path) -> str:
    """The prompt of a run, in short."""
    plan = json.loads((root / "results/runs" / run / "plan.json").read_text())
    return PROMPTS[plan["task"].replace("/", "-")]


def lengths(record: dict[str, Any], root: Path) -> str:
    """A row for each run with a log."""
    body = []
    for run, log in record["logs"].items():
        walk = record["walks"].get(run)
        length, gap, seen = "–", "–", "–"
        if walk is not None:
            length = (
                f"{math.sqrt(walk['sq_length']):.4g} ({100 * math.sqrt(walk['sq_length'] / walk['sq_start']):.1f} %)"
            )
            gap = f"{walk['sq_length'] / walk['predicted'] - 1:+.0e}"
            seen = millionths(walk["along"]["gradient"]["share"])
        body.append(
            [
                name_of(run, root),
                prompt_of(run, root),
                f"{log['steps']:,}",
                f"{log['dim']:,}",
                f"{math.sqrt(log['sq_length']):.4g}",
                length,
                gap,
                f"{MILLION * log['most']:,.2f}",
                seen,
            ]
        )
    heading = (
        "| MeZO | prompt | steps | d | length by the log | measured (of ‖θ_0‖) | squared, measured / log − 1 |"
        " signal at most, millionths | along a gradient, millionths |"
    )
    return table(heading, "|---|---|--:|--:|--:|--:|--:|--:|--:|", body)


def millionths(share: list[float]) -> str:
    """A share with its interval, in millionths.

    >>> millionths([1.234e-06, 5e-07, 2e-06])
    '1.23 (0.50–2.00)'
    """
    mean, low, high = (f"{MILLION * value:,.2f}" for value in share)
    return f"{mean} ({low}–{high})"


def part(share: list[float]) -> str:
    """How much of a walk lies along Adam's; an estimate without bias may be negative, where nothing is told from 0.

    >>> part([1.234e-06, 5e-07, 2e-06]), part([-1e-08, 0.0, 9e-08])
    ("1.23 (0.50–2.00) millionths lie along Adam's walk", "at most 0.09 millionths lie along Adam's walk, or none")
    """
    _, low, high = share
    if low > 0:
        return f"{millionths(share)} millionths lie along Adam's walk"
    return f"at most {MILLION * high:,.2f} millionths lie along Adam's walk, or none"


def adam(record: dict[str, Any]) -> str:
    """Adam's walk beside that of MeZO on the same examples."""
    lines = []
    for run, walk in record["adam"].items():
        own = record["walks"][f"{run.split('-adam')[0]}-mezo-full-seed0"]
        beside = own["along"]["adam"]
        lines.append(
            f"Adam on the same examples walks {math.sqrt(walk['sq_length']):.3g} in {walk['steps']} steps, where MeZO"
            f" with 512 per class walks {math.sqrt(own['sq_length']):.3g} in {own['steps']}:"
            f" {100 * walk['share_gradient']:.1f} % of Adam's squared length lies along the same gradient, and"
            f" {100 * walk['share_pull']:.1f} % along the sum of η times its own (clipped) gradients. Of MeZO's,"
            f" {part(beside['share'])}."
        )
    return "\n\n".join(lines)


def path(record: dict[str, Any]) -> str:
    """What the walk did to the training loss, split into signal and noise."""
    if "path" not in record:
        return ""
    (found,) = record["path"].values()
    first, last = found["losses"][0], found["losses"][-1]
    starts, ends = found["by_starts"], found["by_ends"]
    return (
        f"The gradient of the {found['rows']} training rows of the run with 16 per class was measured at"
        f" {len(found['norms'])} points of the walk, on which the loss went from {first:.2f} to {last:.2f}. By"
        f" gradients from the beginning of each piece of the walk, which have not seen its z, the loss should have"
        f" fallen by {starts:.2f}; by those from the end of each piece, by {ends:.2f}; the mean of both is"
        f" {(starts + ends) / 2:.2f}. ‖Σ η∇L‖² over the path is"
        f" {MILLION * found['sq_signal'] / found['sq_length']:.2f} millionths of the squared length. Along the"
        f" gradient of the end the whole walk goes {found['along_end']:+.3f}, where it goes {found['along_start']:+.3f}"
        f" along that of the start."
    )


def rows(record: dict[str, Any], root: Path) -> list[TransferRow]:
    """The rows of the figure."""
    found = []
    for key, state in record["states"].items():
        if state["run"]:
            gain = record["gains"][key]
            prompt = f"prompt {PROMPTS[state['prompt']]}"
            found.append(TransferRow(prompt, label(state, root), gain["other"], gain["text"], state["tossed"]))
    return found


def kept_steps(record: dict[str, Any]) -> str:
    """Which steps were kept of how many, for the runs that went on after their best checkpoint."""
    made = {
        state["run"]: log["steps"] for state in record["states"].values() if (log := record["logs"].get(state["run"]))
    }
    pairs = [(state["steps"], made.get(state["run"], state["steps"])) for state in record["states"].values()]
    return ", ".join(dict.fromkeys(f"{kept:,} of {steps:,}" for kept, steps in pairs if kept < steps))


def label(state: dict[str, Any], root: Path) -> str:
    """A state in words."""
    if state["tossed"]:
        return "… signs tossed"
    name = name_of(state["run"], root)
    if not name.startswith("Adam"):
        name = f"MeZO, {name.removeprefix('all parameters, ')}"
    return f"{name}, {state['steps']:,} steps"


def gains(record: dict[str, Any], root: Path) -> str:
    """A row for each state."""
    body = []
    for key, state in record["states"].items():
        gain = record["gains"][key]
        accuracy = [f"{100 * state[name].count('1') / len(state[name]):.1f}" for name in ("own", "other")]
        text = f"{sum(state['text']) / len(state['text']):.3f}"
        name = "**before training**"
        changes = ["–", "–", "–"]
        if state["run"]:
            name = label(state, root)
            changes = [in_points(gain["own"]), in_points(gain["other"]), in_nats(gain["text"])]
        cells = [accuracy[0], changes[0], accuracy[1], changes[1], text, changes[2]]
        body.append([PROMPTS[state["prompt"]], name, *cells])
    heading = "| prompt | weights | Rotten Tomatoes, % | gain | IMDb, % | gain | loss of the text, nats | change |"
    return table(heading, "|---|---|--:|--:|--:|--:|--:|--:|", body)


def over_coins(record: dict[str, Any], root: Path) -> str:
    """Each run against its own steps with tossed signs, on the same texts: what its signal did."""
    body = []
    for key, coin in record["states"].items():
        if coin["tossed"]:
            trained = record["states"][key.removesuffix("-tossed")]
            gain = compared(trained, coin)
            meters = in_points(gain["own"]), in_points(gain["other"]), in_nats(gain["text"])
            body.append([label(trained, root), *meters])
    heading = "| over its tossed signs | Rotten Tomatoes, points | IMDb, points | loss of the text, nats |"
    return table(heading, "|---|--:|--:|--:|", body)


def in_points(gain: list[float]) -> str:
    """
    >>> in_points([0.102, 0.05, 0.154])
    '+10.2 (+5.0 to +15.4)'
    """
    mean, low, high = (f"{100 * value:+.1f}" for value in gain)
    return f"{mean} ({low} to {high})"


def in_nats(change: list[float]) -> str:
    """
    >>> in_nats([0.0123, -0.001, 0.0256])
    '+0.012 (-0.001 to +0.026)'
    """
    mean, low, high = (f"{value:+.3f}" for value in change)
    return f"{mean} ({low} to {high})"


def draw(root: Path) -> None:
    """Both figures."""
    record = read(root)
    if record is None:
        return
    save(wandering_figure(recorded_walk(record)), root / WALK_FIGURE)
    save(transfer_figure(rows(record, root)), root / TRANSFER_FIGURE)
