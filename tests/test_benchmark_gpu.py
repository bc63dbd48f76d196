"""The benchmark of a GPU runs at toy size on a CPU, where it records everything and claims nothing."""

import importlib
import json
import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import torch
from blocks import gpu as page

pytestmark = pytest.mark.repo

ROOT = Path(__file__).parents[1]
SCRIPT = ROOT / "benchmarks/gpu.py"
FIELDS = {
    "tests": {"files", "all_ran", "passed", "failed", "skipped", "failures", "skips"},
    "indices": {"law", "dtype", "coordinates", "checked", "largest_difference", "bitwise"},
    "replay": {"law", "dtype", "exact", "weight_decay", "steps", "bitwise", "largest_difference", "largest_move"},
    "sweeps": {"parameters", "dtype", "exact", "rounds", "rows", "left_out", "compiled_sweeps"},
    "steps": {"model", "parameters", "dtype", "tokens_per_step", "rounds", "rows", "left_out", "compiled_sweeps"},
    "first step": {"cold", "rows", "left_out"},
}
ROW = {"first", "second", "held", "seconds", "ratio", "least", "largest", "peak", "over"}
MEZO = [f"MeZO {law}, {sweeps} sweeps" for law in ("rademacher", "gaussian") for sweeps in (2, 3)]


def toy(file: Path, *options: str) -> subprocess.CompletedProcess:
    command = [sys.executable, str(SCRIPT), "--toy", "--device", "cpu", "--rounds", "1", "--json", str(file), *options]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    return subprocess.run(command, capture_output=True, text=True, env=environment)


@pytest.fixture(scope="module")
def record(tmp_path_factory) -> dict[str, Any]:
    pytest.importorskip("transformers")
    file = tmp_path_factory.mktemp("benchmark") / "record.json"
    ran = toy(file)
    assert ran.returncode == 0, ran.stderr
    return json.loads(file.read_text())


@pytest.fixture(scope="module")
def script():
    return importlib.import_module("gpu")


@pytest.fixture(scope="module")
def parts():
    """The modules of benchmarks/gpu_parts, by name."""
    return lambda name: importlib.import_module(f"gpu_parts.{name}")


@pytest.fixture
def setting(parts, tmp_path):
    return parts("setting").Setting("cpu", toy=True, rounds=2, cache=tmp_path)


def soon() -> float:
    return time.monotonic() + 600


def rows(record: dict[str, Any], part: str) -> dict[str, Any]:
    return record["parts"][part]["rows"]


def test_a_record_holds_every_part_with_its_fields(record, script):
    assert list(record["parts"]) == [part.name for part in script.PARTS]
    assert {part["kind"] for part in record["parts"].values()} == set(FIELDS)
    for name, part in record["parts"].items():
        assert part["status"] == "done", f"{name}: {part}"
        assert FIELDS[part["kind"]] <= part.keys(), name


def test_the_parts_share_eight_minutes(script):
    assert sum(part.share for part in script.PARTS) == script.SECONDS == 480


def test_steps_in_half_precision_are_plain_and_exact_beside_the_published_sequence(record):
    found = rows(record, "steps, Llama-3.1-8B, bfloat16, 16 × 32 tokens")
    exact = ["MeZO rademacher, exact", "MeZO gaussian, exact"]
    assert set(found) == {"two forwards", *MEZO, *exact, "published sequence"}
    assert all(ROW <= row.keys() for row in found.values())
    assert found["two forwards"]["ratio"] == 1


def test_steps_in_full_precision_stand_beside_backpropagation(record):
    found = rows(record, "steps, SmolLM2-135M, float32, 16 × 32 tokens")
    assert set(found) == {"two forwards", *MEZO, "published sequence", "SGD, backpropagation", "Adam, backpropagation"}


