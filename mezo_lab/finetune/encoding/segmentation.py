"""From text to tokens; data never become special tokens."""

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

from mezo_lab.finetune.tasks.prompts import Prompt, Span

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

CONTROL = re.compile(r"<.+>|\[.+\]")  # an added token that is not called special and yet says something, as <think>
NOWHERE = (-1, -1)


class Token(NamedTuple):
    id: int
    start: int  # of its characters in the text; −1 where it has none, or where the tokenizer does not say
    end: int


class Segmenter:
    """A tokenizer that finds special tokens in what the author of a task wrote, and never in data.

    Formula: the text is tokenized whole, as ever. Where a special token covers a character of the data, the text is cut
    in the middle of these characters, and its parts are tokenized one by one: ordinary tokens are left. Hence a text
    without the names of special tokens has the tokens that it always had.
    Cost: of one tokenization; of a text that is cut, one more for each level of cuts.

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
        found = self._read(text, framed)
        if not any(self._forged(token, text, data) for token in found):
            return found
        apart = list(self._apart(text, (0, len(text)), data))
        if not framed:
            return apart
        before, behind = self._frame
        return [*_nowhere(before), *apart, *_nowhere(behind)]

    def behind(self, prompt: Prompt) -> int:
        """How many tokens the tokenizer puts behind a prompt."""
        return 0 if prompt.marked else len(self._frame[1])

    def _apart(self, text: str, part: Span, data: Sequence[Span]) -> Iterator[Token]:
        """The tokens of a part of the text, which is cut until no special token covers data."""
        first, last = part
        found = [
            token._replace(start=token.start + first, end=token.end + first)
            for token in self._read(text[first:last], framed=False)
        ]
        forged = [_core(text, token) for token in found if self._forged(token, text, data)]
        if not forged:
            yield from found
            return
        for piece in pairwise((first, *((start + end) // 2 for start, end in forged), last)):
            yield from self._apart(text, piece, data)

    def _forged(self, token: Token, text: str, data: Sequence[Span]) -> bool:
        """Whether it is a special token whose characters came with the data."""
        if token.id not in self._marks:
            return False
        start, end = _core(text, token)
        # a word that the tokenizer does not know is no forgery, but its name for such words is
        unknown = token.id == self.tokenizer.unk_token_id and text[start:end] != self.tokenizer.unk_token
        return end - start > 1 and not unknown and any(start < last and first < end for first, last in data)

    def _read(self, text: str, framed: bool) -> list[Token]:
        if not self.tokenizer.is_fast:
            return self._read_slowly(text, framed)
        found = self.tokenizer(text, add_special_tokens=framed, return_offsets_mapping=True)
        return [Token(id, *span) for id, span in zip(found.input_ids, found.offset_mapping, strict=True)]

    def _read_slowly(self, text: str, framed: bool) -> list[Token]:
        """With a tokenizer that does not say where its tokens stand, but splits a text at the names of special ones."""
        names = self._names.finditer(text)
        marks = [id for id in self._marks if id != self.tokenizer.unk_token_id]  # which any word may become
        found = []
        for id in self.tokenizer(text, add_special_tokens=False).input_ids:
            name = next(names, None) if id in marks else None
            found.append(Token(id, *(name.span() if name else NOWHERE)))
        before, behind = self._frame if framed else ((), ())
        return [*_nowhere(before), *found, *_nowhere(behind)]

    @cached_property
    def _marks(self) -> dict[int, str]:
        """The special tokens by number. One character alone, such as a line break, is text."""
        added = self.tokenizer.added_tokens_decoder.items()
        marks = {id: token.content for id, token in added if token.special or CONTROL.fullmatch(token.content)}
        marks |= dict(zip(self.tokenizer.all_special_ids, self.tokenizer.all_special_tokens, strict=True))
        return {id: name for id, name in marks.items() if len(name) > 1}

    @cached_property
    def _names(self) -> re.Pattern[str]:
        names = [name for name in self._marks.values() if name != self.tokenizer.unk_token]
        longest_first = sorted(names, key=len, reverse=True)
        return re.compile("|".join(map(re.escape, longest_first)) or "(?!)")

    @cached_property
    def _frame(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """What the tokenizer puts before and behind a text."""
        bare, whole = (list(self.tokenizer("a", add_special_tokens=special).input_ids) for special in (False, True))
        for start in range(len(whole) - len(bare) + 1):
            if whole[start : start + len(bare)] == bare:
                return tuple(whole[:start]), tuple(whole[start + len(bare) :])
        return (), ()


def _core(text: str, token: Token) -> Span:
    """Its characters without spaces, which some special tokens swallow at their sides."""
    characters = text[max(token.start, 0) : max(token.end, 0)]
    start = token.start + len(characters) - len(characters.lstrip())
    return start, max(start, start + len(characters.strip()))


def _nowhere(ids: Iterable[int]) -> list[Token]:
    return [Token(id, *NOWHERE) for id in ids]
