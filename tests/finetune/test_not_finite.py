"""Scores that are not finite are no answers: counted wrong and told, for every task, metric, method and objective."""

import json
import math
from dataclasses import replace

import pytest
import torch

from mezo_lab.cli import main
from mezo_lab.finetune.encoding.encoder import Encoder
from mezo_lab.finetune.encoding.examples import encode_examples
from mezo_lab.finetune.evaluation.baselines import linear_probe
from mezo_lab.finetune.evaluation.evaluate import evaluate, predictions
from mezo_lab.finetune.evaluation.scores import NotFinite, macro_f1, mean_score
from mezo_lab.finetune.models.loading import LanguageModel, load_model
from mezo_lab.finetune.run import finetune
from mezo_lab.finetune.run_folder import RESULT
from mezo_lab.finetune.tasks import Task, task_named
from mezo_lab.finetune.training import task_trainer
from mezo_lab.finetune.training.objectives import objective_named

TEXTS = ("a fine film", "no wit no plot a dull film", "great", "dull film", "a great film a fine plot no wit a film")
ROWS = [{"text": text, "label": label} for text, label in zip(TEXTS, (1, 0, 1, 0, 1), strict=True)]
REVIEWS = task_named("rotten-tomatoes")
ENDINGS = (" great film", " dull", " no no no no no")
KINDS = {
    "classification": REVIEWS,
    "choice": Task("endings", "choice", "{text} It was", options=lambda row: ENDINGS, correct=lambda row: ENDINGS[:1]),
    "generation": Task("lines", "generation", "{text} It was", correct=lambda row: ("great",), metric="exact-match"),
}


def poison(model, value=math.nan, word: int | None = None) -> None:
    """The state of one token, or of all, becomes `value`: rows that hold it have no finite score."""
    with torch.no_grad():
        weight = model.get_input_embeddings().weight
        weight[slice(None) if word is None else word, 0] = value


def encoder_of(kind, tokenizer) -> Encoder:
    return Encoder(KINDS[kind], tokenizer, ROWS[0])


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("kind", list(KINDS))
def test_a_model_whose_scores_are_not_finite_answers_nothing_and_is_right_nowhere(kind, value, any_model, tokenizer):
    encoder = encoder_of(kind, tokenizer)
    assert None not in predictions(any_model, encoder, ROWS)  # control
    poison(any_model, value)
    assert predictions(any_model, encoder, ROWS) == [None] * len(ROWS)
    found = evaluate(any_model, encoder, ROWS)
    assert (found.value, found.unanswered) == (0.0, 5)
    assert "5 examples; 5 rows had no finite score and count as wrong" in str(found)


def test_only_the_rows_without_finite_scores_are_not_answered(tokenizer, fresh):
    model, encoder = fresh("llama"), encoder_of("classification", tokenizer)
    model.set_output_embeddings(torch.nn.Linear(16, model.config.vocab_size, bias=False))  # not tied to what is read
    torch.nn.init.normal_(model.get_output_embeddings().weight)
    before = predictions(model, encoder, ROWS)
    poison(model, word=tokenizer("dull film").input_ids[0])  # "dull", where a text begins with it
    said = predictions(model, encoder, ROWS)
    assert [answer is None for answer in said] == [text.startswith("dull") for text in TEXTS]
    assert [a for a in said if a is not None] == [b for a, b in zip(said, before, strict=True) if a is not None]
    found = evaluate(model, encoder, ROWS)
    assert found.unanswered == 1 and found.each[3] == 0.0


@pytest.mark.parametrize("wrong", [math.nan, math.inf, -math.inf])
def test_one_label_word_without_a_finite_score_leaves_the_row_unanswered(wrong, model, tokenizer, monkeypatch):
    encoder = encoder_of("classification", tokenizer)
    logits = torch.zeros(1, len(tokenizer))
    logits[0, encoder.labels[1]] = wrong
    monkeypatch.setattr("mezo_lab.finetune.evaluation.evaluate.batched_logits", lambda *_: [([0], logits)])
    assert predictions(model, encoder, ROWS[:1]) == [None]
    logits[0, encoder.labels[1]] = 1.0
    other = min(set(range(len(tokenizer))) - set(encoder.labels))
    logits[0, other] = wrong  # control: another word's score is not asked for
    assert predictions(model, encoder, ROWS[:1]) == [1]


@pytest.mark.parametrize("name", ["accuracy", "f1"])
def test_a_score_as_objective_counts_such_rows_as_wrong(name, model, tokenizer, monkeypatch):
    encoder = encoder_of("classification", tokenizer)
    right = [row["label"] for row in ROWS]
    answers = [right[0], None, *right[2:]]
    monkeypatch.setattr("mezo_lab.finetune.training.objectives.answer_questions", lambda *_: list(answers))
    objective = objective_named(name, encoder)
    batch = {"examples": encode_examples(encoder, ROWS)}
    expected = {"accuracy": 1 - 4 / 5, "f1": 1 - (2 * 1 / (1 + 2) + 1) / 2}[name]
    assert objective(model, batch).item() == pytest.approx(expected)
    assert (objective.answers, objective.unanswered) == (5, 1)
    answers[:] = [None] * 5
    assert math.isnan(
        objective(model, {"examples": encode_examples(encoder, ROWS)})
    )  # nothing was measured: such a step moves nothing


