"""The benchmark of `verify` runs, and writes what the page and the expected times need; its figures are not tested."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from blocks import verdicts

pytestmark = pytest.mark.repo

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def records(tmp_path_factory) -> tuple[dict, dict]:
    """What it measured, and the seconds of each claim."""
    folder = tmp_path_factory.mktemp("benchmark")
    (folder / "results").mkdir()
    files = ["--json", folder / "results/verification.json", "--costs", folder / "costs.json"]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, ROOT / "benchmarks/verification.py", "--quick", *files]
    ran = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert ran.returncode == 0, ran.stderr
    block = verdicts.verification(folder)
    assert block.count("\n| ") == 4 and "| 2 |" in block and "within 90 s" in block
    return tuple(json.loads(Path(file).read_text()) for file in files[1::2])


def test_each_mode_is_timed_in_one_process_and_in_two(records):
    record, _ = records
    assert [(row["mode"], row["jobs"]) for row in record["rows"]] == [
        ("fast", 1),
        ("fast", 2),
        ("default", 1),
        ("default", 2),
    ]
    for row in record["rows"]:
        assert 0 < row["said"] and 0 < row["shown"] <= row["seconds"] and row["least"] <= row["largest"]
    assert record["targets"] == {"fast": 15, "default": 90}


def test_the_seconds_of_each_claim_are_those_that_a_run_expects(records):
    _, costs = records
    assert costs.keys() == {"reference_seconds", "claims"} and costs["reference_seconds"] > 0
    assert {name: modes.keys() for name, modes in costs["claims"].items()} == {
        "norm-factor": {"fast", "default"},
        "tail": {"fast", "default"},
    }
