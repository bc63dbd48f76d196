"""The benchmark of a step runs, counts what it says, and shows what it measured; its figures are not tested."""

import importlib
import json
import os
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from blocks import costs
from torch.nn import Linear

pytestmark = pytest.mark.repo

ROOT = Path(__file__).parents[1]
SCRIPT = ROOT / "benchmarks/step_cost.py"
KEEPS_PEAKS = os.access("/proc/self/clear_refs", os.W_OK)
METHODS = [
    "two forwards",
    *(f"MeZO {law}, {sweeps} sweeps" for law in ("rademacher", "gaussian", "low-rank") for sweeps in (2, 3)),
    "published sequence",
    "SGD, backpropagation",
    "Adam, backpropagation",
]
EAGER = "MeZO rademacher, eager"


@pytest.fixture(scope="module")
def step():
    """The modules of benchmarks/step, by name."""
    return lambda name: importlib.import_module(f"step.{name}")


@pytest.fixture
def bed(step):
    """A layer of 5 × 40 weights and 5 biases under a loss linear in them."""
    torch.manual_seed(0)
    layer = Linear(40, 5)
    return step("beds").Bed(layer, lambda: layer.weight.sum() / 200**0.5 + layer.bias.sum(), {"model": "linear"})


@pytest.fixture(scope="module")
def record(tmp_path_factory) -> dict[str, Any]:
    pytest.importorskip("transformers")
    file = tmp_path_factory.mktemp("benchmark") / "record.json"
    command = [sys.executable, str(SCRIPT), "--quick", "--json", str(file)]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    ran = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert ran.returncode == 0, ran.stderr
    assert "random Llama: 6,224 parameters, batch 16 (512 tokens)" in ran.stdout
    return json.loads(file.read_text())


