"""Rows of a task as token ids: where the model is asked, and which tokens are right there."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from mezo_lab.finetune.data.rows import Row
from mezo_lab.finetune.encoding.logits import Encoded
from mezo_lab.finetune.encoding.segmentation import Segmenter, Token
from mezo_lab.finetune.tasks import Task
from mezo_lab.finetune.tasks.chats import render_chat
from mezo_lab.finetune.tasks.prompts import Prompt, data_text, template_text
from mezo_lab.finetune.tasks.task import Kind

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


NEW_TOKENS = 50  # of a generated answer at most, as in the paper's code


class Encoder:
    """A task in the tokens of one model.

    Source: paper, Appendix E: an answer stands behind its prompt (or at its mask), and the model is asked at the tokens
    of the answer. What came with the data is text: neither a field of the prompt nor a special token is made of it.
    Label words that are one token each are compared at one position. Where a causal model's tokenizer makes several of
    one of them, all are compared as the options of a choice are, by mean log-likelihood per token.

    Args:
        task: what is asked. tokenizer: the model's. sample: any row, on which the label words are tried.
        masked: whether the model fills in a mask. limit: tokens that the model can read.
        cut: whether a longer text loses its beginning; otherwise it is an error.
        before: text in front of every prompt, such as solved examples.

    Raises: ValueError for label words that are the same to the tokenizer, or where a masked model cannot be asked.
    """

    def __init__(
        self,
        task: Task,
        tokenizer: "PreTrainedTokenizerBase",
        sample: Row,
        *,
        masked: bool = False,
        limit: int | None = None,
        cut: bool = False,
        before: Prompt | str = "",
    ):
        self.task, self.tokenizer, self.masked = task, tokenizer, masked
        self.limit, self.cut = limit, cut
        self.before = data_text(before) if isinstance(before, str) else before
        self.segmenter = Segmenter(tokenizer)
        if masked and (task.masked_prompt is None or tokenizer.mask_token is None):
            raise ValueError(
                f"`task` must have a prompt with {{mask}} for a masked model, got {task.name}: give one, or take a "
                "causal model."
            )
        # in the order of the labels; empty where a word is several tokens, and for tasks without label words
        self.labels: tuple[int, ...] = self._label_tokens(sample) if task.kind == "classification" else ()

    @property
    def kind(self) -> Kind:
        """How the model is asked: label words of several tokens are a choice among them."""
        return "choice" if self.compares_words else self.task.kind

    @property
    def compares_words(self) -> bool:
        """Whether label words are compared as whole words, as one of them is several tokens."""
        return self.task.kind == "classification" and not self.labels

    def encode_training(self, row: Row) -> Encoded:
        """The prompt with its right answer, to learn from."""
        gold = self.task.gold(row)
        return self.encode_prompt(row, self.labels[gold]) if self.labels else self.encode_with_answer(row, gold)

    def encode_options(self, row: Row) -> list[Encoded]:
        """The prompt with each of its possible answers."""
        return [self.encode_with_answer(row, option) for option in range(len(self.task.candidates(row)))]

    def encode_evaluation(self, row: Row) -> list[Encoded]:
        """What an evaluation asks of a row: every option of a choice, otherwise its prompt."""
        if self.task.metric == "likelihood":
            return [self.encode_training(row)]
        return self.encode_options(row) if self.kind == "choice" else [self.encode_prompt(row)]

    def encode_prompt(self, row: Row, target: int = 0) -> Encoded:
        """The prompt alone, asked for one token where it ends or at its mask."""
        prompt = self.prompt(row)
        found = self._tokens(prompt)
        found = self._within(found, prompt, room=NEW_TOKENS if self.task.kind == "generation" else 0)
        if not found:
            raise ValueError(f"a prompt must have at least one token, got none from {dict(row)!r:.80}…: drop the row.")
        position = self._mask_place(found, prompt) if self.masked else len(found) - 1
        return Encoded(_ids(found), (position,), (target,))

    def encode_with_answer(self, row: Row, option: int) -> Encoded:
        """The prompt and an answer behind it, asked for every token of the answer."""
        prompt, answer = self.prompt(row), self._answer(row, option)
        whole = prompt + answer
        alone, found = _ids(self._tokens(prompt)), self._tokens(whole)
        targets = _ids(found)[_shared(alone, _ids(found)) :]
        if self.limit is not None and len(targets) >= self.limit:
            raise ValueError(
                f"an answer must have fewer than the {self.limit} tokens that the model reads, got {len(targets)} in "
                f"{str(answer)[:40]!r}…: shorten it, or drop the row."
            )
        if not targets:
            raise ValueError(
                f"an answer must have at least one token of its own, got none from {str(answer)!r:.60} behind a prompt "
                f"that ends in {str(prompt)[-20:]!r}: drop the row, or take a model whose tokenizer knows the words."
            )
        found = self._within(found, prompt)
        positions = range(len(found) - len(targets) - 1, len(found) - 1)
        return Encoded(_ids(found), tuple(positions), targets)

    def text(self, row: Row) -> str:
        """The text that the model is asked about."""
        return str(self.prompt(row))

    def prompt(self, row: Row) -> Prompt:
        """`text` with its origins."""
        if self.task.chat:
            return render_chat(self.tokenizer, self.task.messages(row))[0]
        prompt = self.before + self.task.fill_prompt(row, self.masked)
        return prompt.with_mask(str(self.tokenizer.mask_token)) if self.masked else prompt

    def _answer(self, row: Row, option: int) -> Prompt:
        """An answer; with the mark that ends a text of the model, where it is learnt too."""
        if self.task.chat:
            return render_chat(self.tokenizer, self.task.messages(row))[1]
        answer = data_text(self.task.answer(row, option))
        return (
            answer + template_text(str(self.tokenizer.eos_token or "\n"))
            if self.task.metric == "likelihood"
            else answer
        )

    def _tokens(self, prompt: Prompt) -> list[Token]:
        """The tokens of a prompt; a causal model continues it, so that no mark of its end stands there."""
        found = self.segmenter.tokens(prompt)
        return found if self.masked else found[: len(found) - self.segmenter.behind(prompt)]

    def _mask_place(self, tokens: Sequence[Token], prompt: Prompt) -> int:
        """Which token is the mask that the task asks for, wherever else its name may stand."""
        ((first, last),) = prompt.spans("mask")
        for position, token in enumerate(tokens):
            if token.id == self.tokenizer.mask_token_id and token.start < last and first < token.end:
                return position
        raise ValueError(
            f"`tokenizer` must read its own mask token {self.tokenizer.mask_token!r} as one, and makes other tokens of "
            f"it in {str(prompt)[:40]!r}…: put spaces around {{mask}}."
        )

    def _within(self, tokens: list[Token], prompt: Prompt, room: int = 0) -> list[Token]:
        """Tokens that the model can read, with room for some more where they are cut.

        Raises: ValueError for more of them, unless their beginning may be cut and something of the data is left.
        """
        if self.limit is None:
            return tokens
        most = self.limit - min(room, self.limit // 2) if self.cut else self.limit
        if len(tokens) <= most:
            return tokens
        start = str(prompt)[:40]
        if not self.cut:
            raise ValueError(
                f"a text must have at most {self.limit} tokens, got {len(tokens)} in {start!r}…: shorten it, or pass "
                "--cut to drop the beginnings of long texts."
            )
        found = self._shortened(tokens, prompt, len(tokens) - most)
        if self.tokenizer.is_fast and not self._shows_data(found, prompt):
            raise ValueError(
                f"a prompt must leave room for its columns in the {most} tokens that the model reads, and nothing is "
                f"left of {start!r}…: shorten the prompt."
            )
        return found

    def _shows_data(self, tokens: Sequence[Token], prompt: Prompt) -> bool:
        """Whether any character of the row's columns is left; True where they are all empty."""
        own = len(str(self.before))
        columns = [(first, last) for first, last in prompt.spans("data") if first >= own]
        return not columns or any(
            token.start < last and first < token.end for token in tokens for first, last in columns
        )

    def _shortened(self, tokens: list[Token], prompt: Prompt, excess: int) -> list[Token]:
        """Without so many tokens of the beginning, but with the marks that the model puts first, and with the mask."""
        special = [token for token in self.tokenizer.all_special_ids if token != self.tokenizer.mask_token_id]
        start = next((position for position, token in enumerate(tokens) if token.id not in special), 0)
        mask = self._mask_place(tokens, prompt) if self.masked else len(tokens)
        before = min(excess, max(0, mask - start))  # of what must go, and the rest from behind the mask
        return tokens[:start] + tokens[start + before : mask + 1] + tokens[mask + 1 + excess - before :]

    def _label_tokens(self, sample: Row) -> tuple[int, ...]:
        """The one token that each label word makes where it stands; none where one of them makes several."""
        words = self.task.label_words(self.masked)
        tokens: list[tuple[int, ...]] = []
        one_each = True
        for word in words:
            found, behind = self._word_tokens(word, sample)
            one_each = one_each and behind and len(found) == 1
            tokens.append(found)
            if self.tokenizer.unk_token_id in found:
                raise ValueError(
                    f"`answers` must be words that the tokenizer knows, and {word!r} is none: choose another."
                )
            if self.masked and len(found) != 1:
                pieces = self.tokenizer.convert_ids_to_tokens(list(found))
                raise ValueError(
                    f"`answers` must each be one token for a masked model, got {word!r}, which makes {pieces}: choose "
                    "a commoner word, or take a causal model."
                )
        if len(set(tokens)) < len(tokens):
            told = tuple(found[0] if len(found) == 1 else found for found in tokens)
            raise ValueError(
                f"`answers` must be different tokens, got {', '.join(map(repr, words))} as {told}: choose words "
                "that the model knows."
            )
        return tuple(found[0] for found in tokens) if one_each else ()

    def _word_tokens(self, word: str, sample: Row) -> tuple[tuple[int, ...], bool]:
        """The tokens of a label word where it stands, and whether those of the prompt are the same without it."""
        prompt = Prompt() if self.masked else self.prompt(sample)
        alone, whole = (_ids(self.segmenter.tokens(text, framed=False)) for text in (prompt, prompt + data_text(word)))
        shared = _shared(alone, whole)
        return whole[shared:], shared == len(alone)


def _ids(tokens: Sequence[Token]) -> tuple[int, ...]:
    return tuple(token.id for token in tokens)


def _shared(one: Sequence[int], other: Sequence[int]) -> int:
    """How many tokens both begin with; at most those of the first."""
    return next((i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))
