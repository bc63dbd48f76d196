"""The loss of a batch is the cross-entropy of its right answers; a score is an objective too."""

import sys
from decimal import Decimal
from fractions import Fraction

import numpy
import pytest
import torch
from torch.nn.functional import cross_entropy

from mezo_lab.finetune.encoding.encoder import Encoder
from mezo_lab.finetune.encoding.examples import collate, encode_examples
from mezo_lab.finetune.evaluation.evaluate import evaluate, predictions
from mezo_lab.finetune.tasks import Task, custom_task, task_named
from mezo_lab.finetune.training.objectives import check_objective, objective_named

TEXTS = ("a fine film", "no wit no plot a dull film", "great", "dull film", "a great film a fine plot no wit a film")
ROWS = [{"text": text, "label": label} for text, label in zip(TEXTS, (1, 0, 1, 0, 1), strict=True)]
REVIEWS = task_named("rotten-tomatoes")
LINES = Task("lines", "generation", "{text} It was", correct=lambda row: ("great film",), metric="f1")


def batch_of(encoder, rows=ROWS):
    return collate(encode_examples(encoder, rows), pad=0, together=2)


def test_the_loss_of_a_classification_is_that_over_the_label_words(any_model, tokenizer):
    encoder = Encoder(REVIEWS, tokenizer, ROWS[0])
    found = objective_named("loss", encoder)(any_model, batch_of(encoder))
    logits = [any_model(torch.tensor([tokenizer(row["text"] + " It was").input_ids])).logits[0, -1] for row in ROWS]
    words = torch.stack(logits)[:, list(encoder.labels)]  # (rows, labels)
    expected = cross_entropy(words, torch.tensor([row["label"] for row in ROWS]))
    assert found.item() == pytest.approx(expected.item(), rel=1e-5)


def test_the_loss_of_a_text_is_that_of_all_its_tokens(any_model, tokenizer):
    encoder, logits, targets = Encoder(LINES, tokenizer, ROWS[0]), [], []
    for row in ROWS:
        prompt = tokenizer(row["text"] + " It was").input_ids
        tokens = tokenizer(row["text"] + " It was great film\n").input_ids
        logits.append(any_model(torch.tensor([tokens])).logits[0, len(prompt) - 1 : -1])
        targets += tokens[len(prompt) :]
    expected = cross_entropy(torch.cat(logits), torch.tensor(targets))
    found = objective_named("loss", encoder)(any_model, batch_of(encoder))
    assert found.item() == pytest.approx(expected.item(), rel=1e-5)


def test_an_accuracy_is_an_objective_to_be_made_smaller(model, tokenizer):
    encoder = Encoder(REVIEWS, tokenizer, ROWS[0])
    error = objective_named("accuracy", encoder)(model, batch_of(encoder))
    assert error.item() == pytest.approx(1 - evaluate(model, encoder, ROWS).value)


def test_any_function_of_answers_and_rows_is_made_larger(model, tokenizer):
    encoder = Encoder(REVIEWS, tokenizer, ROWS[0])
    answers = predictions(model, encoder, ROWS)
    found = objective_named(lambda said, rows: sum(said) + len(rows), encoder)(model, batch_of(encoder))
    assert found.item() == -(sum(answers) + 5)


@pytest.mark.parametrize("name", ["los", "os:nothing", "no_such_module:f", "os"])
def test_an_objective_that_is_not_there_is_refused(name, tokenizer):
    with pytest.raises(ValueError, match="`objective` must be loss, accuracy, f1, exact-match or module:function, got"):
        objective_named(name, Encoder(REVIEWS, tokenizer, ROWS[0]))


def test_a_score_of_other_answers_is_refused(tokenizer):
    with pytest.raises(ValueError, match="`objective` must be loss, f1, exact-match or module:function for lines"):
        objective_named("accuracy", Encoder(LINES, tokenizer, ROWS[0]))


def test_the_f1_of_a_classification_is_that_of_its_whole_batch(model, tokenizer):
    metrics = pytest.importorskip("sklearn.metrics")
    encoder = Encoder(REVIEWS, tokenizer, ROWS[0])
    found = objective_named("f1", encoder)(model, batch_of(encoder))
    answers, right = predictions(model, encoder, ROWS), [row["label"] for row in ROWS]
    assert found.item() == pytest.approx(1 - metrics.f1_score(right, answers, average="macro"))


