"""From text to tokens; data never become special tokens."""

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

from mezo_lab.finetune.tasks.prompts import Prompt, Span

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_CONTROL = re.compile(r"<.+>|\[.+\]")  # an added token that is not marked special but acts as one, such as <think>
_NOWHERE = (-1, -1)


class Token(NamedTuple):
    """A token, and where it stands in the text."""

    id: int
    start: int
    """The first of its characters in the text; −1 where it has none, or where the tokenizer does not say."""
    end: int
    """The character behind its last one."""


class Segmenter:
    """A tokenizer that finds special tokens in the template of a task, and never in data.

    Formula: the text is tokenized whole. Where a special token covers a character of the data, the text is cut in the
    middle of these characters, and its parts are tokenized one by one, which leaves ordinary tokens. A text without
    the names of special tokens keeps its usual tokens.
    Cost: one tokenization; for a text that is cut, one more for each level of cuts.

    >>> from tokenizers import Tokenizer, models, pre_tokenizers
    >>> from transformers import PreTrainedTokenizerFast
    >>> from mezo_lab.finetune.tasks.prompts import data_text, template_text
    >>> words = Tokenizer(models.WordLevel({"a": 0, "<": 1, "s": 2, ">": 3, "?": 4}, unk_token="?"))
    >>> words.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    >>> segmenter = Segmenter(PreTrainedTokenizerFast(tokenizer_object=words, eos_token="<s>", unk_token="?"))
    >>> [token.id for token in segmenter.tokens(data_text("a <s>") + template_text("<s>"))]
    [0, 1, 2, 3, 5]
    """

    def __init__(self, tokenizer: "PreTrainedTokenizerBase"):
        self.tokenizer = tokenizer

    def tokens(self, prompt: Prompt, *, framed: bool = True) -> list[Token]:
        """The tokens of a prompt, framed by the tokenizer's own marks, unless the prompt brings marks of its own."""
        framed = framed and not prompt.marked
        text, data = str(prompt), prompt.spans("data")
        tokens = self._read(text, framed)
        if not any(self._is_forged(token, text, data) for token in tokens):
            return tokens
        tokens = list(self._read_parts(text, (0, len(text)), data))
        if framed:
            tokens = self._in_frame(tokens)
        return tokens

    def suffix_length(self, prompt: Prompt) -> int:
        """The number of tokens that the tokenizer puts behind a prompt."""
        if prompt.marked:
            return 0
        return len(self._frame[1])

    def _in_frame(self, tokens: list[Token]) -> list[Token]:
        before, after = self._frame
        return [*_without_span(before), *tokens, *_without_span(after)]

    def _read_parts(self, text: str, part: Span, data: Sequence[Span]) -> Iterator[Token]:
        """The tokens of a part of the text, which is cut until no special token covers data."""
        first, last = part
        tokens = [
            token._replace(start=token.start + first, end=token.end + first)
            for token in self._read(text[first:last], framed=False)
        ]
        forged = [_core(text, token) for token in tokens if self._is_forged(token, text, data)]
        if not forged:
            yield from tokens
            return
        middles = [(start + end) // 2 for start, end in forged]
        for piece in pairwise((first, *middles, last)):
            yield from self._read_parts(text, piece, data)

    def _is_forged(self, token: Token, text: str, data: Sequence[Span]) -> bool:
        """Whether a token is a special one whose characters came with the data."""
        if token.id not in self._special:
            return False
        start, end = _core(text, token)
        # a word that the tokenizer does not know is no forgery, but its name for such words is
        unknown = token.id == self.tokenizer.unk_token_id and text[start:end] != self.tokenizer.unk_token
        return end - start > 1 and not unknown and any(start < last and first < end for first, last in data)

    def _read(self, text: str, framed: bool) -> list[Token]:
        if not self.tokenizer.is_fast:
            return self._read_slowly(text, framed)
        encoding = self.tokenizer(text, add_special_tokens=framed, return_offsets_mapping=True)
        return [Token(id, *span) for id, span in zip(encoding.input_ids, encoding.offset_mapping, strict=True)]

    def _read_slowly(self, text: str, framed: bool) -> list[Token]:
        """The tokens of a tokenizer that gives no spans, but splits a text at the names of special tokens."""
        names = self._names.finditer(text)
        special = [id for id in self._special if id != self.tokenizer.unk_token_id]  # any word may become unknown
        tokens = []
        for id in self.tokenizer(text, add_special_tokens=False).input_ids:
            span = _NOWHERE
            if id in special and (name := next(names, None)):
                span = name.span()
            tokens.append(Token(id, *span))
        if framed:
            tokens = self._in_frame(tokens)
        return tokens

    @cached_property
    def _special(self) -> dict[int, str]:
        """The names of the special tokens by number. One character alone, such as a line break, is text."""
        added = self.tokenizer.added_tokens_decoder.items()
        names = {id: token.content for id, token in added if token.special or _CONTROL.fullmatch(token.content)}
        names |= dict(zip(self.tokenizer.all_special_ids, self.tokenizer.all_special_tokens, strict=True))
        return {id: name for id, name in names.items() if len(name) > 1}

    @cached_property
    def _names(self) -> re.Pattern[str]:
        names = [name for name in self._special.values() if name != self.tokenizer.unk_token]
        longest_first = sorted(names, key=len, reverse=True)
        return re.compile("|".join(map(re.escape, longest_first)) or "(?!)")

    @cached_property
    def _frame(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """The tokens that the tokenizer puts in front of a text and behind it."""
        bare = list(self.tokenizer("a", add_special_tokens=False).input_ids)
        whole = list(self.tokenizer("a", add_special_tokens=True).input_ids)
        for start in range(len(whole) - len(bare) + 1):
            if whole[start : start + len(bare)] == bare:
                return tuple(whole[:start]), tuple(whole[start + len(bare) :])
        return (), ()


def _core(text: str, token: Token) -> Span:
    """The characters of a token without the spaces that some special tokens swallow at their sides."""
    characters = text[max(token.start, 0) : max(token.end, 0)]
    start = token.start + len(characters) - len(characters.lstrip())
    return start, max(start, start + len(characters.strip()))


def _without_span(ids: Iterable[int]) -> list[Token]:
    return [Token(id, *_NOWHERE) for id in ids]