def test_a_function_of_ones_own_is_given_none_and_told_of_it_where_it_fails(model, tokenizer, monkeypatch):
    encoder = encoder_of("classification", tokenizer)
    monkeypatch.setattr("mezo_lab.finetune.training.objectives.answer_questions", lambda *_: [1, None, 1, 0, 1])
    hits = lambda said, rows: sum(a == row["label"] for a, row in zip(said, rows, strict=True))  # noqa: E731
    assert objective_named(hits, encoder)(model, {"examples": encode_examples(encoder, ROWS)}).item() == -4
    with pytest.raises(ValueError, match=r"TypeError: .*; None stands for an answer without finite scores"):
        objective_named(lambda said, rows: sum(said), encoder)(model, {"examples": encode_examples(encoder, ROWS)})


def test_an_answer_that_is_none_is_no_label_of_its_own_in_a_macro_f1():
    assert macro_f1([0, None, 1], [0, 0, 1]) == pytest.approx((2 / 3 + 1) / 2)
    assert macro_f1([None, None], [0, 1]) == 0.0


def test_a_linear_probe_says_that_the_features_it_would_learn_from_are_not_finite(model, tokenizer):
    loaded = LanguageModel(model, tokenizer, False, "tiny", 512)
    poison(model)
    with pytest.raises(NotFinite, match=r"tiny gives a linear probe features that are not finite for 5 of 5 training"):
        linear_probe(loaded, encoder_of("classification", tokenizer), ROWS, ROWS)


def test_a_linear_probe_does_not_answer_test_rows_whose_features_are_not_finite(model, tokenizer):
    poison(model, word=tokenizer("dull film").input_ids[0])
    train = [row for row in ROWS if not row["text"].startswith("dull")]
    loaded = LanguageModel(model, tokenizer, False, "tiny", 512)
    found = linear_probe(loaded, encoder_of("classification", tokenizer), train, ROWS)
    assert found.unanswered == 1 and found.each[3] == 0.0


def test_a_score_in_words_tells_nothing_where_all_were_answered():
    assert "finite" not in str(mean_score("accuracy", [1.0, 0.0]))
    assert replace(mean_score("accuracy", [1.0, 0.0]), unanswered=1) == mean_score("accuracy", [1.0, 0.0], 1)


@pytest.mark.parametrize("method", ["zero-shot", "icl", "linear-probe", "mezo", "adam", "sgd"])
def test_a_run_that_answers_nothing_ends_with_status_1_and_one_line(method, plan, tmp_path, capsys):
    broken = load_model(plan.model, device="cpu").model
    poison(broken)
    broken.save_pretrained(plan.model)
    capsys.readouterr()
    out = tmp_path / "run"
    given = ["--model", plan.model, "--data", plan.data, "--prompt", plan.prompt, "--words", "terrible,great"]
    sizes = ["--shots", "8", "--test", "20", "--device", "cpu", "--method", method]
    assert main(["finetune", *given, *sizes, "--out", str(out)]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "finite" in line
    if method != "linear-probe":  # which ends before there is anything to count
        test = json.loads((out / RESULT).read_text())["test"]
        assert (test["unanswered"], test["value"], test["each"]) == (20, 0.0, "0" * 20)


def test_validation_rows_without_finite_scores_are_told_and_recorded(plan, tmp_path, monkeypatch):
    monkeypatch.setattr(
        task_trainer,
        "evaluate_questions",
        lambda *_, **__: mean_score("accuracy", [1.0] * 10 + [0.0] * 6, unanswered=6),
    )
    lines = []
    result = finetune(plan, tmp_path / "run", report=lines.append)
    told = "6 rows had no finite score and count as wrong"
    assert len([line for line in lines if "  validation " in line and told in line]) == 2
    assert [point["unanswered"] for point in result["validation"]] == [0, 6, 6]


def test_a_model_that_training_breaks_is_no_success(plan, tmp_path, monkeypatch):
    """The start was answered; of the best checkpoint nothing is."""
    scores = iter([mean_score("accuracy", [0.0] * 20, unanswered=20)])
    monkeypatch.setattr("mezo_lab.finetune.run.evaluate_questions", lambda *_, **__: next(scores))
    monkeypatch.setattr("mezo_lab.finetune.training.callbacks.StartCallback.on_train_begin", lambda *_, **__: None)
    lines = []
    with pytest.raises(NotFinite, match="none of the 20 test examples had a finite score: the model answers nothing"):
        finetune(plan, tmp_path / "run", report=lines.append)
    assert "20 rows had no finite score and count as wrong" in lines[-1]
    assert json.loads((tmp_path / "run" / RESULT).read_text())["test"]["unanswered"] == 20


@pytest.mark.parametrize("objective", ["accuracy", "f1"])
def test_answers_of_an_objective_without_finite_scores_are_told_in_the_lines_of_the_training(
    objective, plan, tmp_path, monkeypatch
):
    def some(model, encoder, rows, **_):
        return [None, *[0] * (len(rows) - 1)]

    monkeypatch.setattr("mezo_lab.finetune.training.objectives.answer_questions", some)
    lines = []
    finetune(replace(plan, objective=objective), tmp_path / "run", report=lines.append)
    told = [line for line in lines if line.startswith("step ") and "answers without a finite score" in line]
    assert "  20 of 160 answers without a finite score  " in told[-1]  # 10 steps of two batches of 8
