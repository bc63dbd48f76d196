"""A tuned model begins as the model it was, or as that model reading the tokens that its prefix was made of."""

import pytest
import torch

from mezo_lab.environment import installation
from mezo_lab.finetune import ModelNotInstalled
from mezo_lab.finetune.encoding.logits import Encoded, answer_logits
from mezo_lab.finetune.models import tuning
from mezo_lab.finetune.models.loading import LanguageModel
from mezo_lab.finetune.models.tuning import count_trainable, tune

PREFIX = [3, 4, 5]
TEXTS = (
    Encoded((3, 5, 7, 9), positions=(0, 1, 2, 3), targets=(5, 7, 9, 2)),
    Encoded((4, 6, 8, 10, 12, 14, 16), positions=(0, 2, 6), targets=(6, 10, 1)),
)
AFTER = tuple(
    Encoded((*PREFIX, *text.input_ids), tuple(place + len(PREFIX) for place in text.positions), text.targets)
    for text in TEXTS
)


def loaded(model) -> LanguageModel:
    return LanguageModel(model, tokenizer=None, masked=model.config.model_type == "roberta", name="tiny", limit=512)


def prefixed(model, tokens=PREFIX):
    return tune(loaded(model), "prefix", examples=[tokens], tokens=len(tokens))


def weight_of(prefix_model):
    return prefix_model.prompt_encoder["default"].embedding.weight


def close(ours, expected):
    return torch.allclose(ours, expected, rtol=1e-5, atol=1e-5)


@torch.no_grad()
def test_full_is_the_model_itself_all_of_which_trains(every_model):
    every_model.requires_grad_(False)
    assert tune(loaded(every_model), "full") is every_model
    assert count_trainable(every_model) == every_model.num_parameters()


@torch.no_grad()
def test_lora_begins_where_the_model_was(every_model):
    before = answer_logits(every_model, TEXTS)
    tuned = tune(loaded(every_model), "lora")
    assert torch.equal(answer_logits(tuned, TEXTS), before)
    assert not any(module.training for module in tuned.modules())


@torch.no_grad()
def test_each_of_its_matrices_counts_once_it_is_not_zero(every_model):
    before, tuned = answer_logits(every_model, TEXTS), tune(loaded(every_model), "lora")
    for name, parameter in tuned.named_parameters():
        if "lora_B" in name:
            parameter.fill_(0.1)
            assert not close(answer_logits(tuned, TEXTS), before), name
            parameter.zero_()


@torch.no_grad()
@pytest.mark.parametrize("kind", ["lora", "prefix"])
def test_logits_at_the_places_are_those_of_the_whole_tuned_model(every_model, kind):
    tuned = tune(loaded(every_model), kind, examples=[PREFIX], tokens=3)
    for parameter in tuned.parameters():
        if parameter.requires_grad:
            parameter.add_(0.1)
    alone = [tuned(torch.tensor([text.input_ids])).logits[0, list(text.positions)] for text in TEXTS]
    assert close(answer_logits(tuned, TEXTS), torch.cat(alone))


@pytest.mark.parametrize("rank", [1, 8])
def test_two_matrices_of_this_rank_train_at_query_and_value(every_model, rank):
    tuned = tune(loaded(every_model), "lora", rank=rank)
    widths = [16 + 48] if every_model.config.model_type == "gpt2" else [16 + 16, 16 + 16]  # its key too, in one layer
    assert count_trainable(tuned) == 2 * rank * sum(widths)
    adapted = {name for name, parameter in tuned.named_parameters() if parameter.requires_grad}
    assert all("lora_" in name and ("q" in name or "v" in name or "c_attn" in name) for name in adapted)


@torch.no_grad()
def test_alpha_over_rank_is_the_scale_of_what_lora_adds(model):
    weight = model.model.layers[0].self_attn.q_proj.weight.clone()
    tuned = tune(loaded(model), "lora", rank=4, alpha=12)
    layer = tuned.base_model.model.model.layers[0].self_attn.q_proj
    layer.lora_B["default"].weight.fill_(0.1)
    expected = weight + 12 / 4 * layer.lora_B["default"].weight @ layer.lora_A["default"].weight
    x = torch.linspace(-1, 1, 16)
    assert close(layer(x), expected @ x)


@torch.no_grad()
def test_a_prefix_begins_as_its_tokens_before_the_text(any_model):
    expected, plain = answer_logits(any_model, AFTER), answer_logits(any_model, TEXTS)
    tuned = prefixed(any_model)
    assert close(answer_logits(tuned, TEXTS), expected) and not close(expected, plain)
    weight_of(tuned).normal_(generator=torch.Generator().manual_seed(0))
    assert not close(answer_logits(tuned, TEXTS), expected)


