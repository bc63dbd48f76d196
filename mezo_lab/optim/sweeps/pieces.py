"""The pieces in which a sweep takes the weights, and z of each piece by plain torch operations.

Contiguous parameters come in slices of whole blocks, many small parameters in one batch; parameters of other strides
come in views of some of their rows. Either way no more coordinates are in flight than one chunk holds.
"""

from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from mezo_lab.optim.noise import COORDINATES, Coordinates, coordinates_at
from mezo_lab.optim.noise.streams import draw_blocks

CHUNK = 1 << 20
"""Coordinates in flight: with the z and the sums of a piece, 4 to 16 MiB."""
STRIDED_CHUNK = 1 << 18  # the same where each coordinate takes a block of its own


@dataclass(frozen=True)
class Slice:
    """Blocks `first` to `last` of one contiguous parameter, whose last block may be the incomplete one."""

    parameter: int
    first: int
    last: int
    rest: int = 0
    """Coordinates of the incomplete block that follows the full ones; 0 for a slice of full blocks."""

    def view(self, flat: Tensor, coordinates: Coordinates) -> Tensor:
        """The slice of a flat tensor: a part of its block view, or (rest,) for the rest."""
        if self.rest:
            return flat[-self.rest :]
        return coordinates.block_view(flat).narrow(coordinates.block_axis, self.first, self.last - self.first)

    def shaped(self, z: Tensor) -> Tensor:
        """z of the slice's blocks, shaped as a `block_view`, in the shape of the slice's view."""
        if self.rest:
            return z.flatten()[: self.rest]  # of a single block
        return z


def batches(numels: dict[int, int], law: str, rest_only: Container[int] = (), chunk: int = CHUNK) -> list[list[Slice]]:
    """All blocks of contiguous parameters, in batches of at most about `chunk` coordinates.

    Args: numels: parameter → its number of coordinates. rest_only: parameters whose full blocks a kernel takes.

    >>> for part in batches({0: 9, 1: 4}, "gaussian")[0]:
    ...     print(part)
    Slice(parameter=0, first=0, last=2, rest=0)
    Slice(parameter=0, first=2, last=3, rest=1)
    Slice(parameter=1, first=0, last=1, rest=0)
    """
    per_block = COORDINATES[law].per_block
    capacity = max(1, chunk // per_block)  # blocks of one batch
    result: list[list[Slice]] = [[]]
    filled = 0
    for parameter, numel in numels.items():
        blocks = COORDINATES[law].full_blocks(numel)
        first = 0
        if parameter in rest_only:
            first = blocks
        while first < blocks:
            last = min(blocks, first + capacity - filled)
            result[-1].append(Slice(parameter, first, last))
            filled += last - first
            first = last
            if filled == capacity:
                result.append([])
                filled = 0
        rest = numel - blocks * per_block
        if rest:
            result[-1].append(Slice(parameter, blocks, blocks + 1, rest))
    return [batch for batch in result if batch]


def draw(batch: Sequence[Slice], keys: Tensor, law: str) -> list[Tensor]:
    """z of every slice of a batch, in the shape of its view. Args: keys: (parameters, 2), on the batch's device."""
    coordinates = COORDINATES[law]
    lengths = [part.last - part.first for part in batch]
    block = torch.cat([torch.arange(p.first, p.last, dtype=torch.int32, device=keys.device) for p in batch])
    k0, k1 = keys[[part.parameter for part in batch]].T  # (slices,) each
    if len(batch) > 1:  # the key of a single slice broadcasts
        k0, k1 = (torch.cat([own.expand(n) for own, n in zip(k, lengths, strict=True)]) for k in (k0, k1))
    z = draw_blocks(coordinates, (k0, k1), block)
    return [part.shaped(own) for part, own in zip(batch, z.split(lengths, coordinates.block_axis), strict=True)]


def draw_flat(numel: int, key: Tensor, law: str) -> Tensor:
    """All coordinates of one stream up to `numel`, in flat order. Returns: float32 (numel,)."""
    z = torch.empty(numel, dtype=torch.float32, device=key.device)
    for batch in batches({0: numel}, law):
        for part, own in zip(batch, draw(batch, key[None], law), strict=True):
            part.view(z, COORDINATES[law]).copy_(own)
    return z


def strided_views(tensor: Tensor, most: int = STRIDED_CHUNK, start: int = 0) -> Iterator[tuple[Tensor, int]]:
    """Views of a tensor of any strides, at most `most` coordinates each, with the flat index of their first."""
    if tensor.numel() <= most or tensor.dim() == 0:
        yield tensor, start
        return
    row_numel = tensor[0].numel()
    rows = max(1, most // row_numel)
    for row in range(0, len(tensor), rows):
        part = tensor[row : row + rows]
        if row_numel > most:
            yield from strided_views(part[0], most, start + row * row_numel)
        else:
            yield part, start + row * row_numel


def draw_strided(view: Tensor, start: int, numel: int, key: Tensor, law: str) -> Tensor:
    """z of a view of `strided_views`. Args: start: its first flat index. Returns: float32, of the view's shape."""
    coordinates = COORDINATES[law]
    key = key.to(view.device)
    end = start + view.numel()
    if coordinates.packed:
        # neighbours share a block, so the blocks that the view touches are drawn once
        first = start // coordinates.per_block
        last = -(-end // coordinates.per_block)
        block = torch.arange(first, last, dtype=torch.int32, device=view.device)
        run = draw_blocks(coordinates, (key[:1], key[1:]), block).flatten()
        z = run[start - first * coordinates.per_block :][: view.numel()]
    else:
        z = coordinates_at(coordinates, key, torch.arange(start, end, device=view.device), numel)
    return z.view(view.shape)
