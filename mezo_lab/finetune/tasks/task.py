"""A task: how a row of data becomes a prompt, which answers it may have, and which of them is right."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from string import Formatter
from typing import Any, Literal

from mezo_lab.finetune.data.rows import Row
from mezo_lab.finetune.tasks.chats import Message, parse_messages, transcript
from mezo_lab.finetune.tasks.prompts import Prompt, answer_separator, fill_template

Kind = Literal["classification", "choice", "generation"]
Metric = Literal["accuracy", "f1", "exact-match", "likelihood"]


@dataclass(frozen=True)
class Data:
    """Where a task's rows come from: what `tables.rows` takes, and the hub's names of the splits.

    path: of `rows`. train, test: splits; None where the rows are in one piece, of which `splits` takes both.
    unlabelled: the label of rows that have none, which `splits` leaves out.
    """

    path: str
    train: str | None = None
    test: str | None = None
    unlabelled: int | None = None


@dataclass(frozen=True)
class Task:
    """What is asked of a model, and how its answers are judged.

    A prompt is a format string over the columns of a row and over `pieces`, values made of a row where the columns do
    not read well as they are. It ends without a space: that stands in front of the answer, where tokenizers want it.

    name, source: the task, and where its prompt is from. note: what is special about it.
    kind: "classification" (one of the same words for every row), "choice" (one of the row's own endings) or
        "generation" (free text).
    prompt: for a causal model. masked_prompt: for one that fills in a mask, with {mask} in its place, or None.
    answers: the label words of a classification, by label, each with the space that a causal prompt needs.
    label, labels: the column with the right answer, and the names of the labels, by label; a row may hold either.
    pieces: row → more values for the prompt. columns: those that the functions read, where they are not in the prompt.
    options: row → the endings of a choice. right: row → its right endings, or the texts of a generation.
    chat: the column with the messages of a chat, in place of a prompt; its last message is the answer.
    metric: how answers are judged; a generation is one line, which ends with a line break, but where it is judged by
        "likelihood": it then is any text, and ends with the model's own mark.
    data: where the rows come from; None for one's own.

    >>> great = Task("reviews", "classification", "{text} It was", (" terrible", " great"), labels=("neg", "pos"))
    >>> great.text({"text": "A fine film."}), great.gold({"label": "pos"}), great.answer({}, 1)
    ('A fine film. It was', 1, ' great')
    >>> great.required_columns()
    ('text', 'label')
    """

    name: str
    kind: Kind
    prompt: str
    answers: tuple[str, ...] = ()
    masked_prompt: str | None = None
    label: str = "label"
    labels: tuple[str, ...] = ()
    pieces: Callable[[Row], Mapping[str, str]] | None = None
    columns: tuple[str, ...] = ()
    options: Callable[[Row], Sequence[str]] | None = None
    right: Callable[[Row], Sequence[str]] | None = None
    chat: str | None = None
    metric: Metric = "accuracy"
    data: Data | None = None
    source: str = "the user's own"
    note: str = ""

    def text(self, row: Row, masked: bool = False) -> str:
        """The prompt of one row, without an answer; a masked one shows "{mask}" where the mask goes.

        Raises: ValueError where the task has no masked prompt.
        """
        return str(self.fill_prompt(row, masked))

    def fill_prompt(self, row: Row, masked: bool = False) -> Prompt:
        """`text` with its origins: what is in the task, what came with the row, and the mask. Raises: as `text`."""
        if self.chat and not masked:
            return transcript(self.messages(row)[:-1])
        template = self.masked_prompt if masked else self.prompt
        if template is None:
            raise ValueError(f"`task` must have a prompt with a mask, {self.name} has none: take a causal model.")
        return fill_template(template, {**row, **(self.pieces(row) if self.pieces else {})})

    def label_words(self, masked: bool = False) -> tuple[str, ...]:
        """The label words; in a mask's place each has a space in front, as the words of running text have.

        >>> Task("rte", "classification", "{premise}\\n", ("Yes", "No")).label_words(masked=True)
        (' Yes', ' No')
        """
        return tuple(f" {word.strip()}" for word in self.answers) if masked else self.answers

    def candidates(self, row: Row) -> tuple[str, ...]:
        """Every answer that a row may have, as it follows the prompt; for a generation, every right one."""
        if self.kind == "classification":
            return self.answers
        if self.kind == "choice":
            return tuple(called(self.options)(row))
        end = "" if self.metric == "likelihood" else "\n"  # says where to stop
        return tuple(
            f"{answer_separator(self.prompt, reference)}{reference}{end}" for reference in self.references(row)
        )

    def answer(self, row: Row, option: int) -> str:
        """The text of one candidate, with the space in front of it."""
        return self.candidates(row)[option]

    def gold(self, row: Row) -> int:
        """The index of the right candidate: the first where several are right.

        Raises: ValueError for a label that is none of the task's.
        """
        return self.golds(row)[0]

    def golds(self, row: Row) -> tuple[int, ...]:
        """The indices of every right candidate: of ReCoRD's entities several may be."""
        if self.kind == "generation":
            return tuple(range(len(self.references(row))))
        if self.right is None:
            return (self.label_index(row[self.label], len(self.candidates(row))),)
        right = set(self.right(row))
        found = tuple(index for index, ending in enumerate(self.candidates(row)) if ending in right)
        if not found:
            raise ValueError("the right answer must be one of the options, and is not: drop the row.")
        return found

    def references(self, row: Row) -> list[str]:
        """The right texts of a generation; the first is the one to learn.

        Raises: ValueError where there is none.
        """
        texts = [text.strip() for text in called(self.right)(row)]
        if not texts:
            raise ValueError("a row must have at least one right answer, and has none: drop it.")
        return texts

    def messages(self, row: Row) -> tuple[Message, ...]:
        """The messages of a chat. Raises: ValueError where they are none, or end without an answer."""
        return parse_messages(row[str(self.chat)], str(self.chat))

    def required_columns(self) -> tuple[str, ...]:
        """The columns that a row must have."""
        prompts = self.columns or tuple(
            name for name in template_fields(self.prompt, self.masked_prompt) if name != "mask"
        )
        return prompts if self.right else (*prompts, self.label)

    def label_index(self, value: Any, count: int) -> int:
        """The label that a value stands for: a number, the name of a label, or the label word itself.

        Where a label or a label word is a number itself, such as the stars of a review, no number is a place in them.
        """
        word = str(value).strip().casefold()
        number = integer_value(value)
        for names in (self.labels, self.answers):
            known = [name.strip().casefold() for name in names]
            if word in known:
                return known.index(word)
            if any(integer_value(name) is not None for name in known):
                numbers = [integer_value(name) for name in known]
                if number is not None and number in numbers:
                    return numbers.index(number)
                raise ValueError(
                    f"`{self.label}` must be one of {', '.join(name.strip() for name in names)}, as these are numbers "
                    f"themselves, got {value!r}: give the words as the column has them, or words that are no numbers."
                )
        if number is None or not 0 <= number < count:
            names = ", ".join(name.strip() for name in self.labels or self.answers)
            raise ValueError(
                f"`{self.label}` must be a number from 0 to {count - 1}{f' or one of {names}' if names else ''}, got "
                f"{value!r}: mend the row, or number the labels from 0, in the order of the label words."
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
    """The integer that a value is or spells: 1, True, 1.0, "1" and "1.0" are 1."""
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):  # an integer of 400 digits is no float
        return None
    return int(number) if number.is_integer() else None


def called(function: Callable[[Row], Sequence[str]] | None) -> Callable[[Row], Sequence[str]]:
    if function is None:
        raise ValueError("`options` and `right` must be functions of a row for a choice or a generation, got None.")
    return function
