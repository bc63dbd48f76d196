"""A run goes on from its plan and its log alone, bit for bit, on another machine too; and it may be prolonged."""

import json
import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from mezo_lab.cli import main
from mezo_lab.finetune.config import RunConfig
from mezo_lab.finetune.models.loading import load_model
from mezo_lab.finetune.replay import rebuild_model, resolve_step
from mezo_lab.finetune.run import finetune
from mezo_lab.finetune.run_folder import (
    LOG,
    PLAN,
    RESULT,
    START,
    VALIDATION,
    damage,
    latest_checkpoint,
    read_origin,
    read_run_config,
    write_run_config,
)
from mezo_lab.optim.log import LogWriter, StepRecord, read_log

CLOCK = {"seconds", "stages", "peak_mebibytes", "machine"}
SMALL = (PLAN, START, VALIDATION, LOG)

RUNS = {
    "full": {},
    "several probes": {"probes": 2, "law": "gaussian", "weight_decay": 0.1},
    "linear": {"schedule": "linear"},
    "cosine": {"schedule": "cosine", "micro_batches": 2},
    "lora": {"tuning": "lora", "lr": 1e-2, "epsilon": 1e-2},
    "prefix": {"tuning": "prefix", "lr": 1e-2, "epsilon": 1e-2},
    "scratch": {"scratch": True},
    "momentum": {"rule": "momentum"},
    "adam": {"rule": "adam"},
    "bfloat16": {"dtype": "bfloat16"},
    "accuracy": {"objective": "accuracy", "epsilon": 0.05},
}


def quiet(line: str) -> None:
    pass


def steps(folder: Path) -> list:
    return [item for item in read_log(folder / LOG) if isinstance(item, StepRecord)]


def hashes(folder: Path) -> list:
    return [item for item in read_log(folder / LOG) if not isinstance(item, StepRecord) and item.kind == "hash"]


def outcome(folder: Path) -> dict:
    """All of a result that no clock and no machine decides; of the losses a carried run has means alone."""
    result = json.loads((folder / RESULT).read_text())
    return {name: value for name, value in result.items() if name not in CLOCK | {"losses"}}


def cut(whole: Path, out: Path, until: int, *, torn: int = 0, files: tuple[str, ...] = SMALL) -> Path:
    """What another machine is given of a run that was killed: the small files, and the log until a step."""
    out.mkdir()
    for name in files:
        shutil.copyfile(whole / name, out / name)
    header = read_log(out / LOG).header
    columns = {"probes": header["probes"], "groups": header["groups"]}
    LogWriter(out / LOG, header, **columns, append=True, until=until).close()
    if torn:
        with open(out / LOG, "ab") as file:
            file.write((whole / LOG).read_bytes()[-torn:])
    return out


@pytest.mark.parametrize("kind", RUNS)
def test_a_run_goes_on_from_its_log_bit_for_bit(kind, plan, tmp_path):
    """Cut between two evaluations, at one, and before the first, each carried to an empty folder."""
    plan = replace(plan, **{"steps": 11, "every": 4} | RUNS[kind])
    whole = tmp_path / "whole"
    finetune(plan, whole, report=quiet)
    for until in (6, 8, 3):
        carried = tmp_path / f"carried-{until}"
        finetune(plan, carried, from_log=cut(whole, tmp_path / f"cut-{until}", until), report=quiet)
        assert steps(carried) == steps(whole) and hashes(carried) == hashes(whole)
        assert outcome(carried) == outcome(whole)
        assert damage(carried / "checkpoint-11") is None


