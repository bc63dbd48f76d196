"""The folder of a run: which process holds it, whether a run may begin or go on there, and what an early end leaves."""

import errno
import json
import math
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import fields
from pathlib import Path
from typing import IO, Any

from mezo_lab.finetune.config import LOG, RESULT, START, RunConfig, read_config, write_whole
from mezo_lab.finetune.models.smollm2 import DIGESTS, sha256
from mezo_lab.optim.log import LogError, read_log

HOLDER = ".running"  # a file of the folder: locked while a process writes there, with the number of that process


class Stopped(Exception):
    """The user ended a run early; the message says how to go on with it, `code` is the exit status of a process."""

    def __init__(self, message: str, code: int = 130):
        super().__init__(message)
        self.code = code


@contextmanager
def hold_folder(out: Path) -> Iterator[None]:
    """Hold the folder of a run for this process alone, before any work is done for it.

    The lock is the operating system's, which releases it when the process ends, in whatever way: a run that crashed
    does not block its own resume. A folder in which nothing was written is removed again.

    Raises: ValueError where another process holds it.
    """
    check_name(out)
    was_there = out.exists()
    file = _locked(out)
    try:
        yield
    finally:
        # while it is still locked: who opened it before sees in `_locked` that it is gone
        with suppress(OSError):
            (out / HOLDER).unlink()
        file.close()
        if not was_there:
            with suppress(OSError):  # something was written
                out.rmdir()


def check_name(out: Path) -> None:
    """Raises: ValueError for a name that no folder can have, or that a file has."""
    if "\0" in str(out):
        raise ValueError(f"`out` must be the name of a folder, got {str(out)!r} with a NUL character: name another.")
    if out.exists() and not out.is_dir():
        raise ValueError(f"`out` must be a folder, or the name of a new one, {out} is a file: name another.")


def _locked(out: Path) -> IO[str]:
    while True:
        out.mkdir(parents=True, exist_ok=True)
        path = out / HOLDER
        try:
            file = open(path, "a+", encoding="utf-8")
        except FileNotFoundError:  # another run has just removed the folder
            continue
        if not _lock(file):
            with suppress(OSError):
                file.seek(0)
            holder = file.read().strip() or "another"
            file.close()
            raise ValueError(
                f"`out` must be a folder that no other run holds, {out} is held by process {holder}: wait for its end, "
                "or name another folder with --out."
            )
        try:
            same = os.path.samestat(os.fstat(file.fileno()), os.stat(path))
        except FileNotFoundError:
            same = False
        if same:
            file.truncate(0)
            file.write(str(os.getpid()))
            file.flush()
            return file
        file.close()  # removed by the run that held it, between the opening and the lock


def _lock(file: IO[str]) -> bool:
    """Whether the lock of a file is had, without waiting for it."""
    try:
        if sys.platform == "win32":
            import msvcrt

            # a byte far behind the text, so that another process can read who holds the folder
            os.lseek(file.fileno(), 2**30, os.SEEK_SET)
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        # any other error: a file system that knows no locks
        return error.errno not in (errno.EACCES, errno.EAGAIN, errno.EDEADLK)
    return True


def check_folder(out: Path, plan: RunConfig, resume: bool) -> None:
    """Clear what a run that never made a step has left.

    Raises: ValueError where a run would overwrite another, or go on with what is not there.
    """
    if not resume:
        if begun(out):
            raise ValueError(
                f"`out` must be a new folder, {out} holds a run: pass --resume to go on with it, or another."
            )
        (out / START).unlink(missing_ok=True)  # of another plan, it may be
        return
    before = read_config(out)
    if changed := [
        field.name for field in fields(RunConfig) if getattr(before, field.name) != getattr(plan, field.name)
    ]:
        was, now = (getattr(each, changed[0]) for each in (before, plan))
        raise ValueError(f"`{changed[0]}` was {was!r} when {out} began, and is {now!r} now: leave it as it was.")
    if not checkpoints(out):
        raise ValueError(f"`resume` needs a checkpoint in {out}, and there is none yet: {_without_checkpoint(out)}.")
    if plan.method == "mezo":
        _check_log(out)
    found, problems = resumable(out)
    if found is None:
        raise ValueError(
            f"`resume` needs a whole checkpoint in {out}, and there is none ({'; '.join(problems)}): "
            f"{_without_checkpoint(out)}."
        )


