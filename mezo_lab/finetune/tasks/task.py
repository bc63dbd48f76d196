"""A task: how a row of data becomes a prompt, which answers it may have, and which of them is correct."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from string import Formatter
from typing import Any, Literal

from mezo_lab.finetune.data.rows import Row
from mezo_lab.finetune.tasks.chats import Message, parse_messages, transcript
from mezo_lab.finetune.tasks.prompts import Prompt, answer_separator, fill_template

__all__ = ["Data", "Kind", "Metric", "Task", "template_fields"]

Kind = Literal["classification", "choice", "generation"]
"""How a task is answered: by a label, by one of several options, or by free text."""
Metric = Literal["accuracy", "f1", "exact-match", "likelihood"]
"""How answers are scored; "likelihood" is the probability of a token of the right text."""


@dataclass(frozen=True)
class Data:
    """Where the rows of a task come from."""

    path: str
    """The source of `load_rows`."""
    train: str | None = None
    """The hub's name of the training split; None where the rows are in one piece, which `draw_splits` divides."""
    test: str | None = None
    """The hub's name of the test split, or None."""
    unlabelled: int | None = None
    """The label of rows that have none; `draw_splits` leaves them out."""


@dataclass(frozen=True)
class Task:
    """A question to a language model, and how its answers are judged.

    A prompt is a format string over the columns of a row and over its derived values. It ends without a space: the
    space stands in front of the answer, where tokenizers expect it.

    >>> great = Task("reviews", "classification", "{text} It was", (" terrible", " great"), labels=("neg", "pos"))
    >>> great.text({"text": "A fine film."}), great.gold({"label": "pos"}), great.answer({}, 1)
    ('A fine film. It was', 1, ' great')
    >>> great.required_columns()
    ('text', 'label')
    """

    name: str
    kind: Kind
    """"classification" (the same label words for every row), "choice" (endings of the row's own) or "generation"
    (free text)."""
    prompt: str
    """The prompt of a causal model."""
    answers: tuple[str, ...] = ()
    """The label words of a classification, by label, each with the space that a causal prompt needs."""
    masked_prompt: str | None = None
    """The prompt of a model that fills in a mask, with {mask} in its place; None where there is none."""
    label: str = "label"
    """The column with the correct answer."""
    labels: tuple[str, ...] = ()
    """The names of the labels, by label; a row may hold the name or the number."""
    derived: Callable[[Row], Mapping[str, str]] | None = None
    """row → more values for the prompt, where the columns do not read well as they are."""
    columns: tuple[str, ...] = ()
    """The columns that a row must have, where the prompt does not show all of them."""
    options: Callable[[Row], Sequence[str]] | None = None
    """row → the endings of a choice."""
    correct: Callable[[Row], Sequence[str]] | None = None
    """row → its correct endings, or the correct texts of a generation."""
    chat: str | None = None
    """The column with the messages of a chat, in place of a prompt; the last message is the answer."""
    metric: Metric = "accuracy"
    """How answers are judged. A generation is one line and ends with a line break; one that is judged by "likelihood"
    is any text and ends with the model's end-of-text token."""
    data: Data | None = None
    """Where the rows come from; None for a task of the user."""
    source: str = "the user's own"
    """Where the prompt comes from."""
    note: str = ""
    """What is special about the task."""

    def text(self, row: Row, masked: bool = False) -> str:
        """The prompt of one row, without an answer; a masked one shows "{mask}" where the mask goes.

        Raises: ValueError where the task has no masked prompt.
        """
        return str(self.fill_prompt(row, masked))

    def fill_prompt(self, row: Row, masked: bool = False) -> Prompt:
        """`text` with the origin of each part: the template, the row, or the mask. Raises: as `text`."""
        if self.chat and not masked:
            return transcript(self.messages(row)[:-1])
        template = self.masked_prompt if masked else self.prompt
        if template is None:
            raise ValueError(f"`task` must have a prompt with a mask, {self.name} has none: take a causal model.")
        values = dict(row)
        if self.derived is not None:
            values.update(self.derived(row))
        return fill_template(template, values)

    def label_words(self, masked: bool = False) -> tuple[str, ...]:
        """The label words; in place of a mask each has a space in front, like the words of running text.

        >>> Task("rte", "classification", "{premise}\\n", ("Yes", "No")).label_words(masked=True)
        (' Yes', ' No')
        """
        if not masked:
            return self.answers
        return tuple(f" {word.strip()}" for word in self.answers)

    def candidates(self, row: Row) -> tuple[str, ...]:
        """Every answer that a row may have, as it follows the prompt; for a generation, every correct one."""
        if self.kind == "classification":
            return self.answers
        if self.kind == "choice":
            return tuple(_defined(self.options)(row))
        end = "" if self.metric == "likelihood" else "\n"  # teaches the model where to stop
        texts = self.references(row)
        return tuple(f"{answer_separator(self.prompt, text)}{text}{end}" for text in texts)

    def answer(self, row: Row, option: int) -> str:
        """The text of one candidate, with the space in front of it."""
        return self.candidates(row)[option]

    def gold(self, row: Row) -> int:
        """The index of the correct candidate, the first where several are correct.

        Raises: ValueError for a label that is none of the task's.
        """
        return self.golds(row)[0]

    def golds(self, row: Row) -> tuple[int, ...]:
        """The indices of every correct candidate: several of ReCoRD's entities may be correct."""
        if self.kind == "generation":
            return tuple(range(len(self.references(row))))
        if self.correct is None:
            return (self._label_index(row[self.label], len(self.candidates(row))),)
        correct = set(self.correct(row))
        indices = tuple(index for index, ending in enumerate(self.candidates(row)) if ending in correct)
        if not indices:
            raise ValueError("the right answer must be one of the options, and is not: drop the row.")
        return indices

    def references(self, row: Row) -> list[str]:
        """The correct texts of a generation; the first is the one to learn.

        Raises: ValueError where there is none.
        """
        texts = [text.strip() for text in _defined(self.correct)(row)]
        if not texts:
            raise ValueError("a row must have at least one right answer, and has none: drop it.")
        return texts

    def messages(self, row: Row) -> tuple[Message, ...]:
        """The messages of a chat. Raises: ValueError for a column that holds no messages, or none to learn."""
        return parse_messages(row[str(self.chat)], str(self.chat))

    def required_columns(self) -> tuple[str, ...]:
        """The columns that a row must have."""
        names = template_fields(self.prompt, self.masked_prompt)
        columns = self.columns or tuple(name for name in names if name != "mask")
        if self.correct is None:
            columns += (self.label,)
        return columns

    def _label_index(self, value: Any, count: int) -> int:
        """The label that a value stands for: a number, the name of a label, or the label word itself.

        Where a label or a label word is a number itself, such as the stars of a review, no number is an index.
        """
        word = str(value).strip().casefold()
        number = integer_value(value)
        for names in (self.labels, self.answers):
            known = [name.strip().casefold() for name in names]
            if word in known:
                return known.index(word)
            numbers = [integer_value(name) for name in known]
            if set(numbers) <= {None}:
                continue
            if number is not None and number in numbers:
                return numbers.index(number)
            raise ValueError(
                f"`{self.label}` must be one of {', '.join(name.strip() for name in names)}, as these are numbers "
                f"themselves, got {value!r}: give the words as the column has them, or words that are no numbers."
            )
        if number is None or not 0 <= number < count:
            words = self.labels or self.answers
            alternative = f" or one of {', '.join(word.strip() for word in words)}" if words else ""
            raise ValueError(
                f"`{self.label}` must be a number from 0 to {count - 1}{alternative}, got {value!r}: mend the row, or "
                "number the labels from 0, in the order of the label words."
            )
        return number


def template_fields(*templates: str | None) -> tuple[str, ...]:
    """The names in braces, once each, in order. Raises: ValueError for a template that cannot be read.

    >>> template_fields("{premise} ? {mask} , {hypothesis}", None)
    ('premise', 'mask', 'hypothesis')
    """
    parts = (part for template in templates if template for part in Formatter().parse(template))
    return tuple(dict.fromkeys(name for _, name, _, _ in parts if name is not None))


def integer_value(value: Any) -> int | None:
    """The integer that a value is or spells: 1, True, 1.0, "1" and "1.0" are 1; None where it is none."""
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):  # an integer of 400 digits is no float
        return None
    return int(number) if number.is_integer() else None


def _defined(function: Callable[[Row], Sequence[str]] | None) -> Callable[[Row], Sequence[str]]:
    if function is None:
        raise ValueError("`options` and `correct` must be functions of a row for a choice or a generation, got None.")
    return function
