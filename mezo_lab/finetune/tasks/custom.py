"""Tasks of the user: a prompt over the columns of a file with label words, a completion or options; or a chat."""

from collections.abc import Mapping, Sequence
from string import Formatter
from typing import Any

from mezo_lab.finetune.data.rows import Row, check_argument
from mezo_lab.finetune.tasks.chats import parse_messages
from mezo_lab.finetune.tasks.prompts import answer_separator, value_text
from mezo_lab.finetune.tasks.task import Metric, Task, integer_value, template_fields
from mezo_lab.validation import one_of

__all__ = ["chat_task", "choice_task", "completion_task", "custom_task"]

_TEXT_METRICS: tuple[Metric, ...] = ("likelihood", "f1", "exact-match")  # by which a completion may be judged


def custom_task(
    prompt: str,
    answers: Sequence[str],
    label: str = "label",
    masked_prompt: str | None = None,
    name: str = "custom",
    *,
    labels: Sequence[str] = (),
) -> Task:
    """A classification of the user's rows.

    Args:
        prompt: a format string over the columns, ending where the label word follows; {{ and }} are braces.
        answers: the label words in the order of the labels, at least two, of any number of words in any script; a space
            is put in front of each where running text has one.
        label: the column with the right answer: its number, its name in `labels`, or the label word itself.
        masked_prompt: the prompt of a model that fills in a mask, with {mask} where the word goes.
        labels: the names of the labels in the data, in the order of `answers`, such as "neg", "pos".

    Raises: ValueError.

    >>> task = custom_task("{title}: {body}\\nTopic:", ("sports", "politics"), label="topic")
    >>> task.text({"title": "Final", "body": "They won. "}), task.answers, task.gold({"topic": "politics"})
    ('Final: They won.\\nTopic:', (' sports', ' politics'), 1)
    """
    _check_prompt(prompt, label, "label words")
    if masked_prompt is not None:
        _check_template("masked_prompt", masked_prompt, label)
        if masked_prompt.count("{mask}") != 1:
            raise ValueError(
                f"`masked_prompt` must hold {{mask}} once, where the word goes, got {masked_prompt!r}: put it there."
            )
    _check_words("answers", answers)
    if labels:
        _check_words("labels", labels)
        if len(labels) != len(answers):
            raise ValueError(
                f"`labels` must name each of the {len(answers)} answers, got {len(labels)}, {list(labels)}: give one "
                "for each."
            )
    bare = [word.strip() for word in answers]
    words = tuple(answer_separator(prompt, word) + word for word in bare)
    return Task(name, "classification", prompt, words, masked_prompt, label, tuple(labels))


def completion_task(prompt: str, completion: str, *, metric: Metric = "likelihood", name: str = "custom") -> Task:
    """Prompt → completion: the loss covers all tokens of the completion, and the end-of-text token behind it.

    Args:
        prompt: a format string over the columns, ending where the completion follows.
        completion: the column with the right text; a list of texts, as SQuAD has it, whose first is the one to learn.
        metric: "likelihood", the probability of a token of the completion (the geometric mean over its tokens, one
            over the perplexity); or "f1" of the words or "exact-match" of a line that the model writes.

    Raises: ValueError.

    >>> task = completion_task("{instruction}\\n", "output")
    >>> row = {"instruction": "Say it in Chinese: film", "output": "电影"}
    >>> task.text(row), task.answer(row, 0), task.required_columns()
    ('Say it in Chinese: film\\n', '电影', ('instruction', 'output'))
    """
    _check_column("completion", completion)
    _check_prompt(prompt, completion, "completion")
    one_of("metric", metric, _TEXT_METRICS)

    def correct(row: Row) -> list[str]:
        texts = _column_texts(row, completion)
        for text in texts:
            _check_one_line(metric, text, completion)
        return texts

    columns = (*template_fields(prompt), completion)
    return Task(name, "generation", prompt, columns=columns, correct=correct, metric=metric)


