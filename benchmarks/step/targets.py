"""What the optimizer promises of SmolLM2-135M on two cores, and whether it was kept."""

from typing import Any

from step.timing import ADD, FORWARDS

SIGNS, NORMALS, PUBLISHED = "MeZO rademacher", "MeZO gaussian", "published sequence"
MOST_MEMORY = 64  # MiB


def targets(record: dict[str, Any]) -> list[dict[str, Any]]:
    """Each promise with its bound, what was measured, and by what share it was missed (0 where kept)."""
    model, rows = record["beds"][0], {row["method"]: row for row in record["beds"][0]["rows"]}
    own = [row for bed in record["beds"] for row in bed["rows"] if row["law"]]
    memory = [row["memory"]["over_forward"] for row in own if row["memory"]]
    promises = [
        at_most("rademacher step with 3 sweeps / its two forwards", rows[f"{SIGNS}, 3 sweeps"]["ratio"], 1.12),
        at_most("rademacher step with 2 sweeps / its two forwards", rows[f"{SIGNS}, 2 sweeps"]["ratio"], 1.08),
        at_most("gaussian step with 3 sweeps / its two forwards", rows[f"{NORMALS}, 3 sweeps"]["ratio"], 1.5),
        at_least(
            "published sequence / gaussian step with 3 sweeps",
            rows[PUBLISHED]["ratio"] / rows[f"{NORMALS}, 3 sweeps"]["ratio"],
            3.2,
        ),
        at_most(
            "sweep of packed signs / add_ of a ready tensor", model["sweep_speed"]["rademacher, 1 z"]["ratio"], 1.5
        ),
    ]
    if memory:
        promises.append(at_most("MiB of a step above its forward, on every model", max(memory), MOST_MEMORY))
    return promises


def at_most(promise: str, measured: float, bound: float) -> dict[str, Any]:
    return {"promise": promise, "at_most": bound, "measured": measured, "missed_by": max(0.0, measured / bound - 1)}


def at_least(promise: str, measured: float, bound: float) -> dict[str, Any]:
    return {"promise": promise, "at_least": bound, "measured": measured, "missed_by": max(0.0, 1 - measured / bound)}


def floor(row: dict[str, Any], bed: dict[str, Any]) -> float:
    """The ratio of a row if its sweeps moved their two tensors as fast as `add_` moves its three."""
    forwards = next(other for other in bed["rows"] if other["method"] == FORWARDS)["seconds"]
    return 1 + row["sweeps"] * bed["sweep_speed"][ADD]["seconds"] * 2 / 3 / forwards
