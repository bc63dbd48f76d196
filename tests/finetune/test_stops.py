"""How a run ends before its time: one clear line, nothing lost, and a way to go on."""

import errno
import fcntl
import json
import os
import signal
import subprocess
import sys
import termios
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors import SafetensorError
from tokenizers import Tokenizer
from tokenizers.models import WordLevel

from mezo_lab.cli import main
from mezo_lab.finetune.endings import Interrupts, is_disk_error
from mezo_lab.finetune.evaluation.scores import NotFinite
from mezo_lab.finetune.prepare import prepare_run
from mezo_lab.finetune.replay import rebuild_model
from mezo_lab.finetune.run import finetune
from mezo_lab.finetune.run_folder import RESULT, Stopped, latest_checkpoint
from mezo_lab.finetune.training.callbacks import ProgressCallback
from mezo_lab.finetune.training.task_trainer import MeZOTaskTrainer

# what torch, safetensors and tokenizers say where a file does not fit
TORN = (
    OSError(errno.ENOSPC, "No space left on device"),
    RuntimeError("[enforce fail at inline_container.cc:672] . unexpected pos 704 vs 598"),
    SafetensorError("Error while serializing: I/O error: File too large (os error 27)"),
    Exception("No space left on device (os error 28)"),
)


@pytest.mark.skipif(not Path("/dev/full").is_char_device(), reason="no device here is always full")
def test_these_are_the_errors_of_a_full_disk():
    for write in (
        lambda: torch.save(torch.ones(100_000), "/dev/full"),
        lambda: Tokenizer(WordLevel()).save("/dev/full"),
    ):
        with pytest.raises(Exception, match=r"inline_container|os error 28") as raised:
            write()
        assert is_disk_error(raised.value)


OTHERS = (
    BrokenPipeError(errno.EPIPE, "Broken pipe"),
    FileExistsError("`log` must be new"),
    SafetensorError("Cannot allocate memory (os error 12)"),
    RuntimeError("PytorchStreamReader failed reading zip archive (inline_container.cc:145)"),
    ValueError("`objective` f must take (answers, rows), and failed (OSError: os error 28)"),
)


@pytest.mark.parametrize("error", OTHERS, ids=lambda error: type(error).__name__)
def test_whatever_else_fails_is_not_a_full_disk(error):
    assert not is_disk_error(error)


def quiet(line: str) -> None:
    pass


def weights(model) -> torch.Tensor:
    return torch.cat([parameter.detach().flatten() for parameter in model.parameters()])


@pytest.mark.parametrize("error", TORN, ids=lambda error: type(error).__name__)
def test_a_full_disk_is_one_line_and_the_run_goes_on_once_there_is_room(error, plan, tmp_path, monkeypatch):
    whole, parted = tmp_path / "whole", tmp_path / "parted"
    finetune(plan, whole, report=quiet)
    save = MeZOTaskTrainer.save_model

    def full(self, output_dir=None, **settings):
        save(self, output_dir, **settings)
        if self.state.global_step == 10:  # behind the weights, before the state of the run
            raise error

    with monkeypatch.context() as patch:
        patch.setattr(MeZOTaskTrainer, "save_model", full)
        told = r"parted cannot be written \(.*\); checkpoint-5 is kept: the same command with --resume goes on, once"
        with pytest.raises(OSError, match=told) as raised:
            finetune(plan, parted, report=quiet)
    assert "\n" not in str(raised.value)
    assert (parted / "checkpoint-10").exists() and latest_checkpoint(parted)[0] == parted / "checkpoint-5"
    assert rebuild_model(parted)[2] == 10  # the log has every step, whether it fitted elsewhere or not
    finetune(plan, parted, resume=True, report=quiet)
    assert torch.equal(weights(rebuild_model(whole)[0]), weights(rebuild_model(parted)[0]))


def test_an_error_that_is_not_is_disk_error_is_not_called_one(plan, tmp_path, monkeypatch):
    def broken(*_, **__):
        raise RuntimeError("a bug")

    monkeypatch.setattr(MeZOTaskTrainer, "save_model", broken)
    with pytest.raises(RuntimeError, match=r"^a bug$"):
        finetune(plan, tmp_path / "run", report=quiet)


@pytest.mark.parametrize(
    ("step", "kept"),
    [
        (7, "checkpoint-5 is kept"),
        (3, "there is no checkpoint yet: run.mezo holds 3 steps, and the same command with --resume goes"),
    ],
)
def test_the_second_interrupt_stops_at_once_and_says_what_is_kept(step, kept, plan, tmp_path, monkeypatch):
    on_step_end = ProgressCallback.on_step_end

    def interrupted(self, args, state, control, **others):
        if state.global_step == step:
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGINT)
        on_step_end(self, args, state, control, **others)

    monkeypatch.setattr(ProgressCallback, "on_step_end", interrupted)
    with pytest.raises(Stopped, match=f"stopped at once; {kept}"):
        finetune(plan, tmp_path / "run", report=quiet)