def test_the_bytes_of_a_sweep_are_those_it_reads_and_writes(record):
    for part, own in (("sweeps, float32", 8), ("sweeps, bfloat16", 4), ("sweeps, bfloat16, exact", 6)):
        numel = record["parts"][part]["parameters"]
        row = rows(record, part)["rademacher, 1 z"]
        assert row["gigabytes_per_second"] * row["seconds"] * 1e9 == pytest.approx(own * numel), part
        assert rows(record, part)["copy_"]["of_copy"] == pytest.approx(1)


def test_a_replay_on_the_device_of_the_run_is_bitwise(record):
    replays = [part for part in record["parts"].values() if part["kind"] == "replay"]
    assert len(replays) == 4 and {part["law"] for part in replays} == {"rademacher", "gaussian"}
    for part in replays:
        assert part["bitwise"] and part["largest_difference"] == 0 < part["largest_move"]


def test_a_sweep_is_recorded_where_its_copy_was_left_out(parts, setting, monkeypatch):
    speed = parts("speed")
    monkeypatch.setattr(speed, "too_dear", lambda costs, keep, left: ["copy_"])
    found = speed.of_sweeps(setting, soon(), dtype="float32", exact=True)
    assert found["left_out"]["copy_"]["second"] > 0 and "its rounds would not" in found["left_out"]["copy_"]["reason"]
    assert found["rows"]["rademacher, 1 z"]["of_copy"] is None


def test_z_is_looked_up_at_the_last_coordinates_too(record):
    for law in ("rademacher", "gaussian"):
        part = record["parts"][f"indices, {law}"]
        assert part["largest_difference"] < 1e-6 and part["checked"] > 10_000


def test_an_index_that_is_off_is_seen(parts, setting, monkeypatch):
    correctness = parts("correctness")
    at = correctness.NoiseField.at
    monkeypatch.setattr(correctness.NoiseField, "at", lambda *place: at(*place[:-1], (place[-1] + 1) % 10_007))
    found = correctness.of_indices(setting, soon(), law="rademacher", dtype="bfloat16")
    assert found["largest_difference"] == 2 and not found["bitwise"]


def test_a_replay_that_differs_is_seen(parts):
    here, there = torch.nn.Linear(2, 2), torch.nn.Linear(2, 2)
    start = [parameter.detach() - 1 for parameter in here.parameters()]
    for mine, other in zip(here.parameters(), there.parameters(), strict=True):
        other.data = mine.data + 0.25
    found = parts("correctness").apart(list(here.parameters()), list(there.parameters()), start)
    assert not found["bitwise"]
    assert (found["largest_difference"], found["largest_move"]) == pytest.approx((0.25, 1.0))


def test_the_first_step_of_a_process_is_cold_once(record):
    assert record["parts"]["first step, nothing cached"]["cold"]
    assert not record["parts"]["first step, cached"]["cold"]
    assert rows(record, "first step, cached")["rademacher, float32"].keys() == {"first", "second"}


def test_the_shapes_are_those_of_the_models_they_are_named_after(parts):
    pytest.importorskip("transformers")
    beds = parts("beds")
    bytes_of = {name: sum(beds.weights(shape, torch.bfloat16)) for name, shape in beds.SHAPES.items()}
    assert bytes_of == {
        "SmolLM2-135M": 2 * 134_515_008,
        "Llama-3.2-1B": 2 * 1_235_814_400,
        "Llama-3.1-8B": 2 * 8_030_261_248,
    }


@pytest.fixture
def three_parts(script, parts):
    """One part that raises, one that has no room, one that is done."""
    Part = parts("setting").Part

    def broken(setting, deadline):
        raise RuntimeError(f"no kernel in {ROOT}/somewhere\non this line")

    def roomless(setting, deadline):
        raise parts("setting").LeftOut("its weights take 99.0 GiB")

    def whole(setting, deadline):
        return {"value": 1}

    return [Part("broken", "a", 1, broken), Part("roomless", "b", 1, roomless), Part("whole", "c", 1, whole)]


