"""Sweeps and steps on one model, all in turn, with the memory that each takes and what had to be left out."""

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from functools import partial
from typing import Any

import torch
from step import timing
from step.beds import LENGTH, Bed
from step.memory import peak
from step.methods import METHODS, WARM_UP, Method, Ours
from torch import Tensor

from gpu_parts.beds import language_model, one_tensor
from gpu_parts.setting import LeftOut, Setting, reason, seconds_to
from mezo_lab.optim.sweeps import KeyedTensor, NoiseField, Term

COPY = "copy_"
FULL_PRECISION = {name: start for name, start in METHODS.items() if not name.startswith(("package", "MeZO low-rank"))}
HALF_PRECISION: dict[str, Callable[[Bed], Method]] = {
    timing.FORWARDS: METHODS[timing.FORWARDS],
    **{
        f"MeZO {law}, {2 if fused else 3} sweeps": partial(Ours, law=law, fused=fused, exact=False)
        for law in timing.LAWS
        for fused in (True, False)
    },
    **{f"MeZO {law}, exact": partial(Ours, law=law, fused=False, exact=True) for law in timing.LAWS},
    "published sequence": METHODS["published sequence"],
}

Starts = dict[str, Callable[[Bed], Method]]


class Ready:
    """`add_` or `copy_` of tensors that lie ready, as large as the model: what memory allows."""

    sweeps = 1

    def __init__(self, bed: Bed, directions: Sequence[Tensor], copies: bool):
        self.tensors = [parameter.detach() for parameter in bed.parameters]
        self.directions = directions
        self.copies = copies

    def step(self) -> None:
        for tensor, z in zip(self.tensors, self.directions, strict=True):
            if self.copies:
                tensor.copy_(z)
            else:
                tensor.add_(z, alpha=timing.TINY)


class Sweep:
    """One sweep. Args: terms: how many z. sources: where it starts from, as the sweeps of `exact` do; or θ itself."""

    sweeps = 1

    def __init__(self, bed: Bed, law: str, terms: int, compiled: bool, sources: Sequence[Tensor] | None = None):
        keyed = [KeyedTensor(parameter.detach(), key) for key, parameter in enumerate(bed.parameters)]
        self.field = NoiseField(keyed, law, seed=0, compiled=compiled)
        self.terms = [Term(step=0, probe=probe, scales=(timing.TINY,)) for probe in range(terms)]
        self.sources = sources

    def step(self) -> None:
        self.field.sweep(self.terms, sources=self.sources)


def of_sweeps(
    setting: Setting, deadline: float, dtype: str, exact: bool = False, model: str | None = None
) -> dict[str, Any]:
    """Sweeps of one large tensor, in seconds and in bytes moved, against `add_` and `copy_`.

    Args: dtype: of the tensor. exact: with θ in float32 beside it, from which every sweep starts. model: sweep the many
        tensors of this model instead, where each tensor is a call.
    """
    weights = getattr(torch, dtype)
    bed = one_tensor(setting, weights)
    if model is not None:
        bed = language_model(setting, model, weights, LENGTH)
    directions = [torch.randn_like(parameter) for parameter in bed.parameters]
    starts: Starts = {
        timing.ADD: partial(Ready, directions=directions, copies=False),
        COPY: partial(Ready, directions=directions, copies=True),
    }
    moved = {timing.ADD: 3 * bed.numel * directions[0].itemsize}  # bytes: two tensors are read, one is written
    sources = None
    own = 2 * directions[0].itemsize
    if exact:
        sources = [parameter.detach().float() for parameter in bed.parameters]
        own = directions[0].itemsize + 4
    for law in timing.LAWS:
        for terms in (1,) if exact else (1, 2):
            name = f"{law}, {terms} z"
            starts[name] = partial(Sweep, law=law, terms=terms, compiled=setting.compiled, sources=sources)
            moved[name] = own * bed.numel
    moved[COPY] = 2 * bed.numel * directions[0].itemsize
    fields = in_turn(bed, starts, setting, deadline, to=timing.ADD)
    rows = fields["rows"]
    for name, row in rows.items():
        row["ns_per_coordinate"] = row["seconds"] / bed.numel * 1e9
        row["gigabytes_per_second"] = moved[name] / row["seconds"] / 1e9
        row["of_copy"] = None  # the share of the copy's bandwidth
        if COPY in rows:
            row["of_copy"] = moved[name] / row["seconds"] / (moved[COPY] / rows[COPY]["seconds"])
    return fields | {"exact": exact, "compiled_sweeps": timing.compiles(bed)}


def of_steps(setting: Setting, deadline: float, model: str, dtype: str, length: int) -> dict[str, Any]:
    """Steps on a model of that shape, against its two forward passes."""
    bed = language_model(setting, model, getattr(torch, dtype), length)
    starts = FULL_PRECISION if dtype == "float32" else HALF_PRECISION
    fields = in_turn(bed, starts, setting, deadline, to=timing.FORWARDS)
    return fields | {"compiled_sweeps": timing.compiles(bed)}


