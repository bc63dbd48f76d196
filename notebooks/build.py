"""Build the notebooks from notebooks/src: executed for readers, without solutions for students. Never the reverse.

    python notebooks/build.py [NAME ...] [--all] [--fast]

Without a NAME it builds the notebooks whose source has changed since the last build. It does not notice a change of the
library alone: name the notebooks then, or add --all. With --fast it writes to out/notebooks, and the committed
notebooks stay as they are.

A source is a Python file in jupytext's percent format with its solutions: in code between `# BEGIN SOLUTION` and
`# END SOLUTION`, in text as cells tagged "solution". The build adds the licence, and install.py as the first code cell.
Two builds differ only in what their cells print.
"""

import argparse
import base64
import contextlib
import copy
import hashlib
import os
import re
import resource
import shutil
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jupytext
import nbformat
from marks import MarkError, text_is_solution, unsolved  # beside this file
from nbclient import NotebookClient
from nbclient.exceptions import CellControlSignal, DeadKernelError
from translation import (  # beside this file
    EDITION,
    TranslationError,
    behind,
    linked,
    read_translations,
    translated,
    translated_names,
)

from mezo_lab.course.notebook import SLIDE

HERE = Path(__file__).resolve().parent
SOURCES = HERE / "src"
STUDENT = HERE / "student"
INSTALL = Path(__file__).resolve().with_name("install.py")
BUDGET = HERE / "budget.toml"
PICTURES = "pictures"  # of lectures, beside the notebooks: a folder for each
FAST = HERE.parent / "out/notebooks"  # where fast builds go
PATIENCE = 3  # times the budget: machines differ
STARTS = 600  # seconds by the clock that a kernel may take to start, or to deliver its last output
HANGS = 10  # times the budget, by the clock: ends a notebook that waits for ever, and no other
KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}
LICENCE = (
    "**Licence.** Text and figures: [CC BY 4.0](https://creativecommons.org/licenses/by/4.0/). "
    "Code: [MIT](https://opensource.org/license/mit)."
)


def names() -> list[str]:
    """Every notebook, in the order of the course."""
    return [source.stem for source in sorted(SOURCES.glob("[0-9]*.py"))]


def digest(name: str) -> str:
    """The hash of a source and of the cell that all have; a built notebook carries it, which shows when it is stale."""
    return hashlib.sha256((SOURCES / f"{name}.py").read_bytes() + INSTALL.read_bytes()).hexdigest()


def read(name: str) -> Any:
    """A source as a notebook: its cells numbered, its solutions in place; with install.py and the licence."""
    notebook = jupytext.read(SOURCES / f"{name}.py", fmt="py:percent")
    for number, cell in enumerate(notebook.cells):
        cell.id = f"{name.partition('_')[0]}-{number:02d}"
    _add_licence(notebook)
    _add_install(notebook, f"{name.partition('_')[0]}-install")
    notebook.metadata = nbformat.from_dict({"kernelspec": KERNEL, "language_info": {"name": "python"}})
    notebook.metadata["mezo_lab"] = {"source": digest(name)}
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    return notebook


def _add_licence(notebook: Any) -> None:
    """End the last cell of text with the licence, which a copy of the notebook alone must name."""
    texts = [cell for cell in notebook.cells if cell.cell_type == "markdown"]
    if texts:
        texts[-1].source += f"\n\n{LICENCE}"


def _add_install(notebook: Any, name: str) -> None:
    """Put the cell that installs the package before the first code: folded, and no cell of the story."""
    number = next((number for number, cell in enumerate(notebook.cells) if cell.cell_type == "code"), 0)
    folded = {"tags": ["install"], "cellView": "form", "jupyter": {"source_hidden": True}}  # in Colab, in JupyterLab
    text = INSTALL.read_text(encoding="utf-8").strip()
    if any(cell.cell_type == "code" and re.search(r"\bneeds_\w+\(", cell.source) for cell in notebook.cells):
        text = text.replace("mezo_lab[verify]", "mezo_lab[models,verify]")
    cell = nbformat.v4.new_code_cell(text, id=name, metadata=folded)
    notebook.cells.insert(number, cell)


def cpu_seconds() -> float:
    """CPU time of all processes that this one has started and waited for, and of theirs."""
    spent = resource.getrusage(resource.RUSAGE_CHILDREN)
    return spent.ru_utime + spent.ru_stime


def executed(
    notebook: Any, *, fast: bool, seconds: float, name: str = "", folder: Path = HERE, library: Path = HERE.parent
) -> Any:
    """The notebook with the outputs of its cells, run within a budget of CPU time.

    CPU time is the same on a busy machine; the clock ends only a notebook that hangs, at `HANGS` times the seconds.

    Args:
        fast: run it at the size of the tests.
        seconds: of CPU time, for all cells together.
        name: of the notebook, for errors.
        folder: the kernel's working directory.
        library: the folder that holds mezo_lab.
    Raises: CellExecutionError, DeadKernelError, CellTimeoutError, each with a note that names notebook and cell;
        TimeoutError where the cells together take longer.
    """
    start = cpu_seconds()
    running = ["before the first cell"]
    limits = {"timeout": max(round(HANGS * seconds), HANGS), "startup_timeout": STARTS, "iopub_timeout": STARTS}
    # streams in one piece, because their parts depend on the moment
    settings = {"record_timing": False, "coalesce_streams": True, "resources": {"metadata": {"path": folder}}}
    client = NotebookClient(notebook, kernel_name="python3", **limits, **settings)
    client.on_cell_start = lambda cell, cell_index: running.append(f"cell {cell.get('id', cell_index)}")
    with _kernel_environment(fast, library):
        try:
            client.execute()
        except (CellControlSignal, DeadKernelError) as error:
            error.add_note(f"In notebook {name or '(unnamed)'}, {running[-1]}.")
            raise
    spent = cpu_seconds() - start
    if spent > seconds:
        raise TimeoutError(
            f"The notebook {name} took {spent:.1f} CPU seconds, and may take {seconds:g}: budget.toml says how long."
        )
    _keep_pictures_of_slides(notebook)
    notebook.metadata.pop("widgets", None)
    notebook.metadata["mezo_lab"] = dict(notebook.metadata.get("mezo_lab", {}), fast=fast)
    notebook.metadata["language_info"] = {"name": "python"}  # not which Python: it differs between machines
    return notebook


