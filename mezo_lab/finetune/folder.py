"""The folder of a run: whether one may begin there, or go on, from where, and what an end before its time leaves."""

import errno
import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import fields
from pathlib import Path
from typing import IO, Any

from mezo_lab.finetune.plan import LOG, RESULT, Plan, read_plan

HOLDER = ".running"  # a file of the folder: locked while a process writes there, with the number of that process


class Stopped(Exception):
    """The user ended a run early; the message says how to go on with it."""


@contextmanager
def held(out: Path) -> Iterator[None]:
    """Hold the folder of a run for this process alone, before any work is done for it.

    The lock is the operating system's, which releases it when the process ends, in whatever way: a run that crashed
    does not block its own resume. A folder in which nothing was written is removed again.

    Raises: ValueError where another process holds it.
    """
    if out.exists() and not out.is_dir():
        raise ValueError(f"`out` must be a folder, or the name of a new one, {out} is a file: name another.")
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


def check_folder(out: Path, plan: Plan, resume: bool) -> None:
    """Raises: ValueError where a run would overwrite another, or go on with what is not there."""
    if not resume:
        if begun(out):
            raise ValueError(
                f"`out` must be a new folder, {out} holds a run: pass --resume to go on with it, or another."
            )
        return
    before = read_plan(out)
    if changed := [field.name for field in fields(Plan) if getattr(before, field.name) != getattr(plan, field.name)]:
        was, now = (getattr(each, changed[0]) for each in (before, plan))
        raise ValueError(f"`{changed[0]}` was {was!r} when {out} began, and is {now!r} now: leave it as it was.")
    if newest_checkpoint(out) is None:
        raise ValueError(
            f"`resume` needs a checkpoint in {out}, and there is none yet: remove the folder and start anew."
        )


def begun(out: Path) -> bool:
    """Whether a folder holds anything of a run but its plan, which may have been one that could not be run."""
    return any((out / name).exists() for name in (RESULT, LOG)) or any(out.glob("checkpoint-*"))


def newest_checkpoint(out: Path) -> Path | None:
    """The latest that is whole: a full disk leaves one without the state, which the Trainer writes last."""
    found = {int(folder.name.partition("-")[2]): folder for folder in out.glob("checkpoint-*") if state_of(folder)}
    return found[max(found)] if found else None


def kept(out: Path) -> str:
    """What is there to go on with, in words."""
    newest = newest_checkpoint(out)
    if newest is None:
        return f"there is no checkpoint yet: remove {out} and start anew"
    return f"{newest.name} is kept: the same command with --resume goes on"


def state_of(checkpoint: Path) -> dict[str, Any]:
    try:
        return json.loads((checkpoint / "trainer_state.json").read_text())
    except (OSError, ValueError):
        return {}
