"""The benchmark of the first step runs where the library is built, found and lacking, and shows what it measured."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from blocks import first_step

from mezo_lab.optim.sweeps import native

pytestmark = pytest.mark.repo

ROOT = Path(__file__).parents[1]
SCRIPT = ROOT / "benchmarks/first_step.py"


@pytest.fixture(scope="module")
def record(tmp_path_factory) -> dict[str, Any]:
    if native.library() is None:
        pytest.skip("no C compiler works on this machine")
    file = tmp_path_factory.mktemp("benchmark") / "record.json"
    command = [sys.executable, str(SCRIPT), "--quick", "--json", str(file)]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    ran = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert ran.returncode == 0, ran.stderr
    return json.loads(file.read_text())


def test_each_state_is_what_it_says(record):
    said = {row["state"]: " ".join(row["said"]) for row in record["rows"]}
    assert "building sweep.c" in said["empty cache"]
    assert said["warm cache"] == ""
    assert "sweeps take torch operations" in said["no C compiler"]


def test_the_readings_are_of_one_clock(record):
    for row in record["rows"]:
        assert min(row["made"], row["first"], row["second"]) > 0
        assert row["added"] == pytest.approx(row["made"] + row["first"] - row["second"])  # medians of one round


def test_the_page_shows_each_row_and_whether_the_promise_was_kept(record):
    shown = first_step.shown(record)
    for row in record["rows"]:
        assert f"| {row['model']} | {row['state']} | {row['made']:.3f} | {row['first']:.3f} |" in shown
    most = max(row["added"] for row in record["rows"])
    assert first_step.promise(record | {"most": most}).endswith("kept")
    assert first_step.promise(record | {"most": most / 2}).endswith("**missed by 100 %**")


def test_a_page_without_a_record_claims_nothing(tmp_path):
    assert first_step.first_step(tmp_path).startswith("Not measured yet")
