"""Scenes in which something is wrong on one rank: what it does, and what the others are told."""

import os
import signal
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import torch
from bed import MINE, RANK, WAYS, WORLD, Bed, error_of

LAST = ("killed", "exits", "hangs")  # scenes that end rank 1
ODD = RANK == WORLD - 1  # the rank that is unlike the others


def one_rank_changed(out: Path) -> dict:
    """The last rank changes a weight of its own after three steps; a check comes every five."""
    found = {}
    for name, way in WAYS.items():
        for hidden in (False, True):  # from the count of writes that torch keeps
            bed = Bed(parallel="batch", check_replicas_every=5, **way)
            bed.run(3, MINE)
            if ODD:
                with torch.no_grad():
                    head = bed.theta["head"].data if hidden else bed.theta["head"]
                    head[0] += 1e-6
            error = error_of(lambda bed=bed: bed.run(4, MINE))
            found[f"{name}, hidden" if hidden else name] = {"error": error, "steps": bed.opt.steps, "hash": bed.hash()}
    return found


def closure_fails(out: Path) -> dict:
    """The closure of rank 1 fails in its third call of the second step, then works again."""
    found = {}
    for mode in ("batch", "probe"):
        for name, way in WAYS.items():
            bed = Bed(parallel=mode, probes=2 * WORLD, **way)
            bed.run(1)
            start, calls = bed.numbers(), len(bed.losses)
            bed.before_loss = lambda bed=bed, calls=calls: RANK == 1 and 1 / (len(bed.losses) - calls - 2)
            error = error_of(lambda bed=bed: bed.run(1))
            back, bed.before_loss = bed.numbers(), lambda: None
            bed.run(3)
            found[f"{mode}, {name}"] = {"error": error, "start": start, "back": back, "later": bed.hash()}
    return found


def batches_missing(out: Path) -> dict:
    """Rank 1 has one batch too few, which the optimizer says before it asks the closure."""
    bed = Bed(parallel="batch", probes=2, fresh_batches=True)
    rows = [MINE] * (1 if RANK == 1 else 2)
    return {
        "error": error_of(lambda: bed.opt.step(bed.loss, rows)),
        "later": error_of(lambda: bed.opt.step(bed.loss, [MINE] * 2)),
    }


def loss_not_finite(out: Path) -> dict:
    """Rank 1 has a loss of NaN in the second step, and none later."""
    found = {}
    for name, way in WAYS.items():
        bed = Bed(parallel="batch", **way)
        bed.run(1)
        start = bed.numbers()
        with warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter("always")
            loss = bed.opt.step(lambda: torch.nan if RANK == 1 else 0.0)
        said, back = [str(warning.message) for warning in warned], bed.numbers()
        bed.run(2)
        skipped = bed.opt.diagnostics.skipped
        outcome = {"loss": loss, "warned": said, "skipped": skipped, "start": start, "back": back}
        found[name] = outcome | {"later": bed.hash()}
    return found


def unlike_starts(out: Path) -> dict:
    """What the first step says where the last rank was built otherwise."""
    unlike = {
        "parallel": {"parallel": "probe" if ODD else "batch", "probes": WORLD},
        "seed": {"seed": 5 + ODD},
        "epsilon": {"epsilon": 1e-3 * (1 + ODD)},
        "probes": {"probes": 1 + ODD},
        "law": {"law": "gaussian" if ODD else "rademacher"},
        "estimator": {"estimator": "one-sided" if ODD else "two-sided"},
        "rule": {"rule": "momentum" if ODD else "sgd"},
        "fused": {"fused": ODD},
        "centre": {"centre": ODD},
        "check_replicas_every": {"check_replicas_every": 1 + ODD},
        "lr": {"lr": 0.05 + 0.01 * ODD},
        "params": {"width": 4 + ODD},
        "weights": {"init": 2 + ODD},
        "frozen weights": {"init": 2 + ODD, "frozen": ("weight", "bias")},
        "nothing": {},
    }
    beds = {name: Bed(**({"parallel": "batch"} | settings)) for name, settings in unlike.items()}
    beds["frozen weights"].theta["head"].data.fill_(1)  # alike in all that moves
    return {
        name: {"error": error_of(lambda bed=bed: bed.run(1)), "asked": len(bed.losses)} for name, bed in beds.items()
    }


def parting_ways(out: Path) -> dict:
    """What the next step says after three steps, when ranks were not treated alike."""
    found = {}
    for name, way in WAYS.items():
        beds = {action: Bed(parallel="batch", **way) for action in ("scheduled", "saved", "saved on all")}
        for action, bed in beds.items():
            bed.run(3, MINE)
            if action == "scheduled" and RANK == 0:
                bed.opt.param_groups[0]["lr"] /= 2
            if action == "saved on all" or (action == "saved" and RANK == 0):
                bed.opt.state_dict()
            found[f"{name}, {action}"] = error_of(lambda bed=bed: bed.run(1, MINE))
    return found


def odd_probes(out: Path) -> dict:
    return {"error": error_of(lambda: Bed(parallel="probe", probes=WORLD + 1))}


def leaves(how: Callable[[], None]) -> dict:
    """Rank 1 is gone, or hangs, in the middle of the second step: what the others see, and their weights."""
    if RANK != 1:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # the launcher's: they must end by themselves
    bed = Bed(parallel="batch", exact=True)
    bed.run(1)
    start = bed.numbers()
    bed.before_loss = lambda: how() if RANK == 1 and len(bed.losses) == 3 else None
    error = error_of(lambda: bed.run(1))
    return {"error": error, "restored": bed.numbers() == start}


def killed(out: Path) -> dict:
    return leaves(lambda: os.kill(os.getpid(), signal.SIGKILL))


def exits(out: Path) -> dict:
    return leaves(lambda: os._exit(0))


def hangs(out: Path) -> dict:
    return leaves(lambda: time.sleep(600))
