"""Rows of a task as token ids, with the positions whose logits count and the correct tokens there."""

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

__all__ = ["Encoder"]

NEW_TOKENS = 50  # of a generated answer at most, as in the paper's code


class Encoder:
    """A task in the tokens of one model.

    Source: paper, Appendix E: an answer stands behind its prompt (or at its mask), and the loss is taken at the tokens
    of the answer. Data are text: neither a field of the prompt nor a special token is made of them.
    Label words of one token each are compared at one position. Where a causal model's tokenizer splits one of them
    into several, all are compared as the options of a choice are, by mean log-likelihood per token.

    Args:
        task: the task of the rows.
        tokenizer: the tokenizer of the model.
        sample: any row, on which the label words are tried.
        masked: whether the model fills in a mask.
        limit: the most tokens that the model can read; None is no limit.
        cut: whether a longer text loses its beginning; otherwise it is an error.
        before: a text in front of every prompt, such as solved examples.

    Raises: ValueError for label words that are the same to the tokenizer, or a masked model without a masked prompt.
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
        self.task = task
        self.tokenizer = tokenizer
        self.masked = masked
        self.limit = limit
        self.cut = cut
        if isinstance(before, str):
            before = data_text(before)
        self.before = before
        self.segmenter = Segmenter(tokenizer)
        if masked and (task.masked_prompt is None or tokenizer.mask_token is None):
            raise ValueError(
                f"`task` must have a prompt with {{mask}} for a masked model, got {task.name}: give one, or take a "
                "causal model."
            )
        # in the order of the labels; empty where a word is several tokens, and for tasks without label words
        self.labels: tuple[int, ...] = ()
        if task.kind == "classification":
            self.labels = self._label_tokens(sample)

    @property
    def kind(self) -> Kind:
        """The kind of the task for this model: label words of several tokens are a choice among them."""
        if self.compares_words:
            return "choice"
        return self.task.kind

    @property
    def compares_words(self) -> bool:
        """Whether label words are compared as whole words, as one of them is several tokens."""
        return self.task.kind == "classification" and not self.labels

    def encode_training(self, row: Row) -> Encoded:
        """The prompt with its correct answer, to learn from."""
        gold = self.task.gold(row)
        if self.labels:
            return self.encode_prompt(row, self.labels[gold])
        return self.encode_with_answer(row, gold)

    def encode_options(self, row: Row) -> list[Encoded]:
        """The prompt with each of its possible answers."""
        return [self.encode_with_answer(row, option) for option in range(len(self.task.candidates(row)))]

    def encode_evaluation(self, row: Row, metric: str | None = None) -> list[Encoded]:
        """The sequences that an evaluation reads of a row.

        Every option of a choice, the right answer where its likelihood is the metric, otherwise the prompt.

        Args: metric: None is the task's own.
        """
        if (metric or self.task.metric) == "likelihood" and self.task.kind == "generation":
            return [self.encode_training(row)]
        if self.kind == "choice":
            return self.encode_options(row)
        return [self.encode_prompt(row)]

    def encode_prompt(self, row: Row, target: int = 0) -> Encoded:
        """The prompt alone, with one position: its last token or its mask.

        Args: target: the correct token there.
        """
        prompt = self.prompt(row)
        room = NEW_TOKENS if self.task.kind == "generation" else 0
        tokens = self._within_limit(self._tokens(prompt), prompt, room)
        if not tokens:
            raise ValueError(f"a prompt must have at least one token, got none from {dict(row)!r:.80}…: drop the row.")
        position = self._mask_position(tokens, prompt) if self.masked else len(tokens) - 1
        return Encoded(_ids(tokens), (position,), (target,))

    def encode_with_answer(self, row: Row, option: int) -> Encoded:
        """The prompt and an answer behind it, with a position for every token of the answer."""
        prompt = self.prompt(row)
        answer = self._answer(row, option)
        tokens = self._tokens(prompt + answer)
        # the answer may change the last tokens of the prompt, which then count as the answer's
        targets = _ids(tokens)[_common_length(_ids(self._tokens(prompt)), _ids(tokens)) :]
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
        tokens = self._within_limit(tokens, prompt)
        positions = range(len(tokens) - len(targets) - 1, len(tokens) - 1)
        return Encoded(_ids(tokens), tuple(positions), targets)

    def text(self, row: Row) -> str:
        """The prompt of a row as text."""
        return str(self.prompt(row))

    def prompt(self, row: Row) -> Prompt:
        """The prompt of a row, with the origin of each part."""
        if self.task.chat:
            return render_chat(self.tokenizer, self.task.messages(row))[0]
        prompt = self.before + self.task.fill_prompt(row, self.masked)
        if self.masked:
            prompt = prompt.with_mask(str(self.tokenizer.mask_token))
        return prompt

    def _answer(self, row: Row, option: int) -> Prompt:
        """An answer, with the end-of-text token where that is learned too."""
        if self.task.chat:
            return render_chat(self.tokenizer, self.task.messages(row))[1]
        answer = data_text(self.task.answer(row, option))
        if self.task.metric == "likelihood":
            answer += template_text(str(self.tokenizer.eos_token or "\n"))
        return answer

    def _tokens(self, prompt: Prompt) -> list[Token]:
        """The tokens of a prompt; a causal model continues it, so that no end-of-text token stands there."""
        tokens = self.segmenter.tokens(prompt)
        if self.masked:
            return tokens
        return tokens[: len(tokens) - self.segmenter.suffix_length(prompt)]

    def _mask_position(self, tokens: Sequence[Token], prompt: Prompt) -> int:
        """The position of the template's mask; the name of the mask token may stand in the data too."""
        ((first, last),) = prompt.spans("mask")
        for position, token in enumerate(tokens):
            if token.id == self.tokenizer.mask_token_id and token.start < last and first < token.end:
                return position
        raise ValueError(
            f"`tokenizer` must read its own mask token {self.tokenizer.mask_token!r} as one, and makes other tokens of "
            f"it in {str(prompt)[:40]!r}…: put spaces around {{mask}}."
        )

    def _within_limit(self, tokens: list[Token], prompt: Prompt, room: int = 0) -> list[Token]:
        """Tokens that the model can read; where they are cut, with room for further ones.

        Raises: ValueError for more of them, unless their beginning may be cut and something of the data is left.
        """
        if self.limit is None:
            return tokens
        most = self.limit
        if self.cut:
            most -= min(room, self.limit // 2)
        if len(tokens) <= most:
            return tokens
        start = str(prompt)[:40]
        if not self.cut:
            raise ValueError(
                f"a text must have at most {self.limit} tokens, got {len(tokens)} in {start!r}…: shorten it, or pass "
                "--cut to drop the beginnings of long texts."
            )
        rest = self._without_beginning(tokens, prompt, len(tokens) - most)
        if self.tokenizer.is_fast and not self._shows_data(rest, prompt):
            raise ValueError(
                f"a prompt must leave room for its columns in the {most} tokens that the model reads, and nothing is "
                f"left of {start!r}…: shorten the prompt."
            )
        return rest

    def _shows_data(self, tokens: Sequence[Token], prompt: Prompt) -> bool:
        """Whether any character of the row's columns is left; True where they are all empty."""
        columns = [span for span in prompt.spans("data") if span[0] >= len(str(self.before))]
        if not columns:
            return True
        return any(token.start < last and first < token.end for token in tokens for first, last in columns)

    def _without_beginning(self, tokens: list[Token], prompt: Prompt, excess: int) -> list[Token]:
        """The tokens without `excess` of the first ones; the special tokens in front and the mask stay."""
        special = [token for token in self.tokenizer.all_special_ids if token != self.tokenizer.mask_token_id]
        start = next((position for position, token in enumerate(tokens) if token.id not in special), 0)
        mask = self._mask_position(tokens, prompt) if self.masked else len(tokens)
        before = min(excess, max(0, mask - start))  # tokens to drop in front of the mask; the others go behind it
        return tokens[:start] + tokens[start + before : mask + 1] + tokens[mask + 1 + excess - before :]

    def _label_tokens(self, sample: Row) -> tuple[int, ...]:
        """The token of each label word where it stands; empty where one of them is several tokens."""
        words = self.task.label_words(self.masked)
        tokens: list[tuple[int, ...]] = []
        one_each = True
        for word in words:
            ids, prompt_unchanged = self._word_tokens(word, sample)
            one_each = one_each and prompt_unchanged and len(ids) == 1
            tokens.append(ids)
            if self.tokenizer.unk_token_id in ids:
                raise ValueError(
                    f"`answers` must be words that the tokenizer knows, and {word!r} is none: choose another."
                )
            if self.masked and len(ids) != 1:
                pieces = self.tokenizer.convert_ids_to_tokens(list(ids))
                raise ValueError(
                    f"`answers` must each be one token for a masked model, got {word!r}, which makes {pieces}: choose "
                    "a commoner word, or take a causal model."
                )
        if len(set(tokens)) < len(tokens):
            shown = tuple(ids[0] if len(ids) == 1 else ids for ids in tokens)
            raise ValueError(
                f"`answers` must be different tokens, got {', '.join(map(repr, words))} as {shown}: choose words "
                "that the model knows."
            )
        if not one_each:
            return ()
        return tuple(ids[0] for ids in tokens)

    def _word_tokens(self, word: str, sample: Row) -> tuple[tuple[int, ...], bool]:
        """The tokens of a label word where it stands, and whether it leaves the tokens of the prompt as they are."""
        prompt = Prompt() if self.masked else self.prompt(sample)
        alone = _ids(self.segmenter.tokens(prompt, framed=False))
        whole = _ids(self.segmenter.tokens(prompt + data_text(word), framed=False))
        shared = _common_length(alone, whole)
        return whole[shared:], shared == len(alone)


def _ids(tokens: Sequence[Token]) -> tuple[int, ...]:
    return tuple(token.id for token in tokens)


def _common_length(first: Sequence[int], second: Sequence[int]) -> int:
    """The number of tokens with which both sequences begin."""
    length = 0
    for one, other in zip(first, second, strict=False):
        if one != other:
            break
        length += 1
    return length
