"""The cases of one linear layer: which inputs, which directions, and how far the loss is to fall."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from aligning.layer import (
    Layer,
    OneStep,
    Step,
    best_rate,
    first_passages,
    full_batch,
    mean_loss_steps,
    minibatches,
    seen_by,
    seen_in_minibatches,
)
from mezo_lab.sampling import Estimate
from mezo_lab.theory import subspace_cosine, subspace_gain

FACTORS = [2 ** (j / 4) for j in range(-5, 4)]  # of the best rate of one step, among which each method finds its own
FINE = [2 ** (j / 16) for j in range(-24, 17)]  # for the theory, which costs little
SEARCH, MEASURE = 1, 2  # seeds; those of the measurement did not choose the rate
BATCHES = 4_000  # of which the means over minibatches are taken


@dataclass(frozen=True)
class Case:
    """Directions on a layer, and the share of its loss at which a run has arrived.

    inputs: "span", of k0 directions out of n; "decay", λ_i = 1/i; "batch", fresh tokens at each step, λ flat;
    "batch, decay", fresh tokens at each step, λ_i = 1/i.
    directions: "all", "top" k of the inputs, "random" k, or "span" of each batch.
    """

    inputs: str
    directions: str
    k: int
    goal: float
    rows: int = 16
    columns: int = 64
    tokens: int = 0
    """Of a fresh batch, 0 for one batch throughout."""

    @property
    def name(self) -> dict[str, Any]:
        return {"inputs": self.inputs, "directions": self.directions, "k": self.k, "goal": self.goal}

    def layer(self) -> Layer:
        moments = torch.ones(self.columns, dtype=torch.float64)
        if self.inputs == "span":
            moments[SPAN:] = 0
        if "decay" in self.inputs:
            moments /= torch.arange(1, self.columns + 1)
        return Layer(moments, _gaussian(self.rows, self.columns, seed=0))

    def basis(self) -> Tensor | None:
        """V; None for all directions, and for those of each batch."""
        if self.directions == "random":
            return torch.linalg.qr(_gaussian(self.columns, self.k, seed=3)).Q
        if self.directions == "top":
            return torch.eye(self.columns, dtype=torch.float64)[:, : self.k]
        return None

    def step(self, layer: Layer) -> Step:
        if self.tokens:
            return minibatches(layer, self.tokens, self.directions == "span")
        return full_batch(layer, self.basis())

    def seen(self, layer: Layer) -> OneStep:
        if self.tokens:
            return seen_in_minibatches(layer, self.tokens, self.directions == "span", count=BATCHES, seed=0)
        return seen_by(layer, _whole(self.basis(), layer))


SPAN = 8  # k0
CASES = [
    *(Case("span", *kind, goal=0.01) for kind in (("all", 64), ("top", SPAN))),
    *(Case("decay", *kind, goal=0.9) for kind in (("all", 64), ("top", 1), ("top", 4), ("top", 16), ("random", 16))),
    *(Case("decay", *kind, goal=0.5) for kind in (("all", 64), ("top", 4), ("top", 16))),
    *(Case("batch", *kind, goal=0.3, rows=4, columns=32, tokens=4) for kind in (("all", 32), ("span", 4))),
    *(Case("batch, decay", *kind, goal=0.9, columns=32, tokens=4) for kind in (("all", 32), ("span", 4))),
    *(Case("batch, decay", *kind, goal=0.5, columns=32, tokens=4) for kind in (("all", 32), ("span", 4))),
]
QUICK = [replace(case, rows=2, columns=12, k=min(case.k, 12), goal=max(case.goal, 0.5)) for case in CASES]


def measured(case: Case, *, searching: int, runs: int, most: int = 20_000) -> dict[str, Any]:
    """A row: what is known of the directions at the start, and the steps at their best rate.

    Args: searching, runs: how many runs choose the rate, and how many are measured at it. most: steps of a run.
    """
    layer = case.layer()
    seen = case.seen(layer)
    step = case.step(layer)

    def passages(lr: float, count: int, seed: int) -> Tensor:
        return first_passages(layer, step, lr, case.goal, runs=count, most=limit, seed=seed)

    row: dict[str, Any] = {**case.name, "rows": case.rows, "columns": case.columns, "tokens": case.tokens}
    row |= {"captured": seen.captured, "trace": seen.trace, "rayleigh": seen.rayleigh}
    row["numbers_kept"] = 0 if case.directions == "all" else case.columns * case.k  # V
    limit = most
    if not case.tokens:
        basis = _whole(case.basis(), layer)
        _, row["theory_steps"] = best_rate(lambda lr: mean_loss_steps(layer, basis, lr, case.goal, most), seen.lr, FINE)
        if math.isinf(row["theory_steps"]):
            return row | {"theory_steps": None, "steps": None}  # part of the loss lies out of reach
        limit = math.ceil(10 * row["theory_steps"])
    lr, found = best_rate(lambda lr: float(passages(lr, searching, SEARCH).mean()), seen.lr, FACTORS)
    if math.isinf(found):
        return row | {"steps": None}
    steps = passages(lr, runs, MEASURE + case.k)
    return row | {"lr": lr, "steps": [float(steps.mean()), float(steps.std()) / runs**0.5], "runs": runs}


def gains(rows: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Each row but those of all directions, with its gains over these.

    by_cosine: of E cos². by_curvature: of the best decrease of one step. by_theory: of the steps of the mean loss.
    measured: of the steps, with its standard error; None where no run arrives.
    """
    for row in rows:
        if row["directions"] == "all":
            continue
        whole = next(each for each in rows if each["directions"] == "all" and _same(each, row))
        share = row["captured"] / whole["captured"]
        cosine = subspace_cosine(share, row["rows"], row["k"])
        gain: dict[str, Any] = {"share": share, "by_cosine": cosine / subspace_cosine(1, row["rows"], row["columns"])}
        gain["by_curvature"] = subspace_gain(share, _bent(whole), share * _bent(row))
        gain["by_theory"] = _ratio(whole.get("theory_steps"), row.get("theory_steps"))
        gain["measured"] = None
        if row["steps"] is not None:
            ratio = quotient(Estimate(*whole["steps"], whole["runs"]), Estimate(*row["steps"], row["runs"]))
            gain["measured"] = [ratio.mean, ratio.standard_error]
        yield row | gain


def quotient(above: Estimate, below: Estimate) -> Estimate:
    """The ratio of two independent means, with its standard error to first order."""
    ratio = above.mean / below.mean
    error = ratio * math.hypot(above.standard_error / above.mean, below.standard_error / below.mean)
    return Estimate(ratio, error, min(above.count, below.count))


def _bent(row: dict[str, Any]) -> float:
    """E[ĝᵀHĝ]/‖Pg‖²."""
    return row["trace"] + 2 * row["rayleigh"]


def _same(row: dict[str, Any], other: dict[str, Any]) -> bool:
    return all(row[name] == other[name] for name in ("inputs", "goal"))


def _ratio(above: float | None, below: float | None) -> float | None:
    return above / below if above and below else None


def _whole(basis: Tensor | None, layer: Layer) -> Tensor:
    return torch.eye(len(layer.moments), dtype=torch.float64) if basis is None else basis


def _gaussian(rows: int, columns: int, seed: int) -> Tensor:
    return torch.randn(rows, columns, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
