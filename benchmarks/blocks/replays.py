"""What a replay costs beside the sweeps of its run."""

import json
from pathlib import Path

from blocks.tables import outcome, table
from mezo_lab.report.labels import duration

RECORD = "results/replay.json"


def replay(root: Path) -> str:
    """The table of the kinds of a run, and what the paper's length takes."""
    file = root / RECORD
    if not file.exists():
        return "Not measured yet: `python benchmarks/replay.py` does it."
    record = json.loads(file.read_text())
    heading = (
        "| run | steps | its sweeps, ms a step | replay, ms a step | replay, × sweeps | least–largest | tolerance |"
    )
    rows = [
        (
            row["kind"],
            f"{row['logged']:,}",
            f"{row['run_seconds'] * 1e3:.3g}",
            f"{row['replay_seconds'] * 1e3:.3g}",
            f"{row['ratio']:.2f}",
            f"{row['least']:.2f}–{row['largest']:.2f}",
            f"{row['tolerance_ratio']:.2f}",
        )
        for row in record["rows"]
    ]
    worst = max(row["ratio"] for row in record["rows"])
    long = record["long"]
    machine = record["machine"]
    return table(heading, "|---|--:|--:|--:|--:|--:|--:|", rows) + (
        f"\n\nSmolLM2-135M, {record['parameters']:,} weights in float32; medians of {record['rounds']} rounds"
        f" ({machine['processor']}, {machine['threads']} threads). The hashes of the"
        " weights at the start and at the end are part of a replay. Promise: at most"
        f" {record['at_most']} of the run's own sweeps, {outcome(worst / record['at_most'] - 1)}."
        f"\n\n{long['steps']:,} steps ({long['kind']}) took {duration(long['seconds'])}: 20,000, the paper's, would"
        f" take {duration(long['paper_seconds'])}."
    )
