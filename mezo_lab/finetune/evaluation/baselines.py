"""Baselines without training of the weights: solved examples before the question, or a linear probe."""

import random
from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from mezo_lab.environment.installation import ModelNotInstalled, require
from mezo_lab.finetune.data.rows import Row
from mezo_lab.finetune.encoding.encoder import Encoder
from mezo_lab.finetune.encoding.logits import answer_states, bucket_size, length_buckets
from mezo_lab.finetune.evaluation.evaluate import score_answers
from mezo_lab.finetune.evaluation.scores import NotFinite, Score, mean_score
from mezo_lab.finetune.models.loading import LanguageModel
from mezo_lab.finetune.tasks import Task
from mezo_lab.finetune.tasks.prompts import Prompt, data_text, template_text

if TYPE_CHECKING:
    from transformers import PreTrainedModel

_BATCH = 16  # rows of a pass on a GPU
_SHOWN = 32  # solved examples: paper, Table 1


def solved(task: Task, rows: Sequence[Row], *, count: int = _SHOWN, seed: int = 0) -> Prompt:
    """Prompts with their right answers, that stand before a question: in-context learning.

    Source: paper, Table 1 (32 examples).

    Args:
        task: of the rows.
        rows: at least one.
        count: how many of them, at most.
        seed: which of them, and their order.

    Raises: ValueError, for a chat too.

    >>> from mezo_lab.finetune.tasks import task_named
    >>> str(solved(task_named("rotten-tomatoes"), [{"text": "A fine film.", "label": 1}]))
    'A fine film. It was great\\n\\n'
    """
    if count < 1 or not rows:
        raise ValueError(f"`count` must be at least 1 with as many rows, got {count} of {len(rows)}: give examples.")
    if task.chat:
        raise ValueError(
            "`method` icl needs a prompt before which solved examples can stand, got a chat: choose another."
        )
    shown = random.Random(f"mezo_lab shown {seed}").sample(list(rows), min(count, len(rows)))
    examples = Prompt()
    for row in shown:
        example = task.fill_prompt(row) + data_text(task.answer(row, task.gold(row)))
        examples += example.without_line_breaks() + template_text("\n\n")
    return examples


def linear_probe(loaded: LanguageModel, encoder: Encoder, train: Sequence[Row], test: Sequence[Row]) -> Score:
    """Logistic regression on the features that the output layer reads at the position of the answer.

    A test row whose features are not finite is not answered, and counts as wrong.
    Source: paper, Table 1 (LP).
    Cost: a forward pass for each row.

    Args:
        loaded: the model and its tokenizer.
        encoder: of the task and the model.
        train: rows to fit on.
        test: rows to evaluate on.

    Raises: ValueError for a task without label words; NotFinite for training rows whose features are not.
    """
    require(("sklearn",), ModelNotInstalled)
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    task = encoder.task
    if task.kind != "classification":
        raise ValueError(
            f"`method` linear-probe needs a task with label words, got {task.name}, a {task.kind}: choose another."
        )
    probe = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    train_features = _features(loaded.model, encoder, train)
    if broken := int((~train_features.isfinite().all(1)).sum()):
        raise NotFinite(
            f"{loaded.name} gives a linear probe features that are not finite for {broken} of {len(train)} training "
            "rows: look at its weights, or give --dtype float32."
        )
    probe.fit(train_features.numpy(), [task.gold(row) for row in train])
    test_features = _features(loaded.model, encoder, test)
    labels = probe.predict(test_features.nan_to_num().numpy())
    finite = test_features.isfinite().all(1).tolist()
    answers = [int(label) if is_finite else None for label, is_finite in zip(labels, finite, strict=True)]
    return mean_score("accuracy", score_answers(task, answers, test, "accuracy"), unanswered=answers.count(None))


@torch.no_grad()
def _features(model: "PreTrainedModel", encoder: Encoder, rows: Sequence[Row]) -> Tensor:
    """(rows, hidden), float32, on the CPU."""
    encoded = [encoder.encode_prompt(row) for row in rows]
    groups, order = length_buckets(encoded, bucket_size(model, _BATCH))
    return torch.cat([answer_states(model, group).float().cpu() for group in groups])[order]
