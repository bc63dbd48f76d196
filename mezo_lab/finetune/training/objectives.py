"""What a step makes smaller: the cross-entropy of the right answers, or one minus a score that has no gradient."""

import importlib
import inspect
import math
import os
import sys
import sysconfig
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, SupportsFloat

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from mezo_lab.finetune.data.rows import Row, one_line
from mezo_lab.finetune.encoding.encoder import Encoder
from mezo_lab.finetune.encoding.logits import (
    IGNORE_INDEX,
    Encoded,
    batch_logits,
    bucket_size,
    length_buckets,
    output_layer,
    pad_token,
    padded_batch,
)
from mezo_lab.finetune.evaluation.evaluate import judged, predictions
from mezo_lab.finetune.evaluation.scores import macro_f1
from mezo_lab.finetune.tasks import Task, task_named

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

# "groups": tensors of sequences of like length; "rows": what they were made of; "order": how to put the places of all
# groups back in the order of the sequences; "lengths": places of each sequence; "gold": the right sequence of each row
Batch = Mapping[str, Any]
Objective = Callable[["PreTrainedModel", Batch], Tensor]
PACKAGE = str(Path(__file__).resolve().parents[2])
LIBRARIES = tuple({sysconfig.get_paths()[name] for name in ("stdlib", "platstdlib")})
SCORES = {"classification": ("accuracy", "f1"), "choice": ("accuracy",), "generation": ("f1", "exact-match")}


@dataclass(frozen=True)
class Example:
    """A row, and what the loss asks of it: the prompt with its right answer, or with every one of its label words."""

    row: Row
    encoded: tuple[Encoded, ...]
    gold: int = 0  # which of them is right


def encode_examples(encoder: Encoder, rows: Sequence[Row]) -> list[Example]:
    """The items of a data loader. Raises: ValueError for a text that is too long."""
    if encoder.compares_words:
        return [Example(row, tuple(encoder.encode_options(row)), encoder.task.gold(row)) for row in rows]
    return [Example(row, (encoder.encode_training(row),)) for row in rows]


def collate(batch: Sequence[Example], *, pad: int, together: int) -> Batch:
    """A batch for an `Objective`: the collate function of a data loader."""
    asked = [one for lesson in batch for one in lesson.encoded]
    groups, order = length_buckets(asked, together)
    return {
        "groups": [padded_batch(group, pad) for group in groups],
        "rows": [lesson.row for lesson in batch],
        "order": order,
        "lengths": [len(one.positions) for one in asked],
        "gold": [lesson.gold for lesson in batch],
    }


def objective_named(name: str | Callable[[list, list], float], encoder: Encoder) -> Objective:
    """What a step makes smaller, by name.

    Source: paper, Section 3.3 and Appendix E (objectives without gradients).

    Args: name: "loss"; a score, which is then made larger; "module:function", or the function itself, which is given
        the model's answers and their rows and returns a number to be made larger. An answer is None where the model's
        scores are not finite; a batch of nothing else has the loss NaN.
    Raises: ValueError for an unknown name, a score that the answers do not have, or a function that is not there.
    """
    if name == "loss":
        return answer_loss(encoder)
    if callable(name):
        return _Answered(encoder, lambda answers, rows: -asked(name, answers, rows))
    check_objective(name, encoder.task)
    if name in SCORES[encoder.task.kind]:
        return _Answered(encoder, lambda answers, rows: 1 - batch_score(encoder.task, answers, rows, name))
    return objective_named(function_named(name), encoder)


class _Answered:
    """An objective of the model's answers, which counts the answers without a finite score."""

    def __init__(self, encoder: Encoder, loss: Callable[[list, list], float]):
        self.encoder = encoder
        self.loss = loss
        self.asked = 0
        self.unanswered = 0

    def __call__(self, model: "PreTrainedModel", batch: Batch) -> Tensor:
        answers = predictions(model, self.encoder, batch["rows"])
        unanswered = answers.count(None)
        self.asked += len(answers)
        self.unanswered += unanswered
        # nothing was answered, so that nothing was measured: such a step moves nothing
        value = math.nan if unanswered == len(answers) else self.loss(answers, list(batch["rows"]))
        return torch.tensor(value)


def check_objective(name: str, task: Task) -> None:
    """Raises: ValueError for a score that the answers of a task do not have, or a function that cannot be called."""
    known = SCORES[task.kind]
    if name == "loss" or name in known:
        return
    if any(name in scores for scores in SCORES.values()):
        raise ValueError(
            f"`objective` must be loss, {', '.join(known)} or module:function for {task.name}, a {task.kind}; got "
            f"{name!r}: take one of these."
        )
    function_named(name)


def asked(function: Callable[[list, list], float], answers: list, rows: list) -> float:
    """What a user's function says. Raises: ValueError where it fails, or says no number."""
    try:
        value = function(answers, rows)
        # a string of digits is none, and float() would drop an imaginary part
        if not isinstance(value, SupportsFloat) or "complex" in str(getattr(value, "dtype", "")):
            raise TypeError(f"it returned {type(value).__name__}, which is no real number")
        return float(value)
    except (Exception, SystemExit) as error:
        called = getattr(function, "__name__", repr(function))
        none = "; None stands for an answer without finite scores" if None in answers else ""
        raise ValueError(
            f"`objective` {called} must take (answers, rows) and return a number, and failed "
            f"({_failure(error)}{none}): try it on a few rows first."
        ) from error


