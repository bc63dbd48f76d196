"""One tensor, one pass: the generator, the transform and the update in a single loop that `torch.compile` writes.

On a CPU the loop is C++, on a GPU Triton; no tensor of the size of the parameter is made. Without a compiler
`available` says so once, and the eager path gives the same z.
"""

import functools
import logging
import warnings
from collections.abc import Callable
from types import FunctionType
from typing import Any

import torch
from torch import Tensor

from mezo_lab.optim.noise import COORDINATES, Coordinates, threefry
from mezo_lab.optim.sweeps.progress import Progress, Witness

logger = logging.getLogger(__name__)

# Inductor computes a value again wherever it is used until the formula has this many operations; Threefry uses every
# value twice, and the default of 30 would cost minutes of compilation
OPTIONS: dict[str, Any] = {"realize_opcount_threshold": 8}
PACKED_TERMS = 2  # z per call: what a fused step and a chain of probes need; more go through several calls
TERMS = 1  # of the laws that are not packed: with two, Inductor would keep the lanes of one in tensors of their own
PART = 1 << 20  # coordinates that take in several calls' z before the next: 4 MiB, so that they stay in cache
SAMPLE = 64  # blocks of a part, at most twice as many, that tell whether a kernel has written it
MOST_BLOCKS = 1 << 18  # of packed signs per call: their words, 2 MiB for each z, are the only temporary


def spread(coordinates: Coordinates) -> Callable[..., None]:
    """The kernel of a law that gives one coordinate to each lane: targets and sources are runs of neighbours."""

    def kernel(targets, sources, keys, first, decay, scales):
        work = torch.promote_types(targets[0].dtype, torch.float32)
        block = torch.arange(targets[0].shape[0], dtype=torch.int32, device=targets[0].device) + first
        values = [source.to(work) * decay.to(work) for source in (sources or targets)]
        for key, scale in zip(keys.unbind(), scales.unbind(), strict=True):
            lanes = coordinates.lanes(*threefry((key[0], key[1]), (block, torch.zeros_like(block))))
            values = [value + scale.to(work) * z.to(work) for value, z in zip(values, lanes, strict=True)]
        for target, value in zip(targets, values, strict=True):
            target.copy_(value)

    return kernel


def packed(coordinates: Coordinates) -> Callable[..., None]:
    """The kernel of a law that takes its coordinates block by block: target and source are (blocks, per_block)."""

    def kernel(target, source, keys, first, decay, scales):
        work = torch.promote_types(target.dtype, torch.float32)
        block = torch.arange(target.shape[0], dtype=torch.int32, device=target.device) + first
        value = (target if source is None else source).to(work) * decay.to(work)
        for key, scale in zip(keys.unbind(), scales.unbind(), strict=True):
            (z,) = coordinates.lanes(*threefry((key[0], key[1]), (block, torch.zeros_like(block))))
            value = value + scale.to(work) * z.to(work)
        target.copy_(value)

    return kernel


@functools.cache
def compiled(law: str, *variant) -> Callable[..., None]:
    """The compiled kernel of a law for one variant of its arguments; it compiles on its first call."""
    coordinates = COORDINATES[law]
    kernel = packed(coordinates) if coordinates.packed else spread(coordinates)
    # torch compiles one code object 8 times and then gives up: each variant brings its own
    own = FunctionType(kernel.__code__.replace(), kernel.__globals__, kernel.__name__, None, kernel.__closure__)
    return torch.compile(own, dynamic=True, fullgraph=True, options=OPTIONS)


@functools.cache
def available(law: str, dtype: torch.dtype, device: torch.device) -> bool:
    """Whether the kernel of a law compiles and runs here; tried on a tensor of no importance."""
    if device.type not in ("cpu", "cuda"):
        return False
    target = torch.zeros(5000, dtype=dtype, device=device)  # sizes that happen to be equal would be compiled in as such
    keys, one = torch.zeros(1, 2, dtype=torch.int32, device=device), torch.ones((), dtype=torch.float64, device=device)
    try:
        with torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch's compiler warns of its own code: no failure, even under -W error
            run(law, target, None, keys, one, one.view(1), Progress())
    except Exception as error:  # whatever a missing or broken compiler raises, the eager path needs none
        cause = " ".join(str(error).split("\n")[:2]).strip()
        logger.warning("no compiled sweeps on %s, slower ones instead: %s", device, cause)
        return False
    return True


