"""Several processes, one optimizer: only losses travel, and every replica makes the same step from them.

Batch-parallel: every rank evaluates the same z on a batch of its own, and losses are averaged. Probe-parallel: the
probes of a step are dealt out, which is n-SPSA in the time of fewer probes.
"""

from collections.abc import Sequence
from typing import Any

import torch
import torch.distributed as distributed

from mezo_lab.optim.estimates import Visit
from mezo_lab.replay import weights_hash

MODES = (None, "batch", "probe")


class Alone:
    """One process."""

    rank, world = 0, 1

    def evaluates(self, probe: int) -> bool:
        """Whether this rank asks its closure about this probe."""
        return True

    def combine(self, losses: dict[Visit, float], visits: Sequence[Visit], error: BaseException | None):
        """The losses of all ranks as one dictionary. Raises: the error of this rank, or of another."""
        if error is not None:
            raise error
        return losses

    def check_replicas(self, tensors: Sequence[torch.Tensor], step: int) -> None:
        """Raises: RuntimeError when replicas differ."""


class Ranks(Alone):
    """A process group of torch: gloo or nccl, as `torchrun` starts it.

    Cost on the wire: 8·(visits + 1) bytes per rank and step, and 16 for a check of the replicas.
    """

    def __init__(self, mode: str, group: Any = None):
        if not distributed.is_initialized():
            raise RuntimeError(
                f"`parallel={mode!r}` needs a process group: call torch.distributed.init_process_group()."
            )
        self.mode, self.group = mode, group
        self.rank, self.world = distributed.get_rank(group), distributed.get_world_size(group)
        on_gpu = distributed.get_backend(group) == "nccl"
        self.device = torch.device("cuda", torch.cuda.current_device()) if on_gpu else torch.device("cpu")

    def evaluates(self, probe: int) -> bool:
        return self.mode == "batch" or probe % self.world == self.rank

    def combine(self, losses, visits, error):
        mine = [float(error is not None), *(losses.get(visit, 0.0) for visit in visits)]
        table = self.gathered(torch.tensor(mine, dtype=torch.float64))  # (ranks, 1 + visits)
        if error is not None:
            raise error
        if table[:, 0].any():
            failed = ", ".join(str(rank) for rank in table[:, 0].nonzero().flatten().tolist())
            raise RuntimeError(f"the closure of rank {failed} failed, so no rank can make this step: see its error.")
        totals = table[:, 1:].sum(0) / (self.world if self.mode == "batch" else 1)
        if self.mode == "probe":  # θ itself, if it was asked for, was asked for by all
            totals = torch.where(torch.tensor([side == 0 for _, side in visits]), totals / self.world, totals)
        return dict(zip(visits, totals.tolist(), strict=True))

    def check_replicas(self, tensors, step):
        digest = torch.frombuffer(bytearray(weights_hash(tensors)), dtype=torch.uint8)
        hashes = self.gathered(digest)
        different = (hashes != hashes[0]).any(1).nonzero().flatten().tolist()
        if different:
            raise RuntimeError(
                f"replicas differ after step {step}: rank {different} has other weights than rank 0. Start all ranks "
                "from the same weights, seed and parameters, and change the weights on none of them alone."
            )

    def gathered(self, row: torch.Tensor) -> torch.Tensor:
        """The rows of all ranks, (ranks, …). A dead rank ends the others with an error, at the timeout or before."""
        row = row.to(self.device)
        rows = [torch.empty_like(row) for _ in range(self.world)]
        try:
            distributed.all_gather(rows, row, group=self.group)
        except RuntimeError as error:
            raise RuntimeError(
                f"rank {self.rank} has lost the others: one of them has died or hangs. {error}"
            ) from error
        return torch.stack(rows).cpu()


def ranks(mode: str | None, probes: int, group: Any = None) -> Alone:
    """The process group's part in a step. Raises: ValueError, RuntimeError."""
    if mode not in MODES:
        raise ValueError(f"`parallel` must be one of {', '.join(map(str, MODES))}; got {mode!r}.")
    if mode is None:
        return Alone()
    found = Ranks(mode, group)
    if mode == "probe" and probes % found.world:
        raise ValueError(
            f"`probes` must be a multiple of the {found.world} processes, got {probes}: deal out whole probes."
        )
    return found
