"""Warnings that point at the line of the user's own program."""

import os
import sys
import warnings
from pathlib import Path

import torch

INSIDE = (str(Path(__file__).parents[1]) + os.sep, str(Path(torch.__file__).parent) + os.sep)  # mezo_lab, torch


def warn(text: str) -> None:
    """Warn at the nearest call from outside the package and torch, which wraps every step in functions of its own."""
    frame, level = sys._getframe(), 1
    while frame.f_back is not None and frame.f_code.co_filename.startswith(INSIDE):
        frame = frame.f_back
        level += 1
    warnings.warn(text, RuntimeWarning, stacklevel=level)
