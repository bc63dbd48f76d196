"""The values of a configuration's options: what JSON can hold, of the type and in the range of the option."""

from dataclasses import Field
from pathlib import Path
from typing import Any, get_args

import torch

from mezo_lab.validation import flag, not_negative, one_of, positive, python_number, python_values, whole


def plain(value: Any) -> Any:
    """What JSON can hold: the Python number of one of numpy or torch, the name of a path or a device.

    >>> plain(torch.tensor(4)), plain(Path("runs", "a")), plain(["terrible", "great"])
    (4, 'runs/a', ('terrible', 'great'))
    """
    if isinstance(value, Path | torch.device):
        return str(value)
    value = python_number(python_values(value))
    if isinstance(value, list):
        return tuple(value)
    return value


def check_value(option: Field, value: Any) -> None:
    """Raises: ValueError for a value of the wrong type or out of range. None is a value that was not given."""
    name = option.name
    least = option.metadata["least"]
    types = get_args(option.type) or (option.type,)
    if value is None and option.default is None:
        return
    if option.metadata["choices"]:
        one_of(name, value, option.metadata["choices"])
    elif bool in types:
        flag(name, value)
    elif int in types:
        below = None
        if name == "seed":
            below = 2**32  # the Trainer gives it to numpy
        whole(name, value, "leave it out for the default", least=least, below=below)
    elif float in types:
        if least:
            positive(name, value, "leave it out for the default")
        else:
            not_negative(name, value, "leave it out for the default")
    elif Ellipsis in types:
        if not isinstance(value, tuple) or not all(isinstance(text, str) for text in value):
            raise ValueError(
                f"`{name}` must be a list of texts, got {str(value)[:40]!r}: give one text for each label."
            )
    elif not isinstance(value, str):
        raise ValueError(f"`{name}` must be text, got {str(value)[:40]!r}: put it in quotes.")
