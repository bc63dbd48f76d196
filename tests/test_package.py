"""What is published: a source archive that builds the wheel and holds no tests, and a page that reads alone."""

import email
import shutil
import subprocess
import sys
import tarfile
from importlib.util import find_spec
from pathlib import Path

import pytest

pytestmark = pytest.mark.repo

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = ("mezo_lab", "results", "docs", "tests", "notebooks", "benchmarks")
FILES = ("pyproject.toml", "setup.py", "MANIFEST.in", "README.md", "LICENSE", "CHANGELOG.md", "CITATION.cff")
HANGS = 300  # seconds by the clock


@pytest.fixture(scope="module")
def archive(tmp_path_factory) -> tarfile.TarFile:
    """The sdist of a copy of this checkout, built without a network."""
    if find_spec("setuptools") is None:
        pytest.skip("building an sdist needs setuptools, which is not installed here")
    source, built = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("built")
    for name in FILES:
        shutil.copy(ROOT / name, source / name)
    for name in FOLDERS:
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    build = f"from setuptools import build_meta; build_meta.build_sdist({str(built)!r})"
    subprocess.run([sys.executable, "-c", build], cwd=source, check=True, capture_output=True, timeout=HANGS)
    (path,) = built.glob("*.tar.gz")
    return tarfile.open(path)


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


def test_the_page_of_the_package_is_whole(archive):
    (info,) = [name for name in archive.getnames() if name.count("/") == 1 and name.endswith("/PKG-INFO")]
    file = archive.extractfile(info)
    assert file is not None
    metadata = email.message_from_bytes(file.read())
    assert metadata["Description-Content-Type"] == "text/markdown"
    page = metadata.get_payload(decode=True)
    assert isinstance(page, bytes) and page.decode().strip() == (ROOT / "docs/pypi.md").read_text().strip()
