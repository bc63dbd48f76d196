"""A model in half precision is that of plain `from_pretrained`: its weights are cast, and its buffers are not."""

import pytest
import torch
import transformers

from mezo_lab.finetune.config import RunConfig
from mezo_lab.finetune.encoding.encoder import Encoder
from mezo_lab.finetune.evaluation.evaluate import evaluate
from mezo_lab.finetune.evaluation.scores import score_record
from mezo_lab.finetune.models import loading
from mezo_lab.finetune.models.foreign import silenced
from mezo_lab.finetune.models.loading import load_model
from mezo_lab.finetune.prepare import prepare_run
from mezo_lab.finetune.run import finetune

HALVES = [torch.bfloat16, torch.float16]
SIZES = {"hidden_size": 16, "intermediate_size": 32, "num_attention_heads": 2, "num_hidden_layers": 2, "vocab_size": 24}
GROUPED = ("qwen2", "mistral")  # query heads that share keys and values
OTHERS = ("qwen2", "mistral", "gpt_neox", "phi", "bloom", "bert")


def same_state(one, other) -> bool:
    mine, theirs = ({**dict(m.named_parameters()), **dict(m.named_buffers())} for m in (one, other))
    return mine.keys() == theirs.keys() and all(
        mine[name].dtype == theirs[name].dtype and torch.equal(mine[name], theirs[name]) for name in mine
    )


def plain(folder, dtype, masked):
    auto = transformers.AutoModelForMaskedLM if masked else transformers.AutoModelForCausalLM
    return auto.from_pretrained(folder, dtype=dtype).eval()


@pytest.mark.parametrize("dtype", HALVES)
def test_a_model_is_what_from_pretrained_gives(every_model, folder, dtype):
    where = folder(every_model.config.model_type)
    loaded = load_model(where, dtype=dtype, device="cpu")
    assert same_state(loaded.model, plain(where, dtype, loaded.masked))


@pytest.mark.parametrize("architecture", OTHERS)
def test_other_architectures_too(architecture, tmp_path, tokenizer):
    heads = {"num_key_value_heads": 1} if architecture in GROUPED else {}
    tokens = {"pad_token_id": 0, "bos_token_id": 0, "eos_token_id": 0}
    config = transformers.AutoConfig.for_model(architecture, **SIZES, **heads, **tokens)
    masked = architecture == "bert"
    auto = transformers.AutoModelForMaskedLM if masked else transformers.AutoModelForCausalLM
    auto.from_config(config).save_pretrained(tmp_path)
    words = tokenizer.__class__(tokenizer_object=tokenizer.backend_tokenizer)
    if masked:
        words.mask_token = "wit"
    words.save_pretrained(tmp_path)
    loaded = load_model(str(tmp_path), dtype=torch.bfloat16, device="cpu")
    assert same_state(loaded.model, plain(tmp_path, torch.bfloat16, masked))


@pytest.mark.parametrize("dtype", HALVES)
def test_the_shipped_model_keeps_its_frequencies_and_its_ties(dtype, monkeypatch, model, tokenizer, tmp_path):
    before = {name: buffer.clone() for name, buffer in model.named_buffers()}
    monkeypatch.setattr(loading, "smollm2", lambda: (model, tokenizer))
    cast = load_model("smollm2-135m", dtype=dtype, device="cpu").model
    assert {parameter.dtype for parameter in cast.parameters()} == {dtype}
    assert before and all(torch.equal(buffer, before[name]) for name, buffer in cast.named_buffers())
    assert cast.get_input_embeddings().weight is cast.get_output_embeddings().weight
    cast.save_pretrained(tmp_path)
    assert same_state(cast, transformers.AutoModelForCausalLM.from_pretrained(tmp_path))  # dtype as it was saved


@pytest.mark.parametrize(
    ("architecture", "tuning", "dtype"),
    [
        ("llama", "full", "bfloat16"),
        ("llama", "prefix", "bfloat16"),
        ("gpt2", "lora", "float16"),
        ("opt", "full", "float16"),
    ],
)
def test_what_is_saved_answers_as_it_was_tested(architecture, tuning, dtype, plan, folder, tmp_path, monkeypatch):
    plan = RunConfig(**{**vars(plan), "model": folder(architecture), "tuning": tuning, "dtype": dtype, "lr": 1e-2})
    # a checkpoint is best
    monkeypatch.setattr("mezo_lab.finetune.training.callbacks.StartCallback.on_train_begin", lambda *_, **__: None)
    result = finetune(plan, tmp_path / "run", report=lambda line: None)
    where, half = tmp_path / "run" / f"checkpoint-{result['best_step']}", getattr(torch, dtype)
    if tuning == "full":
        model = plain(where, half, False)
    else:
        with silenced():
            base = plain(plan.model, half, False)
            model = pytest.importorskip("peft").PeftModel.from_pretrained(base, where).eval()
    ready = prepare_run(plan.resolve(), report=lambda line: None)
    encoder = Encoder(ready.task, ready.pretrained.tokenizer, ready.splits.train[0], limit=ready.encoder.limit)
    assert score_record(evaluate(model, encoder, ready.splits.test)) == result["test"]
