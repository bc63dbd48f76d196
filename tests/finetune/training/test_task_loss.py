"""The loss of a padded batch against the full computation, one prompt at a time."""

import pytest
import torch
from torch.nn.functional import cross_entropy

from mezo_lab.finetune import task_loss

ANSWERS = [" terrible", " great"]


def full_loss(model, tokenizer, reviews):
    """Every logit of every position, each prompt alone: no padding, no gathering."""
    answers = tokenizer.convert_tokens_to_ids([word.replace(" ", "Ġ") for word in ANSWERS])
    logits = [
        model(torch.tensor([tokenizer(f"{review['text']} It was").input_ids])).logits[0, -1, answers]
        for review in reviews
    ]
    return cross_entropy(torch.stack(logits), torch.tensor([review["label"] for review in reviews]))


def test_the_loss_of_the_batch_is_the_full_computation_prompt_by_prompt(any_model, tokenizer, batch):
    with torch.no_grad():
        loss = task_loss(any_model, tokenizer, batch)()
        torch.testing.assert_close(loss, full_loss(any_model, tokenizer, batch), rtol=1e-5, atol=1e-6)


def test_so_is_its_gradient(any_model, tokenizer, batch):
    parameters = list(any_model.parameters())
    ours = torch.autograd.grad(task_loss(any_model, tokenizer, batch)(), parameters)
    full = torch.autograd.grad(full_loss(any_model, tokenizer, batch), parameters)
    torch.testing.assert_close(ours, full, rtol=1e-4, atol=1e-5)


def test_the_comparison_sees_a_wrong_label(model, tokenizer, batch):
    wrong = [{"text": review["text"], "label": 1 - review["label"]} for review in batch]
    ours, full = task_loss(model, tokenizer, batch)(), full_loss(model, tokenizer, wrong)
    assert abs(ours - full) > 0.01


def test_the_loss_is_a_float32_scalar_and_the_same_at_every_call(model, tokenizer, batch):
    loss = task_loss(model, tokenizer, batch)
    first, second = loss(), loss()
    assert first.shape == ()
    assert first.dtype == torch.float32
    assert torch.equal(first, second)


def test_the_loss_follows_the_parameters(model, tokenizer, batch):
    loss = task_loss(model, tokenizer, batch)
    before = loss().item()
    with torch.no_grad():
        model.get_output_embeddings().weight.mul_(2)
        assert loss().item() != before
        torch.testing.assert_close(loss(), full_loss(model, tokenizer, batch), rtol=1e-5, atol=1e-6)


def test_another_task_gives_another_loss(model, tokenizer, batch):
    plain = task_loss(model, tokenizer, batch)()
    assert task_loss(model, tokenizer, batch, "rotten-tomatoes/no-prompt")() != plain


def test_braces_in_a_review_are_text(model, tokenizer):
    assert task_loss(model, tokenizer, [{"text": "a {fine} film {0}", "label": 1}])().isfinite()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"task": "rotten-tomatoes/sentiment"},
            r"`answers` must be different tokens, got ' negative', ' positive' as \(",
        ),
        ({"task": "rotten-tomatos"}, r"`task` must be one of .* nearest rotten-tomatoes"),
        ({"rows": []}, r"`rows` must hold at least one row"),
        ({"rows": [{"text": "a fine film", "label": 2}]}, "label"),
    ],
)
def test_a_wrong_argument_is_named(model, tokenizer, batch, change, message):
    with pytest.raises(ValueError, match=message):
        task_loss(model, tokenizer, **{"rows": batch, **change})


def test_a_model_in_training_mode_is_refused(model, tokenizer, batch):
    with pytest.raises(ValueError, match=r"`model` must be in eval mode.*call model.eval\(\)"):
        task_loss(model.train(), tokenizer, batch)


def test_a_model_without_an_output_layer_is_refused(model, tokenizer, batch):
    with pytest.raises(ValueError, match=r"got LlamaModel: load it with AutoModelForCausalLM"):
        task_loss(model.base_model, tokenizer, batch)
