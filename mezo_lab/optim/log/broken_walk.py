"""A run log that is longer than the run it goes on with: cut to it, whole or not at all."""

import os
import shutil
from pathlib import Path

from mezo_lab.optim.log import Event, Log, LogError, LogWriter, StepRecord, read_log
from mezo_lab.optim.log.disk import lock, release


def cut_to(path: str | os.PathLike[str], log: Log, weights: bytes) -> None:
    """Take out of a run log what comes behind the steps of `log`, and the walk that was broken off right behind them.

    A broken walk has rounded the weights of the run that made it, as its last hash tells, but not those of a
    checkpoint taken before it.

    Args: log: of `path`, read until the steps that the run goes on from. weights: the hash of the run's weights.
    Raises: LogError where the log ends at other weights, or is being written.
    """
    items = list(log)
    end = log.header["first_step"] + log.steps
    behind = [item for item in items if isinstance(item, Event) and item.step == end]
    hashes = [event.data for event in behind if event.kind == "hash"]
    settings = [event.data for event in behind if isinstance(event.data, dict)]
    broken = any("moves" in data for data in settings)
    elsewhere = bool(hashes) and hashes[-1] != weights
    if elsewhere and not broken:
        raise LogError(
            f"{path} has other weights than these after {log.steps:,} steps: load the weights and the state that the "
            "run had there, or replay it."
        )
    drop = broken and (elsewhere or not hashes)  # a walk without a hash behind it is not walked by a replay
    if not drop and not longer(path, log):
        return
    mended = Path(f"{os.fspath(path)}.mended")
    file = open(path, "r+b", buffering=0)
    try:
        lock(file, Path(path))
        columns = {name: log.header[name] for name in ("probes", "groups")}
        mended.unlink(missing_ok=True)
        if drop and not log.steps:
            LogWriter(mended, log.header, **columns).close()
        else:
            shutil.copyfile(path, mended)
            with LogWriter(mended, log.header, append=True, until=log.steps - drop, **columns) as writer:
                if drop:
                    last = [item for item in items if isinstance(item, StepRecord)][-1]
                    writer.step(last.projected, last.rates)
                    if any(event.kind == "flush" for event in behind):
                        writer.event("flush")
        os.replace(mended, path)
    finally:
        release(file)


def longer(path: str | os.PathLike[str], log: Log) -> bool:
    """Whether a file holds more than a log that was read from it until some step; a torn tail is no more."""
    try:
        whole = read_log(path)
    except LogError:  # damaged further on
        return True
    return whole.steps > log.steps or whole.size > log.size
