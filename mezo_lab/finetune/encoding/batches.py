"""Batches of an evaluation: sequences of like length together, in as few padded tokens and passes as cost least."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from torch import Tensor

from mezo_lab.finetune.encoding.logits import CPU_BATCH, Encoded, answer_logits
from mezo_lab.finetune.encoding.prefix_cache import SharedPrefix, split_shared_prefix

if TYPE_CHECKING:
    from transformers import PreTrainedModel


@dataclass(frozen=True)
class PassLimits:
    """What a forward pass costs beside its tokens, and how much it may read."""

    overhead: int
    """The time of a pass of no tokens, in the time of one token: the weights are read once in every pass."""
    tokens: int
    """Padded tokens of a pass at most, where it reads several sequences."""
    cached: int
    """Tokens of copies of a shared prefix at most; `CPU_BATCH` copies are always allowed."""


# SmolLM2-135M on a core with AVX2, length 12 to 60, 1 to 32 sequences: a token takes 2.6 ms, a pass 13 to 25 tokens
# more, and from 200 tokens on nothing is gained
CPU_LIMITS = PassLimits(overhead=20, tokens=512, cached=8_192)
# a pass of a small model is as long as the launches of its kernels; chosen for the memory of a pass, not measured
GPU_LIMITS = PassLimits(overhead=512, tokens=4_096, cached=65_536)


def batched_logits(model: "PreTrainedModel", encoded: Sequence[Encoded]) -> Iterator[tuple[list[int], Tensor]]:
    """`answer_logits` of any number of sequences, batch by batch, the longest first; a shared beginning is read once.

    Assumes: no grad.
    Cost: a forward pass for each batch of `length_batches`, and one for the beginning, where it is long enough.

    Returns: an iterator of (the indices of the sequences of a batch, their logits in this order).
    """
    if not encoded:
        return
    prefix, rest = split_shared_prefix(model, encoded)
    for batch in length_batches([len(one.input_ids) for one in rest], *_limits(model, prefix)):
        past = prefix and prefix.repeated(len(batch))
        yield batch, answer_logits(model, [rest[index] for index in batch], past)


def _limits(model: "PreTrainedModel", prefix: SharedPrefix | None) -> tuple[PassLimits, int | None]:
    """The limits of a pass, and the most sequences in it."""
    limits = GPU_LIMITS
    if model.device.type == "cpu":
        limits = CPU_LIMITS
    if prefix is None:
        return limits, None
    return limits, max(CPU_BATCH, limits.cached // prefix.length)


def length_batches(lengths: Sequence[int], limits: PassLimits, rows: int | None = None) -> list[list[int]]:
    """The indices of sequences, longest first, cut into batches where that costs least.

    Formula: a batch of n sequences costs n·(the longest) + overhead, in tokens; the cheapest cuts of the first k
    sequences follow from those of fewer, by dynamic programming.

    Args:
        lengths: tokens of each sequence.
        limits: of a pass.
        rows: sequences of a pass at most; None is any number.

    >>> length_batches([3, 30, 4, 29, 3], PassLimits(overhead=20, tokens=512, cached=0))
    [[1, 3], [2, 0, 4]]
    >>> length_batches([3, 30, 4, 29, 3], PassLimits(overhead=200, tokens=512, cached=0))
    [[1, 3, 2, 0, 4]]
    """
    longest_first = sorted(range(len(lengths)), key=lambda index: -lengths[index])
    cuts = _cheapest_cuts([lengths[index] for index in longest_first], limits, rows or len(lengths))
    return [longest_first[start:end] for start, end in pairwise(cuts)]


def _cheapest_cuts(lengths: Sequence[int], limits: PassLimits, rows: int) -> list[int]:
    """Where the batches begin, and the end of the last. Args: lengths: the longest first."""
    costs = [0]  # the least for the first k sequences
    starts = [0]  # of the last batch of the first k sequences
    for end in range(1, len(lengths) + 1):
        start = end - 1
        best = costs[start] + lengths[start]
        for other in range(end - 2, max(0, end - rows) - 1, -1):
            padded = (end - other) * lengths[other]
            if padded > limits.tokens:  # a batch that begins earlier is larger still
                break
            if costs[other] + padded < best:
                start = other
                best = costs[other] + padded
        costs.append(best + limits.overhead)
        starts.append(start)
    cuts = [len(lengths)]
    while cuts[-1]:
        cuts.append(starts[cuts[-1]])
    return cuts[::-1]
