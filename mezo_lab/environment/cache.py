"""The user's cache: the folder of what is made once and kept, the unpacked model and the compiled sweeps."""

import os
from pathlib import Path


def cache_folder() -> Path:
    """$MEZO_LAB_CACHE, or mezo_lab in the user's cache folder.

    >>> cache_folder().is_absolute()
    True
    """
    if folder := os.environ.get("MEZO_LAB_CACHE"):
        return Path(folder).absolute()
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache").absolute() / "mezo_lab"
