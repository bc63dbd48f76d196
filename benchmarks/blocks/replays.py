"""What a replay costs beside the sweeps of its run."""

import json
from pathlib import Path

from mezo_lab.report.labels import duration

RECORD = "results/replay.json"


def replay(root: Path) -> str:
    """The table of the kinds of a run, and what the paper's length takes."""
    file = root / RECORD
    if not file.exists():
        return "Not measured yet: `python benchmarks/replay.py` does it."
    record = json.loads(file.read_text())
    rows = [
        "| run | steps | its sweeps, ms a step | replay, ms a step | replay, × sweeps | least–largest | tolerance |",
        "|---|--:|--:|--:|--:|--:|--:|",
    ]
    for row in record["rows"]:
        cells = (
            row["kind"],
            f"{row['logged']:,}",
            f"{row['run_seconds'] * 1e3:.3g}",
            f"{row['replay_seconds'] * 1e3:.3g}",
            f"{row['ratio']:.2f}",
            f"{row['least']:.2f}–{row['largest']:.2f}",
            f"{row['tolerance_ratio']:.2f}",
        )
        rows.append("| " + " | ".join(cells) + " |")
    worst = max(row["ratio"] for row in record["rows"])
    verdict = "kept" if worst <= record["at_most"] else f"**missed by {100 * (worst / record['at_most'] - 1):.0f} %**"
    long = record["long"]
    machine = record["machine"]
    return "\n".join(rows) + (
        f"\n\nSmolLM2-135M, {record['parameters']:,} weights in float32; medians of {record['rounds']} rounds"
        f" ({machine['processor']}, {machine['threads']} threads). The hashes of the"
        " weights at the start and at the end are part of a replay. Promise: at most"
        f" {record['at_most']} of the run's own sweeps, {verdict}."
        f"\n\n{long['steps']:,} steps ({long['kind']}) took {duration(long['seconds'])}: 20,000, the paper's, would"
        f" take {duration(long['paper_seconds'])}."
    )