def in_turn(bed: Bed, starts: Starts, setting: Setting, deadline: float, to: str) -> dict[str, Any]:
    """Everything about every method that starts, and ends in time.

    Args: to: the method that all are compared with, which has to run; as many of the others as time allows.
    Raises: LeftOut where not even that one ends in time.
    """
    methods, rows, left_out = tried(bed, starts, setting, deadline)
    if to not in methods:
        raise LeftOut(f"{to} did not run: {left_out[to]}")
    repeats = (bed.steps + 1) * (setting.rounds + WARM_UP) + 2 * WARM_UP  # steps: the rounds, and those for memory
    costs = {name: repeats * rows[name]["second"] for name in methods}
    for name in too_dear(costs, to, seconds_to(deadline)):
        left_out[name] = f"one step takes {rows[name]['second']:.3g} s: its rounds would not have ended in time"
        del methods[name]
    turns: dict[str, timing.Turn] = {name: method.turn for name, method in methods.items() if isinstance(method, Ours)}
    runs = {name: method.step for name, method in methods.items()}
    times = timing.compared(timing.seconds(bed, runs, setting.rounds, setting.device, turns), to=to)
    measured: dict[str, dict[str, Any]] = {}
    for name, method in methods.items():
        measured[name] = rows[name] | times[name] | {"sweeps": method.sweeps}
    for name, row in with_memory(measured, methods, setting, to).items():
        measured[name] |= row
    left = {name: rows.get(name, {}) | {"reason": why} for name, why in left_out.items()}
    return bed.facts | {"rounds": setting.rounds, "compared_with": to, "rows": measured, "left_out": left}


def tried(
    bed: Bed, starts: Starts, setting: Setting, deadline: float
) -> tuple[dict[str, Method], dict[str, dict[str, float]], dict[str, str]]:
    """The methods that made two steps, what these took and left behind, and why the others made none.

    first: seconds of the first step, with whatever it compiles or loads from a cache. held: MiB kept between steps.
    """
    methods: dict[str, Method] = {}
    rows: dict[str, dict[str, float]] = {}
    left_out: dict[str, str] = {}
    for name, start in starts.items():
        before = allocated(setting.device)
        try:
            seconds_to(deadline)
            methods[name], first, second = two_steps(bed, start, setting.device)
        except Exception as error:  # out of memory, above all: the other methods may have room
            left_out[name] = reason(error)
            continue
        rows[name] = {"first": first, "second": second, "held": allocated(setting.device) - before}
    return methods, rows, left_out


def two_steps(bed: Bed, start: Callable[[Bed], Method], device: str) -> tuple[Method, float, float]:
    """A method that starts, and the seconds of its first two steps; the parameters are the tensors they were."""
    method = start(bed)
    with timing.at_home(bed.parameters):
        first = timing.clocked(method.step, 1, device)
        second = timing.clocked(method.step, 1, device)
        if isinstance(method, Ours):
            method.optimizer.flush()
    return method, first, second


def too_dear(costs: dict[str, float], keep: str, left: float) -> list[str]:
    """The methods to leave out, the dearest first, until the others take no longer than what is left.

    Raises: LeftOut where the one to keep takes too long alone.

    >>> too_dear({"two forwards": 2.0, "a": 3.0, "b": 9.0}, keep="two forwards", left=6.0)
    ['b']
    """
    dropped = []
    by_cost = sorted((name for name in costs if name != keep), key=lambda name: costs[name])
    while sum(costs.values()) - sum(costs[name] for name in dropped) > left:
        if not by_cost:
            raise LeftOut(f"{keep} alone would take {costs[keep]:.0f} s, and {left:.0f} s are left")
        dropped.append(by_cost.pop())
    return dropped


def with_memory(
    rows: dict[str, dict[str, float]], methods: dict[str, Method], setting: Setting, to: str
) -> dict[str, dict[str, float | None]]:
    """over: MiB at the peak of a step, with what the method holds, above the peak of the one compared with.

    All methods are alive here, so that each peak holds what all of them hold. The tensors of a step out of place are
    not put back, for what keeps them would count too; it comes last.
    """
    peaks: dict[str, float | None] = {}
    for name, method in methods.items():
        with method.turn() if isinstance(method, Ours) else nullcontext():
            peaks[name] = peak(method.step, setting.device)
    base = peaks[to]
    memory: dict[str, dict[str, float | None]] = {}
    for name, own in peaks.items():
        over = None
        if own is not None and base is not None:
            over = own - base + rows[name]["held"] - rows[to]["held"]
        memory[name] = {"peak": own, "over": over}
    return memory


def allocated(device: str) -> float:
    """MiB of the GPU that tensors hold; 0 where there is none."""
    if not device.startswith("cuda"):
        return 0.0
    return torch.cuda.memory_allocated() / 2**20