def test_a_part_that_raises_says_so_and_the_others_go_on(script, setting, three_parts):
    found = script.measured(three_parts, setting, 60, lambda record: None)["parts"]
    assert [part["status"] for part in found.values()] == ["failed", "left out", "done"]
    assert found["broken"]["reason"] == "RuntimeError: no kernel in …/somewhere on this line"
    assert found["roomless"]["reason"] == "its weights take 99.0 GiB"
    assert found["whole"]["value"] == 1


def test_a_run_that_is_cut_keeps_what_it_has(script, setting, three_parts):
    written: list[dict[str, Any]] = []

    def write(record):
        written.append(json.loads(json.dumps(record)))

    def cut(setting, deadline):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        script.measured([*three_parts, replace(three_parts[0], name="cut", run=cut)], setting, 60, write)
    assert {name: part["status"] for name, part in written[-1]["parts"].items()} == {
        "broken": "failed",
        "roomless": "left out",
        "whole": "done",
        "cut": "running",
    }


def test_no_part_begins_when_the_time_is_spent(script, setting, three_parts):
    found = script.measured(three_parts, setting, -1, lambda record: None)["parts"]
    assert {part["status"] for part in found.values()} == {"left out"}
    assert found["whole"]["reason"] == "its time was spent before it began"


def test_time_that_a_part_does_not_use_is_left_to_the_parts_behind_it(script, setting, three_parts):
    deadlines = []

    def told(setting, deadline):
        deadlines.append(deadline)
        return {}

    shares = [replace(part, share=share, run=told) for part, share in zip(three_parts, (1, 2, 3), strict=True)]
    begin = time.monotonic()
    script.measured(shares, setting, 600, lambda record: None)
    assert [deadline - begin for deadline in deadlines] == pytest.approx([100, 300, 600], abs=50)


def test_a_method_that_breaks_is_left_out_with_its_reason_and_the_others_go_on(parts, setting):
    speed = parts("speed")
    bed = parts("beds").one_tensor(setting, torch.float32)

    def no_room(bed):
        raise torch.OutOfMemoryError("CUDA out of memory")

    starts = {name: lambda bed: speed.Ready(bed, [torch.ones(5000)], copies=True) for name in ("add_", "copy_")}
    found = speed.in_turn(bed, starts | {"large": no_room}, setting, soon(), to="add_")
    assert set(found["rows"]) == {"add_", "copy_"}
    assert found["left_out"] == {"large": {"reason": "OutOfMemoryError: CUDA out of memory"}}


def test_what_all_are_compared_with_must_run(parts, setting):
    speed = parts("speed")
    bed = parts("beds").one_tensor(setting, torch.float32)
    starts = {"add_": lambda bed: speed.Ready(bed, [], copies=False)}
    with pytest.raises(parts("setting").LeftOut, match="add_ did not run: its time was spent before it began"):
        speed.in_turn(bed, starts, setting, time.monotonic(), to="add_")


def test_the_dearest_methods_are_left_out_until_the_others_end_in_time(parts):
    too_dear = parts("speed").too_dear
    costs = {"two forwards": 5.0, "a": 3.0, "b": 9.0, "c": 4.0}
    assert too_dear(costs, "two forwards", left=30) == []
    assert too_dear(costs, "two forwards", left=10) == ["b", "c"]
    assert too_dear(costs, "two forwards", left=5) == ["b", "c", "a"]
    with pytest.raises(parts("setting").LeftOut, match="two forwards alone would take 5 s, and 4 s are left"):
        too_dear(costs, "two forwards", left=4)


def test_a_model_that_has_no_room_is_left_out(parts, setting, monkeypatch):
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda: (20 * 2**30, 24 * 2**30))
    check = parts("beds").check_memory
    cuda = replace(setting, device="cuda")
    check(cuda, 13 * 2**30)
    with pytest.raises(parts("setting").LeftOut, match=r"its weights take 16\.0 GiB, and 20\.0 GiB are free"):
        check(cuda, 16 * 2**30)


