"""Several processes, one optimizer: only losses travel, and every replica makes the same step from them.

Batch-parallel: every rank evaluates the same z on a batch of its own, all of one size, and the losses are averaged.
Probe-parallel: the probes of a step are dealt out, which is n-SPSA in the forward passes of n/ranks probes; the ranks
may share a batch or have one each.
"""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import torch
import torch.distributed as distributed
from torch import Tensor

from mezo_lab.optim import checkpoint, layout
from mezo_lab.optim.closure import Asking
from mezo_lab.optim.log import fingerprint, weights_hash
from mezo_lab.optim.stencils import Visit

if TYPE_CHECKING:
    from mezo_lab.optim.mezo import MeZO

Losses = dict[Visit, float]

MODES = (None, "batch", "probe")
SHARED = ("check_replicas_every",)  # beside the settings of its steps
GROUP = ("lr", *checkpoint.GROUP)


class Alone:
    """One process."""

    rank, world = 0, 1

    def evaluates(self, visit: Visit) -> bool:
        """Whether this rank asks its closure at this point."""
        return True

    def losses(self, opt: "MeZO", prepared: Callable[[], Asking]) -> Losses:
        """The loss at each point of a step, the weights being left displaced.

        Raises: what `prepared` and the closure raise; RuntimeError for another rank's error.
        """
        return self.walk(opt, prepared(), iter(opt.visits()))

    def walk(self, opt: "MeZO", ask: Asking, way: Iterator[Visit]) -> Losses:
        """The losses at the points where this rank asks its closure, on the way through all."""
        if opt.check_closure and not opt.steps:
            ask.check_repeats()
        visits = opt.visits()
        own = [visit for visit in visits if self.evaluates(visit)]
        centred, losses = (0, 0) in visits, {}
        for visit in way:
            if opt.go(visit):
                last = visit == own[-1] or (visit[1] == -1 and not centred)
                losses[visit] = opt.ask(ask, visit, last, check=visit == own[-1])
        return losses

    def check_replicas(self, tensors: Sequence[Tensor], step: int) -> None:
        """Raises: RuntimeError when replicas differ."""


