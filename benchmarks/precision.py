"""How an update survives in low precision: five ways to keep weights whose steps are smaller than their spacing.

A quadratic with weights like a language model's (s.d. 0.02) is trained for the same steps with the same z. What is left
of the progress a float32 run makes decides how `MeZO(exact=True)` keeps θ.
"""

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from mezo_lab.optim import MeZO
from mezo_lab.optim.diagnostics import spacing
from mezo_lab.optim.testing import theta_of

ROOT = Path(__file__).resolve().parents[1]

DIM, DEVIATION, EPSILON = 256, 0.02, 1e-3
STEPS, SEED = 20_000, 0
RATES = (1e-4, 1e-5)  # updates of a third of the spacing of the weights, and of a thirtieth


def start() -> tuple[Tensor, Tensor]:
    """Weights in bfloat16, and where they should go: as far again. (d,)"""
    generator = torch.Generator().manual_seed(SEED)
    theta, goal = DEVIATION * torch.randn(2, DIM, generator=generator)
    return theta.bfloat16(), theta + goal


def loss_at(weights: Tensor, goal: Tensor) -> float:
    return float((weights.detach().double() - goal.double()).square().sum() / 2)


def trained(dtype: torch.dtype, lr: float, steps: int, exact: bool) -> tuple[float, float]:
    """(loss at the end over the loss at the start, rms of one update over the spacing of the weights)."""
    theta, goal = start()
    theta = torch.nn.Parameter(theta.to(dtype))
    before = loss_at(theta, goal)
    opt = MeZO([theta], lr=lr, epsilon=EPSILON, law="rademacher", seed=SEED, exact=exact)
    for _ in range(steps):
        opt.step(lambda: loss_at(theta, goal))
    update = lr * opt.diagnostics.gradient_norm().mean
    (kept,) = theta_of(opt)
    return loss_at(kept, goal) / before, update / spacing(theta.bfloat16())


def copied(lr: float, steps: int, keep: Callable[[Tensor, Tensor, Tensor], None]) -> float:
    """A bfloat16 copy to come back to, so that probes leave no trace, and `keep` to make the update.

    keep: (weights, residual, change) writes the new weights, and the residual if it uses one.
    """
    weights, goal = start()
    residual, before = torch.zeros_like(weights), loss_at(weights, goal)
    z = torch.nn.Parameter(torch.zeros(DIM))
    for step in range(steps):
        z.data.zero_()
        field = MeZO([z], lr=1.0, law="rademacher", seed=SEED)  # a new one each step, which takes θ = 0 as it is
        field.steps = step
        seen: list[float] = []

        def loss(seen=seen, scale=EPSILON / field.epsilon) -> float:
            seen.append(loss_at((weights.float() + z.data * scale).bfloat16(), goal))
            return seen[-1]

        field.probe(loss)  # z is displaced by −ε·z now
        direction = -z.data / field.epsilon
        pg = (seen[0] - seen[1]) / (2 * EPSILON)
        keep(weights, residual, -lr * pg * direction)
    return loss_at(weights.float() + residual.float(), goal) / before


def nearest(weights: Tensor, residual: Tensor, change: Tensor) -> None:
    weights.copy_(weights.float() + change)


def stochastic(weights: Tensor, residual: Tensor, change: Tensor) -> None:
    """Round up or down at random, so that the mean is right: add random low bits, then cut them off."""
    noise = torch.randint(1 << 16, weights.shape, dtype=torch.int32)
    bits = (weights.float() + change).view(torch.int32) + noise
    weights.copy_((bits & ~0xFFFF).view(torch.float32))


def compensated(weights: Tensor, residual: Tensor, change: Tensor) -> None:
    """Kahan's summation: what bfloat16 loses goes into a second bfloat16."""
    total = weights.float() + (residual.float() + change)
    weights.copy_(total)
    residual.copy_((weights.float() - total).neg())


WAYS = {"to nearest": (2, nearest), "stochastic rounding": (2, stochastic), "bfloat16 residual": (4, compensated)}


def measured(steps: int) -> dict:
    """For each learning rate: the loss that is left, and the bytes per weight beside the weights themselves."""
    rows = []
    for lr in RATES:
        torch.manual_seed(SEED)
        reference, relative = trained(torch.float32, lr, steps, exact=False)
        row = {"lr": lr, "update_over_spacing": relative, "float32": {"bytes": 2, "left": reference}}
        row["plain bfloat16"] = {"bytes": 0, "left": trained(torch.bfloat16, lr, steps, exact=False)[0]}
        for name, (extra, keep) in WAYS.items():
            row[name] = {"bytes": extra, "left": copied(lr, steps, keep)}
        row["exact=True"] = {"bytes": 4, "left": trained(torch.bfloat16, lr, steps, exact=True)[0]}
        rows.append(row)
    return {
        "dim": DIM,
        "deviation": DEVIATION,
        "steps": steps,
        "epsilon": EPSILON,
        "torch": torch.__version__,
        "rows": rows,
    }


def table(record: dict) -> str:
    """The record as a table to read."""
    lines = [f"loss left after {record['steps']:,} steps, d = {record['dim']:,}; bytes per weight beside bfloat16"]
    for row in record["rows"]:
        lines.append(f"update = {row['update_over_spacing']:.2g} of the spacing of the weights")
        lines += [f"  {name:20} {v['left']:8.4f}  {v['bytes']} B" for name, v in row.items() if isinstance(v, dict)]
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--output", type=Path, default=ROOT / "results/precision.json")
    options = parser.parse_args(arguments)
    record = measured(options.steps)
    options.output.write_text(json.dumps(record, indent=1) + "\n")
    print(table(record))


if __name__ == "__main__":
    main(sys.argv[1:])
