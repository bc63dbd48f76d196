"""Directions in the span of a layer's inputs: what is computed agrees with what is drawn, and the record says so."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from aligning import cases, layer
from blocks import aligned as block

from mezo_lab.sampling import Estimate

pytestmark = pytest.mark.repo

ROOT = Path(__file__).parents[1]
SCRIPT = ROOT / "benchmarks/aligned.py"
RECORD = json.loads((ROOT / "results/aligned.json").read_text(encoding="utf-8"))


def bed(*moments: float, rows: int = 3) -> layer.Layer:
    start = torch.randn(rows, len(moments), generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    return layer.Layer(torch.tensor(moments, dtype=torch.float64), start)


def random_basis(columns: int, k: int) -> torch.Tensor:
    return torch.linalg.qr(torch.randn(columns, k, generator=torch.Generator().manual_seed(1)).double()).Q


def test_what_lies_outside_the_inputs_changes_no_loss_at_any_step():
    """The reason for which the span of one batch gains nothing: the same runs, step by step."""
    narrow = bed(2.0, 1.0, 0.0, 0.0, 0.0)
    everywhere = layer.full_batch(narrow, None)
    seen = (narrow.moments > 0).double()

    def in_the_span(gap, generator):
        slope, z = everywhere(gap, generator)
        return slope, z * seen

    steps = [
        layer.first_passages(narrow, step, 0.1, 0.1, runs=20, most=500, seed=0) for step in (everywhere, in_the_span)
    ]
    assert torch.equal(*steps) and steps[0].isfinite().all()


@pytest.mark.parametrize("basis", [None, random_basis(6, 4)], ids=["all", "random 4"])
def test_the_mean_loss_by_its_moments_is_that_of_many_runs(basis):
    falling = bed(1.0, 0.5, 0.3, 0.2, 0.1, 0.1)
    whole = torch.eye(6, dtype=torch.float64) if basis is None else basis
    lr, runs, goal = layer.seen_by(falling, whole).lr, 20_000, 0.85
    steps = layer.mean_loss_steps(falling, whole, lr, goal)
    generator, step = torch.Generator().manual_seed(0), layer.full_batch(falling, basis)
    gap = falling.start.expand(runs, -1, -1).clone()
    shares = []
    for _ in range(int(steps) + 1):
        slope, z = step(gap, generator)
        gap -= lr * slope[:, None, None] * z
        loss = falling.loss(gap) / falling.loss(falling.start)
        shares.append(Estimate(float(loss.mean()), float(loss.std()) / runs**0.5, runs))
    before, after = shares[-2], shares[-1]
    assert 1 < steps < 50
    assert before.mean > goal - 4 * before.standard_error and after.mean < goal + 4 * after.standard_error


def test_what_directions_see_is_that_of_the_whole_hessian():
    falling, basis = bed(1.0, 0.5, 0.2, 0.1), random_basis(4, 2)
    hessian = torch.kron(torch.eye(3).double(), torch.diag(falling.moments))  # of vec(Δ), row by row
    projector = torch.kron(torch.eye(3).double(), basis @ basis.T)
    inside = projector @ hessian @ falling.start.flatten()
    seen = layer.seen_by(falling, basis)
    assert seen.captured == pytest.approx(float(inside @ inside))
    assert seen.trace == pytest.approx(float((projector @ hessian).trace()))
    assert seen.rayleigh == pytest.approx(float(inside @ hessian @ inside / (inside @ inside)))


def test_fresh_batches_of_a_flat_population_have_a_closed_form():
    """E‖ĝ‖² = (mk + 2)·(tokens + n + 1)/tokens·‖g‖² in k directions, as E[S²] = (tokens + n + 1)/tokens·I."""
    flat = bed(*[1.0] * 12)
    for aligned, k in ((False, 12), (True, 4)):
        seen = layer.seen_in_minibatches(flat, 4, aligned, count=8_000, seed=0)
        assert 1 / seen.lr == pytest.approx((3 * k + 2) * (4 + 12 + 1) / 4, rel=0.03)


def test_a_loss_out_of_reach_has_no_steps():
    row = cases.measured(cases.Case("decay", "top", 1, goal=0.1, rows=2, columns=8), searching=2, runs=2)
    assert row["steps"] is None and next(cases.gains([{**row, "directions": "all"}, row]))["measured"] is None


def test_the_error_of_a_quotient_is_that_of_its_parts():
    ratio = cases.quotient(Estimate(10.0, 0.3, 9), Estimate(5.0, 0.2, 9))
    assert ratio.mean == 2 and ratio.standard_error == pytest.approx(2 * (0.03**2 + 0.04**2) ** 0.5)


# the record and its page


def gains() -> list[dict[str, Any]]:
    return list(cases.gains(RECORD["layer"]))


def test_the_record_has_every_case():
    assert [
        {name: row[name] for name in case.name} for case, row in zip(cases.CASES, RECORD["layer"], strict=True)
    ] == [case.name for case in cases.CASES]


def test_the_cosine_does_not_predict_the_steps_on_one_batch():
    (span,) = [row for row in gains() if row["inputs"] == "span"]
    value, error = span["measured"]
    assert span["by_cosine"] == 8 and abs(value - 1) < 5 * error and error < 0.01


def test_gradient_and_curvature_predict_the_first_part_of_the_way():
    early = [row for row in gains() if row["goal"] >= 0.9 or "decay" not in row["inputs"]]
    assert len(early) == 7
    for row in early:
        value, error = row["measured"]
        assert abs(value / row["by_curvature"] - 1) < 0.04 + 5 * error / value, row


def test_the_exact_moments_predict_all_of_the_way():
    compared = [row for row in gains() if row["by_theory"] and row["goal"] < 0.9]
    assert len(compared) == 2
    for row in compared:
        value, error = row["measured"]
        assert abs(value - row["by_theory"]) < 5 * error, row


def test_fresh_batches_gain_and_the_page_says_how_much():
    last = [row for row in gains() if row["tokens"]]
    assert min(row["measured"][0] for row in last) > 3
    page = block.layer(ROOT)
    assert all(block.measured(row) in page for row in gains()) and page.count("never arrives |") == 1
    assert "span of the inputs, to 0.01, measured 1.003" in page


def test_a_run_that_was_cut_goes_on(tmp_path):
    file = tmp_path / "record.json"
    command = [sys.executable, str(SCRIPT), "--quick", "--json", str(file)]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    ran = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert ran.returncode == 0, ran.stderr
    whole = json.loads(file.read_text())
    assert os.uname().nodename not in json.dumps(whole)
    file.write_text(json.dumps(whole | {"layer": whole["layer"][:-1]}))
    again = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert again.returncode == 0, again.stderr
    assert json.loads(file.read_text()) == whole and again.stdout.count(" to ") == 1