def _check_log(out: Path) -> None:
    """Raises: ValueError where the log of a run is gone or damaged: going on would begin another, of half a run."""
    try:
        read_log(out / LOG)
        return
    except FileNotFoundError:
        trouble = "is missing"
    except LogError as error:
        trouble = f"is damaged ({str(error).rstrip('.').partition(': ')[0]})"
    raise ValueError(
        f"`resume` needs {out / LOG}, the log of the run, which {trouble}: put it back as it was, or begin a new run "
        f"in another --out; {checkpoints(out)[0]} stays where it is, and from_pretrained loads it."
    )


def begun(out: Path) -> bool:
    """Whether a folder holds anything of a run but its plan, which may have been one that could not be run."""
    return any((out / name).exists() for name in (RESULT, LOG)) or any(out.glob("checkpoint-*"))


def checkpoints(out: Path) -> list[Path]:
    """All of a run, the latest first, whole or not."""
    found = [each for each in out.glob("checkpoint-*") if each.name.partition("-")[2].isdecimal()]
    return sorted(found, key=step_of, reverse=True)


def step_of(checkpoint: Path) -> int:
    return int(checkpoint.name.partition("-")[2])


def seal(checkpoint: Path) -> None:
    """Bring every file of a checkpoint onto the disk, and then, as the last one, their digests.

    A power cut leaves files that are there and hold nothing; a checkpoint is whole when its files are those of the
    digests. Cost: one pass of SHA-256.
    """
    digests = {}
    for file in sorted(path for path in checkpoint.iterdir() if path.is_file() and path.name != DIGESTS):
        _sync(file)
        digests[file.name] = sha256(file)
    write_whole(checkpoint / DIGESTS, json.dumps(digests, indent=1) + "\n")
    _sync(checkpoint)


def damage(checkpoint: Path) -> str | None:
    """The missing or damaged file of a checkpoint, in words; None where it is whole."""
    try:
        digests = json.loads((checkpoint / DIGESTS).read_bytes())
        for name, digest in digests.items():
            if not (checkpoint / name).is_file():
                return f"{checkpoint.name}/{name} is missing"
            if sha256(checkpoint / name) != digest:
                return f"{checkpoint.name}/{name} is damaged"
    except FileNotFoundError:
        return f"{checkpoint.name} was not written to its end"
    except (OSError, ValueError, AttributeError, TypeError):
        return f"{checkpoint.name}/{DIGESTS} is damaged"
    return None


def resumable(out: Path) -> tuple[Path | None, list[str]]:
    """(the latest checkpoint from which a run can go on, the damage of each later one).

    Its own files are whole, the files of the best so far are, which is loaded at the end, and the log reaches it.
    """
    problems: list[str] = []
    reach = _reach(out)
    for checkpoint in checkpoints(out):
        trouble = damage(checkpoint) or _damage_of_best(checkpoint)
        if trouble is None and step_of(checkpoint) > reach:
            trouble = f"{LOG} ends after step {reach:.0f}"
        if trouble is None:
            return checkpoint, problems
        problems.append(trouble)
    return None, problems


def newest_checkpoint(out: Path) -> Path | None:
    """The latest from which a run can go on."""
    return resumable(out)[0]


def _damage_of_best(checkpoint: Path) -> str | None:
    best = state_of(checkpoint).get("best_global_step") or 0
    if best in (0, step_of(checkpoint)):  # the start needs no file
        return None
    return damage(checkpoint.with_name(f"checkpoint-{best}"))


def _reach(out: Path) -> float:
    """How many steps the log of a run has; no bound where it has none, as backpropagation writes none."""
    try:
        return read_log(out / LOG).steps
    except (OSError, LogError):  # `_check_log` tells of it
        return math.inf


def kept(out: Path) -> str:
    """What is there to go on with, in words."""
    newest = newest_checkpoint(out)
    if newest is None:
        return f"there is no checkpoint yet: {_without_checkpoint(out)}"
    return f"{newest.name} is kept: the same command with --resume goes on"


def _without_checkpoint(out: Path) -> str:
    """What can be done with a run that has no checkpoint."""
    if (out / LOG).exists():
        return (
            f"`mezo-lab replay {out} --step last` rebuilds the weights from the log of its steps, and a new run needs "
            "another --out"
        )
    if begun(out):
        return "begin a new run in another --out"
    return "the same command without --resume begins anew"


def state_of(checkpoint: Path) -> dict[str, Any]:
    """What the Trainer has kept of a run; nothing where it cannot be read."""
    try:
        found = json.loads((checkpoint / "trainer_state.json").read_bytes())
        return found if isinstance(found, dict) else {}
    except (OSError, ValueError):
        return {}


def _sync(path: Path) -> None:
    """Bring a file, or the entries of a folder, onto the disk."""
    with suppress(OSError):  # Windows syncs neither a folder nor what is open for reading
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
