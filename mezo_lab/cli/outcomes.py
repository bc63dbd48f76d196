"""How `mezo-lab verify` tests its jobs: in turn, in several processes, or with draws that ranks of torchrun share."""

import os
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from mezo_lab.environment.installation import NotInstalled

if TYPE_CHECKING:
    from mezo_lab.claims.selection import Job
    from mezo_lab.claims.workers import Outcome
    from mezo_lab.report import Progress

_WORTH = 8.0  # seconds of work for which the start of a further process, two or three seconds, pays


def process_count(planned: "Sequence[Job]", wanted: int | None, seconds: Sequence[float] | None) -> int:
    """How many processes test the jobs.

    Args:
        planned: the jobs. Those on a real model, which takes all threads, stay in this process.
        wanted: by --jobs; None: the cores, but no more processes than the run is long enough to gain from.
        seconds: that each job is expected to take; None: nobody knows.

    Raises: ValueError for --jobs under torchrun.
    """
    if ranks_of_torchrun() > 1:
        if wanted not in (None, 1):
            raise ValueError(
                f"--jobs must be 1 where torchrun has started {ranks_of_torchrun()} processes, which share the draws, "
                f"got {wanted}: leave it out."
            )
        return 1
    apart = sum(not job.claim.real for job in planned)
    if wanted is None:
        wanted = 1
        on_cpu = all(job.device == "cpu" for job in planned)
        if on_cpu and seconds is not None:
            wanted = min(cores(), 1 + int(sum(seconds) / _WORTH))
    return max(1, min(wanted, apart))


def cores() -> int:
    """The cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):  # not on macOS and Windows
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def outcomes(
    planned: "Sequence[Job]", processes: int, progress: "Progress", *, proofs: bool, **settings: Any
) -> "Generator[tuple[int, Outcome]]":
    """(index, outcome) of every job, in the order in which they are ready.

    Args:
        planned: the jobs.
        processes: how many test them; this one only collects, unless it is alone.
        progress: is told.
        proofs: whether verdicts say what is proved.
        settings: further arguments of `check`.
    """
    apart = []
    if processes > 1:
        apart = [index for index, job in enumerate(planned) if not job.claim.real]
    here = [index for index in range(len(planned)) if index not in set(apart)]
    for index, outcome in _of_both(planned, apart, here, processes, progress, settings):
        job = planned[index]
        if proofs and not isinstance(outcome, Exception):
            from mezo_lab.claims.selection import proof_of

            outcome = replace(outcome, proof=proof_of(job.claim, job.law))
        yield index, outcome


def _of_both(
    planned: "Sequence[Job]",
    apart: Sequence[int],
    here: Sequence[int],
    processes: int,
    progress: "Progress",
    settings: dict[str, Any],
) -> "Generator[tuple[int, Outcome]]":
    """The outcomes of the jobs that other processes test, and then of those that this one does."""
    from mezo_lab.claims import check, workers

    for place, outcome in workers.outcomes([planned[index] for index in apart], processes, **settings):
        progress.complete(apart[place])
        yield apart[place], outcome
    for index in here:
        job = planned[index]
        progress.begin(f"{job.claim.name} {job.law.name}", index)
        try:
            more = {"device": job.device, "experiment": job.experiment, "progress": progress.update}
            yield index, check(job.claim, job.law, job.parameters, **more, **settings)
        except NotInstalled as missing:
            yield index, missing


def ranks_of_torchrun() -> int:
    """How many processes torchrun has started; 1 without it."""
    return int(os.environ.get("WORLD_SIZE", 1))


def rank() -> int:
    """The number of this process among those of torchrun."""
    return int(os.environ.get("RANK", 0))


@contextmanager
def process_group() -> Iterator[bool]:
    """The process group of torchrun, whose ranks share the draws; yields whether there is one."""
    if ranks_of_torchrun() == 1:
        yield False
        return
    from torch import distributed

    distributed.init_process_group("gloo")
    try:
        yield True
    finally:
        distributed.destroy_process_group()
