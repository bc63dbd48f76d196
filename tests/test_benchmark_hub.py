"""The benchmark of a hub's memory: what it reads of a kernel, and what the page says of it."""

import json
import sys
from pathlib import Path

import hub_memory as benchmark
import nbformat
import pytest
from blocks import hub

pytestmark = [
    pytest.mark.repo,
    pytest.mark.skipif(not Path("/proc/self/smaps_rollup").exists(), reason="memory is read from Linux's /proc"),
]
HELD = 64  # MiB
HOLD = f"held = b'x' * ({HELD} * 2**20)"


def notebook(folder: Path, name: str, *cells: str) -> Path:
    path = folder / f"{name}.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(text) for text in cells]), path)
    return path


def test_what_a_notebook_holds_is_a_kernels_own_and_what_it_let_go_is_in_the_peak(tmp_path):
    paths = [
        notebook(tmp_path, "01_empty", "1"),
        notebook(tmp_path, "05_holds", HOLD),
        notebook(tmp_path, "11_lets_go", HOLD, "del held"),
    ]
    empty, holds, lets_go = benchmark.measured(paths)["rows"]
    assert holds["own"] - empty["own"] == pytest.approx(HELD, abs=8)
    assert lets_go["own"] - empty["own"] == pytest.approx(0, abs=8)
    assert lets_go["peak"] - empty["peak"] == pytest.approx(HELD, abs=8)
    for row in (empty, holds, lets_go):
        assert row["shared"] > 1 and row["resident"] == pytest.approx(row["own"] + row["shared"])
        assert row["resident"] <= row["peak"]


def test_the_notebooks_that_are_measured_are_those_of_the_course():
    for name in benchmark.NOTEBOOKS:
        assert benchmark.record_path(f"notebooks/{name}.ipynb").exists()


def test_the_page_adds_up_what_a_class_takes(tmp_path):
    assert "Not measured yet" in hub.memory(tmp_path)
    (tmp_path / "results").mkdir()
    row = {"notebook": "11_fine_tune_a_language_model", "resident": 1100, "peak": 1200, "own": 924, "shared": 176}
    record = {"machine": {"processor": "P", "threads": 2, "torch": sys.version}, "students": 2, "rows": [row]}
    (tmp_path / hub.RECORD).write_text(json.dumps(record))
    assert "| 11 | 1,200 | 924 | 176 | 30.2 |" in hub.memory(tmp_path)  # 176 + 30 · (1200 − 176) MiB
