"""Rows as tokens: where the model is asked, and what is right there."""

from copy import deepcopy

import pytest

from mezo_lab.finetune.encoding.encoder import Encoder
from mezo_lab.finetune.tasks import Task, custom_task, task_named

ROW = {"text": "a fine film", "label": 1}
REVIEWS = task_named("rotten-tomatoes")


def endings(row) -> tuple[str, ...]:
    return (" great film", " dull")


ENDINGS = Task("endings", "choice", "{text} It was", options=endings, correct=lambda row: endings(row)[:1])


def test_a_classification_is_asked_where_its_prompt_ends(tokenizer):
    encoded = Encoder(REVIEWS, tokenizer, ROW).encode_training(ROW)
    assert encoded.input_ids == tuple(tokenizer("a fine film It was").input_ids)
    assert encoded.positions == (len(encoded.input_ids) - 1,)
    assert encoded.targets == tuple(tokenizer(" great").input_ids)


def test_the_label_words_stand_in_the_order_of_the_labels(tokenizer):
    encoder = Encoder(REVIEWS, tokenizer, ROW)
    assert encoder.labels == tuple(tokenizer(word).input_ids[0] for word in (" terrible", " great"))
    wrong = encoder.encode_training({**ROW, "label": 0})
    assert wrong.targets == (encoder.labels[0],)


def test_a_choice_is_asked_at_every_token_of_an_ending(tokenizer):
    encoder = Encoder(ENDINGS, tokenizer, ROW)
    taught, dull = encoder.encode_training(ROW), encoder.encode_options(ROW)[1]
    assert encoder.encode_options(ROW)[0] == taught
    assert [list(part.targets) for part in (taught, dull)] == [tokenizer(text).input_ids for text in endings(ROW)]
    for one in (taught, dull):  # a place predicts the token behind it
        assert [one.input_ids[place + 1] for place in one.positions] == list(one.targets)


def test_a_mask_is_asked_where_it_stands(tokenizer, folder):
    from transformers import AutoTokenizer

    masked = AutoTokenizer.from_pretrained(folder("roberta"))
    task = custom_task("{text} It was", ("terrible", "great"), masked_prompt="It was {mask} , {text}")
    encoded = Encoder(task, masked, ROW, masked=True).encode_training(ROW)
    (place,) = encoded.positions
    assert encoded.input_ids[place] == masked.mask_token_id and 0 < place < len(encoded.input_ids) - 1


def test_what_stands_before_a_prompt_moves_its_place(tokenizer):
    alone, behind = (Encoder(REVIEWS, tokenizer, ROW, before=before).encode_training(ROW) for before in ("", "no wit "))
    assert behind.positions[0] > alone.positions[0] and behind.targets == alone.targets


def test_a_text_that_is_too_long_is_told_or_cut(tokenizer):
    with pytest.raises(ValueError, match=r"a text must have at most 3 tokens, got \d+ in 'a fine film It was'…: "):
        Encoder(REVIEWS, tokenizer, ROW, limit=3).encode_training(ROW)
    cut = Encoder(REVIEWS, tokenizer, ROW, limit=3, cut=True).encode_training(ROW)
    whole = Encoder(REVIEWS, tokenizer, ROW).encode_training(ROW)
    assert cut.input_ids == whole.input_ids[-3:] and cut.positions == (2,) and cut.targets == whole.targets


@pytest.mark.parametrize("masked_prompt", ["{mask} was {text}", "{text} It was {mask}", "plot {mask} was {text}"])
def test_what_is_cut_is_neither_the_mask_nor_the_marks_that_come_first(masked_prompt, folder):
    from tokenizers.processors import TemplateProcessing
    from transformers import AutoTokenizer

    marked = AutoTokenizer.from_pretrained(folder("roberta"))
    marked.add_special_tokens({"bos_token": "no"})  # a token of its own in front of every text
    marked.backend_tokenizer.post_processor = TemplateProcessing(
        single="no $A", special_tokens=[("no", marked.bos_token_id)]
    )
    task = custom_task("{text} It was", ("terrible", "great"), masked_prompt=masked_prompt)
    row = {"text": "a dull plot a dull plot a fine film", "label": 1}
    whole = Encoder(task, marked, row, masked=True).encode_training(row)
    cut = Encoder(task, marked, row, masked=True, limit=len(whole.input_ids) - 3, cut=True).encode_training(row)
    assert len(cut.input_ids) == len(whole.input_ids) - 3 and cut.input_ids[0] == marked.bos_token_id
    assert cut.input_ids[cut.positions[0]] == marked.mask_token_id
    assert cut.input_ids[-1] == whole.input_ids[-1]


def test_a_prompt_is_cut_to_leave_room_for_the_answer_that_is_written(tokenizer):
    lines = Task("lines", "generation", "{text} It was", correct=lambda row: ("great",), metric="f1")
    row = {"text": "a fine film " * 10}
    asked = Encoder(lines, tokenizer, row, limit=20, cut=True).encode_prompt(row, 0)
    assert len(asked.input_ids) == 10  # of few positions a half is for the answer


