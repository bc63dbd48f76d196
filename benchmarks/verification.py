"""How long `mezo-lab verify` takes, as a user waits for it: in one process and in several, start and imports included.

Two processes run several times, of which the medians are kept; one process runs once, as it takes so long. All must
give the same verdicts, bit for bit. The seconds of each claim, by which a run says beforehand how long it will take, go
to mezo_lab/claims/costs.json.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path

import quiet  # beside this file
import records

from mezo_lab.claims.costs import reference_seconds
from mezo_lab.environment.machine import machine

ROOT = Path(__file__).resolve().parents[1]
COMMAND = [sys.executable, "-m", "mezo_lab", "verify"]
MODES = {"fast": ["--fast"], "default": []}
TARGETS = {"fast": 15, "default": 90}  # seconds, on two cores
JOBS = (1, 2)
QUICK = ["tail", "norm-factor", "--law", "gaussian"]  # claims that take no time


def run(words: list[str], file: Path) -> dict:
    """One command: its seconds, those to its first line and to its first claim, and its verdicts."""
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    start = time.perf_counter()
    with subprocess.Popen(
        [*COMMAND, *words, "--json", file], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    ) as process:
        assert process.stdout is not None and process.stderr is not None
        process.stderr.readline()
        said = time.perf_counter() - start
        process.stdout.readline()
        shown = time.perf_counter() - start
        out, err = process.communicate()
    seconds = time.perf_counter() - start
    if process.returncode:
        raise SystemExit(f"`mezo-lab verify {' '.join(words)}` ended with {process.returncode}: {out}{err}")
    return {"seconds": seconds, "said": said, "shown": shown, "verdicts": json.loads(file.read_text())["verdicts"]}


def measured(rounds: dict[str, int], claims: list[str]) -> tuple[dict, dict]:
    """The record, and the seconds of each claim. Args: rounds: of each mode. claims: none for all."""
    runs: dict[tuple[str, int], list[dict]] = defaultdict(list)
    before = machine()
    with tempfile.TemporaryDirectory() as folder:
        for mode, words in MODES.items():
            for turn in range(rounds[mode]):
                for jobs in JOBS[turn > 0 :]:  # one process once: it sets the verdicts, and the seconds of each claim
                    print(f"{mode}, {jobs} at a time, {turn + 1} of {rounds[mode]}", file=sys.stderr)
                    found = run([*claims, *words, "--jobs", str(jobs)], Path(folder) / "verdicts.json")
                    runs[mode, jobs].append(found)
    rows = []
    for (mode, jobs), turns in runs.items():
        if any(without_seconds(turn) != without_seconds(runs[mode, 1][0]) for turn in turns):
            raise SystemExit(f"{mode}: {jobs} processes gave other verdicts than one, or one gave others than before.")
        times = [turn["seconds"] for turn in turns]
        rows.append(
            {
                "mode": mode,
                "jobs": jobs,
                "rounds": len(turns),
                "seconds": statistics.median(times),
                "least": min(times),
                "largest": max(times),
                "said": statistics.median(turn["said"] for turn in turns),
                "shown": statistics.median(turn["shown"] for turn in turns),
                "verdicts": len(turns[0]["verdicts"]),
                "draws": sum(verdict["count"] for verdict in turns[0]["verdicts"]),
            }
        )
    costs = {"reference_seconds": round(reference_seconds(), 5), "claims": costs_of(runs)}
    return {"machine": before, "targets": TARGETS, "rows": rows}, costs


def without_seconds(turn: dict) -> list[dict]:
    return [{name: value for name, value in verdict.items() if name != "seconds"} for verdict in turn["verdicts"]]


def costs_of(runs: dict[tuple[str, int], list[dict]]) -> dict[str, dict[str, float]]:
    """Claim → mode → seconds of one verdict in one process, the mean over its laws and parameters."""
    costs: dict[str, dict[str, float]] = defaultdict(dict)
    for mode in MODES:
        seconds: dict[str, list[float]] = defaultdict(list)
        for turn in runs[mode, 1]:
            for verdict in turn["verdicts"]:
                seconds[verdict["claim"]].append(verdict["seconds"])
        for claim, times in seconds.items():
            costs[claim][mode] = round(statistics.mean(times), 4)
    return dict(costs)


def table(record: dict) -> str:
    """The record as a table to read."""
    lines = [f"{'mode':8}  {'at a time':>9}  {'seconds':>8}  {'first line':>10}  {'first claim':>11}"]
    for row in record["rows"]:
        figures = f"{row['seconds']:>8.1f}  {row['said']:>10.1f}  {row['shown']:>11.1f}"
        lines.append(f"{row['mode']:8}  {row['jobs']:>9}  {figures}")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--costs", type=Path, metavar="FILE", help="default: the package's; none with --quick")
    parser.add_argument("--rounds", type=int, default=5, metavar="N", help="of each mode (default 5)")
    records.add_options(parser, quick="two claims, once")
    arguments = parser.parse_args()
    rounds = dict.fromkeys(MODES, 1 if arguments.quick else arguments.rounds)
    with quiet.quiet():
        record, costs = measured(rounds, QUICK if arguments.quick else [])
    records.write(record, arguments, "verification")
    file = arguments.costs
    if file is None and not arguments.quick:
        file = ROOT / "mezo_lab/claims/costs.json"
    if file is not None:
        file.write_text(json.dumps(costs, indent=1) + "\n")
    print(table(record))


if __name__ == "__main__":
    main()
