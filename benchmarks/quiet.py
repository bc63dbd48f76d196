"""A quiet machine: while something is measured, a long run in the background stands still.

A benchmark says `with quiet():`. A file in the folder below, named after a process, asks for silence as long as that
process holds it locked, which ends with the process; one with any other name, as `touch` makes it, until it is removed.
"""

import fcntl
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

FOLDER = Path(tempfile.gettempdir()) / f"mezo-lab-quiet-{os.getuid()}"  # of the machine: all checkouts share it
POLL = 1.0  # seconds between two looks


@contextmanager
def quiet(folder: Path = FOLDER) -> Iterator[None]:
    """While this lasts, long runs on this machine are stopped."""
    with _marked(folder, str(os.getpid())):
        if any(map(_is_held, folder.glob(".*"))):
            time.sleep(2 * POLL)  # in which the long run has looked
        yield


@contextmanager
def listening(folder: Path = FOLDER) -> Iterator[None]:
    """While this lasts, whoever asks for silence waits until this process has heard it."""
    with _marked(folder, f".{os.getpid()}"):
        yield


def is_asked_for(folder: Path = FOLDER) -> bool:
    """Whether somebody measures, or has asked for silence by hand."""
    if not folder.is_dir():
        return False
    marks = [mark for mark in folder.iterdir() if not mark.name.startswith(".")]
    return any(not mark.name.isdecimal() or _is_held(mark) for mark in marks)


@contextmanager
def _marked(folder: Path, name: str) -> Iterator[None]:
    folder.mkdir(mode=0o700, exist_ok=True)
    mark = folder / name
    with open(mark, "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        try:
            yield
        finally:
            mark.unlink(missing_ok=True)


def _is_held(mark: Path) -> bool:
    """Whether the process that made a mark still runs; one that was killed has left it, and holds it no longer."""
    try:
        with open(mark) as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except FileNotFoundError:
        pass
    return False
