"""A prompt in parts: the author's template, and the data, in which no field or special token is ever looked for."""

import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from string import Formatter
from typing import Any, Literal, NamedTuple

from mezo_lab.validation import python_number

Origin = Literal["template", "data", "mask"]
Span = tuple[int, int]  # the first character and the one behind the last

MASK = "{mask}"
_QUOTES = ('"', "'")
_SPACELESS = ("THAI ", "LAO ", "KHMER ", "MYANMAR ", "TIBETAN ", "HALFWIDTH KATAKANA")


class Part(NamedTuple):
    """A piece of a prompt that has one origin."""

    text: str
    origin: Origin
    """Whether the author of the template wrote it, the data hold it, or it marks the mask."""


@dataclass(frozen=True)
class Prompt:
    """A text whose parts know their origin.

    >>> prompt = fill_template("{text} It was {mask}", {"text": "a {mask} film"})
    >>> str(prompt), prompt.spans("mask")
    ('a {mask} film It was {mask}', [(21, 27)])
    """

    parts: tuple[Part, ...] = ()
    marked: bool = False
    """Whether the text holds its own tokens of beginning and end, as a chat does."""

    def __str__(self) -> str:
        return "".join(part.text for part in self.parts)

    def __bool__(self) -> bool:
        return any(part.text for part in self.parts)

    def __add__(self, other: "Prompt") -> "Prompt":
        return Prompt((*self.parts, *other.parts), self.marked or other.marked)

    def spans(self, origin: Origin) -> list[Span]:
        """The spans of all parts of one origin that are not empty."""
        spans = []
        end = 0
        for part in self.parts:
            start = end
            end += len(part.text)
            if part.origin == origin and part.text:
                spans.append((start, end))
        return spans

    def with_mask(self, token: str) -> "Prompt":
        """The prompt with the model's own token in place of the mask, and nowhere else."""
        parts = []
        for part in self.parts:
            if part.origin == "mask":
                part = Part(token, "mask")
            parts.append(part)
        return Prompt(tuple(parts), self.marked)

    def without_line_breaks(self) -> "Prompt":
        """The prompt without line breaks at either end."""
        text = str(self)
        first = len(text) - len(text.lstrip("\n"))
        last = len(text.rstrip("\n"))
        return Prompt(tuple(self._slice(first, last)), self.marked)

    def _slice(self, first: int, last: int) -> Iterator[Part]:
        start = 0
        for part in self.parts:
            text = part.text[max(0, first - start) : max(0, last - start)]
            start += len(part.text)
            if text:
                yield Part(text, part.origin)


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

    Raises: ValueError for bytes, lists and objects, which only Python's own notation could show.
    """
    if isinstance(value, str):
        return value.strip()
    value = python_number(value)
    if value is None:
        kind = "nothing"
    elif hasattr(value, "__len__"):  # bytes, lists, mappings, arrays
        kind = f"a value of type {type(value).__name__}"
    else:
        return str(value)
    raise ValueError(f"the column {name!r} must hold text or a number, got {kind}: make a text of it.")


def substitute(template: str, mark: re.Pattern[str], values: Mapping[str, str]) -> Prompt:
    """A text in which marks with a name stand for values that came with the data."""
    parts: list[Part] = []
    for number, piece in enumerate(mark.split(template)):
        if number % 2 == 0:  # re.split gives a text and the name in a mark in turn
            parts.append(Part(piece, "template"))
        else:
            parts.append(Part(values[piece], "data"))
    return Prompt(tuple(parts))


def answer_separator(prompt: str, answer: str) -> str:
    """The space between a prompt and an answer, or nothing.

    Nothing stands behind a line break, an opening bracket or quotation mark, and behind a letter or sign of a script
    that is written without spaces, such as Chinese. Where the prompt ends in a column, the answer's script decides.

    >>> [answer_separator(prompt, "good") for prompt in ("It was", "Label:\\n", 'It was "', "评价：")]
    [' ', '', '', '']
    >>> answer_separator("{text}", "正面"), answer_separator("{text}", "good"), answer_separator('"{text}" was', "正面")
    ('', ' ', ' ')
    """
    if prompt.endswith("}") and not prompt.endswith("}}"):
        return "" if _is_spaceless(answer[:1]) else " "
    last = prompt[-1:]
    if last == "\n" or _opens(prompt) or _is_spaceless(last):
        return ""
    return " "


def _opens(prompt: str) -> bool:
    """Whether a prompt ends in an opening bracket or quotation mark."""
    last = prompt[-1:]
    if last == '"' and prompt.count(last) % 2 == 1:
        return True
    if last in _QUOTES and prompt[-2:-1].isspace():  # an apostrophe may close a word, as in "the critics'"
        return True
    return last != "" and unicodedata.category(last) in ("Ps", "Pi")


def _is_spaceless(character: str) -> bool:
    """Whether a character is of a script that is written without spaces between words; Korean has them."""
    if not character:
        return False
    name = unicodedata.name(character, "")
    is_wide = unicodedata.east_asian_width(character) in ("W", "F")
    is_letter_or_sign = unicodedata.category(character)[0] in "LPN"
    return (is_wide and is_letter_or_sign and "HANGUL" not in name) or name.startswith(_SPACELESS)
