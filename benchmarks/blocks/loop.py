"""What `mezo-lab finetune` costs beside the bare step and the bare forward pass, and where its time goes."""

import json
from pathlib import Path
from typing import Any

from blocks.figures import save
from blocks.tables import outcome, table
from mezo_lab.report.figures.stages import RunStages, stages_alt_text, stages_figure

RECORD = "results/loop.json"
FIGURE = "docs/figures/stages.svg"
MOST = 1.1  # × the bare step
LEAST = 0.9  # × the tokens per second of a bare forward pass


def loop(root: Path) -> str:
    """The loop and the evaluation beside the bare work, and the stages of whole runs."""
    file = root / RECORD
    if not file.exists():
        return "Not measured yet: `python benchmarks/loop.py` does it."
    record = json.loads(file.read_text())
    alt = stages_alt_text(run_stages(record)).replace("\n", " ")
    figure = f"![{alt}](figures/stages.svg)"
    return "\n\n".join([loops(record), evaluations(record), promises(record), figure, conditions(record)])


def loops(record: dict[str, Any]) -> str:
    heading = (
        "| a step of 16 prompts of 32 tokens | bare `MeZO.step`, ms | in `finetune`, ms | × bare | least–largest |"
    )
    rows = [
        (
            f"{row['model']}, {row['parameters']:,} parameters",
            f"{1e3 * row['bare_seconds']:,.4g}",
            f"{1e3 * row['seconds']:,.4g}",
            f"{row['ratio']:.3f}",
            f"{row['least']:.3f}–{row['largest']:.3f}",
        )
        for row in record["loops"]
    ]
    return table(heading, "|---|--:|--:|--:|--:|", rows)


def evaluations(record: dict[str, Any]) -> str:
    heading = "| an evaluation | reviews | passes | padding | tokens/s | × bare forward | with tokenizing |"
    rows = [
        (
            row["model"],
            f"{row['rows']:,}",
            f"{row['passes']:,}",
            f"{100 * (row['padded_tokens'] / row['tokens'] - 1):.1f} %",
            f"{row['tokens_per_second']:,.0f}",
            f"{row['speed']:.2f}",
            f"{row['speed_with_encoding']:.2f}",
        )
        for row in record["evaluations"]
    ]
    return table(heading, "|---|--:|--:|--:|--:|--:|--:|", rows)


def promises(record: dict[str, Any]) -> str:
    """What was promised of SmolLM2-135M, and whether it was kept."""
    step = record["loops"][0]["ratio"]
    speed = record["evaluations"][0]["speed"]
    return (
        f"- a step in `finetune` / the bare step ≤ {MOST}: {step:.3f}, {outcome(step / MOST - 1)}\n"
        f"- tokens per second of an evaluation / of a bare forward pass ≥ {LEAST}: {speed:.3f}, "
        f"{outcome(1 - speed / LEAST)}"
    )


def conditions(record: dict[str, Any]) -> str:
    machine = record["machine"]
    return (
        f"Medians; steps in pairs on the same batch, evaluations in {record['rounds']} rounds in turn "
        f"({machine['processor']}, {machine['threads']} threads, torch {machine['torch']})."
    )


def run_stages(record: dict[str, Any]) -> list[RunStages]:
    """The runs as the figure takes them."""
    tuned = {"full": "all weights", "lora": "LoRA"}
    return [
        RunStages(
            f"{run['model']}, {tuned[run['tuning']]},\n{run['steps']} steps, test of {run['test']}", run["stages"]
        )
        for run in record["runs"]
    ]


def draw(root: Path) -> None:
    """The figure of the stages."""
    file = root / RECORD
    if file.exists():
        save(stages_figure(run_stages(json.loads(file.read_text()))), root / FIGURE)
