"""A plan says what it cannot be, in one line, and reads back as it was written."""

import json
import re
from dataclasses import replace
from pathlib import Path

import accuracy
import numpy
import pytest
import rates
import torch

import mezo_lab.finetune as room
from mezo_lab.finetune.config import RunConfig, check_processes, from_preset
from mezo_lab.finetune.default_rates import MEASURED
from mezo_lab.finetune.run import finetune
from mezo_lab.finetune.run_folder import read_run_config, write_run_config


def test_a_plan_reads_back_as_it_was_written(tmp_path):
    plan = RunConfig(task="sst2", words=("no", "yes"), prompt="{text}", data="rows.csv", lr=1e-5, shots=4)
    write_run_config(plan, tmp_path)
    assert read_run_config(tmp_path) == plan != replace(plan, lr=2e-5)


FOREIGN = {
    "steps": numpy.int64(200),
    "lr": numpy.float32(1e-4),
    "epsilon": torch.tensor(1e-3),
    "seed": numpy.uint8(7),
    "batch": numpy.array(8),
    "scratch": numpy.bool_(True),
    "model": Path("models", "mine"),
    "device": torch.device("cpu"),
    "words": ["terrible", "great"],
}
OWN = {"prompt": "{text}", "words": ("no", "yes"), "data": "rows.csv"}  # a task of one's own


@pytest.mark.parametrize("name", FOREIGN)
def test_numbers_of_numpy_and_torch_paths_and_devices_are_written_as_what_they_are(name, tmp_path):
    plan = RunConfig(**(OWN if name == "words" else {}) | {name: FOREIGN[name]})
    write_run_config(plan, tmp_path)
    assert read_run_config(tmp_path) == plan
    value = getattr(plan, name)
    assert type(value) in (int, float, bool, str, tuple)
    assert value == (str(FOREIGN[name]) if isinstance(value, str) else type(value)(FOREIGN[name]))


def test_words_in_an_array_of_numpy_are_words(tmp_path):
    words = numpy.array(["no", "yes"])
    assert RunConfig(**OWN | {"words": words}) == RunConfig(**OWN)


def kind(method: str, tuning: str, objective: str) -> str:
    return f"{method} {tuning} {'accuracy' if objective == 'score' else objective}"


@pytest.mark.parametrize("measured", sorted(MEASURED), ids=lambda measured: kind(*measured))
def test_the_usual_rate_of_the_shipped_model_is_the_one_that_was_measured(measured):
    method, tuning, objective = measured
    chosen = rates.chosen(kind(*measured))
    if kind(*measured) == "mezo full loss":  # two rates are alike there: the smaller, with the schedule of the larger
        tried = {
            row["lr"] for row in json.loads(rates.RECORD.read_text())["rows"] if rates.kind_of(row) == kind(*measured)
        }
        chosen |= {"lr": min(tried), "schedule": accuracy.LONG["schedule"]}
        assert chosen["lr"] == accuracy.LONG["lr"]
    for name in ("accuracy", "f1", "module:function") if objective == "score" else ("loss",):
        plan = RunConfig(method=method, tuning=tuning, objective=name)
        found = plan.resolve()
        assert {name: getattr(found, name) for name in chosen} == chosen
        assert plan.default_rate().source.startswith("the rate that was measured on this model")


@pytest.mark.parametrize(
    ("more", "source"),
    [
        (
            {"model": "facebook/opt-125m"},
            r"the first of the paper's grid for OPT-13B \(Table 16\), and facebook/opt-125m",
        ),
        ({"model": "other", "tuning": "lora"}, r"OPT-13B \(Table 16\), and other may want another: compare several"),
        ({"method": "adam", "tuning": "lora"}, r"RoBERTa-large \(Table 15\), and smollm2-135m may want another"),
        ({"method": "sgd", "tuning": "prefix"}, "a guess of ours, and smollm2-135m may want another"),
    ],
)
def test_any_other_rate_says_where_it_comes_from(more, source):
    assert re.search(source, RunConfig(**more).default_rate().source)
    assert RunConfig(**more).resolve().schedule == "constant"


