"""How long verdicts will take: what `benchmarks/verification.py` measured, at the speed of this machine."""

import json
import time
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from mezo_lab.claims.claim import Claim, Mode, claim_named
from mezo_lab.claims.selection import Job
from mezo_lab.sampling import LAWS, sample

__all__ = ["RESOLUTIONS", "expected_seconds", "reference_seconds"]

_RECORD = Path(__file__).with_name("costs.json")
RESOLUTIONS: dict[Mode, float] = {"fast": 0.03, "default": 0.01, "full": 0.01}
"""The relative error that each mode promises to see."""
_REFERENCE_DRAWS = 30_000  # of the norm factor, about 20 ms
_REFERENCE_NUMBERS = 80  # a draw


def expected_seconds(
    jobs: Sequence[Job], mode: Mode = "default", resolution: float | None = None, draws: int | None = None
) -> list[float] | None:
    """The seconds that each job will take in one process of this machine, about.

    Args:
        jobs: with the parameters of the mode.
        mode: that they belong to.
        resolution: of the run; None, that of the mode. Planned draws, and their time, grow as 1/resolution².
        draws: exactly so many; None plans them.

    Returns: seconds in the order of the jobs; None where one of them runs on a real model, or was never measured.
    """
    speed = reference_seconds() / _record()["reference_seconds"]
    finer = (RESOLUTIONS[mode] / (resolution or RESOLUTIONS[mode])) ** 2
    seconds = []
    for job in jobs:
        measured = _measured(job.claim, mode)
        if measured is None:
            return None
        experiment = job.experiment
        planned = experiment.draws is None and experiment.resolution is None
        if draws is not None:
            work = draws * experiment.numbers_per_draw / (_REFERENCE_DRAWS * _REFERENCE_NUMBERS)
            seconds.append(work * reference_seconds())
        else:
            seconds.append(measured * speed * (finer if planned else 1))
    return seconds


@cache
def reference_seconds() -> float:
    """How long this machine takes for a fixed piece of sampling: the least of three times, as others may disturb it."""
    experiment = claim_named("norm-factor").experiment(LAWS["gaussian"], dim=20, probes=4)
    times = []
    for _ in range(3):
        start = time.process_time()
        sample(experiment.draw, _REFERENCE_DRAWS, numbers_per_draw=_REFERENCE_NUMBERS, seed=0)
        times.append(time.process_time() - start)
    return min(times)


def _measured(claim: Claim, mode: Mode) -> float | None:
    """The seconds of one verdict, by the record; those of the default mode stand for a mode that was not measured."""
    costs = _record()["claims"].get(claim.name, {})
    return costs.get(mode, costs.get("default"))


@cache
def _record() -> dict[str, Any]:
    return json.loads(_RECORD.read_text(encoding="utf-8"))
