"""Scenes in which all goes well: several processes do what one would, and send next to nothing."""

from pathlib import Path

import torch
import torch.distributed as distributed
from bed import ALL, MINE, RANK, WAYS, WORLD, Bed
from torch.utils._python_dispatch import TorchDispatchMode

from mezo_lab.optim import RunLog


def compared(rows: slice, parallel: str, **settings) -> dict:
    """Three steps, together and by one process that has it all."""
    together, alone = Bed(parallel=parallel, **settings), Bed(**settings)
    together.run(3, rows)
    alone.run(3)
    share = len(together.losses) / len(alone.losses)
    return {"together": together.numbers(), "alone": alone.numbers(), "share": share}


def batches_split(out: Path) -> dict:
    """Each rank with a part of the batch, in float64."""
    more = {
        "one-sided": {"estimator": "one-sided"},
        "residual": {"estimator": "residual-feedback", "probes": 1},
        "sign": {"rule": "sign", "exact": True},
    }
    ways = (WAYS | more).items()
    return {name: compared(MINE, "batch", dtype=torch.float64, **({"probes": 2} | way)) for name, way in ways}


def probes_dealt_out(out: Path) -> dict:
    """Each rank with the whole batch and a share of the probes, in float32."""
    more = {
        "gaussian": {"law": "gaussian"},
        "orthogonal": {"law": "orthogonal", "exact": True},
        "one-sided": {"estimator": "one-sided"},
        "centre": {"centre": True, "exact": True},
        "momentum": {"rule": "momentum", "fused": True},
        "bfloat16": {"dtype": torch.bfloat16},
        "two each": {"probes": 2 * WORLD},
    }
    return {name: compared(ALL, "probe", **({"probes": WORLD} | way)) for name, way in (WAYS | more).items()}


def batches_of_their_own(out: Path) -> dict:
    """A step whose ranks have a probe and a batch each; and what one process finds on this rank's batch."""
    found = {}
    for name, way in {"one-sided": {"estimator": "one-sided"}, "centre": {"centre": True}}.items():
        together, alone = (Bed(parallel=mode, probes=WORLD, exact=True, **way) for mode in ("probe", None))
        together.run(1, MINE)
        alone.run(1, MINE)
        bend = together.opt.diagnostics.curvatures
        found[name] = {
            "together": together.opt.history[-1].projected,
            "alone": alone.opt.history[-1].projected,
            "curvature": bend.estimate().mean if bend.count else None,
            "losses": alone.losses,  # at θ, and at each point
        }
    return found


def fifty_steps(out: Path, device: str = "cpu") -> dict:
    """Hashes of the weights before and after, with a check of the replicas every seven steps."""
    found = {}
    for mode, rows in {"batch": MINE, "probe": ALL}.items():
        for name in ("plain", "exact, fused"):
            bed = Bed(device=device, parallel=mode, probes=WORLD, check_replicas_every=7, **WAYS[name])
            before = bed.hash()
            bed.run(50, rows)
            found[f"{mode}, {name}"] = [before, bed.hash()]
    return found


def on_gpus(out: Path) -> dict:
    """`fifty_steps`, a GPU to each rank."""
    torch.cuda.set_device(RANK)
    return fifty_steps(out, f"cuda:{RANK}")


def scheduled(bed: Bed, first: int, steps: int) -> None:
    """Steps at a rate that halves."""
    for group in bed.opt.param_groups:
        group.setdefault("initial_lr", 0.05)
    schedule = torch.optim.lr_scheduler.LambdaLR(bed.opt, lambda step: 0.5**step, last_epoch=first - 1)
    for _ in range(steps):
        bed.run(1)
        schedule.step()


def schedule_and_resume(out: Path) -> dict:
    """Hashes after six steps: in one process, in several, and in several from a checkpoint of rank 0 after three."""
    found, file, settings = {}, out / "checkpoint.pt", {"probes": WORLD, "fused": True}
    for name, parallel in {"one process": None, "several": "probe"}.items():
        bed = Bed(parallel=parallel, **settings)
        scheduled(bed, 0, 3)
        state = bed.opt.state_dict()  # on every rank, as it flushes
        if RANK == 0:
            torch.save([state, bed.theta], file)
        scheduled(bed, 3, 3)
        found[name] = bed.hash()
    distributed.barrier()
    state, weights = torch.load(file)
    resumed = Bed(parallel="probe", init=9, **settings)
    for name, tensor in resumed.theta.items():
        tensor.data.copy_(weights[name])
    resumed.opt.load_state_dict(state)
    scheduled(resumed, 3, 3)
    return found | {"resumed": resumed.hash()}


def a_log(out: Path) -> dict:
    """Rank 0 writes a log of ten steps, and all go on."""
    bed = Bed(parallel="probe", probes=WORLD)
    run_log = RunLog(bed.opt, out / "run.mezo") if RANK == 0 else None
    bed.run(10)
    logged = bed.hash()
    if run_log is not None:
        run_log.close()
    bed.run(1)
    return {
        "rank": bed.opt._replicas.rank,
        "world": bed.opt._replicas.world_size,
        "logged": logged,
        "after": bed.hash(),
    }


def random_numbers(out: Path) -> dict:
    """What a closure draws in three steps that share the draws of a probe; whether torch's state is as before."""
    found = {}
    for estimator in ("one-sided", "two-sided"):
        torch.manual_seed(RANK)
        bed, drawn = Bed(parallel="probe", probes=WORLD, common_random_numbers=True, estimator=estimator), []
        bed.before_loss = lambda drawn=drawn: drawn.append(float(torch.rand(())))
        bed.run(3)
        found[estimator] = drawn
    before = torch.get_rng_state()
    for mode in ("batch", "probe"):
        Bed(parallel=mode, probes=WORLD, check_replicas_every=1).run(3)
    return found | {"untouched": torch.equal(before, torch.get_rng_state())}


class Meter(TorchDispatchMode):
    """Notes every collective of torch.distributed, and the bytes that this rank puts in."""

    def __init__(self):
        super().__init__()
        self.sent: list[tuple[str, int]] = []

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        if function.namespace == "c10d":
            row = args[1][0] if function is torch.ops.c10d.allgather_.default else args[0][0]
            self.sent.append((str(function), row.numel() * row.element_size()))
        return function(*args, **(kwargs or {}))


def payload(out: Path) -> dict:
    """What each of four steps sends, for three probes and two sizes of the model; and what a gradient would."""
    found = {}
    for width in (4, 4_000):
        bed, found[width] = Bed(width=width, parallel="batch", probes=3, check_replicas_every=2), []
        for _ in range(4):
            with Meter() as meter:
                bed.run(1)
            found[width].append(meter.sent)
    with Meter() as meter:
        distributed.all_reduce(torch.zeros(20_000))
    return found | {"gradient": meter.sent}
