"""Work dealt out to the processes that `torchrun` starts, and the results of all of them in one order."""

from collections.abc import Callable, Iterator, Sequence

import torch
import torch.distributed as distributed

__all__ = ["dealt", "ranks"]

_ROUND = 16  # pieces of a rank between two exchanges: an exchange takes a fraction of a millisecond, a piece several


def ranks() -> int:
    """How many processes torch's process group has; 1 where there is none."""
    if not (distributed.is_available() and distributed.is_initialized()):
        return 1
    return distributed.get_world_size()


def dealt(work: Callable[[int], Sequence[float]], count: int, width: int) -> Iterator[tuple[float, ...]]:
    """work(0), …, work(count − 1), in this order and on every rank, each computed on one of them.

    Doubles travel whole, so that what is made of the results is the same, bit for bit, for any number of ranks.

    Args:
        work: index → `width` numbers that depend on the index alone.
        count: of pieces.
        width: of each result.

    >>> list(dealt(lambda index: [index, index**2], count=3, width=2))
    [(0.0, 0.0), (1.0, 1.0), (2.0, 4.0)]
    """
    size = ranks()
    if size == 1:
        yield from (tuple(map(float, work(index))) for index in range(count))
        return
    rank = distributed.get_rank()
    for first in range(0, count, size * _ROUND):
        indices = range(first, min(first + size * _ROUND, count))
        own = torch.zeros(_ROUND, width, dtype=torch.float64, device="cpu")
        for row, index in enumerate(indices[rank::size]):
            own[row] = torch.tensor(work(index), dtype=torch.float64, device="cpu")
        tables = [torch.empty_like(own) for _ in range(size)]
        distributed.all_gather(tables, own)
        for place in range(len(indices)):
            yield tuple(tables[place % size][place // size].tolist())
