"""Directions in the span of a layer's inputs: what is computed agrees with what is drawn, and the record says so."""

import json
import math
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from aligning import cases, layer, model, spans, training
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


# a language model


@pytest.fixture(scope="module")
def toy() -> model.Bed:
    return model.toy()[0]


def test_layers_that_read_the_same_share_one_basis_and_the_tied_output_layer_is_left_out(toy):
    names = [name.rpartition(".")[2] for name in toy.layers]
    assert names == 2 * ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
    q, k, v, o, *_ = toy.bases["same"].values()
    assert q is k is v and q is not o
    assert spans.kept_numbers(toy.bases["same"], 3) == 2 * 3 * (24 + 24 + 24 + 40)
    assert spans.moved_numbers(toy.layers, toy.bases["same"], 3) == 2 * 3 * (4 * 24 + 2 * 40 + 24)


def test_the_span_of_the_inputs_holds_the_gradient_and_its_first_axes_the_most(toy):
    bases = toy.bases
    for basis in bases["same"].values():
        assert torch.allclose(basis.T @ basis, torch.eye(basis.shape[1]), atol=1e-5)
    found = [spans.shares(toy.slopes, bases["same"], k)[0] for k in (1, 4, model.WHOLE)]
    assert found[0] < found[1] < found[2] and found[2] == pytest.approx(1, abs=1e-4)
    assert spans.shares(toy.slopes, bases["other"], 4)[0] < spans.shares(toy.slopes, bases["other"], model.WHOLE)[0]


def test_the_curvature_by_rows_is_that_of_the_hessian_where_the_logits_are_linear():
    linear = torch.nn.Linear(5, 2, bias=False).requires_grad_(False)
    inputs, labels = torch.randn(6, 5, generator=torch.Generator().manual_seed(0)), torch.tensor([0, 1, 1, 0, 1, 0])

    def loss_of(rows: slice, weight: torch.Tensor | None = None) -> torch.Tensor:
        logits = inputs[rows] @ (linear.weight if weight is None else weight).T
        return torch.nn.functional.cross_entropy(logits, labels[rows])

    layers = {"": linear}
    slopes = spans.slopes_of(layers, lambda: loss_of(slice(6)))
    bases = {"random": spans.random_bases(layers, 3, seed=1)}
    curvature = spans.Curvature(slopes, bases, (2,))
    for row in range(6):
        curvature.add(layers, lambda row=row: loss_of(slice(row, row + 1)))
    hessian = torch.autograd.functional.hessian(lambda w: loss_of(slice(6), w), linear.weight).view(10, 10)
    basis = bases["random"][""][:, :2]
    for kind, k, projector in (("all", 0, torch.eye(5)), ("random", 2, basis @ basis.T)):
        whole = torch.kron(torch.eye(2), projector)
        g = whole @ slopes[""].flatten()
        seen = curvature.seen(kind, k)
        assert seen["captured"] == pytest.approx(float(g @ g), rel=1e-4)
        assert seen["trace"] == pytest.approx(float((whole @ hessian).trace()), rel=1e-4)
        assert seen["rayleigh"] == pytest.approx(float(g @ hessian @ g / (g @ g)), rel=1e-4)
    assert not linear.weight.requires_grad


def test_directions_in_all_dimensions_are_gaussian_and_those_of_the_span_within_it(toy):
    (name, first), *_ = toy.layers.items()
    basis = toy.bases["same"][name]
    draws = {}
    for kind in (model.EVERYWHERE, model.Kind("same", model.WHOLE), model.Kind("same", 4)):
        draws[kind] = torch.stack([toy.directions(kind).draw(toy.layers, 0, step)[0] for step in range(400)])
    everywhere, span, four = draws.values()
    assert everywhere.shape[1:] == first.weight.shape
    assert torch.allclose(everywhere @ basis, span @ basis, atol=1e-5)
    assert torch.allclose(span @ basis[:, :4] @ basis[:, :4].T, four, atol=1e-5)
    power = everywhere.square().mean(0)  # of each coordinate
    assert abs(float(power.mean()) - 1) < 0.02 and float((power - 1).abs().max()) < 0.5
    assert float(four.square().sum((1, 2)).mean()) == pytest.approx(4 * 24, rel=0.05)


def test_on_one_layer_of_a_model_all_directions_and_the_span_have_the_same_losses(toy):
    (name, last) = list(toy.layers.items())[-1]
    before = last.weight.clone()
    alone = {name: last}
    runs = [
        training.train(alone, toy.loss, toy.directions(kind), 3e-3, steps=8, seed=0)
        for kind in (model.EVERYWHERE, model.Kind("same", model.WHOLE))
    ]
    assert runs[0] == pytest.approx(runs[1], rel=2e-3) and len(set(runs[0])) == 8
    assert torch.equal(last.weight, before)


