"""`mezo-lab memory`: the peak memory of fine-tuning, method by method, from a configuration alone."""

import argparse
import sys
import time
from collections.abc import Collection, Iterable, Iterator

from mezo_lab.cli.options import check_minimum, integer
from mezo_lab.validation import one_of

DTYPES = ("float32", "bfloat16", "float16")
BATCH = 16  # sequences
MEBIBYTE = 2**20
_GIBIBYTE = 2**30
LENGTH = 32  # tokens of a sentence of Rotten Tomatoes
_PAPER_LENGTH = 400  # tokens, the average of Table 22


def add_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("model", nargs="?", metavar="MODEL", help="smollm2-135m, a local folder or a name on the hub")
    command.add_argument("--batch", type=integer, metavar="B", help=f"sequences in a pass (default {BATCH})")
    command.add_argument(
        "--length",
        type=integer,
        metavar="L",
        help=f"tokens in each (default {LENGTH}; {_PAPER_LENGTH} with --paper)",
    )
    command.add_argument(
        "--dtype", metavar="T", help=f"dtype of the weights: {', '.join(DTYPES)} (default {DTYPES[0]})"
    )
    command.add_argument("--measure", action="store_true", help="also run each method, in a process of its own")
    command.add_argument("--paper", action="store_true", help="the paper's Table 22: OPT of 1.3B to 66B parameters")
    command.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    check_minimum(options, batch=1, length=1)
    if options.dtype is not None:
        one_of("dtype", options.dtype, DTYPES)
    if options.paper and (options.batch or options.dtype):
        raise ValueError("--batch and --dtype belong to a MODEL: leave them out, as the paper's tables have their own.")
    if options.paper == bool(options.model) or (options.paper and options.measure):
        raise ValueError(
            "memory needs either a MODEL, such as smollm2-135m, or --paper, which cannot be measured here."
        )
    lines = _paper_lines if options.paper else _model_lines
    for line in lines(options):
        print(line, flush=True)
    return 0


def _model_lines(options: argparse.Namespace) -> Iterator[str]:
    """A row for each method, in MiB."""
    import torch

    from mezo_lab.finetune.memory.measured import measured_memory
    from mezo_lab.finetune.memory.predicted import METHODS, predicted_memory
    from mezo_lab.finetune.models.loading import read_config

    config = read_config(options.model)
    batch = options.batch or BATCH
    length = options.length or LENGTH
    dtype = options.dtype or DTYPES[0]
    step = {"batch": batch, "length": length, "dtype": getattr(torch, dtype)}
    # all predictions precede the first line, which an error must not follow
    predictions = {method: predicted_memory(config, method=method, **step) for method in _watched(METHODS)}
    yield f"{options.model}, {dtype}, {batch} sequences of {length} tokens; MiB at the peak of a step"
    heads = ["method", "weights", "gradients", "optimizer", "activations", "total"]
    yield _row(heads + ["measured", "error"] * options.measure)
    methods = predictions
    if options.measure:
        methods = _announced(list(predictions))
    for method in methods:
        memory = predictions[method]
        parts = [memory.weights, memory.gradients, memory.optimizer, memory.activations, memory.total]
        cells = [method, *(f"{part / MEBIBYTE:,.1f}" for part in parts)]
        if options.measure:
            measured = measured_memory(options.model, method=method, **step)
            cells += [f"{measured / MEBIBYTE:,.1f}", _error(memory.total, measured)]
        yield _row(cells)
    yield "Activations: everything else alive then. Not predicted: the allocator's reserve, libraries, a GPU's context."
    if options.measure:
        yield "Measured: resident memory on the CPU, where the C library keeps much of what backpropagation has freed."
    else:
        yield "With --measure: what each method holds here. `mezo-lab memory --paper`: the paper's Table 22 beside it."


def _watched(names: Iterable[str]) -> Iterator[str]:
    """The names, with a progress that advances when the work on one of them is done."""
    from mezo_lab.report.progress import Progress

    planned = list(names)
    with Progress(len(planned), noun="prediction") as progress:
        for name in planned:
            progress.begin(name)
            yield name
            progress.update(1, 1)


def _announced(methods: Collection[str]) -> Iterator[str]:
    """The methods, each after a line on stderr that says what it costs to measure it, and how much time is left."""
    from mezo_lab.finetune.memory.measured import measurement_passes
    from mezo_lab.report.labels import duration

    began = time.monotonic()
    for done, method in enumerate(methods):
        text = (
            f"measuring {method}, {done + 1} of {len(methods)}, in a process of its own: {measurement_passes(method)}"
        )
        if done:
            left = (time.monotonic() - began) / done * (len(methods) - done)
            text += f"; about {duration(left)} left for all"
        print(f"mezo-lab: {text}", file=sys.stderr, flush=True)
        yield method


def _paper_lines(options: argparse.Namespace) -> Iterator[str]:
    """A row for each size of OPT, in GiB, and the GPU-hours of a training."""
    from mezo_lab.finetune.memory.paper_tables import SECONDS, SIZES, gpu_hours

    length = options.length or _PAPER_LENGTH
    # the rows precede the first line, which an error must not follow
    rows = [_size_row(size, length) for size in _watched(SIZES)]
    yield f"OPT on MultiRC, one example of two answers, {length} tokens each: predicted | paper's Table 22 | error; GiB"
    yield _row(["size", "MeZO", "paper", "error", "prefix FT", "paper", "error", "full FT", "paper", "error"])
    yield from rows
    yield "The paper read nvidia-smi: with the GPU's context, the allocator's reserve, the longest example and, where"
    yield "it took several cards (full FT from 6.7B, prefix FT from 13B, all of 66B), sharding. One card is predicted."
    yield ""
    yield "GPU-hours of a whole training, from the seconds a step of the paper's Table 23 (A100 of 80 GB)"
    yield _row(["size", "MeZO", "full FT", "MeZO/FT"])
    for size in SECONDS["mezo"]:
        mezo = gpu_hours(size, "mezo")
        full = gpu_hours(size, "adam")
        yield _row([size, f"{mezo:,.1f}", f"{full:,.2f}", f"{mezo / full:,.2f}"])
    yield "20,000 steps of MeZO in batches of 16; 5 epochs of full FT. Only at 30B is MeZO the cheaper one."


def _size_row(size: str, length: int) -> str:
    """The predictions for one size of OPT beside the paper's numbers; a dash where the paper has none."""
    from mezo_lab.finetune.memory.paper_tables import REPORTED, setting_of_table_22

    cells = [size]
    for method in ("mezo", "prefix", "adam"):
        total = setting_of_table_22(size, method, length).total
        reported = REPORTED[method].get(size)
        cells.append(f"{total / _GIBIBYTE:,.1f}")
        if reported is None:
            cells += ["-", "-"]
        else:
            cells += [str(reported), _error(total, reported * _GIBIBYTE)]
    return _row(cells)


def _error(predicted: float, measured: float) -> str:
    return f"{predicted / measured - 1:+.0%}"


def _row(cells: list[str]) -> str:
    first, *others = cells
    return f"{first:10}" + "".join(f"{cell:>12}" for cell in others)