def test_an_empty_prompt_is_told(tokenizer):
    task = custom_task("{text}", ("terrible", "great"))
    with pytest.raises(ValueError, match=r"a prompt must have at least one token, got none from .*: drop the row"):
        Encoder(task, tokenizer, ROW).encode_prompt({"text": " ", "label": 0}, 0)


def test_a_label_word_that_the_tokenizer_does_not_know_is_refused(tokenizer):
    task = custom_task("{text} It was", ("terrible", "wonderful"))
    told = deepcopy(tokenizer)
    told.unk_token = "Ġ"  # what its model makes of a word that it does not have
    with pytest.raises(ValueError, match="`answers` must be words that the tokenizer knows, and ' wonderful' is none"):
        Encoder(task, told, ROW)


def test_a_label_word_of_several_tokens_makes_all_of_them_a_choice(tokenizer):
    encoder = Encoder(custom_task("{text} It was", ("terrible", "great film")), tokenizer, ROW)
    assert encoder.labels == () and encoder.kind == "choice" and encoder.compares_words
    words = [list(one.targets) for one in encoder.encode_evaluation(ROW)]
    assert words == [tokenizer(" terrible").input_ids, tokenizer(" great film").input_ids]
    assert encoder.encode_training(ROW) == encoder.encode_options(ROW)[1]


def test_words_of_one_token_are_asked_at_one_place_as_ever(tokenizer):
    encoder = Encoder(REVIEWS, tokenizer, ROW)
    assert encoder.kind == "classification" and not encoder.compares_words
    assert encoder.encode_evaluation(ROW) == [encoder.encode_prompt(ROW)]


def test_a_word_that_changes_the_token_before_it_is_no_token_of_its_own():
    tokenizers, transformers = pytest.importorskip("tokenizers"), pytest.importorskip("transformers")
    merges = [("w", "a"), ("wa", "s"), ("was", "g"), ("i", "t")]
    pieces = [*"wasgitb", "wa", "was", "wasg", "it"]
    bytes_pairs = tokenizers.Tokenizer(tokenizers.models.BPE({piece: i for i, piece in enumerate(pieces)}, merges))
    joined = transformers.PreTrainedTokenizerFast(tokenizer_object=bytes_pairs)
    task = Task("joined", "classification", "{text}was", ("g", "b"))
    encoder = Encoder(task, joined, {"text": "it"})
    assert encoder.labels == ()  # "g" becomes "wasg", and "b" stays a token by itself
    assert [list(one.targets) for one in encoder.encode_options({"text": "it"})] == [[pieces.index("wasg")], [6]]


def test_the_same_words_to_the_tokenizer_are_refused_whatever_their_length(tokenizer):
    task = custom_task("{text} It was", ("great unheard", "great unknown"))
    with pytest.raises(
        ValueError, match="`answers` must be different tokens, got ' great unheard', ' great unknown' as"
    ):
        Encoder(task, tokenizer, ROW)


def test_a_masked_model_fills_one_mask(tokenizer):
    masked = deepcopy(tokenizer)
    masked.mask_token = "wit"
    task = custom_task("{text} It was", ("terrible", "great film"), masked_prompt="{text} It was {mask}")
    with pytest.raises(
        ValueError, match=r"must each be one token for a masked model, got ' great film', which makes \["
    ):
        Encoder(task, masked, ROW, masked=True)


def test_a_prompt_that_leaves_no_room_for_its_column_is_refused(tokenizer):
    task = custom_task("{text}" + " It was" * 10, ("terrible", "great"))
    with pytest.raises(ValueError, match=r"leave room for its columns in the 12 tokens .* nothing is left of 'a fine"):
        Encoder(task, tokenizer, ROW, limit=12, cut=True).encode_prompt(ROW)
    before = "a fine film " * 3
    with pytest.raises(ValueError, match="leave room for its columns"):
        Encoder(task, tokenizer, ROW, limit=20, cut=True, before=before).encode_prompt(ROW)
    assert Encoder(task, tokenizer, ROW, limit=21, cut=True, before=before).encode_prompt(ROW)


def test_an_answer_that_is_longer_than_the_model_reads_is_refused(tokenizer):
    lines = Task("lines", "generation", "{text} It was", correct=lambda row: ("great film " * 9,), metric="f1")
    with pytest.raises(
        ValueError, match=r"an answer must have fewer than the 12 tokens that the model reads, got 19 in"
    ):
        Encoder(lines, tokenizer, ROW, limit=12, cut=True).encode_training(ROW)


def test_a_masked_model_needs_a_prompt_with_a_mask(tokenizer):
    task = custom_task("{text} It was", ("terrible", "great"))
    with pytest.raises(ValueError, match=r"`task` must have a prompt with \{mask\} for a masked model, got custom"):
        Encoder(task, tokenizer, ROW, masked=True)
