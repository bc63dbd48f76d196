"""What a measurement depends on, and nothing that names the host, its user or a folder."""

import os
import platform
from pathlib import Path
from typing import Any

import numpy
import torch

__all__ = ["machine"]

CPUINFO = Path("/proc/cpuinfo")


def machine() -> dict[str, Any]:
    """What the time of a measurement depends on: processor, cores, threads, load and versions.

    >>> sorted(machine())[:3]
    ['cores', 'load_before', 'numpy']
    """
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "load_before": _load(),
        "python": platform.python_version(),
        "torch": str(torch.__version__),
        "numpy": numpy.__version__,
    }


def _processor() -> str:
    """The processor's own name where the system gives it, else its architecture."""
    if CPUINFO.exists():
        for line in CPUINFO.read_text().splitlines():
            name, _, value = line.partition(":")
            if name.strip() == "model name":
                return value.strip()
    return platform.processor() or platform.machine() or "unknown"


def _load() -> float | None:
    """Cores that were busy over the last minute; Windows does not count them."""
    if not hasattr(os, "getloadavg"):
        return None
    return round(os.getloadavg()[0], 2)
