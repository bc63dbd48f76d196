"""One tensor, one pass: the generator, the transform and the update in a single loop that `torch.compile` writes.

On a CPU the loop is C++, on a GPU Triton; no tensor of the size of the parameter is made. Without a compiler
`compiled` says so once, and the eager path gives the same z.
"""

import functools
import logging
from collections.abc import Callable

import torch
from torch import Tensor

from mezo_lab.noise import COORDINATES, Coordinates, threefry

logger = logging.getLogger(__name__)

# Inductor computes a value again wherever it is used until the formula has this many operations; Threefry uses every
# value twice, and the default of 30 would cost minutes of compilation
OPTIONS = {"realize_opcount_threshold": 8}
MOST_BLOCKS = 1 << 18  # of packed signs per call: their words, 2 MiB, are the only temporary


def spread(coordinates: Coordinates, square: bool) -> Callable[..., None]:
    """The kernel of a law that gives one coordinate to each lane: targets and sources are runs of neighbours."""

    def kernel(targets, sources, keys, first, decay, scales):
        work = torch.promote_types(targets[0].dtype, torch.float32)
        block = torch.arange(targets[0].shape[0], dtype=torch.int32, device=targets[0].device) + first
        values = [source.to(work) * decay.to(work) for source in (sources or targets)]
        for key, scale in zip(keys.unbind(), scales.unbind(), strict=True):
            lanes = coordinates.lanes(*threefry((key[0], key[1]), (block, torch.zeros_like(block))))
            values = [value + scale.to(work) * powered(z, square) for value, z in zip(values, lanes, strict=True)]
        for target, value in zip(targets, values, strict=True):
            target.copy_(value)

    return kernel


def packed(coordinates: Coordinates, square: bool) -> Callable[..., None]:
    """The kernel of a law that takes its coordinates block by block: target and source are (blocks, per_block)."""

    def kernel(target, source, keys, first, decay, scales):
        work = torch.promote_types(target.dtype, torch.float32)
        block = torch.arange(target.shape[0], dtype=torch.int32, device=target.device) + first
        value = (target if source is None else source).to(work) * decay.to(work)
        for key, scale in zip(keys.unbind(), scales.unbind(), strict=True):
            (z,) = coordinates.lanes(*threefry((key[0], key[1]), (block, torch.zeros_like(block))))
            value = value + scale.to(work) * powered(z, square)
        target.copy_(value)

    return kernel


def powered(z: Tensor, square: bool) -> Tensor:
    return z * z if square else z


@functools.cache
def compiled(law: str, square: bool) -> Callable[..., None]:
    """The compiled kernel of a law; it compiles on its first call, once for each dtype, device and number of z."""
    coordinates = COORDINATES[law]
    kernel = packed(coordinates, square) if coordinates.packed else spread(coordinates, square)
    return torch.compile(kernel, dynamic=True, fullgraph=True, options=OPTIONS)


@functools.cache
def available(law: str, dtype: torch.dtype, device: torch.device) -> bool:
    """Whether the kernel of a law compiles and runs here; tried on a tensor of no importance."""
    if device.type not in ("cpu", "cuda"):
        return False
    target = torch.zeros(4096, dtype=dtype, device=device)
    keys, first = torch.zeros(1, 2, dtype=torch.int32, device=device), torch.zeros((), dtype=torch.int32, device=device)
    one = torch.ones((), dtype=torch.float64, device=device)
    try:
        with torch.no_grad():
            run(law, target, None, keys, first, one, one.view(1))
    except Exception as error:  # whatever a missing or broken compiler raises, the eager path needs none
        logger.warning("no compiled sweeps on %s, slower ones instead: %s", device, str(error).strip().split("\n")[0])
        return False
    return True


def run(law: str, target: Tensor, source: Tensor | None, keys, first, decay, scales, square: bool = False) -> None:
    """Sweep the full blocks of a contiguous flat tensor; the rest, fewer than a block's coordinates, is left.

    Args: target, source: (numel,). keys: int32 (terms, 2). first: int32 (), the first block. decay, scales: float64
    (), (terms,). All on one device, as tensors: a Python number would be compiled in.
    """
    coordinates, kernel = COORDINATES[law], compiled(law, square)
    blocks = coordinates.place(target.numel())
    done = blocks * coordinates.per_block
    if coordinates.packed:
        rows = target[:done].view(blocks, -1)
        origin = None if source is None else source[:done].view(blocks, -1)
        if blocks <= MOST_BLOCKS:
            kernel(rows, origin, keys, first, decay, scales)
            return
        for start in range(0, blocks, MOST_BLOCKS):
            part = slice(start, start + MOST_BLOCKS)
            kernel(rows[part], None if origin is None else origin[part], keys, first + start, decay, scales)
    else:
        lanes = target[:done].view(-1, blocks).unbind()
        origins = None if source is None else source[:done].view(-1, blocks).unbind()
        kernel(lanes, origins, keys, first, decay, scales)
