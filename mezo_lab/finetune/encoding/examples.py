"""Training examples: rows with the sequences that the loss reads, encoded once, and the batches made of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from mezo_lab.finetune.data.rows import Row
from mezo_lab.finetune.encoding.encoder import Encoder
from mezo_lab.finetune.encoding.logits import Encoded, length_buckets, padded_batch
from mezo_lab.sampling import Progress

# "examples": as they came; "groups": tensors of their sequences, those of like length together; "order": how to put the
# positions of all groups back in the order of the sequences; "tokens": of all sequences, without padding
Batch = Mapping[str, Any]


@dataclass(frozen=True)
class Example:
    """A row to learn from, in tokens."""

    row: Row
    encoded: tuple[Encoded, ...]
    """The prompt with its right answer; or with each label word, where these are compared as whole words."""
    gold: int = 0
    """Which of them is right."""


def encode_examples(encoder: Encoder, rows: Sequence[Row], progress: Progress | None = None) -> tuple[Example, ...]:
    """The items of a data loader. Args: progress: called with (rows done, rows).

    Raises: ValueError for a text that is too long.
    """
    examples = []
    for row in rows:
        examples.append(_encode_example(encoder, row))
        if progress is not None:
            progress(len(examples), len(rows))
    return tuple(examples)


def _encode_example(encoder: Encoder, row: Row) -> Example:
    if encoder.compares_words:
        return Example(row, tuple(encoder.encode_options(row)), encoder.task.gold(row))
    return Example(row, (encoder.encode_training(row),))


def collate(examples: Sequence[Example], *, pad: int, together: int) -> Batch:
    """A batch for an objective: the collate function of a data loader.

    Args: pad: a token id for the padding. together: sequences of like length in one forward pass.
    """
    sequences = [sequence for example in examples for sequence in example.encoded]
    groups, order = length_buckets(sequences, together)
    return {
        "examples": examples,
        "groups": [padded_batch(group, pad) for group in groups],
        "order": torch.tensor(order),
        "tokens": sum(len(sequence.input_ids) for sequence in sequences),
    }
