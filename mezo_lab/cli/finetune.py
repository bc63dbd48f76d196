"""`mezo-lab finetune`: train a language model with forward passes only, or evaluate it without training."""

import argparse
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from mezo_lab.cli.config_options import add_config_options, check_effect, given_fields
from mezo_lab.cli.options import folder
from mezo_lab.finetune.config import RunConfig, from_preset


def add_options(command: argparse.ArgumentParser) -> None:
    add_config_options(command)
    command.add_argument("--preset", metavar="P", help="the paper's settings, such as paper/opt-13b/sst2")
    command.add_argument("--out", type=folder, metavar="DIR", help="folder for the run (default runs/…)")
    command.add_argument(
        "--resume",
        action="store_true",
        help="go on with the run in --out, which needs no other option; a larger --steps prolongs it",
    )
    command.add_argument(
        "--from-log",
        type=folder,
        metavar="RUN",
        help="go on with the run in this folder from its plan and its log alone, as on another machine; --out is a new "
        "folder for it (default: the same)",
    )
    command.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    source = options.from_log or options.out
    if options.resume and source is None:
        source = _usual_folder(options)
    if options.resume or options.from_log:
        config = _config_of_run(options, source)
        out = options.out or source
    else:
        config = _config(options)
        out = options.out
    from mezo_lab.finetune.evaluation.scores import NotFinite
    from mezo_lab.finetune.run import finetune
    from mezo_lab.finetune.run_folder import Stopped

    try:
        finetune(config, out, resume=options.resume, from_log=options.from_log)
    except Stopped as stopped:
        print(f"mezo-lab: {stopped}")
        return stopped.code
    except NotFinite as failure:
        print(f"mezo-lab: {failure}", file=sys.stderr)
        return 1
    return 0


def _usual_folder(options: argparse.Namespace) -> Path:
    """The folder that a run with these options has where none is named."""
    from mezo_lab.finetune.run_folder import default_folder

    return default_folder(_config(options).resolve())


def _config_of_run(options: argparse.Namespace, run: Path) -> RunConfig:
    """The configuration of a run that goes on. Raises: ValueError for an option that it did not have."""
    from mezo_lab.finetune.resume import check_unchanged
    from mezo_lab.finetune.run_folder import read_run_config

    plan = read_run_config(run)
    given = _given(options)
    check_unchanged(run, plan, given, moved=options.from_log is not None)
    return replace(plan, **given)


def _config(options: argparse.Namespace) -> RunConfig:
    """The configuration of the command line, over that of a preset. Raises: ValueError before anything is loaded."""
    config = RunConfig(**_given(options))
    check_effect(config, given_fields(options))
    return config


def _given(options: argparse.Namespace) -> dict[str, Any]:
    """The fields on the command line, over those of a preset."""
    given = given_fields(options)
    if not options.preset:
        return given
    preset = from_preset(options.preset, given.get("tuning"))
    if given.get("method", "mezo") != "mezo":
        del preset["lr"]  # it is MeZO's
    return preset | given
