"""A prompt in parts: the author's template, and the data, in which no field or special token is ever found."""

import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from string import Formatter
from typing import Any, Literal, NamedTuple

Origin = Literal["template", "data", "mask"]
Span = tuple[int, int]  # from a character to the one behind the last

MASK = "{mask}"
QUOTES = ('"', "'")
SPACELESS = ("THAI ", "LAO ", "KHMER ", "MYANMAR ", "TIBETAN ", "HALFWIDTH KATAKANA")


class Part(NamedTuple):
    text: str
    origin: Origin


@dataclass(frozen=True)
class Prompt:
    """Text with its origins. `marked`: whether it brings its own marks of beginning and end, as a chat does.

    >>> prompt = fill_template("{text} It was {mask}", {"text": "a {mask} film"})
    >>> str(prompt), prompt.spans("mask")
    ('a {mask} film It was {mask}', [(21, 27)])
    """

    parts: tuple[Part, ...] = ()
    marked: bool = False

    def __str__(self) -> str:
        return "".join(part.text for part in self.parts)

    def __bool__(self) -> bool:
        return any(part.text for part in self.parts)

    def __add__(self, other: "Prompt") -> "Prompt":
        return Prompt((*self.parts, *other.parts), self.marked or other.marked)

    def spans(self, origin: Origin) -> list[Span]:
        """Where the parts of one origin stand, but for empty ones."""
        ends = 0
        found = []
        for part in self.parts:
            begins, ends = ends, ends + len(part.text)
            if part.origin == origin and part.text:
                found.append((begins, ends))
        return found

    def with_mask(self, token: str) -> "Prompt":
        """With the model's own token where the mask is asked for, and nowhere else."""
        parts = (part._replace(text=token) if part.origin == "mask" else part for part in self.parts)
        return Prompt(tuple(parts), self.marked)

    def without_line_breaks(self) -> "Prompt":
        """Without line breaks at either end."""
        text = str(self)
        first, last = len(text) - len(text.lstrip("\n")), len(text.rstrip("\n"))
        return Prompt(tuple(self._between(first, last)), self.marked)

    def _between(self, first: int, last: int) -> Iterator[Part]:
        begins = 0
        for part in self.parts:
            text = part.text[max(0, first - begins) : max(0, last - begins)]
            begins += len(part.text)
            if text:
                yield part._replace(text=text)


def template_text(text: str) -> Prompt:
    """A text that the author of a task wrote: a tokenizer may find its special tokens in it."""
    return Prompt((Part(text, "template"),))


def data_text(text: str) -> Prompt:
    """A text that came with the data, or that is an answer."""
    return Prompt((Part(text, "data"),))


def fill_template(template: str, values: Mapping[str, Any]) -> Prompt:
    """A format string with the values of its columns; what stands in a value is never a field.

    Raises: KeyError for a column that is not there; ValueError for a value that is no text.

    >>> str(fill_template("{{{a}}} {a}", {"a": "{b} {0.__class__}"}))
    '{{b} {0.__class__}} {b} {0.__class__}'
    """
    parts: list[Part] = []
    for literal, name, _, _ in Formatter().parse(template):
        parts.append(Part(literal, "template"))
        if name == "mask":
            parts.append(Part(MASK, "mask"))
        elif name is not None:
            parts.append(Part(value_text(name, values[name]), "data"))
    return Prompt(tuple(parts))


def value_text(name: str, value: Any) -> str:
    """A value as a prompt shows it, without the spaces at its ends: a text, or a number.

    Raises: ValueError for bytes, lists and objects, of which only Python's own notation could be shown.
    """
    if isinstance(value, str):
        return value.strip()
    value = scalar(value)
    if value is None or isinstance(value, bytes | bytearray | memoryview | Mapping | list | tuple | set):
        kind = "nothing" if value is None else f"a value of type {type(value).__name__}"
        raise ValueError(f"the column {name!r} must hold text or a number, got {kind}: make a text of it.")
    return str(value)


def scalar(value: Any) -> Any:
    """The number that a scalar of numpy or torch holds, a list for an array; anything else as it is."""
    holds = getattr(value, "tolist", None)
    return holds() if callable(holds) else value


def substitute(template: str, mark: re.Pattern[str], values: Mapping[str, str]) -> Prompt:
    """A text in which marks with a name stand for values that came with the data."""
    pieces = mark.split(template)  # in turn a text, and the name in a mark
    parts = [
        Part(values[piece], "data") if index % 2 else Part(piece, "template") for index, piece in enumerate(pieces)
    ]
    return Prompt(tuple(parts))


def answer_separator(prompt: str, answer: str) -> str:
    """The space between a prompt and an answer, or none.

    None stands behind a line break, an opening bracket or quotation mark, and behind a letter or sign of a script that
    is written without spaces, such as Chinese. Where the prompt ends in a column, the answer's own script decides.

    >>> [answer_separator(prompt, "good") for prompt in ("It was", "Label:\\n", 'It was "', "评价：")]
    [' ', '', '', '']
    >>> answer_separator("{text}", "正面"), answer_separator("{text}", "good"), answer_separator('"{text}" was', "正面")
    ('', ' ', ' ')
    """
    if prompt.endswith("}") and not prompt.endswith("}}"):
        return "" if without_spaces(answer[:1]) else " "
    last = prompt[-1:]
    # an apostrophe may close a word, as in "the critics'"
    opened = (last == '"' and prompt.count(last) % 2 == 1) or (last in QUOTES and prompt[-2:-1].isspace())
    opening = unicodedata.category(last) in ("Ps", "Pi") if last else False
    return "" if last == "\n" or opened or opening or without_spaces(last) else " "


def without_spaces(character: str) -> bool:
    """Whether a character is of a script that is written without spaces between words; Korean has them."""
    name = unicodedata.name(character, "") if character else ""
    wide = unicodedata.east_asian_width(character) in ("W", "F") if character else False
    return (wide and "HANGUL" not in name and unicodedata.category(character)[0] in "LPN") or name.startswith(SPACELESS)
