"""Logits at the answer places are those of the full computation, whatever the padding, and so is their gradient."""

import pytest
import torch

from mezo_lab.finetune.encoding import logits
from mezo_lab.finetune.encoding.logits import (
    CPU_BATCH,
    IGNORE_INDEX,
    Encoded,
    answer_logits,
    answer_states,
    batch_logits,
    bucket_size,
    length_buckets,
    padded_batch,
)

TEXTS = (
    Encoded((3, 5, 7, 9), positions=(3,), targets=(2,)),
    Encoded((4, 6, 8, 10, 12, 14, 16), positions=(0, 2, 6), targets=(6, 10, 1)),
    Encoded((11,), positions=(0,), targets=(5,)),
)


def full_logits(model, encoded, shift=0):
    """Every logit of every position, each text alone: no padding, no hook; read `shift` places further on."""
    found = []
    for one in encoded:
        logits = model(torch.tensor([one.input_ids])).logits[0]
        found += [logits[(place + shift) % len(logits)] for place in one.positions]
    return torch.stack(found).float()


@pytest.mark.parametrize("grad", [True, False])
def test_they_are_those_of_each_text_alone(every_model, grad):
    with torch.set_grad_enabled(grad):
        logits = answer_logits(every_model, TEXTS)
        torch.testing.assert_close(logits, full_logits(every_model, TEXTS), rtol=1e-5, atol=1e-5)
    assert logits.requires_grad == grad


def test_a_place_further_on_is_another_answer(every_model):
    with torch.no_grad():
        difference = answer_logits(every_model, TEXTS) - full_logits(every_model, TEXTS, shift=1)
    alone = torch.tensor([0, 0, 0, 0, 1], dtype=torch.bool)  # the last text has one place only
    assert (difference.abs().amax(1) > 1e-3).equal(~alone)


@pytest.mark.parametrize("pad", [0, 1, 2, 17])
def test_the_padding_does_not_matter(every_model, pad):
    with torch.no_grad():
        found = batch_logits(every_model, padded_batch(TEXTS, pad))
        torch.testing.assert_close(found, answer_logits(every_model, TEXTS), rtol=1e-5, atol=1e-5)


def test_without_the_attention_mask_a_masked_model_would_see_it(masked_model):
    model = masked_model
    tensors = padded_batch(TEXTS, pad=0)
    with torch.no_grad():
        seen = batch_logits(model, tensors | {"attention_mask": torch.ones_like(tensors["input_ids"])})
        assert float((seen - answer_logits(model, TEXTS)).abs().max()) > 0.01


def test_so_is_their_gradient(every_model):
    parameters = [parameter for parameter in every_model.parameters() if parameter.requires_grad]
    weights = torch.linspace(-1, 1, 5)[:, None]

    def gradient(logits):
        found = torch.autograd.grad((weights * logits.log_softmax(-1)).sum(), parameters, allow_unused=True)
        return [torch.zeros_like(p) if g is None else g for p, g in zip(parameters, found, strict=True)]

    ours, full = gradient(answer_logits(every_model, TEXTS)), gradient(full_logits(every_model, TEXTS))
    torch.testing.assert_close(ours, full, rtol=1e-4, atol=1e-5)
    assert max(float(g.abs().max()) for g in ours) > 0.01


def test_the_output_layer_reads_the_places_only(every_model):
    read = []
    hook = logits.output_layer(every_model).register_forward_hook(
        lambda _, inputs, output: read.append(inputs[0].shape)
    )
    answer_logits(every_model, TEXTS)
    hook.remove()
    assert read == [(5, 16)]


def test_states_are_what_the_output_layer_makes_logits_of(every_model):
    with torch.no_grad():
        states = answer_states(every_model, TEXTS)
        read = logits.output_layer(every_model)(states)
        torch.testing.assert_close(read, answer_logits(every_model, TEXTS))
    assert states.shape == (5, 16)


def test_logits_are_float32_whatever_the_model(model):
    assert answer_logits(model.to(torch.bfloat16), TEXTS).dtype == torch.float32


def test_the_model_is_as_it_was_afterwards(model):
    everything = torch.tensor([TEXTS[0].input_ids])
    before = model(everything).logits
    answer_logits(model, TEXTS)
    assert torch.equal(model(everything).logits, before)


def test_the_model_is_as_it_was_after_an_exception(model, monkeypatch):
    everything = torch.tensor([TEXTS[0].input_ids])
    before = model(everything).logits

    def interrupt(*_, **__):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(model, "forward", interrupt)
        with pytest.raises(KeyboardInterrupt):
            answer_logits(model, TEXTS)
    assert torch.equal(model(everything).logits, before)


@pytest.mark.parametrize("together", [1, 2, 3, 10])
def test_groups_of_like_length_put_back_in_order_are_the_batch(model, together):
    groups, order = length_buckets(TEXTS, together)
    lengths = [len(one.input_ids) for group in groups for one in group]
    assert lengths == sorted(lengths) and max(map(len, groups)) == min(together, 3)
    with torch.no_grad():
        parts = torch.cat([answer_logits(model, group) for group in groups])
        torch.testing.assert_close(parts[order], answer_logits(model, TEXTS), rtol=1e-5, atol=1e-5)
        assert not torch.allclose(parts, answer_logits(model, TEXTS), atol=0.01)


def test_only_a_cpu_reads_a_batch_in_parts(model):
    assert bucket_size(model, 64) == CPU_BATCH < bucket_size(model.to("meta"), 64) == 64


def test_the_targets_are_in_the_order_of_the_logits():
    targets = padded_batch(TEXTS, pad=0)["targets"]
    assert targets[targets != IGNORE_INDEX].tolist() == [target for one in TEXTS for target in one.targets]


@pytest.mark.parametrize("places", [(2, 1), (1, 1), (-1,), (3,)])
def test_places_that_do_not_increase_inside_the_text_are_refused(places):
    with pytest.raises(ValueError, match="`positions` must increase from 0 to 2 at most, the last of 3 tokens"):
        Encoded((5, 6, 7), places, tuple(places))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (
            lambda model: Encoded((5, 6), (0, 1), (6,)),
            "`targets` must hold one token for each of the 2 positions, got 1",
        ),
        (lambda model: answer_logits(model, []), "`encoded` must hold at least one sequence, got none"),
        (lambda model: length_buckets(TEXTS, 0), "`size` must be at least 1, got 0: 4 suits a CPU"),
        (lambda model: answer_logits(model.base_model, TEXTS), "got LlamaModel: load it with AutoModelForCausalLM or"),
        (lambda model: logits.output_layer(torch.nn.ReLU()), "got ReLU: load it"),
    ],
)
def test_what_is_wrong_is_named(model, wrong, message):
    with pytest.raises(ValueError, match=message):
        wrong(model)
