"""The folder of a run: its files, the process that holds it, and whether a run may begin or resume there."""

import errno
import json
import math
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import IO, Any

from mezo_lab.finetune.config import RunConfig
from mezo_lab.finetune.models.smollm2 import DIGESTS, sha256
from mezo_lab.optim.log import LogError, read_log

# the files of a run; START has the scores of the model before its first step, VALIDATION those of every evaluation
PLAN, START, VALIDATION, RESULT, LOG = "plan.json", "start.json", "validation.json", "result.json", "run.mezo"
_TRAINER_STATE = "trainer_state.json"  # which the Trainer of transformers writes into a checkpoint
HOLDER = ".running"  # locked while a process writes in the folder; holds the number of that process


class Stopped(Exception):
    """The user ended a run early. The message says how to resume it; `code` is the exit status of the process."""

    def __init__(self, message: str, code: int = 130):
        super().__init__(message)
        self.code = code


@dataclass(frozen=True)
class Origin:
    """What `plan.json` says of the beginning of a run, beside its configuration."""

    rows: str | None = None
    """The digest of its rows; None in a plan of an older version."""
    threads: int | None = None
    """Of the process that began it, on which the last digits of activations depend."""
    lengths: tuple[tuple[int, int], ...] = ()
    """(step at which the run was prolonged, its length until then)."""


@dataclass(frozen=True)
class ResumePoint:
    """Where a run begins: at the latest checkpoint from which it can resume, at the end of its log, or anew."""

    checkpoint: Path | None = None
    problems: tuple[str, ...] = ()
    """What is wrong with each later checkpoint."""
    step: int = 0
    """Without a checkpoint, the last step of the log; 0 is a new run."""
    seconds: float = 0.0
    """The time that the run had taken before."""
    origin: Origin = field(default_factory=Origin)
    log_size: int | None = None
    """Bytes of the log without a torn tail; None where there is none."""

    @property
    def rebuilds(self) -> bool:
        """Whether the weights are rebuilt from the log."""
        return self.checkpoint is None and self.step > 0


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


def write_run_config(config: RunConfig, folder: Path, origin: Origin | None = None) -> None:
    """Write the configuration of a run beside its results."""
    values = asdict(config)
    if origin is not None:
        values["origin"] = asdict(origin)
    write_whole(folder / PLAN, json.dumps(values, indent=1) + "\n")


def read_run_config(folder: Path) -> RunConfig:
    """The configuration of a run. Raises: ValueError for a folder without one, or one that cannot be read."""
    values = _read_plan(folder)
    values.pop("origin", None)
    with _refusing_plan(folder):
        known = {option.name for option in fields(RunConfig)}
        if unknown := sorted(set(values) - known):
            raise ValueError(f"it has {unknown[0]!r}, which this version does not know")
        return RunConfig(**values)


def read_origin(folder: Path) -> Origin:
    """What the plan of a run says of its beginning. Raises: as `read_run_config`."""
    values = _read_plan(folder).get("origin", {})
    with _refusing_plan(folder):
        if not isinstance(values, dict):
            raise ValueError("its origin is none")
        rows = values.get("rows")
        if not isinstance(rows, str | None):
            raise ValueError("its digest of rows is none")
        threads = values.get("threads")
        if threads is not None and (type(threads) is not int or not 0 < threads < 1 << 16):
            raise ValueError("its threads are no number of threads")
        lengths = values.get("lengths", [])
        if not isinstance(lengths, list) or not all(map(_are_steps, lengths)):
            raise ValueError("its lengths are no pairs of steps")
        return Origin(rows, threads, tuple((at, steps) for at, steps in lengths))


def _are_steps(pair: Any) -> bool:
    return isinstance(pair, list) and len(pair) == 2 and all(type(number) is int for number in pair)


def _read_plan(folder: Path) -> dict[str, Any]:
    with _refusing_plan(folder):
        values = json.loads((folder / PLAN).read_text())
        if not isinstance(values, dict):
            raise ValueError("it is no configuration")
        return values


