"""Tasks of one's own: a prompt over one's own columns with label words, a completion or options; or a chat."""

from collections.abc import Mapping, Sequence
from string import Formatter
from typing import Any

from mezo_lab.finetune.data.rows import Row, check_argument
from mezo_lab.finetune.tasks.prompts import answer_separator, value_text
from mezo_lab.finetune.tasks.task import Metric, Task, integer_value, template_fields

COMPLETED_BY: tuple[Metric, ...] = ("likelihood", "f1", "exact-match")  # how a completion may be judged


def custom_task(
    prompt: str,
    answers: Sequence[str],
    label: str = "label",
    masked_prompt: str | None = None,
    name: str = "custom",
    *,
    labels: Sequence[str] = (),
) -> Task:
    """A classification of one's own rows.

    Args:
        prompt: a format string over the columns, ending where the label word follows; {{ and }} are braces.
        answers: the label words in the order of the labels, at least two, of any number of words in any script; a space
            is put in front of each where running text has one: see `answer_separator`.
        label: the column with the right answer: its number, its name in `labels`, or the label word itself.
        masked_prompt: the same for a model that fills in a mask, with {mask} where the word goes.
        labels: the names of the labels in the data, in the order of `answers`, such as "neg", "pos".

    Raises: ValueError.

    >>> task = custom_task("{title}: {body}\\nTopic:", ("sports", "politics"), label="topic")
    >>> task.text({"title": "Final", "body": "They won. "}), task.answers, task.gold({"topic": "politics"})
    ('Final: They won.\\nTopic:', (' sports', ' politics'), 1)
    """
    check_prompt(prompt, label, "label words")
    if masked_prompt is not None:
        check_template("masked_prompt", masked_prompt, label)
        if masked_prompt.count("{mask}") != 1:
            raise ValueError(f"`masked_prompt` must hold {{mask}} once, where the word goes, got {masked_prompt!r}.")
    check_words("answers", answers)
    if labels:
        check_words("labels", labels)
        if len(labels) != len(answers):
            raise ValueError(
                f"`labels` must name each of the {len(answers)} answers, got {len(labels)}: {list(labels)}."
            )
    words = tuple(answer_separator(prompt, word.strip()) + word.strip() for word in answers)
    return Task(name, "classification", prompt, words, masked_prompt, label, tuple(labels))


def completion_task(prompt: str, completion: str, *, metric: Metric = "likelihood", name: str = "custom") -> Task:
    """Prompt → completion: the loss is that of all tokens of the completion, and of the mark that ends it.

    Args:
        prompt: a format string over the columns, ending where the completion follows.
        completion: the column with the right text; a list of texts, as SQuAD has it, whose first is the one to learn.
        metric: "likelihood" (the probability of a token of the completion: the geometric mean over its tokens, one over
            the perplexity), or, of a completion of one line that the model writes, "f1" of its words or "exact-match".

    Raises: ValueError.

    >>> task = completion_task("{instruction}\\n", "output")
    >>> row = {"instruction": "Say it in Chinese: film", "output": "电影"}
    >>> task.text(row), task.answer(row, 0), task.required_columns()
    ('Say it in Chinese: film\\n', '电影', ('instruction', 'output'))
    """
    check_column("completion", completion)
    check_prompt(prompt, completion, "completion")
    check_metric(metric)

    def right(row: Row) -> list[str]:
        return [judged_by(metric, text, completion) for text in texts_of(row, completion)]

    columns = (*template_fields(prompt), completion)
    return Task(name, "generation", prompt, columns=columns, right=right, metric=metric)


def choice_task(prompt: str, options: Sequence[str], label: str = "label", *, name: str = "custom") -> Task:
    """A choice among the options of each row, which are compared by mean log-likelihood per token.

    Args:
        prompt: a format string over the columns, ending where an option follows.
        options: one column with a list of texts; or several, each with the text of one option.
        label: the column with the right one: its number from 0, its letter from A, or its text. A label that would be
            one option by its text and another by its number is refused, unless it is a number among options of text.

    Raises: ValueError, also for options of one row that are alike.

    >>> task = choice_task("{question}\\nAnswer:", ["choices"], "answer")
    >>> row = {"question": "2 + 2?", "choices": ["3", "4"], "answer": "B"}
    >>> task.candidates(row), task.golds(row)
    ((' 3', ' 4'), (1,))
    """
    columns = [options] if isinstance(options, str) else list(options)
    for column in columns or [""]:
        check_column("options", column)
    if len(set(columns)) < len(columns):
        raise ValueError(f"`options` must be different columns, got {', '.join(columns)}: name each once.")
    check_prompt(prompt, label, "options")

    def texts(row: Row) -> list[str]:
        found = [text for column in columns for text in texts_of(row, column)]
        if len(found) < 2:
            raise ValueError(
                f"`options` must be two texts or more, got {found!r:.60} in {', '.join(columns)}: mend or drop the row."
            )
        bare = [text.strip() for text in found]
        if len(set(bare)) < len(bare):
            raise ValueError(
                f"`options` must be different texts, got {found!r:.60} in {', '.join(columns)}: mend or drop the row."
            )
        return [answer_separator(prompt, text) + text for text in found]

    def right(row: Row) -> list[str]:
        found = texts(row)
        numbers = not isinstance(row[label], str) and all(_holds_text(row[column]) for column in columns)
        return [found[chosen(row[label], [text.strip() for text in found], label, numbers=numbers)]]

    return Task(name, "choice", prompt, columns=(*template_fields(prompt), *columns, label), options=texts, right=right)