def _keep_pictures_of_slides(notebook: Any) -> None:
    """Drop the pictures that `show` made for a lecture from cells that are on no slide."""
    for cell in notebook.cells:
        if cell.cell_type == "code" and not any(tag.startswith("slide-") for tag in cell.metadata.get("tags", ())):
            for output in cell.outputs:
                output.get("data", {}).pop(SLIDE, None)


def _set_pictures_apart(notebook: Any, folder: Path) -> None:
    """Move the pictures of a lecture into files, because the page of the notebook would be twice as large with them."""
    shutil.rmtree(folder, ignore_errors=True)
    for cell in notebook.cells:
        for number, output in enumerate(cell.get("outputs", [])):
            picture = output.get("data", {}).pop(SLIDE, "")
            if picture:
                folder.mkdir(parents=True, exist_ok=True)
                (folder / f"{cell.id}-{number}.png").write_bytes(base64.b64decode(picture))


def outputs_of(path: Path) -> dict[str, list[Any]]:
    """Code → its outputs in a built notebook, with the pictures of its lecture."""
    cells = nbformat.read(path, as_version=4).cells if path.exists() else []
    pictures = path.parent / PICTURES / path.stem
    for cell in cells:
        for number, output in enumerate(cell.get("outputs", [])):
            picture = pictures / f"{cell.id}-{number}.png"
            if picture.exists():
                output.data[SLIDE] = base64.b64encode(picture.read_bytes()).decode()
    return {cell.source: cell.outputs for cell in cells if cell.cell_type == "code"}


@contextlib.contextmanager
def _kernel_environment(fast: bool, library: Path) -> Iterator[None]:
    """The environment variables that a kernel inherits; those of this process are as before afterwards."""
    before = dict(os.environ)
    os.environ["MEZO_LAB_FAST"] = str(int(fast))
    os.environ["MEZO_LAB_SLIDES"] = "1"
    os.environ["OMP_WAIT_POLICY"] = "passive"  # threads that wait must not spin, which would count as work
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (str(library), before.get("PYTHONPATH"))))
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def for_students(notebook: Any, name: str = "") -> Any:
    """A copy without its solutions and outputs.

    Raises: MarkError, naming notebook, cell and line, for text that looks like the mark of a solution and is none.
    """
    student = copy.deepcopy(notebook)
    student.cells = []
    for cell in copy.deepcopy(notebook.cells):
        try:
            if text_is_solution(cell):
                continue
            if cell.cell_type == "markdown":
                cell.source = linked(cell.source, beside=r"\w+\.ipynb\b")  # students have the notebooks
            if cell.cell_type == "code":
                cell.source = unsolved(cell.source)
                cell.outputs = []
                cell.execution_count = None
        except MarkError as error:
            raise MarkError(f"Notebook {name or '(unnamed)'}, cell {cell.get('id')}, {error}") from None
        student.cells.append(cell)
    return student


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
    _set_pictures_apart(solved, (FAST if fast else HERE) / PICTURES / name)
    if fast:
        write(solved, FAST / f"{name}.ipynb")
        return
    write(student, STUDENT / f"{name}.ipynb")
    write(solved, HERE / f"{name}.ipynb")


def translate(name: str) -> None:
    """Write the Chinese edition of a built notebook; no cell is run."""
    english = nbformat.read(HERE / f"{name}.ipynb", as_version=4)
    chinese = translated(english, read_translations(EDITION / f"{name}.md"), licence=LICENCE)
    write(for_students(chinese, name), EDITION / "student" / f"{name}.ipynb")
    write(chinese, EDITION / f"{name}.ipynb")


def write(notebook: Any, path: Path) -> None:
    nbformat.validate(notebook)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(nbformat.writes(notebook) + "\n", encoding="utf-8")


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"or number, of {', '.join(names()) or 'none yet'}")
    parser.add_argument("--all", action="store_true", help="build those too whose source has not changed")
    parser.add_argument("--fast", action="store_true", help="small d, for a first look, into out/notebooks")
    options = parser.parse_args(arguments)
    numbers = {name.partition("_")[0]: name for name in names()}
    chosen = [numbers.get(name, name) for name in options.names]
    if unknown := sorted(set(chosen) - set(names())):
        parser.error(f"NAME must be one of {', '.join(names())}, or its number; got {unknown[0]}")
    every = options.all or options.fast
    try:
        for name in chosen or [name for name in names() if every or is_stale(name)]:
            build(name, fast=options.fast)
            print(name, file=sys.stderr)
        if not options.fast:
            # a notebook that waits to be built keeps the translation of what it shows
            for name in [name for name in translated_names() if name in names() and not is_stale(name)]:
                translate(name)
                print(behind(name) or f"zh/{name}", file=sys.stderr)
    except (MarkError, TranslationError) as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