@contextmanager
def _refusing_plan(folder: Path) -> Iterator[None]:
    """Raises: ValueError for a plan that is missing or cannot be read."""
    try:
        yield
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
        path = out / HOLDER
        try:
            out.mkdir(parents=True, exist_ok=True)
            file = open(path, "a+", encoding="utf-8")
        except (FileExistsError, FileNotFoundError):  # another run has just removed the folder
            if os.path.lexists(out) and not out.is_dir():
                raise
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
    if has_begun(out):
        raise ValueError(f"`out` must be a new folder, {out} holds a run: pass --resume to resume it, or name another.")
    (out / START).unlink(missing_ok=True)


def has_begun(out: Path) -> bool:
    """Whether a folder holds more of a run than its configuration, which may be one that could not be run."""
    return any((out / name).exists() for name in (RESULT, LOG)) or any(out.glob("checkpoint-*"))


def checkpoints(out: Path) -> list[Path]:
    """All checkpoints of a run, the latest first, whole or not."""
    folders = [folder for folder in out.glob("checkpoint-*") if folder.name.partition("-")[2].isdecimal()]
    return sorted(folders, key=step_of, reverse=True)


def step_of(checkpoint: Path) -> int:
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


def latest_checkpoint(out: Path, logged: int | None = None) -> tuple[Path | None, list[str]]:
    """(the latest checkpoint from which a run can resume, the damage of each later one).

    Its own files are whole, and the log reaches its step. The best checkpoint so far, which is loaded at the end, is
    whole too, or there is a log that rebuilds it. Cost: one pass of SHA-256 over each checkpoint.

    Args: logged: the steps of the log; None reads it.
    """
    problems: list[str] = []
    last_step = _last_logged_step(out) if logged is None else logged
    for checkpoint in checkpoints(out):
        trouble = damage(checkpoint)
        if trouble is None and not (checkpoint / _TRAINER_STATE).is_file():
            trouble = f"{checkpoint.name} holds a model and not the state of its run"
        if trouble is None and math.isinf(last_step):
            trouble = _damage_of_best(checkpoint)
        if trouble is None and step_of(checkpoint) > last_step:
            trouble = f"{LOG} ends after step {last_step:.0f}"
        if trouble is None:
            return checkpoint, problems
        problems.append(trouble)
    return None, problems


def _damage_of_best(checkpoint: Path) -> str | None:
    best = trainer_state(checkpoint).get("best_global_step") or 0
    if best in (0, step_of(checkpoint)):  # the start needs no file
        return None
    return damage(checkpoint.with_name(f"checkpoint-{best}"))


def _last_logged_step(out: Path) -> float:
    """The last step in the log of a run; infinite where it has no log, as backpropagation writes none."""
    try:
        return read_log(out / LOG).steps
    except (OSError, LogError):  # `resume_point` reports it
        return math.inf


def way_to_resume(out: Path) -> str:
    """What a run that ended early has left, and how to resume it, in words."""
    checkpoint, _ = latest_checkpoint(out)
    if checkpoint is None:
        return f"there is no checkpoint yet: {without_checkpoint(out)}"
    return f"{checkpoint.name} is kept: the same command with --resume goes on"


def without_checkpoint(out: Path) -> str:
    """What can be done with a run that has no checkpoint."""
    if (steps := _last_logged_step(out)) > 0 and not math.isinf(steps):
        return f"{LOG} holds {steps:,.0f} steps, and the same command with --resume goes on from the last"
    if has_begun(out):
        return "begin a new run in another --out"
    return "the same command without --resume begins anew"


def trainer_state(checkpoint: Path) -> dict[str, Any]:
    """The state that the Trainer wrote; empty where it cannot be read."""
    try:
        state = json.loads((checkpoint / _TRAINER_STATE).read_bytes())
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
