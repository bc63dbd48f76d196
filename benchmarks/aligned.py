"""Directions in the span of a layer's inputs: does the captured share of the gradient predict the gain in steps?

The gradient of a linear layer lies in the span of its inputs, so z = UVᵀ with V in that span has the larger cosine with
it, by n/k. Whether fewer steps follow is measured on one linear layer, where theory has the answer, and on the real
model. Source: AGZO (Lin et al. 2026, arXiv 2601.17261), whose abstract was read. Rows that are there are not made
again.
"""

import argparse
import json
from typing import Any

import records  # beside this file, as the next
from aligning import cases, model

from mezo_lab.environment.machine import machine

RUNS = (32, 400)  # of a search for the rate, and of a measurement
STEPS, SEEDS = 20, 4  # of the trainings of the real model


def layer_rows(record: dict[str, Any], save, quick: bool) -> None:
    """Measure each case of one layer that the record lacks."""
    rows = record.setdefault("layer", [])
    searching, runs = (4, 8) if quick else RUNS
    for case in cases.QUICK if quick else cases.CASES:
        if any(case.name.items() <= row.items() for row in rows):
            continue
        rows.append(cases.measured(case, searching=searching, runs=runs))
        save(record)
        print(f"{case.inputs:<14}{case.directions:<8}{case.k:>4}  to {case.goal:g}: {rows[-1]['steps']}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    records.add_options(parser, quick="toy sizes")
    arguments = parser.parse_args()
    file = arguments.json or records.RESULTS / "aligned.json"
    kept = not arguments.quick or arguments.json
    record = json.loads(file.read_text()) if kept and file.exists() else {"machine": machine()}

    def save(record: dict[str, Any]) -> None:
        records.write(record, arguments, "aligned")

    layer_rows(record, save, arguments.quick)
    beds, steps, seeds = (model.toy(), 3, 2) if arguments.quick else (model.language_model(), STEPS, SEEDS)
    model.measure(record.setdefault("model", {}), lambda: save(record), beds, steps, seeds)
    for row in cases.gains(record["layer"]):
        print(
            {name: row[name] for name in ("inputs", "directions", "k", "goal", "by_cosine", "by_curvature", "measured")}
        )


if __name__ == "__main__":
    main()
