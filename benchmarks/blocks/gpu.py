"""What was measured on a GPU, where one was at hand: nothing else is shown, and nothing is claimed."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from mezo_lab.report.figures.cost import mebibytes

FILE = "results/gpu.json"
NOTHING = "No GPU was at hand: `python benchmarks/gpu.py` measures one in eight minutes, and nothing is claimed."

Parts = dict[str, dict[str, Any]]


def gpu(root: Path) -> str:
    """The whole record; a toy's, or a processor's, is none."""
    file = root / FILE
    if not file.exists():
        return NOTHING
    record = json.loads(file.read_text())
    if record["toy"] or record["machine"]["device"] == "cpu":
        return NOTHING
    parts = record["parts"]
    blocks = [conditions(record), bullets(checks(parts)), sweep_table(done(parts, "sweeps"))]
    blocks += [step_table(part) for part in done(parts, "steps").values()]
    blocks += [first_step_table(done(parts, "first step")), bullets(missing(parts))]
    return "\n\n".join(filter(None, blocks))


def done(parts: Parts, kind: str) -> Parts:
    return {name: part for name, part in parts.items() if part["kind"] == kind and part["status"] == "done"}


def bullets(lines: Iterable[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)


def conditions(record: dict[str, Any]) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in record["packages"].items())
    machine = record["machine"]
    return (
        f"{machine['device']}, torch {machine['torch']}, {versions}; {record['seconds']:.0f} s in all. Times by the"
        f" GPU's own clock, medians of {record['rounds']} rounds in turn, ratios round by round. Memory: the peak of"
        " what torch allocates, with what a method keeps, above that of the forward passes. Weights are random, which"
        " costs the same."
    )


def checks(parts: Parts) -> list[str]:
    """What has to be true on a GPU, in sentences."""
    lines = []
    for name, part in done(parts, "tests").items():
        ran = "" if part["all_ran"] else ", **and the time was too short for the others**"
        failed = f"**{part['failed']} failed**" if part["failed"] else "none failed"
        lines.append(f"{name}: {part['passed']} passed, {failed}, {part['skipped']} skipped{ran}")
    for part in done(parts, "indices").values():
        lines.append(
            f"z of one tensor of {part['coordinates']:,} coordinates ({part['law']}, {part['dtype']}), looked up at"
            f" {part['checked']:,} of them: {equality(part)}"
        )
    for part in done(parts, "replay").values():
        kind = f"{part['law']}, {part['dtype']}" + (", exact" if part["exact"] else "")
        decay = f", weight decay {part['weight_decay']:g}" if part["weight_decay"] else ""
        lines.append(
            f"a log of {part['steps']} steps on the CPU ({kind}{decay}), replayed on the GPU: {equality(part)}"
        )
    return lines


def equality(part: dict[str, Any]) -> str:
    if part["bitwise"]:
        return "bit for bit the same"
    moved = f", where weights moved by up to {part['largest_move']:.2g}" if "largest_move" in part else ""
    return f"the largest difference is {part['largest_difference']:.2g}{moved}"


def sweep_table(parts: Parts) -> str:
    rows = ["| | ns per coordinate | × `add_` | GB/s | of `copy_` |", "|---|--:|--:|--:|--:|"]
    for name, part in parts.items():
        title = f"{name.removeprefix('sweeps, ')}, {part['parameters']:,} coordinates"
        rows.append(f"| **{title}** {without_compiler(part)}| | | | |")
        for sweep, row in part["rows"].items():
            speed = f"{row['ns_per_coordinate']:.3g} | {row['ratio']:.2f} | {row['gigabytes_per_second']:,.0f}"
            share = "–" if row["of_copy"] is None else f"{100 * row['of_copy']:.0f} %"
            rows.append(f"| {sweep} | {speed} | {share} |")
    return "\n".join(rows) if parts else ""


def without_compiler(part: dict[str, Any]) -> str:
    return "" if part["compiled_sweeps"] else "(not compiled) "


def step_table(part: dict[str, Any]) -> str:
    about = (
        f"{part['model']}, all {part['parameters']:,} parameters, {part['dtype']}, batch {part['batch']}"
        f" = {part['tokens_per_step']:,} tokens per step {without_compiler(part)}"
    )
    rows = [
        f"| {about.strip()} | ms | × two forwards | least–largest | + MiB | first step, s |",
        "|---|--:|--:|--:|--:|--:|",
    ]
    for name, row in part["rows"].items():
        memory = "–" if row["over"] is None else mebibytes(row["over"])
        ratio = f"{row['ratio']:.2f} | {row['least']:.2f}–{row['largest']:.2f}"
        rows.append(f"| {name} | {row['seconds'] * 1e3:,.4g} | {ratio} | {memory} | {row['first']:.2g} |")
    return "\n".join(rows)


def first_step_table(parts: Parts) -> str:
    """The first step of a process, beside the second; with nothing cached, and with what another process compiled."""
    if not parts:
        return ""
    heads = [f"{name.removeprefix('first step, ')}, s" for name in parts]
    variants = dict.fromkeys(variant for part in parts.values() for variant in part["rows"])
    rows = ["| | " + " | ".join(heads) + " | second step, ms |", "|---|" + "--:|" * (len(heads) + 1)]
    for variant in variants:
        found = [part["rows"].get(variant, {}) for part in parts.values()]
        cells = [f"{row['first']:.2f}" if row else "–" for row in found]
        second = [f"{row['second'] * 1e3:.3g}" for row in found if "second" in row]
        rows.append(f"| {variant} | " + " | ".join([*cells, second[-1] if second else "–"]) + " |")
    return "\n".join(rows)


def missing(parts: Parts) -> list[str]:
    """What was not measured, with its reason."""
    lines = [
        f"{name}: **{part['status']}**, {part.get('reason', 'the script was cut')}"
        for name, part in parts.items()
        if part["status"] != "done"
    ]
    for name, part in parts.items():
        lines += [f"{name}, {row}: left out, {why['reason']}" for row, why in part.get("left_out", {}).items()]
        lines += [f"{test}: **failed**, {why}" for test, why in part.get("failures", {}).items()]
    return lines
