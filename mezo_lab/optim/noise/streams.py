"""Addresses: which stream of words belongs to which (seed, step, probe, tensor)."""

import hashlib
from collections.abc import Sequence
from numbers import Integral

import numpy
import torch
from torch import Tensor

from mezo_lab.optim.noise.coordinates import Coordinates
from mezo_lab.optim.noise.threefry import threefry

TILE_BLOCKS = 1 << 15  # blocks that one thread takes at a time; torch gives a second thread work from here on


def tensor_key(name: str | int) -> int:
    """64 bits that stand for a tensor: of its name, or of its position where it has none.

    >>> tensor_key("embed.weight") == tensor_key("embed.weight"), tensor_key(0) == tensor_key("0")
    (True, False)
    """
    digest = hashlib.blake2b(repr(name).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little")


def stream_keys(seed: int, step: int, probe: int, tensors: Sequence[int]) -> Tensor:
    """The Threefry keys of one z: a word pair per tensor.

    Formula: threefry(threefry(seed, (step, probe)), tensor key), so that no two addresses share a stream but by
    chance: of 20,000 steps on 272 tensors, two do with probability 1e-6.

    Args: seed: below 2⁶⁴. step, probe: below 2³². tensors: keys of `tensor_key`.
    Returns: int32 (tensors, 2), on the CPU.
    Raises: ValueError for a number outside its range, where it would share the words of another.

    >>> stream_keys(0, 1, 0, [tensor_key("a"), tensor_key("b")]).shape
    torch.Size([2, 2])
    """
    seed = _within("seed", seed, 64)
    step = _within("step", step, 32)
    probe = _within("probe", probe, 32)
    keys = [_within("key", key, 64) for key in tensors]
    instant = threefry(_words([seed]), _words([step | probe << 32]))  # the key of one (seed, step, probe)
    return torch.from_numpy(numpy.stack(threefry(instant, _words(keys)), axis=-1))


def _within(name: str, value: int, bits: int) -> int:
    if not isinstance(value, Integral) or not 0 <= value < 1 << bits:
        raise ValueError(f"`{name}` must be an integer from 0 to 2^{bits} - 1, got {value}: take it modulo 2**{bits}.")
    return int(value)  # a numpy integer would overflow when shifted


def _words(numbers: Sequence[int]) -> tuple[numpy.ndarray, numpy.ndarray]:
    # the low and the high halves of 64-bit numbers, as int32
    pairs = numpy.array(numbers, dtype=numpy.uint64).view(numpy.int32).reshape(-1, 2)
    return pairs[:, 0].copy(), pairs[:, 1].copy()


def coordinates_at(coordinates: Coordinates, key: Tensor, index: Tensor, numel: int) -> Tensor:
    """z at any flat indices of a tensor: the definition, with a whole block computed for every coordinate.

    Args: key: int32 (2,). index: int64, below `numel`, the number of coordinates of the tensor. Returns: float32.

    >>> from mezo_lab.optim.noise import COORDINATES
    >>> key = stream_keys(0, 1, 0, [tensor_key("a")])[0]
    >>> whole = coordinates_at(COORDINATES["gaussian"], key, torch.arange(10), 10)
    >>> torch.equal(whole[3:5], coordinates_at(COORDINATES["gaussian"], key, torch.tensor([3, 4]), 10))
    True
    """
    lanes = coordinates.per_block
    blocks = coordinates.full_blocks(numel)
    if coordinates.packed:
        block = index // lanes
        lane = index % lanes
    else:
        # lane j of all full blocks is the j-th run of `blocks` neighbours; the rest comes from one block more
        rest = index >= lanes * blocks
        block = torch.where(rest, blocks, index % max(blocks, 1))
        lane = torch.where(rest, index - lanes * blocks, index // max(blocks, 1))
    z = block_coordinates(coordinates, (key[0], key[1]), block.to(torch.int32))
    return z.gather(-1, lane[..., None])[..., 0]


def block_coordinates(coordinates: Coordinates, key: tuple[Tensor, Tensor], block: Tensor) -> Tensor:
    """All coordinates of the given blocks. Args: key: two tensors that broadcast with block. Returns: (…, per_block)"""
    lanes = coordinates.lanes(*threefry(key, (block, torch.zeros_like(block))))
    return lanes[0] if coordinates.packed else torch.stack(lanes, -1)


def draw_blocks(coordinates: Coordinates, key: tuple[Tensor, Tensor], block: Tensor) -> Tensor:
    """All coordinates of the given blocks, tile by tile, so that the partial results stay in cache.

    Args: key: int32 (blocks,) twice, or (1,). block: int32 (blocks,). Returns: float32, shaped as a `block_view`.
    """
    tile = TILE_BLOCKS * torch.get_num_threads() if block.device.type == "cpu" else len(block)
    if coordinates.packed or len(block) <= tile:
        lanes = coordinates.lanes(*_block_words(key, block))
        return lanes[0] if coordinates.packed else torch.stack(lanes)
    z = torch.empty(coordinates.per_block, len(block), dtype=torch.float32, device=block.device)
    for start in range(0, len(block), tile):
        part = slice(start, start + tile)
        own = key if len(key[0]) == 1 else (key[0][part], key[1][part])
        torch.stack(coordinates.lanes(*_block_words(own, block[part])), out=z[:, part])
    return z


def _block_words(key: tuple[Tensor, Tensor], block: Tensor) -> tuple[Tensor, Tensor]:
    """The two words of each block; numpy makes them sooner where torch would use a single thread."""
    if block.device.type != "cpu" or len(block) > TILE_BLOCKS:
        return threefry(key, (block, torch.zeros_like(block)))
    k0, k1, counter = (part.numpy() for part in (*key, block))
    w0, w1 = threefry((k0, k1), (counter, numpy.zeros_like(counter)))
    return torch.from_numpy(w0), torch.from_numpy(w1)
