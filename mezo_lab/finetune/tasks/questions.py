"""Tasks that are answered in free text: SQuAD and DROP."""

from collections.abc import Callable, Mapping
from typing import Any

from mezo_lab.finetune.data.rows import Row
from mezo_lab.finetune.tasks.task import Data, Task

NOTE = "trained by teacher forcing on the answer and the line break after it; judged by the F1 of the words"


def answers_of(column: str, key: str) -> Callable[[Row], list[str]]:
    """Where a row's right texts stand: {key: [texts]} in the data set, a list or one text in simpler files."""

    def right(row: Row) -> list[str]:
        found: Any = row[column]
        texts = found[key] if isinstance(found, Mapping) else found
        return [texts] if isinstance(texts, str) else list(texts)

    return right


QUESTIONS = (
    Task(
        "squad",
        "generation",
        "Title: {title}\nContext: {context}\nQuestion: {question}\nAnswer:",
        columns=("title", "context", "question", "answers"),
        right=answers_of("answers", "text"),
        metric="f1",
        data=Data("rajpurkar/squad", "train", "validation"),
        source="paper, Appendix E; the authors' templates.py l.330",
        note=NOTE,
    ),
    Task(
        "drop",
        "generation",
        "Passage: {passage}\nQuestion: {question}\nAnswer:",
        columns=("passage", "question", "answers_spans"),
        right=answers_of("answers_spans", "spans"),
        metric="f1",
        data=Data("ucinlp/drop", "train", "validation"),
        source="paper, Appendix E; the authors' templates.py l.356",
        note=NOTE,
    ),
)
