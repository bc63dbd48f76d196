"""`mezo-lab replay RUN` writes the model that a run had, says what it does, and names the file that is wrong."""

import json
import os
import shutil

import pytest
import torch

from mezo_lab.cli import main
from mezo_lab.finetune import replay as rebuilding
from mezo_lab.finetune.config import RunConfig
from mezo_lab.finetune.prepare import build_model, prepare_run
from mezo_lab.finetune.replay import rebuild_model, replay_lines, replay_run
from mezo_lab.finetune.run_folder import LOG, PLAN, RESULT, Origin, write_run_config
from mezo_lab.optim import MeZO, RunLog


@pytest.fixture
def run(folder, reviews, tmp_path):
    """A run that was ended before its first checkpoint: a plan and a run log, and nothing else."""
    plan = RunConfig(
        model=folder("llama"), data=reviews, prompt="{text} It was", words=("terrible", "great"), shots=4, test=8,
        steps=6, lr=1e-3, device="cpu",
    ).resolve()  # fmt: skip
    out = tmp_path / "run"
    out.mkdir()
    write_run_config(plan, out)
    model = build_model(prepare_run(plan, report=lambda line: None))
    named = [(name, tensor) for name, tensor in model.named_parameters() if tensor.requires_grad]
    opt = MeZO(named, lr=1e-3, law="rademacher")
    run_log = RunLog(opt, out / LOG, seal_every=1)
    for _ in range(6):
        opt.step(lambda: sum(tensor.square().sum().item() for _, tensor in named))
    opt.flush()
    shutil.copy(out / LOG, out / "killed")
    run_log.close()
    os.replace(out / "killed", out / LOG)  # as a process that was killed leaves it
    return out, model


def test_a_run_without_a_checkpoint_or_a_result_is_rebuilt_from_its_log(run, tmp_path, capsys):
    out, model = run
    assert main(["replay", str(out), "--step", "last"]) == 0
    captured = capsys.readouterr()
    assert "rebuilt 6 steps" in captured.out and captured.err == ""  # no bar of transformers
    assert (out / "model" / "model.safetensors").exists()
    again, _, steps = rebuild_model(out)
    assert steps == 6
    assert all(torch.equal(a, b) for a, b in zip(again.parameters(), model.parameters(), strict=True))
    assert (
        main(["replay", str(out), "--out", str(tmp_path / "best")]) == 0
    )  # of which the last is the best that is known


RESULTS = {
    "no dictionary": "[]",
    "nothing": "null",
    "text": '"x"',
    "a number": "12",
    "a word for a step": '{"best_step": "x"}',
    "half a step": '{"best_step": 12.5}',
    "a list of steps": '{"best_step": [1]}',
    "a step below none": '{"best_step": -1}',
    "a truth": '{"best_step": true}',
    "half a file": '{"best_step"',
    "no text": "\\xff\\xfe",
    "deep": "[" * 100_000,
}


@pytest.mark.parametrize("kind", RESULTS)
def test_a_result_of_the_wrong_shape_is_one_line_that_names_it_and_the_way_on(kind, run, capsys):
    out, _ = run
    (out / RESULT).write_bytes(RESULTS[kind].encode().decode("unicode_escape").encode("latin-1"))
    assert main(["replay", str(out)]) == 2
    error = capsys.readouterr().err
    assert RESULT in error and "pass --step last" in error and error.count("\n") == 1
    assert not (out / "model").exists()
    assert main(["replay", str(out), "--step", "last"]) == 0  # the remedy


def test_a_result_without_a_best_step_means_the_last(run):
    out, _ = run
    (out / RESULT).write_text('{"test": {}}')
    assert replay_run(out, out / "model") == 6


PLANS = {
    "no dictionary": lambda plan: [],
    "nothing": lambda plan: None,
    "text": lambda plan: "x",
    "an unknown field": lambda plan: plan | {"warp": 9},
    "a word for a number": lambda plan: plan | {"steps": "many"},
    "a number for a word": lambda plan: plan | {"model": 7},
    "a list for a word": lambda plan: plan | {"tuning": ["full"]},
    "half a number": lambda plan: plan | {"tokens": 1.5},
    "words that are none": lambda plan: plan | {"words": [1, 2]},
    "words in a word": lambda plan: plan | {"words": "ab"},
    "a truth for a number": lambda plan: plan | {"seed": True},
    "a dictionary for a number": lambda plan: plan | {"lr": {"a": 1}},
    "what cannot be run": lambda plan: plan | {"tuning": "all"},
    "a rate below none": lambda plan: plan | {"lr": -1.0},
}


