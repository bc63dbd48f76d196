"""What a step of MeZO costs: time, memory, traffic, beside its two forward passes and beside other optimizers.

All methods step on one model in one run, in turn, so that a busy moment of the machine hits each of them; medians of
the rounds are kept. Peak memory is taken afterwards, each method in a process of its own, when the kernels lie compiled
in the cache on disk. The packages `mezo` and `torchzero` take part where they are installed.
"""

import argparse
import json
import subprocess
import sys
from dataclasses import asdict, replace
from typing import Any

import quiet  # beside this file, as the next
import records
from step import timing
from step.beds import BEDS
from step.memory import memory
from step.methods import EAGER, EPSILON, LR, METHODS, WARM_UP, Ours, started
from step.targets import floor, targets
from step.traffic import traffic

from mezo_lab.environment.machine import machine
from mezo_lab.report.figures.cost import mebibytes

ALL = ["smollm2", "mlp", "numbers", "tensors"]
DEVICE = "cpu"  # benchmarks/gpu.py takes the same measurements on a GPU


def measured(names: list[str], rounds: int, weighed: list[str], most: int) -> dict[str, Any]:
    """Everything. Args: weighed: the methods whose memory is taken. most: steps of a reading and of a run."""
    record: dict[str, Any] = {
        "machine": machine() | {"device": DEVICE},
        "rounds": rounds,
        "warm_up": WARM_UP,
        "epsilon": EPSILON,
        "lr": LR,
        "beds": [],
    }
    for name in names:
        bed, record["packages"] = measured_bed(name, rounds, weighed, most)
        record["beds"].append(bed)
    record["targets"] = targets(dict(zip(names, record["beds"], strict=True)))
    return record


def measured_bed(name: str, rounds: int, weighed: list[str], most: int) -> tuple[dict[str, Any], dict[str, str]]:
    """One model, and the versions of the packages that took part. Args: most: steps of a reading and of a run."""
    bed = BEDS[name](DEVICE)
    bed = replace(bed, steps=min(bed.steps, most), run=min(bed.run, most))
    methods, packages = started(bed)
    times = timing.of_methods(bed, methods, rounds, DEVICE)
    sweeps = {"compiled_sweeps": timing.compiles(bed), "sweep_speed": timing.of_sweeps(bed, rounds, DEVICE)}
    record = bed.facts | sweeps | {"rows": []}
    if bed.run:
        record["run"] = {"steps": bed.run, "seconds": timing.of_runs(bed, rounds, DEVICE)}
    for method, run in methods.items():
        row = {"method": method, "law": run.law if isinstance(run, Ours) else "", "sweeps": run.sweeps}
        row |= asdict(traffic(method, bed)) | times[method]
        row["memory"] = in_a_process_of_its_own(name, method) if bed.weighed and method in weighed else None
        record["rows"].append(row)
    for row in record["rows"]:
        row["floor"] = floor(row, record) if row["law"] else None
    return record, packages


def in_a_process_of_its_own(bed: str, method: str) -> dict[str, float] | None:
    command = [sys.executable, __file__, "--memory-of", method, "--beds", bed]
    ran = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(ran.stdout.splitlines()[-1])


def table(record: dict[str, Any]) -> str:
    """The record as a table to read."""
    lines = []
    for bed in record["beds"]:
        tokens = f" ({bed['tokens_per_step']} tokens)" if "tokens_per_step" in bed else ""
        lines.append(f"{bed['model']}: {bed['parameters']:,} parameters, batch {bed['batch']}{tokens}, {bed['data']}")
        heading = ("ms", "× two forwards", "(least to largest)", "+ MiB", "sweeps", "words", "GB moved")
        lines.append(f"{'':26}" + "".join(f"{word:>19}" for word in heading))
        for row in bed["rows"]:
            own = row["memory"]
            cells = (
                f"{row['seconds'] * 1e3:,.4g}",
                f"{row['ratio']:.3f}",
                f"({row['least']:.3f} to {row['largest']:.3f})",
                mebibytes(own["over_forward"]) if own else "unknown",
                f"{row['sweeps']}",
                f"{row['words']:,.0f}",
                f"{row['bytes'] / 1e9:.2f}",
            )
            lines.append(f"{row['method']:26}" + "".join(f"{cell:>19}" for cell in cells))
        for method, seconds in bed.get("run", {}).get("seconds", {}).items():
            lines.append(f"{bed['run']['steps']:,} steps of {method}: {seconds:.2f} s")
        for sweep, row in bed["sweep_speed"].items():
            lines.append(f"sweep {sweep:20} {row['ns_per_coordinate']:8.3f} ns/coordinate {row['ratio']:8.2f} × add_")
    lines += [f"{package}: {said}" for package, said in record["packages"].items()]
    for target in record["targets"]:
        bound = f"≤ {target['at_most']}" if "at_most" in target else f"≥ {target['at_least']}"
        kept = f"missed by {target['missed_by']:.0%}" if target["missed_by"] else "kept"
        lines.append(f"{target['promise']}: {target['measured']:.3g} ({bound}, {kept})")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--beds", nargs="+", default=ALL, choices=BEDS)
    records.add_options(parser, quick="one round of five steps, on a tiny language model")
    parser.add_argument("--memory-of", metavar="METHOD", help="peak memory of one method, and no more")
    arguments = parser.parse_args()
    beds, rounds, weighed, most = arguments.beds, arguments.rounds, [*METHODS, EAGER], 1000
    if arguments.memory_of:
        print(json.dumps(memory(beds[0], arguments.memory_of, DEVICE)))
        return
    if arguments.quick:
        beds, rounds, weighed, most = ["tiny", "mlp", "numbers", "tensors"], 1, ["MeZO rademacher, 2 sweeps"], 5
    with quiet.quiet():
        record = measured(beds, rounds, weighed, most)
    records.write(record, arguments, "step_cost")
    print(table(record))


if __name__ == "__main__":
    main()
