"""The log of a Trainer's run: begun at its first step, or gone on with from a checkpoint."""

import os

from mezo_lab.optim import Journal, MeZO
from mezo_lab.optim.journal import current_hash
from mezo_lab.replay import Event, LogWriter, StepRecord, read_log


def run_log(opt: MeZO, path: str | os.PathLike[str]) -> Journal:
    """The open log of an optimizer that has made no step yet, or whose steps so far are in the log at `path`.

    Raises: FileExistsError where a new run would write over another's log; LogError for a log of another run.
    """
    if os.path.exists(path):
        if not opt.steps:
            remedy = "resume_from_checkpoint=True goes on with the run that wrote it"
            raise FileExistsError(f"`log` must be a new file, got {path}: {remedy}.")
        drop_interrupted(opt, path)
    return Journal(opt, path, append=opt.steps > 0)


def drop_interrupted(opt: MeZO, path: str | os.PathLike[str]) -> None:
    """Take out of the log the walk of a step that was broken off right behind the checkpoint.

    It rounded the weights of that run, as its last hash tells, but not those of the checkpoint.
    """
    log = read_log(path)
    steps = opt.steps - log.header["first_step"]
    if not 0 <= steps <= log.steps:  # the Journal says what is wrong
        return
    log = read_log(path, until=steps)
    items = list(log)
    behind = [item for item in items if isinstance(item, Event) and item.step == opt.steps]
    hashes = [event.data for event in behind if event.kind == "hash"]
    if not hashes or hashes[-1] == current_hash(opt):
        return
    if not steps:  # there is nothing else in it
        os.remove(path)
        return
    last = [item for item in items if isinstance(item, StepRecord)][-1]
    columns = {name: log.header[name] for name in ("probes", "groups")}
    with LogWriter(path, log.header, append=True, until=steps - 1, **columns) as writer:
        writer.step(last.projected, last.rates)
        if any(event.kind == "flush" for event in behind):
            writer.event("flush")
