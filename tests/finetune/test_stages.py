"""A run says where its time went, what it does while it is silent, and reads each text once."""

from collections import Counter
from dataclasses import replace

import pytest

from mezo_lab.finetune import stages as clock
from mezo_lab.finetune.encoding.encoder import Encoder
from mezo_lab.finetune.endings import encoding_lines, evaluation_lines
from mezo_lab.finetune.models import loading, smollm2
from mezo_lab.finetune.run import finetune
from mezo_lab.finetune.stages import Stages, stages_line
from mezo_lab.finetune.training import task_trainer

EVALUATED = ["loading", "encoding", "test", "other"]
TRAINED = ["loading", "encoding", "evaluation before"]
ENDED = ["rest of the steps", "validation", "checkpoints", "test", "other"]


@pytest.fixture
def hands(monkeypatch):
    """The clock: a list whose last entry is the time."""
    times = [0.0]
    monkeypatch.setattr("time.perf_counter", lambda: times[-1])
    monkeypatch.setattr("time.monotonic", lambda: times[-1])
    return times


def test_a_stage_inside_another_stops_its_clock_and_a_fault_ends_both(hands):
    stages = Stages()
    with pytest.raises(ZeroDivisionError), stages.timed(clock.REST):
        hands.append(3.0)
        with stages.timed(clock.FORWARD):
            hands.append(10.0)
            raise ZeroDivisionError
    hands.append(50.0)  # no stage has the clock
    stages.begin(clock.FORWARD)
    hands.append(51.0)
    stages.end()
    assert stages.seconds == {clock.REST: 3.0, clock.FORWARD: 8.0}
    assert stages.whole(20.0) == {clock.FORWARD: 8.0, clock.REST: 3.0, clock.OTHER: 9.0}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, [*TRAINED, "forward passes", "sweeps", *ENDED]),
        ({"method": "adam", "lr": 1e-3}, [*TRAINED, "forward and backward passes", "update", *ENDED]),
        ({"method": "zero-shot", "lr": None}, EVALUATED),
    ],
    ids=["mezo", "adam", "zero-shot"],
)
def test_the_stages_of_a_run_are_all_of_its_time(changes, expected, plan, tmp_path):
    lines = []
    result = finetune(replace(plan, **changes), tmp_path / "run", report=lines.append)
    own = result["stages"]
    assert [stage for stage in own if stage != "test"] == [stage for stage in expected if stage != "test"]
    assert ("test" in own) == bool(result.get("best_step", True))  # a start that is kept is not tested again
    assert sum(own.values()) == pytest.approx(result["seconds"]) and min(own.values()) >= 0
    assert stages_line(own) in lines


@pytest.mark.parametrize(("steps", "every"), [(10, 5), (10, 2)])
def test_each_text_is_encoded_once_however_often_the_run_evaluates(steps, every, plan, tmp_path, monkeypatch):
    read = Counter()
    encode = Encoder.encode_prompt

    def counted(self, row, target=0):
        read[row["text"]] += 1
        return encode(self, row, target)

    monkeypatch.setattr(Encoder, "encode_prompt", counted)
    result = finetune(replace(plan, steps=steps, every=every), tmp_path / "run", report=lambda line: None)
    assert len(result["validation"]) == 1 + steps // every
    assert set(read.values()) == {1} and len(read) == 16 + 16 + 20


def test_an_objective_of_answers_encodes_each_question_once(plan, tmp_path, monkeypatch):
    read = Counter()
    encode = Encoder.encode_evaluation

    def counted(self, row, metric=None):
        read[row["text"]] += 1
        return encode(self, row, metric)

    monkeypatch.setattr(Encoder, "encode_evaluation", counted)
    finetune(replace(plan, objective="accuracy"), tmp_path / "run", report=lambda line: None)
    assert set(read.values()) == {1} and len(read) == 16 + 16 + 20


def test_an_evaluation_and_an_encoding_say_after_two_seconds_how_long_they_last(hands):
    lines = []
    progress = evaluation_lines(lines.append, "validation", 1_000)
    for now, done in ((1.9, 100), (2.5, 250), (9.0, 500), (12.6, 630), (20.0, 1_000)):
        hands.append(now)
        progress(10 * done, 10_000)
    assert lines == ["validation: 25% of 1,000 examples, 8 s left", "validation: 63% of 1,000 examples, 7 s left"]
    lines.clear()
    progress = encoding_lines(lines.append, "training")
    hands.append(1_020.0)
    progress(1_000, 9_000)
    assert lines == ["reading the training rows: 1,000 of 9,000, 133 min left"]


def test_what_may_last_is_announced_before_it_begins(plan, tmp_path, monkeypatch):
    monkeypatch.setattr(task_trainer, "_LARGE", 1)
    lines = []
    result = finetune(plan, tmp_path / "run", report=lines.append)
    beginnings = [
        "reading ",
        "loading ",
        "test before the first step: 20 examples",
        "before the first step  test ",
        "validation before the first step: 16 examples",
        "to come: ",
        "step 1/10  loss ",
        "writing checkpoint-5, 0.0 GB",
        "writing checkpoint-10, 0.0 GB",
        *["test: 20 examples"] * bool(result["best_step"]),
        "kept in ",
    ]
    assert [next(line for line in lines if line.startswith(text)) for text in beginnings] == [
        line for line in lines if line.startswith(tuple(beginnings))
    ]


@pytest.mark.parametrize("unpacked", [True, False])
def test_the_first_load_of_the_shipped_model_says_that_it_takes_longer(unpacked, monkeypatch, tmp_path):
    monkeypatch.setenv("MEZO_LAB_CACHE", str(tmp_path))
    monkeypatch.setattr(smollm2, "shipped_file", lambda *_: tmp_path / "model.gguf")
    monkeypatch.setattr(smollm2, "_cache_key", lambda file: file.stem)
    if unpacked:
        (tmp_path / "model").mkdir()
    line = loading.loading_line(loading.SHIPPED_MODEL)
    assert line.startswith("loading smollm2-135m") and ("half a minute" in line) != unpacked