@torch.no_grad()
def test_in_a_masked_model_these_tokens_have_not_seen_the_text(masked_model):
    """Text sees tokens, but not the other way round, as a mask of four dimensions can say of the model itself."""
    inputs, seen = torch.tensor([AFTER[0].input_ids]), torch.ones(1, 1, 7, 7, dtype=torch.bool)
    both_ways = masked_model(inputs, attention_mask=seen).logits[0, 3:]
    seen[..., : len(PREFIX), len(PREFIX) :] = False
    expected = masked_model(inputs, attention_mask=seen).logits[0, 3:]
    ours = answer_logits(prefixed(masked_model), TEXTS[:1])
    assert close(ours, expected) and not close(ours, both_ways)


def test_only_keys_and_values_of_the_prefix_train(every_model):
    tuned = prefixed(every_model)
    assert count_trainable(tuned) == weight_of(tuned).numel() == 3 * 2 * 2 * 16  # tokens, layers, key and value, width
    answer_logits(tuned, TEXTS).sum().backward()
    assert {name for name, p in tuned.named_parameters() if p.grad is not None} == {
        name for name, p in tuned.named_parameters() if p.requires_grad
    }


def test_the_prefix_of_a_low_precision_model_trains_in_float32(model):
    tuned = prefixed(model.to(torch.bfloat16))
    assert weight_of(tuned).dtype == torch.float32 and answer_logits(tuned, TEXTS).isfinite().all()


@pytest.mark.parametrize("kind", ["lora", "prefix"])
def test_the_seed_fixes_what_is_drawn_and_no_global_generator_moves(fresh, kind):
    def drawn(seed):
        tuned = tune(loaded(fresh("llama")), kind, examples=[[index] for index in range(20)], tokens=4, seed=seed)
        return torch.cat([parameter.detach().flatten() for parameter in tuned.parameters() if parameter.requires_grad])

    before = torch.get_rng_state()
    one, again, other = drawn(1), drawn(1), drawn(2)
    assert torch.equal(one, again) and not torch.equal(one, other)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize(
    ("kind", "change", "message"),
    [
        ("adapter", {}, "`tuning` must be one of full, lora, prefix; got 'adapter'"),
        ("lora", {"rank": 0}, "`rank` must be at least 1, got 0: 8 is the paper's"),
        ("prefix", {"tokens": 0}, "`tokens` must be at least 1, got 0: 5 is the paper's"),
        ("prefix", {"examples": [[1, 2], [3]]}, "`examples` must hold 5 tokens or more, .* got 3: pass the token ids"),
        ("prefix", {"examples": ()}, "`examples` must hold 5 tokens or more, .* got 0"),
    ],
)
def test_a_wrong_argument_is_named(model, kind, change, message):
    with pytest.raises(ValueError, match=message):
        tune(loaded(model), kind, **change)


def distilbert():
    transformers = pytest.importorskip("transformers")
    config = transformers.DistilBertConfig(vocab_size=24, dim=16, hidden_dim=32, n_heads=2, n_layers=1)
    return transformers.DistilBertForMaskedLM(config).eval()


def test_lora_adapts_query_and_value_where_peft_does_not_know_the_architecture(model):
    assert tuning._target_modules(loaded(model)) is None  # peft has its own table
    masked = LanguageModel(distilbert(), None, True, "tiny", 512)  # type: ignore[arg-type]
    adapted = tune(masked, "lora", rank=2)
    names = {name.split(".lora_")[0].rpartition(".")[2] for name, p in adapted.named_parameters() if p.requires_grad}
    assert names == {"q_lin", "v_lin"} and count_trainable(adapted) == 2 * 2 * 2 * 16


def test_lora_needs_layers_that_it_knows(monkeypatch):
    model = distilbert()
    monkeypatch.setattr(tuning, "QUERY_VALUE", (("wq", "wv"),))
    with pytest.raises(
        ValueError, match=r"lora needs layers for query and value .* tiny has none of .*: choose prefix or"
    ):
        tune(loaded(model), "lora")


def test_a_prefix_needs_a_model_that_keeps_keys_and_values():
    model = distilbert()
    with pytest.raises(
        ValueError, match="keeps keys and values, alike in every layer; tiny does not: choose lora or full"
    ):
        prefixed(model)


def test_without_peft_the_error_names_the_extra(monkeypatch, model):
    monkeypatch.setattr(installation, "find_spec", lambda name: None)
    with pytest.raises(ModelNotInstalled, match=r'^peft is not installed: .*pip install "mezo_lab\[models\]"$'):
        tune(loaded(model), "lora")