def test_tests_that_take_too_long_are_interrupted_and_still_report(parts):
    correctness = parts("correctness")
    assert correctness.ran_until(soon(), [sys.executable, "-c", "pass"])
    now = time.monotonic()
    assert not correctness.ran_until(now, [sys.executable, "-c", "import time; time.sleep(600)"])


def test_a_report_of_tests_is_counted(parts):
    report = """<testsuites><testsuite>
        <testcase classname="a" name="passes"/>
        <testcase classname="a" name="fails"><failure message="no&#10;yes"/></testcase>
        <testcase classname="b" name="breaks"><error message="at setup"/></testcase>
        <testcase classname="b" name="skips"><skipped message="one GPU"/></testcase>
    </testsuite></testsuites>"""
    assert parts("correctness").counted(ElementTree.fromstring(report)) == {
        "passed": 1,
        "failed": 2,
        "skipped": 1,
        "failures": {"a::fails": "RuntimeError: no", "b::breaks": "RuntimeError: at setup"},
        "skips": ["one GPU"],
    }


def test_a_toy_needs_a_file_of_its_own_and_a_cpu_is_measured_elsewhere():
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    for options, told in (
        (["--toy", "--device", "cpu"], "--toy measures nothing: give it a --json elsewhere"),
        (["--device", "cpu"], "benchmarks/step_cost.py measures a CPU"),
    ):
        ran = subprocess.run([sys.executable, str(SCRIPT), *options], capture_output=True, text=True, env=environment)
        assert ran.returncode == 2 and told in ran.stderr


@pytest.mark.skipif(torch.cuda.is_available(), reason="a GPU is here")
def test_without_a_gpu_nothing_is_measured():
    ran = subprocess.run([sys.executable, str(SCRIPT)], capture_output=True, text=True)
    assert ran.returncode == 1 and "torch sees no GPU, and nothing was measured" in ran.stderr


def test_a_record_describes_the_machine_and_does_not_name_it(record):
    assert {"processor", "cores", "torch", "device"} <= record["machine"].keys()
    assert os.uname().nodename not in json.dumps(record) and str(Path.home()) not in json.dumps(record)


def shown(folder: Path, record: dict[str, Any]) -> str:
    folder.joinpath("results").mkdir(exist_ok=True)
    folder.joinpath("results/gpu.json").write_text(json.dumps(record))
    return page.gpu(folder)


def test_the_page_claims_nothing_of_a_toy_or_of_a_cpu(record, tmp_path):
    assert page.gpu(tmp_path) == page.NOTHING
    assert shown(tmp_path, record) == page.NOTHING
    assert shown(tmp_path, record | {"toy": False}) == page.NOTHING
    assert shown(tmp_path, record | {"machine": record["machine"] | {"device": "Fast GPU"}}) == page.NOTHING


def test_the_page_shows_what_was_measured_on_a_gpu_and_what_was_not(record, tmp_path):
    cuda = record | {"toy": False, "machine": record["machine"] | {"device": "Fast GPU"}}
    text = shown(tmp_path, cuda)
    assert text.startswith("Fast GPU, torch ") and text.count("| published sequence |") == 5
    assert "- a log of 5 steps on the CPU (rademacher, bfloat16, exact), replayed on the GPU: bit for bit" in text
    assert "| rademacher, float32 |" in text and "**failed**" not in text
    broken = cuda["parts"] | {
        "replay, gaussian": {"kind": "replay", "status": "failed", "reason": "RuntimeError: no kernel"},
        "tests of the claims": {"kind": "tests", "status": "running"},
    }
    left = shown(tmp_path, cuda | {"parts": broken})
    assert "- replay, gaussian: **failed**, RuntimeError: no kernel" in left
    assert "- tests of the claims: **running**, the script was cut" in left
