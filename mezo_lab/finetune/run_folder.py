"""The folder of a run: its files, the process that holds it, and whether a run may begin or resume there."""

import errno
import json
import math
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import IO, Any

from mezo_lab.finetune.config import RunConfig
from mezo_lab.finetune.models.smollm2 import DIGESTS, sha256
from mezo_lab.optim.log import LogError, read_log

# the files of a run; START has the scores of the model before its first step
PLAN, START, RESULT, LOG = "plan.json", "start.json", "result.json", "run.mezo"
HOLDER = ".running"  # locked while a process writes in the folder; holds the number of that process


class Stopped(Exception):
    """The user ended a run early. The message says how to resume it; `code` is the exit status of the process."""

    def __init__(self, message: str, code: int = 130):
        super().__init__(message)
        self.code = code


@dataclass(frozen=True)
class ResumePoint:
    """Where a run begins: at the latest checkpoint from which it can resume, or anew."""

    checkpoint: Path | None = None
    """None: a new run."""
    problems: tuple[str, ...] = ()
    """What is wrong with each later checkpoint."""
    step: int = 0
    seconds: float = 0.0
    """The time that the run had taken before."""


NEW_RUN = ResumePoint()


def default_folder(config: RunConfig) -> Path:
    """The folder of a run that names none; it tells runs apart at a glance. Args: config: resolved.

    >>> str(default_folder(RunConfig(task="rotten-tomatoes/sentiment", seed=2).resolve()))
    'runs/smollm2-135m-rotten-tomatoes-sentiment-mezo-full-16-2'
    """
    size = config.shots or config.train
    task = config.task
    if config.data and config.owns_task():
        task = Path(config.data).stem
    parts = [Path(config.model).name, task, config.method]
    if config.trains:
        parts.append(config.tuning)
    parts += [size, config.seed]
    return Path("runs", re.sub(r"[^\w.-]+", "-", "-".join(map(str, parts))))


def write_whole(file: Path, text: str) -> None:
    """Write a file so that it is there whole or as it was, also after a power cut or on a full disk."""
    part = file.with_name(file.name + ".part")
    try:
        with open(part, "w", encoding="utf-8") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(part, file)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise OSError(error.errno, error.strerror, str(file)) from error


def write_run_config(config: RunConfig, folder: Path) -> None:
    """Write the configuration of a run beside its results."""
    write_whole(folder / PLAN, json.dumps(asdict(config), indent=1) + "\n")


def read_run_config(folder: Path) -> RunConfig:
    """The configuration of a run. Raises: ValueError for a folder without one, or one that cannot be read."""
    try:
        values: Any = json.loads((folder / PLAN).read_text())
        if not isinstance(values, dict):
            raise ValueError("it is no configuration")
        known = {option.name for option in fields(RunConfig)}
        if unknown := sorted(set(values) - known):
            raise ValueError(f"it has {unknown[0]!r}, which this version does not know")
        return RunConfig(**values)
    except FileNotFoundError:
        raise ValueError(
            f"`run` must be a folder that `mezo-lab finetune --out` wrote; {folder} has no {PLAN}."
        ) from None
    except (ValueError, RecursionError) as error:
        reason = str(error).rstrip(".")
        raise ValueError(
            f"`run` has a {folder / PLAN} that cannot be read ({reason}): use the version that wrote it."
        ) from None


@contextmanager
def hold_folder(out: Path) -> Iterator[None]:
    """Hold the folder of a run for this process alone, before any work is done for it.

    The lock is the operating system's, which releases it when the process ends, in whatever way: a run that crashed
    does not block its own resume. A folder in which nothing was written is removed again.

    Raises: ValueError where another process holds it.
    """
    check_name(out)
    existed = out.exists()
    holder = _locked_holder(out)
    try:
        yield
    finally:
        # removed while it is still locked: a process that opened it before sees in `_locked_holder` that it is gone
        with suppress(OSError):
            (out / HOLDER).unlink()
        holder.close()
        if not existed:
            with suppress(OSError):  # something was written
                out.rmdir()


def check_name(out: Path) -> None:
    """Raises: ValueError for a name that no folder can have, or that a file has."""
    if "\0" in str(out):
        raise ValueError(f"`out` must be the name of a folder, got {str(out)!r} with a NUL character: name another.")
    if out.exists() and not out.is_dir():
        raise ValueError(f"`out` must be a folder, or the name of a new one, {out} is a file: name another.")


def _locked_holder(out: Path) -> IO[str]:
    """The lock file of a folder, open, locked and holding the number of this process."""
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
        if _is_at(file, path):
            file.truncate(0)
            file.write(str(os.getpid()))
            file.flush()
            return file
        file.close()  # the run that held it removed it between the opening and the lock


def _is_at(file: IO[str], path: Path) -> bool:
    """Whether an open file is still the one of this name."""
    try:
        return os.path.samestat(os.fstat(file.fileno()), os.stat(path))
    except FileNotFoundError:
        return False


def _lock(file: IO[str]) -> bool:
    """Try to lock a file, without waiting. Returns: whether that worked."""
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


def clear_start(out: Path) -> None:
    """Make a folder ready for a new run: remove the scores that a run without a single step has left.

    Raises: ValueError where the new run would overwrite another.
    """
    if _begun(out):
        raise ValueError(f"`out` must be a new folder, {out} holds a run: pass --resume to resume it, or name another.")
    (out / START).unlink(missing_ok=True)


