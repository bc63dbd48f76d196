"""The time of a step whose probes are dealt out to processes: all worlds are started at once and step in turn.

A world that waits for its turn is asleep, so a busy moment of the machine hits each of them.
"""

import time
from collections.abc import Callable, Iterable, Sequence
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
import torch.distributed as distributed
from torch import nn
from torch.multiprocessing import start_processes
from torch.nn.functional import cross_entropy

from growing.clock import spread
from mezo_lab.optim import MeZO

PROBES, BATCH = 16, 128
SIZES = (784, 512, 512, 10)
PATIENCE = timedelta(minutes=10)


Task = tuple[MeZO, Callable[[], torch.Tensor]]  # an optimizer, and its loss


def _perceptron() -> Task:
    torch.manual_seed(0)
    first, *others = (nn.Linear(*size) for size in pairwise(SIZES))
    model = nn.Sequential(first, *(layer for other in others for layer in (nn.ReLU(), other))).eval()
    inputs = torch.randn(BATCH, SIZES[0])
    labels = torch.arange(BATCH) % SIZES[-1]
    return _optimizer(model.parameters()), lambda: cross_entropy(model(inputs), labels)


def _three_weights() -> Task:
    theta = nn.Parameter(torch.ones(3))
    weight = theta.detach()
    return _optimizer([theta]), lambda: weight[0]


def _optimizer(parameters: Iterable[nn.Parameter]) -> MeZO:
    return MeZO(parameters, lr=1e-9, probes=PROBES, law="rademacher", parallel="probe", check_closure=False)


TASKS: dict[str, Callable[[], Task]] = {
    "MLP of 670,000 parameters, batch 128": _perceptron,
    "3 weights, a loss that costs nothing": _three_weights,
}


def by_processes(worlds: Sequence[int], rounds: int, steps: int) -> list[dict[str, Any]]:
    """A row for each task and number of processes. Args: steps: in a reading of the clock."""
    with TemporaryDirectory() as folder:
        store = distributed.FileStore(str(Path(folder, "turns")), -1)
        arguments = (folder, rounds, steps)
        started = [start_processes(_work, (size, *arguments), nprocs=size, join=False) for size in worlds]
        for turn in range(rounds + 1):  # the first is not counted
            for size in worlds:
                store.set(f"begin {size} {turn}", "")
                store.wait([f"end {size} {turn}"], PATIENCE)
        for context in started:
            while not context.join():
                pass
        return [_row(store, name, size, rounds) for name in TASKS for size in worlds]


def _row(store: Any, name: str, size: int, rounds: int) -> dict[str, Any]:
    times = [float(store.get(f"{name} {size} {turn}")) for turn in range(1, rounds + 1)]
    return {"name": name, "processes": size, "probes": PROBES} | spread(times)


def _work(rank: int, size: int, folder: str, rounds: int, steps: int) -> None:
    """One of the processes of a world."""
    torch.set_num_threads(1)
    store = distributed.FileStore(str(Path(folder, "turns")), -1)
    world = f"file://{Path(folder, f'world {size}')}"
    distributed.init_process_group("gloo", init_method=world, rank=rank, world_size=size)
    optimizers = {name: build() for name, build in TASKS.items()}
    for turn in range(rounds + 1):
        store.wait([f"begin {size} {turn}"], PATIENCE)
        for name, (optimizer, loss) in optimizers.items():
            distributed.barrier()
            began = time.perf_counter()
            for _ in range(steps):
                optimizer.step(loss)
            distributed.barrier()
            if rank == 0:
                store.set(f"{name} {size} {turn}", str((time.perf_counter() - began) / steps))
        if rank == 0:
            store.set(f"end {size} {turn}", "")
    distributed.destroy_process_group()