def test_what_was_given_is_taken_as_it_was_given():
    found = RunConfig(lr=3e-5, epsilon=1e-2, every=7).resolve()
    assert (found.lr, found.epsilon, found.every, found.schedule) == (3e-5, 1e-2, 7, "constant")
    assert RunConfig(schedule="cosine").resolve().schedule == "cosine"
    assert RunConfig(**vars(found)).resolve() == found  # a plan that was read goes on as it was
    assert (
        RunConfig(method="zero-shot").resolve().lr is None
        and RunConfig(method="zero-shot").resolve().schedule == "constant"
    )


def test_the_usual_values_of_another_model_are_the_papers():
    other = {"model": "facebook/opt-125m"}
    full, lora, prefix = (RunConfig(tuning=tuning, **other).resolve() for tuning in ("full", "lora", "prefix"))
    assert [(plan.lr, plan.epsilon) for plan in (full, lora, prefix)] == [(1e-6, 1e-3), (1e-4, 1e-2), (1e-2, 1e-1)]
    assert (full.shots, full.every) == (16, 200)
    assert RunConfig(train=100).resolve().shots is None
    assert (RunConfig(task="copa").resolve().shots, RunConfig(task="copa").resolve().train) == (None, 1000)
    own = {"prompt": "{text} It was", "words": ("no", "yes"), "data": "rows.csv"}
    assert [RunConfig(**more).resolve().test for more in ({}, own, own | {"test_data": "others.csv"})] == [
        1000,
        None,
        1000,
    ]