def test_the_best_checkpoint_is_rebuilt_where_it_lies_on_the_other_machine(plan, tmp_path):
    plan = replace(plan, lr=1e-2, steps=12, every=2)
    for seed in range(20):  # until the best is neither the start nor the end
        whole = tmp_path / f"whole-{seed}"
        result = finetune(replace(plan, seed=seed), whole, report=quiet)
        if 0 < result["best_step"] < 9:
            break
    else:
        pytest.fail("no seed has its best in the middle")
    lines = []
    carried = tmp_path / "carried"
    finetune(replace(plan, seed=seed), carried, from_log=cut(whole, tmp_path / "cut", 11), report=lines.append)
    best = result["best_step"]
    assert f"rebuilding the best weights, those of step {best}, from {LOG}" in lines
    assert outcome(carried) == outcome(whole)
    one = load_model(str(whole / f"checkpoint-{best}"), device="cpu").model
    other = load_model(str(carried / f"checkpoint-{best}"), device="cpu").model
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True))
    # a folder of weights alone is no place to go on from
    assert latest_checkpoint(carried)[0] == carried / "checkpoint-12"
    for step in (11, 12):
        shutil.rmtree(carried / f"checkpoint-{step}")
    assert latest_checkpoint(carried)[0] is None


def test_the_best_step_of_a_run_under_way_is_that_of_its_evaluations(plan, tmp_path):
    whole = tmp_path / "whole"
    finetune(plan, whole, report=quiet)
    run = cut(whole, tmp_path / "run", 8)
    start = json.loads((run / START).read_text())["validation"]["value"]
    record = json.loads((run / VALIDATION).read_text())
    for values, best in (((start + 0.1, 1.0), 5), ((start, 1.0), 0), ((start - 0.1, 1.0), 0)):
        for entry, value in zip(record["evaluations"], values, strict=True):
            entry["value"] = value  # that of step 10 is beyond the log
        (run / VALIDATION).write_text(json.dumps(record))
        assert resolve_step(run, "best") == best
    (run / RESULT).write_text(json.dumps({"steps": 5, "best_step": 3}))  # of the run before it was prolonged
    assert resolve_step(run, "best") == 0
    (run / RESULT).unlink()
    (run / VALIDATION).unlink()
    assert resolve_step(run, "best") is None


@pytest.mark.parametrize("files", [(PLAN, LOG), (PLAN, LOG, VALIDATION)], ids=len)
def test_plan_and_log_are_enough_for_the_weights(files, plan, tmp_path):
    whole = tmp_path / "whole"
    finetune(replace(plan, steps=11, every=4), whole, report=quiet)
    lines = []
    source = cut(whole, tmp_path / "cut", 6, torn=5, files=files)
    finetune(read_run_config(source), tmp_path / "carried", from_log=source, report=lines.append)
    assert steps(tmp_path / "carried") == steps(whole) and hashes(tmp_path / "carried") == hashes(whole)
    told = [line for line in lines if line.startswith(f"{VALIDATION} lacks 1 of the evaluations before step 6")]
    assert len(told) == (VALIDATION not in files)


def test_the_evaluation_at_the_last_step_of_a_log_is_made_up_for(plan, tmp_path):
    """The log was written and the process killed before it had evaluated."""
    whole = tmp_path / "whole"
    finetune(replace(plan, steps=11, every=4), whole, report=quiet)
    source = cut(whole, tmp_path / "cut", 8)
    record = json.loads((source / VALIDATION).read_text())
    record["evaluations"] = record["evaluations"][:1]
    (source / VALIDATION).write_text(json.dumps(record))
    finetune(read_run_config(source), source, resume=True, report=quiet)
    assert outcome(source) == outcome(whole)


@pytest.mark.parametrize("text", ["", "[]", '{"evaluations": 5}', '{"evaluations": [{"step": 5}]}'])
def test_evaluations_that_cannot_be_read_are_as_none(text, stopped, tmp_path):
    whole, run = stopped
    (run / VALIDATION).write_text(text)
    lines = []
    finetune(read_run_config(run), run, resume=True, report=lines.append)
    assert steps(run) == steps(whole)
    assert any(line.startswith(f"{VALIDATION} lacks 1 of the evaluations before step 6") for line in lines)


