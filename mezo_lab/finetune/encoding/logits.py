"""The logits at the positions that count, and at no others."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.nn import Linear, Module

if TYPE_CHECKING:
    from transformers import PreTrainedModel

__all__ = ["Encoded", "answer_logits", "answer_states"]

CPU_BATCH = 4  # prompts of similar length per pass on a CPU: 16 reviews padded to the longest take 1.7 times as long
IGNORE_INDEX = -100  # the target at positions that do not count; torch's `cross_entropy` ignores it too


@dataclass(frozen=True)
class Encoded:
    """One sequence of tokens, the positions whose logits count, and the correct tokens there.

    At position p a causal model predicts token p + 1, a masked model the token under the mask at p.

    Raises: ValueError unless the positions increase, lie in the sequence, and have a target each.

    >>> Encoded((5, 6, 7), positions=(1, 3), targets=(7, 8))
    Traceback (most recent call last):
    ValueError: `positions` must increase from 0 to 2 at most, the last of 3 tokens; got (1, 3).
    """

    input_ids: tuple[int, ...]
    """The tokens of the sequence."""
    positions: tuple[int, ...]
    """Where logits are computed, increasing."""
    targets: tuple[int, ...]
    """The correct token at each position."""

    def __post_init__(self):
        last = len(self.input_ids) - 1
        if not all(a < b for a, b in zip((-1, *self.positions), (*self.positions, last + 1), strict=True)):
            raise ValueError(
                f"`positions` must increase from 0 to {last} at most, the last of {last + 1} tokens; got "
                f"{self.positions}."
            )
        if len(self.targets) != len(self.positions):
            raise ValueError(
                f"`targets` must hold one token for each of the {len(self.positions)} positions, got "
                f"{len(self.targets)}."
            )


def answer_logits(model: "PreTrainedModel", encoded: Sequence[Encoded], past: Any = None) -> Tensor:
    """The logits over the vocabulary at every position of a batch, in order.

    Assumes: a model in eval mode whose logits are its output layer, position by position; causal,
    masked, or one of them with adapters from peft.
    Cost: one forward pass of the batch, padded to its longest; the output layer reads the positions only.

    Args:
        model: a language model with a linear output layer.
        encoded: one sequence or more.
        past: keys and values of the tokens in front of each sequence.

    Returns: (positions of all sequences, vocabulary), float32, differentiable when grad is enabled.
    Raises: ValueError for an empty batch, and for a model that does not end in a linear layer.

    >>> from transformers import GPT2Config, GPT2LMHeadModel
    >>> model = GPT2LMHeadModel(GPT2Config(vocab_size=20, n_embd=8, n_head=2, n_layer=1)).eval()
    >>> texts = [Encoded((5, 6, 7), positions=(2,), targets=(1,)), Encoded((8, 9), positions=(0, 1), targets=(9, 1))]
    >>> logits = answer_logits(model, texts)
    >>> logits.shape
    torch.Size([3, 20])
    >>> torch.allclose(logits[1:], model(torch.tensor([[8, 9]])).logits[0], atol=1e-6)
    True
    """
    return batch_logits(model, padded_batch(encoded, pad_token(model)), past)


def answer_states(model: "PreTrainedModel", encoded: Sequence[Encoded]) -> Tensor:
    """The inputs of the output layer at every position of a batch: features for a linear probe.

    Cost, arguments and errors: as for `answer_logits`.
    Returns: (positions of all sequences, hidden), in the model's dtype.
    """
    tensors = padded_batch(encoded, pad_token(model))
    with _select_positions(model, tensors) as states:
        forward(model, tensors)
    return states[0]


def batch_logits(model: "PreTrainedModel", tensors: Mapping[str, Tensor], past: Any = None) -> Tensor:
    """`answer_logits` of a `padded_batch`."""
    with _select_positions(model, tensors):
        return forward(model, tensors, past).logits.float()


def padded_batch(encoded: Sequence[Encoded], pad: int) -> dict[str, Tensor]:
    """A batch as tensors, the padding on the right: `input_ids`, `attention_mask` and `targets`, each (batch, length).

    On the right a causal model's real tokens never see the padding and keep their positions, whatever the pad token is.
    `targets` hold the correct tokens at the positions and `IGNORE_INDEX` elsewhere; targets[targets != IGNORE_INDEX]
    are in the order of the logits.

    Args:
        encoded: one sequence or more.
        pad: a token id of the model's.

    Raises: ValueError for an empty batch.

    >>> padded_batch([Encoded((5, 6, 7), (0, 2), (6, 9)), Encoded((8,), (0,), (4,))], pad=0)["targets"]
    tensor([[   6, -100,    9],
            [   4, -100, -100]])
    """
    if not encoded:
        raise ValueError("`encoded` must hold at least one sequence, got none: an empty batch has no logits.")
    longest = max(len(one.input_ids) for one in encoded)
    columns: dict[str, list[list[int]]] = {"input_ids": [], "attention_mask": [], "targets": []}
    for one in encoded:
        length = len(one.input_ids)
        padding = longest - length
        targets = [IGNORE_INDEX] * longest
        for position, target in zip(one.positions, one.targets, strict=True):
            targets[position] = target
        columns["input_ids"].append([*one.input_ids, *[pad] * padding])
        columns["attention_mask"].append([1] * length + [0] * padding)
        columns["targets"].append(targets)
    return {name: torch.tensor(rows) for name, rows in columns.items()}


def bucket_size(model: "PreTrainedModel", sequences: int) -> int:
    """The sequences that one forward pass reads: all of them on a GPU, few on a CPU, which gains nothing by more."""
    if model.device.type == "cpu":
        return CPU_BATCH
    return sequences


def length_buckets(encoded: Sequence[Encoded], size: int) -> tuple[list[list[Encoded]], list[int]]:
    """Buckets of `size` sequences of similar length, and the order that restores the rows of their results.

    Returns: (buckets, order), where torch.cat([answer_logits(model, bucket) for bucket in buckets])[order] is
    answer_logits(model, encoded), with less padding.
    Raises: ValueError.

    >>> texts = [Encoded((5, 6, 7), (2,), (1,)), Encoded((8,), (0,), (2,)), Encoded((5, 6), (0, 1), (6, 3))]
    >>> buckets, order = length_buckets(texts, size=2)
    >>> [[len(one.input_ids) for one in bucket] for bucket in buckets], order
    ([[1, 2], [3]], [3, 0, 1, 2])
    """
    if size < 1:
        raise ValueError(f"`size` must be at least 1, got {size}: {CPU_BATCH} suits a CPU.")
    shortest_first = sorted(range(len(encoded)), key=lambda index: len(encoded[index].input_ids))
    buckets = [
        [encoded[index] for index in shortest_first[start : start + size]] for start in range(0, len(encoded), size)
    ]
    sequence_of_row = [index for index in shortest_first for _ in encoded[index].positions]
    return buckets, sorted(range(len(sequence_of_row)), key=sequence_of_row.__getitem__)


@contextmanager
def _select_positions(model: Module, tensors: Mapping[str, Tensor]) -> Iterator[list[Tensor]]:
    """Let the output layer read only the positions of a batch; the list receives its inputs, (positions, hidden)."""
    states = []

    def keep_positions(_: Module, arguments: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        hidden, *others = arguments  # (batch, length, hidden)
        mask = tensors["targets"].to(hidden.device) != IGNORE_INDEX
        states.append(hidden[mask])  # (positions, hidden)
        return (states[-1], *others)

    hook = output_layer(model).register_forward_pre_hook(keep_positions)
    try:
        yield states
    finally:
        hook.remove()


def forward(model: "PreTrainedModel", tensors: Mapping[str, Tensor], past: Any = None) -> Any:
    """A forward pass of a `padded_batch`, behind the keys and values of `past`."""
    inputs = {name: tensors[name].to(model.device) for name in ("input_ids", "attention_mask")}
    if past is not None:
        mask = inputs["attention_mask"]
        seen = mask.new_ones(len(mask), past.get_seq_length())  # (batch, length of the past)
        return model(inputs["input_ids"], attention_mask=torch.cat([seen, mask], 1), past_key_values=past)
    if model.can_generate():  # only these models have a cache, of which a single pass has no use
        return model(**inputs, use_cache=False)
    return model(**inputs)


def output_layer(model: Module) -> Linear:
    """The layer over the vocabulary. Raises: ValueError for a model that has none, or another kind."""
    head = getattr(model, "get_output_embeddings", lambda: None)()
    if not isinstance(head, Linear):
        raise ValueError(
            f"`model` must end in a linear layer over the vocabulary, got {type(model).__name__}: "
            "load it with AutoModelForCausalLM or AutoModelForMaskedLM."
        )
    return head


def pad_token(model: "PreTrainedModel") -> int:
    """A token for the padding: the model's own, or 0 where it names none; the attention mask hides it."""
    return max(model.config.pad_token_id or 0, 0)
