"""Warnings that point at the line of the user's own program, and lines of a log, each kind once."""

import logging
import os
import sys
import warnings
from pathlib import Path

import torch

INSIDE = (str(Path(__file__).parents[1]) + os.sep, str(Path(torch.__file__).parent) + os.sep)  # mezo_lab, torch

_logger = logging.getLogger(__name__)


def warn(text: str) -> None:
    """Warn at the nearest call from outside the package and outside torch, which wraps every step in its functions."""
    frame = sys._getframe()
    level = 1
    while frame.f_back is not None and frame.f_code.co_filename.startswith(INSIDE):
        frame = frame.f_back
        level += 1
    warnings.warn(text, RuntimeWarning, stacklevel=level)


class Notices:
    """The kinds of events that a run has already reported."""

    def __init__(self):
        self.reported: set[str] = set()

    def warn_once(self, kind: str, text: str) -> None:
        """Warn of a kind of event the first time."""
        if kind not in self.reported:
            self.reported.add(kind)
            warn(text)

    def log_once(self, kind: str, text: str) -> None:
        """Log, at the level that is shown by default, what is no mistake but should be known."""
        if kind not in self.reported:
            self.reported.add(kind)
            _logger.warning(text)
