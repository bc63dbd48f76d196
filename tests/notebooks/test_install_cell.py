"""The first code cell of a notebook installs the package where it is missing, and does nothing where it is not."""

import importlib.metadata
import importlib.util
import json
import os
import re
import site
import subprocess
import sys
import venv
from pathlib import Path

import build
import nbformat
import pytest
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

ROOT = Path(__file__).resolve().parents[2]
CELL = build.INSTALL.read_text()
WHEEL = "mezo_lab-9.9.9-py3-none-any.whl"
every = pytest.mark.parametrize("name", build.names())


@every
def test_it_is_the_first_code_of_a_notebook_and_of_its_copy_and_moves_no_other_cell(name):
    source = build.read(name)
    for notebook in (source, build.for_students(source)):
        first, second = [cell for cell in notebook.cells if cell.cell_type == "code"][:2]
        assert (first.id, first.source.replace("models,", "")) == (f"{name[:2]}-install", CELL.strip())
        assert ("[models,verify]" in first.source) == ("needs_" in second.source)
        assert first.metadata == {"tags": ["install"], "cellView": "form", "jupyter": {"source_hidden": True}}
        assert "import" in second.source and notebook.cells[0].cell_type == "markdown"
    others = [cell.id for cell in source.cells if cell.id != f"{name[:2]}-install"]
    assert others == [f"{name[:2]}-{number:02}" for number in range(len(others))]


def test_a_change_of_it_makes_every_notebook_stale(monkeypatch, tmp_path):
    before = build.digest(build.names()[0])
    monkeypatch.setattr(build, "INSTALL", tmp_path / "install.py")
    (tmp_path / "install.py").write_text("print('installed')")
    assert build.digest(build.names()[0]) != before


def run_cell(capsys) -> str:
    """Run the cell here. Returns: what it printed."""
    exec(compile(CELL, "install.py", "exec"), {})
    return "".join(capsys.readouterr())


@pytest.fixture
def runs(monkeypatch, tmp_path) -> list[list[str]]:
    """The commands that the cell runs, in a folder without a wheel; nothing is installed."""
    commands: list[list[str]] = []

    def run(command, **options):
        commands.append([str(word) for word in command])
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(subprocess, "run", run)
    monkeypatch.delenv("MEZO_LAB_WHEEL", raising=False)
    (tmp_path / "zh/student").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "zh/student")
    return commands


@pytest.fixture
def missing(monkeypatch, runs) -> list[list[str]]:
    """`runs`, where mezo_lab is not installed."""
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "mezo_lab" else find_spec(name))
    return runs


def sentence(capsys) -> str:
    """The one line that a reader sees of the error with which the cell stops."""
    with pytest.raises(Exception, match="mezo_lab") as error:
        run_cell(capsys)
    (line,) = error.value._render_traceback_()
    assert "\n" not in line and "".join(capsys.readouterr()) == ""
    return line


def test_where_the_package_is_installed_it_prints_nothing_and_runs_nothing(runs, capsys):
    Path(WHEEL).touch()
    assert run_cell(capsys) == "" and runs == []


def test_without_a_wheel_one_sentence_says_what_to_do(missing, capsys):
    said = sentence(capsys)
    assert said.startswith("mezo_lab is not installed: upload the file mezo_lab-….whl")
    assert "Colab" in said and "beside this notebook" in said and "MEZO_LAB_WHEEL" in said and said.count(". ") == 0
    assert missing == []


@pytest.mark.parametrize(
    "folder", [".", "..", "../.."], ids=["beside it", "above a student's copy", "above zh/student"]
)
def test_it_installs_the_newest_wheel_and_leaves_numpy_and_torch(folder, missing, capsys):
    older, newer = Path(folder, "mezo_lab-9.9.10-py3-none-any.whl").resolve(), Path(folder, WHEEL).resolve()
    for path, modified in ((older, 1_000), (newer, 2_000)):
        path.touch()
        os.utime(path, (modified, modified))
    assert run_cell(capsys) == ""
    (command,) = missing
    assert command[:4] == [sys.executable, "-m", "pip", "install"] and "--upgrade" not in command
    assert f"mezo_lab[verify] @ {newer.as_uri()}" in command
    assert command[-2:] == [f"{name}=={importlib.metadata.version(name)}" for name in ("numpy", "torch")]


