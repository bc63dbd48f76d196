"""One tensor, one pass, on a GPU: generator, transform and update in one loop that `torch.compile` writes in Triton.

Beside the weights a call holds `TEMPORARY` bytes at most. Without a compiler `is_available` says so once, and the eager
path gives the same z. (The tests let `torch.compile` write the loops for a CPU too; a CPU's sweeps are `native`.)
"""

import functools
import logging
import warnings
from collections.abc import Callable
from types import FunctionType
from typing import Any, NamedTuple

import torch
from torch import Tensor

from mezo_lab.optim.noise import COORDINATES, Coordinates, threefry
from mezo_lab.optim.sweeps.progress import SweepProgress, Witness

_logger = logging.getLogger(__name__)

# Inductor computes a value again wherever it is used until the formula has this many operations; Threefry uses every
# value twice, and the default of 30 would cost minutes of compilation
_OPTIONS: dict[str, Any] = {"realize_opcount_threshold": 8}
PACKED_TERMS = 2  # z per call: what a fused step and a chain of probes need; more go through several calls
WORDS = 8  # bytes of a block, which the kernel of packed signs writes down for each z; the others write nothing
TERMS = 1  # of the laws that are not packed: with two, Inductor would keep the lanes of one in tensors of their own
TEMPORARY = 1 << 27  # bytes that a call may hold beside the weights; a GPU is busy with it for longer than its host
SAMPLE = 64  # blocks of a part, at most twice as many, that show whether a kernel has written it
DEVICES = ("cuda",)


class Numbers(NamedTuple):
    """The numbers of a sweep over one parameter, as tensors on its device: a Python number would be compiled in."""

    keys: Tensor
    """int32 (terms, 2)."""
    decay: Tensor
    """float64 ()."""
    scales: Tensor
    """float64 (terms,)."""


