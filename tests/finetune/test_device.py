"""A device is the one that was asked for, or it is refused before anything is read."""

from dataclasses import replace

import pytest
import torch

from mezo_lab.finetune.run import check_device, finetune
from mezo_lab.finetune.training import task_trainer


@pytest.fixture
def gpus(monkeypatch):
    """Let torch say that there are so many GPUs, on which nothing is computed."""

    def fake(count: int, kind: str = "cuda") -> None:
        monkeypatch.setattr(torch.cuda, "is_available", lambda: kind == "cuda")
        monkeypatch.setattr(torch.cuda, "device_count", lambda: count if kind == "cuda" else 0)
        for room in ("models.loading", "run", "training.task_trainer"):
            monkeypatch.setattr(f"mezo_lab.finetune.{room}.resolve_device", lambda device: torch.device(device or kind))

    return fake


@pytest.mark.parametrize("device", ["cuda:1", "cuda:7"])
def test_another_gpu_than_the_first_is_refused_with_the_way_to_it(device, gpus, plan, tmp_path):
    gpus(8)
    told = f"got '{device}': set CUDA_VISIBLE_DEVICES={device[-1]} and give --device cuda"
    with pytest.raises(ValueError, match=told):
        finetune(replace(plan, model="no/such/model", device=device), tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("device", [None, "cpu", "cuda", "cuda:0", "mps"])
def test_what_the_trainer_trains_on_is_taken(device, gpus):
    gpus(8)
    check_device(device)


class Chosen:
    """Arguments of a Trainer that has settled for a device."""

    def __init__(self, device: str, n_gpu: int):
        self.device = torch.device(device)
        self.n_gpu = self._n_gpu = n_gpu
        self.world_size = 1


@pytest.mark.parametrize(
    ("asked", "chosen", "refused"),
    [
        ("cuda", "cuda:0", False),
        ("cuda:0", "cuda:0", False),
        ("cpu", "cpu", False),
        ("mps", "mps", False),
        ("mps", "cuda:0", True),
        ("cuda", "xpu:0", True),
        ("cuda:0", "cuda:1", True),  # of the second process of several
        (None, "cuda:1", False),
    ],
)
def test_the_trainer_settles_for_what_was_asked_or_the_run_ends(
    asked, chosen, refused, gpus, plan, tmp_path, monkeypatch
):
    gpus(2)
    given = {}

    def arguments(*_, **settings):
        given.update(settings)
        return Chosen(chosen, n_gpu=2)

    monkeypatch.setattr(task_trainer, "TrainingArguments", arguments)
    plan = replace(plan, device=asked).resolve()
    if refused:
        with pytest.raises(ValueError, match=rf"`device` must be the one on which the Trainer .* trains, {chosen}"):
            task_trainer._training_arguments(plan, tmp_path)
        return
    assert task_trainer._training_arguments(plan, tmp_path)._n_gpu == 1  # so that no model is wrapped in DataParallel
    assert given["use_cpu"] == (asked == "cpu")


def test_mps_is_not_taken_for_the_cpu(gpus, plan, tmp_path, monkeypatch):
    gpus(1, "mps")
    given = {}
    monkeypatch.setattr(
        task_trainer, "TrainingArguments", lambda *_, **settings: given.update(settings) or Chosen("mps", 1)
    )
    task_trainer._training_arguments(replace(plan, device="mps").resolve(), tmp_path)
    assert given["use_cpu"] is False


@pytest.mark.parametrize("device", ["gpu", "cuda:99", "cuda:-1", "meta"])
def test_a_device_that_is_none_is_told_before_data_are_read(device, plan, tmp_path):
    with pytest.raises(ValueError, match="`device` must be cpu or a GPU that torch can see"):
        finetune(replace(plan, data="no such file.csv", device=device), tmp_path / "run")
