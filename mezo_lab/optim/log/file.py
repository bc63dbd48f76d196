"""The file under a log: a regular file, one writer at a time, all of the bytes or none, errors that name the path."""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import FileIO
from pathlib import Path
from typing import BinaryIO

from mezo_lab.optim.log.format import LogError

try:
    import fcntl
except ImportError:  # Windows has no such locks: there only the length of the file betrays another writer
    fcntl = None


def open_for_reading(path: str | os.PathLike[str]) -> BinaryIO:
    """The open file. Raises: LogError where it is not a regular file, OSError where it cannot be opened."""
    mode = os.stat(path).st_mode
    if not stat.S_ISREG(mode):  # to open a pipe would wait for its writer
        kind = "a directory" if stat.S_ISDIR(mode) else "not a regular file"
        raise LogError(f"{path} is {kind}, and a log is a file: name the file.")
    return open(path, "rb")


@contextmanager
def path_in_errors(path: Path, advice: str) -> Iterator[None]:
    """Any OSError raised inside leaves with the path and the advice.

    >>> with path_in_errors(Path("run.log"), "make room"):
    ...     raise OSError(28, "No space left on device")
    Traceback (most recent call last):
    OSError: [Errno 28] No space left on device, make room: 'run.log'
    """
    try:
        yield
    except OSError as error:
        raise OSError(error.errno, f"{error.strerror or error}, {advice}", str(path)) from error


def lock(file: FileIO, path: Path) -> None:
    """Keep other writers out until `release` or the end of the process."""
    if fcntl is None:
        return
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise LogError(
            f"{path} is being written by another LogWriter: close that one, or choose another path."
        ) from None
    except OSError:  # some network file systems have no locks
        pass


def close_file(file: FileIO) -> None:
    """Close, and let other writers in."""
    if fcntl is not None:  # closing is not enough: a forked process may hold the same file open
        with suppress(OSError):
            fcntl.flock(file, fcntl.LOCK_UN)
    file.close()


def append(file: FileIO, end: int, data: bytes, path: Path) -> None:
    """Write all of the data at `end`, which must be where the file ends, or leave the file as it was.

    Raises: LogError where the file ends elsewhere. OSError where the system takes less than all.
    """
    length = os.fstat(file.fileno()).st_size
    if length != end:
        raise LogError(f"{path} was changed by another: {length:,} bytes, {end:,} expected. Continue with append=True.")
    rest = memoryview(data)
    try:
        while rest:
            rest = rest[file.write(rest) :]
    except BaseException:  # an interrupt too: no frame may follow half a frame
        with suppress(OSError):
            file.truncate(end)
            file.seek(end)
        raise
