"""The benchmarks run, and write what they promise; their figures are not tested."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.repo

ROOT = Path(__file__).parents[1]
SCRIPT = ROOT / "benchmarks/sampling.py"


@pytest.fixture(scope="module")
def record(tmp_path_factory) -> dict:
    file = tmp_path_factory.mktemp("benchmark") / "record.json"
    command = [sys.executable, str(SCRIPT), "--quick", "--json", str(file)]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    ran = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert ran.returncode == 0, ran.stderr
    assert "416 GB a draw" in ran.stdout
    return json.loads(file.read_text())


def test_a_record_holds_a_row_for_each_dimension(record):
    assert [row["dim"] for row in record["rows"]] == [50, 1_000, 100_000]
    for row in record["rows"]:
        assert row["probes"] == 4
        assert row["brute"] == pytest.approx(row["brute_draws_per_second"] / row["loop"])
        assert row["reduced"] == pytest.approx(row["reduced_draws_per_second"] / row["loop"])


def test_a_record_says_what_thirteen_billion_dimensions_take(record):
    assert record["billions"].keys() == {"dim", "probes", "reduced_draws_per_second", "loop_gigabytes_per_draw"}
    assert record["billions"]["loop_gigabytes_per_draw"] == 416


def test_a_record_says_what_memory_brute_force_takes(record):
    memory = record["memory"]
    assert (memory["dim"], memory["z_mib"]) == (1_000_000, pytest.approx(30.5, abs=0.1))
    assert memory["peak_mib_by_draws"]["2"] > memory["peak_mib_at_dim_50"] > 0


def test_a_record_compares_seven_chunk_sizes(record):
    assert {row["chunk"] for row in record["chunks"]} == {2**power for power in range(16, 23)}
    assert all(row["numbers_per_second"] > 0 for row in record["chunks"])


def test_a_record_describes_the_machine_and_does_not_name_it(record):
    keys = {"processor", "cores", "threads", "load_before", "python", "torch", "numpy"}
    assert record["machine"].keys() == keys
    assert record["repetitions"] == 2
    assert os.uname().nodename not in json.dumps(record) and str(Path.home()) not in json.dumps(record)
