"""What a measurement depends on, and nothing that names the machine."""

import os
import platform
from pathlib import Path
from typing import Any

import numpy
import torch


def machine() -> dict[str, Any]:
    """Processor, cores, threads, load, versions.

    >>> sorted(machine())[:3]
    ['cores', 'load_before', 'numpy']
    """
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    names = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
    return {
        "processor": names[0] if names else platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "load_before": round(os.getloadavg()[0], 2),  # cores that other processes kept busy
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": numpy.__version__,
    }
