"""A name is a model in a wheel, in a folder or on the hub; what is wrong with a folder is said in one line."""

import json
import shutil
from pathlib import Path

import pytest
import torch

from mezo_lab.finetune.models import loading
from mezo_lab.finetune.models.loading import load_model

POSITIONS = {"llama": 2048, "opt": 2048, "gpt2": 1024, "roberta": 512 - 2}  # roberta's begin after its padding token's


def test_a_folder_gives_the_model_that_was_saved(folder, every_model, tokenizer):
    architecture = every_model.config.model_type
    loaded = load_model(folder(architecture), device="cpu")
    assert (loaded.masked, loaded.limit) == (architecture == "roberta", POSITIONS[architecture])
    assert not any(module.training for module in loaded.model.modules())
    before, after = dict(every_model.named_parameters()), dict(loaded.model.named_parameters())
    assert before.keys() == after.keys() and all(torch.equal(before[name], after[name]) for name in before)
    assert loaded.tokenizer("a great film").input_ids == tokenizer("a great film").input_ids


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_weights_have_the_dtype_that_is_asked_for(folder, dtype):
    model = load_model(folder("llama"), dtype=dtype, device="cpu").model
    assert {parameter.dtype for parameter in model.parameters()} == {dtype}


def test_the_text_may_not_be_longer_than_the_tokenizer_says(folder):
    where = Path(folder("gpt2"))
    settings = json.loads((where / "tokenizer_config.json").read_text())
    (where / "tokenizer_config.json").write_text(json.dumps(settings | {"model_max_length": 100}))
    assert load_model(str(where), device="cpu").limit == 100


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_shipped_model_is_known_by_its_name(monkeypatch, model, tokenizer, dtype):
    monkeypatch.setattr(loading, "smollm2", lambda: (model, tokenizer))
    loaded = load_model("smollm2-135m", dtype=dtype, device="cpu")
    assert loaded.model is model and model.dtype == dtype
    assert (loaded.name, loaded.masked, loaded.limit) == ("smollm2-135m", False, 2048)


def test_a_load_says_nothing(folder, capfd):
    where = folder("opt")
    capfd.readouterr()
    load_model(where, device="cpu")
    assert capfd.readouterr() == ("", "")


def without(name):
    return lambda where: (where / name).unlink()


def configured(**changes):
    def change(where):
        settings = json.loads((where / "config.json").read_text())
        (where / "config.json").write_text(json.dumps(settings | changes))

    return change


def cut_short(where):
    file = where / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-50])


NO_MODEL = "`name` must be a causal or masked language model, with its output layer; .* holds "


@pytest.mark.parametrize(
    ("damage", "error", "message"),
    [
        (without("config.json"), ValueError, "`name` must be a folder with a config.json, .* has none"),
        (without("tokenizer.json"), ValueError, "`name` must be a folder with a tokenizer in it; .* has none"),
        (
            without("model.safetensors"),
            OSError,
            r"cannot be read \(Error no file named model.safetensors.*: save it again",
        ),
        (
            cut_short,
            OSError,
            r"cannot be read \(Error while deserializing header.*\): save it again with save_pretrained",
        ),
        (lambda where: (where / "config.json").write_text("{"), OSError, "is not a valid JSON file"),
        (lambda where: (where / "tokenizer.json").write_text("{"), OSError, "^the tokenizer of .* cannot be read"),
        (configured(hidden_size=32), OSError, "cannot be read"),
        (configured(architectures=["LlamaModel"]), ValueError, NO_MODEL + "LlamaModel: save one that AutoModelFor"),
        (configured(architectures=["LlamaForSequenceClassification"]), ValueError, NO_MODEL + "LlamaForSequence"),
        (configured(architectures=None), ValueError, NO_MODEL + "no architecture"),
        (configured(tie_word_embeddings=False), ValueError, "hold every weight; .* lacks 1, such as lm_head.weight"),
    ],
)
def test_what_is_wrong_with_a_folder_is_one_line(folder, damage, error, message):
    where = Path(folder("llama"))
    damage(where)
    with pytest.raises(error, match=message) as raised:
        load_model(str(where), device="cpu")
    assert "\n" not in str(raised.value)


def test_a_masked_model_needs_a_mask_token(folder):
    masked, causal = folder("roberta"), folder("llama")
    for file in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(Path(causal, file), Path(masked, file))
    with pytest.raises(ValueError, match=r"whose tokenizer has a mask token, if it fills masks; .* has none"):
        load_model(masked, device="cpu")


@pytest.mark.parametrize("device", ["gpu", "cuda:99", "meta"])
def test_a_device_that_is_not_there_is_told_before_anything_is_read(device):
    told = f"`device` must be cpu or a GPU that torch can see, such as cuda:0, got '{device}': leave it out"
    with pytest.raises(ValueError, match=told):
        load_model("no/such/model/at/all", device=device)


@pytest.mark.parametrize(
    ("inside", "told"),
    [
        ("adapter_config.json", "holds adapters alone: .*merge_and_unload"),
        ("checkpoint-5/config.json", "is the folder of a run: give one of its checkpoints, such as .*checkpoint-5"),
    ],
)
def test_a_folder_of_this_program_that_is_no_model_is_told_with_what_to_give(tmp_path, inside, told):
    file = tmp_path / inside
    file.parent.mkdir(exist_ok=True)
    file.write_text("{}")
    with pytest.raises(ValueError, match=f"`name` must be a folder with a config.json, .*{told}"):
        load_model(str(tmp_path), device="cpu")


def test_a_file_and_an_empty_name_are_no_models(tmp_path):
    (tmp_path / "weights.safetensors").write_bytes(b"")
    with pytest.raises(ValueError, match=r"`name` must be a model's folder, and .*safetensors is a file: give the fol"):
        load_model(str(tmp_path / "weights.safetensors"), device="cpu")
    for name in ("", "  "):
        with pytest.raises(ValueError, match=f"a name on the hub, got '{name}': name one"):
            load_model(name, device="cpu")


@pytest.mark.parametrize("name", ["./nowhere", "/nowhere", "a/b/c"])
def test_a_folder_that_is_not_there_is_not_looked_for_on_the_hub(name):
    with pytest.raises(ValueError, match=f"a model's folder or a name on the hub; {name} is none of them"):
        load_model(name)


def test_without_a_network_the_error_says_so(monkeypatch, capfd):
    constants = pytest.importorskip("huggingface_hub").constants
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)  # else the hub is tried again for half a minute
    with pytest.raises(
        OSError, match=r"no/model cannot be read \(.*\): check the name and the network, or give another"
    ):
        load_model("no/model")
    assert capfd.readouterr() == ("", "")
