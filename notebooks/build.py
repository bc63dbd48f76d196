"""Build the notebooks from notebooks/src: executed for readers, without solutions for students. Never the other way.

    python notebooks/build.py [NAME ...] [--fast]

A source is a Python file in jupytext's percent format, solutions included: in code between `# BEGIN SOLUTION` and
`# END SOLUTION`, in words as cells tagged "solution". Builds differ in what their cells print, and in nothing else.
"""

import argparse
import copy
import hashlib
import os
import re
import sys
import time
import tomllib
from pathlib import Path
from typing import Any

import jupytext
import nbformat
from nbclient import NotebookClient

HERE = Path(__file__).resolve().parent
SOURCES, STUDENT, BUDGET = HERE / "src", HERE / "student", HERE / "budget.toml"
SOLUTION = re.compile(r"^([ \t]*)# BEGIN SOLUTION\n.*?^[ \t]*# END SOLUTION\n?", re.DOTALL | re.MULTILINE)
TURN = 'raise NotImplementedError("Your turn: replace this line.")'
PATIENCE = 3  # times the budget: a machine may be busy
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


def executed(notebook: Any, *, fast: bool, seconds: float) -> Any:
    """The notebook with the outputs of its cells, run in so many seconds.

    Raises: CellExecutionError; TimeoutError where a cell, or all of them together, take longer.
    """
    began = time.monotonic()
    before = {name: os.environ.get(name) for name in ("MEZO_LAB_FAST", "PYTHONPATH")}
    inherited = filter(None, (str(HERE.parent), before["PYTHONPATH"]))  # the library of this checkout
    os.environ |= {"MEZO_LAB_FAST": str(int(fast)), "PYTHONPATH": os.pathsep.join(inherited)}
    try:
        # streams in one piece: how they arrive in parts depends on the moment
        settings = {"record_timing": False, "coalesce_streams": True, "resources": {"metadata": {"path": HERE}}}
        client = NotebookClient(notebook, timeout=seconds, kernel_name="python3", **settings)
        client.execute()
    finally:
        for variable, value in before.items():
            if value is None:
                os.environ.pop(variable, None)
            else:
                os.environ[variable] = value
    if (took := time.monotonic() - began) > seconds:
        raise TimeoutError(f"the notebook took {took:.0f} s, and may take {seconds:.0f}: budget.toml says how long.")
    notebook.metadata.pop("widgets", None)
    notebook.metadata["mezo_lab"] = dict(notebook.metadata.get("mezo_lab", {}), fast=fast)
    notebook.metadata["language_info"] = {"name": "python"}  # not which Python: it differs between machines
    return notebook


def for_students(notebook: Any) -> Any:
    """A copy that asks where the original answers, and has not been run."""
    asked = copy.deepcopy(notebook)
    asked.cells = [cell for cell in asked.cells if "solution" not in cell.metadata.get("tags", ())]
    for cell in asked.cells:
        if cell.cell_type == "code":
            cell.source = unsolved(cell.source)
            cell.outputs, cell.execution_count = [], None
    return asked


def unsolved(source: str) -> str:
    """Code that asks where its solution was.

    >>> print(unsolved("def double(x):\\n    # BEGIN SOLUTION\\n    return 2 * x\\n    # END SOLUTION"))
    def double(x):
        raise NotImplementedError("Your turn: replace this line.")
    """
    return SOLUTION.sub(lambda found: f"{found[1]}{TURN}\n", source + "\n").removesuffix("\n")


def budget(name: str) -> dict[str, Any]:
    """Seconds that a notebook may take, fast and full; `skip` says why it is not run, where it is not."""
    table = tomllib.loads(BUDGET.read_text())
    return table["default"] | table.get(name, {})


def build(name: str, *, fast: bool = False) -> None:
    """Write both notebooks of a source."""
    limits, source = budget(name), read(name)
    asked = for_students(source)
    made = executed(source, fast=fast, seconds=PATIENCE * limits["fast" if fast else "full"])
    STUDENT.mkdir(exist_ok=True)
    write(asked, STUDENT / f"{name}.ipynb")
    write(made, HERE / f"{name}.ipynb")


def write(notebook: Any, path: Path) -> None:
    nbformat.validate(notebook)
    path.write_text(nbformat.writes(notebook) + "\n", encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(names()) or 'none yet'}; none: all")
    parser.add_argument("--fast", action="store_true", help="small d, for a first look")
    arguments = parser.parse_args()
    if unknown := sorted(set(arguments.names) - set(names())):
        parser.error(f"NAME must be one of {', '.join(names())}; got {unknown[0]}")
    for name in arguments.names or names():
        build(name, fast=arguments.fast)
        print(name, file=sys.stderr)


if __name__ == "__main__":
    main()
