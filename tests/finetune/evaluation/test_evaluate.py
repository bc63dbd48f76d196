"""What a model answers is what its full logits say, and the score counts it."""

from dataclasses import replace

import pytest
import torch

from mezo_lab.finetune.encoding.encoder import Encoder
from mezo_lab.finetune.evaluation.evaluate import evaluate, predictions, score_answers
from mezo_lab.finetune.tasks import Task, task_named

TEXTS = ("a fine film", "no wit no plot a dull film", "great", "dull film", "a great film a fine plot no wit a film")
ROWS = [{"text": text, "label": label} for text, label in zip(TEXTS, (1, 0, 1, 0, 1), strict=True)]
REVIEWS = task_named("rotten-tomatoes")
SWAPPED = replace(REVIEWS, answers=REVIEWS.answers[::-1])


def endings(row) -> tuple[str, ...]:
    return (" great film", " dull", " no no no no no")


ENDINGS = Task("endings", "choice", "{text} It was", options=endings, correct=lambda row: endings(row)[:1])
LINES = Task("lines", "generation", "{text} It was", correct=lambda row: ("great",), metric="exact-match")


def test_a_class_is_the_likeliest_label_word(any_model, tokenizer):
    encoder = Encoder(REVIEWS, tokenizer, ROWS[0])
    expected = []
    for row in ROWS:
        with torch.no_grad():
            logits = any_model(torch.tensor([tokenizer(row["text"] + " It was").input_ids])).logits[0, -1]
        expected.append(int(logits[list(encoder.labels)].argmax()))
    assert predictions(any_model, encoder, ROWS) == expected
    assert predictions(any_model, Encoder(SWAPPED, tokenizer, ROWS[0]), ROWS) == [1 - label for label in expected]


def test_a_choice_is_the_ending_of_largest_mean_log_likelihood(any_model, tokenizer):
    encoder, expected = Encoder(ENDINGS, tokenizer, ROWS[0]), []
    for row in ROWS:
        prompt = tokenizer(row["text"] + " It was").input_ids
        sums, lengths = [], []
        for ending in endings(row):
            tokens = prompt + tokenizer(ending).input_ids
            with torch.no_grad():
                log_p = any_model(torch.tensor([tokens])).logits[0].log_softmax(-1)
            sums.append(sum(float(log_p[i - 1, tokens[i]]) for i in range(len(prompt), len(tokens))))
            lengths.append(len(tokens) - len(prompt))
        means = [total / length for total, length in zip(sums, lengths, strict=True)]
        expected.append(means.index(max(means)))
    assert predictions(any_model, encoder, ROWS) == expected


def test_a_long_ending_of_likely_tokens_beats_a_short_one_that_is_likelier_as_a_whole(model, tokenizer, monkeypatch):
    # log p = −1.2 at each of the two tokens of the first ending, −1.5 at the second, −3 at each of the last
    targets = [token for ending in endings(ROWS[0]) for token in tokenizer(ending).input_ids]
    log_p = torch.full((8, len(tokenizer)), -20.0)
    log_p[torch.arange(8), torch.tensor(targets)] = torch.tensor([-1.2] * 2 + [-1.5] + [-3.0] * 5)
    rest = (1 - log_p.exp().sum(1)).log() - torch.tensor(len(tokenizer) - 1.0).log()
    logits = torch.where(log_p > -20, log_p, rest[:, None])
    read = "mezo_lab.finetune.evaluation.evaluate.batched_logits"
    monkeypatch.setattr(read, lambda model, encoded: [(list(range(len(encoded))), logits)])
    assert predictions(model, Encoder(ENDINGS, tokenizer, ROWS[0]), ROWS[:1]) == [0]


@pytest.mark.parametrize("limit", [None, 12])
def test_a_text_is_what_greedy_decoding_writes_as_far_as_the_positions_reach(any_model, tokenizer, limit):
    encoder, expected = Encoder(LINES, tokenizer, ROWS[0], limit=limit), []
    stop = tokenizer("\n", add_special_tokens=False).input_ids[-1]
    for row in ROWS[:2]:
        tokens = tokenizer(row["text"] + " It was").input_ids
        written = []
        while len(written) < 50 and (limit is None or len(tokens) + len(written) < limit) and stop not in written:
            with torch.no_grad():
                written.append(int(any_model(torch.tensor([tokens + written])).logits[0, -1].argmax()))
        expected.append(tokenizer.decode(written, skip_special_tokens=True).strip().split("\n")[0])
    assert predictions(any_model, encoder, ROWS[:2]) == expected and any(expected)


def test_a_prompt_that_fills_all_positions_is_answered_with_nothing(model, tokenizer):
    length = len(tokenizer(ROWS[0]["text"] + " It was").input_ids)
    assert predictions(model, Encoder(LINES, tokenizer, ROWS[0], limit=length), ROWS[:1]) == [""]


def test_a_text_counts_by_its_words():
    assert score_answers(LINES, ["Great!", "a dull film"], ROWS[:2], "exact-match") == [1.0, 0.0]
    assert score_answers(LINES, ["great film", "dull"], ROWS[:2], "f1") == [pytest.approx(2 / 3), 0.0]


def test_the_score_is_the_share_of_right_answers(model, tokenizer):
    encoder = Encoder(REVIEWS, tokenizer, ROWS[0])
    found, seen = evaluate(model, encoder, ROWS), []
    hits = [answer == row["label"] for answer, row in zip(predictions(model, encoder, ROWS), ROWS, strict=True)]
    assert found.each == tuple(map(float, hits))
    predictions(model, encoder, ROWS * 4, progress=lambda done, total: seen.append((done, total)))
    tokens = 4 * sum(len(encoder.encode_prompt(row).input_ids) for row in ROWS)
    assert seen[-1] == (tokens, tokens) and [done for done, _ in seen] == sorted({done for done, _ in seen})


def test_looking_leaves_no_gradient(model, tokenizer):
    evaluate(model, Encoder(REVIEWS, tokenizer, ROWS[0]), ROWS)
    assert all(parameter.grad is None for parameter in model.parameters())


@pytest.mark.parametrize(
    ("task", "metric", "known"), [(REVIEWS, "f1", "accuracy"), (LINES, "accuracy", "f1, exact-match or likelihood")]
)
def test_a_score_that_the_answers_do_not_have_is_refused(task, metric, known):
    with pytest.raises(ValueError, match=f"`metric` must be {known} for {task.name}"):
        score_answers(task, [], [], metric)
