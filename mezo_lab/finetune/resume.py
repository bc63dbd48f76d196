"""Where a run goes on: at its newest whole checkpoint, or at the end of its log, from which it is rebuilt."""

import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from mezo_lab.finetune.config import RunConfig
from mezo_lab.finetune.run_folder import (
    LOG,
    RESULT,
    START,
    VALIDATION,
    Origin,
    ResumePoint,
    checkpoints,
    has_begun,
    latest_checkpoint,
    read_origin,
    read_run_config,
    step_of,
    trainer_state,
    without_checkpoint,
)
from mezo_lab.optim.log import LogError, VerifiedLog, read_log

# where things lie on a machine; with the log alone they may have moved, as the hash in it knows the weights, and the
# plan the rows
_PLACES = ("model", "data", "test_data", "device")
_OF_LOG = ("epsilon", "probes", "law", "seed")  # options that the header of a log holds as they are


def check_unchanged(folder: Path, plan: RunConfig, values: dict[str, Any], *, moved: bool = False) -> None:
    """Whether a run may go on with these options.

    Args: folder, plan: of the run. values: options by name. moved: whether model, data and device may be others.
    Raises: ValueError, naming the option that differs; `steps` may grow.
    """
    for name, now in values.items():
        before = getattr(plan, name)
        if before == now or (moved and name in _PLACES) or (name == "steps" and now > before):
            continue
        remedy = "leave it as it was"
        if name == "steps":
            remedy = "leave it out, or give more, which prolongs the run"
        raise ValueError(f"`{name}` was {before!r} when {folder} began, and is {now!r} now: {remedy}.")


def check_log(folder: Path, settings: Mapping[str, Any], *, argument: str = "run") -> None:
    """Raises: ValueError for a log whose steps had other settings. Args: settings: those of the plan, by name."""
    header = read_log(folder / LOG, until=0).header
    for name, value in settings.items():
        if name in header and header[name] != value:
            raise ValueError(
                f"`{argument}` has a {folder / LOG} that belongs to another plan: its `{name}` is {header[name]!r}, "
                f"and {value!r} in the plan. Put back the log of this run."
            )


def resume_point(config: RunConfig, out: Path, from_log: Path | None = None) -> ResumePoint:
    """Where a run goes on.

    Args: config: resolved. from_log: a folder whose log alone is read; None takes the newest checkpoint in `out` that
    is whole, and the log where there is none.
    Raises: ValueError where the run was another, or has left nothing to go on from.
    """
    folder = from_log or out
    plan = read_run_config(folder)
    own = {option.name: getattr(config, option.name) for option in fields(RunConfig)}
    check_unchanged(folder, plan, own, moved=from_log is not None)
    if from_log is not None and config.method != "mezo":
        raise ValueError(
            f"`from_log` must be the folder of a run with --method mezo, got {config.method}: copy its "
            "checkpoints, and pass --resume alone."
        )
    origin = read_origin(folder)
    log = None
    if config.method == "mezo" and (from_log is not None or has_begun(out)):
        log = _whole_log(folder)
        settings = {name: getattr(config, name) for name in _OF_LOG} | config.estimate
        check_log(folder, settings, argument="run" if from_log is None else "from_log")  # before anything is written
    checkpoint = None
    problems: list[str] = []
    if from_log is not None and log is not None:
        _check_out(out, from_log, log.size)
    else:
        checkpoint, problems = latest_checkpoint(out, log.steps if log else None)
    if checkpoint is not None:
        history = trainer_state(checkpoint).get("log_history", [])
        seconds = max((entry.get("seconds", 0.0) for entry in history), default=0.0)
        point = ResumePoint(checkpoint, tuple(problems), step_of(checkpoint), seconds, origin)
    elif log is not None:
        point = _end_of_log(folder, log, config, problems, origin)
    else:
        found = f"there is none ({'; '.join(problems)})" if problems else "there is none yet"
        raise ValueError(f"`resume` needs a whole checkpoint in {out}, and {found}: {without_checkpoint(out)}.")
    if config.steps > plan.steps:
        lengths = (*origin.lengths, (point.step, plan.steps))
        point = replace(point, origin=replace(origin, lengths=lengths))
    return replace(point, log_size=log.size if log else None)


