"""Seconds of a step, all methods in turn, so that a busy moment of the machine hits each of them."""

import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext

import torch
from torch import Tensor

from mezo_lab.optim.sweeps import KeyedTensor, LowRankField, NoiseField, Term
from step.beds import Bed
from step.methods import METHODS, WARM_UP, Method, Ours

Turn = Callable[[], AbstractContextManager[None]]

TINY = 1e-9  # what a sweep adds: the model stays what it is
FORWARDS, ADD = "two forwards", "add_"
LAWS = ("rademacher", "gaussian")
SWEPT = (*LAWS, "low-rank")  # of which nothing is compiled for a GPU
RUNS = [f"MeZO {law}, 3 sweeps" for law in LAWS]


def seconds(
    bed: Bed, runs: dict[str, Callable[[], None]], rounds: int, device: str, turns: dict[str, Turn] | None = None
) -> dict[str, list[float]]:
    """Seconds per step in each round, the order of the methods moved by one in every round; untimed rounds first.

    turns: what a method needs around its turn, untimed.
    """
    times, names = {name: [] for name in runs}, list(runs)
    for turn in range(-WARM_UP, rounds):
        for name in names[turn % len(names) :] + names[: turn % len(names)]:
            with at_home(bed.parameters), (turns or {}).get(name, nullcontext)():
                elapsed = clocked(runs[name], bed.steps, device)
            if turn >= 0:
                times[name].append(elapsed)
    return times


def clocked(run: Callable[[], None], steps: int, device: str) -> float:
    """Seconds of a step, by the GPU's own clock where it runs on one."""
    if torch.device(device).type == "cuda":
        return clocked_by_events(run, steps)
    start = time.perf_counter()
    for _ in range(steps):
        run()
    return (time.perf_counter() - start) / steps


def clocked_by_events(run: Callable[[], None], steps: int) -> float:
    """Seconds between two marks in the GPU's queue: what it waits for its host in between counts too."""
    torch.cuda.synchronize()
    start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    start.record()
    for _ in range(steps):
        run()
    end.record()
    torch.cuda.synchronize()
    return start.elapsed_time(end) / 1e3 / steps


@contextmanager
def at_home(parameters: Sequence[Tensor]) -> Iterator[None]:
    """Afterwards the parameters are the tensors they were: a step out of place leaves others behind."""
    homes = [parameter.data for parameter in parameters]
    yield
    for parameter, home in zip(parameters, homes, strict=True):
        parameter.data = home


def compared(times: dict[str, list[float]], to: str) -> dict[str, dict[str, float]]:
    """Medians, and the ratios to one of the methods, taken round by round: their median, least and largest.

    >>> compared({"a": [1.0, 2.0, 4.0], "b": [2.0, 3.0, 8.0]}, to="a")["b"]
    {'seconds': 3.0, 'ratio': 2.0, 'least': 1.5, 'largest': 2.0, 'ratio_of_medians': 1.5}
    """
    median = statistics.median
    comparisons = {}
    for name, own in times.items():
        ratios = [mine / base for mine, base in zip(own, times[to], strict=True)]
        comparisons[name] = {
            "seconds": median(own),
            "ratio": median(ratios),
            "least": min(ratios),
            "largest": max(ratios),
            "ratio_of_medians": median(own) / median(times[to]),
        }
    return comparisons


def of_methods(bed: Bed, methods: dict[str, Method], rounds: int, device: str) -> dict[str, dict[str, float]]:
    runs = {name: method.step for name, method in methods.items()}
    turns = {name: method.turn for name, method in methods.items() if isinstance(method, Ours)}
    return compared(seconds(bed, runs, rounds, device, turns), to=FORWARDS)


def of_runs(bed: Bed, rounds: int, device: str) -> dict[str, float]:
    """Seconds of a whole run of `bed.run` steps with three sweeps each, from a new optimizer on: the median."""
    times: dict[str, list[float]] = {name: [] for name in RUNS}
    for _ in range(rounds):
        for name, own in times.items():
            with at_home(bed.parameters):
                own.append(bed.run * clocked(METHODS[name](bed).step, bed.run, device))
    return {name: statistics.median(own) for name, own in times.items()}


def of_sweeps(bed: Bed, rounds: int, device: str) -> dict[str, dict[str, float]]:
    """One sweep over the bed's own tensors, against `add_` of tensors that lie ready, as large as the model."""
    tensors = [parameter.detach() for parameter in bed.parameters]
    directions = [torch.randn_like(tensor) for tensor in tensors]
    fields = {law: swept(bed, law) for law in SWEPT}
    terms = [Term(step=0, probe=probe, scales=(TINY,)) for probe in range(2)]

    def add() -> None:
        for tensor, z in zip(tensors, directions, strict=True):
            tensor.add_(z, alpha=TINY)

    runs: dict[str, Callable[[], None]] = {ADD: add}
    for law, field in fields.items():
        for count in (1, 2):
            runs[f"{law}, {count} z"] = lambda field=field, count=count: field.sweep(terms[:count])
    speeds = compared(seconds(bed, runs, rounds, device), to=ADD)
    for row in speeds.values():
        row["ns_per_coordinate"] = row["seconds"] / bed.numel * 1e9
    return speeds


def compiles(bed: Bed) -> bool:
    """Whether compiled code makes the sweeps over this bed."""
    return bool(swept(bed, LAWS[0]).compiled)


def swept(bed: Bed, law: str) -> NoiseField:
    tensors = [KeyedTensor(tensor.detach(), key) for key, tensor in enumerate(bed.parameters)]
    if law == "low-rank":
        return LowRankField(tensors, seed=0, rank=1)
    return NoiseField(tensors, law, seed=0)
