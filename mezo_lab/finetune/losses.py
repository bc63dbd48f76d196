"""What a step makes smaller: the cross-entropy of the right answers, or one minus a score that has no gradient."""

import importlib
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from mezo_lab.finetune.answers import (
    NOT_ASKED,
    Encoded,
    at_once,
    in_groups,
    logits_of,
    output_layer,
    pad_token,
    padded,
)
from mezo_lab.finetune.evaluate import judged, predictions
from mezo_lab.finetune.examples import Encoder
from mezo_lab.finetune.scores import macro_f1
from mezo_lab.finetune.tables import Row, line
from mezo_lab.finetune.tasks import Task, task_named

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

Batch = Mapping[str, Any]  # "groups": tensors of sequences of like length; "rows": what they were made of
Objective = Callable[["PreTrainedModel", Batch], Tensor]
SCORES = {"classification": ("accuracy", "f1"), "choice": ("accuracy",), "generation": ("f1", "exact-match")}


@dataclass(frozen=True)
class Lesson:
    """A row, and the prompt with its right answer."""

    row: Row
    encoded: Encoded


def lessons(encoder: Encoder, rows: Sequence[Row]) -> list[Lesson]:
    """What a data loader draws from; a text that is too long is told now."""
    return [Lesson(row, encoder.taught(row)) for row in rows]


def collated(batch: Sequence[Lesson], *, pad: int, together: int) -> Batch:
    """A batch for an `Objective`: the collate function of a data loader."""
    groups, _ = in_groups([lesson.encoded for lesson in batch], together)
    return {"groups": [padded(group, pad) for group in groups], "rows": [lesson.row for lesson in batch]}


def objective_named(name: str | Callable[[list, list], float], encoder: Encoder) -> Objective:
    """What a step makes smaller, by name.

    Source: paper, Section 3.3 and Appendix E (objectives without gradients).

    Args: name: "loss"; a score, which is then made larger; "module:function", or the function itself, which is given
        the model's answers and their rows and returns a number to be made larger.
    Raises: ValueError for an unknown name, a score that the answers do not have, or a function that is not there.
    """
    if name == "loss":
        return answer_loss(encoder.labels)
    if callable(name):
        return lambda model, batch: torch.tensor(
            -asked(name, predictions(model, encoder, batch["rows"]), batch["rows"])
        )
    check_objective(name, encoder.task)
    if name in SCORES[encoder.task.kind]:
        return lambda model, batch: torch.tensor(1 - batch_score(model, encoder, batch["rows"], name))
    return objective_named(function_named(name), encoder)


def check_objective(name: str, task: Task) -> None:
    """Raises: ValueError for a score that the answers of a task do not have."""
    known = SCORES[task.kind]
    if name not in known and any(name in scores for scores in SCORES.values()):
        raise ValueError(
            f"`objective` must be loss, {', '.join(known)} or module:function for {task.name}, a {task.kind}; got "
            f"{name!r}: take one of these."
        )


def asked(function: Callable[[list, list], float], answers: list, rows: list) -> float:
    """What a user's function says. Raises: ValueError where it fails, or says no number."""
    try:
        return float(function(answers, rows))
    except Exception as error:
        called = getattr(function, "__name__", repr(function))
        raise ValueError(
            f"`objective` {called} must take (answers, rows) and return a number, and failed "
            f"({type(error).__name__}: {line(error)}): try it on a few rows first."
        ) from error


def answer_loss(labels: Sequence[int] = ()) -> Objective:
    """The mean cross-entropy of the right tokens: against the other label words, or against the whole vocabulary.

    Formula: −mean log softmax(logits[labels])[right], over all places where the model is asked.
    Cost: a forward pass of the batch; the output layer reads the places only.
    """

    def loss(model: "PreTrainedModel", batch: Batch) -> Tensor:
        logits = torch.cat([logits_of(model, group) for group in batch["groups"]])  # (places, vocabulary)
        asked = torch.cat([group["targets"][group["targets"] != NOT_ASKED] for group in batch["groups"]])
        targets = asked.to(logits.device)  # (places,)
        if labels:
            words = torch.tensor(labels, device=logits.device)
            logits, targets = logits[:, words], (targets[:, None] == words).long().argmax(1)
        return cross_entropy(logits, targets)

    return loss


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
    """`task_loss` of rows that an encoder reads: the loss of a run, of one batch that is always the same."""
    batch = collated(lessons(encoder, rows), pad=pad_token(model), together=at_once(model, len(rows)))
    loss = answer_loss(encoder.labels)
    return lambda: loss(model, batch)


def batch_score(model: "PreTrainedModel", encoder: Encoder, rows: Sequence[Row], metric: str) -> float:
    """A score of a batch: a mean over its rows, but for the F1 of a classification, which no parts of it add up to."""
    answers, task = predictions(model, encoder, rows), encoder.task
    if task.kind == "classification" and metric == "f1":
        return macro_f1(answers, [task.gold(row) for row in rows])
    each = judged(task, answers, rows, metric)
    return sum(each) / len(each)


def function_named(name: str) -> Callable[[list, list], float]:
    """The function of "module:function"."""
    module, _, function = name.partition(":")
    try:
        if not function:
            raise ValueError("it names no function")
        with here():
            return getattr(importlib.import_module(module), function)
    except Exception as error:  # a module of the user's may fail in any way
        known = "loss, accuracy, f1, exact-match or module:function"
        raise ValueError(
            f"`objective` must be {known}, got {name!r} ({type(error).__name__}: {line(error)}): check the name."
        ) from None


@contextmanager
def here() -> Iterator[None]:
    """While this lasts modules of the current folder are found too, as by `python -m`."""
    before = list(sys.path)
    sys.path.insert(0, os.getcwd())
    try:
        yield
    finally:
        sys.path[:] = before
