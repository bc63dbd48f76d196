"""Whether a real Hessian lies along the coordinates, which decides what signs see of it: Σ H_ii g_i²/(tr H·‖g‖²).

For one probe E[ĝᵀHĝ] = tr H·‖g‖² + 2gᵀHg + (κ − 3)·Σ H_ii g_i² (claim B4), so signs differ from Gaussian probes by
2·Σ H_ii g_i². Of an H in general directions the share is about 1/d, and signs are then as good as Gaussian; of one
along the coordinates it is up to 1/r. With signs s, (s∘g)ᵀH(s∘g) has the mean Σ H_ii g_i², a product with H each.
The bed is that of benchmarks/divergence.py, whose record has tr H.
"""

import argparse
import json
from pathlib import Path

import torch
from divergence import BATCH, TASK, bed

from mezo_lab.curvature import gradient, hessian_products, inner_product
from mezo_lab.environment.machine import machine
from mezo_lab.sampling import Estimate, RunningMoments

ROOT = Path(__file__).parents[1]
DRAWS = 16


def diagonal_form(slope: list[torch.Tensor], product, draws: int, seed: int = 0) -> Estimate:
    """Σ H_ii g_i², from `draws` products with H.

    Args: slope: g. product: v → Hv.

    >>> curved = torch.tensor([2.0, 1.0])  # along the coordinates, where every draw is exact
    >>> diagonal_form([torch.tensor([1.0, 2.0])], lambda v: [curved * v[0]], draws=4).mean
    6.0
    """
    generator, running = torch.Generator().manual_seed(seed), RunningMoments()
    for _ in range(draws):
        signed = [g * (torch.randint(2, g.shape, generator=generator) * 2 - 1) for g in slope]
        running.add(torch.tensor([inner_product(signed, product(signed))], dtype=torch.float64))
    return running.estimate()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, default=ROOT / "results" / "axes.json", metavar="FILE")
    parser.add_argument("--draws", type=int, default=DRAWS)
    arguments = parser.parse_args()
    trace, trace_error = json.loads((ROOT / "results/divergence.json").read_text())["curvature"]["trace"]
    model, loss = bed()
    parameters = list(model.parameters())
    slope = gradient(parameters, loss)
    product = hessian_products(parameters, loss)
    grad_sq, along = inner_product(slope, slope), inner_product(slope, product(slope))
    diagonal = diagonal_form(slope, product, arguments.draws)
    record = {
        "machine": machine(),
        "task": TASK,
        "batch": BATCH,
        "draws": arguments.draws,
        "parameters": sum(parameter.numel() for parameter in parameters),
        "grad_sq": grad_sq,
        "trace": [trace, trace_error],
        "gHg": along,
        "diagonal": [diagonal.mean, diagonal.standard_error],
        "share": [diagonal.mean / (trace * grad_sq), diagonal.standard_error / (trace * grad_sq)],
    }
    arguments.json.write_text(json.dumps(record, indent=1) + "\n")
    print(json.dumps(record, indent=1))


if __name__ == "__main__":
    main()
