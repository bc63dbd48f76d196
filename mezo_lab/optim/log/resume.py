"""Continue a run log: whether it is that of the run that continues it, and the steps that are taken out of it."""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from mezo_lab.optim.checkpoint import CHANGEABLE, GROUP
from mezo_lab.optim.log.file import close_file, lock
from mezo_lab.optim.log.format import Event, LogError, StepRecord, header_difference
from mezo_lab.optim.log.reader import VerifiedLog, read_log
from mezo_lab.optim.log.verify import check_items, is_present_noise, verified_header
from mezo_lab.optim.log.writer import LogWriter

_SAME_RUN = ("fingerprint",)  # what two parts of one run have in common, beside their noise and fixed settings
_SAME_ON_EVERY_DEVICE = ("rademacher",)  # laws whose sums round alike, on a GPU too: a product with a sign is exact


def continued_log(path: str | os.PathLike[str], header: dict[str, Any], fixed: Iterable[str]) -> VerifiedLog:
    """The run log that a run continues, cut to the steps of the run.

    Args:
        path: the run log.
        header: the one with which the run would begin a log of its own now.
        fixed: the settings that are one for a whole run log.
    Raises: LogError where the log is missing, damaged before the end of the run, too short, or of another run.
    """
    steps = header["first_step"]
    remedy = f"rebuilds from the weights after step {steps:,} only"
    if not os.path.exists(path):
        raise LogError(
            f"{path} is missing, so there is no run log to go on with: put it back; or RunLog(opt, path) begins one, "
            f"which {remedy}."
        )
    logged = verified_header(read_log(path, until=0))
    own = {name: value for name, value in header.items() if name in _SAME_RUN or name in fixed}
    if header["law"] not in _SAME_ON_EVERY_DEVICE or any(header["weight_decay"]):
        own["compiled"] = header["compiled"]
    own["groups"] = len(header[GROUP[0]])
    if not is_present_noise(logged):
        own["noise"] = header["noise"]
    difference = header_difference(own, {name: logged[name] for name in own})
    if difference:
        raise LogError(f"{path} is the log of another run: {difference}. Another path starts a new one.")
    until = steps - logged["first_step"]
    if until < 0:
        raise LogError(f"{path} begins at step {logged['first_step']:,}, {-until:,} behind this run: start another.")
    try:
        log = read_log(path, until)
    except LogError:
        held = read_log(path).steps  # raises where the log is damaged, and says so
        raise LogError(
            f"{path} ends after {held} steps, {until - held} before this run: start another, which {remedy}."
        ) from None
    check_items(log, logged)
    _cut(log, bytes.fromhex(header["weights"]))
    return read_log(path, until)


def settings_at_the_end(log: VerifiedLog) -> dict[str, Any]:
    """The settings of the next step, of those that may change in a run log."""
    header = verified_header(log)
    settings = {name: header[name] for name in (*GROUP, *CHANGEABLE)}
    for item in log:
        if isinstance(item, Event) and isinstance(item.data, dict):
            settings |= {name: value for name, value in item.data.items() if name in settings}
    return settings


def ends_in_a_step(log: VerifiedLog) -> bool:
    """Whether no event is behind the last step."""
    last = None
    for item in log:
        last = item
    return isinstance(last, StepRecord)


def _cut(log: VerifiedLog, weights: bytes) -> None:
    """Take out of the file of `log` what comes behind it, and a walk that was broken off right behind its last step.

    Args: weights: the hash of the run's weights. Raises: LogError where the log ends at others, or is being written.
    """
    items = list(log)
    end = log.header["first_step"] + log.steps
    behind = [item for item in items if isinstance(item, Event) and item.step == end]
    hashes = [event.data for event in behind if event.kind == "hash"]
    broken_walk = any("moves" in event.data for event in behind if isinstance(event.data, dict))
    elsewhere = bool(hashes) and hashes[-1] != weights
    if elsewhere and not broken_walk:
        raise LogError(
            f"{log.path} has other weights than these after {log.steps:,} steps: load the weights and the state that "
            "the run had there, or replay it."
        )
    # A broken walk has rounded the weights of the run that made it, as its last hash shows, but not those of a
    # checkpoint that was taken before it. Without a hash behind it a replay does not make the walk either.
    if broken_walk and (elsewhere or not hashes):
        items = [item for item in items if item not in behind]
        items += [event for event in behind if event.kind == "flush"]
    elif not _is_longer(log):
        return
    _replace(log, items)


def _is_longer(log: VerifiedLog) -> bool:
    """Whether the file holds more than was read of it; a torn tail does not count."""
    try:
        whole = read_log(log.path)
    except LogError:  # damaged further on
        return True
    return whole.steps > log.steps or whole.size > log.size


def _replace(log: VerifiedLog, items: Iterable[StepRecord | Event]) -> None:
    """Let the file of a log hold these items, or all that it held where an exception comes between."""
    shorter = Path(f"{log.path}.mended")
    file = open(log.path, "r+b", buffering=0)
    try:
        lock(file, log.path)
        shorter.unlink(missing_ok=True)
        with LogWriter(shorter, log.header, probes=log.header["probes"], groups=log.header["groups"]) as writer:
            for item in items:
                if isinstance(item, StepRecord):
                    writer.step(item.projected, item.rates)
                else:
                    writer.event(item.kind, item.data)
        os.replace(shorter, log.path)
    finally:
        close_file(file)
