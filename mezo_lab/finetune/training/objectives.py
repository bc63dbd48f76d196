"""What a step makes smaller: the cross-entropy of the right answers, or one minus a score that has no gradient."""

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from mezo_lab.finetune.data.rows import Row
from mezo_lab.finetune.encoding.encoder import Encoder
from mezo_lab.finetune.encoding.examples import Batch, Example, collate, encode_examples
from mezo_lab.finetune.encoding.logits import (
    IGNORE_INDEX,
    Encoded,
    batch_logits,
    bucket_size,
    output_layer,
    pad_token,
)
from mezo_lab.finetune.evaluation.evaluate import ANSWERS, answer_questions, score_answers
from mezo_lab.finetune.evaluation.questions import Questions
from mezo_lab.finetune.evaluation.scores import macro_f1
from mezo_lab.finetune.tasks import Task, task_named
from mezo_lab.finetune.training.user_function import UserFunction, call_function, function_named

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

Objective = Callable[["PreTrainedModel", Batch], Tensor]

_SCORES = {"classification": ("accuracy", "f1"), "choice": ("accuracy",), "generation": ("f1", "exact-match")}


def objective_named(name: str | UserFunction, encoder: Encoder) -> Objective:
    """The objective of that name: a function of (model, batch) that a step makes smaller.

    Source: paper, Section 3.3 and Appendix E (objectives without gradients).

    Args:
        name: "loss"; a score, which is then made larger; "module:function", or the function itself, which gets the
            model's answers and their rows and returns a number to be made larger. An answer is None where the model's
            scores are not finite; a batch of nothing else has the loss NaN.
        encoder: of the task and the model.

    Raises: ValueError for an unknown name, a score that the answers do not have, or a function that does not exist.
    """
    if name == "loss":
        return answer_loss(encoder)
    if callable(name):
        return _AnswerObjective(encoder, lambda answers, rows: -call_function(name, answers, rows))
    check_objective(name, encoder.task)
    if name in _SCORES[encoder.task.kind]:
        return _AnswerObjective(encoder, lambda answers, rows: 1 - _batch_score(encoder.task, answers, rows, name))
    return objective_named(function_named(name), encoder)


class _AnswerObjective:
    """An objective of the model's answers, which counts the answers without a finite score."""

    def __init__(self, encoder: Encoder, loss: Callable[[list, list], float]):
        self._encoder = encoder
        self._loss = loss
        self._encoded: dict[int, tuple[Example, tuple[Encoded, ...]]] = {}  # id of an example → it, its question
        self.answers = 0
        self.unanswered = 0

    def __call__(self, model: "PreTrainedModel", batch: Batch) -> Tensor:
        rows = [dict(example.row) for example in batch["examples"]]  # a copy, as a user's function may write to them
        answers = answer_questions(model, self._encoder, self._questions(batch["examples"]))
        unanswered = answers.count(None)
        self.answers += len(answers)
        self.unanswered += unanswered
        if unanswered == len(answers):  # nothing was measured: such a step moves nothing
            return torch.tensor(math.nan)
        return torch.tensor(self._loss(answers, rows))

    def _questions(self, examples: Sequence[Example]) -> Questions:
        """Those of a batch, each of which is encoded when it first comes."""
        for example in examples:
            if id(example) not in self._encoded:
                self._encoded[id(example)] = example, tuple(self._encoder.encode_evaluation(example.row, ANSWERS))
        encoded = tuple(self._encoded[id(example)][1] for example in examples)
        return Questions(tuple(example.row for example in examples), ANSWERS, encoded)


def check_objective(name: str, task: Task) -> None:
    """Raises: ValueError for a score that the answers of a task do not have, or a function that cannot be called."""
    own = _SCORES[task.kind]
    if name == "loss" or name in own:
        return
    if any(name in scores for scores in _SCORES.values()):
        raise ValueError(
            f"`objective` must be loss, {', '.join(own)} or module:function for {task.name}, a {task.kind}; got "
            f"{name!r}: give one of these."
        )
    function_named(name)


