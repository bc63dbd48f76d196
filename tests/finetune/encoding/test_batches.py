"""Batches of an evaluation: every sequence once, within the limits, and cut where that costs least."""

import random
from itertools import combinations, pairwise

import pytest
import torch

from mezo_lab.finetune.encoding.batches import PassLimits, batched_logits, length_batches
from mezo_lab.finetune.encoding.logits import Encoded, answer_logits


def cost(batches, lengths, overhead):
    return sum(len(batch) * max(lengths[index] for index in batch) + overhead for batch in batches)


@pytest.mark.parametrize("overhead", [0, 7, 40, 10_000])
@pytest.mark.parametrize("tokens", [20, 60, 10_000])
def test_no_other_cuts_of_the_sequences_in_order_cost_less(overhead, tokens):
    lengths = [random.Random(overhead + tokens).randint(1, 30) for _ in range(9)]
    found = length_batches(lengths, PassLimits(overhead, tokens, 0))
    ordered = sorted(range(9), key=lambda index: -lengths[index])
    costs = []
    for count in range(9):
        for cuts in combinations(range(1, 9), count):
            edges = (0, *cuts, 9)
            batches = [ordered[start:end] for start, end in pairwise(edges)]
            if all(len(batch) == 1 or len(batch) * lengths[batch[0]] <= tokens for batch in batches):
                costs.append(cost(batches, lengths, overhead))
    assert cost(found, lengths, overhead) == min(costs)
    assert [index for batch in found for index in batch] == ordered


def test_a_pass_reads_a_long_text_alone_and_no_more_rows_than_are_allowed():
    limits = PassLimits(overhead=1_000, tokens=64, cached=0)
    assert length_batches([100, 10, 10, 10], limits) == [[0], [1, 2, 3]]
    assert max(len(batch) for batch in length_batches([2] * 7, limits, rows=3)) == 3
    assert length_batches([], limits) == []


def test_no_sequence_takes_no_pass(every_model):
    assert list(batched_logits(every_model, [])) == []


@torch.no_grad()
def test_the_logits_of_batches_are_those_of_each_sequence_alone(every_model):
    texts = [Encoded(tuple(range(2, 3 + length)), (length // 2, length), (1, 1)) for length in (5, 2, 9, 1, 5, 3)]
    seen = []
    for indices, logits in batched_logits(every_model, texts):
        alone = torch.cat([answer_logits(every_model, [texts[index]]) for index in indices])
        torch.testing.assert_close(logits, alone, rtol=1e-4, atol=1e-5)
        seen += indices
    assert sorted(seen) == list(range(len(texts)))
