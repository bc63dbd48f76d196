"""What a student's kernel takes of a hub's memory."""

import json
from pathlib import Path

from blocks.tables import table

RECORD = "results/hub_memory.json"
CLASS = 30  # students


def memory(root: Path) -> str:
    """A row for each notebook, and what a class takes."""
    file = root / RECORD
    if not file.exists():
        return "Not measured yet: `python benchmarks/hub_memory.py` does it."
    record = json.loads(file.read_text())
    heading = f"| notebook | peak of a kernel, MiB | of its own at the end | shared by all | a class of {CLASS}, GiB |"
    rows = [
        (
            str(int(row["notebook"][:2])),
            f"{row['peak']:,.0f}",
            f"{row['own']:,.0f}",
            f"{row['shared']:,.0f}",
            f"{(row['shared'] + CLASS * (row['peak'] - row['shared'])) / 1024:.1f}",
        )
        for row in record["rows"]
    ]
    machine = record["machine"]
    return table(heading, "|--:|--:|--:|--:|--:|", rows) + (
        f"\n\nThe second of two kernels that have run the same notebook whole ({machine['processor']},"
        f" {machine['threads']} threads, torch {machine['torch']}). The last column has all {CLASS} at their peak at"
        " once, and so is an upper bound."
    )