def _holds_text(value: Any) -> bool:
    """Whether the options of a column are written as text, and not as numbers."""
    return all(isinstance(one, str) for one in (value if isinstance(value, list | tuple) else [value]))


def chosen(value: Any, texts: Sequence[str], label: str, *, numbers: bool = False) -> int:
    """Which option a label means: one by its text, its number from 0, or its letter from A.

    numbers: whether a number is never a text. Raises: ValueError for a label that means none, or two.
    """
    word = str(value).strip()
    number = integer_value(value)
    if number is None and len(word) == 1 and word.isascii() and word.isupper():
        number = ord(word) - ord("A")
    counted = number is not None and 0 <= number < len(texts)
    if word in texts and not (numbers and counted):
        place = texts.index(word)
        if counted and number != place:
            raise ValueError(
                f"`{label}` must mean one option, and {value!r} is the text of option {place} and the place of option "
                f"{number}, counted from 0: give {'its number' if word.isalpha() else 'the letter of the right one'}."
            )
        return place
    if number is None or not counted:
        raise ValueError(
            f"`{label}` must be the text of an option, its number from 0 to {len(texts) - 1} or its letter from A, got "
            f"{value!r}: mend the row."
        )
    return number


def chat_task(messages: str = "messages", *, metric: Metric = "likelihood", name: str = "custom") -> Task:
    """Chats in the model's own template; the answer is the last message, and the others stand before it.

    Source: the chat template of the tokenizer, whose special tokens are the only ones: what is said in a chat is text.

    Args:
        messages: the column with a list of {"role": …, "content": …}; the last is the assistant's.
        metric: as for `completion_task`.

    Raises: ValueError.

    >>> chat = [{"role": "user", "content": "2 + 2?"}, {"role": "assistant", "content": "4"}]
    >>> chat_task().references({"messages": chat})
    ['4']
    """
    check_column("messages", messages)
    check_metric(metric)

    def right(row: Row) -> list[str]:
        return [judged_by(metric, task.messages(row)[-1].content, messages)]

    task = Task(name, "generation", "", columns=(messages,), right=right, chat=messages, metric=metric)
    return task


def texts_of(row: Row, column: str) -> list[str]:
    """The texts of a column: one, a list of them, or {"text": a list}, as SQuAD has it.

    Raises: ValueError for a column that holds none, or an empty one.
    """
    value = row[column]
    if isinstance(value, Mapping):
        value = value.get("text")
    texts = [value_text(column, text) for text in (value if isinstance(value, list | tuple) else [value])]
    if not texts or not all(texts):
        raise ValueError(f"the column {column!r} must hold a text, got {row[column]!r:.60}: mend or drop the row.")
    return texts


def judged_by(metric: str, text: str, column: str) -> str:
    """The text. Raises: ValueError where a model that writes one line could not be right."""
    if metric != "likelihood" and "\n" in text:
        raise ValueError(
            f"the column {column!r} must hold texts of one line where they are judged by {metric}, got {text!r:.60}: "
            "take likelihood."
        )
    return text


def check_prompt(prompt: str, answer: str, what: str) -> None:
    """Raises: ValueError for a prompt of a causal model that cannot be filled in or continued."""
    check_template("prompt", prompt, answer)
    if "mask" in template_fields(prompt):
        raise ValueError(
            f"`prompt` must end where the answer follows, got {prompt!r}: {{mask}} goes into `masked_prompt`."
        )
    check_end(prompt, what)


def check_column(argument: str, name: str) -> None:
    check_argument(argument, name)
    if not name.strip():
        raise ValueError(f"`{argument}` must name a column, got {name!r}: give its name as the file has it.")


def check_metric(metric: str) -> None:
    if metric not in COMPLETED_BY:
        raise ValueError(f"`metric` must be one of {', '.join(COMPLETED_BY)}; got {metric!r}.")


def check_end(prompt: str, what: str) -> None:
    """Raises: ValueError for a prompt that ends in a space, a tab or another blank but a line break."""
    if prompt[-1:].isspace() and not prompt.endswith("\n"):
        raise ValueError(f"`prompt` must end without a space, got {prompt!r}: the space belongs to the {what}.")


def check_template(argument: str, template: str, answer: str) -> None:
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
        raise ValueError(f"`{argument}` must hold a column in braces, such as {{text}}, got {template!r}.")
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


def check_words(argument: str, words: Sequence[str]) -> None:
    for word in words:
        check_argument(argument, word)
    bare = [word.strip().casefold() for word in words]
    if isinstance(words, str) or len(bare) < 2:
        raise ValueError(
            f"`{argument}` must be at least two words, one for each label, got {words!r}: nothing to tell apart."
        )
    if "" in bare or len(set(bare)) < len(bare):
        raise ValueError(f"`{argument}` must be different words, none of them empty, got {list(words)}.")
