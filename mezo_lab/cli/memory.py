"""`mezo-lab memory`: the peak memory of fine-tuning, method by method, from a configuration alone."""

import argparse
from collections.abc import Iterator

from mezo_lab.cli.options import check_minimum, integer

DTYPES = ("float32", "bfloat16", "float16")
MEBIBYTE, GIBIBYTE = 2**20, 2**30
LENGTH, PAPER_LENGTH = 32, 400  # tokens: a sentence of Rotten Tomatoes, and Table 22's average


def add_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("model", nargs="?", metavar="MODEL", help="smollm2-135m, a local folder or a name on the hub")
    command.add_argument("--batch", type=integer, default=16, metavar="B", help="sequences in a pass (default 16)")
    command.add_argument(
        "--length",
        type=integer,
        metavar="L",
        help=f"tokens in each (default {LENGTH}; {PAPER_LENGTH} with --paper)",
    )
    command.add_argument("--dtype", default="float32", metavar="T", help=f"of weights: {', '.join(DTYPES)}")
    command.add_argument("--measure", action="store_true", help="also run each method, in a process of its own")
    command.add_argument("--paper", action="store_true", help="the paper's Table 22: OPT of 1.3B to 66B parameters")
    command.set_defaults(run=run_memory)


def run_memory(options: argparse.Namespace) -> int:
    check_minimum(options, batch=1, length=1)
    if options.dtype not in DTYPES:
        raise ValueError(f"--dtype must be one of {', '.join(DTYPES)}; got {options.dtype!r}.")
    if options.paper == bool(options.model) or (options.paper and options.measure):
        raise ValueError(
            "memory needs either a MODEL, such as smollm2-135m, or --paper, which cannot be measured here."
        )
    for line in paper_lines(options) if options.paper else model_lines(options):
        print(line, flush=True)
    return 0


def model_lines(options: argparse.Namespace) -> Iterator[str]:
    """A row for each method, in MiB."""
    import torch

    from mezo_lab.finetune.memory.measured import measured_memory
    from mezo_lab.finetune.memory.predicted import METHODS, predicted_memory
    from mezo_lab.finetune.models.loading import read_config

    config = read_config(options.model)
    step = {"batch": options.batch, "length": options.length or LENGTH, "dtype": getattr(torch, options.dtype)}
    size = f"{step['batch']} sequences of {step['length']} tokens"
    # all before the first line, which an error must not follow
    found = {method: predicted_memory(config, method=method, **step) for method in METHODS}
    yield f"{options.model}, {options.dtype}, {size}; MiB at the peak of a step"
    heads = ["method", "weights", "gradients", "optimizer", "activations", "total"]
    yield row(heads + ["measured", "error"] * options.measure)
    for method, memory in found.items():
        parts = [memory.weights, memory.gradients, memory.optimizer, memory.activations, memory.total]
        if options.measure:
            parts.append(measured := measured_memory(options.model, method=method, **step))
        cells = [method, *(f"{part / MEBIBYTE:,.1f}" for part in parts)]
        yield row(cells + ([error(memory.total, measured)] if options.measure else []))
    yield "Activations: whatever else lives then. Not predicted: the allocator's reserve, libraries, a GPU's context."
    if options.measure:
        yield "Measured: resident memory on the CPU, where the C library keeps much of what backpropagation has freed."
    else:
        yield "With --measure: what each method holds here. `mezo-lab memory --paper`: the paper's Table 22 beside it."


def paper_lines(options: argparse.Namespace) -> Iterator[str]:
    """A row for each size, in GiB."""
    from mezo_lab.finetune.memory.paper_tables import REPORTED, SECONDS, SIZES, gpu_hours, setting_of_table_22

    length = options.length or PAPER_LENGTH
    names = {"mezo": "MeZO", "prefix": "prefix FT", "adam": "full FT"}
    yield f"OPT on MultiRC, one example of two answers, {length} tokens each: predicted | paper's Table 22 | error; GiB"
    yield row(["size", *(cell for name in names.values() for cell in (name, "paper", "error"))])
    for size in SIZES:
        cells = [size]
        for method in names:
            total, reported = setting_of_table_22(size, method, length).total, REPORTED[method].get(size)
            cells += [
                f"{total / GIBIBYTE:,.1f}",
                *([str(reported), error(total, reported * GIBIBYTE)] if reported else "--"),
            ]
        yield row(cells)
    yield "The paper read nvidia-smi: with the GPU's context, the allocator's reserve, the longest example and, where"
    yield "it took several cards (full FT from 6.7B, prefix FT from 13B, all of 66B), sharding. One card is predicted."
    yield ""
    yield "GPU-hours of a whole training, from the seconds a step of the paper's Table 23 (A100 of 80 GB)"
    yield row(["size", "MeZO", "full FT", "MeZO/FT"])
    for size in SECONDS["mezo"]:
        mezo, full = gpu_hours(size, "mezo"), gpu_hours(size, "adam")
        yield row([size, f"{mezo:,.1f}", f"{full:,.2f}", f"{mezo / full:,.2f}"])
    yield "20,000 steps of MeZO in batches of 16; 5 epochs of full FT. Only at 30B is MeZO the cheaper one."


def error(predicted: float, measured: float) -> str:
    return f"{predicted / measured - 1:+.0%}"


def row(cells: list[str]) -> str:
    first, *others = cells
    return f"{first:10}" + "".join(f"{cell:>12}" for cell in others)
