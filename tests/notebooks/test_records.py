"""The records that notebooks read are found by the package: in a checkout, and in a wheel alone, from any folder."""

import ast
import os
import re
import shutil
import subprocess
import sys
import zipfile
from importlib import metadata
from pathlib import Path

import build
import nbformat
import pytest

from mezo_lab.course.notebook import record_path

pytestmark = pytest.mark.repo

ROOT = Path(__file__).resolve().parents[2]
HANGS = 900  # seconds by the clock, which end a build that hangs and nothing else


def code_of(name: str) -> str:
    return "\n\n".join(cell.source for cell in build.read(name).cells if cell.cell_type == "code")


def records(name: str) -> list[str]:
    """The records that a notebook names."""
    return re.findall(r"""["'](results\b[^"']*)["']""", code_of(name))


ASKED = sorted({record for name in build.names() for record in records(name)})


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    """What `pip install` of a wheel unpacks, built from a copy of this checkout."""
    installed = {distribution.name for distribution in metadata.distributions()}
    for needed in ("pip", "setuptools"):  # not find_spec("pip"), which makes setuptools withdraw its distutils
        if needed not in installed:
            pytest.skip(f"building a wheel needs {needed}, which is not installed here")
    source, built, unpacked = (tmp_path_factory.mktemp(name) for name in ("source", "built", "unpacked"))
    for file in ("pyproject.toml", "setup.py", "MANIFEST.in", "LICENSE"):
        shutil.copy(ROOT / file, source / file)
    for folder in ("mezo_lab", "results", "docs"):
        shutil.copytree(ROOT / folder, source / folder, ignore=shutil.ignore_patterns("__pycache__"))
    command = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-index", "--no-build-isolation"]
    subprocess.run([*command, "-w", str(built), str(source)], check=True, timeout=HANGS)
    (file,) = built.glob("*.whl")
    zipfile.ZipFile(file).extractall(unpacked)
    return unpacked


def test_notebooks_10_to_15_read_records():
    reading = [name[:2] for name in build.names() if records(name) or "recorded_runs(" in code_of(name)]
    assert reading == ["10", "11", "12", "13", "14", "15"]
    assert len(ASKED) >= 8


@pytest.mark.parametrize("record", ASKED)
def test_a_record_is_found_in_the_checkout_from_any_folder(record, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert record_path(record) == ROOT / record


def test_a_wheel_alone_has_every_record_as_it_is_in_the_checkout(wheel, tmp_path):
    ask = (
        "import sys; from mezo_lab.course.notebook import record_path; "
        "print(*map(record_path, sys.argv[1:]), sep=chr(10))"
    )
    environment = os.environ | {"PYTHONPATH": str(wheel)}
    run = subprocess.run(
        [sys.executable, "-c", ask, *ASKED],
        capture_output=True,
        text=True,
        check=True,
        cwd=tmp_path,
        env=environment,
        timeout=HANGS,
    )
    found = run.stdout.splitlines()
    assert found == [str(wheel / "mezo_lab/records" / record) for record in ASKED]
    for record in ASKED:
        files = [path for path in sorted((ROOT / record).rglob("*")) if path.is_file()] or [ROOT / record]
        for file in files:
            assert (wheel / "mezo_lab/records" / file.relative_to(ROOT)).read_bytes() == file.read_bytes()


def test_a_wheel_holds_no_other_package_and_no_second_copy(wheel):
    tops = {path.name for path in wheel.iterdir() if not path.name.endswith(".dist-info")}
    assert tops == {"mezo_lab"}
    assert not (ROOT / "mezo_lab/records").exists()


def test_a_wheel_carries_every_file_of_the_package(wheel):
    """The page's template and style among them."""
    files = [path.relative_to(ROOT) for path in (ROOT / "mezo_lab").rglob("*") if path.is_file()]
    files = [path for path in files if "__pycache__" not in path.parts]
    assert Path("mezo_lab/report/page.css") in files
    assert [str(path) for path in files if not (wheel / path).exists()] == []


def test_a_name_that_is_no_record_is_told():
    with pytest.raises(FileNotFoundError, match=r"`name` must be a record, .* got 'results/finetune\.jsn'"):
        record_path("results/finetune.jsn")


@pytest.mark.parametrize("name", build.names())
def test_a_notebook_reads_and_runs_nothing_by_a_relative_path(name):
    """Of the kind: a path that is right in one working directory only."""
    relative = r"""(?:Path|open|read_text|read_csv)\(f?["'](?![/~])|["']\.\.?/"""
    assert re.findall(relative, code_of(name)) == []


@pytest.mark.parametrize("written", ['Path("../results/x.json")', 'open("notebooks/a.txt")', 'folder = "./results"'])
def test_a_relative_path_is_caught(written):
    assert re.findall(r"""(?:Path|open|read_text|read_csv)\(f?["'](?![/~])|["']\.\.?/""", written)


def test_an_untouched_copy_reads_its_records_in_an_empty_folder_with_the_wheel_alone(wheel, tmp_path):
    """The cells of the copies that read a record, with the imports before them, in one kernel."""
    cells = []
    for name in build.names():
        for cell in build.for_students(build.read(name), name).cells:
            if cell.cell_type == "code" and "record_path(" in cell.source:
                cells.append(nbformat.v4.new_code_cell(reading(cell.source), id=cell.id))
    assert len(cells) >= 8
    build.executed(
        nbformat.v4.new_notebook(cells=cells), fast=True, seconds=60, name="records", folder=tmp_path, library=wheel
    )


def reading(source: str) -> str:
    """The statements that read a record, and the imports that they need."""
    lines = source.splitlines()
    kept = ["import json", "from mezo_lab.course.notebook import record_path"]
    for node in ast.parse(source).body:
        text = "\n".join(lines[node.lineno - 1 : node.end_lineno])
        if "record_path(" in text:
            kept.append(text)
    return "\n".join(kept)
