"""The same sweep as plain torch operations, a bounded batch of blocks at a time, many small tensors in one batch."""

from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from mezo_lab.optim.noise import COORDINATES, Coordinates, coordinates_at
from mezo_lab.optim.noise.streams import block_coordinates

CHUNK = 1 << 20  # coordinates in flight: with the words and partial results they come from, about 30 MiB
STRIDED_CHUNK = 1 << 18  # the same where each takes a block of its own


@dataclass(frozen=True)
class Slice:
    """Blocks `first` to `last` of one contiguous parameter, as a view that has the blocks' shape.

    view: (per_block, blocks), or (blocks, per_block) for packed signs; or the fewer than per_block coordinates that
    the one block after the last full one gives, (rest,).
    """

    parameter: int
    first: int
    last: int
    rest: int = 0  # coordinates, where fewer than a block is left

    def view(self, flat: Tensor, coordinates: Coordinates) -> Tensor:
        blocks = coordinates.place(flat.numel())
        done = blocks * coordinates.per_block
        if self.rest:
            return flat[done:]
        if coordinates.packed:
            return flat[:done].view(blocks, -1)[self.first : self.last]
        return flat[:done].view(-1, blocks)[:, self.first : self.last]


def batches(numels: dict[int, int], law: str, only_rest: Container[int] = (), chunk: int = CHUNK) -> list[list[Slice]]:
    """All blocks of contiguous parameters, in batches of at most about `chunk` coordinates.

    Args: numels: parameter → its number of coordinates. only_rest: parameters whose full blocks a kernel takes.

    >>> for piece in batches({0: 9, 1: 4}, "gaussian")[0]:
    ...     print(piece)
    Slice(parameter=0, first=0, last=2, rest=0)
    Slice(parameter=0, first=2, last=3, rest=1)
    Slice(parameter=1, first=0, last=1, rest=0)
    """
    coordinates, most = COORDINATES[law], max(1, chunk // COORDINATES[law].per_block)
    found, filled = [[]], 0
    for parameter, numel in numels.items():
        blocks = coordinates.place(numel)
        first = blocks if parameter in only_rest else 0
        while first < blocks:
            last = min(blocks, first + most - filled)
            found[-1].append(Slice(parameter, first, last))
            first, filled = last, filled + last - first
            if filled == most:
                found.append([])
                filled = 0
        if numel > blocks * coordinates.per_block:
            found[-1].append(Slice(parameter, blocks, blocks + 1, numel - blocks * coordinates.per_block))
    return [batch for batch in found if batch]


def draw(batch: Sequence[Slice], keys: Tensor, law: str) -> list[Tensor]:
    """z of every slice of a batch, in the shape of its view. Args: keys: (parameters, 2), on the batch's device."""
    coordinates, device = COORDINATES[law], keys.device
    lengths = [piece.last - piece.first for piece in batch]
    block = torch.cat([torch.arange(p.first, p.last, dtype=torch.int32, device=device) for p in batch])
    key = keys[[piece.parameter for piece in batch]]  # (slices, 2)
    if len(batch) > 1:
        key = key.repeat_interleave(torch.tensor(lengths, device=device), dim=0, output_size=len(block))
    z = block_coordinates(coordinates, (key[:, 0], key[:, 1]), block)  # (blocks, per_block)
    parts = zip(batch, z.split(lengths), strict=True)
    return [own[0, : piece.rest] if piece.rest else own if coordinates.packed else own.T for piece, own in parts]


def draw_whole(numel: int, key: Tensor, law: str) -> Tensor:
    """All coordinates of a tensor, in flat order, that no parameter holds. Returns: float32 (numel,)."""
    z = torch.empty(numel, dtype=torch.float32, device=key.device)
    for batch in batches({0: numel}, law):
        for piece, drawn in zip(batch, draw(batch, key[None], law), strict=True):
            piece.view(z, COORDINATES[law]).copy_(drawn)
    return z


def pieces(tensor: Tensor, most: int = STRIDED_CHUNK, start: int = 0) -> Iterator[tuple[Tensor, int]]:
    """Views of a tensor of any strides, at most `most` coordinates each, with the flat index of their first."""
    if tensor.numel() <= most or tensor.dim() == 0:
        yield tensor, start
        return
    inner = tensor[0].numel()
    rows = max(1, most // inner)
    for row in range(0, tensor.shape[0], rows):
        part = tensor[row : row + rows]
        if inner > most:
            yield from pieces(part[0], most, start + row * inner)
        else:
            yield part, start + row * inner


def draw_anywhere(piece: Tensor, start: int, numel: int, key: Tensor, law: str) -> Tensor:
    """z of a piece of a tensor of any strides. Args: start: its first flat index. Returns: float32, of its shape."""
    coordinates, key, end = COORDINATES[law], key.to(piece.device), start + piece.numel()
    if coordinates.packed:
        first, last = start // coordinates.per_block, -(-end // coordinates.per_block)
        block = torch.arange(first, last, dtype=torch.int32, device=piece.device)
        run = block_coordinates(coordinates, (key[0], key[1]), block).flatten()  # from the first block's beginning
        z = run[start - first * coordinates.per_block :][: piece.numel()]
    else:
        z = coordinates_at(coordinates, key, torch.arange(start, end, device=piece.device), numel)
    return z.view(piece.shape)


class Pass:
    """What a pass does with z, piece by piece: start from the source, take in z term by term, finish into θ.

    One z is alive at a time, so hundreds of terms need no more memory than one.
    """

    def start(self, parameter: int, source: Tensor) -> Any:
        """The value before the first z."""
        raise NotImplementedError

    def add(self, parameter: int, value: Any, term: int, z: Tensor) -> Any:
        """The value with the z of one more term."""
        raise NotImplementedError

    def finish(self, parameter: int, target: Tensor, value: Any) -> None:
        """Write the value where it belongs."""
        raise NotImplementedError


@dataclass(frozen=True)
class Sum(Pass):
    """target ← decay·source + Σ_j scale_j·z_j, in at least float32, rounded once.

    scales: per parameter, one for each term. decay: per parameter.
    """

    scales: Sequence[Sequence[float]]
    decay: Sequence[float]

    def start(self, parameter: int, source: Tensor) -> Tensor:
        return source.to(torch.promote_types(source.dtype, torch.float32)) * self.decay[parameter]

    def add(self, parameter: int, value: Tensor, term: int, z: Tensor) -> Tensor:
        return value + self.scales[parameter][term] * z.to(value.dtype)

    def finish(self, parameter: int, target: Tensor, value: Tensor) -> None:
        target.copy_(value)
