"""Several processes, one optimizer: only losses travel, and every replica makes the same step from them.

Batch-parallel: every rank evaluates all points of a step on a batch of its own, all of one size, and the losses are
averaged. Probe-parallel: the probes are dealt out to the ranks, which is n-SPSA in the forward passes of n/ranks
probes; the ranks may share a batch or have one each.

A step costs each rank 8·(points + 2) bytes, whatever the model: whether it failed, a digest of its settings, and the
loss at each point. A comparison of the replicas costs 16, the handshake before the first step 24 more.

All functions here work on points, losses and settings, and none needs the optimizer.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as distributed
from torch import Tensor

from mezo_lab.optim.fingerprint import weights_hash
from mezo_lab.optim.stencils import CENTRE, Losses, Point

MODES = (None, "batch", "probe")
FAILED = 0  # column of the table that the ranks exchange: 1.0 where a rank raised an exception
DIGEST = 1  # column: digest of the rank's settings
LOSSES = 2  # the first column of losses


@dataclass(frozen=True)
class Replicas:
    """The processes that share the steps of an optimizer: torch's process group, gloo or nccl, as `torchrun` starts it.

    Where the group has both backends, the scalars take gloo.
    Assumptions: all ranks make the same calls of step, flush, eval and state_dict, since every move rounds the plain
    weights.
    Errors: an exception on one rank ends the step on all. A dead rank ends the others as soon as its connections break,
    a hanging one at the `timeout` of init_process_group; with nccl alone both do at the timeout.
    """

    mode: str
    """"batch" or "probe"."""
    rank: int
    world_size: int


def replicas_of(mode: str | None, probes: int) -> Replicas | None:
    """The processes that share a step; None for one process alone. Raises: ValueError, RuntimeError."""
    if mode not in MODES:
        raise ValueError(f"`parallel` must be one of {', '.join(map(repr, MODES))}; got {mode!r}.")
    if mode is None:
        return None
    if not distributed.is_initialized():
        raise RuntimeError(
            f"`parallel={mode!r}` needs a process group: call torch.distributed.init_process_group() before, in a "
            "program that torchrun starts."
        )
    replicas = Replicas(mode, distributed.get_rank(), distributed.get_world_size())
    if mode == "probe" and probes % replicas.world_size:
        raise ValueError(
            f"`probes` must be a multiple of the {replicas.world_size} processes, got {probes}: "
            f"{replicas.world_size} is one each."
        )
    return replicas


def own_points(replicas: Replicas, points: Sequence[Point]) -> list[Point]:
    """The points that this rank evaluates. θ itself is evaluated by every rank."""
    if replicas.mode == "batch":
        return list(points)
    return [(k, side) for k, side in points if side == 0 or _owner(k, replicas.world_size) == replicas.rank]


def _owner(probe: int, world_size: int) -> int:
    return probe % world_size


def handshake(replicas: Replicas, settings: dict[str, Any], tensors: Sequence[Tensor], step: int) -> None:
    """Before the first step. Raises: RuntimeError unless all ranks have the same settings and weights."""
    digests = _gathered(replicas, torch.tensor([_digest(settings)], dtype=torch.float64))  # (ranks, 1)
    _compare_settings(replicas, settings, digests[:, 0])
    compare_replicas(replicas, tensors, step)


def exchange(
    replicas: Replicas,
    points: Sequence[Point],
    losses: Losses,
    settings: dict[str, Any],
    error: BaseException | None,
) -> Losses:
    """One loss for each point, from the losses of all ranks.

    Args: losses: of this rank, at its own points. settings: must agree. error: what this rank raised.
    Raises: that error; RuntimeError where another rank failed, or has other settings.
    """
    row = [float(error is not None), _digest(settings), *(losses.get(point, 0.0) for point in points)]
    table = _gathered(replicas, torch.tensor(row, dtype=torch.float64))  # (ranks, 2 + points)
    if error is not None:
        raise error
    failed = table[:, FAILED].nonzero().flatten().tolist()
    if failed:
        raise RuntimeError(
            f"{_rank_list(failed)} failed, in the closure or before, so no rank makes this step: see the error there."
        )
    _compare_settings(replicas, settings, table[:, DIGEST])
    return dict(zip(points, merge(table[:, LOSSES:], points, replicas.mode).tolist(), strict=True))


def merge(table: Tensor, points: Sequence[Point], mode: str) -> Tensor:
    """One loss for each point. Args: table: (ranks, points), with zeros where a rank did not evaluate.

    >>> merge(torch.tensor([[1.0, 2.0], [3.0, 4.0]]), [(0, 1), (0, -1)], "batch")
    tensor([2., 3.])
    >>> merge(torch.tensor([[1.0, 0.0], [0.0, 4.0]]), [(0, 1), (1, 1)], "probe")
    tensor([1., 4.])
    """
    if mode == "batch":
        return table.mean(0)
    owners = torch.tensor([_owner(probe, len(table)) for probe, _ in points])
    losses = table.gather(0, owners[None])[0]
    if CENTRE not in points:
        return losses
    # Ranks with batches of their own have different L(θ), and a difference must be taken on one batch: shift the
    # losses of each rank so that its L(θ) becomes the mean one. Equal L(θ) shift by exactly 0.
    centres = table[:, points.index(CENTRE)]
    centre = centres[0] + (centres - centres[0]).mean()
    return losses + (centre - centres)[owners]


def compare_replicas(replicas: Replicas, tensors: Sequence[Tensor], step: int) -> None:
    """Raises: RuntimeError when the weights of the ranks differ."""
    own_hash = torch.frombuffer(bytearray(weights_hash(tensors)), dtype=torch.uint8)
    hashes = _gathered(replicas, own_hash)  # (ranks, 16)
    different = (hashes != hashes[0]).any(1).nonzero().flatten().tolist()
    if different:
        raise RuntimeError(
            f"replicas differ after {step} steps: {_rank_list(different)} has other weights than rank 0. Start all "
            "ranks from the same weights, and change them on none of them alone."
        )


def _compare_settings(replicas: Replicas, settings: dict[str, Any], digests: Tensor) -> None:
    """Raises: RuntimeError naming the first setting in which a rank differs from rank 0. Args: digests: (ranks,)."""
    if not (digests != digests[0]).any():
        return
    settings_of_all: list[Any] = [None] * replicas.world_size
    distributed.all_gather_object(settings_of_all, settings)
    for rank, theirs in enumerate(settings_of_all):
        for name in settings:
            there = repr(theirs.get(name))
            here = repr(settings_of_all[0].get(name))
            if name in theirs and there != here:
                raise RuntimeError(
                    f"`{name}` is {there} on rank {rank}, but {here} on rank 0, in step {settings['steps']}: give all "
                    "ranks the same parameters, settings, schedulers, and calls of flush(), eval() and state_dict()."
                )


def _gathered(replicas: Replicas, row: Tensor) -> Tensor:
    """The rows of all ranks, (ranks, …). Raises: RuntimeError when one of them is dead, or hangs."""
    if "cpu:" not in distributed.get_backend_config():
        row = row.cuda()
    rows = [torch.empty_like(row) for _ in range(replicas.world_size)]
    try:
        distributed.all_gather(rows, row)
    except RuntimeError as error:
        raise RuntimeError(
            f"rank {replicas.rank} has lost the others: one of them has ended, died or hangs. {error}"
        ) from error
    return torch.stack(rows).cpu()


def _digest(settings: dict[str, Any]) -> float:
    """48 bits of BLAKE2b, which a float64 holds."""
    return float(int.from_bytes(hashlib.blake2b(repr(settings).encode(), digest_size=6).digest(), "big"))


def _rank_list(ranks: Sequence[int]) -> str:
    return f"rank {', '.join(map(str, ranks))}"
