"""The peak memory of a step of fine-tuning, measured on a CPU, each method in a process of its own."""

import ctypes
import gc
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import torch

from mezo_lab.curvature import PassCount
from mezo_lab.environment.storages import storage_bytes
from mezo_lab.finetune.memory.predicted import TrainingStep, check_sizes, model_for_method
from mezo_lab.finetune.models.loading import load_model
from mezo_lab.optim import MeZO

__all__ = ["measured_memory", "measurement_passes"]

STATUS = Path("/proc/self/status")
CLEAR_REFS = Path("/proc/self/clear_refs")
STEPS = 2  # the second has the optimizer's state from its start
RUNS = 2  # of so many steps: one that loads libraries and compilers, and one whose peak counts


def measured_memory(
    model: str,
    *,
    method: str,
    batch: int = 16,
    length: int = 32,
    dtype: torch.dtype = torch.float32,
    positions: int = 1,
) -> int:
    """The peak that `predicted_memory` predicts, measured as resident memory of a fresh process, in bytes.

    Formula: the high-water mark of two steps, minus the memory other than weights after two earlier steps, which load
    libraries and compilers. The C library keeps some freed memory, so that the result exceeds the live tensors.
    Cost: `measurement_passes(method)`, and the time of starting Python and of loading the model; the memory of a step.

    Args: as for `predicted_memory`.
    Raises: as `load_model`; OSError on a system without /proc.
    """
    if not CLEAR_REFS.exists():
        raise OSError("resident memory is read from /proc, which this system does not have: measure it on Linux.")
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
        return process.submit(_peak, model, method, (batch, length), dtype, positions, torch.get_num_threads()).result()


def measurement_passes(method: str) -> PassCount:
    """What `measured_memory` costs: two forward passes of "inference", four steps of any other method.

    The first of the 2 steps of each of 2 runs of MeZO also checks that the loss repeats itself.

    >>> [measurement_passes(method).forward for method in ("inference", "mezo", "adam")]
    [2, 10, 4]
    """
    if method == "inference":
        return PassCount(RUNS)
    if method == "mezo":
        return PassCount(RUNS * (2 * STEPS + 1))
    return PassCount(RUNS * STEPS, backward=RUNS * STEPS)


def _peak(name: str, method: str, shape: tuple[int, int], dtype: torch.dtype, positions: int, threads: int) -> int:
    torch.set_num_threads(threads)
    loaded = load_model(name, dtype=dtype, device="cpu")
    check_sizes(method, loaded.limit, *shape, positions)
    model = model_for_method(method, loaded)
    for parameter in model.parameters():  # those of a file come into memory page by page, the last with the first step
        parameter.data = parameter.data.clone()
    inputs = torch.randint(model.config.vocab_size, shape, generator=torch.Generator().manual_seed(0))
    step = TrainingStep(model, inputs, min(positions, shape[1]))
    _run_steps(step, method)
    other = _resident_bytes("VmRSS") - storage_bytes([*model.parameters(), *model.buffers()])
    CLEAR_REFS.write_text("5")  # sets the high-water mark to the present resident memory
    _run_steps(step, method)
    return _resident_bytes("VmHWM", trim=False) - other


def _run_steps(step: TrainingStep, method: str) -> None:
    if method == "inference":
        with torch.no_grad():
            step.loss()
        return
    if method == "mezo":
        mezo = MeZO(step.model.named_parameters(), lr=1e-7, exact=False)
        for _ in range(STEPS):
            mezo.step(step.loss)
        return
    optimizer = step.optimizer(method)
    for _ in range(STEPS):
        step.loss().backward()
        optimizer.step()
        optimizer.zero_grad()


def _resident_bytes(name: str, trim: bool = True) -> int:
    """A line of this process's status, in bytes. Args: trim: whether the C library returns freed memory first."""
    gc.collect()
    malloc_trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim and malloc_trim is not None:
        malloc_trim(0)
    (line,) = [line for line in STATUS.read_text().splitlines() if line.startswith(name)]
    return int(line.split()[1]) * 1024