def run_compiled(law: str, target: Tensor, source: Tensor | None, numbers: Numbers, progress: SweepProgress) -> None:
    """Sweep the full blocks of a contiguous flat tensor; the rest, fewer than a block's coordinates, is left.

    Args: target, source: (numel,), on one device. progress: counts the calls; those that were made are left out.
    """
    coordinates = COORDINATES[law]
    rows = coordinates.block_view(target)
    source_rows = source
    if source is not None:
        source_rows = coordinates.block_view(source)
    call = _call_once
    held = 0  # bytes for each block
    if coordinates.packed:
        held = PACKED_TERMS * WORDS
    if len(numbers.keys) > _terms_per_call(coordinates):
        call = _call_several
        if _is_half(target):
            held += coordinates.per_block * torch.float32.itemsize
    blocks = coordinates.full_blocks(target.numel())
    parts = -(-blocks * held // TEMPORARY) or 1
    most = -(-blocks // parts)  # nearly equal parts: torch would compile anew for one of a single block
    for start in range(0, blocks, most):
        part = (coordinates.block_axis, start, min(most, blocks - start))
        source_part = source_rows
        if source_rows is not None:
            source_part = source_rows.narrow(*part)
        first = torch.full((), start, dtype=torch.int32, device=target.device)
        call(law, rows.narrow(*part), source_part, first, numbers, progress)


@functools.cache
def is_available(law: str, dtype: torch.dtype, device: torch.device) -> bool:
    """Whether the kernel of a law compiles and runs here; tried on a tensor of no importance."""
    if device.type not in DEVICES:
        return False
    target = torch.zeros(5000, dtype=dtype, device=device)  # sizes that happen to be equal would be compiled in as such
    keys = torch.zeros(1, 2, dtype=torch.int32, device=device)
    one = torch.ones((), dtype=torch.float64, device=device)
    try:
        with torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch's compiler warns of its own code: no failure, even under -W error
            run_compiled(law, target, None, Numbers(keys, one, one.view(1)), SweepProgress())
    except Exception as error:  # whatever a missing or broken compiler raises, the eager path needs none
        cause = " ".join(str(error).split("\n")[:2]).strip()
        _logger.warning("no compiled sweeps on %s, slower ones instead: %s", device, cause)
        return False
    return True


@functools.cache
def compiled_kernel(law: str, *variant) -> Callable[..., None]:
    """The compiled kernel of a law for one variant of its arguments; it compiles on its first call."""
    kinds = ", ".join(map(str, variant))
    _logger.warning("torch.compile builds a sweep of %s (%s): some seconds, less from its cache", law, kinds)
    coordinates = COORDINATES[law]
    make_kernel = _packed_kernel if coordinates.packed else _lanes_kernel
    kernel = make_kernel(coordinates)
    # torch compiles one code object 8 times and then gives up: each variant brings its own
    own = FunctionType(kernel.__code__.replace(), kernel.__globals__, kernel.__name__, None, kernel.__closure__)
    return torch.compile(own, dynamic=True, fullgraph=True, options=_OPTIONS)


def _lanes_kernel(coordinates: Coordinates) -> Callable[..., None]:
    """The kernel of a law that gives one coordinate to each lane: targets and sources are runs of neighbours."""

    def kernel(targets, sources, first, keys, decay, scales):
        work = torch.promote_types(targets[0].dtype, torch.float32)
        block = torch.arange(targets[0].shape[0], dtype=torch.int32, device=targets[0].device) + first
        values = [source.to(work) * decay.to(work) for source in (sources or targets)]
        for key, scale in zip(keys.unbind(), scales.unbind(), strict=True):
            lanes = coordinates.lanes(*threefry((key[0], key[1]), (block, torch.zeros_like(block))))
            values = [value + scale.to(work) * z.to(work) for value, z in zip(values, lanes, strict=True)]
        for target, value in zip(targets, values, strict=True):
            target.copy_(value)

    return kernel


def _packed_kernel(coordinates: Coordinates) -> Callable[..., None]:
    """The kernel of a law that takes its coordinates block by block: target and source are (blocks, per_block)."""

    def kernel(target, source, first, keys, decay, scales):
        work = torch.promote_types(target.dtype, torch.float32)
        block = torch.arange(target.shape[0], dtype=torch.int32, device=target.device) + first
        value = (target if source is None else source).to(work) * decay.to(work)
        for key, scale in zip(keys.unbind(), scales.unbind(), strict=True):
            (z,) = coordinates.lanes(*threefry((key[0], key[1]), (block, torch.zeros_like(block))))
            value = value + scale.to(work) * z.to(work)
        target.copy_(value)

    return kernel


def _terms_per_call(coordinates: Coordinates) -> int:
    return PACKED_TERMS if coordinates.packed else TERMS


def _is_half(target: Tensor) -> bool:
    return target.element_size() < torch.float32.itemsize


def _call_several(
    law: str, target: Tensor, source: Tensor | None, first: Tensor, numbers: Numbers, progress: SweepProgress
) -> None:
    """More z than one call takes in, into a sum that is rounded to the target's precision once."""
    if not _is_half(target):
        _call_in_turn(law, target, source, first, numbers, progress)
        return
    # Half-precision weights would be rounded by every call, so their sum is made apart, in float32. It is a single
    # write to the target, and an exception in the middle of it leaves the target as it was: the sum is made anew.
    if progress.skip(1):
        return
    total = torch.empty_like(target, dtype=torch.float32)
    if source is None:
        source = target
    _call_in_turn(law, total, source, first, numbers, SweepProgress())
    if progress.is_due(Witness.counting(target)):
        target.copy_(total)
    progress.complete()


def _call_in_turn(
    law: str, target: Tensor, source: Tensor | None, first: Tensor, numbers: Numbers, progress: SweepProgress
) -> None:
    """One call after another, each with as many z as it takes in."""
    decay = numbers.decay
    together = _terms_per_call(COORDINATES[law])
    for start in range(0, len(numbers.keys), together):
        part = slice(start, start + together)
        _call_once(law, target, source, first, Numbers(numbers.keys[part], decay, numbers.scales[part]), progress)
        # the first call has read the source and applied the decay; the others add to the sum
        source = None
        decay = torch.ones_like(decay)


def _call_once(
    law: str, target: Tensor, source: Tensor | None, first: Tensor, numbers: Numbers, progress: SweepProgress
) -> None:
    """One compiled call, unless it was made before."""
    by_block = target.transpose(0, COORDINATES[law].block_axis)
    sample = by_block[:: max(1, len(by_block) // SAMPLE)]
    if progress.is_due(Witness.sampling(sample)):
        _call(law, target, source, first, numbers)
    progress.complete()


def _call(law: str, target: Tensor, source: Tensor | None, first: Tensor, numbers: Numbers) -> None:
    # The kernel is given no views, as far as torch knows, for it would compile the shape of the whole tensor in.
    variant = (target.dtype, None, target.device, len(numbers.keys))
    source_lanes = None
    if source is not None:
        variant = (target.dtype, source.dtype, target.device, len(numbers.keys))
        source_lanes = _lanes(source, law)
    copies = (number.clone(memory_format=torch.contiguous_format) for number in (first, *numbers))
    compiled_kernel(law, *variant)(_lanes(target, law), source_lanes, *copies)


def _lanes(rows: Tensor, law: str) -> Tensor | tuple[Tensor, ...]:
    if COORDINATES[law].packed:
        return rows.detach()
    return tuple(lane.detach() for lane in rows.unbind())
