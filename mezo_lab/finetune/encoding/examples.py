"""Training examples: rows with the sequences that the loss reads, encoded once, and the batches made of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mezo_lab.finetune.data.rows import Row
from mezo_lab.finetune.encoding.encoder import Encoder
from mezo_lab.finetune.encoding.logits import Encoded, length_buckets, padded_batch

# "groups": tensors of sequences of like length; "rows": of the examples; "order": how to put the positions of all
# groups back in the order of the sequences; "lengths": positions of each sequence; "gold": the right one of each row
Batch = Mapping[str, Any]


@dataclass(frozen=True)
class Example:
    """A row to learn from, in tokens."""

    row: Row
    encoded: tuple[Encoded, ...]
    """The prompt with its right answer; or with each label word, where these are compared as whole words."""
    gold: int = 0
    """Which of them is right."""


def encode_examples(encoder: Encoder, rows: Sequence[Row]) -> tuple[Example, ...]:
    """The items of a data loader. Raises: ValueError for a text that is too long."""
    if encoder.compares_words:
        return tuple(Example(row, tuple(encoder.encode_options(row)), encoder.task.gold(row)) for row in rows)
    return tuple(Example(row, (encoder.encode_training(row),)) for row in rows)


def collate(examples: Sequence[Example], *, pad: int, together: int) -> Batch:
    """A batch for an objective: the collate function of a data loader.

    Args: pad: a token id for the padding. together: sequences of like length in one forward pass.
    """
    sequences = [sequence for example in examples for sequence in example.encoded]
    groups, order = length_buckets(sequences, together)
    return {
        "groups": [padded_batch(group, pad) for group in groups],
        "rows": [example.row for example in examples],
        "order": order,
        "lengths": [len(sequence.positions) for sequence in sequences],
        "gold": [example.gold for example in examples],
    }