def test_a_log_with_a_torn_tail_is_carried_again_where_the_first_try_came_to_nothing(stopped, tmp_path):
    whole, run = stopped
    new = shutil.copytree(run, tmp_path / "new")
    with open(run / LOG, "ab") as file:
        file.write((whole / LOG).read_bytes()[-7:])
    finetune(read_run_config(run), new, from_log=run, report=quiet)
    assert steps(new) == steps(whole)


def test_a_folder_that_may_only_be_read_is_carried_and_stays_as_it_was(plan, tmp_path):
    whole = tmp_path / "whole"
    finetune(plan, whole, report=quiet)
    source = cut(whole, tmp_path / "cut", 6)
    before = {file.name: file.read_bytes() for file in source.iterdir()}
    for file in source.iterdir():
        file.chmod(0o444)
    source.chmod(0o555)
    try:
        finetune(plan, tmp_path / "carried", from_log=source, report=quiet)
    finally:
        source.chmod(0o755)
    assert {file.name: file.read_bytes() for file in source.iterdir()} == before
    assert os.access(tmp_path / "carried" / LOG, os.W_OK)


def test_where_the_log_is_longer_than_the_checkpoints_the_log_alone_goes_on_from_its_end(plan, tmp_path):
    whole = tmp_path / "whole"
    plan = replace(plan, steps=11, every=4)
    finetune(plan, whole, report=quiet)
    source = cut(whole, tmp_path / "cut", 6)
    shutil.copytree(whole / "checkpoint-8", source / "checkpoint-8")  # which the log does not reach
    lines = []
    finetune(plan, source, from_log=source, report=lines.append)
    assert f"rebuilding the weights of step 6 from {LOG}" in lines
    assert steps(source) == steps(whole) and outcome(source) == outcome(whole)


def test_a_log_without_a_step_begins_anew(plan, tmp_path):
    whole = tmp_path / "whole"
    finetune(plan, whole, report=quiet)
    source = cut(whole, tmp_path / "cut", 0)
    finetune(plan, tmp_path / "carried", from_log=source, report=quiet)
    finetune(plan, source, resume=True, report=quiet)
    assert outcome(source) == outcome(tmp_path / "carried") == outcome(whole)


@pytest.mark.parametrize("method", ["mezo", "adam"])
def test_a_finished_run_is_prolonged_as_one_run(method, plan, tmp_path):
    plan = replace(plan, method=method, schedule="constant", every=3)
    finetune(replace(plan, steps=12), tmp_path / "whole", report=quiet)
    finetune(replace(plan, steps=6), tmp_path / "run", report=quiet)
    lines = []
    finetune(replace(plan, steps=12), tmp_path / "run", resume=True, report=lines.append)
    assert "prolonged after step 6 from 6 to 12 steps, evaluated every 3: as one run of 12" in lines
    assert outcome(tmp_path / "run") == outcome(tmp_path / "whole")
    assert read_run_config(tmp_path / "run").steps == 12 and read_origin(tmp_path / "run").lengths == ((6, 6),)
    if method == "mezo":
        assert steps(tmp_path / "run") == steps(tmp_path / "whole")
        assert rebuild_model(tmp_path / "run")[2] == 12


def test_a_prolonged_run_is_evaluated_at_its_former_end_too(plan, tmp_path):
    finetune(replace(plan, schedule="constant", steps=5, every=3), tmp_path / "run", report=quiet)
    result = finetune(replace(plan, schedule="constant", steps=9, every=3), tmp_path / "run", resume=True, report=quiet)
    assert [entry["step"] for entry in result["validation"]] == [0, 3, 5, 6, 9]