@pytest.mark.parametrize("kind", PLANS)
def test_a_plan_of_the_wrong_shape_is_one_line_that_names_it(kind, run, capsys):
    out, _ = run
    (out / PLAN).write_text(json.dumps(PLANS[kind](json.loads((out / PLAN).read_text()))))
    assert main(["replay", str(out)]) == 2
    error = capsys.readouterr().err
    assert PLAN in error and error.count("\n") == 1 and "Traceback" not in error
    assert not (out / "model").exists()


def test_the_start_of_a_prefix_is_the_model_without_one_and_is_not_rebuilt(run, capsys):
    out, _ = run
    (out / RESULT).write_text('{"best_step": 0}')
    plan = json.loads((out / PLAN).read_text())
    (out / PLAN).write_text(json.dumps(plan | {"tuning": "prefix"}))
    assert main(["replay", str(out)]) == 2
    assert "without a prefix, which needs no rebuilding: pass --step last" in capsys.readouterr().err
    (out / PLAN).write_text(json.dumps(plan))
    assert main(["replay", str(out)]) == 0  # all the weights as they were are the model


@pytest.mark.parametrize("threads", ["4", 0, -1, 1.5, True, 2**40])
def test_threads_that_make_no_sense_are_refused(threads, tmp_path):
    plan = RunConfig().resolve()
    write_run_config(plan, tmp_path)
    (tmp_path / RESULT).write_text(json.dumps({"machine": {"threads": threads}}))
    with pytest.raises(ValueError, match=r"`run` has a .*result\.json whose number of threads"):
        rebuilding._threads_of(tmp_path)
    write_run_config(plan, tmp_path, Origin(threads=threads))
    with pytest.raises(ValueError, match=r"`run` has a .*plan\.json that cannot be read \(its threads are no number"):
        rebuilding._threads_of(tmp_path)


def test_the_number_of_threads_holds_for_its_block_alone():
    own = torch.get_num_threads()
    with rebuilding.thread_count(own + 1):
        assert torch.get_num_threads() == own + 1
    with rebuilding.thread_count(None):
        assert torch.get_num_threads() == own
    assert torch.get_num_threads() == own


@pytest.mark.parametrize("step, said", [
    ("7", r"`step` must be at most 6, the steps that .*run\.mezo holds, got 7: pass --step last"),
    ("-1", r"`step` must be best, last or a number of steps, got '-1'"),
    ("2.5", r"`step` must be best, last or a number of steps, got '2.5'"),
    ("first", r"`step` must be best, last or a number of steps, got 'first'"),
])  # fmt: skip
def test_a_step_that_is_not_there_is_refused(step, said, run):
    out, _ = run
    with pytest.raises(ValueError, match=said):
        replay_run(out, out / "model", step=step)


def test_a_file_in_place_of_the_folder_to_write_is_refused(run, tmp_path):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(ValueError, match=r"`out` must be a folder, or the name of a new one, .*file is a file"):
        replay_run(run[0], tmp_path / "file")
    assert (tmp_path / "file").read_text() == "mine"


def test_a_long_replay_says_how_far_it_is_and_a_short_one_nothing(monkeypatch):
    seconds = iter([0.0, 1.0, 1.9, 2.5, 5.0, 12.4, 12.6, 30.0])
    monkeypatch.setattr("time.monotonic", lambda: next(seconds))
    lines: list[str] = []
    progress = replay_lines(lines.append)
    for done in range(1, 8):
        progress(done, 10)
    assert [line.split("  ")[0] for line in lines] == [f"rebuilding step {done}/10" for done in (3, 6, 7)]
    assert lines[0].endswith("0.1 min left")


def test_a_replay_of_which_nothing_is_done_yet_says_nothing(monkeypatch):
    """Its steps are made together, on one tile of the weights after another."""
    seconds = iter([0.0, 5.0, 6.0])
    monkeypatch.setattr("time.monotonic", lambda: next(seconds))
    lines: list[str] = []
    progress = replay_lines(lines.append)
    progress(0, 10)
    assert lines == []
    progress(1, 10)
    assert lines == ["rebuilding step 1/10  0.9 min left"]
