"""The largest stable learning rate, as predicted from measured curvature, and where runs of `MeZO` really diverge.

Quadratics of four spectra, from 100 to a million dimensions, and a few that show where the prediction fails: where less
than ten directions matter, a single run outlives the mean loss, which rare long steps carry. A power law stays small:
every decade of its eigenvalues holds the same share of the trace, and the last takes d/η steps to answer.
"""

import argparse
from dataclasses import dataclass

import records  # beside this file

from mezo_lab.curvature import bowl, divergence, predict_stable_lr, spectrum, steps_for
from mezo_lab.environment.machine import machine
from mezo_lab.theory import Moments, largest_stable_step, stability_limit

GAUSSIAN = Moments(1, 0)
DIMS = (100, 1_000, 10_000, 100_000, 1_000_000)
DRAWS = 400
PRECISION = 0.015  # relative standard error at which a divergence is looked for


@dataclass(frozen=True)
class Case:
    """A quadratic and a number of probes; `least` steps, as slow directions take more than `steps_for` reckons."""

    spectrum: str
    rank: int | None
    dim: int
    probes: int = 1
    least: int = 0


CASES = [
    *(Case("isotropic", None, dim) for dim in DIMS),
    *(Case("flat", 50, dim) for dim in DIMS),
    *(Case("exponential", 20, dim, least=2_000) for dim in DIMS),
    *(Case("power", None, dim, least=10_000) for dim in DIMS[:2]),
    *(Case("flat", rank, 100) for rank in (20, 10, 5, 2, 1)),
    *(Case("flat", 50, 1_000, probes) for probes in (4, 16)),
]
QUICK = [Case("isotropic", None, 100), Case("flat", 2, 10)]


def row(case: Case, precision: float) -> dict:
    """One line of the table: what is known, what is predicted from measurements alone, what is prediction."""
    eigenvalues = spectrum(case.spectrum, case.dim, case.rank)
    theta, loss = bowl(eigenvalues)
    prediction = predict_stable_lr([theta], loss, probes=case.probes, draws=DRAWS)
    trace, norm = float(eigenvalues.sum()), float(eigenvalues.max())
    steps = max(case.least, steps_for(precision, trace, float(eigenvalues.square().sum())))
    edge = divergence(eigenvalues, prediction.lr, probes=case.probes, steps=steps)
    return {
        "spectrum": case.spectrum,
        "rank": case.rank,
        "dim": case.dim,
        "probes": case.probes,
        "effective_rank": trace / norm,
        "flat_formula": float(largest_stable_step(trace, norm, case.probes, GAUSSIAN)),  # from the true tr H and λ_max
        "limit": stability_limit(eigenvalues, case.probes, GAUSSIAN),  # of the mean loss, from all eigenvalues
        "predicted": prediction.lr,
        "predicted_error": prediction.error,
        "found": edge.lr,
        "found_error": edge.error,
        "ratio": prediction.lr / edge.lr,
        "steps": steps,
        "runs": len(edge.trials),
    }


def table_line(row: dict) -> str:
    """One row to read."""
    name = row["spectrum"] + (f" {row['rank']}" if row["rank"] else "")
    numbers = (
        f"{row['flat_formula']:>10.3g}{row['limit']:>10.3g}"
        f"{row['predicted']:>10.3g} ± {row['predicted_error']:<7.1g}{row['found']:>10.3g} ± {row['found_error']:<7.1g}"
    )
    return f"{name:15}{row['dim']:>10,}{row['probes']:>4}{row['effective_rank']:>13,.1f}{numbers}{row['ratio']:>7.3f}"


HEAD = f"{'spectrum':15}{'d':>10}{'n':>4}{'r':>13}{'flat':>10}{'mean':>10}{'predicted':>15}{'found':>20}{'ratio':>12}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    records.add_options(parser, quick="two small quadratics and few steps")
    arguments = parser.parse_args()
    record = {"machine": machine(), "draws": DRAWS, "rows": []}
    print(HEAD)
    for case in QUICK if arguments.quick else CASES:
        record["rows"].append(row(case, 0.1 if arguments.quick else PRECISION))
        print(table_line(record["rows"][-1]), flush=True)
    records.write(record, arguments, "stability")


if __name__ == "__main__":
    main()