@pytest.mark.parametrize("from_log", [False, True])
@pytest.mark.parametrize(("schedule", "rate"), [("linear", lambda step: 1 - step / 8), ("constant", lambda step: 1.0)])
def test_a_schedule_of_the_length_goes_on_as_that_of_the_new_length(schedule, rate, from_log, plan, tmp_path):
    plan = replace(plan, schedule=schedule)
    run = tmp_path / "run"
    finetune(replace(plan, steps=4), run, report=quiet)
    before = [step.rates[0] for step in steps(run)]
    lines = []
    longer = replace(plan, steps=8, every=5)
    finetune(longer, run, resume=True, from_log=run if from_log else None, report=lines.append)
    rates = [step.rates[0] for step in steps(run)]
    assert rates[:4] == before
    assert rates[4:] == pytest.approx([plan.lr * rate(step) for step in range(4, 8)])
    told = "from now on the linear schedule is that of 8 steps, so that the run is not the one that it would have been"
    assert any(told in line for line in lines) == (schedule == "linear")


def command(*words: object) -> list[str]:
    return ["finetune", *map(str, words)]


def error(capsys) -> str:
    (line,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("mezo-lab: ")]
    return line


@pytest.fixture
def stopped(plan, tmp_path):
    whole = tmp_path / "whole"
    finetune(plan, whole, report=quiet)
    return whole, cut(whole, tmp_path / "run", 6)


def test_the_folder_alone_is_enough(stopped):
    whole, run = stopped
    assert main(command("--resume", "--out", run)) == 0
    assert steps(run) == steps(whole) and outcome(run) == outcome(whole)
    assert main(command("--resume", "--out", run, "--steps", 12, "--lr", 1e-3)) == 0
    assert len(steps(run)) == 12 and read_run_config(run).steps == 12


def test_the_usual_folder_goes_on_as_it_was_planned(plan, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    finetune(replace(plan, steps=4, every=2), report=quiet)
    (run,) = Path("runs").iterdir()
    own = ("--model", plan.model, "--data", plan.data, "--prompt", plan.prompt, "--words", ",".join(plan.words))
    assert main(command("--resume", *own, "--shots", 8)) == 0 and len(steps(run)) == 4
    assert main(command("--resume", *own, "--shots", 8, "--steps", 6)) == 0
    assert len(steps(run)) == 6 and read_run_config(run).every == 2


def test_another_machine_needs_the_folder_alone_too_and_may_have_its_files_elsewhere(stopped, plan, tmp_path):
    whole, run = stopped
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    Path(plan.model).rename(elsewhere / "llama")
    Path(plan.data).rename(elsewhere / "reviews.csv")
    moved = ("--model", elsewhere / "llama", "--data", elsewhere / "reviews.csv")
    assert main(command("--resume", "--from-log", run, "--out", tmp_path / "new", *moved)) == 0
    assert steps(tmp_path / "new") == steps(whole) and outcome(tmp_path / "new") == outcome(whole)
    assert len(steps(run)) == 6


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (("--lr", 2e-3), "--lr was 0.001 when {run} began, and is 0.002 now: leave it as it was"),
        (("--words", "dull,great"), "--words was ('terrible', 'great') when {run} began"),
        (("--steps", 8), "--steps was 10 when {run} began, and is 8 now: leave it out, or give more"),
        (("--seed", 3), "--seed was 0 when {run} began, and is 3 now"),
        (("--model", "other"), "--model was "),
    ],
)
def test_an_option_that_differs_is_refused_by_name(given, told, stopped, capsys):
    _, run = stopped
    assert main(command("--resume", "--out", run, *given)) == 2
    assert told.format(run=run) in error(capsys)
    assert len(steps(run)) == 6


def test_other_rows_are_refused(stopped, plan, capsys):
    _, run = stopped
    text = Path(plan.data).read_text()
    Path(plan.data).write_text(text.replace("fine", "dull"))
    assert main(command("--resume", "--out", run)) == 2
    assert "--data must be the rows with which the run began, and others are read now" in error(capsys)
    assert main(command("--from-log", run, "--out", run.with_name("new"))) == 2
    assert len(steps(run)) == 6 and not run.with_name("new").exists()


