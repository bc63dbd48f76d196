"""The time of a step of MeZO whose loss costs nothing: by parameters, by probes, by the rank of the low-rank law."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch.nn import Parameter

from growing import clock
from mezo_lab.optim import MeZO

LAWS = ("rademacher", "gaussian")
TORCH = ", torch"  # at the end of the name of a step whose sweeps are plain torch operations
ADD = "three add_"  # what three sweeps would be if their z lay ready
SIDE = 1024  # of the matrix whose z has a rank
LR = 1e-9  # θ stays where it is


def by_parameters(sizes: Sequence[int], rounds: int, reading: float) -> list[dict[str, Any]]:
    """Steps of one probe, three sweeps, of both laws and by both paths."""
    rows = []
    for size in sizes:
        theta = Parameter(torch.ones(size))
        z = torch.ones(size)
        calls: dict[str, Callable[[], object]] = {ADD: lambda theta=theta, z=z: _three_additions(theta, z)}
        for law in LAWS:
            calls[law] = _step(theta, law=law)
            calls[law + TORCH] = _step(theta, law=law, compiled=False)
        rows += clock.rows(calls, rounds, reading, parameters=size)
    return rows


def by_probes(sizes: Sequence[int], probes: Sequence[int], rounds: int, reading: float) -> list[dict[str, Any]]:
    """Steps of n probes."""
    rows = []
    for count in probes:
        for size in sizes:
            theta = Parameter(torch.ones(size))
            calls = {law: _step(theta, law=law, probes=count) for law in LAWS}
            rows += clock.rows(calls, rounds, reading, parameters=size, probes=count)
    return rows


def by_rank(ranks: Sequence[int], rounds: int, reading: float) -> list[dict[str, Any]]:
    """Steps of one probe of the low-rank law on one matrix, and in turn with each one of the Gaussian law."""
    rows = []
    theta = Parameter(torch.ones(SIDE, SIDE))
    for rank in ranks:
        calls = {"low-rank": _step(theta, law="low-rank", rank=rank), "gaussian": _step(theta, law="gaussian")}
        rows += clock.rows(calls, rounds, reading, parameters=theta.numel(), rank=rank)
    return rows


def _step(theta: Parameter, **settings: Any) -> Callable[[], object]:
    """A step whose loss is one of the weights: all that is left is the cost of the optimizer itself."""
    weight = theta.detach().view(-1)
    optimizer = MeZO([theta], lr=LR, check_closure=False, **settings)
    return lambda: optimizer.step(lambda: weight[0])


def _three_additions(theta: Parameter, z: torch.Tensor) -> None:
    with torch.no_grad():
        for _ in range(3):
            theta.add_(z, alpha=LR)
