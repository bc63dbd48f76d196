"""The benchmark of growth runs, and its page shows what it measured; its figures are not tested."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from blocks import growth as block
from growing import clock, draws, processes, steps
from torch.nn import Parameter

from mezo_lab.optim import MeZO
from mezo_lab.sampling import LAWS, RunningMoments, reduced_frame

pytestmark = pytest.mark.repo

ROOT = Path(__file__).parents[1]
SCRIPT = ROOT / "benchmarks/growth.py"
KINDS = ["parameters", "probes", "processes", "ranks", "draws"]


@pytest.fixture(scope="module")
def record(tmp_path_factory) -> dict[str, Any]:
    file = tmp_path_factory.mktemp("benchmark") / "record.json"
    command = [sys.executable, str(SCRIPT), "--quick", "--json", str(file)]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    ran = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert ran.returncode == 0, ran.stderr
    assert [line[3:] for line in ran.stdout.splitlines() if line.startswith("by ")] == KINDS
    return json.loads(file.read_text())


def test_a_record_holds_a_row_for_everything_at_every_size(record):
    paths = [steps.ADD, *(law + path for law in steps.LAWS for path in ("", steps.TORCH))]
    assert [(row["parameters"], row["name"]) for row in record["parameters"]] == [
        (size, name) for size in (1_000, 10_000) for name in paths
    ]
    assert [(row["probes"], row["name"]) for row in record["probes"]] == [
        (count, law) for count in (1, 4) for law in steps.LAWS
    ]
    assert [(row["processes"], row["name"]) for row in record["processes"]] == [
        (size, task) for task in processes.TASKS for size in (1, 2)
    ]
    assert [(row["rank"], row["name"]) for row in record["ranks"]] == [
        (rank, law) for rank in (1, 4) for law in ("low-rank", "gaussian")
    ]
    for row in (row for kind in KINDS for row in record[kind]):
        assert row["least"] > 0 and sorted(row[name] for name in ("least", "seconds", "largest")) == [
            row[name] for name in ("least", "seconds", "largest")
        ]


def test_a_record_describes_the_machine_and_does_not_name_it(record):
    assert {"processor", "cores", "threads", "torch"} <= record["machine"].keys()
    assert os.uname().nodename not in json.dumps(record) and str(Path.home()) not in json.dumps(record)


def test_the_page_shows_four_figures_with_their_words(record, tmp_path):
    (tmp_path / "results").mkdir()
    assert block.growth(tmp_path) == "Not measured yet: `python benchmarks/growth.py` does it."
    (tmp_path / "results/growth.json").write_text(json.dumps(record))
    block.draw(tmp_path)
    page = block.growth(tmp_path)
    for name in ("parameters", "probes", "ranks", "draws"):
        assert f"**{name.capitalize()}" in page and f"](figures/growth_{name}.svg)" in page
        assert (tmp_path / f"docs/figures/growth_{name}.svg").exists()
    assert page.count("![Chart of seconds of a step against") == 3 and page.count("![Chart of draws of a verdict") == 1


def test_the_theory_is_of_slope_one_through_the_largest_and_of_minus_two_through_the_finest():
    rows = [{"probes": n, "seconds": t, "resolution": 1 / n} for n, t in ((1, 3.0), (2, 3.5), (8, 16.0))]
    assert block.proportional("", rows, "probes").values == [2.0, 4.0, 16.0]
    assert block.inverse_square(rows).values == [0.25, 1.0, 16.0]


def test_processes_share_as_far_as_there_are_cores():
    rows = [{"name": "task", "processes": n, "seconds": 8.0, "least": 8.0, "largest": 8.0} for n in (1, 2, 4)]
    panel = block.processes_panel({"processes": rows, "machine": {"cores": 2}})
    assert panel.theory[0].values == [8.0, 4.0, 4.0]


def test_every_call_is_first_in_its_turn_and_short_ones_are_repeated(monkeypatch):
    order = []
    seconds = iter([0.9, 0.3, 0.2, 0.9, 0.8, 0.7, *map(float, range(100))])  # three trials each, then the readings
    monkeypatch.setattr(clock, "_seconds", lambda call, repeats: order.append((call(), repeats)) or next(seconds))
    rows = clock.rows({"a": lambda: "a", "b": lambda: "b"}, rounds=2, reading=1.0, size=7)
    assert order[6:] == [("a", 5), ("b", 2), ("b", 2), ("a", 5)]
    assert rows[0] == {"name": "a", "size": 7, "seconds": 1.5, "least": 0.0, "largest": 3.0}
    assert rows[1] == {"name": "b", "size": 7, "seconds": 1.5, "least": 1.0, "largest": 2.0}


def test_a_long_call_is_tried_once_and_not_repeated(monkeypatch):
    tried = []
    monkeypatch.setattr(clock, "_seconds", lambda call, repeats: tried.append(repeats) or 2.0)
    clock.rows({"long": lambda: None}, rounds=3, reading=10.0)
    assert tried == [1, 1, 1, 1]


@pytest.mark.parametrize(("law", "settings"), [("gaussian", {}), ("low-rank", {"rank": 2})])
def test_a_step_whose_loss_costs_nothing_is_a_step(law, settings):
    theta, twin = (Parameter(torch.ones(4, 5)) for _ in range(2))
    step = steps._step(theta, law=law, **settings)
    optimizer = MeZO([twin], lr=steps.LR, check_closure=False, law=law, **settings)
    for _ in range(2):
        assert step() == optimizer.step(lambda: twin.detach().view(-1)[0])
    assert torch.equal(theta, twin)


@pytest.mark.parametrize(("dim", "probes"), [(5, 1), (50, 16), (1_000, 3)])
def test_the_draws_by_theory_are_those_of_the_variance_that_is_sampled(dim, probes):
    frame = reduced_frame(LAWS["gaussian"], 400_000, probes, dim, torch.Generator().manual_seed(0))
    lengths = frame.length_sq()
    running = RunningMoments()
    running.add((lengths / lengths.mean() - 1).square())
    variance = draws.draws_by_theory(dim, probes, resolution=0.1) / (draws.MARGIN * 100**2)
    assert abs(running.estimate().z_score(variance)) < 5
    if dim < 1_000:  # there 2/n, the limit of many dimensions, would be another number
        assert abs(running.estimate().z_score(2 / probes)) > 5