def test_a_loss_that_is_not_finite_moves_nothing_is_told_once_and_the_run_goes_on(plan, tmp_path, monkeypatch):
    lines = []
    monkeypatch.setattr("mezo_lab.finetune.training.objectives.cross_entropy", lambda *_: torch.tensor(float("nan")))
    with pytest.raises(NotFinite, match="none of the 10 steps moved anything, as no loss was finite"):
        finetune(plan, tmp_path / "run", report=lines.append)
    result = json.loads((tmp_path / "run" / RESULT).read_text(), parse_constant=pytest.fail)
    assert result["losses"] == [[step, None] for step in range(1, 11)] and result["skipped"] == 10
    assert result["best_step"] == 0 and result["test"] == result["test_before"]
    told = "had a loss that is not finite and moved nothing; if more follow, stop and look at the model's weights"
    assert [line for line in lines if told in line] == [f"step 1 {told} and the objective"]
    before, after = (
        weights(prepare_run(plan.resolve(), quiet).pretrained.model),
        weights(rebuild_model(tmp_path / "run")[0]),
    )
    # each of the 10·3 moves rounds by half a unit in the last place, 2⁻²⁴ of a weight, at most
    assert float((before - after).abs().max()) <= 30 * 2**-24 * float(before.abs().max())


@pytest.mark.parametrize("method", ["adam", "sgd"])
def test_backpropagation_ends_at_a_loss_that_is_not_finite(method, plan, tmp_path, capsys):
    out = str(tmp_path / "run")
    given = ["--model", plan.model, "--data", plan.data, "--prompt", plan.prompt, "--words", "terrible,great"]
    sizes = ["--shots", "8", "--test", "20", "--steps", "10", "--lr", "1e30", "--device", "cpu", "--method", method]
    assert main(["finetune", *given, *sizes, "--out", out]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("mezo-lab: --lr must keep the loss finite, got 1e+30 and a loss of nan at step ")


@pytest.mark.parametrize("wrong", [{"lr": 1e-50}, {"objective": "no_such_module:f"}])
def test_a_plan_that_could_not_be_run_does_not_keep_its_folder(wrong, plan, tmp_path):
    with pytest.raises(ValueError, match=r"no_such_module|a number that float32 can hold"):
        finetune(replace(plan, **wrong), tmp_path / "run", report=quiet)
    assert finetune(plan, tmp_path / "run", report=quiet)["steps"] == 10


def test_a_test_text_that_is_too_long_is_told_before_the_training(plan, tmp_path):
    long = tmp_path / "long.csv"
    long.write_text("text,label\n" + "a " * 5000 + ",1\n", encoding="utf-8")
    with pytest.raises(ValueError, match=r"a text must have at most .* pass --cut"):
        finetune(replace(plan, test_data=str(long)), tmp_path / "run", report=quiet)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("tokens", [2048, 100_000])
def test_a_prefix_leaves_room_for_a_text(tokens, plan, tmp_path):
    told = rf"`tokens` must be fewer than the 2,048 that the model reads, got {tokens:,}: give a smaller number"
    with pytest.raises(ValueError, match=told):
        finetune(replace(plan, tuning="prefix", tokens=tokens), tmp_path / "run", report=quiet)


def test_a_folder_that_is_a_file_is_refused(plan, tmp_path):
    (tmp_path / "run").touch()
    with pytest.raises(ValueError, match=r"`out` must be a folder, or the name of a new one, .* is a file"):
        finetune(plan, tmp_path / "run", report=quiet)


def test_of_a_small_file_a_fifth_is_held_out(plan):
    assert len(prepare_run(replace(plan, test=None).resolve(), quiet).splits.test) == 96 // 5


def test_under_nohup_a_run_does_not_hear_the_end_of_its_terminal(tmp_path):
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with Interrupts(quiet).listening(tmp_path):
            assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
            assert isinstance(signal.getsignal(signal.SIGTERM), Interrupts)
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_closed_terminal_ends_a_run_with_a_checkpoint(plan, tmp_path):
    """What is printed afterwards goes nowhere: to write to a terminal that is gone is an error."""
    command = [sys.executable, "-m", "mezo_lab", "finetune", "--out", str(tmp_path / "run"), "--steps", "2000"]
    own = ["--model", plan.model, "--data", plan.data, "--prompt", plan.prompt, "--words", "terrible,great"]
    sizes = ["--shots", "8", "--test", "20", "--batch", "8", "--every", "5", "--lr", "1e-3", "--device", "cpu"]
    terminal, side = os.openpty()
    run = subprocess.Popen(
        [*command, *own, *sizes],
        stdin=side,
        stdout=side,
        stderr=side,
        start_new_session=True,
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
    )
    os.close(side)
    printed = b""
    while b"step 5/" not in printed:
        printed += os.read(terminal, 4096)
    os.close(terminal)
    assert run.wait() == 129
    checkpoint, problems = latest_checkpoint(tmp_path / "run")
    assert checkpoint is not None and problems == []
