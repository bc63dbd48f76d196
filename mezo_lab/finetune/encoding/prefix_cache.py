"""What all prompts of a batch begin with, such as solved examples: read once, its keys and values kept."""

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from mezo_lab.finetune.encoding.logits import Encoded

if TYPE_CHECKING:
    from transformers import PreTrainedModel

WORTH = 64  # tokens in common; below, copying keys and values costs as much as reading the tokens again


@dataclass(frozen=True)
class Beginning:
    """A number of tokens, and what a model keeps of them for the tokens behind."""

    length: int
    kept: Any

    def for_batch(self, size: int) -> Any:
        """A copy for `size` sequences, which a forward pass writes to."""
        kept = copy.deepcopy(self.kept)
        kept.batch_repeat_interleave(size)
        return kept


def read_once(model: "PreTrainedModel", encoded: Sequence[Encoded]) -> tuple[Beginning | None, list[Encoded]]:
    """Read what all sequences begin with, if that is worth it, and what is left of each.

    Assumes: no grad. Masked models, whose every token sees the whole text, and models with adapters read all anew.
    Cost: one forward pass of the beginning, instead of one for each sequence.

    Returns: (the beginning, or None; the sequences behind it).
    """
    from transformers import DynamicCache, PreTrainedModel

    length = common(encoded)
    if length < WORTH or not isinstance(model, PreTrainedModel) or not model.can_generate():
        return None, list(encoded)
    tokens = torch.tensor([encoded[0].input_ids[:length]], device=model.device)  # (1, length)
    kept = model.base_model(tokens, use_cache=True).past_key_values
    if type(kept) is not DynamicCache:  # a state that cannot be copied for each sequence
        return None, list(encoded)
    return Beginning(length, kept), [behind(one, length) for one in encoded]


def common(encoded: Sequence[Encoded]) -> int:
    """How many tokens all sequences begin with, before the first place of any.

    >>> common([Encoded((5, 6, 7, 8), (3,), (1,)), Encoded((5, 6, 9), (2,), (1,))])
    2
    """
    shortest = min(one.places[0] if one.places else len(one.input_ids) for one in encoded)
    columns = zip(*(one.input_ids[:shortest] for one in encoded), strict=True)
    return next((i for i, column in enumerate(columns) if len(set(column)) > 1), shortest)


def behind(one: Encoded, length: int) -> Encoded:
    """The sequence without its first tokens."""
    return Encoded(one.input_ids[length:], tuple(place - length for place in one.places), one.targets)
