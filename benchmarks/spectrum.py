"""The spectrum of a real Hessian: its Lanczos density, and the effective rank, on the short batch of notebook 10.

The model is SmolLM2 with all of its layers; the trace is a mean of zᵀHz, by differentiation. The record is written
after the spectrum and after each direction of the trace, so that a run which is stopped has not been in vain.
"""

import argparse
from collections.abc import Callable
from typing import Any

import records  # beside this file
import torch
from quiet import quiet
from torch import Tensor

from mezo_lab.curvature import (
    gaussian_direction,
    hessian_products,
    inner_product,
    lanczos_spectrum,
    random_spectrum,
    trace_estimate,
)
from mezo_lab.environment.machine import machine
from mezo_lab.finetune import reviews, smollm2, task_loss

TASK = "rotten-tomatoes/sentiment"
BATCH = 2
DRAWS = 64
PRODUCTS = 60

_Bed = tuple[list[Tensor], Callable[[], Tensor], dict[str, Any]]


def language_model() -> _Bed:
    """All weights of SmolLM2, its loss on two short reviews, and what the record says of them."""
    model, tokenizer = smollm2()
    short = [row for row in reviews(seed=0) if 40 <= len(row["text"]) <= 60]  # as in notebook 10
    loss = task_loss(model, tokenizer, short[:BATCH], TASK)
    return list(model.parameters()), loss, {"task": TASK, "batch": BATCH}


def quadratic() -> _Bed:
    """A small bowl in general directions, with eigenvalues from −1 to 3."""
    matrix = random_spectrum(torch.linspace(-1, 3, 40).double(), torch.Generator().manual_seed(0))
    theta = torch.ones(40, dtype=torch.float64, requires_grad=True)
    return [theta], lambda: theta @ matrix @ theta / 2, {"task": "a quadratic", "batch": 1}


def measured(bed: _Bed, products: int, draws: int, write: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
    """The record of a loss.

    Args:
        bed: parameters, loss, and what the record says of them.
        products: of the Hessian with a vector, for the spectrum.
        draws: directions of the trace.
        write: is called with the record whenever there is more of it.
    """
    parameters, loss, about = bed
    record = {"machine": machine()} | about
    found = lanczos_spectrum(parameters, loss, products=products)
    record |= {"parameters": sum(parameter.numel() for parameter in parameters)}
    record |= {"products": products, "values": found.values, "weights": found.weights, "draws": 0}
    write(record)
    product = hessian_products(parameters, loss)
    forms: list[float] = []
    for draw in range(draws):
        z = list(gaussian_direction(parameters, 0, draw))
        forms.append(float(inner_product(z, product(z))))
        trace = trace_estimate(torch.tensor(forms, dtype=torch.float64))
        record |= {"draws": len(forms), "trace": [trace.mean, trace.standard_error]}
        if draw:  # one direction has no error
            write(record)
    return record


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--products", type=int, default=PRODUCTS)
    parser.add_argument("--draws", type=int, default=DRAWS)
    records.add_options(parser, quick="a small quadratic")
    arguments = parser.parse_args()
    if arguments.draws < 2 or arguments.products < 1:
        parser.error("--draws must be at least 2, because the trace has an error, and --products at least 1")
    with quiet():
        record = measured(
            quadratic() if arguments.quick else language_model(),
            arguments.products,
            arguments.draws,
            lambda record: records.write(record, arguments, "spectrum"),
        )
    trace, error = record["trace"]
    largest = record["values"][-1]
    print(f"tr H = {trace:.4g} ± {error:.2g}, λ_max = {largest:.4g}, r = {trace / largest:.2f}")


if __name__ == "__main__":
    main()