class Ranks(Alone):
    """The process group of torch, gloo or nccl, as `torchrun` starts it; where it has both, scalars take gloo.

    Claim: a step costs each rank 8·(points + 2) bytes, whatever the model: failed or not, a digest of the settings,
    and the loss at each point. A check of the replicas costs 16, the first step 24 more.
    Assumptions: all ranks make the same calls of step, flush, eval and state_dict: in plain mode every move rounds.
    Errors: whatever is wrong on one rank ends the step on all. A dead rank ends the others as soon as its connections
    break, one that hangs at the `timeout` of init_process_group; with nccl alone both do at the timeout.
    """

    def __init__(self, mode: str):
        if not distributed.is_initialized():
            raise RuntimeError(
                f"`parallel={mode!r}` needs a process group: call torch.distributed.init_process_group() before, "
                "in a program that torchrun starts."
            )
        self.mode, self.met = mode, False
        self.rank, self.world = distributed.get_rank(), distributed.get_world_size()

    def evaluates(self, visit: Visit) -> bool:
        probe, side = visit
        return self.mode == "batch" or side == 0 or self.owner(probe) == self.rank

    def owner(self, probe: int) -> int:
        return probe % self.world

    def losses(self, opt: "MeZO", prepared: Callable[[], Asking]) -> Losses:
        self.meet(opt)
        way, found, error = iter(opt.visits()), {}, None
        try:
            found = self.walk(opt, prepared(), way)
        except BaseException as raised:  # the others wait for a word, also of an interrupt
            error = raised
            for visit in way:  # to the end, so that all ranks round alike
                opt.go(visit)
        return self.combine(opt, found, error)

    def meet(self, opt: "MeZO") -> None:
        """Before the first step. Raises: RuntimeError unless all ranks have the same settings and weights."""
        if self.met:
            return
        engine = opt.ready()
        given = [(name, tensor) for name, tensor, _ in layout.named(opt.param_groups)]
        mine = self.settings(opt) | {"params": fingerprint(given)}
        self.check_settings(mine, self.gathered(torch.tensor([digest(mine)], dtype=torch.float64))[:, 0])
        frozen = [tensor for _, tensor in given if not tensor.requires_grad]
        self.check_replicas([*engine.position.weights(), *frozen], opt.steps)
        self.met = True

    def combine(self, opt: "MeZO", losses: Losses, error: BaseException | None) -> Losses:
        """The losses of all ranks as one dictionary."""
        visits, mine = opt.visits(), self.settings(opt)
        row = [float(error is not None), digest(mine), *(losses.get(visit, 0.0) for visit in visits)]
        table = self.gathered(torch.tensor(row, dtype=torch.float64))  # (ranks, 2 + visits)
        if error is not None:
            raise error
        if failed := table[:, 0].nonzero().flatten().tolist():
            raise RuntimeError(
                f"{told(failed)} failed, in the closure or before, so no rank makes this step: see the error there."
            )
        self.check_settings(mine, table[:, 1])
        return dict(zip(visits, self.merged(table[:, 2:], visits).tolist(), strict=True))

    def settings(self, opt: "MeZO") -> dict[str, Any]:
        """What must be the same on all ranks at every step, by name."""
        assert opt.engine is not None  # they have met
        fixed = {name: getattr(opt, name) for name in SHARED} | checkpoint.settings(opt)
        groups = {name: [float(group[name]) for group in opt.param_groups] for name in GROUP}
        # in plain mode every sweep rounds, so one that a rank makes alone, as in a flush, would part the replicas
        sweeps = None if opt.exact else opt.engine.cost.sweeps
        return {"parallel": self.mode, **fixed, **groups, "steps": opt.steps, "sweeps": sweeps}

    def merged(self, table: Tensor, visits: Sequence[Visit]) -> Tensor:
        """One loss for each point. Args: table: (ranks, visits), with zeros where a rank was not asked."""
        if self.mode == "batch":
            return table.mean(0)
        owners = torch.tensor([self.owner(probe) for probe, _ in visits])
        found = table.gather(0, owners[None])[0]
        if (0, 0) not in visits:
            return found
        # ranks with batches of their own have other L(θ): a difference must be taken on one batch; equal ones add 0
        centres = table[:, visits.index((0, 0))]
        centre = centres[0] + (centres - centres[0]).mean()
        return found + (centre - centres)[owners]

    def check_settings(self, mine: dict[str, Any], digests: Tensor) -> None:
        """Raises: RuntimeError naming the first setting in which a rank differs from rank 0. digests: (ranks,)."""
        if not (digests != digests[0]).any():
            return
        all_of_them: list[Any] = [None] * self.world
        distributed.all_gather_object(all_of_them, mine)
        pairs = [(rank, name) for rank, theirs in enumerate(all_of_them) for name in mine if name in theirs]
        for rank, name in pairs:
            there, here = repr(all_of_them[rank][name]), repr(all_of_them[0][name])
            if there != here:
                raise RuntimeError(
                    f"`{name}` is {there} on rank {rank}, but {here} on rank 0, in step {mine['steps']}: give all "
                    "ranks the same parameters, settings, schedulers, and calls of flush(), eval() and state_dict()."
                )

    def check_replicas(self, tensors: Sequence[Tensor], step: int) -> None:
        hashes = self.gathered(torch.frombuffer(bytearray(weights_hash(tensors)), dtype=torch.uint8))  # (ranks, 16)
        if different := (hashes != hashes[0]).any(1).nonzero().flatten().tolist():
            raise RuntimeError(
                f"replicas differ after {step} steps: {told(different)} has other weights than rank 0. Start all ranks "
                "from the same weights, and change them on none of them alone."
            )

    def gathered(self, row: Tensor) -> Tensor:
        """The rows of all ranks, (ranks, …). Raises: RuntimeError when one of them is dead, or hangs."""
        row = row if "cpu:" in distributed.get_backend_config() else row.cuda()
        rows = [torch.empty_like(row) for _ in range(self.world)]
        try:
            distributed.all_gather(rows, row)
        except RuntimeError as error:
            raise RuntimeError(
                f"rank {self.rank} has lost the others: one of them has ended, died or hangs. {error}"
            ) from error
        return torch.stack(rows).cpu()


def digest(settings: dict[str, Any]) -> float:
    """48 bits of BLAKE2b, which a float64 holds."""
    return float(int.from_bytes(hashlib.blake2b(repr(settings).encode(), digest_size=6).digest(), "big"))


def told(ranks: Sequence[int]) -> str:
    return f"rank {', '.join(map(str, ranks))}"


def ranks(mode: str | None, probes: int) -> Alone:
    """The other processes' part in a step. Raises: ValueError, RuntimeError."""
    if mode not in MODES:
        raise ValueError(f"`parallel` must be one of {', '.join(map(repr, MODES))}; got {mode!r}.")
    if mode is None:
        return Alone()
    found = Ranks(mode)
    if mode == "probe" and probes % found.world:
        raise ValueError(
            f"`probes` must be a multiple of the {found.world} processes, got {probes}: {found.world} is one each."
        )
    return found