def test_a_function_of_ones_own_lies_in_the_current_folder(model, tokenizer, tmp_path, monkeypatch):
    (tmp_path / "own_objective.py").write_text("def brevity(answers, rows):\n    return -len(rows)\n")
    (tmp_path / "broken_objective.py").write_text("def brevity(answers, rows)\n")
    monkeypatch.chdir(tmp_path)
    encoder = Encoder(REVIEWS, tokenizer, ROWS[0])
    assert objective_named("own_objective:brevity", encoder)(model, batch_of(encoder)).item() == 5
    with pytest.raises(ValueError, match=r"`objective` must be .*, got 'broken_objective:brevity' \(SyntaxError: "):
        objective_named("broken_objective:brevity", encoder)


def encoder_of(tokenizer):
    return Encoder(REVIEWS, tokenizer, ROWS[0])


OWN = """import math
number = 3
class Counter:
    def __call__(self, answers, rows):
        return len(rows)
counter = Counter()
def one(answers): return 1.0
def three(answers, rows, weight): return 1.0
def keyword(answers, *, rows): return 1.0
def nothing(): return 1.0
def weighted(answers, rows, weight=2.0): return weight
def any_number(*arguments): return 1.0
def deep(answers, rows): return inner(rows)
def inner(rows): return 1 / 0
"""


@pytest.fixture
def own(tmp_path, monkeypatch):
    (tmp_path / "own_functions.py").write_text(OWN)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delitem(sys.modules, "own_functions", raising=False)


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("math:inf", r"TypeError: inf is a float, which cannot be called"),
        ("own_functions:number", r"TypeError: number is a int, which cannot be called"),
        ("own_functions:math", r"TypeError: math is a module, which cannot be called"),
        ("own_functions:one", r"it takes \(answers\), and is called with \(answers, rows\)"),
        ("own_functions:three", r"it takes \(answers, rows, weight\), and is called with .*; missing"),
        ("own_functions:keyword", r"it takes \(answers, \*, rows\), and is called with"),
        ("own_functions:nothing", r"it takes \(\), and is called with"),
        ("own_functions:missing", r"AttributeError: module 'own_functions' has no attribute 'missing'"),
        ("own_functions:", "ValueError: it names no function"),
        (":f", "ValueError: Empty module name"),
        ("os.path:no.such", "AttributeError"),
        ("..:f", "TypeError"),
    ],
)
def test_what_cannot_be_an_objective_is_told_before_a_model_is_loaded(name, told, own):
    with pytest.raises(ValueError, match=told) as raised:
        check_objective(name, REVIEWS)
    assert "\n" not in str(raised.value) and raised.value.__cause__ is not None


@pytest.mark.parametrize("name", ["counter", "weighted", "any_number"])
def test_whatever_takes_answers_and_rows_is_an_objective(name, own, model, tokenizer):
    encoder = encoder_of(tokenizer)
    check_objective(f"own_functions:{name}", REVIEWS)
    assert objective_named(f"own_functions:{name}", encoder)(model, batch_of(encoder)).item() < 0


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("def f(answers, rows)\n", "SyntaxError"),
        ("import no_such_module\n", r"ModuleNotFoundError: No module named 'no_such_module' at broken_own\.py:1"),
        ("x = 1\n\ny = x / 0\n", r"ZeroDivisionError: division by zero at broken_own\.py:3"),
        ("raise SystemExit(3)\n", r"SystemExit: 3 at broken_own\.py:1"),
        ("def f(a, b):\n    pass\nopen('no such file')\n", r"FileNotFoundError: .* at broken_own\.py:3"),
    ],
)
def test_a_module_that_fails_on_import_keeps_its_error_and_its_place(text, told, tmp_path, monkeypatch):
    (tmp_path / "broken_own.py").write_text(text)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delitem(sys.modules, "broken_own", raising=False)
    with pytest.raises(ValueError, match=told) as raised:
        check_objective("broken_own:f", REVIEWS)
    assert raised.value.__cause__ is not None  # which --debug shows


def test_a_function_that_fails_tells_where(own, model, tokenizer):
    encoder = encoder_of(tokenizer)
    with pytest.raises(ValueError, match=r"failed \(ZeroDivisionError: .* at own_functions\.py:14\)"):
        objective_named("own_functions:deep", encoder)(model, batch_of(encoder))


@pytest.mark.parametrize(
    "value", [2, True, torch.tensor(2.0), torch.tensor([2]), numpy.float32(2), numpy.array(2), Fraction(2), Decimal(2)]
)
def test_every_real_number_is_one(value, model, tokenizer):
    encoder = encoder_of(tokenizer)
    found = objective_named(lambda said, rows: value, encoder)(model, batch_of(encoder))
    assert found.item() == -float(value)