def answer_loss(encoder: Encoder) -> Objective:
    """The mean cross-entropy of the right tokens, or of the right label word.

    Formula: −mean log softmax(s)[right], over all positions of the answers. s: the logits of the label words, where
    each is one token; without label words, those of the whole vocabulary. Where a label word is several tokens: one
    number for each word, the mean over its tokens of log softmax(logits)[token], which for words of one token is the
    same loss.
    Cost: a forward pass of the batch, and where a label word is several tokens of each row with each word; the output
    layer reads the positions of the answers only.
    """
    if encoder.compares_words:
        return _word_loss

    def loss(model: "PreTrainedModel", batch: Batch) -> Tensor:
        logits, targets = _answer_logits(model, batch)
        if encoder.labels:
            words = torch.tensor(encoder.labels, device=logits.device)
            logits = logits[:, words]  # (rows, labels)
            targets = (targets[:, None] == words).long().argmax(1)  # from token ids to labels
        return cross_entropy(logits, targets)

    return loss


def _word_loss(model: "PreTrainedModel", batch: Batch) -> Tensor:
    """`answer_loss` of label words of several tokens: each row stands in the batch with every word behind it."""
    logits, targets = _answer_logits(model, batch)
    likelihoods = logits.log_softmax(-1).gather(1, targets[:, None])[batch["order"], 0]  # (positions,), by sequence
    lengths = [len(sequence.positions) for example in batch["examples"] for sequence in example.encoded]
    means = torch.stack([own.mean() for own in likelihoods.split(lengths)])  # (rows · words,)
    gold = torch.tensor([example.gold for example in batch["examples"]], device=means.device)
    return cross_entropy(means.view(len(gold), -1), gold)


def _answer_logits(model: "PreTrainedModel", batch: Batch) -> tuple[Tensor, Tensor]:
    """(positions, vocabulary) and the right tokens there, group by group."""
    logits = torch.cat([batch_logits(model, group) for group in batch["groups"]])
    targets = torch.cat([group["targets"][group["targets"] != IGNORE_INDEX] for group in batch["groups"]])
    return logits, targets.to(logits.device)


def task_loss(
    model: "PreTrainedModel",
    tokenizer: "PreTrainedTokenizerBase",
    rows: Sequence[Row],
    task: str = "rotten-tomatoes",
    *,
    masked: bool = False,
) -> Callable[[], Tensor]:
    """A closure: the loss of one batch, always the same, for `MeZO.step`, `gradient` or `predict`.

    Source: paper, Appendix E: cross-entropy over the label words of a classification, over all tokens of other answers.
    Formula: `answer_loss`.
    Cost: a forward pass of the body at each call; of the output layer only at the positions of the answers.

    Args:
        model: in eval mode; causal or, with `masked`, one that fills in a mask.
        tokenizer: the model's own.
        rows: the batch, tokenized once.
        task: the name of a task, whose columns the rows have.

    Returns: () → the loss at the model's present parameters, a float32 scalar, differentiable when grad is enabled.
    Raises: ValueError.

    >>> from mezo_lab.finetune import reviews, smollm2
    >>> loss = task_loss(*smollm2(), reviews(seed=0)[:16])  # doctest: +SKIP
    >>> round(float(loss().detach()), 4)  # doctest: +SKIP
    1.2842
    """
    output_layer(model)
    if model.training:
        raise ValueError("`model` must be in eval mode, as dropout gives another loss at each call: call model.eval().")
    if not rows:
        raise ValueError("`rows` must hold at least one row, got none: an empty batch has no loss.")
    encoder = Encoder(task_named(task), tokenizer, rows[0], masked=masked)
    return batch_loss(model, encoder, encode_examples(encoder, rows))


def batch_loss(model: "PreTrainedModel", encoder: Encoder, examples: Sequence[Example]) -> Callable[[], Tensor]:
    """`task_loss` of examples that are encoded already: the loss of a run on one batch."""
    batch = collate(examples, pad=pad_token(model), together=bucket_size(model, len(examples)))
    loss = answer_loss(encoder)
    return lambda: loss(model, batch)


def _batch_score(task: Task, answers: Sequence[Any], rows: Sequence[Row], metric: str) -> float:
    """A score of a batch: a mean over its rows, but for the F1 of a classification, which no parts of it add up to."""
    if task.kind == "classification" and metric == "f1":
        return macro_f1(answers, [task.gold(row) for row in rows])
    scores = score_answers(task, answers, rows, metric)
    return sum(scores) / len(scores)