def _failure(error: BaseException) -> str:
    """An error in one line, with the place in the user's own file where it came about."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if not _foreign(frame.filename)]
    place = f" at {Path(own[-1].filename).name}:{own[-1].lineno}" if own else ""
    return f"{type(error).__name__}: {one_line(error)}{place}"


def _foreign(file: str) -> bool:
    # of this package, of an installed one, or frozen into the interpreter: not what the user wrote
    return file.startswith(("<", PACKAGE, *LIBRARIES)) or "site-packages" in file


def answer_loss(encoder: Encoder) -> Objective:
    """The mean cross-entropy of the right tokens, or of the right label word.

    Formula: −mean log softmax(s)[right], over all places where the model is asked. s: the logits of the label words,
    where each is one token; without label words, those of the whole vocabulary. Where a label word is several tokens:
    one number for each word, the mean over its tokens of log softmax(logits)[token], which for words of one token is
    the same loss.
    Cost: a forward pass of the batch, and where a label word is several tokens of each row with each word; the output
    layer reads the places only.
    """
    if encoder.compares_words:
        return word_loss

    def loss(model: "PreTrainedModel", batch: Batch) -> Tensor:
        logits, targets = asked_logits(model, batch)
        if encoder.labels:
            words = torch.tensor(encoder.labels, device=logits.device)
            logits, targets = logits[:, words], (targets[:, None] == words).long().argmax(1)
        return cross_entropy(logits, targets)

    return loss


def word_loss(model: "PreTrainedModel", batch: Batch) -> Tensor:
    """`answer_loss` of label words of several tokens: each row stands in the batch with every word behind it."""
    logits, targets = asked_logits(model, batch)
    likelihoods = logits.log_softmax(-1).gather(1, targets[:, None])[batch["order"], 0]  # (places,), by sequence
    means = torch.stack([own.mean() for own in likelihoods.split(batch["lengths"])])  # (rows · words,)
    gold = torch.tensor(batch["gold"], device=means.device)
    return cross_entropy(means.view(len(gold), -1), gold)


def asked_logits(model: "PreTrainedModel", batch: Batch) -> tuple[Tensor, Tensor]:
    """(places, vocabulary) and the right tokens there, group by group."""
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
    Cost: a forward pass of the body at each call; of the output layer only where the model is asked.

    Args: model: in eval mode, causal or, with `masked`, one that fills in a mask. tokenizer: its own.
        rows: the batch, tokenized once. task: the name of a task, whose columns the rows have.
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
    return batch_loss(model, Encoder(task_named(task), tokenizer, rows[0], masked=masked), rows)


def batch_loss(model: "PreTrainedModel", encoder: Encoder, rows: Sequence[Row]) -> Callable[[], Tensor]:
    """`task_loss` of rows that an encoder reads: the loss of a run on one batch."""
    batch = collate(encode_examples(encoder, rows), pad=pad_token(model), together=bucket_size(model, len(rows)))
    loss = answer_loss(encoder)
    return lambda: loss(model, batch)


def batch_score(task: Task, answers: Sequence[Any], rows: Sequence[Row], metric: str) -> float:
    """A score of a batch: a mean over its rows, but for the F1 of a classification, which no parts of it add up to."""
    if task.kind == "classification" and metric == "f1":
        return macro_f1(answers, [task.gold(row) for row in rows])
    each = judged(task, answers, rows, metric)
    return sum(each) / len(each)


def function_named(name: str) -> Callable[[list, list], float]:
    """The function of "module:function". Raises: ValueError for one that is not there or takes other arguments."""
    module, _, function = name.partition(":")
    try:
        if not function:
            raise ValueError("it names no function")
        with here():
            found = getattr(importlib.import_module(module), function)
        if not callable(found):
            raise TypeError(f"{function} is a {type(found).__name__}, which cannot be called")
        _check_signature(found)
    except (Exception, SystemExit) as error:  # a module of the user's may fail in any way
        known = "loss, accuracy, f1, exact-match or module:function"
        raise ValueError(f"`objective` must be {known}, got {name!r} ({_failure(error)}): check the name.") from error
    return found  # type: ignore[return-value]  # what it takes and gives is seen when it is called


def _check_signature(function: Callable[..., Any]) -> None:
    """Raises: TypeError for a function that two positional arguments do not fit."""
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):  # some that are built in have none
        return
    try:
        signature.bind([], [])
    except TypeError as error:
        raise TypeError(f"it takes {signature}, and is called with (answers, rows); {error}") from None


@contextmanager
def here() -> Iterator[None]:
    """While this lasts modules of the current folder are found too, as by `python -m`."""
    before = list(sys.path)
    sys.path.insert(0, os.getcwd())
    try:
        yield
    finally:
        sys.path[:] = before
