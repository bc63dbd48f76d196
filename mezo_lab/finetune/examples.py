"""Rows of a task as token ids: where the model is asked, and which tokens are right there."""

from typing import TYPE_CHECKING, cast

from mezo_lab.finetune.answers import Encoded
from mezo_lab.finetune.tables import Row
from mezo_lab.finetune.tasks import Task

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


NEW_TOKENS = 50  # of a generated answer at most, as in the paper's code


class Encoder:
    """A task in the tokens of one model.

    Source: paper, Appendix E: an answer stands behind its prompt (or at its mask), and the model is asked at the tokens
    of the answer.

    Args:
        task: what is asked. tokenizer: the model's. sample: any row, on which the label words are tried.
        masked: whether the model fills in a mask. limit: tokens that the model can read.
        cut: whether a longer text loses its beginning; otherwise it is an error.
        before: text in front of every prompt, such as solved examples.

    Raises: ValueError for label words of several tokens or of the same, or where a masked model cannot be asked.
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
        before: str = "",
    ):
        self.task, self.tokenizer, self.masked = task, tokenizer, masked
        self.limit, self.cut, self.before = limit, cut, before
        if masked and (task.masked_prompt is None or tokenizer.mask_token is None):
            raise ValueError(
                f"`task` must have a prompt with {{mask}} for a masked model, got {task.name}: give one, or take a "
                "causal model."
            )
        words = task.words(masked) if task.kind == "classification" else ()
        self.labels = tuple(self.one_token(word, sample) for word in words)  # in the order of the labels
        if len(set(self.labels)) < len(self.labels):
            raise ValueError(
                f"`answers` must be different tokens, got {', '.join(map(repr, words))} as {self.labels}: choose words "
                "that the model knows."
            )

    def taught(self, row: Row) -> Encoded:
        """The prompt with its right answer, to learn from."""
        gold = self.task.gold(row)
        return self.asked(row, self.labels[gold]) if self.labels else self.answered(row, gold)

    def options(self, row: Row) -> list[Encoded]:
        """The prompt with each of its possible answers."""
        return [self.answered(row, option) for option in range(len(self.task.candidates(row)))]

    def questions(self, row: Row) -> list[Encoded]:
        """What an evaluation asks of a row: every option of a choice, otherwise its prompt."""
        return self.options(row) if self.task.kind == "choice" else [self.asked(row, (*self.labels, 0)[0])]

    def asked(self, row: Row, target: int) -> Encoded:
        """The prompt alone, asked for one token where it ends or at its mask."""
        tokens = self.within(self.tokens(self.text(row)), row, room=NEW_TOKENS if self.task.kind == "generation" else 0)
        if not tokens:
            raise ValueError(f"a prompt must have at least one token, got none from {dict(row)!r:.80}…: drop the row.")
        place = tokens.index(cast(int, self.tokenizer.mask_token_id)) if self.masked else len(tokens) - 1
        return Encoded(tuple(tokens), (place,), (target,))

    def answered(self, row: Row, option: int) -> Encoded:
        """The prompt and an answer behind it, asked for every token of the answer."""
        text = self.text(row)
        prompt, whole = self.tokens(text), self.tokens(text + self.task.answer(row, option))
        shared = next((i for i, (a, b) in enumerate(zip(prompt, whole, strict=False)) if a != b), len(prompt))
        answer = whole[shared:]
        tokens = self.within(whole, row)
        places = range(len(tokens) - len(answer) - 1, len(tokens) - 1)
        return Encoded(tuple(tokens), tuple(places), tuple(answer))

    def text(self, row: Row) -> str:
        text = self.task.text(row, self.masked)
        return self.before + (text.replace("{mask}", str(self.tokenizer.mask_token)) if self.masked else text)

    def tokens(self, text: str) -> list[int]:
        return list(self.tokenizer(text).input_ids)

    def within(self, tokens: list[int], row: Row, room: int = 0) -> list[int]:
        """Tokens that the model can read, with room for some more where they are cut.

        Raises: ValueError for more of them, unless their beginning may be cut.
        """
        if self.limit is None:
            return tokens
        most = self.limit - min(room, self.limit // 2) if self.cut else self.limit
        if len(tokens) <= most:
            return tokens
        if self.cut:
            return self.shortened(tokens, len(tokens) - most)
        start = self.text(row)[:40]
        raise ValueError(
            f"a text must have at most {self.limit} tokens, got {len(tokens)} in {start!r}…: shorten it, or pass --cut "
            "to drop the beginnings of long texts."
        )

    def shortened(self, tokens: list[int], excess: int) -> list[int]:
        """Without so many tokens of the beginning, but with the marks that the model puts first, and with the mask."""
        special = [token for token in self.tokenizer.all_special_ids if token != self.tokenizer.mask_token_id]
        start = next((place for place, token in enumerate(tokens) if token not in special), 0)
        mask = tokens.index(cast(int, self.tokenizer.mask_token_id)) if self.masked else len(tokens)
        before = min(excess, max(0, mask - start))  # of what must go, and the rest from behind the mask
        return tokens[:start] + tokens[start + before : mask + 1] + tokens[mask + 1 + excess - before :]

    def one_token(self, word: str, sample: Row) -> int:
        """The one token that a label word makes where it stands."""
        text = self.text(sample) if not self.masked else ""
        prompt, answered = (self.tokenizer(text + end, add_special_tokens=False).input_ids for end in ("", word))
        if len(answered) != len(prompt) + 1 or answered[:-1] != prompt:
            pieces = self.tokenizer.convert_ids_to_tokens(answered[len(prompt) :])
            raise ValueError(
                f"`answers` must each be one token behind the prompt, got {word!r}, which makes {pieces} of it: choose "
                "a commoner word."
            )
        if answered[-1] == self.tokenizer.unk_token_id:
            raise ValueError(f"`answers` must be words that the tokenizer knows, and {word!r} is none: choose another.")
        return answered[-1]