def check_resume(out: Path, config: RunConfig) -> ResumePoint:
    """The checkpoint from which a run resumes. Raises: ValueError where there is none, or the run was another."""
    earlier = read_run_config(out)
    for option in fields(RunConfig):
        before = getattr(earlier, option.name)
        now = getattr(config, option.name)
        if before != now:
            raise ValueError(
                f"`{option.name}` was {before!r} when {out} began, and is {now!r} now: leave it as it was."
            )
    if not _checkpoints(out):
        raise ValueError(f"`resume` needs a checkpoint in {out}, and there is none yet: {_without_checkpoint(out)}.")
    if config.method == "mezo":
        _check_log(out)
    checkpoint, problems = latest_checkpoint(out)
    if checkpoint is None:
        raise ValueError(
            f"`resume` needs a whole checkpoint in {out}, and there is none ({'; '.join(problems)}): "
            f"{_without_checkpoint(out)}."
        )
    history = _trainer_state(checkpoint).get("log_history", [])
    seconds = max((entry.get("seconds", 0.0) for entry in history), default=0.0)
    return ResumePoint(checkpoint, tuple(problems), _step_of(checkpoint), seconds)


def _check_log(out: Path) -> None:
    """Raises: ValueError where the log of a run is missing or damaged: a resume would begin one in mid-run."""
    try:
        read_log(out / LOG)
        return
    except FileNotFoundError:
        trouble = "is missing"
    except LogError as error:
        trouble = f"is damaged ({str(error).rstrip('.').partition(': ')[0]})"
    raise ValueError(
        f"`resume` needs {out / LOG}, the log of the run, which {trouble}: put it back as it was, or begin a new run "
        f"in another --out; {_checkpoints(out)[0]} stays where it is, and from_pretrained loads it."
    )


def _begun(out: Path) -> bool:
    """Whether a folder holds more of a run than its configuration, which may be one that could not be run."""
    return any((out / name).exists() for name in (RESULT, LOG)) or any(out.glob("checkpoint-*"))


def _checkpoints(out: Path) -> list[Path]:
    """All checkpoints of a run, the latest first, whole or not."""
    folders = [folder for folder in out.glob("checkpoint-*") if folder.name.partition("-")[2].isdecimal()]
    return sorted(folders, key=_step_of, reverse=True)


def _step_of(checkpoint: Path) -> int:
    return int(checkpoint.name.partition("-")[2])


def seal(checkpoint: Path) -> None:
    """Bring every file of a checkpoint onto the disk, and then, as the last one, their digests.

    A power cut leaves files that exist and hold nothing; a checkpoint is whole when its files match the digests.
    Cost: one pass of SHA-256.
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


def latest_checkpoint(out: Path) -> tuple[Path | None, list[str]]:
    """(the latest checkpoint from which a run can resume, the damage of each later one).

    Its own files are whole, so are those of the best checkpoint so far, which is loaded at the end, and the log reaches
    its step. Cost: one pass of SHA-256 over each checkpoint.
    """
    problems: list[str] = []
    last_step = _last_logged_step(out)
    for checkpoint in _checkpoints(out):
        trouble = damage(checkpoint) or _damage_of_best(checkpoint)
        if trouble is None and _step_of(checkpoint) > last_step:
            trouble = f"{LOG} ends after step {last_step:.0f}"
        if trouble is None:
            return checkpoint, problems
        problems.append(trouble)
    return None, problems


def _damage_of_best(checkpoint: Path) -> str | None:
    best = _trainer_state(checkpoint).get("best_global_step") or 0
    if best in (0, _step_of(checkpoint)):  # the start needs no file
        return None
    return damage(checkpoint.with_name(f"checkpoint-{best}"))


def _last_logged_step(out: Path) -> float:
    """The last step in the log of a run; infinite where it has no log, as backpropagation writes none."""
    try:
        return read_log(out / LOG).steps
    except (OSError, LogError):  # `_check_log` reports it
        return math.inf


def way_to_resume(out: Path) -> str:
    """What a run that ended early has left, and how to resume it, in words."""
    checkpoint, _ = latest_checkpoint(out)
    if checkpoint is None:
        return f"there is no checkpoint yet: {_without_checkpoint(out)}"
    return f"{checkpoint.name} is kept: the same command with --resume goes on"


def _without_checkpoint(out: Path) -> str:
    """What can be done with a run that has no checkpoint."""
    if (out / LOG).exists():
        return (
            f"`mezo-lab replay {out} --step last` rebuilds the weights from the log of its steps, and a new run needs "
            "another --out"
        )
    if _begun(out):
        return "begin a new run in another --out"
    return "the same command without --resume begins anew"


def _trainer_state(checkpoint: Path) -> dict[str, Any]:
    """The state that the Trainer wrote; empty where it cannot be read."""
    try:
        state = json.loads((checkpoint / "trainer_state.json").read_bytes())
    except (OSError, ValueError):
        return {}
    return state if isinstance(state, dict) else {}


def _sync(path: Path) -> None:
    """Bring a file, or the entries of a folder, onto the disk."""
    with suppress(OSError):  # Windows syncs neither a folder nor what is open for reading
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
