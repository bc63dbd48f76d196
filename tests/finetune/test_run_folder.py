"""The folder of a run belongs to one process at a time, from before its first work until its end."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mezo_lab.finetune.config import RunConfig
from mezo_lab.finetune.replay import rebuild_model
from mezo_lab.finetune.run import finetune
from mezo_lab.finetune.run_folder import HOLDER, LOG, RESULT, hold_folder, read_run_config


def options(plan: RunConfig, out) -> list[str]:
    changed = {name: value for name, value in vars(plan).items() if value != getattr(RunConfig(), name)}
    changed["words"] = ",".join(plan.words)
    return [*(f"--{name.replace('_', '-')}={value}" for name, value in changed.items()), "--out", str(out)]


def begin(plan: RunConfig, out, *more: str) -> subprocess.Popen:
    command = [sys.executable, "-m", "mezo_lab", "finetune", *options(plan, out), *more]
    return subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )


def changed(plan: RunConfig, **changes) -> RunConfig:
    return RunConfig(**{**vars(plan), **changes})


@pytest.mark.parametrize("delay", [0.0, pytest.param(0.5, marks=pytest.mark.slow)])  # two processes of 4 s each
def test_of_two_processes_that_begin_in_one_folder_one_runs_and_the_other_is_refused(delay, plan, tmp_path):
    out = tmp_path / "run"
    first = begin(changed(plan, lr=1e-3), out)
    time.sleep(delay)
    second = begin(changed(plan, lr=5e-3), out)
    told = {process: process.communicate()[1] for process in (first, second)}
    assert sorted(process.returncode for process in told) == [0, 2]
    (refused,) = [error for process, error in told.items() if process.returncode]
    # held while the other runs; a run, where it has ended meanwhile
    assert "--out must be a folder that no other run holds" in refused or "holds a run: pass --resume" in refused
    assert len(refused.splitlines()) == 1
    # plan, log and result are those of the run that was made
    made = 1e-3 if first.returncode == 0 else 5e-3
    assert read_run_config(out).lr == made and rebuild_model(out)[2] == 10
    assert not (out / HOLDER).exists()


@pytest.mark.slow  # two processes of 4 s; the lock is that of two that begin
def test_of_two_processes_that_resume_one_folder_one_goes_on(plan, tmp_path):
    out = tmp_path / "run"
    finetune(plan, out, report=lambda line: None)
    (out / RESULT).unlink()
    both = [begin(plan, out, "--resume") for _ in range(2)]
    errors = [process.communicate()[1] for process in both]
    # the second may come when the first has ended, and then goes on from its end
    assert all(
        process.returncode == 0 or "no other run holds" in error for process, error in zip(both, errors, strict=True)
    )
    assert any(process.returncode == 0 for process in both) and rebuild_model(out)[2] == 10


HOLD = """
import sys, time
from pathlib import Path
from mezo_lab.finetune.run_folder import hold_folder
with hold_folder(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(600)
"""


def test_a_folder_is_held_while_its_process_lives_and_no_longer(tmp_path):
    out = tmp_path / "run"
    other = subprocess.Popen([sys.executable, "-c", HOLD, str(out)], stdout=subprocess.PIPE, text=True)
    assert other.stdout is not None
    try:
        assert other.stdout.readline() == "held\n"
        told = f"`out` must be a folder that no other run holds, .* is held by process {other.pid}: wait for its end"
        with pytest.raises(ValueError, match=told), hold_folder(out):
            pass
    finally:
        other.kill()
        other.communicate()
    assert (out / HOLDER).exists()  # what a killed run leaves
    with hold_folder(out):
        assert (out / HOLDER).read_text() == str(os.getpid())


TAKE_IN_TURN = """
import os, sys
from pathlib import Path
from mezo_lab.finetune.run_folder import hold_folder
out, mark = Path(sys.argv[1]), Path(sys.argv[2])
print("ready", flush=True)
sys.stdin.readline()
for _ in range(200):
    try:
        with hold_folder(out):
            os.close(os.open(mark, os.O_CREAT | os.O_EXCL))  # fails where another process holds the folder too
            mark.unlink()
    except ValueError:
        pass
"""


def test_no_two_processes_hold_a_folder_that_is_made_and_removed_all_the_time(tmp_path):
    """The lock file goes with its folder; who opened the old one must not take it for the new one."""
    command = [sys.executable, "-c", TAKE_IN_TURN, str(tmp_path / "run"), str(tmp_path / "mark")]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    processes = [subprocess.Popen(command, text=True, **pipes) for _ in range(3)]
    for process in processes:
        assert process.stdout is not None and process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    errors = [process.communicate()[1] for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0], errors
    assert not list(tmp_path.glob(f"run/{HOLDER}"))


def test_a_folder_in_which_nothing_was_written_is_as_it_was(tmp_path):
    (tmp_path / "there").mkdir()
    for name in ("new", "there"):
        with pytest.raises(RuntimeError, match="told early"), hold_folder(tmp_path / name):
            raise RuntimeError("told early")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["there"] and not list((tmp_path / "there").iterdir())


def test_a_name_that_no_folder_can_have_is_told():
    with (
        pytest.raises(ValueError, match=r"`out` must be the name of a folder, got .* with a NUL character"),
        hold_folder(Path("a\0b")),
    ):
        pass


def test_a_log_that_was_begun_keeps_its_folder(tmp_path):
    with hold_folder(tmp_path / "run"):
        (tmp_path / "run" / LOG).touch()
    assert [path.name for path in (tmp_path / "run").iterdir()] == [LOG]
