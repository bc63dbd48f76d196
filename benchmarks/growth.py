"""How cost grows: the time of a step by parameters, by probes and by ranks, and the draws of a verdict by resolution.

Ranks are two things: the processes that share a step, and the rank of the low-rank law. The loss of a step costs
nothing, so that what grows is the optimizer's own cost; where processes share a step, one of two losses costs
something. Whatever stands in one figure is measured in turn; the median, the least and the largest of the rounds are
kept.
"""

import argparse
from typing import Any

import quiet  # beside this file, as the next
import records
from growing import draws, processes, steps

from mezo_lab.environment.machine import machine

PARAMETERS = [10**power for power in range(3, 9)]
PROBES = [2**power for power in range(10)]
OF_PROBES = (3, 100_000)  # parameters
WORLDS = (1, 2, 4)
RANKS = [2**power for power in range(7)]
READING = 0.02  # seconds that one reading of the clock lasts at least


def measured(rounds: int) -> dict[str, Any]:
    return {
        "machine": machine(),
        "rounds": rounds,
        "parameters": steps.by_parameters(PARAMETERS, rounds, READING),
        "probes": steps.by_probes(OF_PROBES, PROBES, rounds, READING),
        "processes": processes.by_processes(WORLDS, rounds, steps=10),
        "ranks": steps.by_rank(RANKS, rounds, READING),
        "draws": draws.by_resolution(draws.SETTINGS, rounds),
    }


def tried() -> dict[str, Any]:
    """The same at sizes that take seconds."""
    return {
        "machine": machine(),
        "rounds": 1,
        "parameters": steps.by_parameters([1_000, 10_000], 1, 0),
        "probes": steps.by_probes([3], [1, 4], 1, 0),
        "processes": processes.by_processes((1, 2), 1, steps=1),
        "ranks": steps.by_rank([1, 4], 1, 0),
        "draws": draws.by_resolution(draws.QUICK, 1),
    }


def table(record: dict[str, Any]) -> str:
    """The record as a table to read."""
    lines = []
    for kind in ("parameters", "probes", "processes", "ranks", "draws"):
        lines.append(f"by {kind}")
        for row in record[kind]:
            size = ", ".join(f"{name} {value:,}" for name, value in row.items() if isinstance(value, int))
            spread = f"{row['seconds']:.3g} s ({row['least']:.3g} to {row['largest']:.3g})"
            lines.append(f"  {row.get('name', row.get('resolution')):<38} {size:<36} {spread}")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    records.add_options(parser, quick="one round at toy sizes")
    arguments = parser.parse_args()
    with quiet.quiet():
        record = tried() if arguments.quick else measured(arguments.rounds)
    records.write(record, arguments, "growth")
    print(table(record))


if __name__ == "__main__":
    main()
