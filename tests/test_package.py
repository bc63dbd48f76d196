"""What is published: a source archive that builds the wheel and holds no tests, and a page that reads alone."""

import email
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from importlib.util import find_spec
from pathlib import Path

import pytest

pytestmark = pytest.mark.repo

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = ("mezo_lab", "results", "docs", "tests", "notebooks", "benchmarks")
FILES = (
    "pyproject.toml",
    "setup.py",
    "MANIFEST.in",
    "README.md",
    "LICENSE",
    "LICENSE-CC-BY-4.0.md",
    "CHANGELOG.md",
    "CITATION.cff",
)
HANGS = 300  # seconds by the clock


@pytest.fixture(scope="module")
def archive(source, tmp_path_factory) -> tarfile.TarFile:
    """The sdist of a copy of this checkout, built without a network."""
    return tarfile.open(built("sdist", source, tmp_path_factory.mktemp("built")))


@pytest.fixture(scope="module")
def source(tmp_path_factory) -> Path:
    """A copy of this checkout."""
    if find_spec("setuptools") is None:
        pytest.skip("building the package needs setuptools, which is not installed here")
    folder = tmp_path_factory.mktemp("source")
    for name in FILES:
        shutil.copy(ROOT / name, folder / name)
    for name in FOLDERS:
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    return folder


def built(kind: str, source: Path, out: Path, **variables: str) -> Path:
    """The sdist or wheel of a folder."""
    build = f"from setuptools import build_meta; print(build_meta.build_{kind}({str(out)!r}))"
    command = [sys.executable, "-c", build]
    environment = {**os.environ, **variables}
    subprocess.run(command, cwd=source, env=environment, check=True, capture_output=True, timeout=HANGS)
    (path,) = out.iterdir()
    return path


def test_an_sdist_holds_the_built_course_and_neither_tests_nor_sources_of_notebooks(archive):
    names = {name.partition("/")[2] for name in archive.getnames()}
    tops = {name.split("/")[0] for name in names if name}
    assert tops & {"tests", "benchmarks"} == set()
    course = {name for name in names if name.startswith("notebooks/")}
    assert {
        "notebooks/GLOSSARY.md",
        "notebooks/03_the_dispute.ipynb",
        "notebooks/student/03_the_dispute.ipynb",
    } <= course
    assert not [name for name in course if name.endswith(".py")]
    assert {"mezo_lab/py.typed", "mezo_lab/report/page.css", "mezo_lab/report/page.html.jinja"} <= names
    assert "mezo_lab/optim/sweeps/sweep.c" in names
    assert {"results/verify.json", "docs/pypi.md", "LICENSE", "CHANGELOG.md"} <= names


def files_of(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return {name for name in archive.namelist() if not name.endswith("/")}


def test_a_wheel_carries_the_course_and_one_for_students_carries_no_answer(source, tmp_path_factory):
    """The second is built where the first was, whose files must not stay."""
    whole = files_of(built("wheel", source, tmp_path_factory.mktemp("whole")))
    students = files_of(built("wheel", source, tmp_path_factory.mktemp("students"), MEZO_LAB_WITHOUT_ANSWERS="1"))
    home = "mezo_lab/records/notebooks"
    answers = {name for name in whole if name.startswith(home) and "/student/" not in name}
    answers |= {name for name in whole if name.startswith("mezo_lab/course/exam")}
    answers -= {f"{home}/GLOSSARY.md", f"{home}/SYLLABUS.md"}
    assert {f"{home}/03_the_dispute.ipynb", f"{home}/TEACHING.md"} <= answers
    assert {
        f"{home}/student/03_the_dispute.ipynb",
        "mezo_lab/records/docs/claims.md",
        "mezo_lab/records/docs/errata.md",
        "mezo_lab/records/LICENSE-CC-BY-4.0.md",
    } <= students
    assert whole - students == answers and students <= whole


def test_the_page_of_the_package_is_whole(archive):
    (info,) = [name for name in archive.getnames() if name.count("/") == 1 and name.endswith("/PKG-INFO")]
    file = archive.extractfile(info)
    assert file is not None
    metadata = email.message_from_bytes(file.read())
    assert metadata["Description-Content-Type"] == "text/markdown"
    page = metadata.get_payload(decode=True)
    assert isinstance(page, bytes) and page.decode().strip() == (ROOT / "docs/pypi.md").read_text().strip()
