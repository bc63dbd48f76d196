"""The benchmark of the wire runs, and sees that a step of MeZO sends the same whatever the model."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.repo

ROOT = Path(__file__).parents[1]
SCRIPT = ROOT / "benchmarks/wire.py"


@pytest.mark.slow
@pytest.mark.skipif(not Path("/sys/class/net/lo").exists(), reason="counts the bytes of Linux's loopback interface")
def test_a_record_shows_that_a_gradient_grows_with_the_model_and_a_step_of_mezo_does_not(tmp_path):
    file = tmp_path / "record.json"
    command = [sys.executable, str(SCRIPT), "--quick", "--json", str(file)]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    ran = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert ran.returncode == 0, ran.stderr
    record = json.loads(file.read_text())
    assert [(row["ranks"], row["parameters"]) for row in record["rows"]] == [
        (ranks, size) for ranks in (2, 4) for size in (1_000, 1_000_000)
    ]
    for row in record["rows"]:
        gradient = 2 * (row["ranks"] - 1) * 4 * row["parameters"]  # a ring all-reduce in float32, all ranks together
        assert row["gradient"]["bytes"] > gradient
        assert (
            row["payload"] < row["mezo"]["data"] < row["mezo"]["bytes"] < 50_000
        )  # bytes; a gradient of the larger model takes 8 million and more
