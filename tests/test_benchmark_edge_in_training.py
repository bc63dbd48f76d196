"""The benchmark of the edge during training runs, and its committed record shows what the page says."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from blocks import learning_rates

pytestmark = pytest.mark.repo

ROOT = Path(__file__).parents[1]
SCRIPT = ROOT / "benchmarks/edge_in_training.py"


@pytest.fixture(scope="module")
def quick(tmp_path_factory) -> dict:
    file = tmp_path_factory.mktemp("benchmark") / "record.json"
    command = [sys.executable, str(SCRIPT), "--quick", "--json", str(file)]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    ran = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert ran.returncode == 0, ran.stderr
    assert len(ran.stdout.splitlines()) == 4
    return json.loads(file.read_text())


def committed(method: str) -> list[dict]:
    runs = json.loads((ROOT / "results/edge_in_training.json").read_text())["runs"]
    return [run for run in runs if run["method"] == method]


def test_a_record_has_the_curvature_along_each_run(quick):
    low, high, descent = quick["runs"]
    assert [point["step"] for point in low["points"]] == [0, 10, 20] and low["diverged"] is None
    assert high["diverged"] and high["most_of_the_edge"] > 1
    assert descent["method"] == "gradient descent" and descent["points"][0] == low["points"][0]
    first = low["points"][0]
    assert 0 < first["edge"] < 2 / first["norm"] and first["trace"] > first["norm"]


def test_a_record_describes_the_machine_and_does_not_name_it(quick):
    assert quick["machine"]["torch"] and os.uname().nodename not in json.dumps(quick)


def test_in_the_committed_record_a_run_diverges_exactly_where_its_rate_passes_the_edge():
    runs = committed("MeZO")
    assert len(runs) >= 10 and {run["probes"] for run in runs} == {1, 4}
    for run in runs:
        assert bool(run["diverged"]) == (run["most_of_the_edge"] > 1), run["lr"]
    assert sum(bool(run["diverged"]) for run in runs) >= 4 <= sum(not run["diverged"] for run in runs)


def test_a_run_that_diverges_turns_at_the_edge_and_far_below_that_of_gradient_descent():
    for run in committed("MeZO"):
        if run["diverged"]:
            assert run["turn"]["of_the_edge"] == pytest.approx(1, abs=0.15)
            assert run["turn"]["of_the_first_order_edge"] < 0.3


def test_gradient_descent_trains_at_rates_that_diverge_with_mezo():
    lost = {run["lr"] for run in committed("MeZO") if run["diverged"]}
    runs = committed("gradient descent")
    assert runs and all(run["lr"] in lost and run["diverged"] is None for run in runs)
    assert all(run["points"][-1]["loss"] < run["points"][0]["loss"] / 10 for run in runs)


def test_the_page_shows_the_record_with_a_figure_that_is_described():
    block = learning_rates.training(ROOT)
    assert "![Charts of η·tr H and of the loss" in block and "](figures/edge_in_training.svg)" in block
    assert block.count("| MeZO |") == len(committed("MeZO"))
