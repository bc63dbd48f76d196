"""What notebooks read of the records is what the records hold."""

import json

import pytest

from mezo_lab.course.notebook import record_path
from mezo_lab.course.records import recorded_memory, recorded_opt_memory, recorded_runs, recorded_walk


def test_every_run_is_read():
    rows = json.loads(record_path("results/finetune.json").read_text())["rows"]
    runs = recorded_runs()
    assert [run.test for run in runs] == [row["test"] for row in rows]
    assert [run.gain and list(run.gain) for run in runs] == [row.get("gain") for row in rows]
    assert [run.zeros for run in runs] == [row["zero_gradients"] for row in rows]


def test_runs_are_chosen_by_all_of_their_fields():
    scored = recorded_runs(method="MeZO", objective="accuracy")
    assert scored and {(run.method, run.objective) for run in scored} == {("MeZO", "accuracy")}
    assert recorded_runs(method="zero-shot", objective="accuracy") == []


def test_zero_shot_has_no_training_reviews():
    assert {run.shots for run in recorded_runs(method="zero-shot")} == {0}
    assert {run.shots for run in recorded_runs(method="MeZO")} == {16, 512}


def test_a_field_that_runs_do_not_have_is_no_choice():
    with pytest.raises(ValueError, match=r"`chosen` must be one of method, .*; got 'shot'. Nearest: shots"):
        recorded_runs(shot=16)
    with pytest.raises(ValueError, match=r"`method` must be one of mezo, prefix, adam; got 'lora'"):
        recorded_opt_memory("lora")


def test_memory_is_that_of_the_record():
    text = record_path("results/memory.txt").read_text().replace(",", "")
    for method, memory in recorded_memory().items():
        (line,) = (line.split() for line in text.splitlines() if line.startswith(f"{method} "))
        assert line[3:7:3] == [f"{memory.optimizer:.1f}", f"{memory.measured:.1f}"]
        assert line[5] == f"{memory.predicted:.1f}"


def test_memory_of_the_papers_setting_is_that_of_the_record():
    text = record_path("results/memory.txt").read_text()
    line = next(line for line in text.splitlines() if line.startswith("30B"))
    numbers = [float(cell) for cell in line.split()[1:] if "%" not in cell]
    assert [recorded_opt_memory(method)["30B"] for method in ("mezo", "prefix", "adam")] == numbers[::2]


def test_the_walk_is_that_of_the_record_and_as_long_as_its_log_says():
    record = json.loads(record_path("results/wandering.json").read_text())
    points = record["walks"]["rotten-tomatoes-512-mezo-full-20000-seed0"]["points"]
    walk = recorded_walk()
    assert [point.steps for point in walk] == [point["steps"] for point in points]
    assert all(point.sq_length == pytest.approx(point.expected, rel=1e-3) for point in walk)
    assert all(0 < point.share < 1e-4 for point in walk)
