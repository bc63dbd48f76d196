"""What many prompts begin with is read once, and the logits behind it are those of whole prompts."""

import pytest
import torch

from mezo_lab.finetune.encoding.batches import batched_logits
from mezo_lab.finetune.encoding.encoder import Encoder
from mezo_lab.finetune.encoding.logits import Encoded, answer_logits
from mezo_lab.finetune.encoding.prefix_cache import MINIMUM_LENGTH, common_length, split_shared_prefix
from mezo_lab.finetune.evaluation.evaluate import predictions
from mezo_lab.finetune.models.loading import LanguageModel
from mezo_lab.finetune.models.tuning import tune
from mezo_lab.finetune.tasks import task_named

SOLVED = tuple(2 + number % 9 for number in range(MINIMUM_LENGTH))
ENDS = ((3, 4, 5), (5,), (4, 4, 8, 3, 3), (6, 7), (5, 5, 4), (7, 3))
TEXTS = [Encoded(SOLVED + end, (MINIMUM_LENGTH + len(end) - 1,), (1,)) for end in ENDS]


@torch.no_grad()
def test_logits_behind_a_beginning_are_those_of_whole_prompts(any_model):
    prefix, rest = split_shared_prefix(any_model, TEXTS)
    assert prefix is not None and prefix.length == MINIMUM_LENGTH
    assert [one.input_ids for one in rest] == list(ENDS)
    whole = answer_logits(any_model, TEXTS)
    for indices, logits in batched_logits(any_model, TEXTS):
        torch.testing.assert_close(logits, whole[indices], rtol=1e-4, atol=1e-4)
    # control: behind another prefix they are others
    other, _ = split_shared_prefix(any_model, [Encoded(SOLVED[::-1] + end, (MINIMUM_LENGTH,), (1,)) for end in ENDS])
    assert other is not None
    apart = answer_logits(any_model, rest, other.repeated(len(rest))) - whole
    assert float(apart.abs().max()) > 0.01


@torch.no_grad()
def test_a_beginning_serves_many_batches(model):
    prefix, rest = split_shared_prefix(model, TEXTS)
    assert prefix is not None
    first, second = (answer_logits(model, rest, prefix.repeated(len(rest))) for _ in range(2))
    assert torch.equal(first, second)


@torch.no_grad()
def test_masked_models_adapters_and_short_beginnings_read_all(masked_model, model):
    short = [Encoded(one.input_ids[1:], (one.positions[0] - 1,), one.targets) for one in TEXTS]
    assert split_shared_prefix(model, short) == (None, short)
    adapted = tune(LanguageModel(model, tokenizer=None, masked=False, name="tiny", limit=512), "lora")
    for asked in (masked_model, adapted):
        assert split_shared_prefix(asked, TEXTS) == (None, TEXTS)


def test_the_place_that_is_asked_is_never_in_the_beginning():
    same = [Encoded((5, 6, 7, 8), (1, 3), (6, 1))] * 2
    assert common_length(same) == 1
    assert common_length([same[0], Encoded((9, 6), (1,), (1,))]) == 0


def test_answers_after_solved_examples_do_not_depend_on_how_they_are_read(model, tokenizer, monkeypatch):
    task = task_named("rotten-tomatoes")
    rows = [{"text": "a fine film " * (1 + number % 3), "label": 0} for number in range(20)]
    encoder = Encoder(task, tokenizer, rows[0], before="a dull film It was terrible " * 12)
    found = predictions(model, encoder, rows)
    monkeypatch.setattr("mezo_lab.finetune.encoding.prefix_cache.MINIMUM_LENGTH", 10**6)
    assert predictions(model, encoder, rows) == found


@pytest.mark.parametrize("size", [1, 3])
def test_a_copy_for_a_batch_leaves_what_was_kept(model, size):
    with torch.no_grad():
        prefix, _ = split_shared_prefix(model, TEXTS)
    assert prefix is not None
    assert prefix.repeated(size).layers[0].keys.shape[0] == size
    assert prefix.cache.layers[0].keys.shape[0] == 1
