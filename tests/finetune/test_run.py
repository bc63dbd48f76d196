"""Runs from end to end on tiny random models: what they write, how they go on, what they refuse."""

import json
import os
import signal
import subprocess
import sys

import pytest
import torch

from mezo_lab.cli import main
from mezo_lab.finetune.config import RunConfig
from mezo_lab.finetune.prepare import build_model, prepare_run
from mezo_lab.finetune.replay import rebuild_model
from mezo_lab.finetune.run import finetune
from mezo_lab.finetune.run_folder import LOG, RESULT, Stopped, write_run_config
from mezo_lab.finetune.training.callbacks import ProgressCallback
from mezo_lab.optim.log import LogError


def changed(plan: RunConfig, **changes) -> RunConfig:
    return RunConfig(**{**vars(plan), **changes})


def weights(model) -> dict[str, torch.Tensor]:
    return {name: parameter.detach().clone() for name, parameter in model.named_parameters()}


def same(one, other) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def quiet(line: str) -> None:
    pass


@pytest.mark.parametrize("architecture", ["llama", "opt", "gpt2", "roberta"])
def test_a_run_writes_its_plan_its_result_and_a_log_that_rebuilds_its_best_model(architecture, plan, folder, tmp_path):
    out, lines = tmp_path / "run", []
    plan = changed(plan, model=folder(architecture))
    result = finetune(plan, out, report=lines.append)
    assert json.loads((out / RESULT).read_text()) == result
    assert (result["steps"], result["forward_passes"], result["backward_passes"]) == (10, 20, 0)
    assert [entry["step"] for entry in result["validation"]] == [0, 5, 10] and len(result["test"]["each"]) == 20
    assert any(line.startswith("step 10/10  loss") for line in lines) and lines[-1].startswith("test accuracy")
    from mezo_lab.finetune.models.loading import load_model

    start = weights(load_model(plan.model, device="cpu").model)
    for until in (5, 10):
        model, _, steps = rebuild_model(out, until=until)
        assert steps == until
        kept = load_model(str(out / f"checkpoint-{steps}"), device="cpu").model
        assert same(weights(kept), weights(model)) and not same(weights(kept), start)
    assert result["best_step"] in (0, 5, 10) and same(weights(rebuild_model(out, until=0)[0]), start)


@pytest.mark.parametrize("tuning", ["lora", "prefix"])
def test_adapters_are_trained_and_rebuilt_alone(tuning, plan, tmp_path):
    plan = changed(plan, tuning=tuning, lr=1e-2, epsilon=1e-2)
    result = finetune(plan, tmp_path / "run", report=quiet)
    start = build_model(prepare_run(plan.resolve(), quiet))
    model, _, _ = rebuild_model(tmp_path / "run")
    moved = {name for name, value in weights(model).items() if not torch.equal(value, weights(start)[name])}
    assert moved and all(tuning in name or "prompt_encoder" in name for name in moved)
    assert result["trained"] < 2_000


def test_a_prefix_is_rebuilt_whatever_the_number_of_threads(plan, tmp_path):
    """It begins as activations, whose last digits depend on that number."""
    own = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        finetune(changed(plan, tuning="prefix"), tmp_path / "run", report=quiet)
        torch.set_num_threads(1)
        assert (rebuild_model(tmp_path / "run")[2], torch.get_num_threads()) == (10, 1)
    finally:
        torch.set_num_threads(own)


@pytest.mark.parametrize("method", ["adam", "sgd"])
def test_backpropagation_is_one_word_away_and_learns(method, plan, tmp_path):
    result = finetune(changed(plan, method=method, lr=1e-2, steps=30, every=15), tmp_path / "run", report=quiet)
    assert result["backward_passes"] == 30 and not (tmp_path / "run" / LOG).exists()
    losses = [loss for _, loss in result["losses"]]
    assert losses[-1] < losses[0]


@pytest.mark.parametrize("method", ["zero-shot", "icl", "linear-probe"])
def test_what_needs_no_training_writes_a_result_too(method, plan, tmp_path):
    result = finetune(changed(plan, method=method), tmp_path / "run", report=quiet)
    assert 0 <= result["test"]["low"] <= result["test"]["value"] <= result["test"]["high"] <= 1
    assert not (tmp_path / "run" / LOG).exists()


def test_a_linear_probe_sees_what_decides(plan, tmp_path):
    result = finetune(changed(plan, method="linear-probe", shots=15), tmp_path / "run", report=quiet)
    assert result["test"]["low"] > 0.5  # the last word of a text stands near the place that is asked


def test_the_examples_of_the_test_are_the_same_for_every_seed(plan):
    one, other = (prepare_run(changed(plan, data_seed=seed).resolve(), quiet).splits for seed in (0, 1))
    assert one.test == other.test and one.train != other.train


def test_the_first_interrupt_ends_with_a_checkpoint_and_the_run_goes_on_bit_for_bit(plan, tmp_path, monkeypatch):
    whole, parted, handler = tmp_path / "whole", tmp_path / "parted", signal.getsignal(signal.SIGINT)
    finetune(plan, whole, report=quiet)
    on_step_end = ProgressCallback.on_step_end

    def interrupted(self, args, state, control, **others):
        if state.global_step == 7:
            self.trainer.began -= 1000  # as if this part had taken so many seconds
            signal.raise_signal(signal.SIGINT)
        on_step_end(self, args, state, control, **others)

    with monkeypatch.context() as patch:
        patch.setattr(ProgressCallback, "on_step_end", interrupted)
        with pytest.raises(
            Stopped, match="stopped after step 7, which is kept: the same command with --resume goes on"
        ):
            finetune(plan, parted, report=quiet)
    assert signal.getsignal(signal.SIGINT) is handler
    assert finetune(plan, parted, resume=True, report=quiet)["seconds"] > 1000
    assert same(weights(rebuild_model(whole)[0]), weights(rebuild_model(parted)[0]))


