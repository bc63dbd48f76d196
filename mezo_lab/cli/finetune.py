"""`mezo-lab finetune`: train a language model with forward passes only, or evaluate it without training."""

import argparse
import sys

from mezo_lab.cli.config_options import add_config_options, check_effect, given_fields
from mezo_lab.cli.options import folder
from mezo_lab.finetune.config import RunConfig, from_preset


def add_options(command: argparse.ArgumentParser) -> None:
    add_config_options(command)
    command.add_argument("--preset", metavar="P", help="the paper's settings, such as paper/opt-13b/sst2")
    command.add_argument("--out", type=folder, metavar="DIR", help="folder for the run (default runs/…)")
    command.add_argument("--resume", action="store_true", help="resume a run that was stopped")
    command.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    config = _config(options)
    from mezo_lab.finetune.evaluation.scores import NotFinite
    from mezo_lab.finetune.run import finetune
    from mezo_lab.finetune.run_folder import Stopped

    try:
        finetune(config, options.out, resume=options.resume)
    except Stopped as stopped:
        print(f"mezo-lab: {stopped}")
        return stopped.code
    except NotFinite as failure:
        print(f"mezo-lab: {failure}", file=sys.stderr)
        return 1
    return 0


def _config(options: argparse.Namespace) -> RunConfig:
    """The configuration of the command line, over that of a preset. Raises: ValueError before anything is loaded."""
    given = given_fields(options)
    preset = {}
    if options.preset:
        preset = from_preset(options.preset, given.get("tuning"))
        if given.get("method", "mezo") != "mezo":
            del preset["lr"]  # it is MeZO's
    config = RunConfig(**preset | given)
    check_effect(config, given)
    return config
