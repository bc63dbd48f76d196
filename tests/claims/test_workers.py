"""Several processes give the verdicts of one; one that dies takes one verdict with it; none outlives the run."""

import multiprocessing
import os
import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest

from mezo_lab.claims import check, claim_named, workers
from mezo_lab.claims.selection import Job, jobs
from mezo_lab.sampling import LAWS

QUICK = Job(claim_named("norm-factor"), LAWS["gaussian"], {"dim": 6, "probes": 2})
LONG = {"draws": 10**12}


@contextmanager
def when_a_process_starts(act: Callable[[BaseProcess], None], times: int = 1) -> Iterator[None]:
    """Do something to each of the first processes that start."""
    before = set(multiprocessing.active_children())
    ended = threading.Event()

    def watch() -> None:
        seen = set(before)
        while len(seen - before) < times and not ended.is_set():
            time.sleep(0.01)
            for process in set(multiprocessing.active_children()) - seen:
                seen.add(process)
                act(process)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def alike(one, other) -> bool:
    """Whether two verdicts differ in nothing but the time that they took."""
    fields = {name for name in vars(one) if name != "seconds"}
    return all(getattr(one, name) == getattr(other, name) for name in fields)


@pytest.mark.parametrize("processes", [2, 3])
def test_every_number_of_processes_gives_the_same_verdicts_bit_for_bit(processes):
    planned = jobs(["low-rank", "isotropic", "replay"], law="gaussian", mode="fast")
    found = dict(workers.outcomes(planned, processes, resolution=0.05))
    assert found.keys() == set(range(len(planned)))
    for index, job in enumerate(planned):
        alone = check(job.claim, job.law, job.parameters, resolution=0.05)
        assert alike(found[index], alone)
        assert getattr(found[index], "claim", None) is job.claim
    other = check(planned[0].claim, planned[0].law, planned[0].parameters, resolution=0.05, seed=1)
    assert not alike(found[0], other)


def test_a_process_that_dies_takes_one_verdict_with_it_and_names_it():
    other = Job(claim_named("unbiased"), LAWS["sphere"], {"dim": 8, "probes": 2})
    with when_a_process_starts(lambda process: process.kill()):
        found = dict(workers.outcomes([other, QUICK], 1, resolution=0.05))
    assert isinstance(found[0], workers.Lost)
    assert str(found[0]) == (
        "the process that tested unbiased with the sphere law was killed by signal 9, perhaps for want of memory: "
        "`mezo-lab verify unbiased --law sphere --jobs 1` tries it alone."
    )
    assert alike(found[1], check(QUICK.claim, QUICK.law, QUICK.parameters, resolution=0.05))


def test_a_machine_on_which_every_process_dies_is_told_after_the_third():
    with when_a_process_starts(lambda process: process.kill(), times=3):
        with pytest.raises(ChildProcessError, match=r"3 processes have died, the last one so: .* --jobs 1` tries it"):
            list(workers.outcomes([QUICK] * 5, 1))
    assert multiprocessing.active_children() == []


@pytest.fixture
def worker():
    """One that has a job."""
    one = workers._Worker({"resolution": 0.05})
    one.feed(deque([(0, QUICK)]))
    assert one._process is not None
    yield one
    one.kill()
    one.close()


def test_a_process_that_dies_between_two_jobs_is_replaced(worker):
    wait([worker.tasks[0][2]])
    ((_, first),) = worker.completed(deque())
    worker._process.kill()
    with pytest.raises(BrokenProcessPool):
        while True:  # until it is known that the process is gone
            worker._executor.submit(int).result()
    waiting = deque([(1, QUICK)])
    worker.feed(waiting)
    wait([worker.tasks[0][2]])
    ((_, second),) = worker.completed(waiting)
    assert not waiting and alike(first, second)


def test_a_process_that_has_died_at_work_takes_no_other_job(worker):
    worker._process.kill()
    wait([worker.tasks[0][2]])
    waiting = deque([(1, QUICK)])
    worker.feed(waiting)
    ((index, outcome),) = worker.completed(waiting)
    assert index == 0 and isinstance(outcome, workers.Lost) and list(waiting) == [(1, QUICK)]


def test_a_process_whose_answer_cannot_be_read_is_not_waited_for(worker):
    assert "was killed by signal 9" in worker._obituary(QUICK)  # the test hangs where it is


def test_an_interrupt_ends_every_process():
    with when_a_process_starts(lambda process: os.kill(os.getpid(), signal.SIGINT)):
        with pytest.raises(KeyboardInterrupt):
            next(workers.outcomes([QUICK] * 3, 2, **LONG))
    assert multiprocessing.active_children() == []


def test_a_run_of_which_nobody_wants_the_rest_ends_every_process():
    run = workers.outcomes([QUICK, QUICK], 1, resolution=0.05)
    next(run)
    run.close()
    assert multiprocessing.active_children() == []


def test_an_error_in_a_process_is_raised_as_if_there_were_one():
    with pytest.raises(ValueError, match=r"`draws` must be at least 2, got 1: .* raise --draws") as raised:
        list(workers.outcomes([QUICK], 1, draws=1))
    assert Path(raised.traceback[-1].path).name == "workers.py"  # where `mezo-lab` looks for what was not foreseen
