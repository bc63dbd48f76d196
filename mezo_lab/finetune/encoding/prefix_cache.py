"""The prefix that all prompts of a batch share, such as solved examples: read once, its keys and values cached."""

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from mezo_lab.finetune.encoding.logits import Encoded

if TYPE_CHECKING:
    from transformers import PreTrainedModel

MINIMUM_LENGTH = 64  # tokens; below, copying keys and values costs as much as reading the tokens again


@dataclass(frozen=True)
class SharedPrefix:
    """Tokens that have been read, as a model needs them for the tokens behind."""

    length: int
    """The number of tokens."""
    cache: Any
    """Their keys and values, for one sequence."""

    def repeated(self, size: int) -> Any:
        """A copy for `size` sequences, which a forward pass writes to."""
        cache = copy.deepcopy(self.cache)
        cache.batch_repeat_interleave(size)
        return cache


def split_shared_prefix(
    model: "PreTrainedModel", encoded: Sequence[Encoded]
) -> tuple[SharedPrefix | None, list[Encoded]]:
    """Read the prefix that all sequences share, if it is long enough to be worth it, and take it off each.

    Assumes: no grad. Masked models, whose every token sees the whole text, and models with adapters get no prefix.
    Cost: one forward pass of the prefix, instead of one for each sequence.

    Returns: (the prefix, or None; the sequences without it).
    """
    from transformers import DynamicCache, PreTrainedModel

    length = common_length(encoded)
    if length < MINIMUM_LENGTH or not isinstance(model, PreTrainedModel) or not model.can_generate():
        return None, list(encoded)
    tokens = torch.tensor([encoded[0].input_ids[:length]], device=model.device)  # (1, length)
    cache = model.base_model(tokens, use_cache=True).past_key_values
    if type(cache) is not DynamicCache:  # a state that cannot be copied for each sequence
        return None, list(encoded)
    return SharedPrefix(length, cache), [_without_first(one, length) for one in encoded]


def common_length(encoded: Sequence[Encoded]) -> int:
    """The number of tokens with which all sequences begin, before the first position of any.

    >>> common_length([Encoded((5, 6, 7, 8), (3,), (1,)), Encoded((5, 6, 9), (2,), (1,))])
    2
    """
    most = min(one.positions[0] if one.positions else len(one.input_ids) for one in encoded)
    columns = zip(*(one.input_ids[:most] for one in encoded), strict=True)
    return next((length for length, column in enumerate(columns) if len(set(column)) > 1), most)


def _without_first(one: Encoded, length: int) -> Encoded:
    """The sequence without its first tokens."""
    return Encoded(one.input_ids[length:], tuple(position - length for position in one.positions), one.targets)