def _end_of_log(folder: Path, log: VerifiedLog, config: RunConfig, problems: list[str], origin: Origin) -> ResumePoint:
    if log.steps > config.steps:
        raise ValueError(
            f"`steps` must be at least the {log.steps:,} that {log.path} holds, got {config.steps:,}: give more, or "
            "the log of this run."
        )
    seconds = max((entry.get("seconds", 0.0) for entry in read_evaluations(folder)), default=0.0)
    return ResumePoint(None, tuple(problems), log.steps, seconds, origin)


def _whole_log(folder: Path) -> VerifiedLog:
    """Raises: ValueError where the log of a run is missing or damaged: a resume would begin one in mid-run."""
    try:
        return read_log(folder / LOG)
    except FileNotFoundError:
        trouble = "is missing"
    except LogError as error:
        trouble = f"is damaged ({str(error).rstrip('.').partition(': ')[0]})"
    kept = ""
    if left := checkpoints(folder):
        kept = f"; {left[0]} stays where it is, and from_pretrained loads it"
    raise ValueError(
        f"`resume` needs {folder / LOG}, the log of the run, which {trouble}: put it back as it was, or begin a new "
        f"run in another --out{kept}."
    )


def check_rows(origin: Origin, rows: str) -> None:
    """Raises: ValueError where a run would go on with other rows. Args: rows: the digest of those of now."""
    if origin.rows is not None and origin.rows != rows:
        raise ValueError(
            "`data` must be the rows with which the run began, and others are read now: give the same file, with the "
            "same rows in the same order."
        )


def set_out(out: Path, source: Path | None, point: ResumePoint) -> None:
    """Prepare the folder of a run: with the log of `source`, and what that knows of scores.

    A torn tail is dropped from the log, and a log without a step goes altogether.

    Cost: some kilobytes.
    """
    if source is not None and not out.samefile(source):
        for name in (START, VALIDATION, LOG):
            (out / name).unlink(missing_ok=True)
            if (source / name).exists():
                shutil.copyfile(source / name, out / name)
    if not point.step:
        (out / LOG).unlink(missing_ok=True)
    elif point.log_size is not None:
        os.truncate(out / LOG, point.log_size)


def _check_out(out: Path, source: Path, size: int) -> None:
    """Raises: ValueError for a folder that holds another run than the one that took this log and came no further.

    Args: size: bytes of the log without a torn tail, which the copy may have lost.
    """
    if not has_begun(out) or out.samefile(source):
        return
    if not checkpoints(out) and not (out / RESULT).exists():
        log = (source / LOG).read_bytes()
        if (out / LOG).read_bytes() in (log, log[:size]):
            return
    raise ValueError(
        f"`out` must be a new folder beside --from-log, {out} holds a run: --resume alone goes on with it, or name "
        "another."
    )


def read_evaluations(folder: Path) -> list[dict[str, Any]]:
    """The evaluations of a run as it wrote them, in order; none where the file is missing or cannot be read."""
    try:
        entries = json.loads((folder / VALIDATION).read_bytes())["evaluations"]
        if all(map(_is_evaluation, entries)):
            return sorted(entries, key=lambda entry: entry["step"])
    except (OSError, ValueError, KeyError, TypeError):
        pass
    return []


def _is_evaluation(entry: Any) -> bool:
    """Whether an entry is whole: numbers, of which the loss may be missing, as no step before had a finite one."""
    numbers = [entry[name] for name in ("step", "value", "low", "high", "unanswered", "seconds")]
    if entry["loss"] is not None:
        numbers.append(entry["loss"])
    return all(type(number) in (int, float) for number in numbers)


def prolonged_line(config: RunConfig, point: ResumePoint) -> str | None:
    """What it means that a run has become longer; None where it has not."""
    if not point.origin.lengths:
        return None
    step, before = point.origin.lengths[-1]
    if step != point.step or before >= config.steps:
        return None
    text = f"prolonged after step {step:,} from {before:,} to {config.steps:,} steps, evaluated every {config.every:,}"
    if config.schedule == "constant":
        return f"{text}: as one run of {config.steps:,}"
    return (
        f"{text}: from now on the {config.schedule} schedule is that of {config.steps:,} steps, so that the run is not "
        "the one that it would have been with this length from its start"
    )