def run(
    law: str,
    target: Tensor,
    source: Tensor | None,
    keys: Tensor,
    decay: Tensor,
    scales: Tensor,
    progress: Progress,
) -> None:
    """Sweep the full blocks of a contiguous flat tensor; the rest, fewer than a block's coordinates, is left.

    Args: target, source: (numel,). keys: int32 (terms, 2). decay, scales: float64 (), (terms,). All on one device, as
    tensors: a Python number would be compiled in. progress: counts the calls; those that were made are left out.
    """
    coordinates = COORDINATES[law]
    blocks, per_block = coordinates.place(target.numel()), coordinates.per_block
    shape = (blocks, per_block) if coordinates.packed else (per_block, blocks)
    rows = target[: blocks * per_block].view(shape)
    origins = None if source is None else source[: blocks * per_block].view(shape)
    several_calls = len(keys) > per_call(coordinates)
    most = PART // per_block if several_calls else MOST_BLOCKS if coordinates.packed else blocks
    most = -(-blocks // -(-blocks // most))  # nearly equal parts: torch would compile anew for one of a single block
    for start in range(0, blocks, most):
        part = slice(start, start + most) if coordinates.packed else (slice(None), slice(start, start + most))
        origin = None if origins is None else origins[part]
        first = torch.full((), start, dtype=torch.int32, device=target.device)
        if several_calls:
            several(law, rows[part], origin, keys, first, decay, scales, progress)
        else:
            once(law, rows[part], origin, keys, first, decay, scales, progress)


def per_call(coordinates: Coordinates) -> int:
    return PACKED_TERMS if coordinates.packed else TERMS


def several(law: str, target: Tensor, source: Tensor | None, keys, first, decay, scales, progress: Progress) -> None:
    """More z than one call takes in, into a sum that is rounded to the target's precision once."""
    total = target if target.element_size() >= 4 else torch.empty_like(target, dtype=torch.float32)
    source = target if source is None and total is not target else source
    together = per_call(COORDINATES[law])
    if total is not target and progress.passed(1):
        return
    for start in range(0, len(keys), together):
        part = slice(start, start + together)
        own = progress if total is target else Progress()  # a sum of its own is made anew
        once(law, total, source, keys[part], first, decay, scales[part], own)
        source, decay = None, torch.ones_like(decay)
    if total is not target:
        if progress.due(Witness.counting(target)):
            target.copy_(total)
        progress.over()


def once(law: str, target: Tensor, source: Tensor | None, keys, first, decay, scales, progress: Progress) -> None:
    """One compiled call, unless it was made before."""
    axis = 0 if COORDINATES[law].packed else 1
    step = max(1, target.shape[axis] // SAMPLE)
    sample = target[::step] if axis == 0 else target[:, ::step]
    if progress.due(Witness.sampling(sample)):
        call(law, target, source, keys, first, decay, scales)
    progress.over()


def call(law: str, target: Tensor, source: Tensor | None, keys, first, decay, scales) -> None:
    """One compiled call. Its tensors are no views, as far as torch knows: it would compile the whole's shape in."""
    dtypes = target.dtype, None if source is None else source.dtype
    kernel = compiled(law, *dtypes, target.device, len(keys))
    lanes, origins = (None if rows is None else separated(rows, law) for rows in (target, source))
    numbers = (number.clone(memory_format=torch.contiguous_format) for number in (keys, first, decay, scales))
    kernel(lanes, origins, *numbers)


def separated(rows: Tensor, law: str) -> Tensor | tuple[Tensor, ...]:
    return rows.detach() if COORDINATES[law].packed else tuple(lane.detach() for lane in rows.unbind())
