"""Where a benchmark writes what it measured: its file under results/; a quick run measures nothing, and writes none."""

import argparse
import json
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).resolve().parents[1] / "results"


def add_options(parser: argparse.ArgumentParser, quick: str) -> None:
    """--json and --quick. Args: quick: what a quick run does."""
    parser.add_argument("--json", type=Path, metavar="FILE", help="default: its file under results/; none with --quick")
    parser.add_argument("--quick", action="store_true", help=f"{quick}: figures of no use")


def write(record: dict[str, Any], arguments: argparse.Namespace, name: str) -> None:
    """Write a record as JSON. Args: name: of its file under results/."""
    file = arguments.json
    if file is None:
        if arguments.quick:
            return
        file = RESULTS / f"{name}.json"
    file.write_text(json.dumps(record, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
