"""The spectrum of a real Hessian: its Lanczos density, and the effective rank, on the short batch of notebook 10.

The model is SmolLM2 with all of its layers; the trace is a mean of zᵀHz, by differentiation.
"""

import argparse
import json
from pathlib import Path

import torch

from mezo_lab.curvature import gaussian_direction, hessian_products, inner_product, lanczos_spectrum, trace_estimate
from mezo_lab.environment.machine import machine
from mezo_lab.finetune import reviews, smollm2, task_loss

ROOT = Path(__file__).parents[1]
TASK = "rotten-tomatoes/sentiment"
BATCH = 2
DRAWS = 64
PRODUCTS = 60


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, default=ROOT / "results" / "spectrum.json", metavar="FILE")
    parser.add_argument("--products", type=int, default=PRODUCTS)
    parser.add_argument("--draws", type=int, default=DRAWS)
    arguments = parser.parse_args()
    model, tokenizer = smollm2()
    parameters = list(model.parameters())
    short = [row for row in reviews(seed=0) if 40 <= len(row["text"]) <= 60]  # as in notebook 10
    loss = task_loss(model, tokenizer, short[:BATCH], TASK)
    found = lanczos_spectrum(parameters, loss, products=arguments.products)
    product = hessian_products(parameters, loss)
    directions = (list(gaussian_direction(parameters, 0, draw)) for draw in range(arguments.draws))
    trace = trace_estimate(torch.tensor([inner_product(z, product(z)) for z in directions], dtype=torch.float64))
    record = {
        "machine": machine(),
        "task": TASK,
        "batch": BATCH,
        "parameters": sum(parameter.numel() for parameter in parameters),
        "draws": arguments.draws,
        "trace": [trace.mean, trace.standard_error],
        "values": found.values,
        "weights": found.weights,
    }
    arguments.json.write_text(json.dumps(record, indent=1) + "\n")
    print(f"tr H = {trace}, λ_max = {found.values[-1]:.4g}, r = {trace.mean / found.values[-1]:.2f}")


if __name__ == "__main__":
    main()