@pytest.mark.parametrize("address", ["https://example.org/mezo_lab.whl", "wheels/mezo_lab.whl"])
def test_the_variable_names_another_place(address, missing, monkeypatch, capsys):
    Path(WHEEL).touch()
    monkeypatch.setenv("MEZO_LAB_WHEEL", address)
    run_cell(capsys)
    wanted = address if "://" in address else Path(address).resolve().as_uri()
    assert f"mezo_lab[verify] @ {wanted}" in missing[0]


def test_a_folder_of_that_name_without_code_is_not_the_package(runs, monkeypatch, capsys):
    find_spec = importlib.util.find_spec
    folder = importlib.util.spec_from_loader("mezo_lab", None)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: folder if name == "mezo_lab" else find_spec(name))
    assert "is not installed" in sentence(capsys)


@pytest.mark.parametrize(
    ("complaint", "shown"),
    [("WARNING: x\nERROR: no numpy>=2.0\nERROR: see there\n", "ERROR: no numpy>=2.0"), ("No module named pip", "No m")],
)
def test_what_pip_refuses_is_said_in_one_line(complaint, shown, missing, monkeypatch, capsys):
    Path(WHEEL).touch()
    failed = subprocess.CompletedProcess([], 1, "", complaint)
    monkeypatch.setattr(subprocess, "run", lambda command, **options: failed)
    said = sentence(capsys)
    assert re.match(rf"mezo_lab cannot be installed from \S*{WHEEL}\. {shown}", said)


def python_without_the_package(folder: Path) -> Path:
    """The interpreter of a new environment that has what this one has, but for mezo_lab; it needs no network."""
    venv.create(folder, with_pip=False, symlinks=True)
    (packages,) = folder.glob("lib/python*/site-packages")
    links = folder / "packages"
    links.mkdir()
    for home in map(Path, site.getsitepackages()):
        for path in home.iterdir():
            if "mezo_lab" not in path.name and path.suffix != ".pth" and not (links / path.name).exists():
                (links / path.name).symlink_to(path)
    (packages / "packages.pth").write_text(f"{links}\n")
    return folder / "bin/python"


def run_through(notebook, python: Path, folder: Path, kernels: Path) -> None:
    """Run a notebook in a folder, by another interpreter. Raises: CellExecutionError."""
    spec = kernels / "kernels/fresh/kernel.json"
    spec.parent.mkdir(parents=True, exist_ok=True)
    command = [str(python), "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    spec.write_text(json.dumps({"argv": command, "display_name": "fresh", "language": "python"}))
    NotebookClient(notebook, kernel_name="fresh", timeout=600, resources={"metadata": {"path": folder}}).execute()


@pytest.fixture
def fresh(tmp_path, monkeypatch) -> Path:
    """The interpreter without mezo_lab, for kernels called "fresh"."""
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "jupyter"))
    monkeypatch.setenv("MEZO_LAB_FAST", "1")
    for name in ("MEZO_LAB_WHEEL", "PYTHONPATH"):
        monkeypatch.delenv(name, raising=False)
    python = python_without_the_package(tmp_path / "environment")
    asked = subprocess.run([python, "-c", "import mezo_lab"], capture_output=True, text=True, cwd=tmp_path)
    assert "No module named 'mezo_lab'" in asked.stderr
    return python


@pytest.mark.slow
@pytest.mark.repo
def test_a_wheel_beside_the_notebooks_is_enough_in_an_environment_without_the_package(fresh, tmp_path):
    room = tmp_path / "room"
    room.mkdir()
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "-w", room, ROOT]
    subprocess.run(pip, check=True)
    for name in build.names()[:2]:
        notebook = build.read(name)
        run_through(notebook, fresh, room, tmp_path / "jupyter")
        (first, *_) = [cell for cell in notebook.cells if cell.cell_type == "code"]
        assert first.outputs == []
    show = [fresh, "-c", "import mezo_lab; print(mezo_lab.__file__)"]
    shown = subprocess.run(show, capture_output=True, text=True, cwd=room)
    assert shown.stdout.startswith(str(tmp_path / "environment"))


@pytest.mark.slow
@pytest.mark.repo
def test_without_a_wheel_a_kernel_shows_the_sentence_and_nothing_else(fresh, tmp_path):
    room = tmp_path / "room"
    room.mkdir()
    notebook = build.read(build.names()[0])
    with pytest.raises(CellExecutionError):
        run_through(notebook, fresh, room, tmp_path / "jupyter")
    (said,) = [output for cell in notebook.cells for output in cell.get("outputs", ())]
    (line,) = nbformat.from_dict(said).traceback
    assert line.startswith("mezo_lab is not installed: upload the file")