def rows(record: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {row["method"]: row for row in record["beds"][0]["rows"]}


def test_a_record_holds_every_method_and_says_which_packages_took_part(record):
    assert set(METHODS) <= rows(record).keys()
    for name in ("mezo", "torchzero"):
        took_part = f"package {name}" in rows(record)
        assert took_part != record["packages"][name].startswith("left out: ModuleNotFoundError")


def test_a_record_says_what_each_step_cost(record):
    for row in rows(record).values():
        assert row["seconds"] > 0 and row["least"] <= row["ratio"] <= row["largest"]
        assert (row["floor"] is not None) == bool(row["law"]) == row["method"].startswith("MeZO")
    assert rows(record)["two forwards"]["ratio"] == 1


def test_small_models_take_part_with_a_whole_run_and_with_steps_without_a_compiler(record):
    _, perceptron, numbers, tensors = record["beds"]
    assert EAGER in [row["method"] for row in perceptron["rows"]]
    assert EAGER not in [row["method"] for bed in (record["beds"][0], numbers, tensors) for row in bed["rows"]]
    assert perceptron["run"]["steps"] == 5 and all(
        perceptron["run"]["seconds"][f"MeZO {law}, 3 sweeps"] > 0 for law in ("rademacher", "gaussian")
    )
    assert [(bed["parameters"], bed["tensors"]) for bed in (numbers, tensors)] == [(20, 1), (20, 20)]
    assert [row["memory"] for bed in (numbers, tensors) for row in bed["rows"] if row["memory"]] == []
    assert [target["promise"] for target in record["targets"] if target["promise"].startswith("µs of a")] == [
        "µs of a rademacher step of 20 numbers in one tensor",
        "µs of a rademacher step of 20 tensors of one number",
    ]


def test_an_own_step_counts_two_and_three_sweeps(record):
    parameters = record["beds"][0]["parameters"]
    for name, row in rows(record).items():
        if row["law"]:
            assert row["bytes"] == row["sweeps"] * 2 * 4 * parameters, name
            assert 0 < row["words"] < 2 * parameters


def test_memory_is_taken_in_a_process_of_its_own(record):
    memory = rows(record)["MeZO rademacher, 2 sweeps"]["memory"]
    if KEEPS_PEAKS:
        assert memory["forward"] > 50 and memory["over_forward"] < memory["forward"]
        assert memory.keys() == {"forward", "over_forward", "first", "without_loss"}
    else:
        assert memory is None


def test_a_record_describes_the_machine_and_does_not_name_it(record):
    assert {"processor", "cores", "threads", "torch", "device"} <= record["machine"].keys()
    assert os.uname().nodename not in json.dumps(record) and str(Path.home()) not in json.dumps(record)


def test_the_published_sequence_moves_by_lr_pg_z_and_seeds_the_whole_process(step, bed, monkeypatch):
    methods = step("methods")
    monkeypatch.setattr(methods, "LR", 0.5)
    monkeypatch.setattr(methods.numpy.random, "randint", lambda most: 7)
    before = [parameter.detach().clone() for parameter in bed.parameters]
    methods.Published(bed).step()
    torch.manual_seed(7)
    z = [torch.normal(0.0, 1.0, parameter.shape) for parameter in before]
    pg = z[0].sum() / 200**0.5 + z[1].sum()  # exact on a linear loss
    for parameter, start, direction in zip(bed.parameters, before, z, strict=True):
        torch.testing.assert_close(parameter.detach(), start - 0.5 * pg * direction, rtol=0, atol=5e-3)
        assert (parameter - start).abs().max() > 0.05


def test_the_published_sequence_moves_37_tensors_and_draws_four_numbers_for_each_weight(step, bed):
    counted = step("traffic").traffic("published sequence", bed)
    weights, biases = 200, 5
    scalars = counted.bytes / 4 - 37 * weights - 32 * biases  # a bias does not decay: a product and a sum less
    assert 0 <= scalars < 20
    assert counted.words == 4 * (weights + biases)


def test_torch_draws_one_word_for_each_normal_number():
    def after(draw) -> torch.Tensor:
        generator = torch.Generator().manual_seed(3)
        draw(generator)
        return generator.get_state()

    drawn = after(lambda generator: torch.normal(0.0, 1.0, (1600,), generator=generator))
    assert torch.equal(drawn, after(lambda g: torch.empty(1600, dtype=torch.int32).random_(generator=g)))
    assert not torch.equal(drawn, after(lambda g: torch.empty(1599, dtype=torch.int32).random_(generator=g)))


@pytest.mark.parametrize(("method", "tensors"), [("SGD, backpropagation", 3), ("two forwards", 0)])
def test_traffic_leaves_the_model_out(step, bed, method, tensors):
    assert step("traffic").traffic(method, bed).bytes == pytest.approx(4 * tensors * 205, abs=40)


def test_a_step_out_of_place_leaves_the_parameters_where_they_were(step, bed):
    published, homes = step("methods").Published(bed), [parameter.data_ptr() for parameter in bed.parameters]
    with step("timing").at_home(bed.parameters):
        published.step()
        assert [parameter.data_ptr() for parameter in bed.parameters] != homes
    assert [parameter.data_ptr() for parameter in bed.parameters] == homes


def test_every_method_comes_first_in_its_turn_and_the_first_rounds_do_not_count(step, bed, monkeypatch):
    timing, order = step("timing"), []
    runs = {name: lambda name=name: order.append(name) for name in "abc"}
    found = timing.seconds(bed, runs, rounds=3, device="cpu")
    turns = [order[start : start + 3] for start in range(0, len(order), 3)]
    assert len(turns) == timing.WARM_UP + 3 and [len(times) for times in found.values()] == [3, 3, 3]
    assert {turn[0] for turn in turns[timing.WARM_UP :]} == set("abc")
    assert all(sorted(turn) == ["a", "b", "c"] for turn in turns)


def test_ratios_are_taken_round_by_round(step):
    own, base = [2.0, 30.0, 3.3], [1.0, 10.0, 3.0]
    found = step("timing").compared({"base": base, "own": own}, to="base")["own"]
    assert (found["ratio"], found["least"], found["largest"]) == pytest.approx((2.0, 1.1, 3.0))
    assert found["ratio_of_medians"] == pytest.approx(statistics.median(own) / statistics.median(base))


@pytest.mark.skipif(not KEEPS_PEAKS, reason="peak memory can be set back on Linux only")
def test_a_peak_sees_what_was_held_for_a_moment_and_then_forgets_it(step):
    peak = step("memory").peak
    nothing, much = peak(lambda: None, "cpu"), peak(lambda: torch.ones(40 << 18).sum(), "cpu")
    assert 35 < much - nothing < 60  # 40 MiB
    assert abs(peak(lambda: None, "cpu") - nothing) < 10


def test_a_package_that_is_absent_is_left_out_with_its_reason(step, bed, monkeypatch):
    monkeypatch.setitem(sys.modules, "mezo", None)
    monkeypatch.setitem(sys.modules, "torchzero", None)
    found, packages = step("methods").started(bed)
    assert list(found) == METHODS
    assert all(said.startswith("left out: ModuleNotFoundError") for said in packages.values())


def promised(signs: float, published: float, memory: float, microseconds: float = 120.0) -> dict[str, Any]:
    def row(method: str, ratio: float) -> dict[str, Any]:
        law = "gaussian" if method.startswith("MeZO") else ""
        own = {"over_forward": memory}
        return {"method": method, "ratio": ratio, "law": law, "memory": own, "seconds": microseconds / 1e6}

    ratios = dict.fromkeys([*METHODS[1:], EAGER], 1.0) | {METHODS[2]: signs, "published sequence": published}
    ratios["MeZO low-rank, 3 sweeps"] = signs
    found = [row(method, ratio) for method, ratio in ratios.items()]
    speed = {f"{law}, 1 z": {"ratio": 0.9, "ns_per_coordinate": 1.0} for law in ("rademacher", "gaussian", "low-rank")}
    run = {"steps": 1000, "seconds": {METHODS[2]: 3.0}}
    bed = {"model": "a model", "rows": found, "sweep_speed": speed, "run": run}
    return dict.fromkeys(("smollm2", "mlp", "numbers", "tensors"), bed)


def test_a_promise_that_is_missed_says_by_how_much(step):
    missed = [(t["promise"], t["missed_by"]) for t in step("targets").targets(promised(1.26, 1.25, 96.0, 180.0))]
    assert sorted(share for _, share in missed if share) == pytest.approx([0.2, 0.2, 0.2, 0.26, 0.5, 0.5])
    assert dict(missed)["rademacher step with 3 sweeps / its two forwards"] == pytest.approx(0.2)
    assert dict(missed)["MLP: rademacher step with 3 sweeps / SGD by backpropagation"] == pytest.approx(0.26)
    kept = step("targets").targets(promised(0.9, 4.0, 60.0))
    assert [target["missed_by"] for target in kept] == [0] * 15


def test_a_promise_on_a_model_that_was_not_measured_is_left_out(step):
    whole = promised(0.9, 4.0, 60.0)
    assert len(step("targets").targets({"mlp": whole["mlp"]})) == 4 + 1
    assert step("targets").targets({"tiny": whole["mlp"] | {"rows": []}}) == []


def test_the_page_shows_the_record_with_a_figure_that_is_described(record, step, tmp_path):
    pytest.importorskip("matplotlib")
    tmp_path.joinpath("results").mkdir()
    tmp_path.joinpath("results/step_cost.json").write_text(json.dumps(record))
    costs.draw(tmp_path)
    svg, block = tmp_path.joinpath("docs/figures/step_cost.svg").read_text(), costs.step(tmp_path)
    assert svg.lstrip().startswith("<?xml") and "published sequence" in svg
    assert "![Dot chart of the time of a step" in block and "](figures/step_cost.svg)" in block
    assert all(f"| {method} |" in block for method in METHODS)
    assert "batch 16 = 512 tokens per step" in block and "A run of 5 steps, from a new optimizer on" in block
    assert block.count("| | ms |") == block.count("| | µs |") == 2
    assert f"| {EAGER} |" in block and "µs of a rademacher step of 20 tensors of one number ≤ 150" in block


def test_the_page_says_that_nothing_was_measured_where_nothing_was(tmp_path):
    assert costs.step(tmp_path).startswith("Not measured yet")
