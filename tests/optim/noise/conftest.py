"""Streams of z, chunk by chunk, of the real words or of words that something is wrong with."""

from collections.abc import Callable, Iterator

import pytest
import torch

from mezo_lab.optim.noise import COORDINATES, stream_keys, tensor_key, threefry

CHUNK = 1 << 18  # coordinates


@pytest.fixture(scope="session")
def stream() -> Callable[..., Iterator[torch.Tensor]]:
    """(law, draws, address, spoil) → z, (blocks, per_block) at a time.

    address: seed, step, probe and tensor name. spoil: what is done to the words of each chunk.
    """

    def chunks(law, draws, address=(0, 1, 0, "weight"), spoil=lambda word: word):
        coordinates, (*instant, name) = COORDINATES[law], address
        k0, k1 = stream_keys(*instant, [tensor_key(name)])[0]
        blocks = draws // coordinates.per_block
        for start in range(0, blocks, CHUNK // coordinates.per_block):
            block = torch.arange(start, min(blocks, start + CHUNK // coordinates.per_block), dtype=torch.int32)
            words = [spoil(word) for word in threefry((k0, k1), (block, torch.zeros_like(block)))]
            lanes = coordinates.lanes(*words)
            yield lanes[0] if coordinates.packed else torch.stack(lanes, -1)

    return chunks
