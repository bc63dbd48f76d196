"""What the optimizer promises of a step on two cores, and whether it was kept."""

from typing import Any

from step.methods import EAGER
from step.timing import ADD, FORWARDS

SIGNS, NORMALS, LOW_RANK = "MeZO rademacher", "MeZO gaussian", "MeZO low-rank"
PUBLISHED, SGD = "published sequence", "SGD, backpropagation"
MOST_MEMORY = 64  # MiB

Bed = dict[str, Any]  # the record of one


def targets(beds: dict[str, Bed]) -> list[dict[str, Any]]:
    """Each promise with its bound, what was measured, and by what share it was missed (0 where kept).

    Args: beds: the records, by their names in `step.beds`; a promise on one that was not measured is left out.
    """
    promises: list[dict[str, Any]] = []
    if "smollm2" in beds:
        promises += of_the_language_model(beds["smollm2"])
    if "mlp" in beds:
        promises += of_the_perceptron(beds["mlp"])
    for name in ("numbers", "tensors"):
        if name in beds:
            microseconds = 1e6 * by_method(beds[name])[f"{SIGNS}, 3 sweeps"]["seconds"]
            promises.append(at_most(f"µs of a rademacher step of {beds[name]['model']}", microseconds, 150))
    memory = [
        row["memory"]["over_forward"] for bed in beds.values() for row in bed["rows"] if row["law"] and row["memory"]
    ]
    if memory:
        promises.append(at_most("MiB of a step above its forward, on every model", max(memory), MOST_MEMORY))
    return promises


def of_the_language_model(bed: Bed) -> list[dict[str, Any]]:
    rows, sweeps = by_method(bed), bed["sweep_speed"]
    gaussian = rows[f"{NORMALS}, 3 sweeps"]["ratio"]
    low_rank = rows[f"{LOW_RANK}, 3 sweeps"]["ratio"] / rows[f"{SIGNS}, 3 sweeps"]["ratio"]
    return [
        at_most("rademacher step with 3 sweeps / its two forwards", rows[f"{SIGNS}, 3 sweeps"]["ratio"], 1.05),
        at_most("rademacher step with 2 sweeps / its two forwards", rows[f"{SIGNS}, 2 sweeps"]["ratio"], 1.05),
        at_most("gaussian step with 3 sweeps / its two forwards", gaussian, 1.2),
        at_least("published sequence / gaussian step with 3 sweeps", rows[PUBLISHED]["ratio"] / gaussian, 2.5),
        at_most("sweep of signs / add_ of a ready tensor", sweeps["rademacher, 1 z"]["ratio"], 1.0),
        at_most("ns a coordinate of a gaussian sweep", sweeps["gaussian, 1 z"]["ns_per_coordinate"], 1.05),
        at_most("sweep of low rank / add_ of a ready tensor", sweeps["low-rank, 1 z"]["ratio"], 1.5),
        at_most("low-rank step / rademacher step, 3 sweeps each", low_rank, 1.05),
    ]


def of_the_perceptron(bed: Bed) -> list[dict[str, Any]]:
    rows, run = by_method(bed), bed["run"]
    signs = rows[f"{SIGNS}, 3 sweeps"]
    return [
        at_most("MLP: rademacher step with 3 sweeps / its two forwards", signs["ratio"], 1.5),
        at_most(
            "MLP: rademacher step with 3 sweeps / SGD by backpropagation", signs["ratio"] / rows[SGD]["ratio"], 1.0
        ),
        at_most("MLP: the same without a compiler / its two forwards", rows[EAGER]["ratio"], 2.2),
        at_most(f"MLP: s of {run['steps']:,} rademacher steps", run["seconds"][f"{SIGNS}, 3 sweeps"], 4.0),
    ]


def by_method(bed: Bed) -> dict[str, dict[str, Any]]:
    return {row["method"]: row for row in bed["rows"]}


def at_most(promise: str, measured: float, bound: float) -> dict[str, Any]:
    return {"promise": promise, "at_most": bound, "measured": measured, "missed_by": max(0.0, measured / bound - 1)}


def at_least(promise: str, measured: float, bound: float) -> dict[str, Any]:
    return {"promise": promise, "at_least": bound, "measured": measured, "missed_by": max(0.0, 1 - measured / bound)}


def floor(row: dict[str, Any], bed: dict[str, Any]) -> float:
    """The ratio of a row if its sweeps moved their two tensors as fast as `add_` moves its three."""
    forwards = next(other for other in bed["rows"] if other["method"] == FORWARDS)["seconds"]
    return 1 + row["sweeps"] * bed["sweep_speed"][ADD]["seconds"] * 2 / 3 / forwards
