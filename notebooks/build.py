"""Build the notebooks from notebooks/src: executed for readers, without solutions for students. Never the other way.

    python notebooks/build.py [NAME ...] [--all] [--fast]

Without a NAME, the notebooks whose source has changed since they were built. A change of the library alone is not
noticed: name the notebooks, or ask for all. With --fast they are written to out/notebooks, and those that are committed
stay as they are.

A source is a Python file in jupytext's percent format, solutions included: in code between `# BEGIN SOLUTION` and
`# END SOLUTION`, in words as cells tagged "solution". Builds differ in what their cells print, and in nothing else.
"""

import argparse
import copy
import hashlib
import os
import resource
import sys
import tomllib
from pathlib import Path
from typing import Any

import jupytext
import nbformat
from marks import MarkError, unsolved, words_are_marked  # beside this file
from nbclient import NotebookClient
from nbclient.exceptions import CellControlSignal, DeadKernelError

HERE = Path(__file__).resolve().parent
SOURCES, STUDENT, BUDGET = HERE / "src", HERE / "student", HERE / "budget.toml"
FAST = HERE.parent / "out/notebooks"  # where fast builds go
PATIENCE = 3  # times the budget: machines differ
STARTS = 600  # seconds by the clock that a kernel may take to start, or to hand over its last output
HANGS = 10  # times what a notebook may take, by the clock: what ends a notebook that waits for ever, and nothing else
KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}


def names() -> list[str]:
    """Every notebook, in the order of the course."""
    return [source.stem for source in sorted(SOURCES.glob("[0-9]*.py"))]


def digest(name: str) -> str:
    """Of a source; a built notebook carries it, so that a stale one is told."""
    return hashlib.sha256((SOURCES / f"{name}.py").read_bytes()).hexdigest()


def read(name: str) -> Any:
    """A source as a notebook, its cells numbered and its solutions in place."""
    notebook = jupytext.read(SOURCES / f"{name}.py", fmt="py:percent")
    for number, cell in enumerate(notebook.cells):
        cell.id = f"{name.partition('_')[0]}-{number:02d}"
    notebook.metadata = nbformat.from_dict({"kernelspec": KERNEL, "language_info": {"name": "python"}})
    notebook.metadata["mezo_lab"] = {"source": digest(name)}
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    return notebook


def cpu_seconds() -> float:
    """CPU time of all processes that this one has started and waited for, and of theirs."""
    spent = resource.getrusage(resource.RUSAGE_CHILDREN)
    return spent.ru_utime + spent.ru_stime


def executed(
    notebook: Any, *, fast: bool, seconds: float, name: str = "", folder: Path = HERE, library: Path = HERE.parent
) -> Any:
    """The notebook with the outputs of its cells, run in so many seconds of CPU time.

    CPU time is the same on a busy machine; the clock ends only what hangs, at `HANGS` times the seconds.

    Args: name: of the notebook, for errors. folder: the kernel's working directory. library: where mezo_lab lies.
    Raises: CellExecutionError, DeadKernelError, CellTimeoutError, each with a note that names notebook and cell;
        TimeoutError where the cells together take longer.
    """
    began = cpu_seconds()
    before = {variable: os.environ.get(variable) for variable in ("MEZO_LAB_FAST", "PYTHONPATH", "OMP_WAIT_POLICY")}
    inherited = filter(None, (str(library), before["PYTHONPATH"]))
    # threads that wait must not spin, which would count as work
    os.environ |= {"MEZO_LAB_FAST": str(int(fast)), "OMP_WAIT_POLICY": "passive"}
    os.environ["PYTHONPATH"] = os.pathsep.join(inherited)
    running = ["before the first cell"]
    limits = {"timeout": max(round(HANGS * seconds), HANGS), "startup_timeout": STARTS, "iopub_timeout": STARTS}
    # streams in one piece: how they arrive in parts depends on the moment
    settings = {"record_timing": False, "coalesce_streams": True, "resources": {"metadata": {"path": folder}}}
    client = NotebookClient(notebook, kernel_name="python3", **limits, **settings)
    client.on_cell_start = lambda cell, cell_index: running.append(f"cell {cell.get('id', cell_index)}")
    try:
        client.execute()
    except (CellControlSignal, DeadKernelError) as error:
        error.add_note(f"In notebook {name or '(unnamed)'}, {running[-1]}.")
        raise
    finally:
        for variable, value in before.items():
            if value is None:
                os.environ.pop(variable, None)
            else:
                os.environ[variable] = value
    took = cpu_seconds() - began
    if took > seconds:
        raise TimeoutError(
            f"The notebook {name} took {took:.1f} CPU seconds, and may take {seconds:g}: budget.toml says how long."
        )
    notebook.metadata.pop("widgets", None)
    notebook.metadata["mezo_lab"] = dict(notebook.metadata.get("mezo_lab", {}), fast=fast)
    notebook.metadata["language_info"] = {"name": "python"}  # not which Python: it differs between machines
    return notebook


