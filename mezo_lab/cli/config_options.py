"""Options of the command line that are the fields of a `RunConfig`."""

import argparse
from collections.abc import Collection, Mapping
from dataclasses import fields
from typing import Any, get_args

from mezo_lab.cli.options import integer
from mezo_lab.finetune.config import RunConfig

_METAVARS = {int: "N", float: "X"}


def add_config_options(
    command: argparse.ArgumentParser, *, leave_out: Collection[str] = (), help_texts: Mapping[str, str] | None = None
) -> None:
    """Add an option for each field of a `RunConfig`; an option that is left out is None.

    Args:
        leave_out: fields that a command has no use for.
        help_texts: field → its whole help text, where the command has a default or a meaning of its own.
    """
    for option in fields(RunConfig):
        if option.name in leave_out:
            continue
        text = option.metadata["help"]
        if option.default not in (None, (), False):
            text += f" (default {option.default})"
        text = (help_texts or {}).get(option.name, text)
        kind = (get_args(option.type) or (option.type,))[0]
        flag = "--" + option.name.replace("_", "-")
        if kind is bool:
            command.add_argument(flag, action="store_true", default=None, help=text)
        else:
            metavar = _METAVARS.get(kind, option.metadata["metavar"])
            command.add_argument(flag, type=integer if kind is int else kind, metavar=metavar, help=text)


def given_fields(options: argparse.Namespace) -> dict[str, Any]:
    """The fields of a `RunConfig` that stand on the command line."""
    values = {option.name: getattr(options, option.name, None) for option in fields(RunConfig)}
    values = {name: value for name, value in values.items() if value is not None}
    if "words" in values:
        values["words"] = tuple(word.strip() for word in values["words"].split(","))
    return values


def check_effect(config: RunConfig, given: Collection[str]) -> None:
    """Raises: ValueError for an option that stands on the command line and changes nothing with the others."""
    for name, owner in config.options_without_effect().items():
        if name in given:
            value = getattr(config, name)
            raise ValueError(f"`{name}` belongs to {owner} and would change nothing here, got {value!r}: leave it out.")