@pytest.mark.parametrize(
    "value",
    ["2", b"2", None, [2], {}, 2j, numpy.complex64(2), torch.tensor(2j), torch.ones(2), torch.ones(0), numpy.ones(3)],
    ids=repr,
)
def test_what_is_no_real_number_is_told_in_one_line(value, model, tokenizer):
    encoder = encoder_of(tokenizer)
    with pytest.raises(
        ValueError, match=r"`objective` <lambda> must take \(answers, rows\) and return a number"
    ) as told:
        objective_named(lambda said, rows: value, encoder)(model, batch_of(encoder))
    assert "\n" not in str(told.value)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), torch.tensor(float("nan"))])
def test_a_number_that_is_not_finite_is_a_loss_that_moves_nothing(value, model, tokenizer):
    encoder = encoder_of(tokenizer)
    assert not objective_named(lambda said, rows: value, encoder)(model, batch_of(encoder)).isfinite()


@pytest.mark.parametrize("answer", [lambda said, rows: 1 / 0, lambda said, rows: "many", lambda said: 1.0])
def test_a_function_that_fails_is_told_in_one_line(answer, model, tokenizer):
    encoder = Encoder(REVIEWS, tokenizer, ROWS[0])
    with pytest.raises(ValueError, match=r"`objective` <lambda> must take \(answers, rows\) and return a number, and"):
        objective_named(answer, encoder)(model, batch_of(encoder))


WORDS = custom_task("{text} It was", ("no wit", "great", "a fine plot"))


def log_likelihoods(model, tokenizer, row, words):
    """By hand, each text alone: the mean over the word's tokens of log p."""
    prompt, found = tokenizer(row["text"] + " It was").input_ids, []
    for word in words:
        tokens = prompt + tokenizer(word).input_ids
        log_p = model(torch.tensor([tokens])).logits[0].log_softmax(-1)
        found.append(
            sum(log_p[i - 1, tokens[i]] for i in range(len(prompt), len(tokens))) / (len(tokens) - len(prompt))
        )
    return torch.stack(found)


@pytest.mark.parametrize("together", [1, 2, 7, 50])
def test_the_loss_of_words_of_several_tokens_is_that_over_their_mean_log_likelihoods(any_model, tokenizer, together):
    rows = [{**row, "label": index % 3} for index, row in enumerate(ROWS)]
    encoder = Encoder(WORDS, tokenizer, rows[0])
    batch = collate(encode_examples(encoder, rows), pad=0, together=together)
    found = objective_named("loss", encoder)(any_model, batch)
    scores = torch.stack([log_likelihoods(any_model, tokenizer, row, WORDS.answers) for row in rows])
    expected = cross_entropy(scores, torch.tensor([row["label"] for row in rows]))
    assert found.item() == pytest.approx(expected.item(), rel=1e-5)
    shifted = cross_entropy(scores, torch.tensor([(row["label"] + 1) % 3 for row in rows]))
    assert abs(found.item() - shifted.item()) > 0.01
    assert predictions(any_model, encoder, rows) == scores.argmax(1).tolist()


def test_for_words_of_one_token_either_loss_is_the_same(model, tokenizer, monkeypatch):
    encoder = Encoder(REVIEWS, tokenizer, ROWS[0])
    single = objective_named("loss", encoder)(model, batch_of(encoder))
    answers = predictions(model, encoder, ROWS)
    monkeypatch.setattr(encoder, "labels", ())
    assert objective_named("loss", encoder)(model, batch_of(encoder)).item() == pytest.approx(single.item(), rel=1e-5)
    assert predictions(model, encoder, ROWS) == answers


def test_that_loss_has_the_gradient_of_its_formula(model, tokenizer):
    encoder, parameters = Encoder(WORDS, tokenizer, ROWS[0]), list(model.parameters())
    rows = [{**row, "label": index % 3} for index, row in enumerate(ROWS)]
    ours = torch.autograd.grad(objective_named("loss", encoder)(model, batch_of(encoder, rows)), parameters)
    scores = torch.stack([log_likelihoods(model, tokenizer, row, WORDS.answers) for row in rows])
    full = torch.autograd.grad(cross_entropy(scores, torch.tensor([row["label"] for row in rows])), parameters)
    torch.testing.assert_close(ours, full, rtol=1e-4, atol=1e-5)