def test_another_model_is_refused_before_a_step_and_the_right_one_goes_on(stopped, folder, tmp_path, capsys):
    whole, run = stopped
    words = ("--resume", "--from-log", run, "--out", tmp_path / "new")
    assert main(command(*words, "--model", folder("opt"))) == 2
    assert "the log is of another model" in error(capsys)
    assert main(command(*words)) == 0
    assert outcome(tmp_path / "new") == outcome(whole)


def test_a_torn_tail_is_told_once(stopped, caplog):
    whole, run = stopped
    with open(run / LOG, "ab") as file:
        file.write((whole / LOG).read_bytes()[-7:])
    assert main(command("--resume", "--out", run)) == 0
    assert [record.message for record in caplog.records if "ends inside a frame" in record.message] == [
        f"{run / LOG} ends inside a frame: 7 bytes left out, 6 steps kept"
    ]


def test_the_log_of_another_plan_is_refused_before_it_is_copied(stopped, tmp_path, capsys):
    _, run = stopped
    (run / PLAN).write_text(json.dumps(json.loads((run / PLAN).read_text()) | {"seed": 5}))
    told = f"{run / LOG} that belongs to another plan: its --seed is 0, and 5 in the plan. Put back"
    assert main(command("--resume", "--out", run)) == 2 and f"--out has a {told}" in error(capsys)
    assert main(command("--from-log", run, "--out", tmp_path / "new")) == 2
    assert f"--from-log has a {told}" in error(capsys) and not list(tmp_path.glob("new/*"))


def test_what_is_missing_is_named(stopped, tmp_path, capsys):
    _, run = stopped
    (run / LOG).rename(run / "elsewhere")
    assert main(command("--from-log", run, "--out", tmp_path / "new")) == 2
    assert f"needs {run / LOG}, the log of the run, which is missing: put it back as it was" in error(capsys)
    (run / PLAN).unlink()
    for words in (("--from-log", run, "--out", tmp_path / "new"), ("--resume", "--out", run)):
        assert main(command(*words)) == 2
        assert f"{run} has no {PLAN}" in error(capsys)
    assert not (tmp_path / "new").exists()


def test_a_folder_with_a_run_takes_no_other_log(stopped, capsys):
    whole, run = stopped
    assert main(command("--from-log", run, "--out", whole)) == 2
    assert f"--out must be a new folder beside --from-log, {whole} holds a run: --resume alone goes on" in error(capsys)


def test_backpropagation_has_no_log_to_go_on_from(plan, tmp_path, capsys):
    finetune(replace(plan, method="adam", steps=2, every=1), tmp_path / "run", report=quiet)
    assert main(command("--from-log", tmp_path / "run", "--out", tmp_path / "new")) == 2
    assert "--from-log must be the folder of a run with --method mezo, got adam" in error(capsys)


def test_evaluations_are_written_beside_the_log(stopped):
    whole, _ = stopped
    record = json.loads((whole / VALIDATION).read_text(), parse_constant=pytest.fail)["evaluations"]
    result = json.loads((whole / RESULT).read_text())
    assert [entry["step"] for entry in record] == [5, 10]
    assert [entry["value"] for entry in record] == [entry["value"] for entry in result["validation"][1:]]
    losses = [loss for _, loss in result["losses"]]
    assert [entry["loss"] for entry in record] == pytest.approx([sum(losses[:5]) / 5, sum(losses[5:]) / 5])


@pytest.mark.parametrize(
    "origin", [[], {"rows": 3}, {"threads": "2"}, {"lengths": 5}, {"lengths": [[1]]}, {"lengths": [[1, None]]}], ids=str
)
def test_an_origin_that_makes_no_sense_is_refused(origin, tmp_path):
    write_run_config(RunConfig().resolve(), tmp_path)
    values = json.loads((tmp_path / PLAN).read_text())
    (tmp_path / PLAN).write_text(json.dumps(values | {"origin": origin}))
    assert read_run_config(tmp_path) == RunConfig().resolve()
    with pytest.raises(ValueError, match=r"plan\.json that cannot be read \(its "):
        read_origin(tmp_path)
