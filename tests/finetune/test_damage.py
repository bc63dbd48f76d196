"""A run goes on from the newest whole checkpoint, bit for bit, and names the damaged file; or one line ends it."""

import re
import shutil
import signal
from pathlib import Path

import pytest
import torch

from mezo_lab.cli import main
from mezo_lab.finetune.config import RunConfig
from mezo_lab.finetune.models.loading import load_model
from mezo_lab.finetune.replay import rebuild_model
from mezo_lab.finetune.run import finetune
from mezo_lab.finetune.run_folder import (
    DIGESTS,
    LOG,
    PLAN,
    RESULT,
    Stopped,
    damage,
    latest_checkpoint,
    seal,
    way_to_resume,
)
from mezo_lab.finetune.training.callbacks import ProgressCallback

CLOCK = {"seconds", "stages", "peak_mebibytes", "machine"}
STATES = ("optimizer.pt", "scheduler.pt", "rng_state.pth", "trainer_state.json", "training_args.bin", DIGESTS)


def delete(file: Path) -> None:
    file.unlink()


def empty(file: Path) -> None:
    file.write_bytes(b"")


def halve(file: Path) -> None:
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def garble(file: Path) -> None:
    file.write_bytes(b"\x00garbage\xff" * 40)


def flip(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


def lengthen(file: Path) -> None:
    file.write_bytes(file.read_bytes() + b"\n")


DAMAGES = (delete, empty, halve, garble, flip, lengthen)


def quiet(line: str) -> None:
    pass


def without_clock(result: dict) -> dict:
    return {name: value for name, value in result.items() if name not in CLOCK}


def without_losses(result: dict) -> dict:
    """Of the losses before its last evaluation a run that is rebuilt has the mean alone."""
    return {name: value for name, value in without_clock(result).items() if name != "losses"}


def weights(model) -> torch.Tensor:
    return torch.cat([parameter.detach().flatten() for parameter in model.parameters()])


KEPT: dict[str, tuple] = {}  # method → a run that was stopped, and the result of one that was not: made once


@pytest.fixture
def stopped(plan, tmp_path):
    """Copies a run of 12 steps that was stopped behind step 9, with checkpoints 6 and 9; tells what it would give."""

    def made(method: str = "mezo"):
        own = RunConfig(**{**vars(plan), "steps": 12, "every": 6, "method": method})
        if method not in KEPT:
            whole = finetune(own, tmp_path / "whole", report=quiet)
            on_step_end = ProgressCallback.on_step_end

            def interrupted(self, args, state, control, **others):
                if state.global_step == 9:
                    signal.raise_signal(signal.SIGTERM)
                on_step_end(self, args, state, control, **others)

            with pytest.MonkeyPatch.context() as patch, pytest.raises(Stopped):
                patch.setattr(ProgressCallback, "on_step_end", interrupted)
                finetune(own, tmp_path / "stopped", report=quiet)
            KEPT[method] = own, tmp_path / "stopped", whole
        own, source, whole = KEPT[method]
        shutil.copytree(source, tmp_path / "run")
        return own, tmp_path / "run", whole

    return made


def test_every_file_of_a_checkpoint_is_looked_at_and_every_damage_is_seen(stopped):
    _, run, _ = stopped()
    names = sorted(file.name for file in (run / "checkpoint-9").iterdir())
    assert {"model.safetensors", "config.json", "tokenizer.json", *STATES} <= set(names)
    assert latest_checkpoint(run) == (run / "checkpoint-9", [])
    for name in names:
        file = run / "checkpoint-9" / name
        content = file.read_bytes()
        for harm in DAMAGES:
            harm(file)
            found, problems = latest_checkpoint(run)
            spaces = name == DIGESTS and harm is lengthen  # says the same
            assert (found == run / "checkpoint-9") if spaces else (found == run / "checkpoint-6"), (name, harm)
            assert spaces or len(problems) == 1
            assert spaces or (name in problems[0] or name == DIGESTS)
            file.write_bytes(content)
    assert latest_checkpoint(run)[0] == run / "checkpoint-9"


@pytest.mark.parametrize(
    ("method", "name", "harm"),
    [
        ("mezo", "model.safetensors", halve),
        ("mezo", "optimizer.pt", garble),
        ("mezo", "trainer_state.json", empty),
        ("mezo", "rng_state.pth", delete),
        ("mezo", DIGESTS, delete),  # as where the power went before it was written
        ("adam", "optimizer.pt", flip),
    ],
)
def test_a_run_goes_on_from_the_one_before_and_ends_as_if_nothing_had_been(method, name, harm, stopped):
    plan, run, whole = stopped(method)
    harm(run / "checkpoint-9" / name)
    lines = []
    result = finetune(plan, run, resume=True, report=lines.append)
    told = [line for line in lines if line.endswith("the run goes on from checkpoint-6")]
    assert len(told) == 1 and "checkpoint-9" in told[0]
    assert without_clock(result) == without_clock(whole)
    assert damage(run / "checkpoint-12") is None and latest_checkpoint(run)[0] == run / "checkpoint-12"


@pytest.mark.parametrize("method", ["mezo", "adam"])
def test_a_run_that_is_whole_goes_on_without_a_word(method, stopped):
    plan, run, whole = stopped(method)
    lines = []
    assert without_clock(finetune(plan, run, resume=True, report=lines.append)) == without_clock(whole)
    assert not any("goes on from" in line for line in lines)


def test_a_folder_that_was_moved_finds_its_best_checkpoint(stopped, tmp_path):
    plan, run, whole = stopped()
    run.rename(tmp_path / "elsewhere")
    assert without_clock(finetune(plan, tmp_path / "elsewhere", resume=True, report=quiet)) == without_clock(whole)


@pytest.mark.parametrize(("method", "kept"), [("adam", None), ("mezo", "checkpoint-9")])
def test_a_checkpoint_whose_best_is_damaged_needs_a_log_that_rebuilds_it(method, kept, stopped):
    _, run, _ = stopped(method)
    state = run / "checkpoint-9" / "trainer_state.json"
    text = re.sub('"best_global_step": [0-9]+', '"best_global_step": 6', state.read_text())
    state.write_text(text)
    seal(run / "checkpoint-9")
    assert latest_checkpoint(run)[0] == run / "checkpoint-9"
    halve(run / "checkpoint-6" / "model.safetensors")
    found, problems = latest_checkpoint(run)
    assert found == (kept and run / kept)
    assert problems == ["checkpoint-6/model.safetensors is damaged"] * (0 if kept else 2)


def options(plan: RunConfig, run: Path) -> list[str]:
    changed = {name: value for name, value in vars(plan).items() if value != getattr(RunConfig(), name)}
    changed["words"] = ",".join(plan.words)
    return ["finetune", *(f"--{name.replace('_', '-')}={value}" for name, value in changed.items()), f"--out={run}"]


def refused(plan: RunConfig, run: Path, capsys) -> str:
    capsys.readouterr()
    assert main([*options(plan, run), "--resume"]) == 2
    (line,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("mezo-lab: ")]
    return line


@pytest.mark.parametrize("harm", DAMAGES)
def test_without_a_whole_checkpoint_the_log_rebuilds_one(harm, stopped):
    plan, run, whole = stopped()
    for step in (6, 9):
        harm(run / f"checkpoint-{step}" / "model.safetensors")
    lines = []
    result = finetune(plan, run, resume=True, report=lines.append)
    assert f"rebuilding the weights of step 9 from {LOG}" in lines
    (told,) = [line for line in lines if line.endswith("the run goes on from its log")]
    assert all(f"checkpoint-{step}/model.safetensors is" in told for step in (6, 9))
    assert without_losses(result) == without_losses(whole)


@pytest.mark.parametrize("harm", DAMAGES)
def test_without_a_whole_checkpoint_and_without_a_log_one_line_names_the_files(harm, stopped, capsys):
    plan, run, _ = stopped("adam")
    for step in (6, 9):
        harm(run / f"checkpoint-{step}" / "model.safetensors")
    line = refused(plan, run, capsys)
    for step in (6, 9):
        assert f"checkpoint-{step}/model.safetensors is" in line
    assert "begin a new run in another --out" in line


@pytest.mark.parametrize("harm", [delete, empty, garble, flip])
def test_without_its_log_a_run_does_not_go_on_and_nothing_is_lost(harm, stopped, capsys):
    """Going on would begin a second log in the middle, which rebuilds nothing."""
    plan, run, _ = stopped()
    harm(run / LOG)
    before = {file: file.read_bytes() for file in run.rglob("*") if file.is_file()}
    line = refused(plan, run, capsys)
    assert f"--resume needs {run / LOG}, the log of the run, which is " in line
    assert "delete" not in line and "start again" not in line and "put it back as it was" in line
    assert {file: file.read_bytes() for file in run.rglob("*") if file.is_file()} == before


def test_a_log_that_ends_early_reaches_an_older_checkpoint_or_none(stopped):
    plan, run, whole = stopped()
    content = (run / LOG).read_bytes()
    older = b""
    told = set()
    for length in range(len(content) - 1, len(content) // 3, -7):
        (run / LOG).write_bytes(content[:length])
        try:
            found, problems = latest_checkpoint(run)
        except Exception as error:
            pytest.fail(f"{error!r} for a log of {length} bytes")
        told.add((found and found.name, *problems))
        if found == run / "checkpoint-6":
            older = content[:length]
    assert all(name in ("checkpoint-9", "checkpoint-6", None) for name, *_ in told)
    assert any(problems and problems[0].startswith(f"{LOG} ends after step ") for _, *problems in told)
    (run / LOG).write_bytes(older)
    assert older and without_clock(finetune(plan, run, resume=True, report=quiet)) == without_clock(whole)
    assert torch.equal(
        weights(rebuild_model(run)[0]), weights(load_model(str(run / "checkpoint-12"), device="cpu").model)
    )


@pytest.mark.parametrize("harm", [delete, empty, halve, garble])
def test_without_its_plan_a_run_does_not_go_on(harm, stopped, capsys):
    plan, run, _ = stopped()
    harm(run / PLAN)
    assert PLAN in refused(plan, run, capsys)


@pytest.mark.parametrize("harm", [empty, halve, garble])
def test_a_damaged_result_does_not_keep_a_run_from_going_on(harm, stopped):
    plan, run, whole = stopped()
    (run / RESULT).write_text('{"test": 1}')
    harm(run / RESULT)
    assert without_clock(finetune(plan, run, resume=True, report=quiet)) == without_clock(whole)


def test_before_the_first_checkpoint_the_log_rebuilds_the_weights(stopped):
    plan, run, whole = stopped()
    for step in (6, 9):
        shutil.rmtree(run / f"checkpoint-{step}")
    assert way_to_resume(run) == (
        f"there is no checkpoint yet: {LOG} holds 9 steps, and the same command with --resume goes on from the last"
    )
    assert without_losses(finetune(plan, run, resume=True, report=quiet)) == without_losses(whole)


def test_names_that_look_like_checkpoints_are_none(stopped):
    _, run, _ = stopped()
    for name in ("checkpoint-", "checkpoint-best", "checkpoint-9-old", "checkpoint--1"):
        (run / name).mkdir()
    assert latest_checkpoint(run) == (run / "checkpoint-9", [])