def for_students(notebook: Any, name: str = "") -> Any:
    """A copy that asks where the original answers, and has not been run.

    Raises: MarkError, naming notebook, cell and line, for what looks like the mark of a solution and is none.
    """
    asked = copy.deepcopy(notebook)
    asked.cells = []
    for cell in notebook.cells:
        try:
            solved = words_are_marked(cell)
            source = unsolved(cell.source) if cell.cell_type == "code" else cell.source
        except MarkError as error:
            raise MarkError(f"Notebook {name or '(unnamed)'}, cell {cell.get('id')}, {error}") from None
        if solved:
            continue
        kept = copy.deepcopy(cell)
        kept.source = source
        if cell.cell_type == "code":
            kept.outputs, kept.execution_count = [], None
        asked.cells.append(kept)
    return asked


def budget(name: str) -> dict[str, Any]:
    """CPU seconds that a notebook may take, fast and full; `skip` says why it is not run, where it is not."""
    table = tomllib.loads(BUDGET.read_text())
    return table["default"] | table.get(name, {})


def is_stale(name: str) -> bool:
    """Whether a notebook must be built: it is missing, was built from another source, or fast."""
    path = HERE / f"{name}.ipynb"
    if not path.exists() or not (STUDENT / path.name).exists():
        return True
    metadata = nbformat.read(path, as_version=4).metadata
    return metadata.get("mezo_lab") != {"source": digest(name), "fast": False}


def build(name: str, *, fast: bool = False) -> None:
    """Write both notebooks of a source, or with `fast` an executed one to `FAST`."""
    source = read(name)
    student = for_students(source, name)
    seconds = PATIENCE * budget(name)["fast" if fast else "full"]
    solved = executed(source, fast=fast, seconds=seconds, name=name)
    if fast:
        write(solved, FAST / f"{name}.ipynb")
        return
    write(student, STUDENT / f"{name}.ipynb")
    write(solved, HERE / f"{name}.ipynb")


def write(notebook: Any, path: Path) -> None:
    nbformat.validate(notebook)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(nbformat.writes(notebook) + "\n", encoding="utf-8")


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(names()) or 'none yet'}")
    parser.add_argument("--all", action="store_true", help="build those too whose source has not changed")
    parser.add_argument("--fast", action="store_true", help="small d, for a first look, into out/notebooks")
    options = parser.parse_args(arguments)
    if unknown := sorted(set(options.names) - set(names())):
        parser.error(f"NAME must be one of {', '.join(names())}; got {unknown[0]}")
    every = options.all or options.fast
    for name in options.names or [name for name in names() if every or is_stale(name)]:
        try:
            build(name, fast=options.fast)
        except MarkError as error:
            sys.exit(str(error))
        print(name, file=sys.stderr)


if __name__ == "__main__":
    main()