def choice_task(prompt: str, options: Sequence[str], label: str = "label", *, name: str = "custom") -> Task:
    """A choice among the options of each row, which are compared by mean log-likelihood per token.

    Args:
        prompt: a format string over the columns, ending where an option follows.
        options: one column with a list of texts, or several columns with the text of one option each.
        label: the column with the correct option: its number from 0, its letter from A, or its text. A label that is
            one option by its text and another by its number is refused, unless it is a number among options of text.

    Raises: ValueError, also for options of one row that are alike.

    >>> task = choice_task("{question}\\nAnswer:", ["choices"], "answer")
    >>> row = {"question": "2 + 2?", "choices": ["3", "4"], "answer": "B"}
    >>> task.candidates(row), task.golds(row)
    ((' 3', ' 4'), (1,))
    """
    columns = [options] if isinstance(options, str) else list(options)
    for column in columns or [""]:
        _check_column("options", column)
    if len(set(columns)) < len(columns):
        raise ValueError(f"`options` must be different columns, got {', '.join(columns)}: name each once.")
    _check_prompt(prompt, label, "options")

    def endings(row: Row) -> list[str]:
        texts = [text for column in columns for text in _column_texts(row, column)]
        if len(texts) < 2:
            raise ValueError(
                f"`options` must be two texts or more, got {texts!r:.60} in {', '.join(columns)}: mend or drop the row."
            )
        if len({text.strip() for text in texts}) < len(texts):
            raise ValueError(
                f"`options` must be different texts, got {texts!r:.60} in {', '.join(columns)}: mend or drop the row."
            )
        return [answer_separator(prompt, text) + text for text in texts]

    def correct(row: Row) -> list[str]:
        candidates = endings(row)
        is_number = not isinstance(row[label], str) and all(_holds_text(row[column]) for column in columns)
        texts = [ending.strip() for ending in candidates]
        return [candidates[_option_index(row[label], texts, label, is_number=is_number)]]

    required = (*template_fields(prompt), *columns, label)
    return Task(name, "choice", prompt, columns=required, options=endings, correct=correct)


def _holds_text(value: Any) -> bool:
    """Whether the options of a column are written as text, and not as numbers."""
    items = value if isinstance(value, list | tuple) else [value]
    return all(isinstance(item, str) for item in items)


def _option_index(value: Any, texts: Sequence[str], label: str, *, is_number: bool) -> int:
    """The index of the option that a label names by its text, its number from 0, or its letter from A.

    Args: is_number: whether a label that could be both a number and a text is the number.
    Raises: ValueError for a label that names no option, or two.
    """
    word = str(value).strip()
    number = integer_value(value)
    if number is None and len(word) == 1 and word.isascii() and word.isupper():
        number = ord(word) - ord("A")
    in_range = number is not None and 0 <= number < len(texts)
    if word in texts and not (is_number and in_range):
        index = texts.index(word)
        if in_range and number != index:
            remedy = "its number" if word.isalpha() else "the letter of the right one"
            raise ValueError(
                f"`{label}` must mean one option, and {value!r} is the text of option {index} and the place of option "
                f"{number}, counted from 0: give {remedy}."
            )
        return index
    if number is None or not in_range:
        raise ValueError(
            f"`{label}` must be the text of an option, its number from 0 to {len(texts) - 1} or its letter from A, got "
            f"{value!r}: mend the row."
        )
    return number


