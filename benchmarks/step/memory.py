"""Peak memory of a step over that of the forward passes, in a process of its own."""

import ctypes
import gc
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch

from step.beds import BEDS
from step.methods import METHODS, WARM_UP, WITHOUT_A_COMPILER, Backprop

STATUS, CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def memory(bed_name: str, method: str, device: str) -> dict[str, float] | None:
    """What the steps of one method add to the two forward passes, in MiB; None where a peak cannot be set back.

    over_forward: peak of some steps less peak of the forward passes. without_loss: the same peak, with a loss that
    computes nothing, less what is held at rest; None for backpropagation, whose loss is the gradient's. first: as
    over_forward, for the first steps of the process, which load a compiler where one is used.
    """
    bed = BEDS[bed_name](device)
    start = (METHODS | WITHOUT_A_COMPILER)[method]

    def forwards() -> None:
        METHODS["two forwards"](bed).step()

    def steps(bed=bed) -> None:
        run = start(bed)
        for _ in range(WARM_UP):
            run.step()

    forwards()
    if (cold := peak(forwards, device)) is None:
        return None
    first = peak(steps, device)
    warm, step = peak(forwards, device), peak(steps, device)
    record = {"forward": warm, "over_forward": step - warm, "first": first - cold}
    if not isinstance(start(bed), Backprop):
        silent = replace(bed, loss=lambda: torch.ones((), device=device))
        record["without_loss"] = peak(lambda: steps(silent), device) - peak(lambda: None, device)
    return record


def peak(run: Callable[[], None], device: str) -> float | None:
    """The largest memory held while `run` runs, MiB: on a GPU its allocations, else resident memory."""
    gc.collect()
    if torch.device(device).type == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
        run()
        return torch.cuda.max_memory_allocated() / 2**20
    give_back()
    try:
        CLEAR.write_text("5")  # sets the high-water mark to what is held now; `getrusage` tells the same mark
    except OSError:
        return None
    run()
    (mark,) = [line for line in STATUS.read_text().splitlines() if line.startswith("VmHWM")]
    return int(mark.split()[1]) / 1024


def give_back() -> None:
    # what the C library keeps of freed memory would hide the next peak
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