def test_a_run_that_blows_up_ends_and_gives_the_weights_back():
    linear = torch.nn.Linear(3, 2, bias=False).requires_grad_(False)
    before = linear.weight.clone()
    directions = training.Directions({"": torch.eye(3)}, 3)
    losses = training.train({"": linear}, lambda: linear(torch.ones(3)).square().sum(), directions, 9, steps=50, seed=0)
    assert 1 < len(losses) < 50 and losses[-1] > 10 * losses[0] and torch.equal(linear.weight, before)


def run_of(kind: model.Kind, seed: int, losses: list[float], factor: float = model.FACTOR) -> dict[str, Any]:
    return {**kind._asdict(), "factor": factor, "seed": seed, "losses": losses}


def test_the_gain_is_that_of_the_steps_to_a_loss_which_all_runs_reach():
    kind = model.Kind("same", 4)
    slow, fast = [8.0 - step / 4 for step in range(32)], [8.0, 6.0, 4.0, 2.0]
    runs = [run_of(model.EVERYWHERE, 0, slow), run_of(kind, 0, fast), run_of(model.EVERYWHERE, 1, slow)]
    assert model.step_gain(runs, kind) is None
    runs += [run_of(kind, 1, fast)]
    gain = model.step_gain(runs, kind)
    ratios = [3 / 1, 6 / 1, 9 / 2, 12 / 2, 15 / 2, 18 / 3, 21 / 3, 24 / 3]  # eight levels, 0.75 apart
    assert gain is not None and gain.mean == pytest.approx(math.prod(ratios) ** (1 / 8))
    assert gain.standard_error == 0 and gain.count == 2
    assert model.step_gain(runs, kind, factor=0.1) is None


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


def predictions() -> list[dict[str, Any]]:
    return list(model.predictions(RECORD["model"]["seen"]))


def test_the_first_directions_of_the_inputs_hold_most_of_the_gradient_and_transfer():
    found = {(row["batch"], row["directions"], row["k"]): row["share"][0] for row in RECORD["model"]["shares"]}
    for batch in ("short", "long"):
        assert found[batch, "same", model.WHOLE] == pytest.approx(1, abs=1e-4)
        for k in model.KS:
            assert abs(found[batch, "other", k] - found[batch, "same", k]) < 0.08
        assert found[batch, "same", 16] > 0.85
    (random,) = [row for row in predictions() if row["directions"] == "random"]
    assert random["share"] < 0.04


def test_what_holds_the_gradient_of_the_real_model_holds_its_curvature():
    for row in predictions():
        assert abs(row["share"] / row["trace_share"] - 1) < 0.05, row
        assert abs(row["by_curvature"] - 1) < 0.05, row
        if row["directions"] != "random":
            assert row["by_cosine"] > 5


def test_a_fresh_batch_of_short_reviews_would_gain_little():
    gains = [row["fresh"] for row in predictions() if "fresh" in row]
    assert len(gains) == len(model.KS) and all(abs(gain - 1) < 0.1 for gain in gains)


def test_no_training_of_the_real_model_took_as_few_steps_as_the_cosine_promises():
    rows = block.trained(RECORD["model"])
    assert [(row["directions"], row["k"]) for row, _ in rows] == [
        *(("same", 1), ("same", 16), ("same", model.WHOLE), ("other", 16), ("random", 16)),
    ]
    for row, gain in rows:
        assert gain.count >= 3
        if row["directions"] != "random":
            upper = gain.mean * math.exp(block.half_width(gain))
            assert upper < row["by_cosine"], row


def test_the_page_answers_with_the_numbers_of_the_record():
    page = block.model(ROOT)
    rows = block.trained(RECORD["model"])
    assert all(f"| {block.interval(gain)} |" in page for _, gain in rows)
    assert "By the cosine, no:" in page and f"over {rows[0][1].count} seeds" in page


def test_a_run_that_was_cut_goes_on(tmp_path):
    file = tmp_path / "record.json"
    command = [sys.executable, str(SCRIPT), "--quick", "--json", str(file)]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    ran = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert ran.returncode == 0, ran.stderr
    whole = json.loads(file.read_text())
    assert os.uname().nodename not in json.dumps(whole)
    cut = whole["model"] | {"runs": whole["model"]["runs"][:-1]}
    file.write_text(json.dumps(whole | {"layer": whole["layer"][:-1], "model": cut}))
    again = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert again.returncode == 0, again.stderr
    assert json.loads(file.read_text()) == whole and again.stdout.count(" to ") == 1