def test_random_weights_are_the_architectures_own(plan):
    ready, trained = prepare_run(changed(plan, scratch=True).resolve(), quiet), prepare_run(plan.resolve(), quiet)
    again = prepare_run(changed(plan, scratch=True).resolve(), quiet)
    assert same(weights(ready.pretrained.model), weights(again.pretrained.model))
    assert not same(weights(ready.pretrained.model), weights(trained.pretrained.model))


@pytest.mark.parametrize("objective", ["accuracy", "loss"])
def test_an_accuracy_trains_too_and_its_level_probes_are_told(objective, plan, tmp_path):
    lines = []
    finetune(changed(plan, objective=objective, epsilon=1e-3), tmp_path / "run", report=lines.append)
    assert any("zero" in line for line in lines) == (objective == "accuracy")


def test_bfloat16_keeps_theta_exactly(plan, tmp_path):
    """A learning rate far below bfloat16's spacing moves nothing, and no probe leaves a trace."""
    finetune(changed(plan, dtype="bfloat16", lr=1e-12), tmp_path / "run", report=quiet)
    model, _, steps = rebuild_model(tmp_path / "run")
    start = weights(prepare_run(changed(plan, dtype="bfloat16").resolve(), quiet).pretrained.model)
    assert model.dtype == torch.bfloat16 and steps > 0 and same(weights(model), start)


def test_a_folder_that_holds_a_run_is_not_written_over(plan, tmp_path):
    plan = changed(plan, method="zero-shot")
    finetune(plan, tmp_path / "run", report=quiet)
    with pytest.raises(ValueError, match=r"`out` must be a new folder, .* holds a run: pass --resume"):
        finetune(plan, tmp_path / "run", report=quiet)
    with pytest.raises(ValueError, match=r"`seed` was 0 when .* began, and is 3 now"):
        finetune(changed(plan, seed=3), tmp_path / "run", resume=True, report=quiet)
    with pytest.raises(ValueError, match=r"`resume` needs a whole checkpoint in .*, and there is none yet"):
        finetune(plan, tmp_path / "run", resume=True, report=quiet)


def test_the_commands_train_rebuild_and_tell_what_is_wrong(plan, tmp_path, capsys):
    out, run = tmp_path / "model", str(tmp_path / "run")
    given = ["--model", plan.model, "--data", plan.data, "--prompt", plan.prompt, "--words", "terrible,great"]
    sizes = ["--shots", "8", "--test", "20", "--steps", "4", "--every", "2", "--lr", "1e-3", "--device", "cpu"]
    assert main(["finetune", *given, *sizes, "--out", run]) == 0
    assert main(["replay", run, "--out", str(out), "--step", "last"]) == 0
    assert (out / "model.safetensors").exists() and "rebuilt 4 steps" in capsys.readouterr().out
    assert main(["finetune", *given, *sizes, "--out", run]) == 2
    assert "holds a run" in capsys.readouterr().err
    os.rename(plan.data, plan.data + ".gone")  # a log needs no data
    assert main(["replay", run, "--out", str(tmp_path / "again")]) == 0
    os.rename(plan.data + ".gone", plan.data)
    assert main(["replay", str(tmp_path), "--out", str(out)]) == 2
    assert main(["finetune", "--task", "rotten-tomatos"]) == 2
    assert "nearest rotten-tomatoes" in capsys.readouterr().err


def test_a_log_that_is_damaged_or_of_another_model_rebuilds_nothing(plan, folder, tmp_path):
    finetune(plan, tmp_path / "run", report=quiet)
    log = tmp_path / "run" / LOG
    written = log.read_bytes()
    log.write_bytes(written[:200] + bytes([written[200] ^ 1]) + written[201:])
    with pytest.raises(LogError, match=r"run\.mezo"):
        rebuild_model(tmp_path / "run")
    log.write_bytes(written)
    write_run_config(changed(plan, model=folder("opt")).resolve(), tmp_path / "run")
    with pytest.raises(LogError, match="model"):
        rebuild_model(tmp_path / "run")


@pytest.mark.slow
def test_two_processes_share_a_batch_and_write_one_run(plan, tmp_path):
    plan = changed(plan, steps=4, every=2)
    given = [
        f"--{name.replace('_', '-')}={value}"
        for name, value in vars(plan).items()
        if value != getattr(RunConfig(), name)
    ]
    given = [",".join(plan.words).join(("--words=", "")) if text.startswith("--words") else text for text in given]
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", "-m", "mezo_lab"]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    command = [*launch, "finetune", *given, "--out", str(tmp_path / "two")]
    ran = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert ran.returncode == 0, ran.stderr
    finetune(plan, tmp_path / "one", report=quiet)
    one, two = (weights(rebuild_model(tmp_path / name)[0]) for name in ("one", "two"))
    start = weights(prepare_run(plan.resolve(), quiet).pretrained.model)
    apart, moved = (max(float((one[name] - other[name]).abs().max()) for name in one) for other in (two, start))
    assert apart < moved / 100  # a batch in two halves is summed in another order, and that is all


@pytest.mark.slow
def test_twenty_steps_of_the_real_model_are_rebuilt_from_its_log(tmp_path):
    finetune(RunConfig(shots=8, test=16, steps=20, every=10, lr=1e-5), tmp_path / "run", report=quiet)
    model, _, steps = rebuild_model(tmp_path / "run")
    assert steps == 20 and model.num_parameters() == 134_515_008