def test_a_preset_is_the_middle_of_the_papers_grid():
    assert from_preset("paper/roberta-large/sst2")["lr"] == 1e-6
    found = RunConfig(**from_preset("paper/opt-13b/squad", "prefix")).resolve()
    assert (found.lr, found.epsilon, found.steps, found.every, found.tokens) == (1e-2, 1e-1, 20_000, 4_000, 5)
    with pytest.raises(ValueError, match=r"`preset` must be one of the \d+ names, got 'paper/opt-13b/sst': nearest"):
        from_preset("paper/opt-13b/sst")


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"method": "mezzo"}, "`method` must be one of mezo, adam, .*; got 'mezzo'. Nearest: mezo"),
        (
            {"objective": "acuracy"},
            "`objective` must be one of loss, .*module:function; got 'acuracy'. Nearest: accuracy",
        ),
        ({"schedule": "liner"}, "`schedule` must be one of .*; got 'liner'. Nearest: linear"),
        ({"metric": "f2"}, "`metric` must be one of likelihood, f1, exact-match; got 'f2': choose one"),
        ({"steps": "many"}, "`steps` must be a whole number, at least 1, got many"),
        ({"scratch": 1}, "`scratch` must be True or False, got 1"),
        ({"words": "ab"}, "`words` must be a list of texts, got 'ab'"),
        ({"model": 7}, "`model` must be text, got '7'"),
        ({"shots": 4, "train": 8}, "`shots` and `train` must not be given together, got 4 and 8"),
        ({"task": "squad", "shots": 4}, "`shots` belongs to a task with classes, got 4 without one: give `train`"),
        ({"tuning": "half"}, "`tuning` must be one of full, lora, prefix; got 'half'"),
        ({"dtype": "int8"}, "`dtype` must be one of float32"),
        ({"law": "normal"}, "`law` must be one of gaussian, .*; got 'normal'"),
        ({"rule": "adma"}, "`rule` must be one of sgd, .*; got 'adma'. Nearest: adam"),
        ({"schedule": "slow"}, "`schedule` must be one of constant"),
        ({"steps": 0}, "`steps` must be a whole number, at least 1, got 0: leave it out for the default"),
        ({"seed": -1}, r"`seed` must be a whole number in \[0, 2\*\*32\), got -1"),
        ({"seed": 2**32}, r"`seed` must be a whole number in \[0, 2\*\*32\), got 4294967296"),
        ({"lr": 0.0}, r"`lr` must be positive, got 0\.0"),
        ({"epsilon": -1.0}, r"`epsilon` must be positive, got -1\.0"),
        ({"micro_batches": 3}, "`micro_batches` must divide the batch of 16, got 3"),
        ({"alpha": float("nan")}, "`alpha` must be positive, got nan"),
        ({"lr": float("inf")}, "`lr` must be finite, got inf"),
        ({"weight_decay": -0.1}, r"`weight_decay` must not be negative, got -0\.1"),
        ({"validation": 0}, "`validation` must be at least 1 for a training, got 0"),
        ({"rank": 0}, "`rank` must be a whole number, at least 1, got 0"),
        ({"label": "stars"}, "`label` belongs to a prompt with words or options of your own, got 'stars' without one"),
        ({"masked_prompt": "{text} {mask}"}, "`masked_prompt` belongs to a prompt with words of your own"),
        ({"metric": "f1"}, "`metric` belongs to a completion or a chat of your own, got 'f1' without one"),
        (
            {"completion": "answer"},
            "`prompt` must be given together with one of `words`, `completion` and `options`, got comp",
        ),
        (
            {"completion": "a", "options": "b"},
            "together with one of `words`, `completion` and `options`, got completion and op",
        ),
        ({"prompt": "{text}", "words": ("no", "yes"), "options": "b"}, "with one of .*, got words and options"),
        (
            {"messages": "m", "prompt": "{text}", "words": ("a", "b")},
            "`messages` must be given without `words`, as a chat",
        ),
        ({"messages": "m", "completion": "a"}, "`messages` must be given without `completion`"),
        ({"messages": "m"}, "`data` must be given with a task of your own"),
        (
            {"prompt": "{text}", "completion": "a", "label": "b", "data": "x.csv"},
            "`label` belongs to a prompt with words",
        ),
        ({"task": "sst"}, "`task` must be one of the .* names, got 'sst': nearest sst"),
        ({"method": "adam", "objective": "accuracy"}, "`objective` must be loss for adam, which needs its gradient"),
        (
            {"prompt": "{text}"},
            "`prompt` must be given together with one of `words`, `completion` and `options`, got none of them: the",
        ),
        ({"prompt": "{text}", "words": ("no", "yes")}, "`data` must be given with a task of your own"),
    ],
)
def test_what_cannot_be_run_is_told_before_a_folder_is_made(wrong, told, tmp_path):
    with pytest.raises(ValueError, match=told):
        finetune(RunConfig(**wrong), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_what_several_processes_cannot_share_is_told():
    check_processes(RunConfig(batch=16, micro_batches=2), 4)
    with pytest.raises(ValueError, match="`batch` must divide evenly among 4 processes with 2 micro-batches each"):
        check_processes(RunConfig(batch=12, micro_batches=2), 4)
    with pytest.raises(ValueError, match="`method` must be mezo in several processes, got adam in 2: start one"):
        check_processes(RunConfig(method="adam"), 2)
    check_processes(RunConfig(method="adam", batch=3), 1)
    check_processes(RunConfig(task="squad", objective="f1", micro_batches=2), 1)
    with pytest.raises(ValueError, match="`objective` f1 of a classification is that of a whole batch, got 4 parts"):
        check_processes(RunConfig(objective="f1", micro_batches=2), 2)


def test_a_folder_without_a_run_and_a_plan_of_another_version_are_refused(tmp_path):
    with pytest.raises(
        ValueError, match=r"`run` must be a folder that `mezo-lab finetune --out` wrote; .* has no plan"
    ):
        read_run_config(tmp_path)
    for text in ("", "[]", json.dumps({"colour": 1})):
        (tmp_path / "plan.json").write_text(text)
        with pytest.raises(ValueError, match=r"`run` has a .*plan\.json that cannot be read"):
            read_run_config(tmp_path)


def test_every_public_name_of_the_room_is_where_it_says():
    assert sorted(room._HOME_OF) == sorted(room.__all__)
    assert all(getattr(room, name) is not None for name in room.__all__)
    with pytest.raises(AttributeError, match="has no attribute 'train'"):
        room.train  # noqa: B018
