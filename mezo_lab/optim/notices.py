"""Warnings that point at the line of the user's own program."""

import os
import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from mezo_lab.optim.arguments import single

if TYPE_CHECKING:
    from mezo_lab.optim.engine import Engine
    from mezo_lab.optim.mezo import MeZO

SEEN, BLIND = 20, 0.3  # probes, and the share of them that may see no difference before it is told
INSIDE = (str(Path(__file__).parents[1]) + os.sep, str(Path(torch.__file__).parent) + os.sep)  # mezo_lab, torch


def warn(text: str) -> None:
    """Warn at the nearest call from outside the package and torch, which wraps every step in functions of its own."""
    frame, level = sys._getframe(), 1
    while frame.f_back is not None and frame.f_code.co_filename.startswith(INSIDE):
        frame = frame.f_back
        level += 1
    warnings.warn(text, RuntimeWarning, stacklevel=level)


def of_rounding(opt: "MeZO", engine: "Engine") -> None:
    """Warn, once each, of half precision without `exact`, of probes that see nothing there, of a rate that is nothing.

    Who says exact=True or False has chosen, and is told of rates alone.
    """
    half, share = engine.half(), opt.diagnostics.zero_rate()
    if half:
        opt.warn_once(
            "precision",
            f"`params` are {half}, where every probe rounds them and small updates are lost: exact=True keeps θ in "
            "float32 beside them; exact=False leaves this warning out.",
        )
    if half and opt.diagnostics.squares.count >= SEEN and share > BLIND:
        opt.warn_once("zeros", f"{share:.0%} of the probes saw no difference: take a larger `epsilon`, or exact=True.")
    for group in opt.param_groups:
        rate = float(group["lr"])
        if rate > 0 and not single(rate):
            opt.warn_once("rate", f"`lr` is {rate}, which is 0 in float32, and moves nothing: take a larger one.")
