"""What weights can do: the task they were trained on, another task, and plain text as a language model."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from mezo_lab.finetune import Encoder, answer_logits
from mezo_lab.finetune.encoding.logits import Encoded
from mezo_lab.finetune.tasks import Task

ROWS = 8  # of a pass


@dataclass(frozen=True)
class Reading:
    """What one model did with the texts."""

    own: list[float]
    """1 for each right answer on the task of the training."""
    other: list[float]
    """1 for each right answer on the other task."""
    text: list[float]
    """The mean loss of a token of each text of the other task (but its first), in nats: as a language model."""


class Meter:
    """The texts of both tasks in tokens, under one prompt.

    Args:
        task: whose prompt and label words both tasks take.
        own: rows of the training's task, held out.
        other: rows of the other task.
        tokens: of a text of the other task: its last ones.
    """

    def __init__(self, task: Task, tokenizer: Any, own: Sequence[Any], other: Sequence[Any], tokens: int):
        self.task = task
        shortened = [row | {"text": last_tokens(tokenizer, row["text"], tokens)} for row in other]
        self.encoder = Encoder(task, tokenizer, shortened[0])
        self.own = [self._answered(row) for row in own]
        self.other = [self._answered(row) for row in shortened]
        before, after = str(task.prompt).split("{text}")
        self._head = len(tokenizer(before.rstrip(), add_special_tokens=False).input_ids)  # its space is the text's
        self._tail = len(tokenizer(after, add_special_tokens=False).input_ids)

    def _answered(self, row: Any) -> tuple[Encoded, int]:
        """A prompt with a position at every token, whose targets are the tokens behind; and the right label."""
        ids = self.encoder.encode_prompt(row).input_ids
        return Encoded(ids, tuple(range(len(ids))), (*ids[1:], 0)), self.task.gold(row)

    @torch.no_grad()
    def read(self, model: Any) -> Reading:
        """Cost: a forward pass of every text."""
        own, _ = self._answers(model, [(_last_only(one), gold) for one, gold in self.own])
        other, text = self._answers(model, self.other)
        return Reading(own, other, text)

    def _answers(self, model: Any, items: Sequence[tuple[Encoded, int]]) -> tuple[list[float], list[float]]:
        words = list(self.encoder.labels)
        right = [0.0] * len(items)
        losses = [0.0] * len(items)
        order = sorted(range(len(items)), key=lambda index: len(items[index][0].input_ids))
        for start in range(0, len(order), ROWS):
            batch = order[start : start + ROWS]
            encoded = [items[index][0] for index in batch]
            logits = answer_logits(model, encoded).split([len(one.positions) for one in encoded])
            for index, one, own in zip(batch, encoded, logits, strict=True):
                right[index] = float(int(own[-1, words].argmax()) == items[index][1])
                if len(own) > 1:
                    last = len(own) - 1 - self._tail
                    targets = torch.tensor(one.targets[self._head : last])
                    losses[index] = float(torch.nn.functional.cross_entropy(own[self._head : last], targets))
        return right, losses


def _last_only(encoded: Encoded) -> Encoded:
    return Encoded(encoded.input_ids, encoded.positions[-1:], encoded.targets[-1:])


def last_tokens(tokenizer: Any, text: str, count: int) -> str:
    """The end of a text, so many tokens."""
    ids = tokenizer(text, add_special_tokens=False).input_ids
    return str(tokenizer.decode(ids[-count:])).strip()
