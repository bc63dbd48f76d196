"""Curvature of a real fine-tuning loss, the learning rate predicted from it, and where training diverges.

One batch of real reviews, so that the loss is one function of θ. From the pretrained weights MeZO steps at multiples of
the predicted rate, each run with the same z; a run has diverged when its loss has grown tenfold or is no number.
Results are written as they come, and runs that are there are not made again.
"""

import argparse
import json
import math
from pathlib import Path
from typing import Any

import torch

from mezo_lab.curvature import predict_stable_lr
from mezo_lab.environment.machine import machine
from mezo_lab.finetune import reviews, smollm2, task_loss
from mezo_lab.optim import MeZO
from mezo_lab.sampling import law_named
from mezo_lab.theory import rotation_average

ROOT = Path(__file__).resolve().parents[1]

TASK = "rotten-tomatoes/sentiment"
BATCH, DRAWS, PRODUCTS, TOLERANCE = 16, 100, 30, 0.02
MULTIPLES = (0.03, 0.1, 0.3, 0.6, 1.0, 3.0, 10.0)  # of the predicted rate
STEPS, BLOWN_UP = 100, 10.0
LAW = "rademacher"


def bed():
    """The pretrained model and its loss on the batch."""
    model, tokenizer = smollm2()
    return model, task_loss(model, tokenizer, reviews(seed=0)[:BATCH], TASK)


def curvature(parameters: list[torch.Tensor], loss) -> dict[str, Any]:
    """tr H, tr H², λ_max, r and the rate predicted from them, with their errors."""
    dim = sum(parameter.numel() for parameter in parameters)
    moments = rotation_average(dim, law_named(LAW).moments(dim))
    prediction = predict_stable_lr(
        parameters, loss, moments=moments, draws=DRAWS, products=PRODUCTS, tolerance=TOLERANCE
    )
    rank = prediction.effective_rank
    return {
        "trace": [prediction.trace.mean, prediction.trace.standard_error],
        "trace_sq": [prediction.trace_sq.mean, prediction.trace_sq.standard_error],
        "norm": [prediction.norm.value, prediction.norm.residual],
        "effective_rank": [rank.mean, rank.standard_error],
        "lr": [prediction.lr, prediction.error],
    }


def trained(lr: float, steps: int) -> list[float]:
    """The losses of a run, the start's first; it ends where it has blown up."""
    model, loss = bed()
    opt = MeZO(model.named_parameters(), lr=lr, law=LAW)
    losses = []
    for _ in range(steps):
        losses.append(opt.step(loss))  # the mean of both sides: L(θ) + ε²·curvature
        if blown_up(losses):
            break
    return losses


def blown_up(losses: list[float]) -> bool:
    return not math.isfinite(losses[-1]) or losses[-1] > BLOWN_UP * losses[0]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, default=ROOT / "results/divergence.json", metavar="FILE")
    parser.add_argument("--steps", type=int, default=STEPS)
    arguments = parser.parse_args()
    record = json.loads(arguments.json.read_text()) if arguments.json.exists() else {"machine": machine(), "runs": []}
    if "curvature" not in record:
        model, loss = bed()
        record["curvature"] = curvature(list(model.parameters()), loss)
        arguments.json.write_text(json.dumps(record, indent=1) + "\n")
        print(record["curvature"], flush=True)
    done = {run["multiple"] for run in record["runs"]}
    for multiple in (multiple for multiple in MULTIPLES if multiple not in done):
        lr = multiple * record["curvature"]["lr"][0]
        losses = trained(lr, arguments.steps)
        record["runs"].append({"multiple": multiple, "lr": lr, "losses": losses, "diverged": blown_up(losses)})
        record["runs"].sort(key=lambda run: run["multiple"])
        arguments.json.write_text(json.dumps(record, indent=1) + "\n")
        print(
            f"{multiple:5.2f} × predicted = {lr:.3g}: {losses[0]:.3f} → {losses[-1]:.3g} in {len(losses)} steps",
            flush=True,
        )


if __name__ == "__main__":
    main()
