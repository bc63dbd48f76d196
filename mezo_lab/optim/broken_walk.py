"""A log that ends in the walk of a step that was never made, as an interrupt leaves it."""

import os
import shutil

from mezo_lab.replay import Event, LogWriter, StepRecord, read_log


def drop_broken_walk(path: str | os.PathLike[str], steps: int, weights: bytes) -> None:
    """Take out of a log the walk that was broken off right behind `steps` steps, where it did not lead to `weights`.

    It rounded the weights of that run, as its last hash tells, but not those of a checkpoint taken before it.

    Args: steps: of the log, made before the checkpoint. weights: the hash of the checkpoint's.
    """
    log = read_log(path, until=steps)
    items = list(log)
    behind = [item for item in items if isinstance(item, Event) and item.step == log.header["first_step"] + steps]
    hashes = [event.data for event in behind if event.kind == "hash"]
    if not hashes or hashes[-1] == weights:
        return
    if not steps:  # there is nothing else in it
        os.remove(path)
        return
    last = [item for item in items if isinstance(item, StepRecord)][-1]
    columns = {name: log.header[name] for name in ("probes", "groups")}
    mended = f"{os.fspath(path)}.mended"
    shutil.copyfile(path, mended)  # the log itself changes whole or not at all
    with LogWriter(mended, log.header, append=True, until=steps - 1, **columns) as writer:
        writer.step(last.projected, last.rates)
        if any(event.kind == "flush" for event in behind):
            writer.event("flush")
    os.replace(mended, path)
