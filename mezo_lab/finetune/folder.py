"""The folder of a run: whether one may begin there, or go on, from where, and what an end before its time leaves."""

import json
from dataclasses import fields
from pathlib import Path
from typing import Any

from mezo_lab.finetune.plan import LOG, RESULT, Plan, read_plan


class Stopped(Exception):
    """The user ended a run early; the message says how to go on with it."""


def check_folder(out: Path, plan: Plan, resume: bool) -> None:
    """Raises: ValueError where a run would overwrite another, or go on with what is not there."""
    if out.exists() and not out.is_dir():
        raise ValueError(f"`out` must be a folder, or the name of a new one, {out} is a file: name another.")
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
