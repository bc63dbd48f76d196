"""What a process waits for at its first step."""

import json
from pathlib import Path
from typing import Any

from blocks.tables import outcome, table


def first_step(root: Path) -> str:
    """A row for each model and state of the cache, and whether the promise was kept."""
    file = root / "results/first_step.json"
    if not file.exists():
        return "Not measured yet: `python benchmarks/first_step.py` does it."
    return shown(json.loads(file.read_text()))


def shown(record: dict[str, Any]) -> str:
    """A record as Markdown."""
    heading = "| | | import and optimizer, s | first step, s | second step, s | first/second | added, s |"
    rows = []
    for row in record["rows"]:
        seconds = (f"{row[name]:.3f}" for name in ("made", "first", "second"))
        rows.append((row["model"], row["state"], *seconds, f"{row['ratio']:.2f}", f"{row['added']:.2f}"))
    machine = record["machine"]
    conditions = (
        f"Medians of {record['rounds']} rounds in turn, each reading from a process of its own ({machine['processor']},"
        f" {machine['threads']} threads, torch {machine['torch']}). Without the pass that"
        " `check_closure` adds to a first step."
    )
    return "\n\n".join([table(heading, "|---|---|--:|--:|--:|--:|--:|", rows), conditions, promise(record)])


def promise(record: dict[str, Any]) -> str:
    most = record["most"]
    added = max(row["added"] for row in record["rows"])
    kept = outcome(added / most - 1)
    return f"- seconds that import, optimizer and first step add to a later one ≤ {most:g}: {added:.2g}, {kept}"
