"""Rows to evaluate on in tokens, encoded once for all evaluations of a run."""

from collections.abc import Sequence
from dataclasses import dataclass

from mezo_lab.finetune.data.rows import Row
from mezo_lab.finetune.encoding.encoder import Encoder
from mezo_lab.finetune.encoding.logits import Encoded
from mezo_lab.sampling import Progress

__all__ = ["Questions", "encode_questions"]


@dataclass(frozen=True)
class Questions:
    """Rows with the sequences that an evaluation reads of them."""

    rows: tuple[Row, ...]
    metric: str
    """By which the answers are judged."""
    encoded: tuple[tuple[Encoded, ...], ...]
    """Of each row: its prompt, the prompt with every option of a choice, or with the right answer for a likelihood."""

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def sequences(self) -> list[Encoded]:
        """Those of all rows, one after another."""
        return [sequence for own in self.encoded for sequence in own]


def encode_questions(
    encoder: Encoder, rows: Sequence[Row], metric: str | None = None, progress: Progress | None = None
) -> Questions:
    """The questions of rows.

    Args:
        encoder: of the task and the model.
        rows: to evaluate on.
        metric: None is the task's own.
        progress: called with (rows done, rows).

    Raises: ValueError for a text that is too long.
    """
    metric = metric or encoder.task.metric
    encoded = []
    for row in rows:
        encoded.append(tuple(encoder.encode_evaluation(row, metric)))
        if progress is not None:
            progress(len(encoded), len(rows))
    return Questions(tuple(rows), metric, tuple(encoded))
