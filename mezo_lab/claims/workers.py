"""Verdicts from several processes at once: the same, bit for bit, for any number of them.

Each worker is an executor of the standard library with one process, so that a process which dies takes one verdict with
it and names it. A verdict depends on its seed and parameters alone, and every process computes with one thread.
"""

import multiprocessing
import os
import signal
import sys
import threading
import time
from collections import deque
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing.context import SpawnContext
from multiprocessing.process import BaseProcess
from types import ModuleType
from typing import Any

import torch

from mezo_lab.claims.claim import Parameters, claim_named
from mezo_lab.claims.selection import Job
from mezo_lab.claims.trial import check
from mezo_lab.claims.verdict import Verdict
from mezo_lab.environment.installation import NotInstalled
from mezo_lab.sampling import KEYED_LAWS, law_named

__all__ = ["Lost", "Outcome", "outcomes"]

_AHEAD = 2  # jobs of a worker: one at work, and one that waits so that the process never does
_LOOKS = 100  # for an exit code, a second in all
_MOST_LOST = 3  # processes: after as many the machine is at fault, and not a claim


class Lost(Exception):
    """The process that tested a job has died; its text is a sentence."""


Outcome = Verdict | NotInstalled | Lost
"""What a test ends in: its verdict, or what kept it from one."""


def outcomes(planned: Sequence[Job], processes: int, **settings: Any) -> Generator[tuple[int, Outcome]]:
    """(index, outcome) of every job, in the order in which they are ready.

    The processes begin with the first jobs, and end with the iteration, however it ends: after an interrupt they are
    killed. They read nothing of the program that starts them, which so needs no `if __name__ == "__main__"`.

    Args:
        planned: the jobs, of claims and laws that the package brings, as a process knows no others; those on real
            models belong in the process of the caller, with all its threads.
        processes: how many.
        settings: further arguments of `check`.

    Yields: the verdict; NotInstalled for a job that needs more than is installed; Lost where the process died.
    Raises: what a job raised; ChildProcessError when processes die one after the other.
    """
    waiting = deque(enumerate(planned))
    workers = [_Worker(settings) for _ in range(min(processes, len(planned)))]
    lost = 0
    try:
        while True:
            for worker in workers:
                worker.feed(waiting)
            futures = [future for worker in workers for _, _, future in worker.tasks]
            if not futures:
                break
            wait(futures, return_when=FIRST_COMPLETED)
            for worker in workers:
                for index, outcome in worker.completed(waiting):
                    lost += isinstance(outcome, Lost)
                    if lost == _MOST_LOST:
                        raise ChildProcessError(f"{lost} processes have died, the last one so: {outcome}")
                    yield index, outcome
    finally:
        for worker in workers:
            worker.kill()  # idle at the end, when to leave in order would take it a second
        for worker in workers:
            worker.close()


class _Context(SpawnContext):
    """Starts processes, and knows the last one: that of its worker."""

    process: BaseProcess | None = None

    def Process(self, *arguments: Any, **options: Any) -> BaseProcess:
        self.process = super().Process(*arguments, **options)
        return self.process


class _Worker:
    """One process, and the jobs that it was given: the first is at work."""

    def __init__(self, settings: dict[str, Any]):
        self.tasks: deque[tuple[int, Job, Future[Verdict | NotInstalled]]] = deque()
        self._settings = settings
        self._executor = self._new_executor()

    def _new_executor(self) -> ProcessPoolExecutor:
        self._context = _Context()
        return ProcessPoolExecutor(1, self._context, initializer=_begin)

    @property
    def _process(self) -> BaseProcess | None:
        """The process; None before it has started."""
        process = self._context.process
        return process if process is not None and process.pid is not None else None

    def feed(self, waiting: deque[tuple[int, Job]]) -> None:
        """Take jobs from the queue until one is at work and another waits."""
        while waiting and len(self.tasks) < _AHEAD:
            index, job = waiting[0]
            try:
                future = self._submit(job)
            except BrokenProcessPool:  # the process has died since the last look
                if self.tasks:  # `completed` says so of the job at work
                    return
                self._replace()
                continue
            waiting.popleft()
            self.tasks.append((index, job, future))

    def _submit(self, job: Job) -> "Future[Verdict | NotInstalled]":
        arguments = (job.claim.name, job.law.name, job.parameters, job.device, self._settings)
        if self._process is not None:
            return self._executor.submit(_tested, *arguments)
        with _hidden_main(), _signals_blocked():  # the first job starts the process
            return self._executor.submit(_tested, *arguments)

    def completed(self, waiting: deque[tuple[int, Job]]) -> Iterator[tuple[int, Outcome]]:
        """The outcomes that are ready. After a death the job at work is lost, and the other one goes back."""
        while self.tasks and self.tasks[0][2].done():
            index, job, future = self.tasks.popleft()
            try:
                outcome: Outcome = future.result()
            except BrokenProcessPool:
                outcome = Lost(self._obituary(job))
                waiting.extendleft((index, job) for index, job, _ in reversed(self.tasks))
                self.tasks.clear()
                self._replace()
            except ValueError as error:  # from here: the frames of the executor say nothing
                raise error.with_traceback(None) from error.__cause__
            yield index, outcome

    def _replace(self) -> None:
        """Let a new process take the place of one that has died."""
        self.close()
        self._executor = self._new_executor()

    def _obituary(self, job: Job) -> str:
        ending = "died"
        if self._process is not None:
            self._process.kill()  # one that lives on, whose answer cannot be read, is deaf to the executor's SIGTERM
            code = _exit_code(self._process)
            if code is not None:
                ending = f"was killed by signal {-code}" if code < 0 else f"ended with exit code {code}"
        return (
            f"the process that tested {job.claim.name} with the {job.law.name} law {ending}, perhaps for want of "
            f"memory: `mezo-lab verify {job.claim.name} --law {job.law.name} --jobs 1` tries it alone."
        )

    def kill(self) -> None:
        """End the process at once, also where an interrupt came while it started."""
        if self._process is not None:
            self._process.kill()

    def close(self) -> None:
        """Wait until the process has ended."""
        self._executor.shutdown(cancel_futures=True)


def _exit_code(process: BaseProcess) -> int | None:
    """The exit code of a process that ends; None where nobody can tell."""
    process.join()
    for _ in range(_LOOKS):  # a thread of the executor may have it from the system, and be about to write it down
        if process.exitcode is not None:
            break
        time.sleep(0.01)
    return process.exitcode


def _tested(claim: str, law: str, parameters: Parameters, device: str, settings: dict[str, Any]):
    """The verdict on one job, in a worker. NotInstalled is a result, and no error of the worker."""
    try:
        return check(claim_named(claim), law_named(law, KEYED_LAWS), parameters, device=device, **settings)
    except NotInstalled as missing:
        return missing


def _begin() -> None:
    """Set up a worker: one thread, deaf to Ctrl-C, and no survivor of the process that started it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    torch.set_num_threads(1)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


@contextmanager
def _hidden_main() -> Iterator[None]:
    # a new process runs the file of `__main__` again, whose functions it might be sent; ours need nothing of it
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


@contextmanager
def _signals_blocked() -> Iterator[None]:
    """Start processes that a signal to the whole group, such as Ctrl-C, does not end: they end with this one."""
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})  # a mask is inherited
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