def chat_task(messages: str = "messages", *, metric: Metric = "likelihood", name: str = "custom") -> Task:
    """Chats in the model's own template; the answer is the last message, and the others stand before it.

    Source: the chat template of the tokenizer, whose special tokens are the only ones: the messages are text.

    Args:
        messages: the column with a list of {"role": …, "content": …}; the last is the assistant's.
        metric: as for `completion_task`.

    Raises: ValueError.

    >>> chat = [{"role": "user", "content": "2 + 2?"}, {"role": "assistant", "content": "4"}]
    >>> chat_task().references({"messages": chat})
    ['4']
    """
    _check_column("messages", messages)
    one_of("metric", metric, _TEXT_METRICS)

    def correct(row: Row) -> list[str]:
        answer = parse_messages(row[messages], messages)[-1].content
        _check_one_line(metric, answer, messages)
        return [answer]

    return Task(name, "generation", "", columns=(messages,), correct=correct, chat=messages, metric=metric)


def _column_texts(row: Row, column: str) -> list[str]:
    """The texts of a column: one, a list of them, or {"text": a list}, as SQuAD has it.

    Raises: ValueError for a column that holds none, or an empty one.
    """
    value = row[column]
    if isinstance(value, Mapping):
        value = value.get("text")
    items = value if isinstance(value, list | tuple) else [value]
    texts = [value_text(column, item) for item in items]
    if not texts or not all(texts):
        raise ValueError(f"the column {column!r} must hold a text, got {row[column]!r:.60}: mend or drop the row.")
    return texts


def _check_one_line(metric: str, text: str, column: str) -> None:
    """Raises: ValueError for a text that a model which writes one line cannot match."""
    if metric != "likelihood" and "\n" in text:
        raise ValueError(
            f"the column {column!r} must hold texts of one line where they are judged by {metric}, got {text!r:.60}: "
            "take likelihood."
        )


def _check_prompt(prompt: str, answer: str, kind: str) -> None:
    """Raises: ValueError for a prompt of a causal model that cannot be filled in or continued."""
    _check_template("prompt", prompt, answer)
    if "mask" in template_fields(prompt):
        raise ValueError(
            f"`prompt` must end where the answer follows, got {prompt!r}: {{mask}} goes into `masked_prompt`."
        )
    if prompt[-1:].isspace() and not prompt.endswith("\n"):
        raise ValueError(f"`prompt` must end without a space, got {prompt!r}: the space belongs to the {kind}.")


def _check_column(argument: str, name: str) -> None:
    check_argument(argument, name)
    if not name.strip():
        raise ValueError(f"`{argument}` must name a column, got {name!r}: give its name as the file has it.")


def _check_template(argument: str, template: str, answer: str) -> None:
    """Raises: ValueError for a template that cannot be filled in, or that shows the column with the answer."""
    check_argument(argument, template)
    try:
        names = template_fields(template)
    except ValueError as error:
        raise ValueError(
            f"`{argument}` must have its braces in pairs, got {template!r} ({error}): {{{{ is one."
        ) from None
    for _, name, form, conversion in Formatter().parse(template):
        if form or conversion:
            raise ValueError(
                f"`{argument}` must hold bare names of columns in its braces, got {template!r}: write {{{name}}}."
            )
    if not set(names) - {"mask"}:
        raise ValueError(f"`{argument}` must hold a column in braces, such as {{text}}, got {template!r}: name one.")
    for name in names:
        if not name or set(name) & set(".[]"):
            raise ValueError(
                f"`{argument}` must hold names of columns in its braces, got {{{name}}}: rename the column."
            )
    if answer in names:
        raise ValueError(
            f"`{argument}` must not show the answer, and {{{answer}}} is the column that holds it: leave it out, or "
            "name another column as the answer."
        )


def _check_words(argument: str, words: Sequence[str]) -> None:
    for word in words:
        check_argument(argument, word)
    bare = [word.strip().casefold() for word in words]
    if isinstance(words, str) or len(bare) < 2:
        raise ValueError(
            f"`{argument}` must be at least two words, one for each label, got {words!r}: a model cannot choose "
            "from fewer."
        )
    if "" in bare or len(set(bare)) < len(bare):
        raise ValueError(f"`{argument}` must be different words, none of them empty, got {list(words)}: change one.")
