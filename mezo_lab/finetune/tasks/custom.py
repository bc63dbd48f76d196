"""A task of one's own: a prompt over one's own columns, and label words."""

import unicodedata
from collections.abc import Sequence
from string import Formatter

from mezo_lab.finetune.tables import check_argument
from mezo_lab.finetune.tasks.task import Task, fields

QUOTES = ('"', "'")
SPACELESS = ("THAI ", "LAO ", "KHMER ", "MYANMAR ", "TIBETAN ", "HALFWIDTH KATAKANA")


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
            is put in front of each where running text has one: see `joint`.
        label: the column with the right answer: its number, its name in `labels`, or the label word itself.
        masked_prompt: the same for a model that fills in a mask, with {mask} where the word goes.
        labels: the names of the labels in the data, in the order of `answers`, such as "neg", "pos".

    Raises: ValueError.

    >>> task = custom_task("{title}: {body}\\nTopic:", ("sports", "politics"), label="topic")
    >>> task.text({"title": "Final", "body": "They won. "}), task.answers, task.gold({"topic": "politics"})
    ('Final: They won.\\nTopic:', (' sports', ' politics'), 1)
    """
    check_template("prompt", prompt, label)
    if "mask" in fields(prompt):
        raise ValueError(
            f"`prompt` must end where the answer follows, got {prompt!r}: {{mask}} goes into `masked_prompt`."
        )
    if masked_prompt is not None:
        check_template("masked_prompt", masked_prompt, label)
        if masked_prompt.count("{mask}") != 1:
            raise ValueError(f"`masked_prompt` must hold {{mask}} once, where the word goes, got {masked_prompt!r}.")
    check_end(prompt, "label words")
    check_words("answers", answers)
    if labels:
        check_words("labels", labels)
        if len(labels) != len(answers):
            raise ValueError(
                f"`labels` must name each of the {len(answers)} answers, got {len(labels)}: {list(labels)}."
            )
    words = tuple(joint(prompt, word.strip()) + word.strip() for word in answers)
    return Task(name, "classification", prompt, words, masked_prompt, label, tuple(labels))


def joint(prompt: str, answer: str) -> str:
    """The space between a prompt and an answer, or none.

    None stands behind a line break, an opening bracket or quotation mark, and behind a letter or sign of a script that
    is written without spaces, such as Chinese. Where the prompt ends in a column, the answer's own script decides.

    >>> [joint(prompt, "good") for prompt in ("It was", "Label: ```\\n", 'It was "', "评价：")]
    [' ', '', '', '']
    >>> joint("{text}", "正面"), joint("{text}", "good"), joint('"{text}" was', "正面")
    ('', ' ', ' ')
    """
    last = answer[:1] if prompt.endswith("}") and not prompt.endswith("}}") else prompt[-1:]
    # an apostrophe may close a word, as in "the critics'"
    opened = (last == '"' and prompt.count(last) % 2 == 1) or (last in QUOTES and prompt[-2:-1].isspace())
    opening = unicodedata.category(last) in ("Ps", "Pi") if last else False
    return "" if last == "\n" or opened or opening or without_spaces(last) else " "


def without_spaces(character: str) -> bool:
    """Whether a character is of a script that is written without spaces between words; Korean has them."""
    name = unicodedata.name(character, "") if character else ""
    wide = unicodedata.east_asian_width(character) in ("W", "F") if character else False
    return (wide and "HANGUL" not in name and unicodedata.category(character)[0] in "LPN") or name.startswith(SPACELESS)


def check_end(prompt: str, what: str) -> None:
    """Raises: ValueError for a prompt that ends in a space, a tab or another blank but a line break."""
    if prompt[-1:].isspace() and not prompt.endswith("\n"):
        raise ValueError(f"`prompt` must end without a space, got {prompt!r}: the space belongs to the {what}.")


def check_template(argument: str, template: str, answer: str) -> None:
    """Raises: ValueError for a template that cannot be filled in, or that shows the column with the answer."""
    check_argument(argument, template)
    try:
        names = fields(template)
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
