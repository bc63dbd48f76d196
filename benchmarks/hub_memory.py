"""The memory of a student's kernel on a hub: notebooks run whole by two kernels at the same time, on Linux.

Both kernels stay alive at the end, and the second one is read: what it has of its own is what each further student
adds, and what it shares with the first, which is files of libraries and of the model, is there once for all. Two
minutes or more, most of them for the real model of notebook 11.
"""

import argparse
import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import nbformat
import records
from nbclient import NotebookClient

from mezo_lab.course.notebook import record_path
from mezo_lab.environment.machine import machine

NOTEBOOKS = ("01_from_random_search_to_spsa", "05_effective_rank", "11_fine_tune_a_language_model")
MIB = 2**20
KIB = 2**10  # the unit of /proc
CELL = 1800  # seconds that one may take


def kernel_memory(pid: int) -> dict[str, float]:
    """MiB of a process: resident now and at its peak, and of what is resident now its own and shared parts."""
    now = _fields(Path(f"/proc/{pid}/smaps_rollup"))
    own = now["Private_Clean"] + now["Private_Dirty"]
    peak = _fields(Path(f"/proc/{pid}/status"))["VmHWM"]
    sizes = {"resident": now["Rss"], "peak": peak, "own": own, "shared": now["Rss"] - own}
    return {name: kib * KIB / MIB for name, kib in sizes.items()}


def _fields(file: Path) -> dict[str, int]:
    """The lines of a file of /proc that are a number of kB."""
    return {name: int(kib) for name, kib in re.findall(r"^(\w+):\s+(\d+) kB$", file.read_text(), re.MULTILINE)}


@contextmanager
def student(path: Path) -> Iterator[int]:
    """The process of a kernel that has run a notebook whole, and waits."""
    notebook = nbformat.read(path, as_version=4)
    client = NotebookClient(
        notebook, timeout=CELL, kernel_name="python3", resources={"metadata": {"path": path.parent}}
    )
    with client.setup_kernel():
        for index, cell in enumerate(notebook.cells):
            client.execute_cell(cell, index)
        assert client.km is not None and client.km.provisioner is not None
        yield client.km.provisioner.pid


def measured(paths: list[Path], students: int = 2) -> dict[str, Any]:
    """The record: a row for each notebook, of the last of its students while the others are there."""
    rows = []
    for path in paths:
        with ExitStack() as open_kernels:
            pids = [open_kernels.enter_context(student(path)) for _ in range(students)]
            row = {"notebook": path.stem, **kernel_memory(pids[-1])}
        print(f"{path.stem}: {row['peak']:,.0f} MiB at the peak, {row['own']:,.0f} of its own at the end", flush=True)
        rows.append(row)
    return {"machine": machine(), "students": students, "rows": rows}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    records.add_options(parser, quick="notebook 1 alone")
    arguments = parser.parse_args()
    names = NOTEBOOKS[:1] if arguments.quick else NOTEBOOKS
    record = measured([record_path(f"notebooks/{name}.ipynb") for name in names])
    records.write(record, arguments, "hub_memory")


if __name__ == "__main__":
    main()
